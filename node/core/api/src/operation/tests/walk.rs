//! Whole scans, page after page and request after request, against a model of partitions.

use crate::fuzz::table;
use crate::operation::{ManyItems, Scan};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value as Json;
use stator_catalog::TokenRange;
use stator_item::row::item_encoding;
use stator_item::{Item, Key, KeyPart, Number, Token};
use stator_partition::reply::PageReply;
use stator_partition::{Command, PageRange, Position};

/// Items of a table in the order of a scan, each counting for so many bytes.
struct Model {
    keys: Vec<Key>,
    item_bytes: u64,
}

impl Model {
    fn new(items_count: usize, item_bytes: u64) -> Model {
        let key = |number: usize| Key {
            hash: KeyPart::String(format!("artist {}", number / 3)),
            range: Some(KeyPart::Number(Number::from_u64(number as u64 % 3))),
        };
        let mut keys: Vec<Key> = (0..items_count).map(key).collect();
        keys.sort_by_key(|key| (key.token(), key.clone()));
        Model { keys, item_bytes }
    }

    fn encoded(&self, key: &Key) -> Bytes {
        let table = table();
        let range =
            table.key.range.iter().zip(&key.range).map(|(attribute, part)| (attribute.name.clone(), part.to_value()));
        let item: Item = range.chain([(table.key.hash.name.clone(), key.hash.to_value())]).collect();
        item_encoding(&item).into()
    }

    /// What a partition answers.
    fn answer(&self, command: Command) -> PageReply {
        let Command::Page(page) = command else { panic!("not a page") };
        let PageRange::Tokens(tokens) = page.range else { panic!("not a scan") };
        let place = |key: &Key| (key.token(), key.clone());
        let after = page.after.map(|position| place(&position.key));
        let mut reply = PageReply::default();
        for key in self.keys.iter().filter(|key| tokens.contains(key.token())) {
            if after.as_ref().is_some_and(|after| place(key) <= *after) {
                continue;
            }
            reply.items.push(self.encoded(key));
            reply.count += 1;
            reply.scanned_count += 1;
            reply.read_bytes += self.item_bytes;
            if page.items_max == Some(reply.scanned_count) || reply.read_bytes >= page.bytes_max {
                reply.stopped = Some(Position { key: key.clone(), index_range: None, index_key: Vec::new() });
                break;
            }
        }
        reply
    }

    /// One request over so many partitions: its body.
    fn request(&self, rest: &str, start: Option<&Json>, partitions_count: u64) -> Json {
        let start = start.map(|key| format!(r#","ExclusiveStartKey":{key}"#)).unwrap_or_default();
        let body = format!(r#"{{"TableName":"music"{rest}{start}}}"#);
        let mut paging = Scan::parse(body.as_bytes()).and_then(|scan| scan.paging(&table())).expect("a scan");
        while let Some(token) = paging.next_token() {
            let partition = partition_of(token, partitions_count);
            let reply = self.answer(paging.page(partition));
            paging.absorb(partition, reply);
        }
        let mut out = Vec::new();
        paging.render(&table(), &mut out).expect("items can be shown");
        serde_json::from_slice(&out).expect("a body is JSON")
    }
}

fn partition_of(token: Token, count: u64) -> TokenRange {
    (0..count).map(|number| TokenRange::slice(number, count)).find(|range| range.contains(token)).expect("all tokens")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_item_is_scanned_once(
        items_count in 0usize..60,
        item_bytes in prop_oneof![Just(1u64), Just(100_000)],
        limit in proptest::option::of(1u64..20),
        partitions_count in 1u64..7,
        segments_count in 1u64..5,
    ) {
        let model = Model::new(items_count, item_bytes);
        let mut found = Vec::new();
        for segment in 0..segments_count {
            let limit = limit.map(|limit| format!(r#","Limit":{limit}"#)).unwrap_or_default();
            let rest = format!(r#","Segment":{segment},"TotalSegments":{segments_count}{limit}"#);
            let mut start = None;
            loop {
                let body = model.request(&rest, start.as_ref(), partitions_count);
                let items = body["Items"].as_array().expect("a list");
                prop_assert!(items.len() as u64 * item_bytes <= (1 << 20) + item_bytes);
                found.extend(items.iter().cloned());
                match body.get("LastEvaluatedKey") {
                    Some(key) => start = Some(key.clone()),
                    None => break,
                }
            }
        }
        let expected: Vec<Json> = model
            .keys
            .iter()
            .map(|key| {
                let mut out = Vec::new();
                crate::render::item(&model.encoded(key), &mut out).expect("an item");
                serde_json::from_slice(&out).expect("JSON")
            })
            .collect();
        prop_assert_eq!(found, expected);
    }
}
