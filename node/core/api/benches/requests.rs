//! What reading requests and writing replies costs, in nanoseconds an operation.
//!
//! `cargo bench -p stator-api [-- NAME [TIMES]]`. One name and two numbers of times under an instruction counter tell what
//! one operation takes, free of other work on the machine: the difference of both counts.

use bytes::Bytes;
use stator_api::fuzz::table;
use stator_api::operation::{BatchWriteItem, GetItem, ManyItems, OneItem, PutItem, Query, Tables, UpdateItem};
use stator_api::sigv4::{
    Credential, Keyring, Now, SKEW_MS, SignedRequest, Signer, SigningKey, SigningKeyCache, verify,
};
use stator_catalog::{TableDescription, TokenRange};
use stator_item::row::item_encoding;
use stator_item::{Item, Number, Value};
use stator_partition::reply::{Got, PageReply, Written};
use stator_partition::{Command, Reply};
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const NOW_MS: u64 = 1_440_938_160_000;

/// About 1 KB: two key attributes and ten others.
fn item(number: u64) -> Item {
    let mut item = Item::from([
        ("artist".into(), Value::String(format!("artist {number}"))),
        ("track".into(), Value::Number(Number::from_u64(number))),
    ]);
    for field in 0..10 {
        item.insert(format!("field{field}"), Value::String("x".repeat(90)));
    }
    item
}

fn shown(item: &Item) -> String {
    let mut out = Vec::new();
    stator_item::json::write_item_json(item, &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

const KEY: &str = r#"{"artist":{"S":"artist 1"},"track":{"N":"1"}}"#;

fn put_body() -> String {
    format!(r#"{{"TableName":"music","Item":{}}}"#, shown(&item(1)))
}

/// One request with its reply, written to the buffer.
type Round = Box<dyn FnMut(&mut Vec<u8>)>;

fn one<T: OneItem>(table: &TableDescription, body: &[u8], reply: Reply, out: &mut Vec<u8>) -> Command {
    let input = T::parse(body).expect("a valid request");
    let routed = input.command(table).expect("a valid request");
    input.render(table, Ok(reply), out).expect("a valid reply");
    routed.command
}

fn put() -> Round {
    let (table, body) = (table(), put_body());
    Box::new(move |out| {
        black_box(one::<PutItem>(&table, body.as_bytes(), Reply::Written(Written::default()), out));
    })
}

fn get() -> Round {
    let table = table();
    let body = format!(r#"{{"TableName":"music","Key":{KEY},"ConsistentRead":true}}"#);
    let encoded: Bytes = item_encoding(&item(1)).into();
    Box::new(move |out| {
        let reply = Reply::Got(Got { item: Some(encoded.clone()), read_bytes: encoded.len() as u64 });
        black_box(one::<GetItem>(&table, body.as_bytes(), reply, out));
    })
}

fn update() -> Round {
    let table = table();
    let body = format!(
        r##"{{"TableName":"music","Key":{KEY},"UpdateExpression":"SET #f = :f ADD plays :n",
        "ConditionExpression":"attribute_exists(artist)","ExpressionAttributeNames":{{"#f":"field1"}},
        "ExpressionAttributeValues":{{":f":{{"S":"new"}},":n":{{"N":"1"}}}},"ReturnValues":"ALL_NEW"}}"##
    );
    let encoded: Bytes = item_encoding(&item(1)).into();
    Box::new(move |out| {
        let written = Written { attributes: Some(encoded.clone()), ..Written::default() };
        black_box(one::<UpdateItem>(&table, body.as_bytes(), Reply::Written(written), out));
    })
}

/// A page of ten items.
fn query() -> Round {
    let table = table();
    let body = r#"{"TableName":"music","KeyConditionExpression":"artist = :a AND track > :t","Limit":10,
        "ExpressionAttributeValues":{":a":{"S":"artist 1"},":t":{"N":"5"}}}"#;
    let items: Vec<Bytes> = (0..10).map(|number| item_encoding(&item(number)).into()).collect();
    Box::new(move |out| {
        let mut paging = Query::parse(body.as_bytes()).and_then(|query| query.paging(&table)).expect("a valid query");
        black_box(paging.page(TokenRange::ALL));
        let reply = PageReply { items: items.clone(), count: 10, scanned_count: 10, ..PageReply::default() };
        paging.absorb(TokenRange::ALL, reply);
        paging.render(&table, out).expect("a valid reply");
    })
}

/// Twenty-five puts.
fn batch_write() -> Round {
    let tables = Tables::from([("music".into(), Arc::new(table()))]);
    let puts: Vec<String> =
        (0..25).map(|number| format!(r#"{{"PutRequest":{{"Item":{}}}}}"#, shown(&item(number)))).collect();
    let body = format!(r#"{{"RequestItems":{{"music":[{}]}}}}"#, puts.join(","));
    Box::new(move |out| {
        let batch = BatchWriteItem::parse(body.as_bytes()).expect("a valid batch");
        black_box(batch.commands(&tables).expect("a valid batch"));
        let outcomes = (0..25).map(|_| Ok(Reply::Written(Written::default()))).collect();
        batch.render(&tables, outcomes, out).expect("valid replies");
    })
}

struct OneKey {
    secret: Arc<str>,
    derived: RefCell<SigningKeyCache>,
}

impl Keyring for OneKey {
    fn credential(&self, _access_key: &str) -> Option<Credential> {
        Some(Credential { secret: self.secret.clone(), session_token: None, disabled: false })
    }

    fn signing_key(&self, credential_scope: &str, secret: &Arc<str>) -> Option<SigningKey> {
        self.derived.borrow_mut().get(credential_scope, secret)
    }
}

/// A signed put, with the headers that an SDK sends.
fn signature() -> Round {
    let body = put_body();
    let mut headers: Vec<(&str, Vec<u8>)> = [
        ("host", "db.example.com:8000"),
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "DynamoDB_20120810.PutItem"),
        ("accept-encoding", "identity"),
        ("user-agent", "Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux md/arch#x86_64 lang/python#3.12"),
        ("amz-sdk-invocation-id", "fcb42d67-0bd3-4d11-bd37-11a0e2c5c89a"),
    ]
    .map(|(name, value)| (name, value.as_bytes().to_vec()))
    .into();
    let keyring = OneKey { secret: Arc::from("secret"), derived: RefCell::new(SigningKeyCache::new(10)) };
    let borrowed: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
    let request = SignedRequest { method: "POST", path: "/", query: "", headers: &borrowed, body: body.as_bytes() };
    let signed = Signer::new("AKID", "secret", "us-east-1").sign(&request, NOW_MS);
    headers.push(("x-amz-date", signed.date.into_bytes()));
    headers.push(("authorization", signed.authorization.into_bytes()));
    Box::new(move |_| {
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let request = SignedRequest { method: "POST", path: "/", query: "", headers: &headers, body: body.as_bytes() };
        black_box(verify(&request, &keyring, Now { ms: NOW_MS, skew_ms: SKEW_MS }).expect("a valid signature"));
    })
}

type Operation = fn() -> Round;

const OPERATIONS: [(&str, Operation); 6] = [
    ("put", put),
    ("get", get),
    ("update", update),
    ("query", query),
    ("batch_write", batch_write),
    ("signature", signature),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted = arguments.first();
    let times: u32 = arguments.get(1).and_then(|times| times.parse().ok()).unwrap_or(20_000);
    for (name, operation) in OPERATIONS.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name)) {
        let mut run = operation();
        let mut out = Vec::new();
        let start = Instant::now();
        for _ in 0..times {
            out.clear();
            run(&mut out);
            black_box(&out);
        }
        println!("{name:12} {:>9.0} ns", start.elapsed().as_nanos() as f64 / f64::from(times));
    }
}
