//! Application Auto Scaling: targets and policies are made and go, capacities are changed.

use crate::{
    Billing, Catalog, CatalogRefusal, Dimension, IndexStatus, IndexUpdate, Outcome, SCALING_POLICIES_MAX,
    SCALING_TAGS_MAX, ScalableTarget, ScalingActivity, ScalingCause, ScalingChange, ScalingPolicy, ScalingResource,
    Stamp, Suspended, TableDescription, TableStatus, TableUpdate, TargetTracking, Throughput, UnitsUpdate, Way,
};
use std::collections::{BTreeMap, VecDeque};

impl Catalog {
    pub(super) fn change_scaling(&mut self, change: ScalingChange, at: &Stamp) -> Result<Outcome, CatalogRefusal> {
        match change {
            ScalingChange::Register { resource, min, max, role_arn, suspended, tags } => {
                let dimension = self.dimension_to_scale(&resource)?;
                let asked = Registration { min, max, role_arn, suspended, tags };
                self.register(dimension, asked, at)
            }
            ScalingChange::Deregister { resource } => {
                let dimension = self.target_of(&resource)?;
                self.scalable_targets.remove(&dimension);
                Ok(Outcome::Done)
            }
            ScalingChange::PutPolicy { resource, name, tracking } => {
                let dimension = self.target_of(&resource)?;
                self.put_policy(dimension, name, tracking, at)
            }
            ScalingChange::DeletePolicy { resource, name } => {
                let dimension = self.target_of(&resource)?;
                let target = self.scalable_targets.get_mut(&dimension);
                match target.and_then(|target| target.policies.remove(&name)) {
                    Some(_) => Ok(Outcome::Done),
                    None => Err(CatalogRefusal::NoSuchPolicy { resource, name }),
                }
            }
            ScalingChange::ChangeTags { target, set, remove } => self.tag_target(target, set, &remove),
            ScalingChange::Scale { dimension, from, to, cause } => Ok(self.scale(dimension, (from, to), cause, at)),
        }
    }

    /// The capacity of a table or index that is there.
    fn dimension_to_scale(&self, resource: &ScalingResource) -> Result<Dimension, CatalogRefusal> {
        self.dimension(resource).ok_or_else(|| CatalogRefusal::NothingToScale(resource.clone()))
    }

    fn target_of(&self, resource: &ScalingResource) -> Result<Dimension, CatalogRefusal> {
        let dimension = self.dimension(resource).filter(|dimension| self.scalable_targets.contains_key(dimension));
        dimension.ok_or_else(|| CatalogRefusal::NoSuchTarget(resource.clone()))
    }

    fn register(&mut self, dimension: Dimension, asked: Registration, at: &Stamp) -> Result<Outcome, CatalogRefusal> {
        let known = self.scalable_targets.get(&dimension);
        let min = asked.min.or(known.map(|target| target.min));
        let max = asked.max.or(known.map(|target| target.max));
        let (Some(min), Some(max)) = (min, max) else {
            return invalid("MinCapacity and MaxCapacity must both be specified for a new scalable target");
        };
        if min > max {
            return invalid("Maximum capacity cannot be less than minimum capacity");
        }
        if known.is_some() && !asked.tags.is_empty() {
            return invalid(
                "Tags can only be specified when creating a scalable target. Use the TagResource API instead",
            );
        }
        let mut target = match known {
            Some(target) => target.clone(),
            None => {
                self.last.scaling += 1;
                ScalableTarget {
                    number: self.last.scaling,
                    min,
                    max,
                    role_arn: None,
                    created_ms: at.now_ms,
                    suspended: Suspended::default(),
                    tags: asked.tags,
                    policies: BTreeMap::new(),
                    activities: VecDeque::new(),
                    last_out_ms: None,
                    last_in_ms: None,
                    last_failed_ms: None,
                }
            }
        };
        (target.min, target.max) = (min, max);
        target.role_arn = asked.role_arn.or(target.role_arn);
        target.suspended = asked.suspended.unwrap_or(target.suspended);
        // What failed may be possible now.
        target.last_failed_ms = None;
        self.scalable_targets.insert(dimension, target);
        Ok(Outcome::Done)
    }

    fn put_policy(
        &mut self,
        dimension: Dimension,
        name: String,
        tracking: TargetTracking,
        at: &Stamp,
    ) -> Result<Outcome, CatalogRefusal> {
        let Some(target) = self.scalable_targets.get_mut(&dimension) else { return Ok(Outcome::Unchanged) };
        if let Some(policy) = target.policies.get_mut(&name) {
            policy.tracking = tracking;
            return Ok(Outcome::Done);
        }
        if target.policies.len() >= SCALING_POLICIES_MAX {
            let text = format!("A scalable target can have at most {SCALING_POLICIES_MAX} scaling policies");
            return Err(CatalogRefusal::LimitExceeded(text));
        }
        self.last.scaling += 1;
        let policy = ScalingPolicy { number: self.last.scaling, created_ms: at.now_ms, tracking };
        target.policies.insert(name, policy);
        Ok(Outcome::Done)
    }

    fn tag_target(
        &mut self,
        number: u64,
        set: BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<Outcome, CatalogRefusal> {
        let target = self.scalable_targets.values_mut().find(|target| target.number == number);
        let target = target.ok_or(CatalogRefusal::NoSuchTargetNumber(number))?;
        let mut tags = target.tags.clone();
        tags.extend(set);
        tags.retain(|name, _| !remove.contains(name));
        if tags.len() > SCALING_TAGS_MAX {
            return Err(CatalogRefusal::TooManyTags { max: SCALING_TAGS_MAX });
        }
        target.tags = tags;
        Ok(Outcome::Done)
    }

    /// Changes a capacity as UpdateTable would. What DynamoDB would refuse is remembered as an activity that failed; a table
    /// that is busy is left for the next time.
    fn scale(&mut self, dimension: Dimension, (from, to): (u64, u64), cause: ScalingCause, at: &Stamp) -> Outcome {
        let Some(table) = self.tables.get(&dimension.table).cloned() else { return Outcome::Unchanged };
        let is_as_seen = provisioned(&table, &dimension) == Some(from);
        if !self.scalable_targets.contains_key(&dimension) || !is_as_seen || table.status != TableStatus::Active {
            return Outcome::Unchanged;
        }
        let Some(update) = update(&table, &dimension, to) else { return Outcome::Unchanged };
        let failure = match self.update_table(&table.name, &update, None, &[], at) {
            Ok(_) => None,
            Err(CatalogRefusal::LimitExceeded(text) | CatalogRefusal::Invalid(text)) => Some(text),
            Err(_) => return Outcome::Unchanged,
        };
        self.last.scaling += 1;
        let activity = ScalingActivity { number: self.last.scaling, cause, from, to, at_ms: at.now_ms, failure };
        if let Some(target) = self.scalable_targets.get_mut(&dimension) {
            target.note(activity);
        }
        Outcome::Done
    }
}

/// What RegisterScalableTarget asks for.
struct Registration {
    min: Option<u64>,
    max: Option<u64>,
    role_arn: Option<String>,
    suspended: Option<Suspended>,
    tags: BTreeMap<String, String>,
}

fn invalid<T>(text: &str) -> Result<T, CatalogRefusal> {
    Err(CatalogRefusal::Invalid(text.to_owned()))
}

fn of_way(throughput: &Throughput, way: Way) -> u64 {
    match way {
        Way::Read => throughput.read_units,
        Way::Write => throughput.write_units,
    }
}

fn throughput(table: &TableDescription, dimension: &Dimension) -> Option<Throughput> {
    let billing = match dimension.index {
        None => &table.billing,
        Some(index) => &table.global_index_by_id(index).filter(|index| index.status == IndexStatus::Active)?.billing,
    };
    match billing {
        Billing::Provisioned { throughput, .. } => Some(*throughput),
        Billing::OnDemand { .. } => None,
    }
}

/// Units of a capacity; `None`: it has none, or is not there.
pub(crate) fn provisioned(table: &TableDescription, dimension: &Dimension) -> Option<u64> {
    throughput(table, dimension).map(|throughput| of_way(&throughput, dimension.way))
}

/// The UpdateTable that gives a capacity so many units.
fn update(table: &TableDescription, dimension: &Dimension, to: u64) -> Option<TableUpdate> {
    let mut throughput = throughput(table, dimension)?;
    match dimension.way {
        Way::Read => throughput.read_units = to,
        Way::Write => throughput.write_units = to,
    }
    let throughput = Some(throughput);
    Some(match dimension.index {
        None => TableUpdate { throughput, ..TableUpdate::default() },
        Some(index) => {
            let name = table.global_index_by_id(index)?.name.clone();
            let units = UnitsUpdate { throughput, ..UnitsUpdate::default() };
            TableUpdate { indexes: vec![IndexUpdate::Update { name, units }], ..TableUpdate::default() }
        }
    })
}
