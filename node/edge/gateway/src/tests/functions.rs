//! The Lambda API from end to end, but for what runs code: that is a function of the tests.

use super::{
    client::{Client, Reply, plain, set},
    world::{Edge, World, open, soon},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use prometheus_client::registry::Registry;
use serde_json::{Value as Json, json};
use stator_catalog::{Change, FunctionChange, FunctionChangeKind};
use stator_cluster::{Deadline, Tables};
use stator_environment::{BoxFuture, Environment};
use stator_functions::{Deployment, FailureKind, Invocation, Invoked, Outcome, RunError};
use stator_invocation::{Functions, FunctionsParts, Runs, Settings, StoredCode};
use std::{
    io::{Cursor, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use zip::{ZipWriter, write::SimpleFileOptions};

const FUNCTIONS: &str = "/2015-03-31/functions";
const ROLE: &str = "arn:aws:iam::000000000000:role/any";

/// Answers with the event, or fails if that asks for it. `"never"`: it cannot be run.
#[derive(Default)]
struct Echo {
    runs: AtomicUsize,
}

impl Runs for Echo {
    fn run(&self, _deployment: Arc<Deployment>, invocation: Invocation) -> BoxFuture<'_, Result<Invoked, RunError>> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let payload = invocation.payload;
        let outcome = match &payload[..] {
            b"\"never\"" => return Box::pin(async { Err(RunError::NoRoom) }),
            b"\"fail\"" => {
                let payload = Bytes::from_static(b"{\"errorType\":\"Any\"}");
                Outcome::Failed { kind: FailureKind::Unhandled, payload }
            }
            _ => Outcome::Answered { payload },
        };
        let took = Duration::from_millis(1);
        let log_tail = b"START".to_vec();
        let invoked = Invoked { outcome, log_tail, duration: took, billed: took, init: None, max_memory_mb: 1 };
        Box::pin(async { Ok(invoked) })
    }

    fn retire(&self, _arn: &str) {}
}

struct Node {
    edge: Edge,
    client: Client,
    echo: Arc<Echo>,
    tasks: Vec<stator_environment::Task>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.tasks.iter().for_each(stator_environment::Task::stop);
        self.edge.shutdown.cancel();
    }
}

impl Node {
    async fn start() -> Node {
        let (world, echo) = (World::new(), Arc::new(Echo::default()));
        let quick = Duration::from_millis(5);
        let parts = FunctionsParts {
            environment: Environment::system(),
            door: world.clone(),
            tables: world.clone(),
            runner: echo.clone(),
            settings: Settings {
                retry_waits: [quick, quick],
                throttle_waits: [quick, quick],
                events_look_every: quick,
                ..Settings::default()
            },
        };
        let functions = Functions::new(parts, &mut Registry::default());
        let tasks = functions.begin();
        let edge = Edge::serve(world, Some(functions), open(), None).await;
        let client = Client::connect(&edge).await;
        Node { edge, client, echo, tasks }
    }

    async fn send(&mut self, method: &str, path: &str, body: impl Into<Bytes>) -> Reply {
        self.client.send(request(method, path, body)).await
    }

    async fn create(&mut self, name: &str, more: Json) -> Reply {
        let mut body = json!({
            "FunctionName": name,
            "Role": ROLE,
            "Runtime": "python3.12",
            "Handler": "app.handle",
            "Code": { "ZipFile": STANDARD.encode(zipped(name)) },
        });
        if let (Some(members), Some(more)) = (body.as_object_mut(), more.as_object()) {
            members.extend(more.clone());
        }
        self.send("POST", FUNCTIONS, body.to_string()).await
    }

    async fn event(&mut self, name: &str, payload: &'static str) -> String {
        let mut request = request("POST", &format!("{FUNCTIONS}/{name}/invocations"), payload);
        set(&mut request, "x-amz-invocation-type", "Event");
        let reply = self.client.send(request).await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        reply.header("x-amzn-requestid").to_owned()
    }

    /// A table that takes records, and its ARN.
    async fn records(&mut self) -> String {
        let reply = self
            .client
            .ok(
                "CreateTable",
                json!({
                    "TableName": "records",
                    "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
                    "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
                    "BillingMode": "PAY_PER_REQUEST",
                }),
            )
            .await;
        reply["TableDescription"]["TableArn"].as_str().expect("an ARN").to_owned()
    }

    /// Waits for the record of a request.
    async fn record(&mut self, request: &str) -> Json {
        let key = json!({ "TableName": "records", "Key": { "id": { "S": request } } });
        soon(async {
            loop {
                let reply = self.client.ok("GetItem", key.clone()).await;
                if let Some(record) = reply["Item"]["record"]["S"].as_str() {
                    return serde_json::from_str(record).expect("a record is JSON");
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }
}

fn request(method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = plain(method, path);
    *request.body_mut() = Full::new(body.into());
    request
}

fn zipped(text: &str) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("app.py", SimpleFileOptions::default()).expect("a file");
    writer.write_all(text.as_bytes()).expect("memory takes whatever is written");
    writer.finish().expect("memory takes whatever is written").into_inner()
}

fn json_of(reply: &Reply) -> Json {
    serde_json::from_slice(&reply.body).expect("the body is JSON")
}

#[tokio::test]
async fn functions_are_made_invoked_and_deleted() {
    let mut node = Node::start().await;
    let made = node.create("f", json!({})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.header("content-type"), "application/json");
    assert_eq!(made.header("x-amzn-requestid").len(), 36);

    let shown = json_of(&node.send("GET", &format!("{FUNCTIONS}/f/"), "").await);
    let location = shown["Code"]["Location"].as_str().expect("a location").to_owned();
    let path = location.strip_prefix(&format!("http://{}", node.client.host())).expect("this node").to_owned();
    let zip = node.client.get(&path).await;
    assert_eq!((zip.status.as_u16(), zip.body.to_vec()), (200, zipped("f")));
    assert_eq!(node.client.get(&path[..path.len() - 3]).await.status, 403);

    let mut asked = request("POST", &format!("{FUNCTIONS}/f/invocations"), "{\"a\":1}");
    set(&mut asked, "x-amz-log-type", "Tail");
    let reply = node.client.send(asked).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "{\"a\":1}"));
    assert_eq!(reply.header("x-amz-executed-version"), "$LATEST");
    assert_eq!(reply.header("x-amz-log-result"), STANDARD.encode("START"));
    let failed = node.send("POST", &format!("{FUNCTIONS}/f/invocations"), "\"fail\"").await;
    assert_eq!((failed.status.as_u16(), failed.header("x-amz-function-error")), (200, "Unhandled"));
    let throttled = node.send("POST", &format!("{FUNCTIONS}/f/invocations"), "\"never\"").await;
    assert_eq!((throttled.status.as_u16(), throttled.header("x-amzn-errortype")), (429, "TooManyRequestsException"));
    assert_eq!(throttled.header("retry-after"), "1");

    assert_eq!(node.send("DELETE", &format!("{FUNCTIONS}/f"), "").await.status, 204);
    let gone = node.send("GET", &format!("{FUNCTIONS}/f"), "").await;
    assert_eq!((gone.status.as_u16(), gone.header("x-amzn-errortype")), (404, "ResourceNotFoundException"));
    let unknown = node.send("GET", "/2015-03-31/nothing", "").await;
    assert_eq!((unknown.status.as_u16(), unknown.header("x-amzn-errortype")), (403, "AccessDeniedException"));
}

#[tokio::test]
async fn no_client_sees_or_reaches_the_clusters_own_tables() {
    let mut node = Node::start().await;
    node.create("f", json!({})).await;
    let list = node.client.ok("ListTables", json!({})).await;
    assert_eq!(list["TableNames"], json!([]));
    let statement = json!({ "Statement": "SELECT * FROM \"stator:function-code\"" });
    let reply = node.client.call("ExecuteStatement", statement).await;
    assert_ne!(reply.status, 200, "{}", reply.text());
    for name in ["stator:function-code", "arn:aws:dynamodb:eu-central-1:000000000000:table/stator:function-code"] {
        for operation in ["DescribeTable", "Scan", "DeleteTable"] {
            let reply = node.client.call(operation, json!({ "TableName": name })).await;
            assert_ne!(reply.status, 200, "{operation} {name}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn events_end_with_a_record() {
    let mut node = Node::start().await;
    let arn = node.records().await;
    node.create("f", json!({ "DeadLetterConfig": { "TargetArn": arn } })).await;
    let config = json!({ "DestinationConfig": { "OnSuccess": { "Destination": arn } } });
    let path = "/2019-09-25/functions/f/event-invoke-config";
    let configured = node.send("PUT", path, config.to_string()).await;
    assert_eq!(configured.status, 200, "{}", configured.text());

    let good = node.event("f", "[1]").await;
    let record = node.record(&good).await;
    assert_eq!(record["requestContext"]["condition"], "Success");
    assert_eq!((&record["requestPayload"], &record["responsePayload"]), (&json!([1]), &json!([1])));
    let runs = node.echo.runs.load(Ordering::Relaxed);
    let bad = node.event("f", "\"fail\"").await;
    assert_eq!(node.record(&bad).await, json!("fail"), "a dead letter is the event itself");
    assert_eq!(node.echo.runs.load(Ordering::Relaxed) - runs, 3, "one try and two retries");

    let config = json!({
        "MaximumRetryAttempts": 0,
        "DestinationConfig": { "OnSuccess": { "Destination": "" }, "OnFailure": { "Destination": arn } },
    });
    node.send("POST", path, config.to_string()).await;
    let update = json!({ "DeadLetterConfig": { "TargetArn": "" } });
    let updated = node.send("PUT", &format!("{FUNCTIONS}/f/configuration"), update.to_string()).await;
    assert_eq!(updated.status, 200, "{}", updated.text());
    let bad = node.event("f", "\"fail\"").await;
    let record = node.record(&bad).await;
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 1);
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
}

#[tokio::test]
async fn large_bodies_are_for_code_only() {
    let mut node = Node::start().await;
    let large = Bytes::from(vec![b'x'; 7 << 20]);
    let reply = node.send("POST", &format!("{FUNCTIONS}/f/versions"), large.clone()).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-amzn-errortype")), (413, "RequestEntityTooLargeException"));
    let mut client = Client::connect(&node.edge).await;
    let reply = client.send(request("POST", &format!("{FUNCTIONS}/f/invocations"), large.clone())).await;
    assert_eq!(reply.status, 413);
    let mut client = Client::connect(&node.edge).await;
    let reply = client.send(request("POST", FUNCTIONS, large)).await;
    assert_eq!(reply.header("x-amzn-errortype"), "InvalidRequestContentException", "it was read whole");
}

fn in_a_while() -> Deadline {
    Deadline(Environment::system().clock.elapsed() + Duration::from_secs(20))
}

#[tokio::test]
async fn code_is_kept_as_long_as_a_version_or_a_new_upload_needs_it() {
    let mut node = Node::start().await;
    node.create("f", json!({})).await;
    let (world, environment) = (node.edge.world.clone(), Environment::system());
    let code = StoredCode::new(world.clone(), world.clone(), environment.clone());
    let used = world.catalog().function("f").expect("it is there").latest.code.sha256;
    let large = Bytes::from(vec![7; 1_000_000]);
    let unused = code.write(large.clone(), in_a_while()).await.expect("it is stored").code.sha256;
    assert_eq!(code.read(unused, in_a_while()).await, Ok(Some(large.clone())));

    let now_ms = environment.clock.wall_ms();
    let hour = Duration::from_secs(3_600);
    assert_eq!(code.sweep(hour, now_ms).await, Ok(0), "an upload may not have ended");
    let later_ms = now_ms + 2 * 3_600_000;
    assert_eq!(code.sweep(hour, later_ms).await, Ok(1));
    assert_eq!(code.read(unused, in_a_while()).await, Ok(None));
    assert!(code.read(used, in_a_while()).await.is_ok_and(|zip| zip.is_some()));

    let what = FunctionChangeKind::Delete { version: None };
    let change = FunctionChange { function: "f".into(), what, revision: 0, if_revision: None };
    world.change(Change::Function(Box::new(change)), in_a_while()).await.expect("it is deleted");
    assert_eq!(code.sweep(hour, later_ms).await, Ok(1));
    assert_eq!(code.read(used, in_a_while()).await, Ok(None));
}
