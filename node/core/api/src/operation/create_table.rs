//! CreateTable.

use super::table_keys;
use super::table_members::{self, invalid};
use super::{TableReference, global_indexes, model};
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Shape, Structure};
use stator_catalog::{
    BillingMode, BillingSpec, Change, ON_DEMAND_WARM, OnDemandThroughput, SseUpdate, StreamUpdate, TableClass,
    TableSpec, Throughput, UnitsMax,
};
use stator_item::NodeId;

static LOCAL_SECONDARY_INDEX: Structure = Structure {
    name: "LocalSecondaryIndex",
    members: &[
        Member::required("IndexName", &Shape::NAME),
        Member::required("KeySchema", &table_members::KEY_SCHEMA),
        table_keys::PROJECTION,
    ],
};

static INPUT: Structure = Structure {
    name: "CreateTableInput",
    members: &[
        Member::optional("AttributeDefinitions", &table_members::ATTRIBUTE_DEFINITIONS),
        model::TABLE_NAME,
        Member::optional("KeySchema", &table_members::KEY_SCHEMA),
        Member::optional("LocalSecondaryIndexes", &Shape::list(&Shape::Structure(&LOCAL_SECONDARY_INDEX))),
        Member::optional("GlobalSecondaryIndexes", &global_indexes::INDEXES),
        table_members::BILLING_MODE,
        table_members::PROVISIONED_THROUGHPUT,
        table_members::STREAM_SPECIFICATION,
        table_members::SSE_SPECIFICATION,
        Member::optional("Tags", &table_members::TAGS),
        table_members::TABLE_CLASS,
        table_members::DELETION_PROTECTION,
        table_members::WARM_THROUGHPUT,
        table_members::ON_DEMAND_THROUGHPUT,
        Member::not_yet("VectorIndexes"),
        Member::not_yet("ResourcePolicy"),
        Member::not_yet("GlobalTableSourceArn"),
        Member::not_yet("GlobalTableSettingsReplicationMode"),
    ],
};

/// What an on-demand table is told that shall be colder than it begins.
const ON_DEMAND_INITIAL: &str = "initial throughput for OnDemand. See: \
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html#on-demand-capacity-mode-initial";

/// A checked CreateTable. The reply is a [`TableView`](crate::operation::TableView) whose status says CREATING.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateTable {
    pub table: TableReference,
    pub spec: TableSpec,
}

impl CreateTable {
    /// Everything that can be refused without the catalog.
    pub fn parse(body: &[u8]) -> Result<CreateTable, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let table = TableReference::read(members)?;
        let billing = billing(members)?;
        let (key, local_indexes, global_indexes) = table_keys::keys(members)?;
        let (warm_read, warm_write) = table_members::warm_throughput(members)?;
        check_warmth(warm_read, warm_write, billing)?;
        let spec = TableSpec {
            name: table.name.clone(),
            key,
            local_indexes,
            billing,
            warm_throughput: Throughput {
                read_units: warm_read.unwrap_or_default(),
                write_units: warm_write.unwrap_or_default(),
            },
            class: table_members::table_class(members).unwrap_or(TableClass::Standard),
            deletion_protection: members.flag("DeletionProtectionEnabled").unwrap_or_default(),
            sse: match table_members::sse(members)? {
                Some(SseUpdate::On(sse)) => Some(sse),
                Some(SseUpdate::Off) | None => None,
            },
            tags: table_members::tags(members)?,
            global_indexes,
            stream: match table_members::stream(members)? {
                Some(StreamUpdate::Enable(view)) => Some(view),
                // What every table has.
                Some(StreamUpdate::Disable) | None => None,
            },
        };
        Ok(CreateTable { table, spec })
    }

    /// What the catalog is told; `partitions` overrides what DynamoDB would give, `avoid` are nodes not heard of lately.
    pub fn change(self, partitions: Option<u64>, avoid: Vec<NodeId>) -> Change {
        Change::CreateTable { table: Box::new(self.spec), partitions, tables_max: None, avoid }
    }
}

/// A table may be made warmer than its mode makes it, but not colder.
fn check_warmth(read: Option<u64>, write: Option<u64>, billing: BillingSpec) -> Result<(), ApiError> {
    let (least, is_on_demand) = match billing {
        BillingSpec::OnDemand { .. } => (ON_DEMAND_WARM, true),
        BillingSpec::Provisioned { throughput } => (throughput, false),
    };
    for (asked, name, least, of) in [
        (read, "ReadUnitsPerSecond", least.read_units, "ReadCapacityUnits"),
        (write, "WriteUnitsPerSecond", least.write_units, "WriteCapacityUnits"),
    ] {
        let Some(_) = asked.filter(|asked| *asked < least) else { continue };
        let than = if is_on_demand { ON_DEMAND_INITIAL.to_owned() } else { format!("{of} of ProvisionedThroughput") };
        return invalid(format!("Requested {name} for WarmThroughput for table is lower than {than}"));
    }
    Ok(())
}

fn billing(members: Members<'_>) -> Result<BillingSpec, ApiError> {
    let throughput = table_members::provisioned_throughput(members);
    let (read, write) = table_members::on_demand_throughput(members)?;
    let mode = table_members::billing_mode(members).unwrap_or(BillingMode::Provisioned);
    match (mode, throughput) {
        (BillingMode::OnDemand, Some(_)) => invalid(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ),
        (BillingMode::Provisioned, None) => {
            invalid("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
        }
        (BillingMode::Provisioned, Some(_)) if read.is_some() || write.is_some() => {
            let name = if read.is_some() { "MaxReadRequestUnits" } else { "MaxWriteRequestUnits" };
            invalid(format!("{name} for OnDemandThroughput cannot be specified when table BillingMode is PROVISIONED."))
        }
        (BillingMode::Provisioned, Some(throughput)) => Ok(BillingSpec::Provisioned { throughput }),
        (BillingMode::OnDemand, None) => {
            let capped = |cap: Option<UnitsMax>| match cap {
                Some(UnitsMax::Most(units)) => Some(units),
                Some(UnitsMax::Unlimited) | None => None,
            };
            let caps = OnDemandThroughput { read_units_max: capped(read), write_units_max: capped(write) };
            let throughput = (caps != OnDemandThroughput::default()).then_some(caps);
            Ok(BillingSpec::OnDemand { throughput })
        }
    }
}
