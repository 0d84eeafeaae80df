//! Nodes whose disk can be made to fail, by a library that is loaded before the C library.

use crate::{error::Error, preload};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What a node's disk does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskMode {
    Sound,
    /// Every write fails: no space is left.
    Full,
    /// Every sync fails.
    FailedSync,
    /// Every sync takes so much longer.
    SlowSync {
        ms: u32,
    },
}

/// The disk of the node in one place.
#[derive(Clone, Debug)]
pub struct DiskControl {
    mode: PathBuf,
    hits: PathBuf,
    data: PathBuf,
}

impl DiskControl {
    pub fn of(directory: &Path, place: usize) -> DiskControl {
        let name = |what: &str| directory.join(format!("{what}-{}", place + 1));
        DiskControl { mode: name("disk-mode"), hits: name("disk-hits"), data: name("node") }
    }

    /// The library, in that directory.
    pub fn build(directory: &Path) -> Result<PathBuf, Error> {
        preload::build(directory, "disk-faults", include_str!("disk/faults.c"))
    }

    pub fn environment(&self) -> Vec<(String, String)> {
        let pairs = [("CHAOS_DISK_MODE", &self.mode), ("CHAOS_DISK_HITS", &self.hits), ("CHAOS_DISK_DATA", &self.data)];
        pairs.map(|(name, path)| (name.to_owned(), path.display().to_string())).to_vec()
    }

    /// From the next call of the node on.
    pub fn set(&self, mode: DiskMode) -> Result<(), Error> {
        let text = match mode {
            DiskMode::Sound => String::new(),
            DiskMode::Full => "full".to_owned(),
            DiskMode::FailedSync => "fail".to_owned(),
            DiskMode::SlowSync { ms } => format!("slow {ms}"),
        };
        let new = self.mode.with_extension("new");
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, &self.mode));
        written.map_err(Error::machine("set a node's disk"))
    }

    /// Calls that were made to fail or to wait so far.
    pub fn hits(&self) -> u64 {
        fs::metadata(&self.hits).map_or(0, |metadata| metadata.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// What `sh` says when it writes and syncs under that mode.
    fn tried(control: &DiskControl, library: &Path, mode: DiskMode) -> bool {
        control.set(mode).expect("writable");
        let target = control.data.join("file");
        let mut command = Command::new("dd");
        command.arg("if=/dev/zero").arg(format!("of={}", target.display())).args(["bs=512", "count=1", "conv=fsync"]);
        command.env("LD_PRELOAD", library).envs(control.environment());
        command.output().expect("there is a dd").status.success()
    }

    #[test]
    fn a_disk_fails_on_demand_and_counts_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let library = DiskControl::build(directory.path()).expect("a compiler is there, as RocksDB needs one");
        let control = DiskControl::of(directory.path(), 0);
        fs::create_dir(&control.data).expect("writable");
        assert!(tried(&control, &library, DiskMode::Sound));
        assert_eq!(control.hits(), 0);
        assert!(tried(&control, &library, DiskMode::SlowSync { ms: 1 }));
        assert_eq!(control.hits(), 1);
        for mode in [DiskMode::Full, DiskMode::FailedSync] {
            let before = control.hits();
            assert!(!tried(&control, &library, mode), "{mode:?}");
            assert!(control.hits() > before, "{mode:?}");
        }
        assert!(tried(&control, &library, DiskMode::Sound));
    }
}
