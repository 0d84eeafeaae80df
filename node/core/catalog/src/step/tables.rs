//! Tables are made, become ready, change and go.

use super::{capacity::Asked, global_indexes, streams, table_update};
use crate::{
    Billing, BillingSpec, Catalog, CatalogRefusal, ContributorInsights, InsightsMode, LocalIndex, LocalIndexSpec,
    Member, ON_DEMAND_WARM, Outcome, PartitionDescription, Stamp, SystemTable, TABLES_BUSY_MAX, TableDescription,
    TableSpec, TableStatus, TableUpdate, Throughput, TimeToLive, TimeToLiveStatus, TokenRange, placement,
};
use stator_item::{IndexNumber, NodeId, TableId};
use std::{collections::BTreeMap, sync::Arc};

/// Most tags of a table.
const TAGS_MAX: usize = 50;

impl Catalog {
    pub(super) fn create_table(
        &mut self,
        spec: TableSpec,
        partitions: Option<u64>,
        tables_max: usize,
        avoid: &[NodeId],
        at: &Stamp,
    ) -> Result<Outcome, CatalogRefusal> {
        if self.names.contains_key(&spec.name) {
            return Err(CatalogRefusal::TableExists(spec.name));
        }
        debug_assert!(!SystemTable::is_name(&spec.name), "names of clients' tables are checked before");
        if self.names.len() >= tables_max {
            return Err(CatalogRefusal::LimitExceeded(format!(
                "Subscriber limit exceeded: There is a limit of {tables_max} tables per subscriber"
            )));
        }
        self.check_busy_tables()?;
        self.check_quotas(&spec)?;
        let table = self.add_table(spec, partitions, avoid, at)?;
        self.names.insert(table.name.clone(), table.id);
        Ok(Outcome::Table(table))
    }

    /// Makes a table of the cluster's own, unless it is there.
    pub(super) fn create_system_table(
        &mut self,
        table: SystemTable,
        avoid: &[NodeId],
        at: &Stamp,
    ) -> Result<Outcome, CatalogRefusal> {
        if self.system_table(table).is_some() {
            return Ok(Outcome::Unchanged);
        }
        let expiry_attribute = table.expiry_attribute();
        let table = self.add_table(table.spec(), None, avoid, at)?;
        self.system_names.insert(table.name.clone(), table.id);
        let Some(attribute) = expiry_attribute else { return Ok(Outcome::Table(table)) };
        // No partition has a description yet, so the first that it gets has this.
        let status = TimeToLiveStatus::Enabling;
        let time_to_live = Some(TimeToLive { attribute: attribute.to_owned(), status, changed_ms: at.now_ms });
        let table = TableDescription { time_to_live, ..TableDescription::clone(&table) };
        Ok(Outcome::Table(self.put_table(table)))
    }

    fn add_table(
        &mut self,
        spec: TableSpec,
        partitions: Option<u64>,
        avoid: &[NodeId],
        at: &Stamp,
    ) -> Result<Arc<TableDescription>, CatalogRefusal> {
        let global_indexes = spec.global_indexes.clone();
        let stream = spec.stream;
        let mut table = description(TableId(self.last.table.0 + 1), spec, at);
        if let Some(view) = stream {
            self.enable_stream(&mut table, view, at)?;
        }
        for index in global_indexes {
            // The table's own id comes first.
            let id = TableId(table.id.0 + 1 + table.global_indexes.len() as u64);
            global_indexes::add(&mut table, id, index, self.quotas())?;
        }
        self.last.table = table.global_indexes.last().map_or(table.id, |index| index.id);
        let mut places = placement::Places::of(self, avoid);
        self.place_partitions(table.id, table.warm_throughput, partitions, &mut places);
        for index in &table.global_indexes {
            self.place_partitions(index.id, index.warm_throughput, partitions, &mut places);
        }
        Ok(self.put_table(table))
    }

    fn check_quotas(&self, spec: &TableSpec) -> Result<(), CatalogRefusal> {
        let quotas = self.quotas();
        match spec.billing {
            BillingSpec::Provisioned { throughput } => {
                quotas.check_provisioned(Asked::Table, throughput)?;
            }
            BillingSpec::OnDemand { throughput } => {
                quotas.check_on_demand(Asked::Table, throughput.unwrap_or_default().known())?;
            }
        }
        quotas.check_warm(Asked::Table, spec.warm_throughput)
    }

    /// Makes the partitions of a new table or index.
    pub(super) fn place_partitions(
        &mut self,
        table: TableId,
        warm: Throughput,
        setting: Option<u64>,
        places: &mut placement::Places,
    ) {
        let count = placement::partitions_of_new_table(warm, self.joined_nodes().count(), setting);
        for number in 0..count {
            self.last.partition.0 += 1;
            let mut members = Vec::new();
            for (node, role) in places.take(number) {
                self.last.replica.0 += 1;
                members.push(Member { replica: self.last.replica, node, role });
            }
            let partition = Arc::new(PartitionDescription {
                id: self.last.partition,
                table,
                tokens: TokenRange::slice(number, count),
                epoch: 1,
                members,
            });
            self.routing.put(&partition);
            self.partitions.insert(partition.id, partition);
        }
    }

    /// Takes closed partitions of a table or index away.
    pub(super) fn remove_partitions(&mut self, table: TableId) {
        let closed: Vec<_> = self.routing.partitions(table).cloned().collect();
        for partition in closed {
            self.routing.remove(&partition);
            self.partitions.remove(&partition.id);
            self.plans.remove(&partition.id);
            for member in &partition.members {
                self.lost_replicas.remove(&member.replica);
            }
        }
    }

    fn check_busy_tables(&self) -> Result<(), CatalogRefusal> {
        if self.tables.values().filter(|table| table.status != TableStatus::Active).count() >= TABLES_BUSY_MAX {
            return Err(CatalogRefusal::LimitExceeded(format!(
                "Subscriber limit exceeded: Only {TABLES_BUSY_MAX} tables can be created, updated, or deleted \
                 simultaneously"
            )));
        }
        Ok(())
    }

    pub(super) fn put_table(&mut self, table: TableDescription) -> Arc<TableDescription> {
        let table = Arc::new(table);
        self.index_tables.retain(|_, owner| *owner != table.id);
        self.index_tables.extend(table.global_indexes.iter().map(|index| (index.id, table.id)));
        self.tables.insert(table.id, table.clone());
        table
    }

    pub(super) fn table_named(&self, name: &str) -> Result<&Arc<TableDescription>, CatalogRefusal> {
        self.table(name).ok_or_else(|| CatalogRefusal::NoSuchTable(name.to_owned()))
    }

    pub(super) fn update_table(
        &mut self,
        name: &str,
        update: &TableUpdate,
        partitions: Option<u64>,
        avoid: &[NodeId],
        at: &Stamp,
    ) -> Result<Outcome, CatalogRefusal> {
        let table = self.table_named(name)?;
        if table.status != TableStatus::Active {
            return Err(CatalogRefusal::TableBusy { name: name.to_owned(), status: table.status });
        }
        self.check_busy_tables()?;
        let quotas = self.quotas();
        quotas.check_provisioned(Asked::Table, update.throughput.unwrap_or_default())?;
        quotas.check_on_demand(Asked::Table, update.on_demand_most())?;
        quotas.check_warm(Asked::Table, update.warm_throughput())?;
        let was_provisioned = matches!(table.billing, Billing::Provisioned { .. });
        let mut table = TableDescription::clone(table);
        table_update::apply(&mut table, update, at)?;
        let is_switched = was_provisioned && matches!(table.billing, Billing::OnDemand { .. });
        if is_switched {
            let before = self.on_demand_switches.get(&table.id).map(Vec::as_slice).unwrap_or_default();
            quotas.check_switch(before, at)?;
        }
        if let Some(stream) = update.stream {
            self.update_stream(&mut table, stream, at)?;
        }
        let next = TableId(self.last.table.0 + 1);
        let made = global_indexes::update(&mut table, update, next, (quotas, at))?;
        if is_switched {
            self.note_switch(table.id, at);
        }
        table.status = TableStatus::Updating;
        table.version += 1;
        if let Some((id, warm)) = made {
            self.last.table = id;
            let mut places = placement::Places::of(self, avoid);
            self.place_partitions(id, warm, partitions, &mut places);
        }
        Ok(Outcome::Table(self.put_table(table)))
    }

    pub(super) fn delete_table(&mut self, name: &str) -> Result<Outcome, CatalogRefusal> {
        let table = self.table_named(name)?;
        match table.status {
            // "If table is already in the DELETING state, no error is returned" (AWS API reference, DeleteTable).
            TableStatus::Deleting => return Ok(Outcome::Table(table.clone())),
            TableStatus::Creating | TableStatus::Updating => {
                return Err(CatalogRefusal::TableBusy { name: name.to_owned(), status: table.status });
            }
            TableStatus::Active => {}
        }
        if table.deletion_protection {
            return Err(CatalogRefusal::DeletionProtected(name.to_owned()));
        }
        // "During the backfilling phase, you can't delete its parent table" (Developer Guide, Managing GSIs).
        if table.global_indexes.iter().any(|index| !index.serves()) {
            return Err(CatalogRefusal::TableBusy { name: name.to_owned(), status: TableStatus::Updating });
        }
        let mut table = TableDescription::clone(table);
        table.status = TableStatus::Deleting;
        table.version += 1;
        streams::end(&mut table);
        Ok(Outcome::Table(self.put_table(table)))
    }

    pub(super) fn table_ready(&mut self, id: TableId, version: u64, at: &Stamp) -> Outcome {
        let Some(table) = self.tables.get(&id) else { return Outcome::Unchanged };
        if table.version != version || !matches!(table.status, TableStatus::Creating | TableStatus::Updating) {
            return Outcome::Unchanged;
        }
        let mut table = TableDescription::clone(table);
        let is_new = table.status == TableStatus::Creating;
        table.status = TableStatus::Active;
        for index in &mut table.global_indexes {
            global_indexes::ready(index, is_new);
        }
        streams::ready(&mut table, at);
        Outcome::Table(self.put_table(table))
    }

    pub(super) fn table_gone(&mut self, id: TableId, at: &Stamp) -> Outcome {
        if self.tables.get(&id).is_none_or(|table| table.status != TableStatus::Deleting) {
            return Outcome::Unchanged;
        }
        if let Some(table) = self.tables.remove(&id) {
            self.names.remove(&table.name);
            self.insights.remove(&id);
            self.on_demand_switches.remove(&id);
            self.scalable_targets.retain(|dimension, _| dimension.table != id);
            for index in &table.global_indexes {
                self.index_tables.remove(&index.id);
                self.remove_partitions(index.id);
            }
            if !table.streams.is_empty() {
                self.depart(table, at);
                return Outcome::Done;
            }
        }
        self.remove_partitions(id);
        Outcome::Done
    }

    /// Tags concern no partition: the description's version stays.
    pub(super) fn change_tags(
        &mut self,
        name: &str,
        set: BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<Outcome, CatalogRefusal> {
        let table = self.table_named(name)?;
        if table.status == TableStatus::Deleting {
            return Err(CatalogRefusal::TableBusy { name: name.to_owned(), status: table.status });
        }
        let mut changed = TableDescription::clone(table);
        changed.tags.extend(set);
        changed.tags.retain(|tag, _| !remove.contains(tag));
        if changed.tags.len() > TAGS_MAX {
            return Err(CatalogRefusal::Invalid(format!(
                "One or more parameter values were invalid: Too many tags: a resource can have at most {TAGS_MAX} tags"
            )));
        }
        if changed == **table {
            return Ok(Outcome::Unchanged);
        }
        Ok(Outcome::Table(self.put_table(changed)))
    }

    pub(super) fn change_insights(
        &mut self,
        name: &str,
        mode: Option<InsightsMode>,
        at: &Stamp,
    ) -> Result<Outcome, CatalogRefusal> {
        let table = self.table_named(name)?;
        if table.status == TableStatus::Deleting {
            return Err(CatalogRefusal::NoSuchTable(name.to_owned()));
        }
        let id = table.id;
        if self.insights(id).and_then(|insights| insights.mode) == mode {
            return Ok(Outcome::Unchanged);
        }
        self.insights.insert(id, ContributorInsights { mode, changed_ms: at.now_ms });
        Ok(Outcome::Done)
    }
}

fn description(id: TableId, spec: TableSpec, at: &Stamp) -> TableDescription {
    let least = match spec.billing {
        BillingSpec::OnDemand { .. } => ON_DEMAND_WARM,
        BillingSpec::Provisioned { throughput } => throughput,
    };
    let billing = match spec.billing {
        BillingSpec::OnDemand { throughput } => Billing::OnDemand { throughput },
        BillingSpec::Provisioned { throughput } => {
            Billing::Provisioned { throughput, last_increase_ms: None, last_decrease_ms: None, decreases_today: 0 }
        }
    };
    TableDescription {
        id,
        name: spec.name,
        version: 1,
        status: TableStatus::Creating,
        created_ms: at.now_ms,
        key: spec.key,
        local_indexes: spec.local_indexes.into_iter().enumerate().map(numbered).collect(),
        on_demand_since_ms: matches!(billing, Billing::OnDemand { .. }).then_some(at.now_ms),
        billing,
        warm_throughput: table_update::warmer(least, spec.warm_throughput),
        class: spec.class,
        class_changed_ms: None,
        deletion_protection: spec.deletion_protection,
        sse: spec.sse,
        tags: spec.tags,
        streams: Vec::new(),
        global_indexes: Vec::new(),
        time_to_live: None,
    }
}

fn numbered((position, index): (usize, LocalIndexSpec)) -> LocalIndex {
    let number = u16::try_from(position + 1).unwrap_or(u16::MAX);
    LocalIndex { number: IndexNumber(number), name: index.name, range: index.range, projection: index.projection }
}
