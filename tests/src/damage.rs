//! What disks do to files, done by hand to those of a node that does not run.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// The newest segment of a node's Raft log.
pub fn newest_segment(data: &Path) -> PathBuf {
    files(&data.join("raft-log"), "log").pop().expect("a node that has served has a log")
}

/// The table files of a node's rows, the largest last.
pub fn table_files(data: &Path) -> Vec<PathBuf> {
    let mut found = files(&data.join("rows"), "sst");
    found.sort_by_key(|path| fs::metadata(path).map_or(0, |metadata| metadata.len()));
    found
}

/// Where what was written ends: behind it only reserved space follows.
pub fn data_bytes(file: &Path) -> u64 {
    let bytes = fs::read(file).expect("readable");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

/// Takes the last bytes of what was written away, and all behind them.
pub fn cut_off(file: &Path, bytes: u64) {
    let end = data_bytes(file).checked_sub(bytes).expect("so much was written");
    OpenOptions::new().write(true).open(file).and_then(|file| file.set_len(end)).expect("writable");
}

/// Changes one byte.
pub fn flip_byte(file: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(file).expect("it is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("it is so long");
    file.write_all_at(&[byte[0] ^ 0x40], at).expect("writable");
    file.sync_all().expect("writable");
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the node has made it");
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    found.sort();
    found
}
