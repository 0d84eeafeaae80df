//! Capacity on this node: what clients consume of it, and whether more is there.
//!
//! A leader decides over its partition: a command is admitted before it is carried out, and charged when its cost is known. A
//! write is charged in its turn, after it was evaluated and before it is packed; so what is refused has no effect, and one
//! command at most goes into debt. Reads are charged when they were answered.
//!
//! Not admitted anew is a repeated attempt: the first one may have had its effect, and "throttled" says that nothing was done.

use crate::{
    metrics::Metrics,
    request::{Consistency, Request},
};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use stator_catalog::{TableDescription, TokenRange};
use stator_item::{PartitionId, TableId};
use stator_partition::{
    Refusal, Reply, Throttle, Throttled,
    capacity::{Cost, Units, Way, way_of},
    evaluate::Attempt,
    throttle::{Loan, Pool},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// What a node does about requests beyond a table's capacity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Throttling {
    /// Only counts what is consumed: whoever runs the machine has paid for it.
    #[default]
    Count,
    /// Refuses them, as DynamoDB does.
    Enforce,
}

/// A pool of a table or index that has run dry, and what would help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanting {
    pub rows: TableId,
    pub pool: Pool,
    pub wanted: Loan,
}

/// Half units that clients have consumed of a table or index on one node since its start. They only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ConsumedHalves {
    pub read: u64,
    pub write: u64,
}

/// The capacity of a table or index on this node.
struct Meter {
    read_halves: AtomicU64,
    write_halves: AtomicU64,
    throttle: Mutex<Throttle>,
}

impl Meter {
    fn new(rows: TableId) -> Meter {
        let throttle = Mutex::new(Throttle::new(rows));
        Meter { read_halves: AtomicU64::new(0), write_halves: AtomicU64::new(0), throttle }
    }

    fn count(&self, way: Way, units: Units) {
        let halves = match way {
            Way::Read => &self.read_halves,
            Way::Write => &self.write_halves,
        };
        halves.fetch_add(units.halves(), Ordering::Relaxed);
    }
}

/// The capacities of all tables and indexes on this node.
pub struct Meters {
    throttling: Throttling,
    metrics: Arc<Metrics>,
    meters: RwLock<BTreeMap<TableId, Arc<Meter>>>,
    /// Rises when a pool has refused something.
    refused: watch::Sender<u64>,
}

impl Meters {
    pub fn new(throttling: Throttling, metrics: Arc<Metrics>) -> Arc<Meters> {
        let meters = RwLock::new(BTreeMap::new());
        Arc::new(Meters { throttling, metrics, meters, refused: watch::Sender::new(0) })
    }

    /// Whether tables are held to their capacity.
    pub fn enforces(&self) -> bool {
        self.throttling == Throttling::Enforce
    }

    fn meter(&self, rows: TableId) -> Arc<Meter> {
        if let Some(meter) = self.meters.read().get(&rows) {
            return meter.clone();
        }
        self.meters.write().entry(rows).or_insert_with(|| Arc::new(Meter::new(rows))).clone()
    }

    /// Forgets tables and indexes that are gone.
    pub fn retain(&self, is_there: impl Fn(TableId) -> bool) {
        if self.meters.read().keys().all(|rows| is_there(*rows)) {
            return;
        }
        self.meters.write().retain(|rows, _| is_there(*rows));
    }

    /// What was consumed here of each table and index.
    pub fn consumed(&self) -> BTreeMap<TableId, ConsumedHalves> {
        let meters = self.meters.read();
        let of = |meter: &Meter| ConsumedHalves {
            read: meter.read_halves.load(Ordering::Relaxed),
            write: meter.write_halves.load(Ordering::Relaxed),
        };
        meters.iter().map(|(rows, meter)| (*rows, of(meter))).collect()
    }

    /// News of pools that have run dry.
    pub fn refused(&self) -> watch::Receiver<u64> {
        self.refused.subscribe()
    }

    /// The pools that have run dry since the last call, at most so many; the others are told when they refuse again.
    pub fn take_wanting(&self, at_most: usize) -> Vec<Wanting> {
        let meters: Vec<_> = self.meters.read().iter().map(|(rows, meter)| (*rows, meter.clone())).collect();
        let of = |(rows, meter): (TableId, Arc<Meter>)| {
            let wanting = meter.throttle.lock().take_wanting();
            wanting.into_iter().map(move |(pool, wanted)| Wanting { rows, pool, wanted })
        };
        meters.into_iter().flat_map(of).take(at_most).collect()
    }

    /// Gives another node what partitions here leave of a pool. Once it is given away it is gone, whether or not it arrives.
    pub fn lend(&self, table: &TableDescription, wanting: Wanting, now: Duration) -> Loan {
        let Some(meter) = self.meters.read().get(&wanting.rows).cloned() else { return Loan::default() };
        meter.throttle.lock().lend(table, wanting.pool, wanting.wanted, now)
    }

    /// Takes what another node gave.
    pub fn borrow(&self, rows: TableId, pool: Pool, loan: Loan) {
        self.meter(rows).throttle.lock().borrow(pool, loan);
    }
}

/// The capacity of one partition.
pub(crate) struct Metering {
    partition: PartitionId,
    meters: Arc<Meters>,
    meter: Arc<Meter>,
}

impl Metering {
    pub fn new(meters: Arc<Meters>, partition: PartitionId, rows: TableId) -> Metering {
        let meter = meters.meter(rows);
        Metering { partition, meters, meter }
    }

    pub fn enforces(&self) -> bool {
        self.meters.enforces()
    }

    /// The partition leads on this node from now on.
    pub fn lead(&self, tokens: TokenRange, now: Duration) {
        if self.enforces() {
            self.meter.throttle.lock().lead(self.partition, tokens, now);
        }
    }

    pub fn leave(&self, now: Duration) {
        self.meter.throttle.lock().leave(self.partition, now);
    }

    /// Whether the command may be carried out. `table`: the partition's, as described by its log, if its capacity limits.
    pub fn admit(
        &self,
        request: &Request,
        table: Option<&TableDescription>,
        now: Duration,
    ) -> Result<(), Box<Throttled>> {
        let Some((way, table)) = way_of(&request.command).zip(table) else { return Ok(()) };
        if request.attempt == Attempt::Repeated {
            return Ok(());
        }
        let admitted = self.meter.throttle.lock().admit(self.partition, table, way, now);
        admitted.map_err(|throttled| self.refuse(throttled))
    }

    /// Takes what the command consumed. Refused where a global index has nothing left for what the write would come to: then
    /// nothing is taken, and the write must not have its effects.
    pub fn charge(
        &self,
        request: &Request,
        outcome: &Result<Reply, Refusal>,
        table: Option<&TableDescription>,
        now: Duration,
    ) -> Result<(), Box<Throttled>> {
        let Some(way) = way_of(&request.command) else { return Ok(()) };
        let cost = Cost::of(&request.command, outcome, request.consistency == Consistency::Strong);
        if let Some(table) = table {
            let mut throttle = self.meter.throttle.lock();
            if request.attempt == Attempt::First {
                for index in cost.indexes.keys() {
                    throttle.admit_index(table, *index, now).map_err(|throttled| self.refuse(throttled))?;
                }
            }
            throttle.charge(self.partition, table, (way, &cost), now);
        }
        self.meter.count(way, cost.own);
        for (index, units) in &cost.indexes {
            self.meters.meter(*index).count(Way::Write, *units);
        }
        Ok(())
    }

    fn refuse(&self, throttled: Throttled) -> Box<Throttled> {
        self.meters.metrics.throttled(&throttled);
        self.meters.refused.send_modify(|count| *count = count.wrapping_add(1));
        Box::new(throttled)
    }
}
