//! What stands on disk, and what is stored of it in logs.

use stator_catalog::{Catalog, decode_change, encode_change};
use stator_changelog::{SequenceNumber, ShardId, decode_record, encode_record};
use stator_item::{
    Key, KeyPart, KeyType, Number,
    json::write_row_item_json,
    key::{RowKey, decode_row_key, index_row_key, row_key},
    row::{decode_item, decode_row, encode_row, get_attribute, item_encoding},
    size::{item_size, item_size_encoded},
};
use stator_partition::codec::{
    decode_command, decode_entry, decode_outcome, encode_command, encode_entry, encode_outcome,
};
use std::str::FromStr;

/// A row: all its readers agree, and only what is written so is read.
pub fn row(input: &[u8]) {
    let stored = decode_row(input);
    if let Ok((header, item)) = &stored {
        assert_eq!(encode_row(header, item), input, "two rows hold the same");
    }
    drop(get_attribute(input, "a"));
    let decoded = decode_item(input);
    if let Ok(item) = &decoded {
        assert_eq!(item_encoding(item), input, "two encodings of one item");
        assert_eq!(item_size_encoded(input), Ok(item_size(item)), "a row has another size than its item");
    }
    let mut text = Vec::new();
    assert_eq!(write_row_item_json(input, &mut text).is_ok(), decoded.is_ok(), "a row is written that cannot be read");
}

/// A row key, and the numbers in it: only what is written so is read.
pub fn key(input: &[u8]) {
    const TYPES: [KeyType; 3] = [KeyType::String, KeyType::Number, KeyType::Binary];
    for first in TYPES {
        check_row_key(input, &[first]);
        for second in TYPES {
            check_row_key(input, &[first, second]);
            check_row_key(input, &[first, second, KeyType::Number]);
        }
        let mut rest = input;
        if let Ok(part) = KeyPart::decode(first, &mut rest) {
            let mut encoded = Vec::new();
            part.encode_into(&mut encoded);
            assert!(input.strip_suffix(rest) == Some(&encoded[..]), "two encodings of one part of a key");
        }
    }
    check_number(input);
}

fn check_row_key(input: &[u8], types: &[KeyType]) {
    let Ok(RowKey { table, index, parts, .. }) = decode_row_key(input, types) else { return };
    let encoded = match &parts[..] {
        [hash] => row_key(table, index, &Key { hash: hash.clone(), range: None }),
        [hash, range] => row_key(table, index, &Key { hash: hash.clone(), range: Some(range.clone()) }),
        [hash, index_range, range] => index_row_key(table, index, hash, index_range, range),
        _ => panic!("as many parts as types"),
    };
    assert_eq!(encoded, input, "two row keys of one key");
}

fn check_number(input: &[u8]) {
    let mut numbers = Vec::new();
    let mut rest = input;
    if let Some(number) = Number::decode_ordered(&mut rest) {
        let mut encoded = Vec::new();
        number.encode_ordered(&mut encoded);
        assert!(input.strip_suffix(rest) == Some(&encoded[..]), "two ordered encodings of {number:?}");
        numbers.push(number);
    }
    let mut rest = input;
    if let Some(number) = Number::decode_compact(&mut rest) {
        let mut encoded = Vec::new();
        number.encode_compact(&mut encoded);
        assert!(input.strip_suffix(rest) == Some(&encoded[..]), "two compact encodings of {number:?}");
        numbers.push(number);
    }
    numbers.extend(std::str::from_utf8(input).ok().and_then(|text| Number::parse(text).ok()));
    for number in numbers {
        let mut text = Vec::new();
        number.write_text(&mut text);
        let text = String::from_utf8(text).expect("digits");
        assert_eq!(Number::parse(&text), Ok(number), "a number changes in its text");
        assert!(number.checked_sub(number).is_ok_and(|zero| zero.is_zero()), "{text} is not itself");
    }
}

/// What a partition's log, a request between nodes, and the catalog's log hold. (There are several encodings of some values;
/// nothing is keyed by them.)
pub fn entry(input: &[u8]) {
    if let Ok(entry) = decode_entry(input) {
        check_again(&entry, decode_entry(&encode_entry(&entry)));
    }
    if let Ok(command) = decode_command(input) {
        check_again(&command, decode_command(&encode_command(&command)));
    }
    if let Ok(outcome) = decode_outcome(input) {
        check_again(&outcome, decode_outcome(&encode_outcome(&outcome)));
    }
    if let Ok((change, at)) = decode_change(input) {
        check_again(
            &(&change, at),
            decode_change(&encode_change(&change, &at)).as_ref().map(|(change, at)| (change, *at)),
        );
    }
    if let Ok(catalog) = Catalog::decode(input) {
        check_again(&catalog, Catalog::decode(&catalog.encode()));
    }
}

/// A change record, and the texts that stand for places in a change log.
pub fn record(input: &[u8]) {
    let sequence = SequenceNumber(7);
    if let Ok(record) = decode_record(sequence, input) {
        check_again(&record, decode_record(sequence, &encode_record(&record)));
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(sequence) = SequenceNumber::from_str(text) {
        assert_eq!(sequence.to_string(), text);
    }
    if let Ok(shard) = ShardId::from_str(text) {
        assert_eq!(shard.to_string(), text);
    }
}

/// A segment of the Raft log, and the records in it.
pub fn segment(input: &[u8]) {
    stator_storage::fuzz::read_segment(input);
}

fn check_again<T: std::fmt::Debug, E>(value: &T, again: Result<T, E>) {
    let Ok(again) = again else { panic!("what was read is written so that it cannot be read: {value:?}") };
    // As text, since a NaN would differ from itself.
    assert_eq!(format!("{value:?}"), format!("{again:?}"), "a value changes when it is written");
}

/// Events of a log. What is read is written again as it was.
pub fn batch(input: &[u8]) {
    let Ok(events) = stator_logs::decode_batch(input) else { return };
    let again = stator_logs::encode_batch(events.iter().map(|(at_ms, message)| (*at_ms, message.as_str())));
    assert!(again == input, "events change on their way");
}
