//! Signatures, checked over the wire.

use super::{
    client::{Client, plain, request, set},
    world::{ACCESS_KEY, Edge, SECRET},
};
use crate::Settings;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, StatusCode};
use http_body_util::Full;
use sha2::{Digest, Sha256};
use stator_api::sigv4::{SignedRequest, Signer};
use stator_environment::{Clock, SystemClock};

const BODY: &str = "{}";
const MINUTE_MS: u64 = 60_000;

/// Who signs, and when.
struct Signing {
    access_key: &'static str,
    secret: &'static str,
    now_ms: u64,
}

fn signing() -> Signing {
    Signing { access_key: ACCESS_KEY, secret: SECRET, now_ms: SystemClock.wall_ms() }
}

fn signed(host: &str, by: Signing) -> Request<Full<Bytes>> {
    let mut signed = request("ListTables", BODY);
    let target = b"DynamoDB_20120810.ListTables";
    let headers: [(&str, &[u8]); 2] = [("host", host.as_bytes()), ("x-amz-target", target)];
    let unsigned = SignedRequest { method: "POST", path: "/", query: "", headers: &headers, body: BODY.as_bytes() };
    let made = Signer::new(by.access_key, by.secret, "mars-north-1").sign(&unsigned, by.now_ms);
    set(&mut signed, "authorization", &made.authorization);
    set(&mut signed, "x-amz-date", &made.date);
    signed
}

#[tokio::test]
async fn signatures_are_verified() {
    let edge = Edge::start(Settings::default()).await;
    let mut client = Client::connect(&edge).await;
    let host = client.host().to_owned();
    let again = || signed(&host, signing());
    assert_eq!(client.send(again()).await.status, StatusCode::OK);
    // The derived key is kept: a second request meets it.
    assert_eq!(client.send(again()).await.status, StatusCode::OK);

    let mut tampered = again();
    *tampered.body_mut() = Full::new(Bytes::from_static(b"{ }"));
    let mut retargeted = again();
    set(&mut retargeted, "x-amz-target", "DynamoDB_20120810.DescribeLimits");
    let mut incomplete = again();
    set(&mut incomplete, "authorization", "AWS4-HMAC-SHA256 Credential=x");
    let now_ms = signing().now_ms;
    for (case, request, error) in [
        ("nothing", request("ListTables", BODY), "MissingAuthenticationToken"),
        ("parts missing", incomplete, "IncompleteSignature"),
        ("unknown key", signed(&host, Signing { access_key: "AKIDOTHER", ..signing() }), "UnrecognizedClient"),
        ("wrong secret", signed(&host, Signing { secret: "other", ..signing() }), "InvalidSignature"),
        ("other body", tampered, "InvalidSignature"),
        ("other operation", retargeted, "InvalidSignature"),
        ("expired", signed(&host, Signing { now_ms: now_ms - 16 * MINUTE_MS, ..signing() }), "InvalidSignature"),
        ("early", signed(&host, Signing { now_ms: now_ms + 16 * MINUTE_MS, ..signing() }), "InvalidSignature"),
    ] {
        assert_eq!(client.send(request).await.error(), (400, format!("{error}Exception")), "{case}");
    }
    let late = signed(&host, Signing { now_ms: now_ms - 14 * MINUTE_MS, ..signing() });
    assert_eq!(client.send(late).await.status, StatusCode::OK);
}

#[tokio::test]
async fn over_http2_the_authority_is_the_host() {
    let edge = Edge::start(Settings::default()).await;
    let mut client = Client::connect_http2(&edge).await;
    let host = client.host().to_owned();
    assert_eq!(client.send(signed(&host, signing())).await.status, StatusCode::OK);
    let other = signed("example.com", signing());
    assert_eq!(client.send(other).await.error(), (400, "InvalidSignatureException".into()));
}

#[tokio::test]
async fn presigned_requests_are_verified() {
    let edge = Edge::start(Settings::default()).await;
    let mut client = Client::connect(&edge).await;
    let host = client.host().to_owned();
    // The date comes from a signed header's, which is made of the same clock.
    let date = signed(&host, signing()).headers()["x-amz-date"].to_str().expect("a date").to_owned();
    let query = presigned_query(&host, &date);
    let with = |query: &str| {
        let mut presigned = plain("POST", &format!("/?{query}"));
        *presigned.body_mut() = Full::new(Bytes::from_static(BODY.as_bytes()));
        set(&mut presigned, "x-amz-target", "DynamoDB_20120810.ListTables");
        set(&mut presigned, "content-type", "application/x-amz-json-1.0");
        presigned
    };
    let reply = client.send(with(&query)).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let longer = query.replace("Expires=300", "Expires=3000");
    assert_eq!(client.send(with(&longer)).await.error(), (400, "InvalidSignatureException".into()));
}

/// By the book, and by hand: our signer makes headers only.
fn presigned_query(host: &str, date: &str) -> String {
    let day = &date[..8];
    let scope = format!("{day}/us-east-1/dynamodb/aws4_request");
    let credential = format!("{ACCESS_KEY}/{scope}").replace('/', "%2F");
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={date}&X-Amz-Expires=300&\
         X-Amz-SignedHeaders=host%3Bx-amz-target"
    );
    let canonical = format!(
        "POST\n/\n{query}\nhost:{host}\nx-amz-target:DynamoDB_20120810.ListTables\n\nhost;x-amz-target\n{}",
        hex::encode(Sha256::digest(BODY))
    );
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let mac = |key: &[u8], part: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        mac.update(part.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let secret = format!("AWS4{SECRET}").into_bytes();
    let key = [day, "us-east-1", "dynamodb", "aws4_request"].iter().fold(secret, |key, part| mac(&key, part));
    format!("{query}&X-Amz-Signature={}", hex::encode(mac(&key, &text)))
}
