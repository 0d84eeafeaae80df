//! What a bench that was killed left behind is removed by the next one: its processes and its directory, and nobody else's.
//!
//! A run's directory bears the number and the beginning of its bench's process; in it, a file names the processes that it
//! started in the same way. A process is killed only if number and beginning are the same.

use crate::{error::Error, namespace, process::begun};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env,
    fs::{self, DirBuilder, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

const PROCESSES: &str = "processes";
/// In a directory that its run was told to keep: later ones leave it alone.
const KEPT: &str = "kept";
const PREFIX: &str = "run-";

/// A directory of one run. Dropped, it is removed, unless it was said to keep it.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Makes one for this process, after the leftovers of dead ones were removed; what was done about them, in sentences.
    pub fn make() -> Result<(RunDirectory, Vec<String>), Error> {
        RunDirectory::make_in(&env::temp_dir().join(format!("stator-chaos-{}", namespace::user())))
    }

    fn make_in(root: &Path) -> Result<(RunDirectory, Vec<String>), Error> {
        let failed = || Error::machine(format!("make {}", root.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(failed())?;
        if fs::metadata(root).map_err(failed())?.uid() != rustix::process::getuid().as_raw() {
            return Err(Error::Cluster(format!(
                "{} belongs to another user: set TMPDIR to a directory of yours",
                root.display()
            )));
        }
        let told = clean(root);
        let own = std::process::id();
        let path = root.join(format!("{PREFIX}{own}-{}", begun(own).unwrap_or(0)));
        // A second run of one process, as tests have it, gets the next name.
        let mut path_free = path.clone();
        for number in 1..u32::MAX {
            match DirBuilder::new().mode(0o700).create(&path_free) {
                Ok(()) => break,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    path_free = path.with_extension(number.to_string());
                }
                Err(error) => return Err(failed()(error)),
            }
        }
        Ok((RunDirectory { path: path_free }, told))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn keep(&self) -> Result<(), Error> {
        fs::write(self.path.join(KEPT), []).map_err(Error::machine("mark a directory to be kept"))
    }

    /// Notes a process, so that the next bench can end it if this one cannot.
    pub fn note(&self, pid: u32) -> Result<(), Error> {
        let file = OpenOptions::new().create(true).append(true).open(self.path.join(PROCESSES));
        let line = format!("{pid} {}\n", begun(pid).unwrap_or(0));
        file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(Error::machine("note a process"))
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        if !self.path.join(KEPT).exists() {
            // The next run removes what is left.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn clean(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter_map(|path| clean_one(&path)).collect()
}

fn clean_one(directory: &Path) -> Option<String> {
    let name = directory.file_name()?.to_str()?;
    let (pid, start) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let bench = (pid.parse().ok()?, start.split('.').next()?.parse().ok()?);
    if lives(bench) {
        return None;
    }
    let noted = fs::read_to_string(directory.join(PROCESSES)).unwrap_or_default();
    let noted = noted.lines().filter_map(|line| line.split_once(' '));
    let noted = noted.filter_map(|(pid, start)| Some((pid.parse().ok()?, start.parse().ok()?)));
    let living: Vec<(u32, u64)> = noted.filter(|process| lives(*process)).collect();
    for (pid, _) in &living {
        if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
            // It may have ended this moment.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    let removed = !directory.join(KEPT).exists() && fs::remove_dir_all(directory).is_ok();
    (removed || !living.is_empty()).then(|| {
        let files = if removed { "removed" } else { "left" };
        format!("an earlier run ({name}) was killed: ended {} of its processes, {files} its files", living.len())
    })
}

fn lives((pid, start): (u32, u64)) -> bool {
    begun(pid) == Some(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn only_what_a_dead_bench_has_started_is_ended() {
        let root = tempfile::tempdir().expect("a directory");
        let mut noted = Command::new("sleep").arg("600").spawn().expect("there is a sleep");
        let mut other = Command::new("sleep").arg("600").spawn().expect("there is a sleep");
        // No process began that early under the number of one that lives.
        let dead = root.path().join(format!("{PREFIX}{}-1", std::process::id()));
        fs::create_dir(&dead).expect("writable");
        let begun_at = begun(noted.id()).expect("it lives");
        let lines = format!("{} {begun_at}\n{} 1\n", noted.id(), other.id());
        fs::write(dead.join(PROCESSES), lines).expect("writable");
        let (living, _) = RunDirectory::make_in(root.path()).expect("writable");
        assert!(!dead.exists());
        noted.wait().expect("it was killed");
        assert!(other.try_wait().expect("it is ours").is_none(), "its number is the same and its beginning another");

        let (second, told) = RunDirectory::make_in(root.path()).expect("writable");
        assert!(living.path().exists() && second.path().exists() && told.is_empty(), "the first one's bench lives");
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists());

        let kept = root.path().join(format!("{PREFIX}{}-2", std::process::id()));
        fs::create_dir(&kept).expect("writable");
        fs::write(kept.join(KEPT), []).expect("writable");
        let (_third, told) = RunDirectory::make_in(root.path()).expect("writable");
        assert!(kept.exists() && told.is_empty());
        other.kill().expect("it is ours");
        other.wait().expect("it is ours");
    }
}
