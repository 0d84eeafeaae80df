//! The subcommands: two run a node, the others ask one, or load it.

pub mod check;
mod connection;
mod dev;
mod insights;
mod join_secret;
mod keys;
mod logs;
mod nodes;
mod start;
mod status;

use crate::{
    error::ServerError,
    settings::{Cli, Command},
};
use std::{future::Future, process::ExitCode};

/// Does what the command line says, and returns when it is done.
pub fn run(cli: Cli) -> Result<ExitCode, ServerError> {
    match cli.command {
        Command::Dev(settings) => dev::run(*settings),
        Command::Start(settings) => start::run(*settings),
        Command::Keys { command, target } => ask(keys::run(command, target)),
        Command::Nodes { command, target } => ask(nodes::run(command, target)),
        Command::JoinSecret { target } => ask(join_secret::run(target)),
        Command::Status { target, json } => ask(status::run(target, json)),
        Command::Insights { table, target, top, json } => ask(insights::run(target, table, top, json)),
        Command::Logs { function, target, follow, since, filter } => {
            ask(logs::run(target, logs::Wanted { function, filter, since: since.0, follow }))
        }
        Command::Check(arguments) => return check::run(&arguments),
        Command::Bench(arguments) => return Ok(stator_client::bench::run(*arguments)),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// One question to a running node needs one thread.
fn ask(question: impl Future<Output = Result<(), ServerError>>) -> Result<(), ServerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(ServerError::io("start the runtime"))?.block_on(question)
}

/// Reads that wait for the disk go on side by side in as many threads.
const BLOCKING_THREADS_MAX: usize = 64;

/// The runtime of a node.
fn serving_runtime(threads: usize) -> Result<tokio::runtime::Runtime, ServerError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).max_blocking_threads(BLOCKING_THREADS_MAX).thread_name("stator").enable_all();
    builder.build().map_err(ServerError::io("start the runtime"))
}
