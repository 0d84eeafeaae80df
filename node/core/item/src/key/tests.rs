use super::*;
use crate::arbitrary;
use crate::id::{IndexNumber, TableId};
use proptest::prelude::*;

const TABLE: TableId = TableId(7);

fn encoded(part: &KeyPart) -> Vec<u8> {
    let mut out = Vec::new();
    part.encode_into(&mut out);
    out
}

fn pair_of_one_type() -> impl Strategy<Value = (KeyPart, KeyPart)> {
    prop_oneof![
        (arbitrary::text(), arbitrary::text()).prop_map(|(a, b)| (KeyPart::String(a), KeyPart::String(b))),
        (arbitrary::number(), arbitrary::number()).prop_map(|(a, b)| (KeyPart::Number(a), KeyPart::Number(b))),
        (arbitrary::binary(), arbitrary::binary()).prop_map(|(a, b)| (KeyPart::Binary(a), KeyPart::Binary(b))),
    ]
}

fn contains((start, end): &Bounds, row_key: &[u8]) -> bool {
    start.as_slice() <= row_key && end.as_deref().is_none_or(|end| row_key < end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn byte_order_is_key_order((left, right) in pair_of_one_type(), (left_range, right_range) in pair_of_one_type()) {
        prop_assert_eq!(encoded(&left).cmp(&encoded(&right)), left.cmp(&right));
        let both = |part: &KeyPart, range: &KeyPart| [encoded(part), encoded(range)].concat();
        let expected = left.cmp(&right).then(left_range.cmp(&right_range));
        prop_assert_eq!(both(&left, &left_range).cmp(&both(&right, &right_range)), expected);
    }

    #[test]
    fn prefixes_find_what_begins_with_them((prefix, other) in (arbitrary::text(), arbitrary::text())) {
        let joined = KeyPart::String(format!("{prefix}{other}"));
        let mut start = Vec::new();
        KeyPart::String(prefix.clone()).encode_prefix_into(&mut start);
        let bounds = prefix_bounds(start);
        prop_assert!(contains(&bounds, &encoded(&joined)));
        prop_assert_eq!(contains(&bounds, &encoded(&KeyPart::String(other.clone()))), other.starts_with(&prefix));
    }

    #[test]
    fn parts_round_trip(part in arbitrary::key_part(), tail in prop::collection::vec(any::<u8>(), 0..4)) {
        let bytes = [encoded(&part), tail.clone()].concat();
        let mut input = bytes.as_slice();
        prop_assert_eq!(KeyPart::decode(part.key_type(), &mut input), Ok(part.clone()));
        prop_assert_eq!(input, tail.as_slice());
        prop_assert_eq!(KeyPart::from_value(&part.to_value()), Some(part));
    }

    #[test]
    fn row_keys_round_trip_and_lie_in_their_bounds(
        hash in arbitrary::key_part(), range in arbitrary::key_part(), base in arbitrary::key_part(), index in 0..6_u16
    ) {
        let index = IndexNumber(index);
        let key = Key { hash: hash.clone(), range: Some(range.clone()) };
        let row_key = row_key(TABLE, index, &key);
        let types = [hash.key_type(), range.key_type(), base.key_type()];
        let token = key.token();
        let expected = RowKey { table: TABLE, index, token, parts: vec![hash.clone(), range.clone()] };
        prop_assert_eq!(decode_row_key(&row_key, &types[..2]), Ok(expected));
        let index_row_key = index_row_key(TABLE, index, &hash, &range, &base);
        prop_assert_eq!(decode_row_key(&index_row_key, &types).unwrap().parts, vec![hash.clone(), range, base]);

        for row_key in [&row_key, &index_row_key] {
            prop_assert!(contains(&table_bounds(TABLE), row_key));
            prop_assert!(contains(&hash_bounds(TABLE, index, &hash), row_key));
            prop_assert!(contains(&token_bounds(TABLE, index, token, token), row_key));
            prop_assert!(contains(&token_bounds(TABLE, index, Token::MIN, Token::MAX), row_key));
            prop_assert!(!contains(&token_bounds(TABLE, IndexNumber(index.0 + 1), Token::MIN, Token::MAX), row_key));
            prop_assert!(!contains(&table_bounds(TableId(8)), row_key));
        }
        prop_assert_eq!(decode_row_key(&row_key, &types[..1]), Err(KeyError::TrailingBytes));
        prop_assert!(decode_row_key(&row_key[..row_key.len() - 1], &types[..2]).is_err());
        let mut moved = row_key.clone();
        moved[17] ^= 1;
        prop_assert_eq!(decode_row_key(&moved, &types[..2]), Err(KeyError::WrongToken));
    }

    #[test]
    fn decoders_take_any_bytes_and_only_what_is_encoded(bytes in prop::collection::vec(
        prop_oneof![Just(0_u8), Just(1), Just(0xff), any::<u8>()], 0..40)
    ) {
        for key_type in [KeyType::String, KeyType::Number, KeyType::Binary] {
            let mut rest = bytes.as_slice();
            match KeyPart::decode(key_type, &mut rest) {
                Ok(part) => prop_assert_eq!(&encoded(&part)[..], &bytes[..bytes.len() - rest.len()]),
                Err(_) => prop_assert_eq!(rest, bytes.as_slice()),
            }
            let _ = decode_row_key(&bytes, &[key_type, KeyType::String]);
        }
    }
}

#[test]
fn bounds_without_an_end() {
    assert_eq!(table_bounds(TableId(u64::MAX)).1, None);
    assert_eq!(prefix_end(&[]), None);
    assert_eq!(prefix_end(&[1, 0xff, 0xff]), Some(vec![2]));
    assert_eq!(prefix_end(&[1, 2]), Some(vec![1, 3]));
    // The last token's end is the next index number's beginning.
    let (_, end) = token_bounds(TABLE, IndexNumber(1), Token::MIN, Token::MAX);
    assert_eq!(end, Some([&7_u64.to_be_bytes()[..], &[0, 2]].concat()));
}

#[test]
fn the_successor_is_next() {
    assert!(successor(b"a").as_slice() > b"a".as_slice());
    assert!(successor(b"a").as_slice() <= b"a\0".as_slice());
}

#[test]
fn a_row_key_without_parts_is_refused() {
    assert_eq!(decode_row_key(&[0; 18], &[]), Err(KeyError::NoParts));
}

/// Tokens and row keys are on disk: a change here is a new format version.
#[test]
fn row_keys_stay_what_they_are() {
    let hash = KeyPart::String("a\0b".to_owned());
    let key = Key { hash, range: Some(KeyPart::Number(Number::from_i64(5))) };
    let token = 0xd714_4e7d_d067_41a0_u64;
    assert_eq!(key.token(), Token(token));
    let parts = [b'a', 0, 0xff, b'b', 0, 1, 3, 130, 51, 0];
    let expected = [&7_u64.to_be_bytes()[..], &[0, 2], &token.to_be_bytes(), &parts].concat();
    assert_eq!(row_key(TABLE, IndexNumber(2), &key), expected);
}
