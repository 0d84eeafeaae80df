//! A table as DescribeTable and its like show it.

use super::streams::{label_text, view_name};
use crate::arn::{Owner, hashed_uuid};
use crate::render::{self, List, Object};
use stator_catalog::{
    Billing, GlobalIndex, IndexProjection, IndexStatus, KeyAttribute, LocalIndex, TableClass, TableDescription,
    TableStatus, Throughput,
};
use stator_item::{IndexNumber, TableId};
use stator_partition::reply::IndexCount;
use std::collections::BTreeMap;
use std::io::Write as _;

const DAY_MS: u64 = 86_400_000;

/// Everything that a description on the wire is made of.
#[derive(Clone, Copy, Debug)]
pub struct TableView<'a> {
    pub table: &'a TableDescription,
    /// What the status shall say; the table's own if none. CreateTable says CREATING and DeleteTable DELETING, however far
    /// the work has come.
    pub status: Option<TableStatus>,
    /// Items and bytes, summed over the partitions; what is missing shows as 0.
    pub counts: &'a [IndexCount],
    /// The same of each global index, by its id.
    pub global_counts: &'a BTreeMap<TableId, IndexCount>,
    pub owner: &'a Owner,
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// The member that holds the description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// DescribeTable.
    Table,
    /// CreateTable, UpdateTable, DeleteTable.
    TableDescription,
}

impl TableView<'_> {
    /// The response's body.
    pub fn render(&self, reply: Reply, out: &mut Vec<u8>) {
        let mut body = Object::begin(out);
        let name = match reply {
            Reply::Table => "Table",
            Reply::TableDescription => "TableDescription",
        };
        self.description(body.member(name));
        body.end();
    }

    fn description(&self, out: &mut Vec<u8>) {
        let table = self.table;
        let mut shown = Object::begin(out);
        attribute_definitions(table, shown.member("AttributeDefinitions"));
        render::string(&table.name, shown.member("TableName"));
        key_schema(&table.key.hash, table.key.range.as_ref(), shown.member("KeySchema"));
        render::string(self.status().name(), shown.member("TableStatus"));
        seconds(table.created_ms, shown.member("CreationDateTime"));
        self.throughput(&table.billing, shown.member("ProvisionedThroughput"));
        let count = self.count(IndexNumber::ITEMS);
        render::integer(count.bytes, shown.member("TableSizeBytes"));
        render::integer(count.items, shown.member("ItemCount"));
        render::string(&self.owner.table_arn(&table.name), shown.member("TableArn"));
        render::string(&self.table_id(), shown.member("TableId"));
        self.billing(&mut shown);
        if !table.local_indexes.is_empty() {
            let mut list = List::begin(shown.member("LocalSecondaryIndexes"));
            for index in &table.local_indexes {
                self.local_index(index, list.element());
            }
            list.end();
        }
        if !table.global_indexes.is_empty() {
            let mut list = List::begin(shown.member("GlobalSecondaryIndexes"));
            for index in &table.global_indexes {
                self.global_index(index, list.element());
            }
            list.end();
        }
        self.stream(&mut shown);
        self.class_and_encryption(&mut shown);
        let protected = if table.deletion_protection { "true" } else { "false" };
        shown.member("DeletionProtectionEnabled").extend_from_slice(protected.as_bytes());
        shown.end();
    }

    fn status(&self) -> TableStatus {
        self.status.unwrap_or(self.table.status)
    }

    fn count(&self, index: IndexNumber) -> IndexCount {
        let of_index = self.counts.iter().filter(|count| count.index == index);
        of_index.fold(IndexCount { index, items: 0, bytes: 0 }, |sum, count| IndexCount {
            index,
            items: sum.items.saturating_add(count.items),
            bytes: sum.bytes.saturating_add(count.bytes),
        })
    }

    /// A UUID that is the table's for as long as it exists, made of its number: version 8, RFC 9562.
    fn table_id(&self) -> String {
        let arn = self.owner.table_arn(&self.table.name);
        hashed_uuid(&format!("{arn}/{}/{}", self.table.id, self.table.created_ms)).to_string()
    }

    fn throughput(&self, billing: &Billing, out: &mut Vec<u8>) {
        let mut shown = Object::begin(out);
        let (mut decreases, mut units) = (0, Default::default());
        if let Billing::Provisioned { throughput, last_increase_ms, last_decrease_ms, decreases_today } = billing {
            units = *throughput;
            for (name, at_ms) in
                [("LastIncreaseDateTime", last_increase_ms), ("LastDecreaseDateTime", last_decrease_ms)]
            {
                if let Some(at_ms) = at_ms {
                    seconds(*at_ms, shown.member(name));
                }
            }
            if last_decrease_ms.is_some_and(|last_ms| last_ms / DAY_MS == self.now_ms / DAY_MS) {
                decreases = *decreases_today;
            }
        }
        render::integer(decreases, shown.member("NumberOfDecreasesToday"));
        render::integer(units.read_units, shown.member("ReadCapacityUnits"));
        render::integer(units.write_units, shown.member("WriteCapacityUnits"));
        shown.end();
    }

    /// The billing's summary only where the table is or once was on-demand, as DynamoDB shows it.
    fn billing(&self, shown: &mut Object<'_>) {
        let mode = match &self.table.billing {
            Billing::OnDemand { .. } => "PAY_PER_REQUEST",
            Billing::Provisioned { .. } => "PROVISIONED",
        };
        if let Some(since_ms) = self.table.on_demand_since_ms {
            let mut summary = Object::begin(shown.member("BillingModeSummary"));
            render::string(mode, summary.member("BillingMode"));
            seconds(since_ms, summary.member("LastUpdateToPayPerRequestDateTime"));
            summary.end();
        }
        let status = match self.status() {
            TableStatus::Creating | TableStatus::Updating => "UPDATING",
            TableStatus::Active | TableStatus::Deleting => "ACTIVE",
        };
        caps_and_warmth(&self.table.billing, self.table.warm_throughput, status, shown);
    }

    fn local_index(&self, index: &LocalIndex, out: &mut Vec<u8>) {
        let mut shown = Object::begin(out);
        render::string(&index.name, shown.member("IndexName"));
        key_schema(&self.table.key.hash, Some(&index.range), shown.member("KeySchema"));
        projection(&index.projection, shown.member("Projection"));
        let count = self.count(index.number);
        self.index_size(&index.name, count, &mut shown);
        shown.end();
    }

    fn global_index(&self, index: &GlobalIndex, out: &mut Vec<u8>) {
        let mut shown = Object::begin(out);
        render::string(&index.name, shown.member("IndexName"));
        key_elements(&index.hash, &index.range, shown.member("KeySchema"));
        projection(&index.projection, shown.member("Projection"));
        let (status, backfilling) = index_status(self.status(), index.status);
        render::string(status, shown.member("IndexStatus"));
        if let Some(backfilling) = backfilling {
            shown.member("Backfilling").extend_from_slice(backfilling.as_bytes());
        }
        self.throughput(&index.billing, shown.member("ProvisionedThroughput"));
        self.index_size(&index.name, self.global_counts.get(&index.id).copied().unwrap_or_default(), &mut shown);
        let warmth = if status == "ACTIVE" || status == "DELETING" { "ACTIVE" } else { "UPDATING" };
        caps_and_warmth(&index.billing, index.warm_throughput, warmth, &mut shown);
        shown.end();
    }

    /// The latest stream is shown while it may be read, the specification only while it is enabled.
    fn stream(&self, shown: &mut Object<'_>) {
        if let Some(stream) = self.table.stream() {
            let mut specification = Object::begin(shown.member("StreamSpecification"));
            specification.member("StreamEnabled").extend_from_slice(b"true");
            render::string(view_name(stream.view), specification.member("StreamViewType"));
            specification.end();
        }
        if let Some(stream) = self.table.streams.last().filter(|stream| !stream.is_over(self.now_ms)) {
            let label = label_text(stream.label);
            render::string(&label, shown.member("LatestStreamLabel"));
            render::string(&self.owner.stream_arn(&self.table.name, &label), shown.member("LatestStreamArn"));
        }
    }

    fn index_size(&self, name: &str, count: IndexCount, shown: &mut Object<'_>) {
        render::integer(count.bytes, shown.member("IndexSizeBytes"));
        render::integer(count.items, shown.member("ItemCount"));
        render::string(&self.owner.index_arn(&self.table.name, name), shown.member("IndexArn"));
    }

    /// Shown only where they are not what every table has.
    fn class_and_encryption(&self, shown: &mut Object<'_>) {
        let table = self.table;
        if table.class != TableClass::Standard || table.class_changed_ms.is_some() {
            let mut summary = Object::begin(shown.member("TableClassSummary"));
            let class = match table.class {
                TableClass::Standard => "STANDARD",
                TableClass::StandardInfrequentAccess => "STANDARD_INFREQUENT_ACCESS",
            };
            render::string(class, summary.member("TableClass"));
            if let Some(at_ms) = table.class_changed_ms {
                seconds(at_ms, summary.member("LastUpdateDateTime"));
            }
            summary.end();
        }
        if let Some(sse) = &table.sse {
            let mut description = Object::begin(shown.member("SSEDescription"));
            render::string("ENABLED", description.member("Status"));
            render::string("KMS", description.member("SSEType"));
            render::string(&self.owner.kms_key_arn(sse.key.as_deref()), description.member("KMSMasterKeyArn"));
            description.end();
        }
    }
}

/// `IndexStatus` of a global index, and whether it is `Backfilling`, in a table of that status.
pub(super) fn index_status(table: TableStatus, index: IndexStatus) -> (&'static str, Option<&'static str>) {
    match (table, index) {
        (TableStatus::Deleting, _) | (_, IndexStatus::Deleting) => ("DELETING", None),
        (TableStatus::Creating, _) => ("CREATING", None),
        (_, IndexStatus::Creating) => ("CREATING", Some("false")),
        (_, IndexStatus::Backfilling) => ("CREATING", Some("true")),
        (_, IndexStatus::Active) => ("ACTIVE", None),
        (_, IndexStatus::Updating) => ("UPDATING", None),
    }
}

/// Seconds since 1970 with their milliseconds.
pub(crate) fn seconds(ms: u64, out: &mut Vec<u8>) {
    write!(out, "{}.{:03}", ms / 1_000, ms % 1_000).expect("writing to memory does not fail");
}

fn projection(projection: &IndexProjection, out: &mut Vec<u8>) {
    let mut shown = Object::begin(out);
    let kind = match projection {
        IndexProjection::KeysOnly => "KEYS_ONLY",
        IndexProjection::Include(_) => "INCLUDE",
        IndexProjection::All => "ALL",
    };
    render::string(kind, shown.member("ProjectionType"));
    if let IndexProjection::Include(names) = projection {
        let mut list = List::begin(shown.member("NonKeyAttributes"));
        for name in names {
            render::string(name, list.element());
        }
        list.end();
    }
    shown.end();
}

/// `OnDemandThroughput`, where there are caps, and `WarmThroughput`, of a table or index.
fn caps_and_warmth(billing: &Billing, warmth: Throughput, status: &str, shown: &mut Object<'_>) {
    if let Billing::OnDemand { throughput: Some(throughput) } = billing {
        let mut caps = Object::begin(shown.member("OnDemandThroughput"));
        for (name, cap) in
            [("MaxReadRequestUnits", throughput.read_units_max), ("MaxWriteRequestUnits", throughput.write_units_max)]
        {
            match cap {
                Some(units) => render::integer(units, caps.member(name)),
                None => caps.member(name).extend_from_slice(b"-1"),
            }
        }
        caps.end();
    }
    let mut warm = Object::begin(shown.member("WarmThroughput"));
    render::integer(warmth.read_units, warm.member("ReadUnitsPerSecond"));
    render::integer(warmth.write_units, warm.member("WriteUnitsPerSecond"));
    render::string(status, warm.member("Status"));
    warm.end();
}

/// All key attributes, each once, by name.
fn attribute_definitions(table: &TableDescription, out: &mut Vec<u8>) {
    let attributes: BTreeMap<&str, &str> =
        table.key_attributes().map(|attribute| (attribute.name.as_str(), attribute.key_type.name())).collect();
    let mut list = List::begin(out);
    for (name, key_type) in attributes {
        let mut definition = Object::begin(list.element());
        render::string(name, definition.member("AttributeName"));
        render::string(key_type, definition.member("AttributeType"));
        definition.end();
    }
    list.end();
}

pub(super) fn key_schema(hash: &KeyAttribute, range: Option<&KeyAttribute>, out: &mut Vec<u8>) {
    key_elements(std::slice::from_ref(hash), range.map(std::slice::from_ref).unwrap_or_default(), out);
}

fn key_elements(hash: &[KeyAttribute], range: &[KeyAttribute], out: &mut Vec<u8>) {
    let elements = hash.iter().map(|attribute| (attribute, "HASH"));
    let elements = elements.chain(range.iter().map(|attribute| (attribute, "RANGE")));
    let mut list = List::begin(out);
    for (attribute, kind) in elements {
        let mut element = Object::begin(list.element());
        render::string(&attribute.name, element.member("AttributeName"));
        render::string(kind, element.member("KeyType"));
        element.end();
    }
    list.end();
}
