//! DescribeScalingActivities.

use super::{DIMENSIONS, MAX_RESULTS, NAMESPACE, NEXT_TOKEN, Narrowing, TEXT_1600, naming};
use crate::arn::Owner;
use crate::error_table::ApiError;
use crate::operation::table_json::seconds;
use crate::reader::{self, Member, Shape, Structure};
use crate::render::{self, List, Object};
use stator_catalog::{Catalog, ScalingActivity, ScalingCause, ScalingResource, Way};

static INPUT: Structure = Structure {
    name: "DescribeScalingActivitiesRequest",
    members: &[
        NAMESPACE,
        Member::optional("ResourceId", &TEXT_1600),
        Member::optional("ScalableDimension", &DIMENSIONS),
        MAX_RESULTS,
        NEXT_TOKEN,
        Member::optional("IncludeNotScaledActivities", &Shape::Boolean),
    ],
};

/// A checked DescribeScalingActivities. What was thought about and not done is never told.
#[derive(Clone, PartialEq, Debug)]
pub struct DescribeScalingActivities {
    narrowing: Narrowing,
}

impl DescribeScalingActivities {
    pub fn parse(body: &[u8]) -> Result<DescribeScalingActivities, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let ids = members.text("ResourceId").map(str::to_owned).into_iter().collect();
        Ok(DescribeScalingActivities { narrowing: Narrowing::read(members, ids)? })
    }

    /// The latest first.
    pub fn render(&self, catalog: &Catalog, owner: &Owner, out: &mut Vec<u8>) {
        let mut all: Vec<(ScalingResource, &ScalingActivity)> = catalog
            .scalable_targets()
            .filter_map(|(dimension, target)| Some((catalog.scaling_resource(&dimension)?, target)))
            .filter(|(resource, _)| self.narrowing.takes(resource))
            .flat_map(|(resource, target)| target.activities.iter().map(move |activity| (resource.clone(), activity)))
            .collect();
        all.sort_by_key(|(_, activity)| std::cmp::Reverse(activity.number));
        let (page, next) = self.narrowing.page(all.into_iter());
        let mut body = Object::begin(out);
        let mut list = List::begin(body.member("ScalingActivities"));
        for (resource, activity) in page {
            write(&resource, activity, owner, list.element());
        }
        list.end();
        if let Some(next) = next {
            render::string(&next, body.member("NextToken"));
        }
        body.end();
    }
}

fn write(resource: &ScalingResource, activity: &ScalingActivity, owner: &Owner, out: &mut Vec<u8>) {
    let units = match resource.way {
        Way::Read => "read capacity units",
        Way::Write => "write capacity units",
    };
    let mut shown = Object::begin(out);
    render::string(&naming::uuid("scaling-activity", activity.number, owner), shown.member("ActivityId"));
    naming::write(resource, &mut shown);
    render::string(&format!("Setting {units} to {}.", activity.to), shown.member("Description"));
    let cause = match &activity.cause {
        ScalingCause::Minimum => format!("minimum capacity was set to {}", activity.to),
        ScalingCause::Maximum => format!("maximum capacity was set to {}", activity.to),
        ScalingCause::High { policy } => format!("consumption above the target triggered policy {policy}"),
        ScalingCause::Low { policy } => format!("consumption below the target triggered policy {policy}"),
    };
    render::string(&cause, shown.member("Cause"));
    seconds(activity.at_ms, shown.member("StartTime"));
    seconds(activity.at_ms, shown.member("EndTime"));
    let (code, message) = match &activity.failure {
        None => ("Successful", format!("Successfully set {units} to {}. Change successfully fulfilled.", activity.to)),
        Some(reason) => {
            ("Failed", format!("Failed to set {units} to {}. Reason: Failed updating table: {reason}", activity.to))
        }
    };
    render::string(code, shown.member("StatusCode"));
    render::string(&message, shown.member("StatusMessage"));
    shown.end();
}
