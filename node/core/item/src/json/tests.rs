use super::*;
use crate::arbitrary;
use crate::value::{Item, NESTING_LEVELS_MAX, Value};
use proptest::prelude::*;

fn read(json: &str) -> Result<Value, ValueError> {
    value_from_json(&Json::parse(json.as_bytes()).expect("the test's JSON"))
}

fn written(value: &Value) -> String {
    let mut out = Vec::new();
    write_value_json(value, &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn items_round_trip(item in arbitrary::item()) {
        let mut out = Vec::new();
        write_item_json(&item, &mut out);
        let Some(Json::Object(json)) = Json::parse(&out) else { panic!("an item is an object") };
        prop_assert_eq!(item_from_json(&json), Ok(item));
    }

    #[test]
    fn strings_are_escaped_as_json_has_it(text in prop_oneof![arbitrary::text(), ".{28,70}", "[\\x00-\\x7f]{0,70}"]) {
        let mut out = Vec::new();
        write_string(&text, &mut out);
        prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
    }

    #[test]
    fn any_json_is_a_value_or_an_error(text in "[\\[\\]{}\":,SNBOLMUtrue0-9 ]{0,40}") {
        if let Some(json) = Json::parse(text.as_bytes()) {
            let _ = value_from_json(&json);
        }
    }
}

#[test]
fn values_are_written_in_normal_form() {
    let cases = [
        (r#"{"S":"a\u0001\"\\\n\u00e9/"}"#, r#"{"S":"a\u0001\"\\\né/"}"#),
        (r#"{"N":"1.50E1"}"#, r#"{"N":"15"}"#),
        (r#"{"B":""}"#, r#"{"B":""}"#),
        (r#"{"B":"AQI="}"#, r#"{"B":"AQI="}"#),
        (r#"{"BOOL":false}"#, r#"{"BOOL":false}"#),
        (r#"{"NULL":true}"#, r#"{"NULL":true}"#),
        (r#"{"S":"x","N":null,"Other":[1]}"#, r#"{"S":"x"}"#),
        (r#"{"L":[{"N":"1"},{"L":[]}]}"#, r#"{"L":[{"N":"1"},{"L":[]}]}"#),
        (r#"{"M":{"b":{"M":{}},"a":{"S":""}}}"#, r#"{"M":{"a":{"S":""},"b":{"M":{}}}}"#),
        (r#"{"SS":["b","","a"]}"#, r#"{"SS":["","a","b"]}"#),
        (r#"{"NS":["10","9.0","-1"]}"#, r#"{"NS":["-1","9","10"]}"#),
        (r#"{"BS":["Ag==","AQ=="]}"#, r#"{"BS":["AQ==","Ag=="]}"#),
    ];
    for (json, expected) in cases {
        assert_eq!(read(json).map(|value| written(&value)), Ok(expected.to_owned()), "{json}");
    }
}

#[test]
fn wrong_values_are_validation_errors() {
    let invalid = "One or more parameter values were invalid: ";
    let cases = [
        ("{}", "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        (
            r#"{"X":1,"S":null}"#,
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ),
        (
            r#"{"S":"a","N":"1"}"#,
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ),
        (r#"{"NULL":false}"#, &format!("{invalid}Null attribute value types must have the value of true")),
        (r#"{"SS":[]}"#, &format!("{invalid}An string set  may not be empty")),
        (r#"{"NS":[]}"#, &format!("{invalid}An number set  may not be empty")),
        (r#"{"BS":[]}"#, &format!("{invalid}Binary sets should not be empty")),
        (r#"{"SS":["a","b","a"]}"#, &format!("{invalid}Input collection [a, b, a] contains duplicates.")),
        (r#"{"NS":["1","1.0"]}"#, "Input collection contains duplicates"),
        (
            r#"{"BS":["AQ==","AQ=="]}"#,
            &format!("{invalid}Input collection [AQ==, AQ==]of type BS contains duplicates."),
        ),
        (r#"{"N":"xyz"}"#, "The parameter cannot be converted to a numeric value: xyz"),
        (r#"{"N":""}"#, "The parameter cannot be converted to a numeric value"),
        (r#"{"NS":["1","b"]}"#, "The parameter cannot be converted to a numeric value: b"),
        (
            r#"{"N":"123456789012345678901234567890123456789"}"#,
            "Attempting to store more than 38 significant digits in a Number",
        ),
        (
            r#"{"N":"1e126"}"#,
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
        (
            r#"{"N":"1e-131"}"#,
            "Number underflow. Attempting to store a number with magnitude smaller than supported range",
        ),
    ];
    for (json, text) in cases {
        check_error(json, ErrorKind::Validation, text);
    }
}

#[test]
fn wrong_shapes_are_serialization_errors() {
    let cases = [
        (r#"{"S":1}"#, "NUMBER_VALUE cannot be converted to String"),
        (r#"{"S":1.5}"#, "DECIMAL_VALUE cannot be converted to String"),
        (r#"{"N":5}"#, "NUMBER_VALUE cannot be converted to String"),
        (r#"{"S":true}"#, "TRUE_VALUE cannot be converted to String"),
        (r#"{"SS":[false]}"#, "FALSE_VALUE cannot be converted to String"),
        (r#"{"NS":[null]}"#, "NULL_VALUE cannot be converted to String"),
        (r#"{"S":{}}"#, "Start of structure or map found where not expected"),
        (r#"{"S":[]}"#, "Unrecognized collection type class java.lang.String"),
        (r#"{"BOOL":1}"#, "NUMBER_VALUE cannot be converted to Boolean"),
        (r#"{"BOOL":"true"}"#, "Unexpected token received from parser"),
        (r#"{"BOOL":[]}"#, "Unrecognized collection type class java.lang.Boolean"),
        (r#"{"L":"a"}"#, "Unexpected field type"),
        (r#"{"L":{}}"#, "Start of structure or map found where not expected"),
        (r#"{"M":1}"#, "Unexpected field type"),
        (r#"{"M":[]}"#, "Unrecognized collection type class java.util.Map"),
        (r#"{"M":{"a":"b"}}"#, "Unexpected value type in payload"),
        (r#""a""#, "Unexpected value type in payload"),
        ("[]", "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue"),
        (r#"{"B":1}"#, "only base-64-encoded strings are convertible to bytes"),
        (r#"{"B":{}}"#, "Start of structure or map found where not expected"),
        (r#"{"BS":[[]]}"#, "Unrecognized collection type class java.nio.ByteBuffer"),
        (r#"{"B":"AQI"}"#, "Base64 encoded length is expected a multiple of 4 bytes but found: 3"),
        (r#"{"B":"A€"}"#, "Invalid Base64 character: '€'"),
        (r#"{"B":"AQJ="}"#, "Invalid last non-pad Base64 character dectected"),
        (r#"{"B":"A==="}"#, "Invalid Base64 character: '='"),
    ];
    for (json, text) in cases {
        check_error(json, ErrorKind::Serialization, text);
    }
}

fn check_error(json: &str, kind: ErrorKind, text: &str) {
    let error = read(json).expect_err(json);
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, text), "{json}");
}

#[test]
fn nesting_has_a_limit() {
    let item = |depth| {
        let text = format!(r#"{{"a":{}}}"#, written(&arbitrary::nested_lists(depth)));
        let Some(Json::Object(json)) = Json::parse(text.as_bytes()) else { panic!("an item is an object") };
        item_from_json(&json)
    };
    assert_eq!(
        item(NESTING_LEVELS_MAX),
        Ok(Item::from([("a".to_owned(), arbitrary::nested_lists(NESTING_LEVELS_MAX))]))
    );
    let error = item(NESTING_LEVELS_MAX + 1).unwrap_err();
    assert_eq!((error.clone(), error.kind()), (ValueError::NestedTooDeep, ErrorKind::Validation));
}

#[test]
fn the_writer_of_stored_bytes_takes_back_what_it_began() {
    let mut encoding = crate::row::item_encoding(&Item::from([("a".to_owned(), Value::String("x".repeat(100)))]));
    encoding.push(0);
    let mut out = b"kept".to_vec();
    assert!(write_row_item_json(&encoding, &mut out).is_err());
    assert_eq!(out, b"kept");
}
