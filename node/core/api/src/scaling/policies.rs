//! PutScalingPolicy, DeleteScalingPolicy and DescribeScalingPolicies.

use super::{DIMENSION, DIMENSIONS, MAX_RESULTS, NAMESPACE, NEXT_TOKEN, Narrowing, RESOURCE_ID, TEXT_1600, naming};
use crate::arn::Owner;
use crate::error_table::ApiError;
use crate::operation::table_json::seconds;
use crate::reader::{self, Member, Members, Names, Shape, Structure};
use crate::render::{self, List, Object};
use stator_catalog::{Catalog, Change, ScalingChange, ScalingPolicy, ScalingResource, TargetTracking, Way};

const POLICY_NAME: Shape = Shape::String(Names::Length(1, 256));
const COOLDOWN: Shape = Shape::Integer { min: None, max: None };
/// Percent of the provisioned units that a table may be told to run at.
const TARGET_PERCENT: std::ops::RangeInclusive<f64> = 20.0..=90.0;

static PREDEFINED_METRIC: Structure = Structure {
    name: "PredefinedMetricSpecification",
    members: &[
        Member::required(
            "PredefinedMetricType",
            &Shape::String(Names::Enum(&["DynamoDBReadCapacityUtilization", "DynamoDBWriteCapacityUtilization"])),
        ),
        Member::optional("ResourceLabel", &Shape::TEXT),
    ],
};

static TRACKING: Structure = Structure {
    name: "TargetTrackingScalingPolicyConfiguration",
    members: &[
        Member::required("TargetValue", &Shape::Double),
        Member::optional("PredefinedMetricSpecification", &Shape::Structure(&PREDEFINED_METRIC)),
        Member::not_yet("CustomizedMetricSpecification"),
        Member::optional("ScaleOutCooldown", &COOLDOWN),
        Member::optional("ScaleInCooldown", &COOLDOWN),
        Member::optional("DisableScaleIn", &Shape::Boolean),
    ],
};

static PUT_INPUT: Structure = Structure {
    name: "PutScalingPolicyRequest",
    members: &[
        Member::required("PolicyName", &POLICY_NAME),
        NAMESPACE,
        RESOURCE_ID,
        DIMENSION,
        Member::optional(
            "PolicyType",
            &Shape::String(Names::Enum(&["StepScaling", "TargetTrackingScaling", "PredictiveScaling"])),
        ),
        Member::not_yet("StepScalingPolicyConfiguration"),
        Member::optional("TargetTrackingScalingPolicyConfiguration", &Shape::Structure(&TRACKING)),
        Member::not_yet("PredictiveScalingPolicyConfiguration"),
    ],
};

static DELETE_INPUT: Structure = Structure {
    name: "DeleteScalingPolicyRequest",
    members: &[Member::required("PolicyName", &TEXT_1600), NAMESPACE, RESOURCE_ID, DIMENSION],
};

static DESCRIBE_INPUT: Structure = Structure {
    name: "DescribeScalingPoliciesRequest",
    members: &[
        Member::optional("PolicyNames", &Shape::List { of: &TEXT_1600, min: 0, max: 50 }),
        NAMESPACE,
        Member::optional("ResourceId", &TEXT_1600),
        Member::optional("ScalableDimension", &DIMENSIONS),
        MAX_RESULTS,
        NEXT_TOKEN,
    ],
};

/// A checked PutScalingPolicy.
#[derive(Clone, PartialEq, Debug)]
pub struct PutScalingPolicy {
    resource: ScalingResource,
    name: String,
    tracking: TargetTracking,
}

impl PutScalingPolicy {
    pub fn parse(body: &[u8]) -> Result<PutScalingPolicy, ApiError> {
        let request = reader::read(body, &PUT_INPUT)?;
        let members = request.members();
        let resource = super::resource(members)?;
        let configuration = members.structure("TargetTrackingScalingPolicyConfiguration");
        let (Some("TargetTrackingScaling"), Some(configuration)) = (members.text("PolicyType"), configuration) else {
            return Err(ApiError::validation(
                "DynamoDB tables and indexes are scaled by policies of the type TargetTrackingScaling, with a \
                 TargetTrackingScalingPolicyConfiguration",
            ));
        };
        let metric = configuration.structure("PredefinedMetricSpecification");
        let metric = metric.and_then(|metric| metric.text("PredefinedMetricType"));
        if metric != Some(metric_of(resource.way)) {
            return Err(ApiError::validation(format!(
                "The scalable dimension goes with the predefined metric {}",
                metric_of(resource.way)
            )));
        }
        let name = members.text("PolicyName").unwrap_or_default().to_owned();
        Ok(PutScalingPolicy { resource, name, tracking: tracking(configuration)? })
    }

    /// What the catalog is told.
    pub fn change(&self) -> Change {
        let PutScalingPolicy { resource, name, tracking } = self.clone();
        Change::Scaling(ScalingChange::PutPolicy { resource, name, tracking })
    }

    /// From a catalog that has the change; if somebody has taken the policy away since, it is not found.
    pub fn render(&self, catalog: &Catalog, owner: &Owner, out: &mut Vec<u8>) -> Result<(), ApiError> {
        let target = catalog.scalable_target(&self.resource);
        let policy = target.and_then(|target| target.policies.get(&self.name));
        let policy = policy.ok_or_else(|| ApiError::no_such_target(&self.resource))?;
        let mut body = Object::begin(out);
        let arn = naming::policy_arn(policy.number, &self.name, &self.resource, owner);
        render::string(&arn, body.member("PolicyARN"));
        no_alarms(&mut body);
        body.end();
        Ok(())
    }
}

/// What is common to the two ways of asking for a policy: here, and in UpdateTableReplicaAutoScaling.
pub(crate) fn tracking(configuration: Members<'_>) -> Result<TargetTracking, ApiError> {
    let target_percent = configuration.number("TargetValue").unwrap_or_default();
    if !TARGET_PERCENT.contains(&target_percent) {
        return Err(ApiError::validation(format!(
            "Target value must be between {} and {} for DynamoDB utilization",
            TARGET_PERCENT.start(),
            TARGET_PERCENT.end()
        )));
    }
    let cooldown = |name: &str| match configuration.integer(name) {
        None => Ok(None),
        Some(seconds) => match u64::try_from(seconds) {
            Ok(seconds) => Ok(Some(seconds)),
            Err(_) => Err(ApiError::validation(format!("{name} must not be negative"))),
        },
    };
    Ok(TargetTracking {
        target_percent,
        scale_out_cooldown: cooldown("ScaleOutCooldown")?,
        scale_in_cooldown: cooldown("ScaleInCooldown")?,
        disable_scale_in: configuration.flag("DisableScaleIn"),
    })
}

fn metric_of(way: Way) -> &'static str {
    match way {
        Way::Read => "DynamoDBReadCapacityUtilization",
        Way::Write => "DynamoDBWriteCapacityUtilization",
    }
}

/// Stator looks at consumption itself: there are no alarms.
fn no_alarms(out: &mut Object<'_>) {
    List::begin(out.member("Alarms")).end();
}

/// A checked DeleteScalingPolicy.
#[derive(Clone, PartialEq, Debug)]
pub struct DeleteScalingPolicy {
    resource: ScalingResource,
    name: String,
}

impl DeleteScalingPolicy {
    pub fn parse(body: &[u8]) -> Result<DeleteScalingPolicy, ApiError> {
        let request = reader::read(body, &DELETE_INPUT)?;
        let members = request.members();
        let name = members.text("PolicyName").unwrap_or_default().to_owned();
        Ok(DeleteScalingPolicy { resource: super::resource(members)?, name })
    }

    /// What the catalog is told.
    pub fn change(self) -> Change {
        Change::Scaling(ScalingChange::DeletePolicy { resource: self.resource, name: self.name })
    }
}

/// A checked DescribeScalingPolicies.
#[derive(Clone, PartialEq, Debug)]
pub struct DescribeScalingPolicies {
    names: Vec<String>,
    narrowing: Narrowing,
}

impl DescribeScalingPolicies {
    pub fn parse(body: &[u8]) -> Result<DescribeScalingPolicies, ApiError> {
        let request = reader::read(body, &DESCRIBE_INPUT)?;
        let members = request.members();
        let names = members.list("PolicyNames").unwrap_or_default();
        let names = names.iter().filter_map(|name| name.as_str()).map(str::to_owned).collect();
        let ids = members.text("ResourceId").map(str::to_owned).into_iter().collect();
        Ok(DescribeScalingPolicies { names, narrowing: Narrowing::read(members, ids)? })
    }

    pub fn render(&self, catalog: &Catalog, owner: &Owner, out: &mut Vec<u8>) {
        let all = catalog
            .scalable_targets()
            .filter_map(|(dimension, target)| Some((catalog.scaling_resource(&dimension)?, target)))
            .filter(|(resource, _)| self.narrowing.takes(resource))
            .flat_map(|(resource, target)| {
                target.policies.iter().map(move |(name, policy)| (resource.clone(), name, policy))
            })
            .filter(|(_, name, policy)| {
                self.names.is_empty()
                    || self.names.iter().any(|asked| asked == *name || asked.contains(&naming::uuid_of(policy, owner)))
            });
        let (page, next) = self.narrowing.page(all);
        let mut body = Object::begin(out);
        let mut list = List::begin(body.member("ScalingPolicies"));
        for (resource, name, policy) in page {
            write(&resource, (name, policy), owner, list.element());
        }
        list.end();
        if let Some(next) = next {
            render::string(&next, body.member("NextToken"));
        }
        body.end();
    }
}

fn write(resource: &ScalingResource, (name, policy): (&str, &ScalingPolicy), owner: &Owner, out: &mut Vec<u8>) {
    let mut shown = Object::begin(out);
    render::string(&naming::policy_arn(policy.number, name, resource, owner), shown.member("PolicyARN"));
    render::string(name, shown.member("PolicyName"));
    naming::write(resource, &mut shown);
    render::string("TargetTrackingScaling", shown.member("PolicyType"));
    let mut tracking = Object::begin(shown.member("TargetTrackingScalingPolicyConfiguration"));
    write_tracking(&policy.tracking, &mut tracking);
    let mut metric = Object::begin(tracking.member("PredefinedMetricSpecification"));
    render::string(metric_of(resource.way), metric.member("PredefinedMetricType"));
    metric.end();
    tracking.end();
    no_alarms(&mut shown);
    seconds(policy.created_ms, shown.member("CreationTime"));
    shown.end();
}

/// What was asked for, and nothing else.
pub(crate) fn write_tracking(tracking: &TargetTracking, out: &mut Object<'_>) {
    render::number(tracking.target_percent, out.member("TargetValue"));
    for (name, seconds) in
        [("ScaleOutCooldown", tracking.scale_out_cooldown), ("ScaleInCooldown", tracking.scale_in_cooldown)]
    {
        if let Some(seconds) = seconds {
            render::integer(seconds, out.member(name));
        }
    }
    if let Some(disabled) = tracking.disable_scale_in {
        render::flag(disabled, out.member("DisableScaleIn"));
    }
}
