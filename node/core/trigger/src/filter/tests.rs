//! What patterns match, as AWS's pages and people's trials have it.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn matches(pattern: Value, record: &Value) -> bool {
    let text = pattern.to_string();
    Filter::parse([text.as_str()]).unwrap_or_else(|_| panic!("{text} is a pattern")).matches(record)
}

fn record() -> Value {
    json!({
        "eventName": "MODIFY",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_700_000_000,
            "Keys": {"pk": {"S": "user#1"}},
            "NewImage": {
                "pk": {"S": "user#1"}, "n": {"N": "101"}, "flag": {"BOOL": true}, "none": {"NULL": true},
                "address": {"M": {"city": {"S": "Berlin"}}}, "tags": {"SS": ["a", "b"]},
                "list": {"L": [{"S": "x"}, {"N": "5"}]}, "empty": {"S": ""}, "ip": {"S": "10.0.0.7"}
            },
            "OldImage": {"n": {"N": "100"}}
        }
    })
}

#[test]
fn operators_hold_of_what_they_say() {
    let record = record();
    let of_name = |operator: Value| json!({"eventName": [operator]});
    let of_pk = |operator: Value| json!({"dynamodb": {"NewImage": {"pk": {"S": [operator]}}}});
    let of_number = |operator: Value| json!({"dynamodb": {"NewImage": {"n": {"N": [operator]}}}});
    let of_time = |operator: Value| json!({"dynamodb": {"ApproximateCreationDateTime": [operator]}});
    let of_ip = |operator: Value| json!({"dynamodb": {"NewImage": {"ip": {"S": [operator]}}}});
    for (pattern, wanted) in [
        (json!({}), true),
        (json!({"eventName": ["INSERT", "MODIFY"]}), true),
        (json!({"eventName": ["INSERT"]}), false),
        (json!({"eventName": ["MODIFY"], "dynamodb": {"Keys": {"pk": {"S": ["user#2"]}}}}), false),
        (of_pk(json!({"prefix": "user#"})), true),
        (of_pk(json!({"prefix": "group#"})), false),
        (of_pk(json!({"suffix": "#1"})), true),
        (of_pk(json!({"prefix": {"equals-ignore-case": "USER"}})), true),
        (of_pk(json!({"suffix": {"equals-ignore-case": "R#1"}})), true),
        (of_name(json!({"equals-ignore-case": "modify"})), true),
        (of_pk(json!({"wildcard": "us*r#*"})), true),
        (of_pk(json!({"wildcard": "us*#2"})), false),
        (of_name(json!({"anything-but": "REMOVE"})), true),
        (of_name(json!({"anything-but": ["REMOVE", "MODIFY"]})), false),
        (of_pk(json!({"anything-but": {"prefix": "user"}})), false),
        (of_pk(json!({"anything-but": {"suffix": ["#2", "#3"]}})), true),
        (of_pk(json!({"anything-but": {"wildcard": "*#1"}})), false),
        // DynamoDB's numbers are strings.
        (of_number(json!({"numeric": [">", 1]})), false),
        (of_number(json!("101")), true),
        (of_number(json!(101)), false),
        (of_number(json!({"anything-but": "100"})), true),
        (of_time(json!({"numeric": [">", 1_600_000_000, "<=", 1_700_000_000]})), true),
        (of_time(json!({"numeric": ["=", 1_700_000_000.0]})), true),
        (of_time(json!({"numeric": ["<", 1_700_000_000]})), false),
        (of_time(json!(1_700_000_000)), true),
        (of_ip(json!({"cidr": "10.0.0.0/24"})), true),
        (of_ip(json!({"cidr": "10.0.1.0/24"})), false),
        (of_ip(json!({"cidr": "0.0.0.0/0"})), true),
        (of_ip(json!({"cidr": "::/0"})), false),
        (json!({"dynamodb": {"NewImage": {"flag": {"BOOL": [true]}}}}), true),
        (json!({"dynamodb": {"NewImage": {"none": {"NULL": [null]}}}}), false),
        (json!({"dynamodb": {"NewImage": {"empty": {"S": [""]}}}}), true),
        (json!({"dynamodb": {"NewImage": {"address": {"M": {"city": {"S": ["Berlin"]}}}}}}), true),
        (json!({"dynamodb": {"NewImage": {"address": {"city": ["Berlin"]}}}}), false),
        (json!({"dynamodb": {"NewImage": {"tags": {"SS": ["b"]}}}}), true),
        (json!({"dynamodb": {"NewImage": {"list": {"L": {"N": ["5"]}}}}}), true),
        // Existence is asked of values only.
        (json!({"dynamodb": {"NewImage": {"pk": [{"exists": true}]}}}), false),
        (json!({"dynamodb": {"NewImage": {"pk": {"S": [{"exists": true}]}}}}), true),
        (json!({"dynamodb": {"NewImage": {"gone": [{"exists": false}]}}}), true),
        (json!({"dynamodb": {"NewImage": {"pk": {"S": [{"exists": false}]}}}}), false),
        (json!({"nothing": {"at": {"all": [{"exists": false}]}}}), true),
        (json!({"nothing": {"at": {"all": [{"anything-but": "x"}]}}}), false),
        (json!({"$or": [{"eventName": ["REMOVE"]}, {"dynamodb": {"OldImage": {"n": {"N": ["100"]}}}}]}), true),
        (json!({"eventName": ["REMOVE"], "$or": [{"eventName": ["MODIFY"]}, {"eventName": ["INSERT"]}]}), false),
    ] {
        assert_eq!(matches(pattern.clone(), &record), wanted, "{pattern}");
    }
}

#[test]
fn one_of_several_patterns_is_enough() {
    let none = Filter::default();
    assert!(none.is_open() && none.matches(&record()));
    let two = Filter::parse([r#"{"eventName": ["INSERT"]}"#, r#"{"eventName": ["MODIFY"]}"#]).expect("patterns");
    assert!(two.matches(&record()));
    assert!(!two.matches(&json!({"eventName": "REMOVE"})));
}

#[test]
fn what_is_no_pattern_is_refused() {
    for text in [
        "",
        "x",
        "[]",
        "null",
        r#"{"a": "x"}"#,
        r#"{"a": []}"#,
        r#"{"a": {}}"#,
        r#"{"a": [[1]]}"#,
        r#"{"a": [{}]}"#,
        r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#,
        r#"{"a": [{"unknown": 1}]}"#,
        r#"{"a": [{"exists": "yes"}]}"#,
        r#"{"a": [{"numeric": []}]}"#,
        r#"{"a": [{"numeric": [">"]}]}"#,
        r#"{"a": [{"numeric": [">", "1"]}]}"#,
        r#"{"a": [{"numeric": [">", 5, "<", 1]}]}"#,
        r#"{"a": [{"numeric": ["<", 5, ">", 1]}]}"#,
        r#"{"a": [{"anything-but": []}]}"#,
        r#"{"a": [{"anything-but": [true]}]}"#,
        r#"{"a": [{"anything-but": {"numeric": [">", 1]}}]}"#,
        r#"{"a": [{"prefix": 1}]}"#,
        r#"{"a": [{"prefix": {"prefix": "x"}}]}"#,
        r#"{"a": [{"wildcard": "a**b"}]}"#,
        r#"{"a": [{"wildcard": "a\\b"}]}"#,
        r#"{"a": [{"cidr": "10.0.0.0"}]}"#,
        r#"{"a": [{"cidr": "10.0.0.0/33"}]}"#,
        r#"{"$or": []}"#,
        r#"{"$or": [{}]}"#,
        r#"{"$or": [1]}"#,
    ] {
        assert_eq!(Filter::parse([text]), Err(FilterError), "{text}");
    }
    let long = format!(r#"{{"a": ["{}"]}}"#, "x".repeat(PATTERN_CHARACTERS_MAX));
    assert_eq!(Filter::parse([long.as_str()]), Err(FilterError));
}

/// What a wildcard means, said in the slow way.
fn is_like(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|from| is_like(rest, &text[from..])),
        [first, rest @ ..] => text.first() == Some(first) && is_like(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn wildcards_are_what_they_say(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
        prop_assume!(!pattern.contains("**"));
        let wanted = is_like(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
        prop_assert_eq!(matches(json!({"a": [{"wildcard": pattern}]}), &json!({"a": text})), wanted);
    }

    #[test]
    fn any_text_is_a_pattern_or_refused(text in r#"[\{\}\[\]",:a\$or0-9><=*\\. -]{0,60}"#) {
        if let Ok(filter) = Filter::parse([text.as_str()]) {
            filter.matches(&record());
        }
    }
}
