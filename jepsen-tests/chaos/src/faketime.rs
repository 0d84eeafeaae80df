//! Nodes whose wall clock can be set, by libfaketime. Elapsed time is left alone: Stator asks the kernel for it directly.

use crate::error::Error;
use std::{
    fs,
    path::{Path, PathBuf},
};

const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// The clock of the node in one place.
#[derive(Clone, Debug)]
pub struct ClockControl {
    file: PathBuf,
}

impl ClockControl {
    pub fn of(directory: &Path, place: usize) -> ClockControl {
        ClockControl { file: directory.join(format!("clock-{}", place + 1)) }
    }

    pub fn library() -> Result<PathBuf, Error> {
        let found = LIBRARIES.iter().map(PathBuf::from).find(|path| path.exists());
        found.ok_or_else(|| Error::Usage("clock faults need libfaketime: install it, or leave them out".to_owned()))
    }

    pub fn environment() -> Vec<(String, String)> {
        // Without the first, sleeps hang after a jump backward.
        let names = ["FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC", "FAKETIME_NO_CACHE"];
        names.map(|name| (name.to_owned(), "1".to_owned())).to_vec()
    }

    pub fn environment_of(&self) -> Vec<(String, String)> {
        // A node that starts must find the file.
        let _ = self.set("+0s");
        vec![("FAKETIME_TIMESTAMP_FILE".to_owned(), self.file.display().to_string())]
    }

    /// `+60s`, `-60s`, `+0s x2` (twice as fast), `+0s` (right again).
    pub fn set(&self, offset: &str) -> Result<(), Error> {
        let new = self.file.with_extension("new");
        let written = fs::write(&new, format!("{offset}\n")).and_then(|()| fs::rename(&new, &self.file));
        written.map_err(Error::machine("set a node's clock"))
    }
}
