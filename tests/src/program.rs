//! The program under test.

use crate::{ROOT_KEY, ROOT_SECRET};
use std::{env, path::PathBuf, process::Command};

/// A command of the `stator` binary, with nothing of the caller's environment that could be a setting.
pub fn stator(arguments: &[&str]) -> Command {
    let mut command = Command::new(path());
    without_settings(&mut command);
    command.args(arguments);
    command
}

pub(crate) fn without_settings(command: &mut Command) {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STATOR_")) {
        command.env_remove(name);
    }
    command.env("STATOR_ROOT_ACCESS_KEY", ROOT_KEY).env("STATOR_ROOT_SECRET_KEY", ROOT_SECRET);
}

/// What `STATOR_BINARY` names, else what the same build has put beside the tests.
pub(crate) fn path() -> PathBuf {
    if let Some(path) = env::var_os("STATOR_BINARY") {
        return path.into();
    }
    let test = env::current_exe().expect("a process knows its program");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("tests lie in PROFILE/deps");
    let path = profile.join("stator");
    assert!(path.exists(), "{} is missing: run `cargo build -p stator`, or set STATOR_BINARY", path.display());
    path
}
