//! The cells of the bench: what is asked, in which proportion, of which keys. No I/O.

use super::zipf::Zipf;
use clap::ValueEnum;
use fastrand::Rng;
use serde::Serialize;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Items of one collection: what `query` reads at once.
pub const COLLECTION_ITEMS: u64 = 100;
/// Items of a batch: the most that BatchWriteItem takes.
pub const BATCH_ITEMS: u64 = 25;
/// Items of a page of `scan`.
pub const SCAN_ITEMS: u32 = 100;
/// Items of a transaction.
pub const TRANSACTION_ITEMS: usize = 3;

/// One kind of load. `get`, `query`, `scan` and `batch-get` read eventually consistently, YCSB strongly consistently.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// PutItem of any item
    Put,
    /// GetItem, eventually consistent
    Get,
    /// GetItem, strongly consistent
    StrongGet,
    /// Query of a collection of 100 items
    Query,
    /// Scan of 100 items from any item on
    Scan,
    /// Scan of 1 MB from any item on
    ScanPage,
    /// BatchWriteItem of 25 items
    BatchWrite,
    /// BatchGetItem of 25 items
    BatchGet,
    /// PutItem of any item of a table with five global indexes of all attributes
    PutIndexed,
    /// TransactWriteItems of three puts, in a table each, and so in three partitions
    Transact,
    /// TransactWriteItems of three puts in one collection, and so in one partition
    TransactOne,
    /// 50 % reads, 50 % updates; few items are asked for often
    YcsbA,
    /// 95 % reads, 5 % updates
    YcsbB,
    /// Reads only
    YcsbC,
    /// 95 % reads of the newest items, 5 % inserts
    YcsbD,
    /// 95 % queries of 1 to 100 items, 5 % inserts
    YcsbE,
    /// 50 % reads, 50 % a read and then a write of the same item
    YcsbF,
}

/// The tables of the bench.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Table {
    /// Partition key only.
    Items,
    /// Two more of the same kind, for transactions.
    Second,
    Third,
    /// Partition key and sort key; collections of 100 items.
    Collections,
    /// Partition key only, and global indexes.
    Indexed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    Eventual,
    Strong,
}

/// What a read may find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The item was loaded; a reply without it is an error.
    Always,
    /// The insert may still be under way.
    Perhaps,
}

/// One request, as numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    Put {
        table: Table,
        key: u64,
    },
    Update {
        key: u64,
    },
    Get {
        key: u64,
        read: Read,
        found: Found,
    },
    /// `limit`: items; none, and the page is full at 1 MB.
    Scan {
        from: u64,
        limit: Option<u32>,
    },
    /// Keys from `first` on.
    BatchWrite {
        table: Table,
        first: u64,
        count: u64,
    },
    BatchGet {
        first: u64,
        count: u64,
    },
    Query {
        collection: u64,
        limit: u64,
        read: Read,
    },
    PutInCollection {
        collection: u64,
        sort: u64,
    },
    /// Of each table of items one.
    Transact {
        keys: [u64; TRANSACTION_ITEMS],
    },
    TransactInCollection {
        collection: u64,
        sorts: [u64; TRANSACTION_ITEMS],
    },
    /// Sort keys from `first` on.
    FillCollection {
        collection: u64,
        first: u64,
        count: u64,
    },
}

/// What counts as one operation: one call, or two in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operation {
    pub first: Call,
    pub then: Option<Call>,
}

impl Cell {
    pub fn name(self) -> &'static str {
        match self {
            Cell::Put => "put",
            Cell::Get => "get",
            Cell::StrongGet => "strong-get",
            Cell::Query => "query",
            Cell::Scan => "scan",
            Cell::ScanPage => "scan-page",
            Cell::BatchWrite => "batch-write",
            Cell::BatchGet => "batch-get",
            Cell::PutIndexed => "put-indexed",
            Cell::Transact => "transact",
            Cell::TransactOne => "transact-one",
            Cell::YcsbA => "ycsb-a",
            Cell::YcsbB => "ycsb-b",
            Cell::YcsbC => "ycsb-c",
            Cell::YcsbD => "ycsb-d",
            Cell::YcsbE => "ycsb-e",
            Cell::YcsbF => "ycsb-f",
        }
    }

    pub fn tables(self) -> &'static [Table] {
        match self {
            Cell::Query | Cell::YcsbE | Cell::TransactOne => &[Table::Collections],
            Cell::Transact => &[Table::Items, Table::Second, Table::Third],
            Cell::PutIndexed => &[Table::Indexed],
            _ => &[Table::Items],
        }
    }

    /// Whether a store of keys and values can answer all of its calls.
    pub fn needs_only_keys_and_values(self) -> bool {
        use Cell::{BatchGet, BatchWrite, PutIndexed, Query, Scan, ScanPage, YcsbE};
        !matches!(self, Query | Scan | ScanPage | BatchWrite | BatchGet | PutIndexed | YcsbE)
    }
}

/// Chooses the operations of one worker.
#[derive(Clone, Debug)]
pub struct Chooser {
    cell: Cell,
    items: u64,
    zipf: Arc<Zipf>,
    random: Rng,
    /// The key (or sort key) of the next insert: shared by all workers.
    next_insert: Arc<AtomicU64>,
}

impl Chooser {
    /// `items`, at least 100, are loaded: keys from 0 on.
    pub fn new(cell: Cell, items: u64, zipf: Arc<Zipf>, next_insert: Arc<AtomicU64>, seed: u64) -> Chooser {
        Chooser { cell, items, zipf, random: Rng::with_seed(seed), next_insert }
    }

    /// The distribution that the cell draws from.
    pub fn zipf(cell: Cell, items: u64) -> Zipf {
        match cell {
            Cell::YcsbE => Zipf::new(items / COLLECTION_ITEMS),
            _ => Zipf::new(items),
        }
    }

    pub fn next(&mut self) -> Operation {
        let any = self.random.u64(..self.items);
        let batch = self.random.u64(..self.items - BATCH_ITEMS + 1);
        let get = |key, read| Call::Get { key, read, found: Found::Always };
        let first = match self.cell {
            Cell::Put => Call::Put { table: Table::Items, key: any },
            Cell::PutIndexed => Call::Put { table: Table::Indexed, key: any },
            Cell::Transact => {
                // Three that differ, for whoever keeps them in one place.
                let third = self.items / TRANSACTION_ITEMS as u64;
                Call::Transact { keys: [0, 1, 2].map(|number| (any + number * third) % self.items) }
            }
            Cell::TransactOne => {
                let first = self.random.u64(..COLLECTION_ITEMS - TRANSACTION_ITEMS as u64 + 1);
                Call::TransactInCollection { collection: self.collection(), sorts: [first, first + 1, first + 2] }
            }
            Cell::Get => get(any, Read::Eventual),
            Cell::StrongGet => get(any, Read::Strong),
            Cell::Scan => Call::Scan { from: any, limit: Some(SCAN_ITEMS) },
            Cell::ScanPage => Call::Scan { from: any, limit: None },
            Cell::BatchWrite => Call::BatchWrite { table: Table::Items, first: batch, count: BATCH_ITEMS },
            Cell::BatchGet => Call::BatchGet { first: batch, count: BATCH_ITEMS },
            Cell::Query => Call::Query { collection: self.collection(), limit: COLLECTION_ITEMS, read: Read::Eventual },
            Cell::YcsbA => self.read_or_update(50),
            Cell::YcsbB => self.read_or_update(95),
            Cell::YcsbC => get(self.popular(), Read::Strong),
            Cell::YcsbD => self.read_latest_or_insert(),
            Cell::YcsbE => self.short_scan_or_insert(),
            Cell::YcsbF => {
                let key = self.popular();
                let then = (self.random.u64(..100) < 50).then_some(Call::Put { table: Table::Items, key });
                return Operation { first: get(key, Read::Strong), then };
            }
        };
        Operation { first, then: None }
    }

    fn collection(&mut self) -> u64 {
        self.random.u64(..self.items / COLLECTION_ITEMS)
    }

    fn popular(&mut self) -> u64 {
        self.zipf.draw(&mut self.random)
    }

    fn read_or_update(&mut self, read_percent: u64) -> Call {
        let key = self.popular();
        match self.random.u64(..100) < read_percent {
            true => Call::Get { key, read: Read::Strong, found: Found::Always },
            false => Call::Update { key },
        }
    }

    fn read_latest_or_insert(&mut self) -> Call {
        if self.random.u64(..100) >= 95 {
            return Call::Put { table: Table::Items, key: self.next_insert.fetch_add(1, Ordering::Relaxed) };
        }
        let newest = self.next_insert.load(Ordering::Relaxed).saturating_sub(1);
        Call::Get { key: newest.saturating_sub(self.popular()), read: Read::Strong, found: Found::Perhaps }
    }

    fn short_scan_or_insert(&mut self) -> Call {
        let collection = self.popular();
        if self.random.u64(..100) >= 95 {
            return Call::PutInCollection { collection, sort: self.next_insert.fetch_add(1, Ordering::Relaxed) };
        }
        Call::Query { collection, limit: 1 + self.random.u64(..COLLECTION_ITEMS), read: Read::Strong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const ITEMS: u64 = 1_000;

    /// Draws operations and counts them by the names of their calls, in percent.
    fn mix(cell: Cell) -> BTreeMap<String, u64> {
        let zipf = Arc::new(Chooser::zipf(cell, ITEMS));
        let mut chooser = Chooser::new(cell, ITEMS, zipf, Arc::new(AtomicU64::new(ITEMS)), 3);
        let mut counts = BTreeMap::new();
        for _ in 0..20_000 {
            let operation = chooser.next();
            let mut name = String::new();
            for call in std::iter::once(operation.first).chain(operation.then) {
                check_bounds(call);
                name.push_str(format!("{call:?}").split(' ').next().unwrap_or_default());
            }
            *counts.entry(name).or_default() += 1;
        }
        counts.into_iter().map(|(name, count): (_, u64)| (name, (count + 100) / 200)).collect()
    }

    fn check_bounds(call: Call) {
        let inserts_max = ITEMS + 20_000;
        match call {
            Call::Put { key, .. } | Call::Get { key, found: Found::Perhaps, .. } => assert!(key < inserts_max),
            Call::Update { key } | Call::Get { key, .. } | Call::Scan { from: key, .. } => assert!(key < ITEMS),
            Call::BatchWrite { first, count, .. } | Call::BatchGet { first, count } => assert!(first + count <= ITEMS),
            Call::Transact { keys: [one, two, three] } => {
                assert!(one != two && one != three && two != three, "etcd takes each key once");
                assert!(one.max(two).max(three) < ITEMS);
            }
            Call::TransactInCollection { collection, sorts } => {
                assert!(collection < 10 && sorts.iter().all(|sort| *sort < COLLECTION_ITEMS));
            }
            Call::Query { collection, limit, .. } => assert!(collection < 10 && (1..=100).contains(&limit)),
            Call::PutInCollection { collection, sort } => assert!(collection < 10 && sort >= COLLECTION_ITEMS),
            Call::FillCollection { .. } => panic!("only loading fills"),
        }
    }

    #[test]
    fn cells_have_their_mix_and_their_keys_were_loaded() {
        let all = |name: &str| vec![(name.to_owned(), 100)];
        for (cell, name) in [
            (Cell::Put, "Put"),
            (Cell::Get, "Get"),
            (Cell::StrongGet, "Get"),
            (Cell::Query, "Query"),
            (Cell::Scan, "Scan"),
            (Cell::ScanPage, "Scan"),
            (Cell::PutIndexed, "Put"),
            (Cell::Transact, "Transact"),
            (Cell::TransactOne, "TransactInCollection"),
            (Cell::BatchWrite, "BatchWrite"),
            (Cell::BatchGet, "BatchGet"),
            (Cell::YcsbC, "Get"),
        ] {
            assert_eq!(mix(cell).into_iter().collect::<Vec<_>>(), all(name), "{cell:?}");
        }
        for (cell, often, percent, seldom) in [
            (Cell::YcsbA, "Get", 50, "Update"),
            (Cell::YcsbB, "Get", 95, "Update"),
            (Cell::YcsbD, "Get", 95, "Put"),
            (Cell::YcsbE, "Query", 95, "PutInCollection"),
            (Cell::YcsbF, "Get", 50, "GetPut"),
        ] {
            let mix = mix(cell);
            assert_eq!(mix.len(), 2, "{mix:?}");
            assert!(mix[often].abs_diff(percent) <= 1 && mix[seldom].abs_diff(100 - percent) <= 1, "{cell:?}: {mix:?}");
        }
    }

    #[test]
    fn names_on_the_command_line_are_those_in_the_report() {
        for cell in Cell::value_variants() {
            assert_eq!(cell.to_possible_value().map(|value| value.get_name().to_owned()), Some(cell.name().to_owned()));
        }
    }
}
