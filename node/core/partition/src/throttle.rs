//! How much of a table's capacity the partitions that lead on one node may let through. Pure: the clock is an argument.
//!
//! Each node has one [`Throttle`] for the rows of a table or of a global index. It knows which of their partitions lead on
//! this node, and how much of the tokens they hold. From it every command of a client must be admitted before anything is
//! done, and to it what the command consumed is charged afterwards, when the cost is known: a bucket may go into debt, and
//! nothing is admitted before that is paid back. So the first command of a full bucket is never too large for it.
//!
//! Two kinds of buckets have to be open:
//!
//! - the *pool* of a capacity: earns this node's share of the table's units, which is the share of the tokens that lead here,
//!   and keeps what was not consumed for [`BURST_SECONDS`]. All partitions of the table that lead here draw from it, so a hot
//!   one takes what its siblings leave. What siblings on other nodes leave is [lent](Throttle::lend): units go from one pool
//!   into another, so that however messages are lost or late, all nodes together never let through more than the table has.
//!   The pools of a table's global indexes' writes stand beside those of the table: a write is decided on where it is made,
//!   and what is admitted there is not refused later.
//! - the partition's own: the hard limit of [`PARTITION_READ_UNITS`] and [`PARTITION_WRITE_UNITS`], without a burst. A
//!   partition that holds what DynamoDB would have made several of has the limit of all these.
//!
//! A pool or partition begins with the units of one second, and nothing saved: whoever led before may have used it up.

mod bucket;
#[cfg(test)]
mod tests;

use crate::capacity::{Cost, Units, Way};
use bucket::{Bucket, Grains};
use serde::{Deserialize, Serialize};
use stator_catalog::{
    Billing, GlobalIndex, PARTITION_READ_UNITS, PARTITION_WRITE_UNITS, TableDescription, Throughput, TokenRange,
    partitions_needed,
};
use stator_item::{PartitionId, TableId};
use std::{collections::BTreeMap, time::Duration};

/// So long unused capacity can still be consumed.
///
/// Source: Amazon DynamoDB Developer Guide, "Burst and adaptive capacity".
pub const BURST_SECONDS: u64 = 300;
/// All tokens.
const TOKENS_COUNT: u128 = 1 << 64;

/// Units that one node lends another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Loan(u64);

impl Loan {
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is still wanted when so much was lent.
    pub fn rest(wanted: Loan, lent: Loan) -> Loan {
        Loan(wanted.0.saturating_sub(lent.0))
    }
}

/// A capacity of a table or index that is shared by partitions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Pool {
    Read,
    Write,
    /// The writes of a global index, kept with its table.
    IndexWrite(TableId),
}

impl Pool {
    fn way(self) -> Way {
        match self {
            Pool::Read => Way::Read,
            Pool::Write | Pool::IndexWrite(_) => Way::Write,
        }
    }
}

impl From<Way> for Pool {
    fn from(way: Way) -> Pool {
        match way {
            Way::Read => Pool::Read,
            Way::Write => Pool::Write,
        }
    }
}

/// Which limit was reached: the last part of a reason in `ThrottlingReasons`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Limit {
    Provisioned,
    /// `MaxReadRequestUnits` or `MaxWriteRequestUnits`.
    OnDemandMaximum,
    /// A partition's hard limit.
    Partition,
}

/// Why a command is not carried out now.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Throttled {
    pub table: String,
    /// `None`: the table's own capacity.
    pub index: Option<String>,
    pub way: Way,
    pub limit: Limit,
    /// The table's billing mode, which decides over the kind of exception.
    pub is_on_demand: bool,
}

impl Throttled {
    /// `reason` of a `ThrottlingReason`: resource, operation, limit.
    ///
    /// Source: Amazon DynamoDB API Reference, "ThrottlingReason".
    pub fn reason(&self) -> &'static str {
        use Limit::{OnDemandMaximum, Partition, Provisioned};
        use Way::{Read, Write};
        match (self.index.is_some(), self.way, self.limit) {
            (false, Read, Provisioned) => "TableReadProvisionedThroughputExceeded",
            (false, Read, OnDemandMaximum) => "TableReadMaxOnDemandThroughputExceeded",
            (false, Read, Partition) => "TableReadKeyRangeThroughputExceeded",
            (false, Write, Provisioned) => "TableWriteProvisionedThroughputExceeded",
            (false, Write, OnDemandMaximum) => "TableWriteMaxOnDemandThroughputExceeded",
            (false, Write, Partition) => "TableWriteKeyRangeThroughputExceeded",
            (true, Read, Provisioned) => "IndexReadProvisionedThroughputExceeded",
            (true, Read, OnDemandMaximum) => "IndexReadMaxOnDemandThroughputExceeded",
            (true, Read, Partition) => "IndexReadKeyRangeThroughputExceeded",
            (true, Write, Provisioned) => "IndexWriteProvisionedThroughputExceeded",
            (true, Write, OnDemandMaximum) => "IndexWriteMaxOnDemandThroughputExceeded",
            (true, Write, Partition) => "IndexWriteKeyRangeThroughputExceeded",
        }
    }
}

/// A partition that leads on this node.
#[derive(Clone, Debug)]
struct Led {
    tokens_count: u128,
    read: Option<Bucket>,
    write: Option<Bucket>,
}

impl Led {
    fn bucket(&mut self, way: Way) -> &mut Option<Bucket> {
        match way {
            Way::Read => &mut self.read,
            Way::Write => &mut self.write,
        }
    }
}

/// What one node lets through to the partitions of a table or index.
#[derive(Clone, Debug)]
pub struct Throttle {
    rows: TableId,
    led: BTreeMap<PartitionId, Led>,
    pools: BTreeMap<Pool, Bucket>,
    /// Pools that had to refuse something since they were last asked.
    wanting: BTreeMap<Pool, Loan>,
}

impl Throttle {
    /// Of the rows that lie under this id.
    pub fn new(rows: TableId) -> Throttle {
        Throttle { rows, led: BTreeMap::new(), pools: BTreeMap::new(), wanting: BTreeMap::new() }
    }

    /// The partition leads on this node from now on.
    pub fn lead(&mut self, partition: PartitionId, tokens: TokenRange, now: Duration) {
        let before = self.tokens_count();
        let tokens_count = u128::from(tokens.last.0.saturating_sub(tokens.first.0)) + 1;
        self.led.insert(partition, Led { tokens_count, read: None, write: None });
        self.share_anew(before, now);
    }

    /// It does not any more. Whatever this node saved for it is gone.
    pub fn leave(&mut self, partition: PartitionId, now: Duration) {
        let before = self.tokens_count();
        self.led.remove(&partition);
        if self.led.is_empty() {
            self.pools.clear();
            self.wanting.clear();
        }
        self.share_anew(before, now);
    }

    /// What other tokens earn from now on belongs to another node, or to this one.
    fn share_anew(&mut self, before: u128, now: Duration) {
        let after = self.tokens_count();
        for bucket in self.pools.values_mut() {
            bucket.turn(bucket.rate().scaled(after, before), BURST_SECONDS, now);
        }
    }

    /// Whether a client's command may be carried out now.
    pub fn admit(
        &mut self,
        partition: PartitionId,
        table: &TableDescription,
        way: Way,
        now: Duration,
    ) -> Result<(), Throttled> {
        if !self.led.contains_key(&partition) {
            // It is about to lead, or has just ceased to: somebody else decides.
            return Ok(());
        }
        if self.partition_bucket(partition, table, way, now).is_some_and(|bucket| !bucket.is_open()) {
            return Err(self.throttled(table, Pool::from(way), Limit::Partition));
        }
        self.admit_pool(table, Pool::from(way), now)
    }

    /// Whether the writes of a global index may go on that this one would come to.
    pub fn admit_index(&mut self, table: &TableDescription, index: TableId, now: Duration) -> Result<(), Throttled> {
        self.admit_pool(table, Pool::IndexWrite(index), now)
    }

    fn admit_pool(&mut self, table: &TableDescription, pool: Pool, now: Duration) -> Result<(), Throttled> {
        let Some((units, limit)) = limit_of(table, self.rows, pool) else { return Ok(()) };
        let bucket = self.pool_bucket(units, pool, now);
        if bucket.is_open() {
            return Ok(());
        }
        let wanted = bucket.debt().saturating_add(Grains::per_second(units, TOKENS_COUNT).0);
        self.wanting.insert(pool, Loan(wanted));
        Err(self.throttled(table, pool, limit))
    }

    /// Takes what a command consumed. The debt of a bucket is bounded, but no single command costs more than the bound.
    pub fn charge(
        &mut self,
        partition: PartitionId,
        table: &TableDescription,
        (way, cost): (Way, &Cost),
        now: Duration,
    ) {
        if !self.led.contains_key(&partition) {
            return;
        }
        if let Some(bucket) = self.partition_bucket(partition, table, way, now) {
            bucket.take(cost.own);
        }
        let indexes = cost.indexes.iter().map(|(index, units)| (Pool::IndexWrite(*index), *units));
        for (pool, consumed) in std::iter::once((Pool::from(way), cost.own)).chain(indexes) {
            if let Some((units, _)) = limit_of(table, self.rows, pool) {
                self.pool_bucket(units, pool, now).take(consumed);
            }
        }
    }

    /// The pools that had to refuse something, each with what would help it. Asking again tells only what is new.
    pub fn take_wanting(&mut self) -> BTreeMap<Pool, Loan> {
        std::mem::take(&mut self.wanting)
    }

    /// Gives of what partitions here have left, but never of what they earn in one second.
    pub fn lend(&mut self, table: &TableDescription, pool: Pool, wanted: Loan, now: Duration) -> Loan {
        match limit_of(table, self.rows, pool) {
            Some((units, _)) if !self.led.is_empty() => Loan(self.pool_bucket(units, pool, now).lend(wanted.0)),
            _ => Loan::default(),
        }
    }

    /// Takes what another node has given.
    pub fn borrow(&mut self, pool: Pool, loan: Loan) {
        if let Some(bucket) = self.pools.get_mut(&pool) {
            bucket.give(loan.0);
        }
    }

    fn tokens_count(&self) -> u128 {
        self.led.values().map(|led| led.tokens_count).sum::<u128>().min(TOKENS_COUNT)
    }

    fn pool_bucket(&mut self, units: u64, pool: Pool, now: Duration) -> &mut Bucket {
        let rate = Grains::per_second(units, self.tokens_count());
        let bucket = self.pools.entry(pool).or_insert_with(|| Bucket::new(rate, now));
        bucket.turn(rate, BURST_SECONDS, now);
        bucket
    }

    /// `None`: it does not lead here, so its command ends elsewhere.
    fn partition_bucket(
        &mut self,
        partition: PartitionId,
        table: &TableDescription,
        way: Way,
        now: Duration,
    ) -> Option<&mut Bucket> {
        let warm = warm_throughput(table, self.rows)?;
        let led = self.led.get_mut(&partition)?;
        let units = match way {
            Way::Read => PARTITION_READ_UNITS,
            Way::Write => PARTITION_WRITE_UNITS,
        };
        // Of so many partitions of DynamoDB's it holds what one holds here.
        let all = Grains::per_second(units.saturating_mul(partitions_needed(warm)), led.tokens_count);
        let rate = all.max(Grains::per_second(units, TOKENS_COUNT));
        let bucket = led.bucket(way).get_or_insert_with(|| Bucket::new(rate, now));
        bucket.turn(rate, 1, now);
        Some(bucket)
    }

    fn throttled(&self, table: &TableDescription, pool: Pool, limit: Limit) -> Throttled {
        let index = index_of(table, self.rows, pool).map(|index| index.name.clone());
        let is_on_demand = matches!(table.billing, Billing::OnDemand { .. });
        Throttled { table: table.name.clone(), index, way: pool.way(), limit, is_on_demand }
    }
}

/// The global index that the pool belongs to, if it is none of the table's own.
fn index_of(table: &TableDescription, rows: TableId, pool: Pool) -> Option<&GlobalIndex> {
    match pool {
        Pool::IndexWrite(index) => table.global_index_by_id(index),
        Pool::Read | Pool::Write => table.global_index_by_id(rows),
    }
}

fn warm_throughput(table: &TableDescription, rows: TableId) -> Option<Throughput> {
    if rows == table.id {
        return Some(table.warm_throughput);
    }
    table.global_index_by_id(rows).map(|index| index.warm_throughput)
}

/// Units a second of a capacity; `None`: it has no limit.
fn limit_of(table: &TableDescription, rows: TableId, pool: Pool) -> Option<(u64, Limit)> {
    let billing = match (index_of(table, rows, pool), pool) {
        (Some(index), _) => &index.billing,
        (None, Pool::Read | Pool::Write) if rows == table.id => &table.billing,
        // An index that is gone.
        (None, _) => return None,
    };
    let of_way = |throughput: &Throughput| match pool.way() {
        Way::Read => throughput.read_units,
        Way::Write => throughput.write_units,
    };
    match billing {
        Billing::Provisioned { throughput, .. } => Some((of_way(throughput), Limit::Provisioned)),
        Billing::OnDemand { throughput } => {
            let most = match (pool.way(), throughput.unwrap_or_default()) {
                (Way::Read, most) => most.read_units_max,
                (Way::Write, most) => most.write_units_max,
            };
            most.map(|units| (units, Limit::OnDemandMaximum))
        }
    }
}

/// The largest cost of one command: a transaction of 4 MB, with its local indexes.
pub const COMMAND_UNITS_MAX: Units = Units::whole(65_536);
