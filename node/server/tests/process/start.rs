//! `stator start` with one node, and the commands that ask it.

use crate::{
    client::{CREATE_TABLE, Key, call, done, has, put, table_is_active},
    stator::{Stator, command, eventually, printed, refused, text},
};
use serde_json::Value;
use std::{os::unix::fs::PermissionsExt, path::Path};

/// Its lines up to the root key.
fn root_key(stator: &mut Stator) -> Key {
    let lines: Vec<String> = (0..4).map(|_| stator.line()).collect();
    Key::printed(&lines.join("\n"))
}

#[test]
fn shows_the_root_key_once_and_serves_nobody_without_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut stator = Stator::start(directory.path(), &[]);
    let key = root_key(&mut stator);
    assert_eq!(done(&stator.endpoint, Some(&key), "ListTables", "{}")["TableNames"], serde_json::json!([]));
    let check_refused = |key: Option<&Key>, kind: &str| {
        let (status, body) = call(&stator.endpoint, key, "ListTables", "{}");
        assert!(status == 400 && body["__type"].as_str().is_some_and(|name| name.ends_with(kind)), "{body}");
    };
    check_refused(None, "MissingAuthenticationTokenException");
    check_refused(Some(&Key { id: key.id.clone(), secret: "guess".to_owned() }), "InvalidSignatureException");
    stator.signal("-TERM");
    let (code, rest) = stator.ended();
    assert!(code == Some(0) && !rest.contains("SECRET"), "{rest}");

    let again = Stator::start(directory.path(), &[]);
    done(&again.endpoint, Some(&key), "ListTables", "{}");
    again.signal("-TERM");
    assert!(!again.ended().1.contains("SECRET"));
}

#[test]
fn takes_the_root_key_from_the_environment() {
    let directory = tempfile::tempdir().expect("a directory");
    let arguments =
        ["start", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--data", text(directory.path())];
    let mut start = command(&arguments);
    start.env("STATOR_ROOT_ACCESS_KEY", "root").env("STATOR_ROOT_SECRET_KEY", "a secret");
    let stator = Stator::spawn(start);
    let key = Key { id: "root".to_owned(), secret: "a secret".to_owned() };
    done(&stator.endpoint, Some(&key), "ListTables", "{}");
    let mut half = command(&arguments);
    let output = half.env("STATOR_ROOT_ACCESS_KEY", "root").output().expect("it runs");
    assert!(!output.status.success());
}

#[test]
fn keys_are_made_listed_disabled_and_deleted() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut stator = Stator::start(directory.path(), &[]);
    let root = root_key(&mut stator);
    let keys = |arguments: &[&str]| printed(&[&["keys", "--data", text(directory.path())], arguments].concat());
    let key = Key::printed(&keys(&["create", "--description", "for the shop"]));
    assert_ne!(key.id, root.id);
    done(&stator.endpoint, Some(&key), "ListTables", "{}");
    let listed = keys(&["list"]);
    assert!(listed.contains(&root.id) && listed.contains(&key.id) && !listed.contains(&key.secret), "{listed}");
    let line = |id: &str| listed.lines().find(|line| line.contains(id)).expect("it is listed").to_owned();
    assert!(line(&root.id).contains("  root  ") && line(&key.id).ends_with("for the shop"), "{listed}");

    keys(&["disable", &key.id]);
    assert_eq!(call(&stator.endpoint, Some(&key), "ListTables", "{}").0, 400);
    assert!(keys(&["list"]).contains("disabled"));
    keys(&["delete", &key.id]);
    assert!(!keys(&["list"]).contains(&key.id));
    let said = refused(&["keys", "delete", &key.id, "--data", text(directory.path())], 1);
    assert!(said.contains("does not exist"), "{said}");
}

#[test]
fn status_shows_the_cluster() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut stator = Stator::start(directory.path(), &["--zone", "rack-7", "--memory", "512MiB", "--partitions", "3"]);
    let key = root_key(&mut stator);
    done(&stator.endpoint, Some(&key), "CreateTable", CREATE_TABLE);
    table_is_active(&stator.endpoint, Some(&key));
    let data = text(directory.path());
    let status: Value = serde_json::from_str(&printed(&["status", "--json", "--data", data])).expect("JSON");
    assert_eq!((&status["region"], &status["node_id"]), (&"us-east-1".into(), &1.into()));
    assert_eq!(status["nodes"][0]["zone"], "rack-7");
    assert_eq!(status["nodes"][0]["alive"], true);
    assert_eq!((&status["tables"][0]["name"], &status["tables"][0]["status"]), (&"things".into(), &"ACTIVE".into()));
    assert_eq!(status["partitions"].as_array().map(Vec::len), Some(3));
    assert_eq!((&status["partitions"][0]["leader"], &status["catalog_leader"]), (&1.into(), &1.into()));
    assert_eq!(status["partitions"][0]["replicas"][0]["role"], "leader");
    let storage = |name: &str| status["storage"][name].as_u64().expect("a number");
    assert_eq!(storage("memory_max_bytes"), 512 << 20);
    assert!(storage("cache_bytes") > 0 && storage("write_buffers_bytes") > 0, "{status}");
    assert_eq!((&status["catalog_replicas"][0]["node"], &status["catalog_replicas"][0]["lag"]), (&1.into(), &0.into()));
    assert_eq!(status["warnings"], serde_json::json!([]));
    let shown = printed(&["status", "--data", data]);
    assert!(shown.contains("us-east-1") && shown.contains("rack-7"), "{shown}");
    assert!(printed(&["nodes", "list", "--data", data]).contains(&stator.endpoint));
    let said = refused(&["nodes", "remove", "1", "--data", data], 1);
    assert!(said.contains("the last one"), "{said}");
}

#[test]
fn insights_show_which_keys_are_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut stator = Stator::start(directory.path(), &[]);
    let (key, data) = (root_key(&mut stator), text(directory.path()).to_owned());
    done(&stator.endpoint, Some(&key), "CreateTable", CREATE_TABLE);
    table_is_active(&stator.endpoint, Some(&key));
    let said = refused(&["insights", "things", "--data", &data], 1);
    assert!(said.contains("does not have Contributor Insights enabled"), "{said}");
    let enable = r#"{"TableName":"things","ContributorInsightsAction":"ENABLE"}"#;
    let reply = done(&stator.endpoint, Some(&key), "UpdateContributorInsights", enable);
    assert_eq!(reply["ContributorInsightsStatus"], "ENABLING");
    let hottest = || {
        let shown: Value =
            serde_json::from_str(&printed(&["insights", "things", "--json", "--data", &data])).expect("JSON");
        shown["accessed_partition_keys"][0].clone()
    };
    // The replicas begin to count when they hear of it.
    eventually("a key is counted", || {
        put(&stator.endpoint, Some(&key), "hot");
        hottest()["key"]["id"]["S"] == "hot"
    });
    let before = hottest()["requests"].as_u64().expect("a count");
    for _ in 0..7 {
        put(&stator.endpoint, Some(&key), "hot");
        assert!(has(&stator.endpoint, Some(&key), "hot"));
    }
    put(&stator.endpoint, Some(&key), "cold");
    assert_eq!(hottest()["requests"], before + 14);
    let shown = printed(&["insights", "things", "--top", "1", "--data", &data]);
    assert!(shown.contains(r#"{"id":{"S":"hot"}}"#) && !shown.contains("cold"), "{shown}");
    let said = refused(&["insights", "nothing", "--data", &data], 1);
    assert!(said.contains("there is no table nothing"), "{said}");
}

#[test]
fn nobody_else_can_read_the_data() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let _stator = Stator::start(&data, &[]);
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for name in ["admin.sock", "identity", "tls/node-key.pem"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    assert!(!data.join("tls/ca-key.pem").exists());
}

#[test]
fn logs_as_json() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut start = command(&["start", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--log", "json"]);
    start.args(["--log-level", "info", "--data", text(directory.path())]);
    let log = directory.path().with_extension("log");
    start.stderr(std::fs::File::create(&log).expect("created"));
    let stator = Stator::spawn(start);
    stator.signal("-TERM");
    assert_eq!(stator.ended().0, Some(0));
    let written = std::fs::read_to_string(&log).expect("readable");
    std::fs::remove_file(&log).expect("removed");
    assert!(written.lines().count() > 0);
    for line in written.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        assert!(event["level"].is_string() && event["message"].is_string(), "{event}");
    }
}
