//! The TOML file: each key is the long name of a flag, and its value becomes that flag's default.
//!
//! So flags, environment and file have one definition, and flag beats environment beats file. A key that is no flag of the
//! command stops the start: a misspelt setting must not be ignored.

use clap::{Command, error::ErrorKind};
use std::{fs, path::Path};

/// Gives the options of `subcommand` the defaults that stand in the file.
pub fn with_file(command: Command, subcommand: &str, path: &Path) -> Result<Command, String> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("read the settings file {}: {error}", path.display()))?;
    let wrong = |reason: String| format!("the settings file {}: {reason}", path.display());
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    let mut command = command;
    for (key, value) in &table {
        let value = plain(value).ok_or_else(|| wrong(format!("`{key}` must be a text, a number, true or false")))?;
        command = with_default(command, subcommand, key, value).map_err(wrong)?;
    }
    Ok(command)
}

fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(choice) => Some(choice.to_string()),
        _ => None,
    }
}

fn with_default(command: Command, subcommand: &str, key: &str, value: String) -> Result<Command, String> {
    let Some(found) = command.find_subcommand(subcommand) else { return Ok(command) };
    let settable = |argument: &&clap::Arg| argument.get_long().is_some_and(|long| long != "config");
    let id = found.get_arguments().filter(settable).find(|argument| argument.get_long() == Some(key));
    let Some(id) = id.map(|argument| argument.get_id().clone()) else {
        let known: Vec<&str> = found.get_arguments().filter(settable).filter_map(clap::Arg::get_long).collect();
        return Err(format!("`{key}` is no setting of `stator {subcommand}`; there are: {}", known.join(", ")));
    };
    let command = command.mut_subcommand(subcommand, |found| {
        found.mut_arg(id, |argument| argument.default_value(value.clone()).required(false))
    });
    // Read once alone: clap's own message would not say that the value came from a file.
    match command.clone().try_get_matches_from(["stator", subcommand]) {
        Err(error) if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) => {
            let reason = error.to_string();
            let reason = reason.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(format!("`{key}`: {reason}"))
        }
        _ => Ok(command),
    }
}
