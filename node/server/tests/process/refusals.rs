//! What stops a start: each error says what to do.

use crate::stator::{Stator, command, refused, text};
use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

#[test]
fn a_port_in_use() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    let said = refused(&["dev", "--data", text(&data), "--listen", &address], 1);
    assert!(said.contains("in use by another program") && said.contains("--listen"), "{said}");
    let said = refused(
        &["start", "--data", text(&data), "--log-level", "error", "--listen", "127.0.0.1:0", "--peer-listen", &address],
        1,
    );
    assert!(said.contains("--peer-listen"), "{said}");
}

#[test]
fn a_second_process_on_one_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let stator = Stator::dev(directory.path());
    let said = refused(&["dev", "--data", text(directory.path()), "--listen", "127.0.0.1:0"], 1);
    assert!(said.contains("in use by another stator process") && said.contains(&stator.id().to_string()), "{said}");
}

#[test]
fn a_directory_that_cannot_be_written_or_is_not_ours() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = |data: &str| refused(&["dev", "--data", data, "--listen", "127.0.0.1:0"], 1);
    // Writing to /proc is refused to everybody, the superuser too.
    let said = start("/proc/stator");
    assert!(said.contains("/proc/stator"), "{said}");
    fs::write(directory.path().join("photo.jpg"), "x").expect("written");
    let said = start(text(directory.path()));
    assert!(said.contains("no data of stator") && said.contains("--data"), "{said}");
    let locked = directory.path().join("locked");
    fs::create_dir(&locked).expect("created");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).expect("it is ours");
    if fs::write(locked.join("x"), "").is_err() {
        let said = start(text(&locked.join("data")));
        assert!(said.contains("cannot be written"), "{said}");
    }
}

#[test]
fn an_identity_that_is_gone_or_damaged() {
    let directory = tempfile::tempdir().expect("a directory");
    let stator = Stator::dev(directory.path());
    stator.signal("-TERM");
    assert_eq!(stator.ended().0, Some(0));
    let start = || refused(&["dev", "--data", text(directory.path()), "--listen", "127.0.0.1:0"], 1);
    let path = directory.path().join("identity");
    let good = fs::read(&path).expect("it is there");
    fs::write(&path, &good[..good.len() - 5]).expect("written");
    assert!(start().contains("damaged"));
    fs::remove_file(&path).expect("removed");
    assert!(start().contains("is missing"));
}

#[test]
fn another_region_or_account_than_at_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = text(directory.path());
    let first = Stator::start(directory.path(), &["--region", "eu-central-1", "--account-id", "123456789012"]);
    first.signal("-TERM");
    assert_eq!(first.ended().0, Some(0));
    let ports =
        ["start", "--log-level", "error", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--data", data];
    let said = refused(&[&ports[..], &["--region", "us-east-1"]].concat(), 2);
    assert!(said.contains("--region us-east-1") && said.contains("eu-central-1"), "{said}");
    let said = refused(&[&ports[..], &["--account-id", "000000000000"]].concat(), 2);
    assert!(said.contains("--account-id") && said.contains("123456789012"), "{said}");
    drop(Stator::start(directory.path(), &[]));
}

#[test]
fn settings_that_are_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("stator.toml");
    fs::write(&config, "lissten = '127.0.0.1:0'\n").expect("written");
    let said = refused(&["dev", "--config", text(&config)], 2);
    assert!(said.contains("`lissten`") && said.contains("stator.toml"), "{said}");
    let said = refused(&["start", "--data", text(directory.path()), "--tls-cert", "x.pem"], 2);
    assert!(said.contains("--tls-key"), "{said}");
    refused(&["start", "--memory", "much"], 2);
}

#[test]
fn the_environment_beats_the_file_and_a_flag_beats_both() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("stator.toml");
    fs::write(&config, "listen = '0.0.0.1:1'\n").expect("written");
    let say = |flags: &[&str]| {
        let mut dev = command(&[&["dev", "--ephemeral", "--config", text(&config)], flags].concat());
        let output = dev.env("STATOR_LISTEN", "0.0.0.2:2").output().expect("it runs");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(say(&[]).contains("--listen 0.0.0.2:2"));
    assert!(say(&["--listen", "0.0.0.3:3"]).contains("--listen 0.0.0.3:3"));
}

#[test]
fn a_command_without_a_node() {
    let directory = tempfile::tempdir().expect("a directory");
    let said = refused(&["status", "--data", text(directory.path())], 1);
    assert!(said.contains("no stator runs on the data directory") && said.contains("STATOR_DATA"), "{said}");
}
