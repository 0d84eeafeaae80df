use super::*;
use std::{fs, path::Path};

fn parse(line: &str) -> Result<Cli, String> {
    read(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
}

fn start(line: &str) -> StartSettings {
    match parse(line).expect("the line is right").command {
        Command::Start(settings) => *settings,
        other => panic!("{other:?}"),
    }
}

fn file(directory: &Path, text: &str) -> String {
    let path = directory.join("stator.toml");
    fs::write(&path, text).expect("the directory is writable");
    path.display().to_string()
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn a_flag_beats_the_file_and_the_file_beats_the_default() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = file(
        directory.path(),
        "data = '/srv/a'\nlisten = '127.0.0.1:1'\nmemory = '1GiB'\npartitions = 7\ndurability = 'relaxed'\nzone = 'z'\nthrottling = 'enforce'\nttl-changes = 'unlimited'",
    );
    let settings = start(&format!("stator start --config {config} --listen 127.0.0.1:2"));
    assert_eq!(settings.listen.port(), 2);
    assert_eq!(settings.data, Path::new("/srv/a"));
    assert_eq!(settings.memory, Some(Size(1 << 30)));
    assert_eq!((settings.partitions, settings.durability), (Some(7), Durability::Relaxed));
    assert_eq!((settings.zone.as_str(), settings.capacity.throttling), ("z", Throttling::Enforce));
    assert_eq!(settings.expiry.ttl_changes, TtlChanges::Unlimited);
    assert_eq!(settings.peer_listen.port(), 8100, "what nobody says keeps its default");
}

#[test]
fn a_file_can_switch_something_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = file(directory.path(), "ephemeral = true");
    let Command::Dev(settings) = parse(&format!("stator dev --config {config}")).expect("right").command else {
        panic!("not dev")
    };
    assert!(settings.ephemeral);
}

#[test]
fn what_is_wrong_in_a_file_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let check = |text: &str, words: &[&str]| {
        let config = file(directory.path(), text);
        let error = parse(&format!("stator start --config {config} --data d")).expect_err(text);
        assert!(error.contains("stator.toml") && words.iter().all(|word| error.contains(word)), "{error}");
    };
    check("lisen = '127.0.0.1:1'", &["`lisen` is no setting", "listen"]);
    check("config = 'x'", &["`config` is no setting"]);
    check("memory = 'much'", &["`memory`", "much"]);
    check("partitions = 0", &["`partitions`"]);
    check("zone = ['a']", &["`zone` must be a text"]);
    check("zone", &[]);
    let missing = parse("stator start --data d --config /nowhere/x.toml").expect_err("missing");
    assert!(missing.contains("/nowhere/x.toml"), "{missing}");
}

#[test]
fn wrong_values_are_refused() {
    for line in [
        "stator start",
        "stator start --data d --memory lots",
        "stator start --data d --listen nonsense",
        "stator start --data d --region US",
        "stator start --data d --account-id 12",
        "stator start --data d --partitions 1025",
        "stator start --data d --threads 0",
        "stator start --data d --durability none",
        "stator start --data d --throttling perhaps",
        "stator start --data d --ttl-changes daily",
        "stator dev --ephemeral --data d",
        "stator keys",
        "stator nodes remove x",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
