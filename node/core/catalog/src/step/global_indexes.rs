//! Global secondary indexes of a table: made with it or added, changed, filled, taken away.
//!
//! An index that is added goes CREATING (its partitions hear of it) -> backfilling (the table's partitions feed it) -> ACTIVE;
//! one that is taken away is DELETING until its partitions are closed. The table's own status goes on meanwhile.

use super::{
    capacity::{Asked, Quotas},
    table_update::{self, warmer},
};
use crate::{
    Billing, Catalog, CatalogRefusal, GLOBAL_INDEXES_MAX, GlobalIndex, GlobalIndexSpec, INCLUDED_ATTRIBUTES_MAX,
    IndexProjection, IndexStatus, IndexUpdate, ON_DEMAND_WARM, Outcome, Stamp, TableDescription, TableStatus,
    TableUpdate, Throughput, UnitsUpdate,
};
use stator_item::TableId;

fn invalid<T>(text: String) -> Result<T, CatalogRefusal> {
    Err(CatalogRefusal::Invalid(format!("One or more parameter values were invalid: {text}")))
}

fn limit<T>(text: String) -> Result<T, CatalogRefusal> {
    Err(CatalogRefusal::LimitExceeded(format!("Subscriber limit exceeded: {text}")))
}

/// Adds an index that is being created, under the id that it is to have.
pub(super) fn add(
    table: &mut TableDescription,
    id: TableId,
    spec: GlobalIndexSpec,
    quotas: Quotas<'_>,
) -> Result<(), CatalogRefusal> {
    let name = &spec.name;
    if table.global_index(name).is_some() || table.local_index(name).is_some() {
        return invalid(format!("Duplicate index name: {name}"));
    }
    if table.global_indexes.len() >= GLOBAL_INDEXES_MAX {
        return limit(format!("There is a limit of {GLOBAL_INDEXES_MAX} global secondary indexes per table"));
    }
    let redefined = |own: &&crate::KeyAttribute| {
        table.key_attributes().any(|other| other.name == own.name && other.key_type != own.key_type)
    };
    if let Some(attribute) = spec.hash.iter().chain(&spec.range).find(redefined) {
        return invalid(format!(
            "Attribute {} of index {name} has another type in a key of the table or of another index",
            attribute.name
        ));
    }
    let (billing, warm) = first_billing(table, &spec, quotas)?;
    let GlobalIndexSpec { name, hash, range, projection, .. } = spec;
    let status = IndexStatus::Creating;
    table.global_indexes.push(GlobalIndex {
        id,
        name,
        hash,
        range,
        projection,
        status,
        billing,
        warm_throughput: warm,
    });
    let included = included_count(table);
    if included > INCLUDED_ATTRIBUTES_MAX {
        return invalid(format!(
            "Number of NonKeyAttributes over all indexes of a table exceeds the limit of {INCLUDED_ATTRIBUTES_MAX}: \
             {included}"
        ));
    }
    Ok(())
}

fn included_count(table: &TableDescription) -> usize {
    let local = table.local_indexes.iter().map(|index| &index.projection);
    let global = table.global_indexes.iter().map(|index| &index.projection);
    let count = |projection: &IndexProjection| match projection {
        IndexProjection::Include(names) => names.len(),
        IndexProjection::KeysOnly | IndexProjection::All => 0,
    };
    local.chain(global).map(count).sum()
}

/// How an index of the table begins: in the table's mode, with what it asks for.
fn first_billing(
    table: &TableDescription,
    spec: &GlobalIndexSpec,
    quotas: Quotas<'_>,
) -> Result<(Billing, Throughput), CatalogRefusal> {
    let name = &spec.name;
    let (mut billing, mut warm) = match (&table.billing, spec.units.throughput) {
        (Billing::OnDemand { .. }, None) => (Billing::OnDemand { throughput: None }, ON_DEMAND_WARM),
        (Billing::OnDemand { .. }, Some(_)) => {
            return invalid(format!(
                "ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
            ));
        }
        (Billing::Provisioned { .. }, Some(throughput)) => (table_update::provisioned(throughput), throughput),
        (Billing::Provisioned { .. }, None) => {
            return invalid(format!("ProvisionedThroughput must be specified for index: {name}"));
        }
    };
    let rest = UnitsUpdate { throughput: None, ..spec.units };
    check_units(name, &spec.units, quotas)?;
    change_units(&mut billing, &mut warm, &rest)?;
    Ok((billing, warm))
}

fn check_units(name: &str, units: &UnitsUpdate, quotas: Quotas<'_>) -> Result<(), CatalogRefusal> {
    let asked = Asked::Index(name);
    quotas.check_provisioned(asked, units.throughput.unwrap_or_default())?;
    quotas.check_on_demand(asked, units.on_demand_most())?;
    quotas.check_warm(asked, units.warm_throughput())
}

/// Caps and warmth.
fn change_units(billing: &mut Billing, warm: &mut Throughput, units: &UnitsUpdate) -> Result<(), CatalogRefusal> {
    table_update::cap_on_demand(billing, units.on_demand_read, units.on_demand_write)?;
    table_update::warm_up(warm, units.warm_read_units, units.warm_write_units, "index")
}

/// What UpdateTable asks of the table's indexes, `table` being as its other members left it. An index that is made gets the
/// id `next`: its id and warmth, for its partitions.
pub(super) fn update(
    table: &mut TableDescription,
    update: &TableUpdate,
    next: TableId,
    (quotas, at): (Quotas<'_>, &Stamp),
) -> Result<Option<(TableId, Throughput)>, CatalogRefusal> {
    let is_online = |change: &&IndexUpdate| matches!(change, IndexUpdate::Create(_) | IndexUpdate::Delete { .. });
    let online = update.indexes.iter().filter(is_online).count();
    let under_way = table.global_indexes.iter().any(|index| !index.serves());
    // An index that is being filled may be deleted all the same.
    let ends_it = online == 1
        && update.indexes.iter().any(|change| {
            matches!(change, IndexUpdate::Delete { name } if table.global_index(name).is_some_and(|index| {
                index.status == IndexStatus::Backfilling
            }))
        });
    if online > 1 || online == 1 && under_way && !ends_it {
        return limit("Only 1 online index can be created or deleted simultaneously per table".to_owned());
    }
    follow_mode(table, update)?;
    let mut made = None;
    for change in &update.indexes {
        match change {
            IndexUpdate::Create(spec) => {
                add(table, next, spec.clone(), quotas)?;
                made = table.global_indexes.last().map(|index| (index.id, index.warm_throughput));
            }
            IndexUpdate::Update { name, units } => {
                check_units(name, units, quotas)?;
                update_units(index_named(table, name)?, units, at)?;
            }
            IndexUpdate::Delete { name } => index_named(table, name)?.status = IndexStatus::Deleting,
        }
    }
    Ok(made)
}

fn index_named<'t>(table: &'t mut TableDescription, name: &str) -> Result<&'t mut GlobalIndex, CatalogRefusal> {
    let found = table.global_indexes.iter_mut().find(|index| index.name == name && index.is_fed());
    found.ok_or_else(|| CatalogRefusal::NoSuchIndex(name.to_owned()))
}

/// Indexes are in the mode of their table.
fn follow_mode(table: &mut TableDescription, update: &TableUpdate) -> Result<(), CatalogRefusal> {
    let on_demand = matches!(table.billing, Billing::OnDemand { .. });
    for index in &mut table.global_indexes {
        match (&index.billing, on_demand) {
            (Billing::OnDemand { .. }, true) | (Billing::Provisioned { .. }, false) => {}
            (Billing::Provisioned { .. }, true) => {
                index.billing = Billing::OnDemand { throughput: None };
                index.warm_throughput = warmer(index.warm_throughput, ON_DEMAND_WARM);
            }
            (Billing::OnDemand { .. }, false) => {
                let asked = update.indexes.iter().find_map(|change| match change {
                    IndexUpdate::Update { name, units } if *name == index.name => units.throughput,
                    _ => None,
                });
                let Some(throughput) = asked else {
                    return invalid(format!("ProvisionedThroughput must be specified for index: {}", index.name));
                };
                index.billing = table_update::provisioned(throughput);
                index.warm_throughput = warmer(index.warm_throughput, throughput);
            }
        }
    }
    Ok(())
}

fn update_units(index: &mut GlobalIndex, units: &UnitsUpdate, at: &Stamp) -> Result<(), CatalogRefusal> {
    if let Some(throughput) = units.throughput {
        if matches!(index.billing, Billing::OnDemand { .. }) {
            return invalid(format!(
                "ProvisionedThroughput should not be specified for index: {} when BillingMode is PAY_PER_REQUEST",
                index.name
            ));
        }
        table_update::provision(&mut index.billing, &mut index.warm_throughput, throughput, at)?;
    }
    change_units(&mut index.billing, &mut index.warm_throughput, units)?;
    if index.status == IndexStatus::Active {
        index.status = IndexStatus::Updating;
    }
    Ok(())
}

/// All partitions have the description. What was made with its table has nothing to be filled with.
pub(super) fn ready(index: &mut GlobalIndex, table_is_new: bool) {
    index.status = match index.status {
        IndexStatus::Creating if table_is_new => IndexStatus::Active,
        IndexStatus::Creating => IndexStatus::Backfilling,
        IndexStatus::Updating => IndexStatus::Active,
        other => other,
    };
}

impl Catalog {
    pub(super) fn index_filled(&mut self, table: TableId, index: TableId) -> Outcome {
        let Some(table) = self.tables.get(&table) else { return Outcome::Unchanged };
        let mut changed = TableDescription::clone(table);
        let filled = changed.global_indexes.iter_mut().find(|filled| filled.id == index);
        let Some(filled) = filled.filter(|filled| filled.status == IndexStatus::Backfilling) else {
            return Outcome::Unchanged;
        };
        filled.status = IndexStatus::Active;
        Outcome::Table(self.put_table(changed))
    }

    /// The table's partitions know of its end since the table is ACTIVE, so they need not hear of this.
    pub(super) fn index_gone(&mut self, table: TableId, index: TableId) -> Outcome {
        let Some(table) = self.tables.get(&table) else { return Outcome::Unchanged };
        let is_it = |gone: &&GlobalIndex| gone.id == index && gone.status == IndexStatus::Deleting;
        if table.status != TableStatus::Active || !table.global_indexes.iter().any(|gone| is_it(&gone)) {
            return Outcome::Unchanged;
        }
        let mut changed = TableDescription::clone(table);
        changed.global_indexes.retain(|other| other.id != index);
        self.scalable_targets.retain(|dimension, _| dimension.index != Some(index));
        self.remove_partitions(index);
        Outcome::Table(self.put_table(changed))
    }
}
