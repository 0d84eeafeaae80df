//! RegisterScalableTarget, DeregisterScalableTarget and DescribeScalableTargets.

use super::{
    DIMENSION, DIMENSIONS, MAX_RESULTS, NAMESPACE, NEXT_TOKEN, Narrowing, RESOURCE_ID, TEXT_1600, naming, tags,
};
use crate::arn::Owner;
use crate::error_table::ApiError;
use crate::operation::table_json::seconds;
use crate::reader::{self, Member, Members, Shape, Structure};
use crate::render::{self, List, Object};
use stator_catalog::{Catalog, Change, ScalableTarget, ScalingChange, ScalingResource, Suspended};

const CAPACITY: Shape = Shape::Integer { min: None, max: None };

static SUSPENDED: Structure = Structure {
    name: "SuspendedState",
    members: &[
        Member::optional("DynamicScalingInSuspended", &Shape::Boolean),
        Member::optional("DynamicScalingOutSuspended", &Shape::Boolean),
        Member::optional("ScheduledScalingSuspended", &Shape::Boolean),
    ],
};

static REGISTER_INPUT: Structure = Structure {
    name: "RegisterScalableTargetRequest",
    members: &[
        NAMESPACE,
        RESOURCE_ID,
        DIMENSION,
        Member::optional("MinCapacity", &CAPACITY),
        Member::optional("MaxCapacity", &CAPACITY),
        Member::optional("RoleARN", &TEXT_1600),
        Member::optional("SuspendedState", &Shape::Structure(&SUSPENDED)),
        Member::optional("Tags", &tags::TAGS),
    ],
};

static DEREGISTER_INPUT: Structure =
    Structure { name: "DeregisterScalableTargetRequest", members: &[NAMESPACE, RESOURCE_ID, DIMENSION] };

static DESCRIBE_INPUT: Structure = Structure {
    name: "DescribeScalableTargetsRequest",
    members: &[
        NAMESPACE,
        Member::optional("ResourceIds", &Shape::List { of: &TEXT_1600, min: 0, max: 50 }),
        Member::optional("ScalableDimension", &DIMENSIONS),
        MAX_RESULTS,
        NEXT_TOKEN,
    ],
};

/// A checked RegisterScalableTarget.
#[derive(Clone, PartialEq, Debug)]
pub struct RegisterScalableTarget {
    resource: ScalingResource,
    change: ScalingChange,
}

impl RegisterScalableTarget {
    pub fn parse(body: &[u8]) -> Result<RegisterScalableTarget, ApiError> {
        let request = reader::read(body, &REGISTER_INPUT)?;
        let members = request.members();
        let resource = super::resource(members)?;
        let suspended = members.structure("SuspendedState").map(|state| Suspended {
            scaling_in: state.flag("DynamicScalingInSuspended").unwrap_or_default(),
            scaling_out: state.flag("DynamicScalingOutSuspended").unwrap_or_default(),
            scheduled: state.flag("ScheduledScalingSuspended").unwrap_or_default(),
        });
        let change = ScalingChange::Register {
            resource: resource.clone(),
            min: capacity(members, "MinCapacity")?,
            max: capacity(members, "MaxCapacity")?,
            role_arn: members.text("RoleARN").map(str::to_owned),
            suspended,
            tags: tags::tags(members),
        };
        Ok(RegisterScalableTarget { resource, change })
    }

    /// What the catalog is told.
    pub fn change(&self) -> Change {
        Change::Scaling(self.change.clone())
    }

    /// From a catalog that has the change; if somebody has taken the target away since, it is not found.
    pub fn render(&self, catalog: &Catalog, owner: &Owner, out: &mut Vec<u8>) -> Result<(), ApiError> {
        let target = catalog.scalable_target(&self.resource).ok_or_else(|| ApiError::no_such_target(&self.resource))?;
        let mut body = Object::begin(out);
        render::string(&naming::target_arn(target.number, owner), body.member("ScalableTargetARN"));
        body.end();
        Ok(())
    }
}

/// Whole units: a table has at least one.
fn capacity(members: Members<'_>, name: &str) -> Result<Option<u64>, ApiError> {
    match members.integer(name) {
        None => Ok(None),
        Some(units) if units >= 1 => Ok(u64::try_from(units).ok()),
        Some(_) => Err(ApiError::validation(format!("{name} must be at least 1 for the service namespace dynamodb"))),
    }
}

/// A checked DeregisterScalableTarget.
#[derive(Clone, PartialEq, Debug)]
pub struct DeregisterScalableTarget {
    resource: ScalingResource,
}

impl DeregisterScalableTarget {
    pub fn parse(body: &[u8]) -> Result<DeregisterScalableTarget, ApiError> {
        let request = reader::read(body, &DEREGISTER_INPUT)?;
        Ok(DeregisterScalableTarget { resource: super::resource(request.members())? })
    }

    /// What the catalog is told.
    pub fn change(self) -> Change {
        Change::Scaling(ScalingChange::Deregister { resource: self.resource })
    }
}

/// A checked DescribeScalableTargets.
#[derive(Clone, PartialEq, Debug)]
pub struct DescribeScalableTargets {
    narrowing: Narrowing,
}

impl DescribeScalableTargets {
    pub fn parse(body: &[u8]) -> Result<DescribeScalableTargets, ApiError> {
        let request = reader::read(body, &DESCRIBE_INPUT)?;
        let members = request.members();
        let ids = members.list("ResourceIds").unwrap_or_default();
        let ids = ids.iter().filter_map(|id| id.as_str()).map(str::to_owned).collect();
        Ok(DescribeScalableTargets { narrowing: Narrowing::read(members, ids)? })
    }

    pub fn render(&self, catalog: &Catalog, owner: &Owner, out: &mut Vec<u8>) {
        let all = catalog
            .scalable_targets()
            .filter_map(|(dimension, target)| Some((catalog.scaling_resource(&dimension)?, target)))
            .filter(|(resource, _)| self.narrowing.takes(resource));
        let (page, next) = self.narrowing.page(all);
        let mut body = Object::begin(out);
        let mut list = List::begin(body.member("ScalableTargets"));
        for (resource, target) in page {
            write(&resource, target, owner, list.element());
        }
        list.end();
        if let Some(next) = next {
            render::string(&next, body.member("NextToken"));
        }
        body.end();
    }
}

/// The role that AWS would take itself.
pub(crate) fn role_arn(target: &ScalableTarget, owner: &Owner) -> String {
    target.role_arn.clone().unwrap_or_else(|| {
        format!(
            "arn:aws:iam::{}:role/aws-service-role/dynamodb.application-autoscaling.amazonaws.com/\
             AWSServiceRoleForApplicationAutoScaling_DynamoDBTable",
            owner.account_id
        )
    })
}

fn write(resource: &ScalingResource, target: &ScalableTarget, owner: &Owner, out: &mut Vec<u8>) {
    let mut shown = Object::begin(out);
    naming::write(resource, &mut shown);
    render::integer(target.min, shown.member("MinCapacity"));
    render::integer(target.max, shown.member("MaxCapacity"));
    render::string(&role_arn(target, owner), shown.member("RoleARN"));
    seconds(target.created_ms, shown.member("CreationTime"));
    let mut suspended = Object::begin(shown.member("SuspendedState"));
    for (name, is_so) in [
        ("DynamicScalingInSuspended", target.suspended.scaling_in),
        ("DynamicScalingOutSuspended", target.suspended.scaling_out),
        ("ScheduledScalingSuspended", target.suspended.scheduled),
    ] {
        render::flag(is_so, suspended.member(name));
    }
    suspended.end();
    render::string(&naming::target_arn(target.number, owner), shown.member("ScalableTargetARN"));
    shown.end();
}
