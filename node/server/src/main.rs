//! The program `stator`: settings, wiring, subcommands, order of shutdown. What decides anything lives in other crates.

mod access_key;
mod admin;
mod admission;
mod assembly;
mod commands;
mod credentials;
mod edge;
mod error;
mod identity;
mod logging;
mod membership;
mod settings;
mod show;
mod shutdown;
mod sockets;

use error::ServerError;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Called by a server for one of its functions, this program is the sandbox's helper. First of all, while there is one thread.
    if let Some(code) = stator_functions::sandbox::entry() {
        return code;
    }
    // Raft's cores reserve queues of which they touch little. With huge pages each touch would cost 2 MiB: four fifths of the memory
    // of a node with many partitions. Where the kernel refuses, it is only memory that is lost.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let error = match settings::read(std::env::args_os()).and_then(commands::run) {
        Ok(code) => return code,
        Err(error) => error,
    };
    match &error {
        // Help and version go to the standard output and are no error.
        ServerError::CommandLine(told) => {
            // Nobody is left to be told of an output that was closed.
            let _ = told.print();
        }
        error => eprintln!("{}", error.explain()),
    }
    ExitCode::from(error.exit_code())
}
