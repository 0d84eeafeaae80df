//! [`Rows`] in memory: every row keeps its versions, so views, durable reads and crashes are all reads at a batch number.

use bytes::Bytes;
use parking_lot::RwLock;
use stator_environment::{
    Direction, DiskError, Family, KeyRange, Reach, Rows, RowsView, WriteBatch,
    disk::{Visit, Write},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::{Bound, ControlFlow},
    sync::Arc,
};

type Key = (Family, Bytes);

/// Rows that survive nothing but [`MemoryRows::crash`], and that only as far as they were flushed.
#[derive(Default)]
pub struct MemoryRows {
    versions: Arc<RwLock<Versions>>,
}

#[derive(Default)]
struct Versions {
    /// The batches that changed a row, oldest first, and what they made of it.
    rows: BTreeMap<Key, VecDeque<(u64, Option<Bytes>)>>,
    /// Number of the last batch.
    last: u64,
    /// Number of the last batch that is durable.
    durable: u64,
    /// How many views there are of each batch number.
    views: BTreeMap<u64, usize>,
    failure: Option<DiskError>,
    /// Rows that were written since the last flush, or read since: those that a cache has. The others lie on the disk.
    in_memory: BTreeSet<Key>,
}

impl MemoryRows {
    pub fn new() -> MemoryRows {
        MemoryRows::default()
    }

    /// Loses batches that were not flushed. `survivors` is told how many there are and says how many of them, the oldest,
    /// survive all the same (as a flush may have begun by itself). Views end here; a failure is over.
    pub fn crash(&self, survivors: impl FnOnce(u64) -> u64) {
        let mut versions = self.versions.write();
        let unflushed = versions.last - versions.durable;
        let last = versions.durable + survivors(unflushed).min(unflushed);
        versions.rows.retain(|_, row| {
            row.retain(|(batch, _)| *batch <= last);
            !row.is_empty()
        });
        versions.last = last;
        versions.durable = last;
        versions.failure = None;
        versions.in_memory.clear();
    }

    /// From now on every read, write and flush fails.
    pub fn fail(&self, failure: DiskError) {
        self.versions.write().failure = Some(failure);
    }
}

impl Versions {
    fn check(&self) -> Result<(), DiskError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn get(&self, family: Family, key: &[u8], at: u64) -> Result<Option<Bytes>, DiskError> {
        self.check()?;
        let row = self.rows.get(&(family, Bytes::copy_from_slice(key)));
        Ok(row.and_then(|row| version(row, at)))
    }

    /// The same, of a reader that waits for the disk or does not.
    fn get_within(&mut self, reach: Reach, family: Family, key: &[u8], at: u64) -> Result<Option<Bytes>, DiskError> {
        self.check()?;
        let key = (family, Bytes::copy_from_slice(key));
        let Some(row) = self.rows.get(&key) else { return Ok(None) };
        let found = version(row, at);
        self.fetch(reach, key)?;
        Ok(found)
    }

    fn fetch(&mut self, reach: Reach, key: Key) -> Result<(), DiskError> {
        match reach {
            Reach::Memory if !self.in_memory.contains(&key) => return Err(DiskError::NotInMemory),
            Reach::Memory => {}
            Reach::Disk => drop(self.in_memory.insert(key)),
        }
        Ok(())
    }

    fn set(&mut self, key: Key, value: Option<Bytes>) {
        let oldest_view = self.views.keys().next().copied().unwrap_or(u64::MAX);
        let needed = self.durable.min(oldest_view);
        self.in_memory.insert(key.clone());
        let row = self.rows.entry(key).or_default();
        row.push_back((self.last, value));
        // A version is needed as long as something reads at or above it and below the next one.
        while row.get(1).is_some_and(|(batch, _)| *batch <= needed) {
            row.pop_front();
        }
    }

    fn keys(
        &self,
        family: Family,
        range: &KeyRange,
    ) -> impl DoubleEndedIterator<Item = (&Key, &VecDeque<(u64, Option<Bytes>)>)> {
        let start = (family, range.start.clone());
        let end = match &range.end {
            // An end before the start must not make the map panic.
            Some(end) => Bound::Excluded((family, end.clone().max(range.start.clone()))),
            None => Bound::Unbounded,
        };
        let rows = self.rows.range((Bound::Included(start), end));
        rows.filter(move |((of, _), _)| *of == family)
    }

    fn apply(&mut self, write: Write) {
        match write {
            Write::Put { family, key, value } => self.set((family, key), Some(value)),
            Write::Delete { family, key } => self.set((family, key), None),
            Write::DeleteRange { family, range } => {
                let keys: Vec<Key> = self.keys(family, &range).map(|(key, _)| key.clone()).collect();
                for key in keys {
                    self.set(key, None);
                }
            }
        }
    }
}

fn version(row: &VecDeque<(u64, Option<Bytes>)>, at: u64) -> Option<Bytes> {
    row.iter().rev().find(|(batch, _)| *batch <= at).and_then(|(_, value)| value.clone())
}

impl Rows for MemoryRows {
    fn get_within(&self, reach: Reach, family: Family, key: &[u8]) -> Result<Option<Bytes>, DiskError> {
        let mut versions = self.versions.write();
        let last = versions.last;
        versions.get_within(reach, family, key, last)
    }

    fn get_durable(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, DiskError> {
        let versions = self.versions.read();
        versions.get(family, key, versions.durable)
    }

    fn view_within(&self, reach: Reach) -> Result<Arc<dyn RowsView>, DiskError> {
        MemoryView::take(&self.versions, reach)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), DiskError> {
        let mut versions = self.versions.write();
        versions.check()?;
        versions.last += 1;
        for write in batch.writes {
            versions.apply(write);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), DiskError> {
        let mut versions = self.versions.write();
        versions.check()?;
        versions.durable = versions.last;
        versions.in_memory.clear();
        Ok(())
    }

    fn size(&self, family: Family, range: &KeyRange) -> u64 {
        let versions = self.versions.read();
        let sizes = versions.keys(family, range).filter_map(|((_, key), row)| {
            let value = version(row, versions.durable)?;
            Some((key.len() + value.len()) as u64)
        });
        sizes.sum()
    }
}

struct MemoryView {
    versions: Arc<RwLock<Versions>>,
    at: u64,
    reach: Reach,
}

impl MemoryView {
    fn take(all: &Arc<RwLock<Versions>>, reach: Reach) -> Result<Arc<dyn RowsView>, DiskError> {
        let mut versions = all.write();
        versions.check()?;
        let at = versions.last;
        *versions.views.entry(at).or_default() += 1;
        Ok(Arc::new(MemoryView { versions: Arc::clone(all), at, reach }))
    }
}

impl RowsView for MemoryView {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, DiskError> {
        self.versions.write().get_within(self.reach, family, key, self.at)
    }

    fn scan(&self, family: Family, range: &KeyRange, direction: Direction, visit: Visit<'_>) -> Result<(), DiskError> {
        // Collected first: the visitor may write.
        let rows: Vec<(Bytes, Bytes)> = {
            let mut versions = self.versions.write();
            versions.check()?;
            let found: Vec<_> =
                versions.keys(family, range).map(|(key, row)| (key.clone(), version(row, self.at))).collect();
            found.iter().try_for_each(|(key, _)| versions.fetch(self.reach, key.clone()))?;
            found.into_iter().filter_map(|((_, key), value)| Some((key, value?))).collect()
        };
        let mut visit_row = |(key, value): &(Bytes, Bytes)| visit(key, value);
        let _: ControlFlow<()> = match direction {
            Direction::Forward => rows.iter().try_for_each(&mut visit_row),
            Direction::Backward => rows.iter().rev().try_for_each(&mut visit_row),
        };
        Ok(())
    }
}

impl Drop for MemoryView {
    fn drop(&mut self) {
        let mut versions = self.versions.write();
        if let Some(count) = versions.views.get_mut(&self.at) {
            *count -= 1;
            if *count == 0 {
                versions.views.remove(&self.at);
            }
        }
    }
}
