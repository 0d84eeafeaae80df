//! The files of a log: `0000000a.log` and so on, and `prepared`, the next one, whose space is reserved already.
//!
//! A file gets its name only after its header is durable, so one with a name and a bad header is damaged.

use super::frame::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::error::{file_error, io_error};
use rustix::fs::{FallocateFlags, SeekFrom, seek};
use stator_environment::DiskError;
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const PREPARED: &str = "prepared";

/// A file with reserved space and no name of its own yet.
pub(crate) struct Prepared {
    pub file: File,
    pub capacity: u64,
}

/// Reserves space for the next segment.
pub(crate) fn prepare(directory: &Path, capacity: u64) -> Result<Prepared, DiskError> {
    let path = directory.join(PREPARED);
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&path);
    let file = file.map_err(|error| file_error("create a log segment", &path, &error))?;
    reserve(&file, capacity).map_err(|error| file_error("reserve space for the log", &path, &error))?;
    Ok(Prepared { file, capacity })
}

/// Makes the prepared file a segment of the log, with at least `capacity` bytes.
pub(crate) fn begin(
    directory: &Path,
    prepared: &Prepared,
    header: SegmentHeader,
    capacity: u64,
) -> Result<PathBuf, DiskError> {
    let path = path(directory, header.number);
    let failed = |error: &io::Error| file_error("begin a log segment", &path, error);
    if capacity > prepared.capacity {
        reserve(&prepared.file, capacity).map_err(|error| failed(&error))?;
    }
    prepared.file.write_all_at(&header.encode(), 0).map_err(|error| failed(&error))?;
    prepared.file.sync_all().map_err(|error| failed(&error))?;
    fs::rename(directory.join(PREPARED), &path).map_err(|error| failed(&error))?;
    sync_directory(directory)?;
    Ok(path)
}

/// Removes a segment for good. Does no harm when it is called again.
pub(crate) fn remove(directory: &Path, path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error("remove a log segment", path, &error)),
        _ => sync_directory(directory),
    }
}

/// The segments of a directory by number. A file that was prepared and never begun is removed.
pub(crate) fn list(directory: &Path) -> Result<Vec<(u32, PathBuf)>, DiskError> {
    let failed = |error: io::Error| file_error("list the log segments", directory, &error);
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == PREPARED {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
        let number = name.strip_suffix(".log").and_then(|digits| u32::from_str_radix(digits, 16).ok());
        segments.extend(number.map(|number| (number, entry.path())));
    }
    segments.sort();
    Ok(segments)
}

/// Opens a segment and reads it, without the space behind its end that is only reserved and would read as zeros.
pub(crate) fn read(path: &Path) -> io::Result<(File, Vec<u8>)> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut end = 0;
    loop {
        match seek(&file, SeekFrom::Data(end)) {
            Ok(data) => end = seek(&file, SeekFrom::Hole(data))?,
            Err(rustix::io::Errno::NXIO) => break,
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::OPNOTSUPP) => {
                end = file.metadata()?.len();
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut bytes = vec![0; usize::try_from(end).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok((file, bytes))
}

/// Writes what a segment holds there already, so that its pages are synced with the segment.
pub(crate) fn write_again(file: &File, at: u64, bytes: &[u8]) -> Result<(), DiskError> {
    file.write_all_at(bytes, at).map_err(|error| io_error("write the end of the Raft log again", &error))
}

/// Gives back what is reserved behind the end of a segment.
pub(crate) fn close(file: &File, bytes: u64) -> Result<(), DiskError> {
    let failed = |error: io::Error| io_error("close a log segment", &error);
    file.set_len(bytes.max(SEGMENT_HEADER_BYTES as u64)).map_err(failed)?;
    file.sync_all().map_err(failed)
}

pub(crate) fn sync_directory(directory: &Path) -> Result<(), DiskError> {
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(|error| file_error("sync a directory", directory, &error))
}

fn path(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("{number:08x}.log"))
}

/// File systems that cannot reserve space grow the file as it is written.
fn reserve(file: &File, capacity: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, capacity) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        other => other.map_err(io::Error::from),
    }
}
