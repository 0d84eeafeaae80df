//! How what the operating system says becomes a [`DiskError`].

use stator_environment::DiskError;
use std::{io, path::Path};

/// `action` says what was tried, as a verb phrase.
pub(crate) fn io_error(action: &'static str, error: &io::Error) -> DiskError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskError::Full { action },
        _ => DiskError::Failed { action, reason: error.to_string() },
    }
}

/// As [`io_error`], for what is done to one file: the reason names it.
pub(crate) fn file_error(action: &'static str, path: &Path, error: &io::Error) -> DiskError {
    match io_error(action, error) {
        DiskError::Failed { action, reason } => {
            DiskError::Failed { action, reason: format!("{}: {reason}", path.display()) }
        }
        other => other,
    }
}
