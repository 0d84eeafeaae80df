//! Rows in RocksDB, without its log: the Raft log is the redo log, and the applied index is a row beside the others.
//!
//! Flushes are atomic over all families, so what a crash leaves is a prefix of the batches. A block is checked when it is
//! read from disk; a changed one is `Damaged`.

mod error;
mod metrics;
mod options;

#[cfg(test)]
mod tests;

use crate::settings::Settings;
use bytes::Bytes;
use error::rocksdb_error;
use metrics::RowsCollector;
use options::Budget;
use prometheus_client::registry::Registry;
use rocksdb::{ColumnFamily, DB, FlushOptions, Range, ReadOptions, ReadTier, Snapshot, WriteOptions};
use stator_environment::{
    Direction, DiskError, Family, KeyRange, Reach, Rows, RowsView, WriteBatch,
    disk::{Visit, Write},
};
use std::{path::Path, sync::Arc};

pub(crate) const FAMILIES: [Family; 3] = [Family::Items, Family::Changes, Family::State];

/// Stands for the end of a range that goes to the last key. No key begins with these bytes: all keys begin with an id that
/// is given out by counting, or with a short name.
const LAST_KEY: [u8; 32] = [0xff; 32];

/// [`Rows`] in a RocksDB directory.
pub struct RocksRows {
    database: Arc<Database>,
}

struct Database {
    db: DB,
    budget: Budget,
    durable: ReadOptions,
    in_memory: ReadOptions,
    unlogged: WriteOptions,
}

/// Memory that rows take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowsMemory {
    /// Block cache, write buffers included.
    pub cache_bytes: u64,
    /// Rows that wait for a flush.
    pub write_buffer_bytes: u64,
}

impl RocksRows {
    /// Opens the rows in `directory`, or begins new ones there. Dropping the last handle or view flushes them.
    pub fn open(directory: &Path, settings: &Settings) -> Result<RocksRows, DiskError> {
        let budget = Budget::new(settings);
        let families = FAMILIES.map(|family| (name(family), options::family(&budget, family)));
        let db = DB::open_cf_with_opts(&options::database(&budget, settings), directory, families);
        let db = db.map_err(|error| rocksdb_error("open the rows", &error))?;
        let mut durable = ReadOptions::default();
        durable.set_read_tier(ReadTier::Persisted);
        let mut unlogged = WriteOptions::default();
        unlogged.disable_wal(true);
        Ok(RocksRows {
            database: Arc::new(Database { db, budget, durable, in_memory: read_options(Reach::Memory), unlogged }),
        })
    }

    /// Memory in use now.
    pub fn memory(&self) -> RowsMemory {
        let budget = &self.database.budget;
        RowsMemory {
            cache_bytes: budget.cache.get_usage() as u64,
            write_buffer_bytes: budget.write_buffers.get_usage() as u64,
        }
    }

    /// Shows the figures of these rows for as long as they are open.
    pub fn register(&self, registry: &mut Registry) {
        let figures: Arc<dyn RowsFigures> = Arc::clone(&self.database) as Arc<dyn RowsFigures>;
        let registry = registry.sub_registry_with_prefix("stator_storage");
        registry.register_collector(Box::new(RowsCollector(Arc::downgrade(&figures))));
    }
}

impl Database {
    fn family(&self, family: Family) -> Result<&ColumnFamily, DiskError> {
        let handle = self.db.cf_handle(name(family));
        handle.ok_or_else(|| DiskError::Damaged(format!("the rows have no family {}", name(family))))
    }

    fn get(&self, family: Family, key: &[u8], options: Option<&ReadOptions>) -> Result<Option<Bytes>, DiskError> {
        let handle = self.family(family)?;
        let found = match options {
            Some(options) => self.db.get_pinned_cf_opt(handle, key, options),
            None => self.db.get_pinned_cf(handle, key),
        };
        let found = found.map_err(|error| rocksdb_error("read a row", &error))?;
        Ok(found.map(|value| Bytes::copy_from_slice(&value)))
    }
}

impl Rows for RocksRows {
    fn get_within(&self, reach: Reach, family: Family, key: &[u8]) -> Result<Option<Bytes>, DiskError> {
        let options = (reach == Reach::Memory).then_some(&self.database.in_memory);
        self.database.get(family, key, options)
    }

    fn get_durable(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, DiskError> {
        self.database.get(family, key, Some(&self.database.durable))
    }

    fn view_within(&self, reach: Reach) -> Result<Arc<dyn RowsView>, DiskError> {
        Ok(Arc::new(RocksView::new(Arc::clone(&self.database), reach)))
    }

    fn write(&self, batch: WriteBatch) -> Result<(), DiskError> {
        let database = &*self.database;
        let mut changes = rocksdb::WriteBatch::default();
        for write in &batch.writes {
            match write {
                Write::Put { family, key, value } => {
                    debug_assert!(!key.starts_with(&LAST_KEY), "a key lies behind the last possible one");
                    changes.put_cf(database.family(*family)?, key, value);
                }
                Write::Delete { family, key } => changes.delete_cf(database.family(*family)?, key),
                Write::DeleteRange { family, range } if !is_empty(range) => {
                    changes.delete_range_cf(database.family(*family)?, &range.start[..], end(range));
                }
                Write::DeleteRange { .. } => {}
            }
        }
        database.db.write_opt(changes, &database.unlogged).map_err(|error| rocksdb_error("write rows", &error))
    }

    fn flush(&self) -> Result<(), DiskError> {
        let families = FAMILIES.map(|family| self.database.family(family));
        let families = families.into_iter().collect::<Result<Vec<_>, _>>()?;
        let flushed = self.database.db.flush_cfs_opt(&families, &FlushOptions::default());
        flushed.map_err(|error| rocksdb_error("flush the rows", &error))
    }

    fn size(&self, family: Family, range: &KeyRange) -> u64 {
        let Ok(handle) = self.database.family(family) else { return 0 };
        if is_empty(range) {
            return 0;
        }
        let sizes = self.database.db.get_approximate_sizes_cf(handle, &[Range::new(&range.start, end(range))]);
        sizes.into_iter().sum()
    }
}

/// Rows as they stood when it was made.
struct RocksView {
    reach: Reach,
    /// Bears the snapshot. Before it in the order of dropping, as nothing may read from a snapshot that was released.
    options: ReadOptions,
    /// Released before `database` is dropped, as fields are dropped in their order.
    snapshot: Snapshot<'static>,
    database: Arc<Database>,
}

fn read_options(reach: Reach) -> ReadOptions {
    let mut options = ReadOptions::default();
    if reach == Reach::Memory {
        options.set_read_tier(ReadTier::BlockCache);
    }
    options
}

impl RocksView {
    fn new(database: Arc<Database>, reach: Reach) -> RocksView {
        let borrowed: *const DB = &database.db;
        // SAFETY: the snapshot borrows the `DB` for as long as the view lives and no longer: the view holds the `Arc`, whose
        // content neither moves nor is mutably borrowed nor dropped before the view's last field is. No borrow leaves
        // the view, as `snapshot` is private and never lent.
        #[allow(unsafe_code)]
        let snapshot: Snapshot<'static> = unsafe { &*borrowed }.snapshot();
        let mut options = read_options(reach);
        options.set_snapshot(&snapshot);
        RocksView { reach, options, snapshot, database }
    }
}

impl RowsView for RocksView {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, DiskError> {
        self.database.get(family, key, Some(&self.options))
    }

    fn scan(&self, family: Family, range: &KeyRange, direction: Direction, visit: Visit<'_>) -> Result<(), DiskError> {
        if is_empty(range) {
            return Ok(());
        }
        let mut options = read_options(self.reach);
        options.set_snapshot(&self.snapshot);
        options.set_iterate_lower_bound(&range.start[..]);
        if let Some(end) = &range.end {
            options.set_iterate_upper_bound(&end[..]);
        }
        let mut rows = self.database.db.raw_iterator_cf_opt(self.database.family(family)?, options);
        match direction {
            Direction::Forward => rows.seek_to_first(),
            Direction::Backward => rows.seek_to_last(),
        }
        while let Some((key, value)) = rows.item() {
            if visit(key, value).is_break() {
                return Ok(());
            }
            match direction {
                Direction::Forward => rows.next(),
                Direction::Backward => rows.prev(),
            }
        }
        rows.status().map_err(|error| rocksdb_error("scan rows", &error))
    }
}

/// Name, help and value of each figure that is read on demand.
pub(crate) type Figures = Vec<(&'static str, &'static str, u64)>;

pub(crate) trait RowsFigures: Send + Sync {
    fn figures(&self) -> Figures;
}

impl RowsFigures for Database {
    fn figures(&self) -> Figures {
        let property = |name: &str| self.db.property_int_value(name).ok().flatten().unwrap_or(0);
        let sum = |name: &str| {
            let families = FAMILIES.iter().filter_map(|family| self.db.cf_handle(crate::rows::name(*family)));
            families.filter_map(|handle| self.db.property_int_value_cf(handle, name).ok().flatten()).sum()
        };
        vec![
            ("rows_cache_bytes", "Block cache in use, write buffers included", self.budget.cache.get_usage() as u64),
            ("rows_write_buffer_bytes", "Rows that wait for a flush", self.budget.write_buffers.get_usage() as u64),
            ("rows_table_bytes", "Size of all table files", sum("rocksdb.live-sst-files-size")),
            (
                "rows_compaction_pending_bytes",
                "Work left to compaction",
                sum("rocksdb.estimate-pending-compaction-bytes"),
            ),
            ("rows_stalled", "1 while writes of rows are stopped", property("rocksdb.is-write-stopped")),
            (
                "rows_delayed_bytes_per_second",
                "The rate to which writes of rows are slowed down, 0 if they are not",
                property("rocksdb.actual-delayed-write-rate"),
            ),
        ]
    }
}

fn name(family: Family) -> &'static str {
    match family {
        Family::Items => "items",
        Family::Changes => "changes",
        Family::State => "state",
    }
}

fn is_empty(range: &KeyRange) -> bool {
    range.end.as_ref().is_some_and(|end| *end <= range.start)
}

fn end(range: &KeyRange) -> &[u8] {
    range.end.as_ref().map_or(&LAST_KEY, |end| &end[..])
}
