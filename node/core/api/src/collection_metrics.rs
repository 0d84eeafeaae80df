//! `ItemCollectionMetrics`: which item collection a write met, and about how large it is.

use crate::render::{List, Object};
use stator_catalog::{KeySchema, TableDescription};
use stator_item::{Item, json::write_value_json};
use std::io::Write as _;

const GB: u64 = 1 << 30;

/// The object: the partition key of an item or key, and the size between two whole gigabytes.
pub(crate) fn write_json(item: &Item, schema: &KeySchema, collection_bytes: u64, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    let mut collection = Object::begin(object.member("ItemCollectionKey"));
    if let Some(hash) = item.get(&schema.hash.name) {
        write_value_json(hash, collection.member(&schema.hash.name));
    }
    collection.end();
    let lower = collection_bytes / GB;
    write!(object.member("SizeEstimateRangeGB"), "[{lower}.0,{}.0]", lower + 1)
        .expect("writing to memory does not fail");
    object.end();
}

/// Each item collection of some writes, by one of its items, with its size as told last.
pub(crate) fn last_of_each<'i>(
    sized: impl Iterator<Item = (&'i Item, u64)>,
    table: &TableDescription,
) -> Vec<(&'i Item, u64)> {
    let mut collections: Vec<(&Item, u64)> = Vec::new();
    let hash_name = &table.key.hash.name;
    for (item, bytes) in sized {
        match collections.iter_mut().find(|(other, _)| other.get(hash_name) == item.get(hash_name)) {
            Some((_, last)) => *last = bytes,
            None => collections.push((item, bytes)),
        }
    }
    collections
}

/// The objects of several collections.
pub(crate) fn write_list(collections: &[(&Item, u64)], table: &TableDescription, out: &mut Vec<u8>) {
    let mut list = List::begin(out);
    for (item, bytes) in collections {
        write_json(item, &table.key, *bytes, list.element());
    }
    list.end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use stator_catalog::KeyAttribute;
    use stator_item::{KeyType, Value};

    #[test]
    fn a_size_lies_between_whole_gigabytes() {
        let schema = KeySchema { hash: KeyAttribute { name: "h".into(), key_type: KeyType::String }, range: None };
        let key = Item::from([("h".into(), Value::String("a".into()))]);
        for (bytes, range) in [(0, "[0.0,1.0]"), (GB - 1, "[0.0,1.0]"), (GB, "[1.0,2.0]"), (GB * 9 + 7, "[9.0,10.0]")] {
            let mut out = Vec::new();
            write_json(&key, &schema, bytes, &mut out);
            let expected = format!(r#"{{"ItemCollectionKey":{{"h":{{"S":"a"}}}},"SizeEstimateRangeGB":{range}}}"#);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
