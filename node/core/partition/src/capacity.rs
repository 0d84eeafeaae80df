//! Capacity units: what commands consume, in DynamoDB's figures.
//!
//! Source: Amazon DynamoDB Developer Guide, "DynamoDB read and write operations", "Local secondary indexes", "Global
//! secondary indexes", "Amazon DynamoDB Transactions: How it works".

use crate::{
    command::Command,
    reply::{PageReply, Refusal, Reply, Written},
};
pub use stator_catalog::Way;
use stator_item::{TableId, size};
use std::collections::BTreeMap;

const READ_UNIT_BYTES: u64 = 4096;
const WRITE_UNIT_BYTES: u64 = 1024;

/// Capacity units, counted in halves: an eventually consistent read of 4 KB is half a unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Units {
    halves: u64,
}

impl Units {
    pub const ZERO: Units = Units { halves: 0 };

    pub const fn whole(units: u64) -> Units {
        Units { halves: units.saturating_mul(2) }
    }

    pub const fn of_halves(halves: u64) -> Units {
        Units { halves }
    }

    pub const fn halves(self) -> u64 {
        self.halves
    }

    /// An eventually consistent read of so many bytes at once. Nothing found costs as much as the smallest item.
    pub fn of_eventual_read(bytes: u64) -> Units {
        Units { halves: bytes.div_ceil(READ_UNIT_BYTES).max(1) }
    }

    /// The same of a strongly consistent one.
    pub fn of_strong_read(bytes: u64) -> Units {
        Units::of_eventual_read(bytes).doubled()
    }

    /// A write that leaves `new_bytes` where `old_bytes` were: the larger counts.
    pub fn of_write(old_bytes: u64, new_bytes: u64) -> Units {
        Units::whole(old_bytes.max(new_bytes).div_ceil(WRITE_UNIT_BYTES).max(1))
    }

    /// A read of a transaction: it prepares and reads, which are two strong ones.
    pub fn of_transaction_read(bytes: u64) -> Units {
        Units::of_strong_read(bytes).doubled()
    }

    pub fn doubled(self) -> Units {
        Units { halves: self.halves.saturating_mul(2) }
    }
}

impl std::ops::AddAssign for Units {
    fn add_assign(&mut self, other: Units) {
        self.halves = self.halves.saturating_add(other.halves);
    }
}

impl std::iter::Sum for Units {
    fn sum<I: Iterator<Item = Units>>(units: I) -> Units {
        units.fold(Units::ZERO, |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// Which of the two capacities a client's command consumes; `None`: no client asked for it, or another command of the same
/// request consumes what it costs.
pub fn way_of(command: &Command) -> Option<Way> {
    match command {
        Command::Put(_) | Command::Update(_) | Command::Delete(_) | Command::TransactOne(_) | Command::Prepare(_) => {
            Some(Way::Write)
        }
        Command::Get(_) | Command::Page(_) => Some(Way::Read),
        // Its second look is paid for with the first.
        Command::TransactGet(get) => (!get.versions_only).then_some(Way::Read),
        Command::Count
        | Command::Describe(_)
        | Command::Close
        | Command::ReadChanges { .. }
        | Command::MoveCursor { .. }
        | Command::TrimChanges { .. }
        | Command::RaiseMark { .. }
        | Command::Deliver(_)
        | Command::ReadFeed { .. }
        | Command::MoveFeed { .. }
        | Command::ShowFeeds
        | Command::Decide(_)
        | Command::Finish(_)
        | Command::Forget { .. }
        | Command::ForgetRequests { .. }
        | Command::Decision { .. }
        // Reading a stream has a price of its own, and no limit that is set.
        | Command::ShowShards { .. }
        | Command::FindRecord { .. }
        | Command::ReadShard(_)
        | Command::KeepStreams { .. }
        | Command::ChangeTrigger(_)
        | Command::ShowTrigger { .. }
        // "Deletes items at no additional cost" (Developer Guide, Using time to live).
        | Command::Expire(_)
        | Command::ReadUnindexed
        | Command::IndexExpiries(_)
        | Command::ShowExpiries => None,
    }
}

/// What a command consumed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// Of the table or index whose partition carried it out. Local indexes consume their table's.
    pub own: Units,
    /// Of the global indexes that a write will come to.
    pub indexes: BTreeMap<TableId, Units>,
}

impl Cost {
    /// Of a client's command, by what came of it. A condition that does not hold costs a write of the smallest item or, where
    /// the item is shown, of that one; whatever else is refused, nothing.
    pub fn of(command: &Command, outcome: &Result<Reply, Refusal>, is_strong: bool) -> Cost {
        let read = |bytes: u64| if is_strong { Units::of_strong_read(bytes) } else { Units::of_eventual_read(bytes) };
        let mut cost = match outcome {
            Ok(Reply::Written(written)) => Cost::of_writes(std::slice::from_ref(written)),
            Ok(Reply::Transacted(transacted)) => Cost::of_writes(&transacted.written),
            Ok(Reply::Prepared(prepared)) => Cost::of_writes(&prepared.written),
            Ok(Reply::Got(got)) => Cost::of_own(read(got.read_bytes)),
            Ok(Reply::Intended(met)) => Cost::of_own(read(met.old.read_bytes.max(met.new.read_bytes))),
            Ok(Reply::Page(page)) => Cost::of_own(of_page(page, read)),
            Ok(Reply::TransactGot(got)) => {
                let of_item = |got: &Option<crate::transaction::TransactGot>| {
                    Units::of_transaction_read(got.as_ref().map_or(0, |got| got.got.read_bytes))
                };
                Cost::of_own(got.iter().map(of_item).sum())
            }
            Err(Refusal::ConditionFailed { old_item }) => {
                let bytes = old_item.as_ref().and_then(|item| size::item_size_encoded(item).ok()).unwrap_or(0);
                Cost::of_own(Units::of_write(bytes as u64, 0))
            }
            Err(Refusal::Cancelled(reasons)) => Cost::of_own(Units::whole(reasons.len() as u64)),
            Ok(_) | Err(_) => Cost::default(),
        };
        // A transaction prepares and writes, which are two.
        if matches!(command, Command::TransactOne(_) | Command::Prepare(_)) {
            cost.own = cost.own.doubled();
            cost.indexes.values_mut().for_each(|units| *units = units.doubled());
        }
        cost
    }

    fn of_own(own: Units) -> Cost {
        Cost { own, indexes: BTreeMap::new() }
    }

    fn of_writes(written: &[Written]) -> Cost {
        let mut cost = Cost::default();
        for written in written {
            cost.own += Units::of_write(written.old_bytes, written.new_bytes);
            cost.own += written.index_bytes.iter().map(|(_, old, new)| Units::of_write(*old, *new)).sum();
            for (index, old, new) in &written.global_bytes {
                *cost.indexes.entry(*index).or_default() += Units::of_write(*old, *new);
            }
        }
        cost
    }
}

fn of_page(page: &PageReply, read: impl Fn(u64) -> Units) -> Units {
    let mut units = read(page.read_bytes);
    units += page.fetched_bytes.iter().map(|bytes| read(*bytes)).sum();
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::WriteOptions,
        reply::Got,
        transaction::{TransactOne, TransactedOne},
    };
    use stator_item::{IndexNumber, Key, KeyPart, Timestamp};

    #[test]
    fn reads_round_up_to_4_kb() {
        for (bytes, halves) in [(0, 1), (1, 1), (4096, 1), (4097, 2), (12_289, 4)] {
            assert_eq!(Units::of_eventual_read(bytes).halves(), halves, "{bytes}");
            assert_eq!(Units::of_strong_read(bytes).halves(), 2 * halves, "{bytes}");
        }
    }

    #[test]
    fn writes_round_the_larger_up_to_1_kb() {
        for (old_bytes, new_bytes, units) in [(0, 0, 1), (0, 1, 1), (0, 1024, 1), (1025, 3, 2), (3, 2049, 3)] {
            assert_eq!(Units::of_write(old_bytes, new_bytes), Units::whole(units), "{old_bytes} {new_bytes}");
        }
    }

    fn delete() -> Command {
        let key = Key { hash: KeyPart::String("a".into()), range: None };
        Command::Delete(crate::command::Delete { key, options: WriteOptions::default() })
    }

    #[test]
    fn a_write_costs_its_table_and_its_indexes() {
        let written = Written {
            old_bytes: 10,
            new_bytes: 3_000,
            index_bytes: vec![(IndexNumber(1), 10, 0), (IndexNumber(1), 0, 1_500)],
            global_bytes: vec![(TableId(7), 0, 2_000), (TableId(8), 5, 0), (TableId(7), 9, 0)],
            ..Written::default()
        };
        let indexes = BTreeMap::from([(TableId(7), Units::whole(3)), (TableId(8), Units::whole(1))]);
        let cost = Cost::of(&delete(), &Ok(Reply::Written(written.clone())), true);
        assert_eq!(cost, Cost { own: Units::whole(6), indexes });
        let one = Command::TransactOne(Box::new(TransactOne { writes: Vec::new(), request: None, elsewhere: None }));
        let transacted = TransactedOne { timestamp: Timestamp::MIN, written: vec![written] };
        let cost = Cost::of(&one, &Ok(Reply::Transacted(transacted)), true);
        assert_eq!((cost.own, cost.indexes[&TableId(7)]), (Units::whole(12), Units::whole(6)));
    }

    #[test]
    fn what_is_refused_costs_little_or_nothing() {
        let own = |outcome| Cost::of(&delete(), &outcome, true).own;
        assert_eq!(own(Err(Refusal::ConditionFailed { old_item: None })), Units::whole(1));
        assert_eq!(own(Err(Refusal::Overloaded)), Units::ZERO);
        assert_eq!(own(Err(Refusal::Cancelled(vec![None, None]))), Units::whole(2));
        assert_eq!(own(Ok(Reply::Got(Got::default()))), Units::whole(1));
    }
}
