//! The least of an HTTP client: one request a connection, signed or not.

use serde_json::Value;
use stator_api::sigv4::{SignedRequest, Signer};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const ANSWER_MAX: Duration = Duration::from_secs(30);

/// An access key.
pub struct Key {
    pub id: String,
    pub secret: String,
}

impl Key {
    /// Out of the lines that show a new one.
    pub fn printed(text: &str) -> Key {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {text:?}")).to_owned()
        };
        Key { id: value("AWS_ACCESS_KEY_ID="), secret: value("AWS_SECRET_ACCESS_KEY=") }
    }
}

/// Calls an operation; status and body.
pub fn call(endpoint: &str, key: Option<&Key>, operation: &str, body: &str) -> (u16, Value) {
    let target = format!("DynamoDB_20120810.{operation}");
    let headers = [("host", endpoint.as_bytes()), ("x-amz-target", target.as_bytes())];
    let mut head = format!(
        "POST / HTTP/1.1\r\nhost: {endpoint}\r\nx-amz-target: {target}\r\ncontent-type: application/x-amz-json-1.0\r\n\
         connection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    if let Some(key) = key {
        let request = SignedRequest { method: "POST", path: "/", query: "", headers: &headers, body: body.as_bytes() };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64;
        let signed = Signer::new(&*key.id, &*key.secret, "us-east-1").sign(&request, now);
        head += &format!("authorization: {}\r\nx-amz-date: {}\r\n", signed.authorization, signed.date);
    }
    let (status, body) = exchange(endpoint, &format!("{head}\r\n{body}"));
    let body = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body:?}"));
    (status, body)
}

/// Calls an operation that must succeed.
pub fn done(endpoint: &str, key: Option<&Key>, operation: &str, body: &str) -> Value {
    let (status, reply) = call(endpoint, key, operation, body);
    assert_eq!(status, 200, "{operation}: {reply}");
    reply
}

/// The body of a GET.
pub fn get(endpoint: &str, path: &str) -> (u16, String) {
    exchange(endpoint, &format!("GET {path} HTTP/1.1\r\nhost: {endpoint}\r\nconnection: close\r\n\r\n"))
}

fn exchange(endpoint: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(endpoint).expect("it listens");
    stream.set_read_timeout(Some(ANSWER_MAX)).expect("a time above zero");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it answers");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a whole head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

pub const CREATE_TABLE: &str = r#"{"TableName":"things","BillingMode":"PAY_PER_REQUEST",
    "AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],
    "KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#;

/// Waits for the table of [`CREATE_TABLE`].
pub fn table_is_active(endpoint: &str, key: Option<&Key>) {
    crate::stator::eventually("an active table", || {
        let reply = done(endpoint, key, "DescribeTable", r#"{"TableName":"things"}"#);
        reply["Table"]["TableStatus"] == "ACTIVE"
    });
}

pub fn put(endpoint: &str, key: Option<&Key>, id: &str) {
    done(endpoint, key, "PutItem", &format!(r#"{{"TableName":"things","Item":{{"id":{{"S":"{id}"}}}}}}"#));
}

/// Whether a strong read finds the item.
pub fn has(endpoint: &str, key: Option<&Key>, id: &str) -> bool {
    let body = format!(r#"{{"TableName":"things","ConsistentRead":true,"Key":{{"id":{{"S":"{id}"}}}}}}"#);
    done(endpoint, key, "GetItem", &body)["Item"]["id"]["S"] == id
}
