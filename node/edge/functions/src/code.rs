//! Code on disk: each zip unpacked once, for all instances that run it.

use crate::deployment::{CodeError, CodeSource};
use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs,
    io::{self, Cursor, Read},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Component, Path, PathBuf},
    sync::Arc,
};
use zip::ZipArchive;

/// Most bytes that a zip may unpack to (Lambda: 250 MB).
const UNPACKED_MAX: u64 = 262_144_000;
/// Most files and folders of a zip; Lambda states none, file systems care.
const ENTRIES_MAX: usize = 100_000;
/// Longest path within a zip.
const PATH_MAX: usize = 1024;

struct Unpacked {
    bytes: u64,
    uses: usize,
    /// Grows with each use, to find the one that was used longest ago.
    used: u64,
}

#[derive(Default)]
struct State {
    unpacked: HashMap<[u8; 32], Unpacked>,
    /// Locks of those being fetched, so that one instance does it and the others wait.
    fetching: HashMap<[u8; 32], Arc<tokio::sync::Mutex<()>>>,
    clock: u64,
}

/// The unpacked code of a node.
pub(crate) struct CodeCache {
    folder: PathBuf,
    idle_bytes_max: u64,
    source: Arc<dyn CodeSource>,
    state: Mutex<State>,
}

/// Unpacked code that is in use. It stays until this is dropped.
pub(crate) struct Held {
    cache: Arc<CodeCache>,
    sha256: [u8; 32],
}

impl CodeCache {
    /// A cache in a folder of its own. What an earlier process left there is removed: nobody knows whether it is whole.
    pub fn open(folder: PathBuf, idle_bytes_max: u64, source: Arc<dyn CodeSource>) -> io::Result<Arc<CodeCache>> {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&folder)?;
        Ok(Arc::new(CodeCache { folder, idle_bytes_max, source, state: Mutex::default() }))
    }

    /// The code with this SHA-256, fetched and unpacked if it is not here.
    pub async fn hold(self: &Arc<Self>, sha256: [u8; 32]) -> Result<Held, CodeError> {
        if let Some(held) = self.here(sha256) {
            return Ok(held);
        }
        let lock = self.state.lock().fetching.entry(sha256).or_default().clone();
        let fetched = {
            let _alone = lock.lock().await;
            match self.here(sha256) {
                Some(held) => Ok(held),
                None => self.fetch(sha256).await,
            }
        };
        let mut state = self.state.lock();
        // The map's, this one, and those of others who wait.
        if Arc::strong_count(&lock) == 2 {
            state.fetching.remove(&sha256);
        }
        drop(state);
        fetched
    }

    fn here(self: &Arc<Self>, sha256: [u8; 32]) -> Option<Held> {
        let mut state = self.state.lock();
        state.clock += 1;
        let now = state.clock;
        let unpacked = state.unpacked.get_mut(&sha256)?;
        unpacked.uses += 1;
        unpacked.used = now;
        Some(Held { cache: self.clone(), sha256 })
    }

    async fn fetch(self: &Arc<Self>, sha256: [u8; 32]) -> Result<Held, CodeError> {
        let zip = self.source.code(sha256).await?;
        if Sha256::digest(&zip).as_slice() != sha256 {
            return Err(CodeError::Unavailable("the bytes are not those that were stored".to_owned()));
        }
        let (folder, target) = (self.folder.clone(), self.path(sha256));
        let bytes = tokio::task::spawn_blocking(move || place(&zip, &folder, &target))
            .await
            .map_err(|error| CodeError::Unavailable(error.to_string()))??;
        let mut state = self.state.lock();
        state.clock += 1;
        let used = state.clock;
        state.unpacked.insert(sha256, Unpacked { bytes, uses: 1, used });
        let surplus = self.surplus(&mut state);
        drop(state);
        remove(surplus);
        Ok(Held { cache: self.clone(), sha256 })
    }

    fn path(&self, sha256: [u8; 32]) -> PathBuf {
        self.folder.join(hex::encode(sha256))
    }

    /// Takes out what nobody uses, oldest first, until the rest fits. Renamed at once, so that it can be unpacked again.
    fn surplus(&self, state: &mut State) -> Vec<PathBuf> {
        let mut idle: Vec<([u8; 32], u64, u64)> = state
            .unpacked
            .iter()
            .filter(|(_, unpacked)| unpacked.uses == 0)
            .map(|(sha256, unpacked)| (*sha256, unpacked.used, unpacked.bytes))
            .collect();
        idle.sort_by_key(|(_, used, _)| *used);
        let mut bytes: u64 = idle.iter().map(|(_, _, bytes)| bytes).sum();
        let mut taken = Vec::new();
        for (sha256, used, size) in idle {
            if bytes <= self.idle_bytes_max {
                break;
            }
            bytes -= size;
            state.unpacked.remove(&sha256);
            let aside = self.folder.join(format!("removed-{used}"));
            match fs::rename(self.path(sha256), &aside) {
                Ok(()) => taken.push(aside),
                Err(error) => tracing::warn!(%error, "unpacked code cannot be moved aside"),
            }
        }
        taken
    }
}

/// Removes folders in the background: there may be many files.
fn remove(folders: Vec<PathBuf>) {
    if folders.is_empty() {
        return;
    }
    let work = move || {
        for folder in folders {
            if let Err(error) = fs::remove_dir_all(&folder) {
                tracing::warn!(%error, "unpacked code cannot be removed");
            }
        }
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

impl Held {
    pub fn path(&self) -> PathBuf {
        self.cache.path(self.sha256)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.cache.state.lock();
        if let Some(unpacked) = state.unpacked.get_mut(&self.sha256) {
            unpacked.uses -= 1;
        }
        let surplus = self.cache.surplus(&mut state);
        drop(state);
        remove(surplus);
    }
}

/// Unpacks into a temporary folder and renames it: a folder with a hash as its name is whole.
fn place(zip: &Bytes, folder: &Path, target: &Path) -> Result<u64, CodeError> {
    let failed = |error: io::Error| CodeError::Unavailable(error.to_string());
    let temporary = folder.join(format!("unpacking-{}", target.file_name().unwrap_or_default().to_string_lossy()));
    match fs::remove_dir_all(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let unpacked = unpack(zip, &temporary);
    if unpacked.is_err() {
        let _ = fs::remove_dir_all(&temporary);
    }
    let bytes = unpacked?;
    fs::rename(&temporary, target).map_err(failed)?;
    Ok(bytes)
}

/// Unpacks a zip into a new folder and returns how many bytes that took.
fn unpack(zip: &Bytes, folder: &Path) -> Result<u64, CodeError> {
    let invalid = |reason: &str| CodeError::Invalid(reason.to_owned());
    let failed = |error: io::Error| CodeError::Unavailable(error.to_string());
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(|error| CodeError::Invalid(error.to_string()))?;
    if archive.len() > ENTRIES_MAX {
        return Err(invalid("it has too many entries"));
    }
    make_folder(folder).map_err(failed)?;
    let mut left = UNPACKED_MAX;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| CodeError::Invalid(error.to_string()))?;
        if entry.is_symlink() {
            return Err(invalid("it has a symbolic link"));
        }
        let inner = entry.name().ok().and_then(|name| inner_path(&name));
        let path = folder.join(inner.ok_or_else(|| invalid("a path leaves its folder"))?);
        if entry.is_dir() {
            make_folder(&path).map_err(failed)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            make_folder(parent).map_err(|_| invalid("a file is a folder, too"))?;
        }
        // Everybody may read: functions run as another user. Who could execute, still can.
        let executable = entry.unix_mode().unwrap_or(0) & 0o111 != 0;
        let mode = if executable { 0o755 } else { 0o644 };
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .map_err(|_| invalid("two entries have the same path"))?;
        // One byte more than may be: the size that the zip states for itself is not believed.
        let copied = io::copy(&mut entry.by_ref().take(left + 1), &mut file)
            .map_err(|error| CodeError::Invalid(error.to_string()))?;
        left = left.checked_sub(copied).ok_or_else(|| invalid("it unpacks to more than 262144000 bytes"))?;
    }
    Ok(UNPACKED_MAX - left)
}

/// A path as a zip states it, if it stays below the folder that it is unpacked to.
fn inner_path(name: &str) -> Option<PathBuf> {
    if name.len() > PATH_MAX || name.contains(['\0', '\\']) {
        return None;
    }
    let mut path = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (path != Path::new("")).then_some(path)
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
}

#[cfg(test)]
#[path = "code_tests.rs"]
mod tests;
