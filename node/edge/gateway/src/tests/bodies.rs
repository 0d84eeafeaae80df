//! Bodies: compressed, too large, cut off; and what browsers are told.

use super::{
    client::{Client, plain, request, set},
    world::{Edge, Weather, open, soon},
};
use crate::{Settings, body::BODY_BYTES_MAX};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use http::StatusCode;
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes whatever is written");
    encoder.finish().expect("memory takes whatever is written")
}

#[tokio::test]
async fn requests_and_replies_may_be_compressed() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    client.create_table().await;
    let text = "x".repeat(20_000);
    let item = json!({"artist": {"S": "a"}, "song": {"S": "b"}, "text": {"S": text}});
    let put = json!({"TableName": "music", "Item": item}).to_string();
    let mut compressed = request("PutItem", gzip(put.as_bytes()));
    set(&mut compressed, "content-encoding", "gzip");
    assert_eq!(client.send(compressed).await.status, StatusCode::OK);

    let get = json!({"TableName": "music", "Key": {"artist": {"S": "a"}, "song": {"S": "b"}}});
    let plain = client.call("GetItem", get.clone()).await;
    assert_eq!(plain.header("content-encoding"), "");
    let mut asking = request("GetItem", get.to_string());
    set(&mut asking, "accept-encoding", "deflate, gzip");
    let small = client.send(asking.clone()).await;
    assert_eq!(small.header("content-encoding"), "gzip");
    assert_eq!(small.header("x-amz-crc32"), crc32fast::hash(&small.body).to_string());
    assert!(small.body.len() < 1_000);
    let mut unpacked = Vec::new();
    GzDecoder::new(&small.body[..]).read_to_end(&mut unpacked).expect("it is gzip");
    assert_eq!(unpacked, plain.body);

    let mut bomb = request("PutItem", gzip(&vec![b' '; BODY_BYTES_MAX + 1]));
    set(&mut bomb, "content-encoding", "gzip");
    assert_eq!(client.send(bomb).await.error(), (413, "RequestEntityTooLargeException".into()));
    let mut damaged = request("PutItem", &b"not gzip"[..]);
    set(&mut damaged, "content-encoding", "gzip");
    assert_eq!(client.send(damaged).await.error(), (400, "SerializationException".into()));
}

/// Sends bytes and reads until the server closes.
async fn exchange(edge: &Edge, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(edge.address).await.expect("the listener accepts");
    stream.write_all(bytes).await.expect("the bytes are sent");
    let mut answer = Vec::new();
    let closed = soon(stream.read_to_end(&mut answer)).await;
    // A connection is reset, not ended, where bytes are left unread.
    assert!(closed.map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true));
    String::from_utf8_lossy(&answer).into_owned()
}

const HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\nx-amz-target: DynamoDB_20120810.ListTables\r\n\
                    content-type: application/x-amz-json-1.0\r\n";

#[tokio::test]
async fn bodies_that_are_too_large_are_refused_unread() {
    let edge = Edge::start(open()).await;
    let answer = exchange(&edge, format!("{HEAD}content-length: {}\r\n\r\n", BODY_BYTES_MAX + 1).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("RequestEntityTooLargeException") && answer.contains("connection: close"), "{answer}");
    let garbage = exchange(&edge, b"\x16\x03\x01 this is not HTTP\r\n\r\n").await;
    assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400 "), "{garbage}");
}

#[tokio::test]
async fn requests_that_never_end_are_closed() {
    let wait_max = std::time::Duration::from_millis(100);
    let edge = Edge::start(Settings { head_wait_max: wait_max, body_wait_max: wait_max, ..open() }).await;
    for (case, sent) in [
        ("nothing", String::new()),
        ("part of what might be HTTP/2", "PR".into()),
        ("part of a head", HEAD.into()),
        ("part of a body", format!("{HEAD}content-length: 2\r\n\r\n{{")),
    ] {
        assert_eq!(exchange(&edge, sent.as_bytes()).await, "", "{case}");
    }
    // Idle after a request, over either protocol.
    let mut client = Client::connect(&edge).await;
    client.ok("ListTables", json!({})).await;
    client.closed().await;
    let mut client = Client::connect_http2(&edge).await;
    client.ok("ListTables", json!({})).await;
    client.closed().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_has_no_effect() {
    let edge = Edge::start(open()).await;
    let mut stream = TcpStream::connect(edge.address).await.expect("the listener accepts");
    stream.write_all(format!("{HEAD}content-length: 20\r\n\r\n{{}}").as_bytes()).await.expect("it is sent");
    stream.shutdown().await.expect("the sending side closes");
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.expect("the server closes");
    assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    Client::connect(&edge).await.ok("ListTables", json!({})).await;
}

#[tokio::test]
async fn what_is_too_much_at_once_is_throttled() {
    let edge = Edge::start(Settings { requests_max: 1, bodies_bytes_max: 1_000, ..open() }).await;
    let mut client = Client::connect(&edge).await;
    let large = request("ListTables", " ".repeat(1_001));
    assert_eq!(client.send(large).await.error(), (400, "ThrottlingException".into()));

    let mut client = Client::connect(&edge).await;
    client.create_table().await;
    edge.world.weather.send_replace(Weather::Wait);
    let mut waiting = Client::connect(&edge).await;
    let get = json!({"TableName": "music", "Key": {"artist": {"S": "a"}, "song": {"S": "b"}}});
    let first = tokio::spawn(async move { waiting.call("GetItem", get).await });
    while !client.get("/metrics").await.text().contains("requests_in_flight 1") {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.call("ListTables", json!({})).await.error(), (400, "ThrottlingException".into()));
    edge.world.weather.send_replace(Weather::Fair);
    assert_eq!(soon(first).await.expect("no panic").status, StatusCode::OK);
    client.ok("ListTables", json!({})).await;
}

#[tokio::test]
async fn browsers_are_let_in_only_where_that_is_set() {
    let from = |origin: &str, method: &str| {
        let mut sent = if method == "POST" { request("ListTables", "{}") } else { plain(method, "/") };
        set(&mut sent, "origin", origin);
        if method == "OPTIONS" {
            set(&mut sent, "access-control-request-method", "POST");
            set(&mut sent, "access-control-request-headers", "x-amz-target");
        }
        sent
    };
    let allowed = "access-control-allow-origin";
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    assert_eq!(client.send(from("https://a.example", "POST")).await.header(allowed), "");
    assert_eq!(client.send(from("https://a.example", "OPTIONS")).await.status, StatusCode::NOT_FOUND);

    let edge = Edge::start(Settings { cors_origins: vec!["https://a.example".into()], ..open() }).await;
    let mut client = Client::connect(&edge).await;
    let reply = client.send(from("https://a.example", "POST")).await;
    assert_eq!((reply.header(allowed), reply.header("vary")), ("https://a.example", "origin"));
    let preflight = client.send(from("https://a.example", "OPTIONS")).await;
    assert_eq!((preflight.status, preflight.header(allowed)), (StatusCode::OK, "https://a.example"));
    assert_eq!(preflight.header("access-control-allow-headers"), "x-amz-target");
    assert_eq!(preflight.header("access-control-allow-methods"), "POST");
    assert_eq!(client.send(from("https://b.example", "POST")).await.header(allowed), "");
    assert_eq!(client.send(from("https://b.example", "OPTIONS")).await.status, StatusCode::NOT_FOUND);
}
