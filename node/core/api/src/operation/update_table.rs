//! UpdateTable.

use super::table_members;
use super::{TableReference, global_indexes, model};
use crate::error_table::ApiError;
use crate::reader::{self, Member, Structure};
use stator_catalog::{Change, TableUpdate};

static INPUT: Structure = Structure {
    name: "UpdateTableInput",
    members: &[
        // Names keys of an index to come; without one it says nothing.
        Member::optional("AttributeDefinitions", &table_members::ATTRIBUTE_DEFINITIONS),
        model::TABLE_NAME,
        table_members::BILLING_MODE,
        table_members::PROVISIONED_THROUGHPUT,
        table_members::STREAM_SPECIFICATION,
        table_members::SSE_SPECIFICATION,
        table_members::TABLE_CLASS,
        table_members::DELETION_PROTECTION,
        table_members::ON_DEMAND_THROUGHPUT,
        table_members::WARM_THROUGHPUT,
        Member::optional("GlobalSecondaryIndexUpdates", &global_indexes::INDEX_UPDATES),
        Member::not_yet("ReplicaUpdates"),
        Member::not_yet("MultiRegionConsistency"),
        Member::not_yet("GlobalTableWitnessUpdates"),
        Member::not_yet("GlobalTableSettingsReplicationMode"),
        Member::not_yet("DisassociationProtectionEnabled"),
        Member::not_yet("VectorIndexUpdates"),
    ],
};

/// A checked UpdateTable. The reply is a [`TableView`](crate::operation::TableView) of the table as the catalog answers it.
#[derive(Clone, PartialEq, Debug)]
pub struct UpdateTable {
    pub table: TableReference,
    pub update: TableUpdate,
}

impl UpdateTable {
    /// Everything that can be refused without the catalog.
    pub fn parse(body: &[u8]) -> Result<UpdateTable, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let table = TableReference::read(members)?;
        let (on_demand_read, on_demand_write) = table_members::on_demand_throughput(members)?;
        let (warm_read_units, warm_write_units) = table_members::warm_throughput(members)?;
        let update = TableUpdate {
            billing_mode: table_members::billing_mode(members),
            throughput: table_members::provisioned_throughput(members),
            on_demand_read,
            on_demand_write,
            warm_read_units,
            warm_write_units,
            class: table_members::table_class(members),
            deletion_protection: members.flag("DeletionProtectionEnabled"),
            sse: table_members::sse(members)?,
            indexes: global_indexes::updates(members)?,
            stream: table_members::stream(members)?,
        };
        if update == TableUpdate::default() {
            return Err(ApiError::validation(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates \
                 or SSESpecification or ReplicaUpdates is required",
            ));
        }
        Ok(UpdateTable { table, update })
    }

    /// What the catalog is told.
    pub fn change(self) -> Change {
        Change::UpdateTable {
            name: self.table.name,
            update: Box::new(self.update),
            partitions: None,
            avoid: Vec::new(),
        }
    }
}
