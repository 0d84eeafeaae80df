//! The sandbox's entry as a program of its own, for tests and measurements of this crate. `stator` has the same entry.

use std::process::ExitCode;

fn main() -> ExitCode {
    stator_functions::sandbox::entry().unwrap_or_else(|| {
        eprintln!("usage: the server calls this program with `sandbox-exec`");
        ExitCode::from(2)
    })
}
