//! Connections: HTTP/2, TLS, how many, and the end.

use super::{
    client::Client,
    world::{Edge, Weather, open, soon},
};
use crate::{Settings, Tls, TlsSettings};
use http::StatusCode;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::ServerName;
use serde_json::json;
use std::{fs, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

#[tokio::test]
async fn http2_serves_many_at_once() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect_http2(&edge).await;
    client.create_table().await;
    let put = json!({"TableName": "music", "Item": {"artist": {"S": "a"}, "song": {"S": "b"}}});
    client.ok("PutItem", put).await;
    let scanned = client.ok("Scan", json!({"TableName": "music"})).await;
    assert_eq!(scanned["Count"], json!(1));
}

#[tokio::test]
async fn tls_offers_both_protocols() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let directory = tempfile::tempdir().expect("a directory");
    let settings =
        TlsSettings { certificate: directory.path().join("cert.pem"), key: directory.path().join("key.pem") };
    let problem = Tls::load(&settings).map(|_| ()).expect_err("there is no file");
    assert!(problem.to_string().contains("--tls-cert"), "{problem}");
    fs::write(&settings.certificate, made.cert.pem()).expect("it is written");
    fs::write(&settings.key, "no key").expect("it is written");
    let problem = Tls::load(&settings).map(|_| ()).expect_err("there is no key");
    assert!(problem.to_string().contains("--tls-key"), "{problem}");
    fs::write(&settings.key, made.signing_key.serialize_pem()).expect("it is written");
    let tls = Tls::load(&settings).expect("both are there");
    let edge = Edge::start_with(open(), Some(tls)).await;

    for protocol in ["h2", "http/1.1", ""] {
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the usual versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        if !protocol.is_empty() {
            config.alpn_protocols = vec![protocol.into()];
        }
        let stream = TcpStream::connect(edge.address).await.expect("the listener accepts");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake");
        let mut client = match protocol {
            "h2" => Client::over_http2(stream, "localhost".into()).await,
            _ => Client::over(stream, "localhost".into()).await,
        };
        assert_eq!(client.ok("ListTables", json!({})).await, json!({"TableNames": []}), "{protocol}");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let edge = Edge::start(Settings { connections_max: 2, ..open() }).await;
    let mut first = Client::connect(&edge).await;
    let mut second = Client::connect(&edge).await;
    first.ok("ListTables", json!({})).await;
    second.ok("ListTables", json!({})).await;
    let mut third = TcpStream::connect(edge.address).await.expect("the system accepts");
    let closed = soon(third.read(&mut [0; 1])).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    drop(second);
    while !first.get("/metrics").await.text().contains("stator_gateway_connections 1\n") {
        tokio::task::yield_now().await;
    }
    Client::connect(&edge).await.ok("ListTables", json!({})).await;
}

#[tokio::test]
async fn a_client_that_stops_sending_gets_its_reply() {
    let edge = Edge::start(open()).await;
    Client::connect(&edge).await.create_table().await;
    edge.world.weather.send_replace(Weather::Wait);
    let body = json!({"TableName": "music", "Key": {"artist": {"S": "a"}, "song": {"S": "b"}}}).to_string();
    let mut stream = TcpStream::connect(edge.address).await.expect("the listener accepts");
    let head = format!(
        "POST / HTTP/1.1\r\nhost: stator\r\nx-amz-target: DynamoDB_20120810.GetItem\r\n\
         content-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.expect("sent");
    stream.shutdown().await.expect("nothing more is sent");
    let mut looking = Client::connect(&edge).await;
    let waits = async {
        while !looking.get("/metrics").await.text().contains("requests_in_flight 1") {
            tokio::task::yield_now().await;
        }
    };
    soon(waits).await;
    edge.world.weather.send_replace(Weather::Fair);
    let mut reply = String::new();
    soon(stream.read_to_string(&mut reply)).await.expect("a reply");
    assert!(reply.starts_with("HTTP/1.1 200 OK") && reply.ends_with("{}"), "{reply}");
}

#[tokio::test]
async fn a_shutdown_lets_requests_finish_and_closes_the_rest() {
    let edge = Edge::start(open()).await;
    let mut idle = Client::connect(&edge).await;
    idle.create_table().await;
    let silent = TcpStream::connect(edge.address).await.expect("the listener accepts");
    edge.world.weather.send_replace(Weather::Wait);
    let mut busy = Client::connect(&edge).await;
    let get = json!({"TableName": "music", "Key": {"artist": {"S": "a"}, "song": {"S": "b"}}});
    let under_way = tokio::spawn(async move { busy.call("GetItem", get).await });
    while !idle.get("/metrics").await.text().contains("requests_in_flight 1") {
        tokio::task::yield_now().await;
    }
    edge.shutdown.cancel();
    idle.closed().await;
    assert!(!edge.serving.is_finished(), "a request is under way");
    assert!(TcpStream::connect(edge.address).await.is_err(), "nobody new is let in");
    edge.world.weather.send_replace(Weather::Fair);
    let reply = soon(under_way).await.expect("no panic");
    assert_eq!(reply.status, StatusCode::OK);
    soon(edge.serving).await.expect("no panic");
    drop(silent);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let shutdown_time_max = std::time::Duration::from_millis(50);
    let edge = Edge::start(Settings { shutdown_time_max, ..open() }).await;
    let mut client = Client::connect(&edge).await;
    client.create_table().await;
    edge.world.weather.send_replace(Weather::Wait);
    let mut busy = Client::connect(&edge).await;
    let get = json!({"TableName": "music", "Key": {"artist": {"S": "a"}, "song": {"S": "b"}}});
    let under_way =
        tokio::spawn(async move { busy.try_send(super::client::request("GetItem", get.to_string())).await });
    while !client.get("/metrics").await.text().contains("requests_in_flight 1") {
        tokio::task::yield_now().await;
    }
    edge.shutdown.cancel();
    soon(edge.serving).await.expect("no panic");
    assert!(soon(under_way).await.expect("no panic").is_err(), "it was cut off");
}
