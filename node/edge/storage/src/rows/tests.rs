//! What RocksDB must do for us: crashes leave whole batches in order, and damage is seen.

mod contract;

use super::*;
use std::{collections::BTreeMap, fs, path::PathBuf};
use tempfile::TempDir;

fn open(directory: &Path) -> RocksRows {
    let settings = Settings { memory_bytes: 16 << 20, ..Settings::default() };
    RocksRows::open(directory, &settings).expect("the rows open")
}

/// A row and, in another family, the applied index: as apply writes them.
fn apply(rows: &RocksRows, index: u64) {
    let mut batch = WriteBatch::default();
    batch.put(Family::Items, index.to_be_bytes().to_vec(), noise(index));
    batch.put(Family::State, &b"applied"[..], index.to_be_bytes().to_vec());
    rows.write(batch).expect("written");
}

/// Bytes that do not compress, other ones for every seed.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        state.to_be_bytes()
    });
    words.take(128).flatten().collect()
}

fn number(value: Option<Bytes>) -> u64 {
    value.map_or(0, |bytes| u64::from_be_bytes(bytes[..].try_into().expect("eight bytes")))
}

/// What a kill would leave: the files as they are at one moment.
fn kill(directory: &Path) -> TempDir {
    loop {
        let copy = tempfile::tempdir().expect("a directory");
        let before = files(directory);
        // Compaction may remove files meanwhile. All it does changes the manifest: without a change there was none.
        let copied = before.iter().all(|(path, _)| {
            let name = path.file_name().expect("a name");
            fs::copy(path, copy.path().join(name)).is_ok()
        });
        if copied && files(directory) == before {
            return copy;
        }
    }
}

/// The files of a directory, and how long they are.
fn files(directory: &Path) -> BTreeMap<PathBuf, Option<u64>> {
    let paths = fs::read_dir(directory).expect("listed").map(|entry| entry.expect("an entry").path());
    paths.map(|path| (path.clone(), fs::metadata(&path).ok().map(|file| file.len()))).collect()
}

#[test]
fn a_kill_leaves_rows_and_applied_index_that_agree() {
    let directory = tempfile::tempdir().expect("a directory");
    let rows = open(directory.path());
    // More than the write buffers hold, so that a flush begins by itself.
    let last = 3000;
    (1..=last).for_each(|index| apply(&rows, index));
    rows.flush().expect("flushed");
    (last + 1..last + 100).for_each(|index| apply(&rows, index));
    let durable = number(rows.get_durable(Family::State, b"applied").expect("read"));
    let killed = kill(directory.path());
    let found = open(killed.path());
    let applied = number(found.get(Family::State, b"applied").expect("read"));
    assert!(applied >= last && applied == durable, "{applied} found, {durable} was said to be durable");
    for index in 1..last + 100 {
        let there = found.get(Family::Items, &index.to_be_bytes()).expect("read").is_some();
        assert_eq!(there, index <= applied, "row {index}, applied {applied}");
    }
}

#[test]
fn a_byte_that_changed_in_a_table_file_is_damage_to_whoever_reads_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let rows = open(directory.path());
    (1..=300).for_each(|index| apply(&rows, index));
    rows.flush().expect("flushed");
    drop(rows);
    let table = largest_table(directory.path());
    let mut bytes = fs::read(&table).expect("the table");
    bytes[1000] ^= 1;
    fs::write(&table, bytes).expect("written");
    let rows = open(directory.path());
    let reads = (1..=300_u64).map(|index| rows.get(Family::Items, &index.to_be_bytes()));
    let damaged = reads.filter(|read| matches!(read, Err(DiskError::Damaged(_)))).count();
    assert!((1..100).contains(&damaged), "{damaged} reads met the changed block");
    let all = KeyRange { start: Bytes::new(), end: None };
    let view = rows.view().expect("a view");
    let scanned = view.scan(Family::Items, &all, Direction::Forward, &mut |_, _| std::ops::ControlFlow::Continue(()));
    assert!(matches!(scanned, Err(DiskError::Damaged(_))), "{scanned:?}");
}

fn largest_table(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory).expect("listed").map(|entry| entry.expect("an entry").path());
    let tables = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
    tables.max_by_key(|path| fs::metadata(path).expect("it is there").len()).expect("a table")
}

#[test]
fn a_view_outlives_the_handle_and_sizes_and_figures_are_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let rows = open(directory.path());
    let mut registry = Registry::default();
    rows.register(&mut registry);
    (1..=300).for_each(|index| apply(&rows, index));
    rows.flush().expect("flushed");
    let range = |end| KeyRange { start: Bytes::from_static(&[0]), end };
    let size = rows.size(Family::Items, &range(None));
    assert!(size > 250_000, "{size}");
    assert_eq!(rows.size(Family::Items, &range(Some(Bytes::from_static(&[0])))), 0);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
    let shown = text.lines().find_map(|line| line.strip_prefix("stator_storage_rows_table_bytes "));
    assert!(shown.is_some_and(|bytes| bytes.parse::<u64>().is_ok_and(|bytes| bytes > 250_000)), "{text}");

    let view = rows.view().expect("a view");
    let mut batch = WriteBatch::default();
    batch.delete_range(Family::Items, range(None));
    rows.write(batch).expect("written");
    assert_eq!(rows.get(Family::Items, &7_u64.to_be_bytes()).expect("read"), None);
    drop(rows);
    assert!(view.get(Family::Items, &7_u64.to_be_bytes()).expect("read").is_some());
}

/// Everything that a view's scan of the items says.
fn scan_items(view: &dyn RowsView) -> Result<usize, DiskError> {
    let mut count = 0;
    let all = KeyRange { start: Bytes::new(), end: None };
    view.scan(Family::Items, &all, Direction::Forward, &mut |_, _| {
        count += 1;
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(count)
}

#[test]
fn a_read_in_memory_never_waits_for_the_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let rows = open(directory.path());
    (1..=300).for_each(|index| apply(&rows, index));
    let key = 7_u64.to_be_bytes();
    let in_memory = |rows: &RocksRows| rows.get_within(Reach::Memory, Family::Items, &key);
    assert!(in_memory(&rows).is_ok_and(|row| row.is_some()), "it waits for a flush");
    drop(rows);

    let rows = open(directory.path());
    assert!(matches!(in_memory(&rows), Err(DiskError::NotInMemory)));
    let view = rows.view_within(Reach::Memory).expect("a view");
    assert!(matches!(view.get(Family::Items, &key), Err(DiskError::NotInMemory)));
    assert!(matches!(scan_items(&*view), Err(DiskError::NotInMemory)), "and not fewer rows");
    let found = rows.get(Family::Items, &key).expect("read");
    assert_eq!(in_memory(&rows).expect("its block is cached"), found);
    assert!(matches!(scan_items(&*view), Err(DiskError::NotInMemory)), "other blocks are not");
    assert_eq!(scan_items(&*rows.view().expect("a view")).expect("scanned"), 300);
    assert_eq!(scan_items(&*view).expect("all blocks are cached"), 300);
}
