//! Application Auto Scaling's API, as far as it concerns tables: JSON 1.1, `AnyScaleFrontendService.*`.
//!
//! Source: Application Auto Scaling API Reference. Scheduled actions, step scaling and predictive scaling are not here; metrics
//! are the two predefined ones of DynamoDB.

mod activities;
mod naming;
mod policies;
mod tags;
mod targets;
#[cfg(test)]
mod tests;

pub use activities::DescribeScalingActivities;
pub use policies::{DeleteScalingPolicy, DescribeScalingPolicies, PutScalingPolicy};
pub use tags::{ChangeScalingTags, ListScalingTags};
pub use targets::{DeregisterScalableTarget, DescribeScalableTargets, RegisterScalableTarget};

pub(crate) use naming::{described, resource_id};
pub(crate) use policies::{tracking as checked_tracking, write_tracking};
pub(crate) use targets::role_arn;

use crate::error_table::ApiError;
use crate::reader::{Member, Members, Names, Shape};
use stator_catalog::ScalingResource;

const RESULTS_MAX: usize = 50;

const NAMESPACE: Member = Member::required("ServiceNamespace", &Shape::String(Names::Enum(&["dynamodb"])));
const TEXT_1600: Shape = Shape::String(Names::Length(1, 1_600));
const DIMENSIONS: Shape = Shape::String(Names::Enum(&[
    "dynamodb:table:ReadCapacityUnits",
    "dynamodb:table:WriteCapacityUnits",
    "dynamodb:index:ReadCapacityUnits",
    "dynamodb:index:WriteCapacityUnits",
]));
const RESOURCE_ID: Member = Member::required("ResourceId", &TEXT_1600);
const DIMENSION: Member = Member::required("ScalableDimension", &DIMENSIONS);
const MAX_RESULTS: Member = Member::optional("MaxResults", &Shape::Integer { min: Some(1), max: None });
const NEXT_TOKEN: Member = Member::optional("NextToken", &Shape::TEXT);

/// The capacity that `ResourceId` and `ScalableDimension` name.
fn resource(members: Members<'_>) -> Result<ScalingResource, ApiError> {
    let dimension = members.text("ScalableDimension").unwrap_or_default();
    naming::parse(members.text("ResourceId").unwrap_or_default(), dimension)
}

/// What a list is narrowed down to, and from where on it is told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Narrowing {
    resource_ids: Vec<String>,
    dimension: Option<String>,
    /// `NextToken` is the number of the first element that is not told yet.
    from: usize,
    results_max: usize,
}

impl Narrowing {
    fn read(members: Members<'_>, resource_ids: Vec<String>) -> Result<Narrowing, ApiError> {
        let dimension = members.text("ScalableDimension").map(str::to_owned);
        if dimension.is_some() && resource_ids.is_empty() {
            return Err(ApiError::validation(
                "If the scalable dimension is specified, the resource ID must be specified as well",
            ));
        }
        let from = match members.text("NextToken") {
            None => 0,
            Some(token) => token.parse().map_err(|_| ApiError::InvalidNextToken)?,
        };
        let results_max = members.unsigned("MaxResults").and_then(|most| usize::try_from(most).ok());
        Ok(Narrowing {
            resource_ids,
            dimension,
            from,
            results_max: results_max.unwrap_or(RESULTS_MAX).min(RESULTS_MAX),
        })
    }

    fn takes(&self, resource: &ScalingResource) -> bool {
        let (id, dimension) = naming::of(resource);
        (self.resource_ids.is_empty() || self.resource_ids.contains(&id))
            && self.dimension.as_deref().is_none_or(|wanted| wanted == dimension)
    }

    /// The page of a list, and the token of the next one.
    fn page<T>(&self, all: impl Iterator<Item = T>) -> (Vec<T>, Option<String>) {
        let mut page: Vec<T> = all.skip(self.from).take(self.results_max + 1).collect();
        let more = page.len() > self.results_max;
        page.truncate(self.results_max);
        let next = more.then(|| (self.from + self.results_max).to_string());
        (page, next)
    }
}

/// A reply without members.
pub fn render_nothing(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{}");
}
