//! How what RocksDB says becomes a [`DiskError`].

use stator_environment::DiskError;

/// RocksDB gives its kinds of errors as the first words of a text.
pub(super) fn rocksdb_error(action: &'static str, error: &rocksdb::Error) -> DiskError {
    match error.kind() {
        // Said only to readers that may not wait.
        rocksdb::ErrorKind::Incomplete => DiskError::NotInMemory,
        rocksdb::ErrorKind::Corruption => DiskError::Damaged(format!("{action}: {error}")),
        rocksdb::ErrorKind::IOError if error.as_ref().contains("No space left on device") => DiskError::Full { action },
        _ => DiskError::Failed { action, reason: error.to_string() },
    }
}
