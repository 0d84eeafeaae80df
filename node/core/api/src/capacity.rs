//! Consumed capacity, as it is shown.
//!
//! Source: Amazon DynamoDB Developer Guide, "DynamoDB read and write operations" and "Local secondary indexes", "Global secondary indexes".

use crate::operation::{ReadConsistency, TableReference, Tables};
use crate::reader::Members;
use crate::render::{List, Object};
use stator_catalog::TableDescription;
use stator_item::{IndexNumber, TableId};
pub use stator_partition::capacity::Units;
use stator_partition::reply::Written;
use std::collections::BTreeMap;
use std::io::Write as _;

/// `ReturnConsumedCapacity`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CapacityDetail {
    #[default]
    None,
    Total,
    Indexes,
}

impl CapacityDetail {
    pub(crate) fn read(members: Members<'_>) -> CapacityDetail {
        match members.text("ReturnConsumedCapacity") {
            Some("TOTAL") => CapacityDetail::Total,
            Some("INDEXES") => CapacityDetail::Indexes,
            _ => CapacityDetail::None,
        }
    }
}

/// A read of so many bytes at once.
pub(crate) fn of_read(bytes: u64, consistency: ReadConsistency) -> Units {
    match consistency {
        ReadConsistency::Eventual => Units::of_eventual_read(bytes),
        ReadConsistency::Strong => Units::of_strong_read(bytes),
    }
}

fn write_units(units: Units, out: &mut Vec<u8>) {
    let fraction = if units.halves() % 2 == 1 { 5 } else { 0 };
    write!(out, "{}.{fraction}", units.halves() / 2).expect("writing to memory does not fail");
}

/// What an operation consumed of one table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Consumed {
    pub table: Units,
    pub indexes: BTreeMap<IndexNumber, Units>,
    pub global_indexes: BTreeMap<TableId, Units>,
}

impl Consumed {
    pub fn add_index(&mut self, index: IndexNumber, units: Units) {
        *self.indexes.entry(index).or_default() += units;
    }

    pub fn add_global_index(&mut self, index: TableId, units: Units) {
        *self.global_indexes.entry(index).or_default() += units;
    }

    /// What another request consumed of the same table.
    pub(crate) fn add(&mut self, other: &Consumed) {
        self.table += other.table;
        for (index, units) in &other.indexes {
            self.add_index(*index, *units);
        }
        for (index, units) in &other.global_indexes {
            self.add_global_index(*index, *units);
        }
    }

    /// A write of an item, with the index entries that it wrote: one that moved was written twice.
    pub fn add_write(&mut self, written: &Written) {
        self.table += Units::of_write(written.old_bytes, written.new_bytes);
        for (index, old_bytes, new_bytes) in &written.index_bytes {
            self.add_index(*index, Units::of_write(*old_bytes, *new_bytes));
        }
        for (index, old_bytes, new_bytes) in &written.global_bytes {
            self.add_global_index(*index, Units::of_write(*old_bytes, *new_bytes));
        }
    }

    fn total(&self) -> Units {
        let mut total = self.table;
        self.indexes.values().chain(self.global_indexes.values()).for_each(|units| total += *units);
        total
    }

    /// The object `ConsumedCapacity`. `given` is the table as the request named it.
    pub(crate) fn write_json(&self, given: &str, table: &TableDescription, detail: CapacityDetail, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        crate::render::string(given, object.member("TableName"));
        write_units(self.total(), object.member("CapacityUnits"));
        if detail == CapacityDetail::Indexes {
            write_capacity(self.table, object.member("Table"));
            self.write_indexes(table, &mut object, write_capacity);
        }
        object.end();
    }

    fn write_indexes(
        &self,
        table: &TableDescription,
        object: &mut Object<'_>,
        write_one: impl Fn(Units, &mut Vec<u8>),
    ) {
        if !self.indexes.is_empty() {
            let mut indexes = Object::begin(object.member("LocalSecondaryIndexes"));
            for (number, units) in &self.indexes {
                if let Some(index) = table.local_index_numbered(*number) {
                    write_one(*units, indexes.member(&index.name));
                }
            }
            indexes.end();
        }
        if !self.global_indexes.is_empty() {
            let mut indexes = Object::begin(object.member("GlobalSecondaryIndexes"));
            for (id, units) in &self.global_indexes {
                if let Some(index) = table.global_index_by_id(*id) {
                    write_one(*units, indexes.member(&index.name));
                }
            }
            indexes.end();
        }
    }
}

/// What a transaction consumes: the replies of transactions say so beside the sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// Reads, counted as those of transactions already.
    Read,
    /// Writes, counted as single ones: a transaction prepares and writes, which are two.
    Write,
}

impl Side {
    fn member(self) -> &'static str {
        match self {
            Side::Read => "ReadCapacityUnits",
            Side::Write => "WriteCapacityUnits",
        }
    }

    fn write(self, units: Units, object: &mut Object<'_>) {
        let units = if self == Side::Write { units.doubled() } else { units };
        write_units(units, object.member(self.member()));
        write_units(units, object.member("CapacityUnits"));
    }

    /// `ConsumedCapacity` of a transaction: one for each table.
    pub(crate) fn render(
        self,
        consumed: &[(&TableReference, Consumed)],
        tables: &Tables,
        detail: CapacityDetail,
        out: &mut Vec<u8>,
    ) {
        let known = consumed
            .iter()
            .filter_map(|(reference, consumed)| Some((reference, consumed, tables.get(&reference.name)?)));
        let mut list = List::begin(out);
        for (reference, consumed, table) in known {
            let mut object = Object::begin(list.element());
            crate::render::string(&reference.given, object.member("TableName"));
            self.write(consumed.total(), &mut object);
            if detail == CapacityDetail::Indexes {
                self.write_one(consumed.table, object.member("Table"));
                consumed.write_indexes(table, &mut object, |units, out| self.write_one(units, out));
            }
            object.end();
        }
        list.end();
    }

    fn write_one(self, units: Units, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        self.write(units, &mut object);
        object.end();
    }
}

fn write_capacity(units: Units, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    write_units(units, object.member("CapacityUnits"));
    object.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_shown_with_their_half() {
        for (bytes, eventual, strong) in [(0, "0.5", "1.0"), (4097, "1.0", "2.0"), (12_289, "2.0", "4.0")] {
            for (consistency, expected) in [(ReadConsistency::Eventual, eventual), (ReadConsistency::Strong, strong)] {
                let mut out = Vec::new();
                write_units(of_read(bytes, consistency), &mut out);
                assert_eq!(String::from_utf8_lossy(&out), expected, "{bytes}");
            }
        }
    }
}
