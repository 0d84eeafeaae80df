//! Whole runs against a server within the test that verifies every signature.

use super::{
    BenchArgs, Cell,
    cell::{Call, Found, Read, Table},
    connection::Outgoing,
    peer::Peer,
    report::Report,
    run::measure_all,
    worker::now_ms,
};
use crate::test_server::{Answer, TestServer};
use bytes::Bytes;
use clap::{Parser, ValueEnum};
use http::{Request, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};
use stator_api::sigv4::{Credential, Keyring, Now, SKEW_MS, SignedRequest, verify};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    bench: BenchArgs,
}

fn args(line: &str) -> BenchArgs {
    Program::try_parse_from(format!("bench --access-key AKID --secret-key SECRET {line}").split_whitespace())
        .expect("a good command line")
        .bench
}

struct OneKey;

impl Keyring for OneKey {
    fn credential(&self, access_key: &str) -> Option<Credential> {
        (access_key == "AKID").then(|| Credential { secret: "SECRET".into(), session_token: None, disabled: false })
    }
}

fn verified(request: &Request<Bytes>) -> bool {
    let headers: Vec<(&str, &[u8])> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let uri = request.uri();
    let signed = SignedRequest {
        method: request.method().as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        headers: &headers,
        body: request.body(),
    };
    verify(&signed, &OneKey, Now { ms: now_ms(), skew_ms: SKEW_MS }).is_ok()
}

/// Which tables there are, and how often each operation was asked for.
#[derive(Default)]
struct Seen {
    tables: BTreeMap<String, ()>,
    operations: BTreeMap<String, u64>,
}

const ITEM_BYTES: usize = 200;

/// As much of DynamoDB as the bench can tell from the real one.
fn database(seen: &Arc<Mutex<Seen>>) -> Answer {
    let seen = seen.clone();
    Arc::new(move |request| {
        let reply =
            |status: u16, body: String| Response::builder().status(status).body(Bytes::from(body)).expect("a response");
        if request.uri().path() != "/" {
            return reply(404, String::new());
        }
        if !verified(request) {
            return reply(400, "InvalidSignatureException".into());
        }
        let target = request.headers()["x-amz-target"].to_str().expect("text");
        let operation = target.strip_prefix("DynamoDB_20120810.").expect("the prefix").to_owned();
        let body: Value = serde_json::from_slice(request.body()).expect("JSON");
        let name = body["TableName"].as_str().unwrap_or_default().to_owned();
        let mut seen = seen.lock();
        *seen.operations.entry(operation.clone()).or_default() += 1;
        let exists = seen.tables.contains_key(&name);
        let items = |count: u64| reply(200, "x".repeat(ITEM_BYTES * count as usize));
        match operation.as_str() {
            "CreateTable" => drop(seen.tables.insert(name, ())),
            "DescribeTable" | "DeleteTable" if !exists => return reply(400, "ResourceNotFoundException".into()),
            "DeleteTable" => drop(seen.tables.remove(&name)),
            "GetItem" => return items(1),
            "Query" => return items(body["Limit"].as_u64().expect("a limit")),
            "BatchGetItem" => return items(25),
            _ => {}
        }
        match operation.as_str() {
            "DescribeTable" => reply(200, json!({ "Table": { "TableStatus": "ACTIVE" } }).to_string()),
            "BatchWriteItem" => reply(200, r#"{"UnprocessedItems":{}}"#.into()),
            _ => reply(200, "{}".into()),
        }
    })
}

/// Runs the bench against servers that answer so, and checks that nothing is left behind.
async fn run(line: &str, answers: Vec<Answer>) -> (Report, Vec<u64>) {
    let mut servers = Vec::new();
    for answer in answers {
        servers.push(TestServer::start(answer).await);
    }
    let urls: Vec<&str> = servers.iter().map(|server| server.address.as_str()).collect();
    let common = format!("--items 100 --item-bytes {ITEM_BYTES} --warmup 50ms --duration 150ms --connections 4");
    let line = line.replace("PEER", urls[urls.len() - 1]);
    let args = args(&format!("{common} --endpoints {} {line}", urls[0]));
    let report = tokio::task::spawn_blocking(move || measure_all(&args)).await.expect("no panic").expect("a report");
    (report, servers.iter().map(TestServer::requests).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_is_answered_signed_and_counted() {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let cells: Vec<&str> = Cell::value_variants().iter().map(|cell| cell.name()).collect();
    let (report, _) = run(&format!("--cells {} --threads 2", cells.join(",")), vec![database(&seen)]).await;
    assert_eq!(report.measurements.len(), cells.len());
    for measurement in &report.measurements {
        assert!(measurement.operations > 0 && measurement.failed == 0, "{measurement:?}");
    }
    let seen = seen.lock();
    assert!(seen.tables.is_empty(), "the tables were removed");
    for operation in
        ["PutItem", "GetItem", "UpdateItem", "Query", "Scan", "BatchWriteItem", "BatchGetItem", "TransactWriteItems"]
    {
        assert!(seen.operations.contains_key(operation), "{operation} was never asked for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_compared_in_one_run() {
    let (one, other) = (Arc::default(), Arc::default());
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("report.json");
    let own = std::process::id();
    let line = format!(
        "--cells put --rounds 2 --compare dynamodb=PEER --pids {own} --pids dynamodb={own} --rate 500 --json {}",
        file.display()
    );
    let (report, requests) = run(&line, vec![database(&one), database(&other)]).await;
    let order: Vec<(u64, &str)> = report.measurements.iter().map(|each| (each.round, each.peer.as_str())).collect();
    assert_eq!(order, [(0, "stator"), (0, "dynamodb"), (1, "dynamodb"), (1, "stator")]);
    assert!(report.summary[1].ratios.is_some_and(|ratios| ratios.server_cpu.is_some()), "{:?}", report.summary);
    assert!(requests.iter().all(|&count| count > 0));
    for measurement in &report.measurements {
        let operations = measurement.operations + measurement.not_begun;
        assert!((30..=110).contains(&operations), "500/s for 150 ms: {measurement:?}");
    }
    let written: Value = serde_json::from_str(&std::fs::read_to_string(file).expect("a file")).expect("JSON");
    assert_eq!(written["summary"][1]["peer"], "dynamodb");
    assert!(written["measurements"][0]["operations_per_second"].as_f64().is_some_and(|rate| rate > 0.0));
}

/// A gRPC server that never sends trailers but says at once how it went.
#[tokio::test(flavor = "multi_thread")]
async fn etcd_is_asked_what_it_can_answer() {
    let paths = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let shared = paths.clone();
    let etcd: Answer = Arc::new(move |request| {
        assert_eq!(request.headers()["content-type"], "application/grpc");
        *shared.lock().entry(request.uri().path().to_owned()).or_default() += 1;
        let response = Response::builder().header("grpc-status", "0");
        response.body(Bytes::from("x".repeat(ITEM_BYTES))).expect("a response")
    });
    let (report, _) =
        run("--cells put,strong-get,query --compare etcd=PEER", vec![database(&Arc::default()), etcd]).await;
    let etcd: Vec<&str> =
        report.measurements.iter().filter(|each| each.peer == "etcd").map(|each| each.cell.name()).collect();
    assert_eq!(etcd, ["put", "strong-get"]);
    assert!(report.measurements.iter().all(|each| each.operations > 0 && each.failed == 0), "{report:?}");
    for method in ["Put", "Range", "DeleteRange"] {
        assert!(paths.lock().contains_key(&format!("/etcdserverpb.KV/{method}")), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn short_replies_and_refusals_are_no_successes() {
    for (operation, status, kind) in [("GetItem", 200, "implausible reply"), ("GetItem", 500, "status 500")] {
        let inner = database(&Arc::default());
        let answer: Answer = Arc::new(move |request| {
            let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
            match target.is_some_and(|target| target.ends_with(operation)) {
                true => Response::builder().status(status).body(Bytes::from("{}")).expect("a response"),
                false => inner(request),
            }
        });
        let (report, _) = run("--cells get", vec![answer]).await;
        let measurement = &report.measurements[0];
        assert_eq!(measurement.operations, 0);
        assert_eq!(measurement.errors.keys().collect::<Vec<_>>(), [kind]);
        assert!(measurement.error_example.is_some());
    }
}

/// What a server makes of the bytes on the wire.
fn request(outgoing: Outgoing<'_>) -> Request<Bytes> {
    let Outgoing::Http1(wire) = outgoing else { panic!("DynamoDB's protocol needs HTTP/1.1 only") };
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Request::new(&mut headers);
    let head_bytes = head.parse(wire).expect("a good head").unwrap();
    let mut request = Request::builder().method(head.method.expect("a method")).uri(head.path.expect("a path"));
    for header in head.headers {
        request = request.header(header.name, header.value);
    }
    request.body(Bytes::copy_from_slice(&wire[head_bytes..])).expect("a good request")
}

/// Sizes as DynamoDB counts them: names of attributes and their values.
#[tokio::test]
async fn items_have_the_size_that_was_asked_for() {
    let mut args = args("--no-discovery --endpoints 127.0.0.1:1 --item-bytes 1024");
    args.compare = vec!["etcd=127.0.0.1:2".into()];
    let peers = Peer::all(&args).await.expect("nobody is asked");
    let mut requests = peers[0].requests(1);
    let address = peers[0].endpoints.next();
    let mut prepare = |call| request(requests.prepare(call, &address, now_ms()).expect("a good address").request);
    for (call, count, pointer) in [
        (Call::Put { table: Table::Items, key: 7 }, 1, "/Item"),
        (Call::Put { table: Table::Indexed, key: 7 }, 1, "/Item"),
        (Call::Transact { keys: [1, 2, 3] }, 1, "/TransactItems/2/Put/Item"),
        (Call::TransactInCollection { collection: 1, sorts: [1, 2, 3] }, 1, "/TransactItems/2/Put/Item"),
        (Call::PutInCollection { collection: 1, sort: 2 }, 1, "/Item"),
        (Call::BatchWrite { table: Table::Items, first: 3, count: 25 }, 25, "/RequestItems/stator-bench-items"),
        (Call::FillCollection { collection: 1, first: 0, count: 25 }, 25, "/RequestItems/stator-bench-collections"),
    ] {
        let body: Value = serde_json::from_slice(prepare(call).body()).expect("JSON");
        let found = body.pointer(pointer).expect(pointer);
        let one = [json!({ "PutRequest": { "Item": found } })];
        let items: Vec<&Value> = match found.as_array() {
            Some(requests) => requests.iter().map(|request| &request["PutRequest"]["Item"]).collect(),
            None => one.iter().map(|request| &request["PutRequest"]["Item"]).collect(),
        };
        assert_eq!(items.len(), count);
        for item in items {
            let attributes = item.as_object().expect("an item");
            let bytes: usize =
                attributes.iter().map(|(name, value)| name.len() + value["S"].as_str().map_or(0, str::len)).sum();
            assert_eq!(bytes, 1_024, "{call:?}");
        }
    }
    let get = Call::Get { key: 7, read: Read::Strong, found: Found::Always };
    let request = prepare(get);
    assert!(verified(&request));
    let bent = request.map(|body| body.iter().map(|byte| byte ^ 1).collect());
    assert!(!verified(&bent));
}
