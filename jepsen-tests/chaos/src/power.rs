//! Power cuts: a node comes back with what it had synced, and of all else with some of it and some not, page by page.
//!
//! A small library keeps beside each file what of it was synced, so that this needs neither a file system of its own nor any
//! right. It is stricter than most file systems: a new name that was not synced in its directory may be gone, even if the
//! file was synced.

use crate::{dice::Dice, error::Error, preload};
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

const PAGE_BYTES: usize = 4096;

/// The power of the node in one place.
#[derive(Clone, Debug)]
pub struct PowerControl {
    data: PathBuf,
    shadow: PathBuf,
}

/// What a cut took away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lost {
    pub names: u64,
    pub pages: u64,
}

impl PowerControl {
    pub fn of(directory: &Path, place: usize) -> PowerControl {
        let name = |what: &str| directory.join(format!("{what}-{}", place + 1));
        PowerControl { data: name("node"), shadow: name("durable") }
    }

    /// The library, in that directory.
    pub fn build(directory: &Path) -> Result<PathBuf, Error> {
        preload::build(directory, "durable", include_str!("power/durable.c"))
    }

    /// For a node that starts for the first time: its directory is made here, and is durable.
    pub fn environment(&self) -> Result<Vec<(String, String)>, Error> {
        let failed = || Error::machine("prepare a node's disk");
        fs::create_dir_all(&self.data).map_err(failed())?;
        self.keep_all().map_err(failed())?;
        let pairs = [("CHAOS_POWER_DATA", &self.data), ("CHAOS_POWER_SHADOW", &self.shadow)];
        Ok(pairs.map(|(name, path)| (name.to_owned(), path.display().to_string())).to_vec())
    }

    /// Puts back what was durable, and some of what was not. The node must not run.
    pub fn cut(&self, dice: &Dice) -> Result<Lost, Error> {
        self.put_back(dice).map_err(Error::machine("put back what was durable"))
    }

    fn put_back(&self, dice: &Dice) -> io::Result<Lost> {
        let mut real = BTreeMap::new();
        walk(&self.data, &mut |path| {
            real.insert(key(path)?, path.to_owned());
            Ok(())
        })?;
        let rebuilt = self.data.with_extension("rebuilt");
        let mut lost = Lost::default();
        self.rebuild(&key(&self.data)?, &rebuilt, &real, dice, &mut lost)?;
        let mut found = 0;
        walk(&rebuilt, &mut |_| {
            found += 1;
            Ok(())
        })?;
        lost.names += (real.len() as u64).saturating_sub(found);
        fs::remove_dir_all(&self.data)?;
        fs::rename(&rebuilt, &self.data)?;
        self.keep_all()?;
        Ok(lost)
    }

    fn rebuild(
        &self,
        directory: &str,
        to: &Path,
        real: &BTreeMap<String, PathBuf>,
        dice: &Dice,
        lost: &mut Lost,
    ) -> io::Result<()> {
        fs::create_dir(to)?;
        let names = read_or_nothing(&self.shadow.join(format!("names-{directory}")))?;
        for line in String::from_utf8_lossy(&names).lines() {
            let mut parts = line.splitn(3, ' ');
            let (Some(kind), Some(key), Some(name)) = (parts.next(), parts.next(), parts.next()) else { continue };
            if kind == "d" {
                self.rebuild(key, &to.join(name), real, dice, lost)?;
                continue;
            }
            let durable = read_or_nothing(&self.shadow.join(format!("file-{key}")))?;
            // A file whose name was taken away, without that being durable, has only what was durable of it.
            let latest = real.get(key).map_or(Ok(durable.clone()), fs::read)?;
            fs::write(to.join(name), torn(&durable, &latest, dice, lost))?;
        }
        Ok(())
    }

    /// Declares everything durable that is there.
    fn keep_all(&self) -> io::Result<()> {
        if self.shadow.exists() {
            fs::remove_dir_all(&self.shadow)?;
        }
        fs::create_dir_all(&self.shadow)?;
        self.keep(&self.data)
    }

    fn keep(&self, directory: &Path) -> io::Result<()> {
        let mut names = String::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let key = key(&path)?;
            let letter = if kind.is_dir() {
                self.keep(&path)?;
                'd'
            } else if kind.is_file() {
                fs::copy(&path, self.shadow.join(format!("file-{key}")))?;
                'f'
            } else {
                continue;
            };
            names.push_str(&format!("{letter} {key} {}\n", entry.file_name().to_string_lossy()));
        }
        fs::write(self.shadow.join(format!("names-{}", key(directory)?)), names)
    }
}

/// Each page that differs, and the length, as it was durable or as it was written.
fn torn(durable: &[u8], latest: &[u8], dice: &Dice, lost: &mut Lost) -> Vec<u8> {
    let length = if dice.below(2) == 0 { durable.len() } else { latest.len() };
    let mut bytes = vec![0; length];
    for at in (0..length).step_by(PAGE_BYTES) {
        let page = |of: &[u8]| of.get(at..of.len().min(at + PAGE_BYTES)).unwrap_or_default().to_vec();
        let (old, new) = (page(durable), page(latest));
        let chosen = if old == new || dice.below(2) == 0 { new } else { old.clone() };
        lost.pages += u64::from(old != page(latest) && chosen == old);
        for (place, byte) in bytes.iter_mut().skip(at).zip(chosen) {
            *place = byte;
        }
    }
    lost.pages += (latest.len().saturating_sub(length)).div_ceil(PAGE_BYTES) as u64;
    bytes
}

/// As the library names it: number of the inode and its birth.
fn key(path: &Path) -> io::Result<String> {
    let metadata = fs::symlink_metadata(path)?;
    let born = metadata.created()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{}-{}-{}", metadata.ino(), born.as_secs(), born.subsec_nanos()))
}

/// Calls it with every file below.
fn walk(directory: &Path, visit: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => walk(&entry.path(), visit)?,
            kind if kind.is_file() => visit(&entry.path())?,
            _ => {}
        }
    }
    Ok(())
}

fn read_or_nothing(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_was_synced_survives_and_the_rest_may_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let library = PowerControl::build(directory.path()).expect("a compiler is there, as RocksDB needs one");
        let control = PowerControl::of(directory.path(), 0);
        let environment = control.environment().expect("writable");
        let sh = |script: &str| {
            let mut command = Command::new("sh");
            command.arg("-c").arg(script).current_dir(&control.data);
            let output = command.env("LD_PRELOAD", &library).envs(environment.iter().cloned()).output();
            assert!(output.expect("there is a shell").status.success(), "{script}");
        };
        // `sync FILE` is one fsync; dd writes and syncs by itself.
        sh("dd if=/dev/zero of=kept bs=4096 count=3 conv=fsync 2>/dev/null; sync .");
        sh("dd if=/dev/zero of=unnamed bs=4096 count=3 conv=fsync 2>/dev/null");
        sh("printf later | dd of=kept bs=5 seek=0 conv=notrunc 2>/dev/null");
        let (mut kept_old, mut kept_new) = (false, false);
        for seed in 0..16 {
            let before = fs::read(control.data.join("kept")).expect("it is there");
            let lost = control.cut(&Dice::new(seed)).expect("writable");
            let after = fs::read(control.data.join("kept")).expect("its name was synced");
            assert!(!control.data.join("unnamed").exists());
            assert_eq!(after.len(), 4096 * 3);
            kept_old |= before != after;
            kept_new |= before == after;
            assert_eq!(lost.pages > 0, before != after);
            // What is there after a cut is durable; written again, it may be lost again.
            sh("printf later | dd of=kept bs=5 seek=0 conv=notrunc 2>/dev/null");
            if before != after {
                continue;
            }
            sh(
                "dd if=/dev/zero of=kept bs=4096 count=1 conv=notrunc,fsync 2>/dev/null; printf later | dd of=kept bs=5 conv=notrunc 2>/dev/null",
            );
        }
        assert!(kept_old && kept_new, "both must come about");
    }
}
