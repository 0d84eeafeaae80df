//! Random values for the property tests of this crate: small, with the bytes in them that encodings care for.

use crate::key::KeyPart;
use crate::number::Number;
use crate::value::{Item, Value};
use bytes::Bytes;
use proptest::prelude::*;

pub fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        Just('a'),
        Just('b'),
        Just('\0'),
        Just('\u{1}'),
        Just('"'),
        Just('\\'),
        Just('\n'),
        Just('\u{1f}'),
        Just('\u{7f}'),
        Just('ÿ'),
        Just('€'),
        Just('\u{10ffff}'),
        any::<char>(),
    ];
    prop_oneof![
        9 => prop::collection::vec(character, 0..6).prop_map(String::from_iter),
        1 => "[ -~]{30,200}",
    ]
}

pub fn binary() -> impl Strategy<Value = Bytes> {
    let byte = prop_oneof![Just(0_u8), Just(1), Just(0xfe), Just(0xff), any::<u8>()];
    prop::collection::vec(byte, 0..6).prop_map(Bytes::from)
}

pub fn number() -> impl Strategy<Value = Number> {
    let small = (-1000_i64..1000).prop_map(Number::from_i64);
    let large = (any::<u128>(), -120..80_i32, any::<bool>()).prop_map(|(coefficient, exponent, negative)| {
        let sign = if negative { "-" } else { "" };
        Number::parse(&format!("{sign}{}e{exponent}", coefficient % 10_u128.pow(38)))
            .expect("38 digits, well within range")
    });
    prop_oneof![small, large]
}

pub fn key_part() -> impl Strategy<Value = KeyPart> {
    prop_oneof![
        text().prop_map(KeyPart::String),
        number().prop_map(KeyPart::Number),
        binary().prop_map(KeyPart::Binary),
    ]
}

pub fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::String),
        number().prop_map(Value::Number),
        binary().prop_map(Value::Binary),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        prop::collection::btree_set(text(), 1..4).prop_map(Value::StringSet),
        prop::collection::btree_set(number(), 1..4).prop_map(Value::NumberSet),
        prop::collection::btree_set(binary(), 1..4).prop_map(Value::BinarySet),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(text(), inner, 0..4).prop_map(Value::Map),
        ]
    })
}

pub fn item() -> impl Strategy<Value = Item> {
    prop::collection::btree_map(text(), value(), 0..5)
}

/// `depth` lists inside one another.
pub fn nested_lists(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]))
}
