//! `stator dev`.

use crate::{
    client::{CREATE_TABLE, call, done, get, has, put, table_is_active},
    stator::{Stator, command, refused},
};

#[test]
fn serves_anybody_and_ends_with_success() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut stator = Stator::dev(&directory.path().join("data"));
    assert!(stator.line().contains(&format!("--endpoint-url http://{}", stator.endpoint)));
    assert_eq!(done(&stator.endpoint, None, "ListTables", "{}")["TableNames"], serde_json::json!([]));
    let key = crate::client::Key { id: "any".to_owned(), secret: "thing".to_owned() };
    assert_eq!(call(&stator.endpoint, Some(&key), "ListTables", "{}").0, 200);
    assert_eq!(get(&stator.endpoint, "/healthz").0, 200);
    assert_eq!(get(&stator.endpoint, "/readyz").0, 200);
    let metrics = get(&stator.endpoint, "/metrics").1;
    for name in ["stator_storage_log_sync_seconds", "stator_cluster_nodes_alive"] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    stator.signal("-INT");
    assert_eq!(stator.ended(), (Some(0), String::new()));
}

#[test]
fn keeps_its_data_through_a_stop_and_through_a_crash() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let stator = Stator::dev(&data);
    done(&stator.endpoint, None, "CreateTable", CREATE_TABLE);
    table_is_active(&stator.endpoint, None);
    put(&stator.endpoint, None, "one");
    stator.crash();

    let stator = Stator::dev(&data);
    assert!(has(&stator.endpoint, None, "one"));
    put(&stator.endpoint, None, "two");
    stator.signal("-TERM");
    assert_eq!(stator.ended().0, Some(0));

    let stator = Stator::dev(&data);
    assert!(has(&stator.endpoint, None, "one") && has(&stator.endpoint, None, "two"));
}

#[test]
fn ephemeral_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut ephemeral = command(&["dev", "--ephemeral", "--listen", "127.0.0.1:0"]);
    let stator = Stator::spawn({
        ephemeral.env("TMPDIR", directory.path()).current_dir(directory.path());
        ephemeral
    });
    done(&stator.endpoint, None, "ListTables", "{}");
    assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 1);
    stator.signal("-TERM");
    assert_eq!(stator.ended().0, Some(0));
    assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 0);
}

#[test]
fn stays_on_loopback() {
    let said = refused(&["dev", "--ephemeral", "--listen", "0.0.0.0:0"], 2);
    assert!(said.contains("loopback only") && said.contains("stator start"), "{said}");
}
