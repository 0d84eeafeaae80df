//! Names: `ResourceId` and `ScalableDimension`, and the ARNs of targets and policies.

use crate::arn::{Owner, hashed_uuid};
use crate::error_table::ApiError;
use crate::render::{self, Object};
use stator_catalog::{ScalingResource, Way};

const TARGET: &str = "scalable-target/";

/// `table/name` or `table/name/index/name`, and a dimension that fits.
pub(super) fn parse(resource_id: &str, dimension: &str) -> Result<ScalingResource, ApiError> {
    let unsupported =
        || ApiError::validation("Unsupported service namespace, resource type or scalable dimension".to_owned());
    let way = match dimension.rsplit(':').next() {
        Some("ReadCapacityUnits") => Way::Read,
        Some("WriteCapacityUnits") => Way::Write,
        _ => return Err(unsupported()),
    };
    let mut parts = resource_id.split('/');
    let is_table = parts.next() == Some("table");
    let table = parts.next().filter(|name| is_table && !name.is_empty()).ok_or_else(unsupported)?;
    let index = match (parts.next(), parts.next(), parts.next()) {
        (None, None, None) => None,
        (Some("index"), Some(name), None) if !name.is_empty() => Some(name.to_owned()),
        _ => return Err(unsupported()),
    };
    if index.is_some() != dimension.starts_with("dynamodb:index:") {
        return Err(unsupported());
    }
    Ok(ScalingResource { table: table.to_owned(), index, way })
}

/// `ResourceId` and `ScalableDimension`.
pub(super) fn of(resource: &ScalingResource) -> (String, &'static str) {
    let id = match &resource.index {
        None => format!("table/{}", resource.table),
        Some(index) => format!("table/{}/index/{index}", resource.table),
    };
    let dimension = match (resource.index.is_some(), resource.way) {
        (false, Way::Read) => "dynamodb:table:ReadCapacityUnits",
        (false, Way::Write) => "dynamodb:table:WriteCapacityUnits",
        (true, Way::Read) => "dynamodb:index:ReadCapacityUnits",
        (true, Way::Write) => "dynamodb:index:WriteCapacityUnits",
    };
    (id, dimension)
}

/// `ResourceId`.
pub(crate) fn resource_id(resource: &ScalingResource) -> String {
    of(resource).0
}

/// The three members that name a capacity in a reply.
pub(super) fn write(resource: &ScalingResource, out: &mut Object<'_>) {
    let (id, dimension) = of(resource);
    render::string("dynamodb", out.member("ServiceNamespace"));
    render::string(&id, out.member("ResourceId"));
    render::string(dimension, out.member("ScalableDimension"));
}

/// How texts name a capacity.
pub(crate) fn described(resource: &ScalingResource) -> String {
    let (id, dimension) = of(resource);
    format!("service namespace: dynamodb, resource ID: {id}, scalable dimension: {dimension}")
}

/// A number that is never used again, as a UUID of version 8 (RFC 9562).
pub(super) fn uuid(kind: &str, number: u64, owner: &Owner) -> String {
    hashed_uuid(&format!("{kind}/{number}/{}/{}", owner.region, owner.account_id)).to_string()
}

/// The ARN of the target of that number.
pub(super) fn target_arn(number: u64, owner: &Owner) -> String {
    let Owner { region, account_id } = owner;
    format!("arn:aws:application-autoscaling:{region}:{account_id}:{TARGET}{number:016x}")
}

/// The number of the target that an ARN names; `None`: it is no target's here.
pub(super) fn target_number(arn: &str, owner: &Owner) -> Option<u64> {
    let (_, text) = arn.rsplit_once(TARGET)?;
    let number = u64::from_str_radix(text, 16).ok()?;
    (target_arn(number, owner) == arn).then_some(number)
}

/// The ARN of a policy.
pub(super) fn policy_arn(number: u64, name: &str, resource: &ScalingResource, owner: &Owner) -> String {
    let Owner { region, account_id } = owner;
    let (uuid, id) = (uuid("scaling-policy", number, owner), of(resource).0);
    format!("arn:aws:autoscaling:{region}:{account_id}:scalingPolicy:{uuid}:resource/dynamodb/{id}:policyName/{name}")
}

/// What tells a policy's ARN from all others.
pub(super) fn uuid_of(policy: &stator_catalog::ScalingPolicy, owner: &Owner) -> String {
    uuid("scaling-policy", policy.number, owner)
}
