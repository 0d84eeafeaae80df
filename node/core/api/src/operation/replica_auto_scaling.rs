//! DescribeTableReplicaAutoScaling and UpdateTableReplicaAutoScaling: Application Auto Scaling of a table in the shapes of global
//! tables. A table has one replica here, in the cluster's own region.

use super::{TableReference, model, table_json::index_status};
use crate::arn::Owner;
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Names, Shape, Structure};
use crate::render::{self, List, Object};
use crate::scaling::{checked_tracking, role_arn, write_tracking};
use stator_catalog::{Catalog, Change, ScalingChange, ScalingResource, TableDescription, Way};
use std::collections::BTreeMap;

/// The policy's name where none is given.
const POLICY_NAME: &str = "$default";

const POSITIVE: Shape = Shape::Long { min: Some(1), max: None };
const INTEGER: Shape = Shape::Integer { min: None, max: None };

static TRACKING: Structure = Structure {
    name: "AutoScalingTargetTrackingScalingPolicyConfigurationUpdate",
    members: &[
        Member::optional("DisableScaleIn", &Shape::Boolean),
        Member::optional("ScaleInCooldown", &INTEGER),
        Member::optional("ScaleOutCooldown", &INTEGER),
        Member::required("TargetValue", &Shape::Double),
    ],
};
static POLICY: Structure = Structure {
    name: "AutoScalingPolicyUpdate",
    members: &[
        Member::optional("PolicyName", &Shape::String(Names::Length(1, 256))),
        Member::required("TargetTrackingScalingPolicyConfiguration", &Shape::Structure(&TRACKING)),
    ],
};
static SETTINGS: Structure = Structure {
    name: "AutoScalingSettingsUpdate",
    members: &[
        Member::optional("MinimumUnits", &POSITIVE),
        Member::optional("MaximumUnits", &POSITIVE),
        Member::optional("AutoScalingDisabled", &Shape::Boolean),
        Member::optional("AutoScalingRoleArn", &Shape::String(Names::Length(1, 1_600))),
        Member::optional("ScalingPolicyUpdate", &Shape::Structure(&POLICY)),
    ],
};
static INDEX: Structure = Structure {
    name: "GlobalSecondaryIndexAutoScalingUpdate",
    members: &[
        Member::optional("IndexName", &Shape::NAME),
        Member::optional("ProvisionedWriteCapacityAutoScalingUpdate", &Shape::Structure(&SETTINGS)),
    ],
};
static REPLICA_INDEX: Structure = Structure {
    name: "ReplicaGlobalSecondaryIndexAutoScalingUpdate",
    members: &[
        Member::optional("IndexName", &Shape::NAME),
        Member::optional("ProvisionedReadCapacityAutoScalingUpdate", &Shape::Structure(&SETTINGS)),
    ],
};
static REPLICA: Structure = Structure {
    name: "ReplicaAutoScalingUpdate",
    members: &[
        Member::required("RegionName", &Shape::TEXT),
        Member::optional("ReplicaGlobalSecondaryIndexUpdates", &Shape::list(&Shape::Structure(&REPLICA_INDEX))),
        Member::optional("ReplicaProvisionedReadCapacityAutoScalingUpdate", &Shape::Structure(&SETTINGS)),
    ],
};
static UPDATE_INPUT: Structure = Structure {
    name: "UpdateTableReplicaAutoScalingInput",
    members: &[
        Member::optional(
            "GlobalSecondaryIndexUpdates",
            &Shape::List { of: &Shape::Structure(&INDEX), min: 1, max: usize::MAX },
        ),
        model::TABLE_NAME,
        Member::optional("ProvisionedWriteCapacityAutoScalingUpdate", &Shape::Structure(&SETTINGS)),
        Member::optional("ReplicaUpdates", &Shape::List { of: &Shape::Structure(&REPLICA), min: 1, max: usize::MAX }),
    ],
};
static DESCRIBE_INPUT: Structure =
    Structure { name: "DescribeTableReplicaAutoScalingInput", members: &[model::TABLE_NAME] };

/// A checked DescribeTableReplicaAutoScaling.
#[derive(Clone, PartialEq, Debug)]
pub struct DescribeReplicaAutoScaling {
    pub table: TableReference,
}

impl DescribeReplicaAutoScaling {
    pub fn parse(body: &[u8]) -> Result<DescribeReplicaAutoScaling, ApiError> {
        let request = reader::read(body, &DESCRIBE_INPUT)?;
        Ok(DescribeReplicaAutoScaling { table: TableReference::read(request.members())? })
    }

    pub fn render(&self, table: &TableDescription, catalog: &Catalog, owner: &Owner, out: &mut Vec<u8>) {
        render(table, catalog, owner, out);
    }
}

/// A checked UpdateTableReplicaAutoScaling.
#[derive(Clone, PartialEq, Debug)]
pub struct UpdateReplicaAutoScaling {
    pub table: TableReference,
    /// In their order; each by itself may be refused.
    changes: Vec<ScalingChange>,
    regions: Vec<String>,
}

impl UpdateReplicaAutoScaling {
    pub fn parse(body: &[u8]) -> Result<UpdateReplicaAutoScaling, ApiError> {
        let request = reader::read(body, &UPDATE_INPUT)?;
        let members = request.members();
        let table = TableReference::read(members)?;
        let resource = |index: Option<&str>, way| ScalingResource {
            table: table.name.clone(),
            index: index.map(str::to_owned),
            way,
        };
        let (mut changes, mut regions) = (Vec::new(), Vec::new());
        let own = members.structure("ProvisionedWriteCapacityAutoScalingUpdate");
        settings(own, resource(None, Way::Write), &mut changes)?;
        for index in structures(members, "GlobalSecondaryIndexUpdates") {
            let update = index.structure("ProvisionedWriteCapacityAutoScalingUpdate");
            settings(update, resource(index.text("IndexName"), Way::Write), &mut changes)?;
        }
        for replica in structures(members, "ReplicaUpdates") {
            regions.push(replica.text("RegionName").unwrap_or_default().to_owned());
            let update = replica.structure("ReplicaProvisionedReadCapacityAutoScalingUpdate");
            settings(update, resource(None, Way::Read), &mut changes)?;
            for index in structures(replica, "ReplicaGlobalSecondaryIndexUpdates") {
                let update = index.structure("ProvisionedReadCapacityAutoScalingUpdate");
                settings(update, resource(index.text("IndexName"), Way::Read), &mut changes)?;
            }
        }
        Ok(UpdateReplicaAutoScaling { table, changes, regions })
    }

    /// What the catalog is told, one after the other.
    pub fn changes(&self, owner: &Owner) -> Result<impl Iterator<Item = Change>, ApiError> {
        if let Some(other) = self.regions.iter().find(|region| **region != owner.region) {
            return Err(ApiError::validation(format!("The table has no replica in the region {other}")));
        }
        Ok(self.changes.clone().into_iter().map(Change::Scaling))
    }

    pub fn render(&self, table: &TableDescription, catalog: &Catalog, owner: &Owner, out: &mut Vec<u8>) {
        render(table, catalog, owner, out);
    }
}

fn structures<'a>(members: Members<'a>, name: &str) -> impl Iterator<Item = Members<'a>> {
    members.list(name).unwrap_or_default().iter().filter_map(Members::of)
}

/// `AutoScalingSettingsUpdate`.
fn settings(
    update: Option<Members<'_>>,
    resource: ScalingResource,
    changes: &mut Vec<ScalingChange>,
) -> Result<(), ApiError> {
    let Some(update) = update else { return Ok(()) };
    if update.flag("AutoScalingDisabled") == Some(true) {
        changes.push(ScalingChange::Deregister { resource });
        return Ok(());
    }
    changes.push(ScalingChange::Register {
        resource: resource.clone(),
        min: update.unsigned("MinimumUnits"),
        max: update.unsigned("MaximumUnits"),
        role_arn: update.text("AutoScalingRoleArn").map(str::to_owned),
        suspended: None,
        tags: BTreeMap::new(),
    });
    let policy = update.structure("ScalingPolicyUpdate");
    if let Some((policy, tracking)) =
        policy.and_then(|policy| Some((policy, policy.structure("TargetTrackingScalingPolicyConfiguration")?)))
    {
        let name = policy.text("PolicyName").unwrap_or(POLICY_NAME).to_owned();
        changes.push(ScalingChange::PutPolicy { resource, name, tracking: checked_tracking(tracking)? });
    }
    Ok(())
}

fn render(table: &TableDescription, catalog: &Catalog, owner: &Owner, out: &mut Vec<u8>) {
    let mut body = Object::begin(out);
    let mut shown = Object::begin(body.member("TableAutoScalingDescription"));
    render::string(&table.name, shown.member("TableName"));
    render::string(table.status.name(), shown.member("TableStatus"));
    let mut replicas = List::begin(shown.member("Replicas"));
    let mut replica = Object::begin(replicas.element());
    render::string(&owner.region, replica.member("RegionName"));
    let mut indexes = List::begin(replica.member("GlobalSecondaryIndexes"));
    for index in &table.global_indexes {
        let mut shown = Object::begin(indexes.element());
        render::string(&index.name, shown.member("IndexName"));
        render::string(index_status(table.status, index.status).0, shown.member("IndexStatus"));
        for (way, name) in [
            (Way::Read, "ProvisionedReadCapacityAutoScalingSettings"),
            (Way::Write, "ProvisionedWriteCapacityAutoScalingSettings"),
        ] {
            let resource = ScalingResource { table: table.name.clone(), index: Some(index.name.clone()), way };
            write_settings(&resource, catalog, owner, shown.member(name));
        }
        shown.end();
    }
    indexes.end();
    for (way, name) in [
        (Way::Read, "ReplicaProvisionedReadCapacityAutoScalingSettings"),
        (Way::Write, "ReplicaProvisionedWriteCapacityAutoScalingSettings"),
    ] {
        let resource = ScalingResource { table: table.name.clone(), index: None, way };
        write_settings(&resource, catalog, owner, replica.member(name));
    }
    render::string("ACTIVE", replica.member("ReplicaStatus"));
    replica.end();
    replicas.end();
    shown.end();
    body.end();
}

/// `AutoScalingSettingsDescription`.
fn write_settings(resource: &ScalingResource, catalog: &Catalog, owner: &Owner, out: &mut Vec<u8>) {
    let mut shown = Object::begin(out);
    let Some(target) = catalog.scalable_target(resource) else {
        render::flag(true, shown.member("AutoScalingDisabled"));
        shown.end();
        return;
    };
    render::integer(target.min, shown.member("MinimumUnits"));
    render::integer(target.max, shown.member("MaximumUnits"));
    render::flag(false, shown.member("AutoScalingDisabled"));
    render::string(&role_arn(target, owner), shown.member("AutoScalingRoleArn"));
    let mut policies = List::begin(shown.member("ScalingPolicies"));
    for (name, policy) in &target.policies {
        let mut shown = Object::begin(policies.element());
        render::string(name, shown.member("PolicyName"));
        let mut tracking = Object::begin(shown.member("TargetTrackingScalingPolicyConfiguration"));
        write_tracking(&policy.tracking, &mut tracking);
        tracking.end();
        shown.end();
    }
    policies.end();
    shown.end();
}
