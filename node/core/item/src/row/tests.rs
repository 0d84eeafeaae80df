use super::*;
use crate::arbitrary;
use crate::json::{write_item_json, write_row_item_json};
use crate::size::{item_size, item_size_encoded};
use proptest::prelude::*;

const HEADER: RowHeader = RowHeader { written: Timestamp { wall_ms: 0x0102, counter: 3, node: 4 }, origin: 5 };

/// All that reads encoded items agrees about these bytes.
fn check_readers_agree(bytes: &[u8]) {
    let mut json = b"before".to_vec();
    let written = write_row_item_json(bytes, &mut json);
    let size = item_size_encoded(bytes);
    match decode_item(bytes) {
        Ok(item) => {
            assert_eq!(item_encoding(&item), bytes, "an encoding that is not ours was accepted");
            let mut expected = b"before".to_vec();
            write_item_json(&item, &mut expected);
            assert_eq!((written, json), (Ok(()), expected));
            assert_eq!(size, Ok(item_size(&item)));
        }
        Err(error) => {
            assert_eq!((written, size), (Err(error), Err(error)));
            assert_eq!(json, b"before");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn rows_round_trip(item in arbitrary::item(), absent in arbitrary::text()) {
        let row = encode_row(&HEADER, &item);
        prop_assert_eq!(encode_row_of(&HEADER, item_size(&item), &item_encoding(&item)), row.clone());
        prop_assert_eq!(decode_row(&row), Ok((HEADER, item.clone())));
        let item_bytes = item_size(&item);
        let split = Row { header: HEADER, item_bytes, encoded_item: &row[ROW_HEADER_BYTES..] };
        prop_assert_eq!(split_row(&row), Ok(split));
        for (name, value) in &item {
            prop_assert_eq!(get_attribute(&row, name), Ok(Some(value.clone())));
        }
        prop_assert_eq!(get_attribute(&row, &absent), Ok(item.get(&absent).cloned()));
        check_readers_agree(&row[ROW_HEADER_BYTES..]);
    }

    #[test]
    fn a_cut_row_is_an_error(item in arbitrary::item(), cut in any::<prop::sample::Index>()) {
        let row = encode_row(&HEADER, &item);
        let cut = &row[..cut.index(row.len())];
        prop_assert!(matches!(decode_row(cut), Err(RowError::Damaged(_))));
    }

    #[test]
    fn a_changed_item_is_an_error_or_another_item(
        item in arbitrary::item(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let mut bytes = item_encoding(&item);
        for (position, byte) in changes {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        check_readers_agree(&bytes);
        let _ = get_item_attribute(&bytes, "a");
    }

    #[test]
    fn any_bytes_are_an_item_or_an_error(bytes in prop::collection::vec(prop_oneof![0..16_u8, any::<u8>()], 0..64)) {
        check_readers_agree(&bytes);
        let _ = get_item_attribute(&bytes, "a");
        let _ = decode_row(&bytes);
        let _ = get_attribute(&bytes, "a");
    }
}

#[test]
fn an_unknown_version_is_named() {
    let mut row = encode_row(&HEADER, &Item::new());
    row[0] = 9;
    assert_eq!(decode_row(&row), Err(RowError::UnknownVersion(9)));
    assert_eq!(get_attribute(&row, "a"), Err(RowError::UnknownVersion(9)));
}

#[test]
fn a_row_that_tells_another_size_is_damaged() {
    let item = Item::from([("a".to_owned(), Value::Null)]);
    let mut row = encode_row(&HEADER, &item);
    assert_eq!(decode_row(&row), Ok((HEADER, item)));
    row[ROW_HEADER_BYTES - 1] += 1;
    assert_eq!(decode_row(&row), Err(RowError::Damaged("it tells another size than its item has")));
}

#[test]
fn nesting_is_followed_as_far_as_it_is_said() {
    let encoding = |depth| item_encoding(&Item::from([("a".to_owned(), arbitrary::nested_lists(depth))]));
    assert!(decode_item(&encoding(NESTING_LEVELS_MAX)).is_ok());
    assert!(decode_item(&encoding(DECODED_LEVELS_MAX)).is_ok());
    let too_deep = encoding(DECODED_LEVELS_MAX + 1);
    assert_eq!(decode_item(&too_deep), Err(RowError::Damaged("it is nested too deep")));
    check_readers_agree(&too_deep);
}

#[test]
fn counts_beyond_the_bytes_are_refused() {
    for item in [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01], &[0x80, 0x00], &[2, 0, 0]]
    {
        assert!(matches!(decode_item(item), Err(RowError::Damaged(_))), "{item:?}");
        check_readers_agree(item);
    }
}

#[test]
fn only_ascending_names_and_elements_are_accepted() {
    let a_then = |name| [2, 1, b'a', 0, 1, name, 0];
    let set = |elements: [u8; 4]| [&[1, 1, b's', 8, 5, 2][..], &elements].concat();
    for good in [&a_then(b'b')[..], &set([1, b'a', 1, b'b'])] {
        assert!(decode_item(good).is_ok(), "{good:?}");
        check_readers_agree(good);
    }
    let (names, elements) = ("attributes are not in order", "a set is not in order");
    let cases = [
        (a_then(b'a').to_vec(), names),
        (a_then(b'A').to_vec(), names),
        (set([1, b'b', 1, b'a']), elements),
        (set([1, b'a', 1, b'a']), elements),
    ];
    for (bad, reason) in cases {
        assert_eq!(decode_item(&bad), Err(RowError::Damaged(reason)), "{bad:?}");
        check_readers_agree(&bad);
    }
}

/// Rows are on disk: a change here is a new row version.
#[test]
fn rows_stay_what_they_are() {
    let item = Item::from([
        ("b".to_owned(), Value::Bool(true)),
        ("l".to_owned(), Value::List(vec![Value::Null, Value::String("é".to_owned())])),
        ("s".to_owned(), Value::NumberSet([crate::Number::from_i64(-7)].into())),
    ]);
    let header = [2, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 0, 0, 0, 4, 5, 0, 0, 0, 15];
    let attributes = [3, 1, b'b', 2, 1, b'l', 6, 6, 2, 0, 3, 2, 0xc3, 0xa9, 1, b's', 9, 4, 1, 0x81, 0, 7];
    assert_eq!(encode_row(&HEADER, &item), [&header[..], &attributes[..]].concat());
}
