use super::*;
use crate::json::Json;
use crate::key::KeyPart;
use crate::row::item_encoding;

/// Sizes by the rules of the developer guide, counted by hand. That the encoded item counts the same is a property in `row`.
#[test]
fn sizes_are_counted_as_dynamodb_counts() {
    let cases = [
        (r#"{}"#, 0),
        (r#"{"abc": {"S": ""}}"#, 3),
        (r#"{"é": {"S": "€"}}"#, 2 + 3),
        (r#"{"n": {"N": "100"}}"#, 1 + 2),
        (r#"{"n": {"N": "-12.5"}}"#, 1 + 4),
        (r#"{"b": {"B": "AQID"}}"#, 1 + 3),
        (r#"{"t": {"BOOL": true}, "z": {"NULL": true}}"#, 4),
        (r#"{"l": {"L": []}}"#, 1 + 3),
        (r#"{"l": {"L": [{"S": "ab"}, {"BOOL": true}]}}"#, 1 + 3 + (1 + 2) + (1 + 1)),
        (r#"{"m": {"M": {"key": {"S": "ab"}}}}"#, 1 + 3 + (1 + 3 + 2)),
        (r#"{"s": {"SS": ["a", "bc"]}}"#, 1 + 3),
        (r#"{"s": {"NS": ["1", "1000"]}}"#, 1 + 2 + 2),
        (r#"{"s": {"BS": ["AQID", "AQ=="]}}"#, 1 + 4),
    ];
    for (json, size) in cases {
        let Some(Json::Object(json)) = Json::parse(json.as_bytes()) else { panic!("an item is an object") };
        let item = crate::json::item_from_json(&json).unwrap();
        assert_eq!(item_size(&item), size, "{item:?}");
        assert_eq!(item_size_encoded(&item_encoding(&item)), Ok(size), "{item:?}");
    }
}

#[test]
fn keys_count_their_values() {
    let key = Key { hash: KeyPart::String("abc".to_owned()), range: Some(KeyPart::Binary(vec![1, 2].into())) };
    assert_eq!(key_size(&key), 5);
    assert_eq!(key_size(&Key { range: None, ..key }), 3);
}
