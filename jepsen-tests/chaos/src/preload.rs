//! Small libraries that nodes load before the C library. The machine's C compiler builds them at the beginning of a run.

use crate::error::Error;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Builds a library of that name in a directory.
pub(crate) fn build(directory: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let (source, library) = (directory.join(name).with_extension("c"), directory.join(name).with_extension("so"));
    fs::write(&source, text).map_err(Error::machine(format!("write {}", source.display())))?;
    let mut command = Command::new("cc");
    command.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).args(["-ldl", "-lpthread"]);
    let output = command.output().map_err(|error| {
        Error::Usage(format!(
            "faults of disks and of power need the C compiler `cc` ({error}): install it, or leave them out"
        ))
    })?;
    if output.status.success() {
        Ok(library)
    } else {
        Err(Error::Cluster(format!("{name}.c does not compile: {}", String::from_utf8_lossy(&output.stderr))))
    }
}
