//! The data directory of a node: its layout, its format version, and the lock that keeps a second process out.

use crate::raft_log::has_segments;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The layout that this program writes, and the newest that it reads.
const FORMAT_VERSION: u32 = 1;
const FORMAT_PREFIX: &str = "stator data directory, format ";
const RAFT_LOG: &str = "raft-log";
const ROWS: &str = "rows";

/// Why a directory cannot be used. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error(
        "{path} is in use by another stator process{by}: stop it, or give this one a directory of its own with --data"
    )]
    InUse { path: String, by: String },
    #[error(
        "{path} has data format {found}, this program reads up to {FORMAT_VERSION}: start the newer stator that wrote it"
    )]
    Newer { path: String, found: u32 },
    #[error("{path} holds files, but no data of stator: give an empty or a new directory with --data")]
    NotOurs { path: String },
    #[error(
        "{path} is damaged: {reason}. Remove this node from the cluster and let it join anew with an empty directory"
    )]
    Damaged { path: String, reason: String },
    #[error("{path} cannot be written: {reason}. Give the user who runs stator the right to write there")]
    NotWritable { path: String, reason: String },
    #[error("the disk of {path} is full: free some space, then start again")]
    Full { path: String },
    #[error("{action} in {path} failed: {reason}")]
    Failed { path: String, action: &'static str, reason: String },
}

/// A locked data directory. Nobody else can open it while this lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    is_new: bool,
    _lock: File,
}

impl DataDirectory {
    /// Locks the directory and checks its format; makes it if it is missing.
    pub fn open(path: &Path) -> Result<DataDirectory, DirectoryError> {
        let failed = |action| move |error: io::Error| classify(path, action, &error);
        create_durably(path).map_err(failed("create the directory"))?;
        let lock = lock(path)?;
        let is_new = match read_format(path)? {
            Some(found) if found > FORMAT_VERSION => {
                return Err(DirectoryError::Newer { path: show(path), found });
            }
            Some(_) => false,
            None => {
                check_new(path)?;
                true
            }
        };
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed("set permissions"))?;
        let directory = DataDirectory { path: path.to_owned(), is_new, _lock: lock };
        for part in [directory.log_path(), directory.rows_path()] {
            DirBuilder::new().recursive(true).mode(0o700).create(part).map_err(failed("create a directory"))?;
        }
        if is_new {
            write_format(path).map_err(failed("write the format version"))?;
        }
        directory.check_log()?;
        Ok(directory)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was empty when it was opened.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    pub fn log_path(&self) -> PathBuf {
        self.path.join(RAFT_LOG)
    }

    pub fn rows_path(&self) -> PathBuf {
        self.path.join(ROWS)
    }

    /// The log is opened before the rows: rows without any log have lost it, and with it the votes of this node.
    fn check_log(&self) -> Result<(), DirectoryError> {
        let failed = |error: io::Error| classify(&self.path, "list the files", &error);
        if self.rows_path().join("CURRENT").try_exists().map_err(failed)?
            && !has_segments(&self.log_path()).map_err(failed)?
        {
            return Err(DirectoryError::Damaged { path: show(&self.path), reason: "the Raft log is missing".into() });
        }
        Ok(())
    }
}

/// Makes a directory with those above it that are missing. A name that is new is durable once its parent is synced.
fn create_durably(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|above| !above.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, DirectoryError> {
    let failed = |error: io::Error| classify(path, "lock the directory", &error);
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).mode(0o600).open(path.join("lock")).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            // Only to name it; without a readable number the error says less.
            let _ = Read::by_ref(&mut file).take(20).read_to_string(&mut holder);
            let by = if holder.is_empty() { holder } else { format!(" ({})", holder.trim()) };
            return Err(DirectoryError::InUse { path: show(path), by });
        }
        Err(error) => return Err(failed(error.into())),
    }
    // Also tells a read-only or full disk before anything else is touched.
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

fn read_format(path: &Path) -> Result<Option<u32>, DirectoryError> {
    match fs::read_to_string(path.join("format")) {
        Ok(text) => match text.trim_end().strip_prefix(FORMAT_PREFIX).and_then(|version| version.parse().ok()) {
            Some(version) => Ok(Some(version)),
            None => Err(DirectoryError::Damaged { path: show(path), reason: "the file `format` is unreadable".into() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(DirectoryError::Damaged { path: show(path), reason: "the file `format` is unreadable".into() })
        }
        Err(error) => Err(classify(path, "read the format version", &error)),
    }
}

/// What a start that was cut short may have left, and what file systems bring along, does not make a directory foreign.
/// The format version is written before any data, so data without it have lost it.
fn check_new(path: &Path) -> Result<(), DirectoryError> {
    let failed = |error: io::Error| classify(path, "list the files", &error);
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.file_name().to_str() {
            Some("lock" | "format.new" | "lost+found") => {}
            Some(RAFT_LOG | ROWS) => {
                if fs::read_dir(entry.path()).map_err(failed)?.next().is_some() {
                    let reason = "the file `format` is missing".into();
                    return Err(DirectoryError::Damaged { path: show(path), reason });
                }
            }
            _ => return Err(DirectoryError::NotOurs { path: show(path) }),
        }
    }
    Ok(())
}

/// Whole or not at all.
fn write_format(path: &Path) -> io::Result<()> {
    let new = path.join("format.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    writeln!(file, "{FORMAT_PREFIX}{FORMAT_VERSION}")?;
    file.sync_all()?;
    fs::rename(new, path.join("format"))?;
    File::open(path)?.sync_all()
}

fn classify(path: &Path, action: &'static str, error: &io::Error) -> DirectoryError {
    let (path, reason) = (show(path), error.to_string());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DirectoryError::Full { path },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            DirectoryError::NotWritable { path, reason }
        }
        _ => DirectoryError::Failed { path, action, reason },
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(path: &Path) -> String {
        DataDirectory::open(path).expect_err("it must not open").to_string()
    }

    #[test]
    fn makes_its_layout_once_and_for_its_owner_only() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("a/b");
        let first = DataDirectory::open(&path).expect("new");
        assert!(first.is_new() && first.log_path().is_dir() && first.rows_path().is_dir());
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o700);
        drop(first);
        assert!(!DataDirectory::open(&path).expect("again").is_new());
    }

    #[test]
    fn refuses_with_a_reason() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("data");
        let open = DataDirectory::open(&path).expect("new");
        let in_use = error(&path);
        assert!(in_use.contains("in use") && in_use.contains(&std::process::id().to_string()), "{in_use}");
        drop(open);

        fs::write(path.join("format"), format!("{FORMAT_PREFIX}{}\n", FORMAT_VERSION + 1)).expect("write");
        assert!(error(&path).contains("start the newer stator"));
        fs::write(path.join("format"), b"\xff\xfe").expect("write");
        assert!(error(&path).contains("damaged"));
        fs::write(path.join("format"), format!("{FORMAT_PREFIX}{FORMAT_VERSION}\n")).expect("write");
        fs::write(path.join("rows/CURRENT"), "x").expect("write");
        assert!(error(&path).contains("the Raft log is missing"));
        fs::remove_file(path.join("format")).expect("remove");
        assert!(error(&path).contains("`format` is missing"));

        let foreign = parent.path().join("foreign");
        fs::create_dir(&foreign).expect("create");
        fs::write(foreign.join("photo.jpg"), "x").expect("write");
        assert!(error(&foreign).contains("no data of stator"));
        let file = parent.path().join("file");
        fs::write(&file, "x").expect("write");
        assert!(error(&file).contains("failed"));
    }
}
