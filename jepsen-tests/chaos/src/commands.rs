//! The subcommands.

use crate::{
    arguments::{Cli, Command},
    drive::{Part, judge},
    elle,
    error::Error,
    faketime::ClockControl,
    fault::{Kind, Need},
    history_file, namespace, run,
};
use std::{path::Path, process::ExitCode};

pub fn run(cli: Cli) -> Result<ExitCode, Error> {
    match cli.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Faults => {
            faults();
            Ok(ExitCode::SUCCESS)
        }
        Command::Workloads => {
            stator_workloads::NAMES.iter().for_each(|name| println!("{name}"));
            Ok(ExitCode::SUCCESS)
        }
        Command::Judge { history } => judge_file(&history),
        Command::Export { history, edn: _ } => {
            let read = read(&history)?;
            print!("{}", elle::edn(&read.events));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn faults() {
    let clocks = ClockControl::library().err().map(|error| error.to_string());
    let compiler = std::process::Command::new("cc").arg("--version").output().is_err();
    for (kind, name, what) in Kind::all() {
        let forbidden = match kind.need() {
            Some(Need::Clocks) => clocks.clone(),
            Some(Need::Disks | Need::Power) if compiler => Some("needs the C compiler `cc`".to_owned()),
            _ => None,
        };
        println!("{name:<16} {what}{}", forbidden.map(|reason| format!(" [not here: {reason}]")).unwrap_or_default());
    }
    match namespace::forbidden() {
        None => println!("\n--network namespaces is possible here"),
        Some(reason) => println!("\n--network namespaces is not possible here: {reason}"),
    }
}

fn read(path: &Path) -> Result<history_file::Read, Error> {
    let read = history_file::read(path).map_err(Error::machine(format!("read {}", path.display())))?;
    if read.broken_lines > 0 {
        eprintln!("{} lines are broken and were left out", read.broken_lines);
    }
    Ok(read)
}

/// By the tables' names it is known which workload has made which part.
fn judge_file(path: &Path) -> Result<ExitCode, Error> {
    let events = read(path)?.events;
    let mut code = 3;
    for name in stator_workloads::NAMES {
        let marker = |table: &str| table.find(name).map(|at| table[..at].to_owned());
        let is_prefix = |prefix: &String| prefix.is_empty() || prefix.starts_with("chaos-");
        let Some(prefix) = events.iter().find_map(|event| marker(event.operation.table()).filter(is_prefix)) else {
            continue;
        };
        let Some(workload) = stator_workloads::by_name(name, &prefix) else { continue };
        let part = Part { name: name.to_owned(), prefix: format!("{prefix}{name}"), workload: workload.into() };
        let judgement = judge(&part, &events);
        println!("{name}: {} violations, {} undecided", judgement.violations.len(), judgement.undecided.len());
        for violation in &judgement.violations {
            println!("  {}: {}", violation.promise, violation.explanation);
        }
        judgement.undecided.iter().for_each(|reason| println!("  undecided: {reason}"));
        code = match (code, judgement.violations.is_empty(), judgement.undecided.is_empty()) {
            (_, false, _) | (4, ..) => 4,
            (3, true, true) => 0,
            (before, true, true) => before,
            (_, true, false) => 3,
        };
    }
    Ok(ExitCode::from(code))
}
