//! Replies byte by byte, as far as they do not name a moment or a request: what a client that looks closely depends on.

use super::world::{Edge, open, soon};
use crate::Settings;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Headers that differ from reply to reply, or that HTTP's own layer adds.
const NOT_COMPARED: [&str; 4] = ["date", "x-amzn-requestid", "server", "connection"];

/// One request on a connection of its own: status line, headers in order of their names, body.
async fn exchange(edge: &Edge, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(edge.address).await.expect("the listener accepts");
    let length = body.len();
    let sent = format!("{head}\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(sent.as_bytes()).await.expect("the bytes are sent");
    let mut reply = String::new();
    soon(stream.read_to_string(&mut reply)).await.expect("a whole reply");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let mut headers: Vec<&str> = lines.filter(|line| !NOT_COMPARED.iter().any(|name| line.starts_with(name))).collect();
    headers.sort_unstable();
    format!("{status}\n{}\n\n{body}", headers.join("\n"))
}

/// A reply of the protocol. The checksum is spelled out: computing it here would prove nothing.
fn json(status: &str, crc32: u32, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\ncontent-length: {length}\ncontent-type: application/x-amz-json-1.0\nx-amz-crc32: {crc32}\n\n{body}"
    )
}

fn target(operation: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nx-amz-target: DynamoDB_20120810.{operation}\r\ncontent-type: application/x-amz-json-1.0"
    )
}

const NOT_THE_PROTOCOL: &str =
    "HTTP/1.1 404 Not Found\ncontent-length: 29\nx-amz-crc32: 3552371480\n\n<UnknownOperationException/>\n";

#[tokio::test]
async fn what_does_not_speak_the_protocol_gets_no_json() {
    let edge = Edge::start(open()).await;
    let list = "POST / HTTP/1.1\r\nx-amz-target: DynamoDB_20120810.ListTables";
    for head in [
        "POST / HTTP/1.1",
        list,
        &format!("{list}\r\ncontent-type: application/x-www-form-urlencoded"),
        &format!("{list}\r\ncontent-type: text/plain; a=application/json"),
        &format!("{list}\r\ncontent-type: application/x-amz-json-2.0"),
        "POST /other HTTP/1.1\r\ncontent-type: application/x-amz-json-1.0",
        "POST /metrics HTTP/1.1",
        "PUT / HTTP/1.1",
        "DELETE / HTTP/1.1",
        "OPTIONS / HTTP/1.1",
        "GET /other HTTP/1.1",
    ] {
        assert_eq!(exchange(&edge, head, "{}").await, NOT_THE_PROTOCOL, "{head}");
    }
}

#[tokio::test]
async fn content_types_of_json_are_taken() {
    let edge = Edge::start(open()).await;
    let expected = json("200 OK", 1_315_925_753, r#"{"TableNames":[]}"#);
    for content_type in [
        "application/x-amz-json-1.0",
        "application/x-amz-json-1.1",
        "application/json",
        "application/json; charset=utf-8",
        "Application/X-AMZ-JSON-1.0 ;charset=utf-8",
    ] {
        let head =
            format!("POST / HTTP/1.1\r\nx-amz-target: DynamoDB_20120810.ListTables\r\ncontent-type: {content_type}");
        assert_eq!(exchange(&edge, &head, "{}").await, expected, "{content_type}");
    }
}

#[tokio::test]
async fn unknown_targets_are_refused_before_anything_is_read() {
    let edge = Edge::start(Settings::default()).await;
    let unknown = r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;
    let expected = json("400 Bad Request", 1_368_724_161, unknown);
    let untargeted = "POST / HTTP/1.1\r\ncontent-type: application/x-amz-json-1.0";
    for head in [
        untargeted.to_owned(),
        format!("{untargeted}\r\nx-amz-target: "),
        format!("{untargeted}\r\nx-amz-target: ListTables"),
        format!("{untargeted}\r\nx-amz-target: DynamoDB_20111205.ListTables"),
        format!("{untargeted}\r\nx-amz-target: dynamodb_20120810.ListTables"),
        format!("{untargeted}\r\nx-amz-target: DynamoDBStreams_20120810.ListTables"),
        target("listTables"),
        target("ListTables2"),
    ] {
        for body in ["", "{", "{}"] {
            assert_eq!(exchange(&edge, &head, body).await, expected, "{head} {body}");
        }
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_are_told_without_a_text() {
    let edge = Edge::start(open()).await;
    let refusal = r#"{"__type":"com.amazon.coral.service#SerializationException"}"#;
    let expected = json("400 Bad Request", 3_948_637_019, refusal);
    for body in ["", " ", "{", "{\"Limit\":}", "{} {}", "{'Limit':1}"] {
        assert_eq!(exchange(&edge, &target("ListTables"), body).await, expected, "{body:?}");
    }
}

#[tokio::test]
async fn missing_and_broken_credentials_are_told_in_full() {
    let edge = Edge::start(Settings::default()).await;
    let list = target("ListTables");
    let missing = r#"{"__type":"com.amazon.coral.service#MissingAuthenticationTokenException","message":"Request is missing Authentication Token"}"#;
    assert_eq!(exchange(&edge, &list, "{}").await, json("400 Bad Request", 2_088_342_776, missing));

    let incomplete = |text: &str| {
        format!(r#"{{"__type":"com.amazon.coral.service#IncompleteSignatureException","message":"{text}"}}"#)
    };
    let everything = "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' \
                      parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires \
                      existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256";
    for (authorization, crc32, text) in [
        ("AWS4-HMAC-SHA256", 3_707_026_857, everything.to_owned()),
        (
            "AWS4-HMAC-SHA256 Credential=a, Signature=b, SignedHeaders=c",
            51_815_188,
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. \
             Authorization=AWS4-HMAC-SHA256 Credential=a, Signature=b, SignedHeaders=c"
                .to_owned(),
        ),
    ] {
        let head = format!("{list}\r\nauthorization: {authorization}");
        assert_eq!(exchange(&edge, &head, "{}").await, json("400 Bad Request", crc32, &incomplete(&text)));
    }
}

#[tokio::test]
async fn health_is_told_in_dynamodbs_words() {
    let edge = Edge::start(Settings::default()).await;
    let reply = exchange(&edge, "GET / HTTP/1.1", "").await;
    let expected = "HTTP/1.1 200 OK\ncontent-length: 45\ncontent-type: text/plain; charset=utf-8\n\
                    x-amz-crc32: 4124901833\n\nhealthy: dynamodb.eu-central-1.amazonaws.com ";
    assert_eq!(reply, expected);
}
