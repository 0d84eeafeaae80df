//! The program `stator-chaos`.

use clap::Parser;
use stator_chaos::{arguments::Cli, commands};
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}
