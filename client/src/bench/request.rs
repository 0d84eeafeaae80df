//! Turns calls into requests: JSON written by hand, signed as an SDK signs.

use super::{
    cell::{BATCH_ITEMS, Call, Found, Read, TRANSACTION_ITEMS, Table},
    connection::Outgoing,
    etcd::EtcdRequests,
    signed::SignedRequests,
};
use crate::{Address, Error};
use fastrand::Rng;
use stator_api::sigv4::Signer;
use std::{fmt::Write, ops::RangeInclusive, sync::Arc};

/// `{"UnprocessedItems":{}}` and some air: a longer reply to a batch of writes names items that were not written.
const ALL_WRITTEN: RangeInclusive<usize> = 0..=40;
const ANY_LENGTH: RangeInclusive<usize> = 0..=usize::MAX;
/// Bytes of an item beside its payload, as DynamoDB counts them: the names `pk` and `v`, and the key.
const ITEM_FRAME_BYTES: usize = 2 + 16 + 1;
/// The name `sk` and the sort key.
const SORT_KEY_BYTES: usize = 2 + 12;
/// Attributes that are the hash keys of the global indexes. An item keeps its values when it is put again.
pub const INDEX_KEYS: [&str; 5] = ["g1", "g2", "g3", "g4", "g5"];
/// Name and value of one.
const INDEX_KEY_BYTES: usize = 2 + 9;
/// Smaller items are all frame.
pub const ITEM_BYTES_MIN: usize = 64;
pub const ITEM_BYTES_MAX: usize = 400 * 1024;

/// A request that can be sent, and how long the body of a good reply to it is.
#[derive(Debug)]
pub struct Prepared<'a> {
    pub request: Outgoing<'a>,
    pub reply_bytes: RangeInclusive<usize>,
}

/// Who signs.
#[derive(Clone)]
pub struct Identity {
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
}

impl Identity {
    pub fn signer(&self) -> Signer {
        Signer::new(&*self.access_key, &*self.secret_key, &*self.region)
    }
}

/// Letters and digits without order, from which payloads are cut: neither parsed slower than usual text nor compressible.
#[derive(Clone, Debug)]
pub struct Payloads(Arc<str>);

impl Payloads {
    const SPARE_BYTES: usize = 64 * 1024;

    pub fn new(item_bytes: usize) -> Payloads {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut random = Rng::with_seed(0x5742_70d7);
        let letter = |_| char::from(LETTERS[random.usize(..64)]);
        let letters: String = (0..item_bytes + Self::SPARE_BYTES).map(letter).collect();
        Payloads(letters.into())
    }

    /// `length` is at most the item's.
    pub fn cut(&self, length: usize, random: &mut Rng) -> &str {
        let from = random.usize(..Self::SPARE_BYTES);
        self.0.get(from..from + length).expect("there is an item's length beyond every offset, all of it ASCII")
    }
}

/// One worker's requests, in the peer's language.
pub enum Requests {
    Dynamo(Box<DynamoRequests>),
    Etcd(EtcdRequests),
}

impl Requests {
    pub fn prepare(&mut self, call: Call, address: &Address, now_ms: u64) -> Result<Prepared<'_>, Error> {
        match self {
            Requests::Dynamo(requests) => Ok(requests.prepare(call, address, now_ms)),
            Requests::Etcd(requests) => requests.prepare(call, address),
        }
    }
}

pub struct DynamoRequests {
    pub signed: SignedRequests,
    pub tables: TableNames,
    pub payloads: Payloads,
    pub item_bytes: usize,
    /// Transactions bear request tokens.
    pub request_tokens: bool,
    pub random: Rng,
}

/// The names of the bench's tables at a peer.
#[derive(Clone, Debug)]
pub struct TableNames {
    items: String,
    second: String,
    third: String,
    collections: String,
    indexed: String,
}

impl TableNames {
    pub fn with_prefix(prefix: &str) -> TableNames {
        let name = |suffix| format!("{prefix}-{suffix}");
        TableNames {
            items: name("items"),
            second: name("second"),
            third: name("third"),
            collections: name("collections"),
            indexed: name("indexed"),
        }
    }

    pub fn of(&self, table: Table) -> &str {
        match table {
            Table::Items => &self.items,
            Table::Second => &self.second,
            Table::Third => &self.third,
            Table::Collections => &self.collections,
            Table::Indexed => &self.indexed,
        }
    }
}

impl DynamoRequests {
    pub fn prepare(&mut self, call: Call, address: &Address, now_ms: u64) -> Prepared<'_> {
        let (target, body, reply_bytes) = self.json(call);
        Prepared { request: Outgoing::Http1(self.signed.write(target, &body, address, now_ms)), reply_bytes }
    }

    fn json(&mut self, call: Call) -> (&'static str, String, RangeInclusive<usize>) {
        let found = self.item_bytes;
        match call {
            Call::Put { table, key } => ("DynamoDB_20120810.PutItem", self.put(table, key, None), ANY_LENGTH),
            Call::PutInCollection { collection, sort } => {
                ("DynamoDB_20120810.PutItem", self.put(Table::Collections, collection, Some(sort)), ANY_LENGTH)
            }
            Call::Update { key } => ("DynamoDB_20120810.UpdateItem", self.update(key), ANY_LENGTH),
            Call::BatchWrite { table, first, count } => {
                let keys = (first..first + count).map(|key| (key, None));
                ("DynamoDB_20120810.BatchWriteItem", self.batch(table, keys), ALL_WRITTEN)
            }
            Call::FillCollection { collection, first, count } => {
                let keys = (first..first + count).map(|sort| (collection, Some(sort)));
                ("DynamoDB_20120810.BatchWriteItem", self.batch(Table::Collections, keys), ALL_WRITTEN)
            }
            Call::Get { key, read, found: expected } => {
                let least = if expected == Found::Always { found } else { 0 };
                ("DynamoDB_20120810.GetItem", self.get(key, read), least..=usize::MAX)
            }
            Call::Scan { from, limit } => ("DynamoDB_20120810.Scan", self.scan(from, limit), ANY_LENGTH),
            Call::Transact { keys: [one, two, three] } => {
                let puts = [(Table::Items, one, None), (Table::Second, two, None), (Table::Third, three, None)];
                ("DynamoDB_20120810.TransactWriteItems", self.transaction(puts), ANY_LENGTH)
            }
            Call::TransactInCollection { collection, sorts } => {
                let puts = sorts.map(|sort| (Table::Collections, collection, Some(sort)));
                ("DynamoDB_20120810.TransactWriteItems", self.transaction(puts), ANY_LENGTH)
            }
            Call::Query { collection, limit, read } => {
                let least = found * limit as usize;
                ("DynamoDB_20120810.Query", self.query(collection, limit, read), least..=usize::MAX)
            }
            Call::BatchGet { first, count } => {
                let least = found * count as usize;
                ("DynamoDB_20120810.BatchGetItem", self.batch_get(first, count), least..=usize::MAX)
            }
        }
    }

    fn get(&self, key: u64, read: Read) -> String {
        let (table, strong) = (&self.tables.items, read == Read::Strong);
        format!(r#"{{"TableName":"{table}","Key":{{"pk":{{"S":"user{key:012}"}}}},"ConsistentRead":{strong}}}"#)
    }

    fn scan(&self, from: u64, limit: Option<u32>) -> String {
        let table = &self.tables.items;
        let start = format!(r#"{{"pk":{{"S":"user{from:012}"}}}}"#);
        let limit = limit.map_or(String::new(), |items| format!(r#""Limit":{items},"#));
        format!(r#"{{"TableName":"{table}",{limit}"ExclusiveStartKey":{start}}}"#)
    }

    fn query(&self, collection: u64, limit: u64, read: Read) -> String {
        let (table, strong) = (&self.tables.collections, read == Read::Strong);
        let values = format!(r#"{{":p":{{"S":"user{collection:012}"}}}}"#);
        format!(
            r#"{{"TableName":"{table}","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{values},"Limit":{limit},"ConsistentRead":{strong}}}"#
        )
    }

    fn batch_get(&self, first: u64, count: u64) -> String {
        let mut out = format!(r#"{{"RequestItems":{{"{}":{{"Keys":["#, self.tables.items);
        for key in first..first + count {
            let comma = if key == first { "" } else { "," };
            push(&mut out, format_args!(r#"{comma}{{"pk":{{"S":"user{key:012}"}}}}"#));
        }
        out.push_str("]}}}");
        out
    }

    fn put(&mut self, table: Table, key: u64, sort: Option<u64>) -> String {
        let mut out = String::with_capacity(self.item_bytes + 256);
        self.put_into(table, key, sort, &mut out);
        out
    }

    fn put_into(&mut self, table: Table, key: u64, sort: Option<u64>, out: &mut String) {
        push(out, format_args!(r#"{{"TableName":"{}","Item":"#, self.tables.of(table)));
        self.item(table, key, sort, out);
        out.push('}');
    }

    fn transaction(&mut self, puts: [(Table, u64, Option<u64>); TRANSACTION_ITEMS]) -> String {
        let mut out = String::with_capacity(TRANSACTION_ITEMS * (self.item_bytes + 256));
        let mut before = r#"{"TransactItems":[{"Put":"#;
        for (table, key, sort) in puts {
            out.push_str(before);
            self.put_into(table, key, sort, &mut out);
            out.push('}');
            before = r#",{"Put":"#;
        }
        out.push(']');
        if self.request_tokens {
            push(&mut out, format_args!(r#","ClientRequestToken":"{:032x}""#, self.random.u128(..)));
        }
        out.push('}');
        out
    }

    fn update(&mut self, key: u64) -> String {
        let table = &self.tables.items;
        let payload = self.payloads.cut(self.item_bytes - ITEM_FRAME_BYTES, &mut self.random);
        format!(
            r#"{{"TableName":"{table}","Key":{{"pk":{{"S":"user{key:012}"}}}},"UpdateExpression":"SET v = :v","ExpressionAttributeValues":{{":v":{{"S":"{payload}"}}}}}}"#
        )
    }

    fn batch(&mut self, table: Table, keys: impl Iterator<Item = (u64, Option<u64>)>) -> String {
        let mut out = String::with_capacity(BATCH_ITEMS as usize * (self.item_bytes + 128) + 256);
        push(&mut out, format_args!(r#"{{"RequestItems":{{"{}":["#, self.tables.of(table)));
        for (position, (key, sort)) in keys.enumerate() {
            out.push_str(if position == 0 { r#"{"PutRequest":{"Item":"# } else { r#",{"PutRequest":{"Item":"# });
            self.item(table, key, sort, &mut out);
            out.push_str("}}");
        }
        out.push_str("]}}");
        out
    }

    /// An item of exactly `item_bytes`, as DynamoDB counts them.
    fn item(&mut self, table: Table, key: u64, sort: Option<u64>, out: &mut String) {
        let indexed = if table == Table::Indexed { INDEX_KEYS.len() * INDEX_KEY_BYTES } else { 0 };
        let frame = ITEM_FRAME_BYTES + sort.map_or(0, |_| SORT_KEY_BYTES) + indexed;
        push(out, format_args!(r#"{{"pk":{{"S":"user{key:012}"}},"#));
        if let Some(sort) = sort {
            push(out, format_args!(r#""sk":{{"S":"{sort:012}"}},"#));
        }
        if table == Table::Indexed {
            for (name, spread) in INDEX_KEYS.iter().zip([1, 7, 11, 13, 17]) {
                let group = key.wrapping_mul(spread) % 1_000;
                push(out, format_args!(r#""{name}":{{"S":"group{group:04}"}},"#));
            }
        }
        let payload = self.payloads.cut(self.item_bytes.saturating_sub(frame), &mut self.random);
        push(out, format_args!(r#""v":{{"S":"{payload}"}}}}"#));
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes everything");
}
