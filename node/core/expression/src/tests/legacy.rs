//! Legacy parameters by example: what they become, or DynamoDB's words.

use super::{item, json};
use crate::legacy::*;
use crate::{ExpressionError, KeyTest, UpdateError};
use stator_item::{Item, Value};
use std::collections::BTreeMap;

const ITEM: &str = r#"{
    "s": {"S": "abc"}, "n": {"N": "5"}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2"]}, "l": {"L": [{"S": "a"}, {"N": "1"}]},
    "null": {"NULL": true}, "b": {"B": "AQID"}, "m": {"M": {"x": {"N": "1"}}}
}"#;

/// The values of `[...]`.
fn values(json: &str) -> Vec<Value> {
    match item(&format!(r#"{{"l": {{"L": {json}}}}}"#)).remove("l") {
        Some(Value::List(values)) => values,
        other => panic!("no list: {other:?}"),
    }
}

fn condition(operator: &str, json: &str) -> AttributeCondition {
    AttributeCondition { operator: Operator::named(operator).expect(operator), values: values(json) }
}

#[test]
fn operators_compare() {
    let stored = item(ITEM);
    for (name, operator, list, holds) in [
        ("s", "EQ", r#"[{"S": "abc"}]"#, true),
        ("s", "EQ", r#"[{"N": "5"}]"#, false),
        ("ss", "EQ", r#"[{"SS": ["b", "a"]}]"#, true),
        ("ss", "EQ", r#"[{"SS": ["b"]}]"#, false),
        ("m", "EQ", r#"[{"M": {"x": {"N": "1.0"}}}]"#, true),
        ("none", "EQ", r#"[{"S": "abc"}]"#, false),
        ("s", "NE", r#"[{"N": "5"}]"#, true),
        ("ns", "NE", r#"[{"NS": ["2", "1"]}]"#, false),
        ("n", "LT", r#"[{"N": "6"}]"#, true),
        ("n", "LT", r#"[{"N": "5"}]"#, false),
        ("n", "LE", r#"[{"N": "5"}]"#, true),
        ("n", "GT", r#"[{"S": "0"}]"#, false),
        ("n", "GE", r#"[{"N": "5"}]"#, true),
        ("b", "GT", r#"[{"B": "AQI="}]"#, true),
        ("n", "BETWEEN", r#"[{"N": "5"}, {"N": "6"}]"#, true),
        ("n", "BETWEEN", r#"[{"N": "6"}, {"N": "7"}]"#, false),
        ("s", "IN", r#"[{"S": "x"}, {"S": "abc"}]"#, true),
        ("s", "IN", r#"[{"S": "x"}]"#, false),
        ("s", "NULL", "[]", false),
        ("none", "NULL", "[]", true),
        ("null", "NULL", "[]", false),
        ("null", "NOT_NULL", "[]", true),
        ("s", "CONTAINS", r#"[{"S": "bc"}]"#, true),
        ("ss", "CONTAINS", r#"[{"S": "a"}]"#, true),
        ("l", "CONTAINS", r#"[{"N": "1"}]"#, true),
        ("ns", "CONTAINS", r#"[{"S": "1"}]"#, false),
        ("s", "NOT_CONTAINS", r#"[{"S": "x"}]"#, true),
        ("ss", "NOT_CONTAINS", r#"[{"S": "a"}]"#, false),
        ("s", "BEGINS_WITH", r#"[{"S": "ab"}]"#, true),
        ("b", "BEGINS_WITH", r#"[{"B": "AQ=="}]"#, true),
    ] {
        let conditions = BTreeMap::from([(name.to_owned(), condition(operator, list))]);
        let filter = filter(conditions, None).expect(operator).expect("a condition");
        assert_eq!(filter.evaluate(&stored), holds, "{name} {operator} {list}");
    }
}

#[test]
fn arguments_are_checked() {
    const INVALID: &str = "One or more parameter values were invalid: ";
    for (operator, list, refusal) in [
        ("EQ", "[]", "Invalid number of argument(s) for the EQ ComparisonOperator"),
        ("NULL", r#"[{"S": "a"}]"#, "Invalid number of argument(s) for the NULL ComparisonOperator"),
        ("BETWEEN", r#"[{"S": "a"}]"#, "Invalid number of argument(s) for the BETWEEN ComparisonOperator"),
        ("IN", "[]", "Invalid number of argument(s) for the IN ComparisonOperator"),
        ("LT", r#"[{"SS": ["a"]}]"#, "ComparisonOperator LT is not valid for SS AttributeValue type"),
        ("IN", r#"[{"S": "a"}, {"L": []}]"#, "ComparisonOperator IN is not valid for L AttributeValue type"),
        ("CONTAINS", r#"[{"NS": ["1"]}]"#, "ComparisonOperator CONTAINS is not valid for NS AttributeValue type"),
        ("BEGINS_WITH", r#"[{"N": "1"}]"#, "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type"),
        ("IN", r#"[{"S": "a"}, {"N": "1"}]"#, "AttributeValues inside AttributeValueList must be of same type"),
    ] {
        let refused = filter(BTreeMap::from([("a".to_owned(), condition(operator, list))]), None);
        assert_eq!(refused.expect_err(operator).to_string(), format!("{INVALID}{refusal}"));
    }
    let reversed = BTreeMap::from([("a".to_owned(), condition("BETWEEN", r#"[{"N": "2"}, {"N": "1"}]"#))]);
    assert_eq!(filter(reversed, None), Err(LegacyError::BoundsReversed));
    let many = AttributeCondition { operator: Operator::In, values: vec![Value::String("a".into()); 101] };
    let many = filter(BTreeMap::from([("a".to_owned(), many)]), None);
    assert_eq!(many, Err(LegacyError::TooManyValues { values_count: 101 }));
}

#[test]
fn conditions_are_joined() {
    let stored = item(ITEM);
    let both = || {
        let conditions = [("s", condition("NOT_NULL", "[]")), ("none", condition("NOT_NULL", "[]"))];
        BTreeMap::from(conditions.map(|(name, condition)| (name.to_owned(), condition)))
    };
    for (joined, holds) in
        [(None, false), (Some(ConditionalOperator::And), false), (Some(ConditionalOperator::Or), true)]
    {
        let filter = filter(both(), joined).expect("two conditions").expect("a condition");
        assert_eq!(filter.evaluate(&stored), holds, "{joined:?}");
    }
    assert_eq!(filter(BTreeMap::new(), None), Ok(None));
    let or = Some(ConditionalOperator::Or);
    assert_eq!(filter(BTreeMap::new(), or), Err(LegacyError::OperatorWithoutConditions));
    let one = BTreeMap::from([("s".to_owned(), condition("NULL", "[]"))]);
    assert_eq!(filter(one, or), Err(LegacyError::OperatorWithOneCondition));
    let many = (0..301).map(|number| (number.to_string(), condition("NULL", "[]"))).collect();
    assert_eq!(filter(many, None), Err(LegacyError::TooManyConditions { conditions_count: 301 }));
}

#[test]
fn expectations_hold_or_are_refused() {
    let stored = item(ITEM);
    let given = || Some(Value::String("abc".into()));
    let named = |name: &str| Operator::named(name);
    let none = ExpectedAttribute::default;
    let outcome = |name: &str, attribute: ExpectedAttribute| {
        let condition = expected(BTreeMap::from([(name.to_owned(), attribute)]), None)?;
        Ok::<_, LegacyError>(condition.expect("one condition").evaluate(&stored))
    };
    for (name, attribute, holds) in [
        ("s", ExpectedAttribute { value: given(), ..none() }, true),
        ("n", ExpectedAttribute { value: given(), ..none() }, false),
        ("s", ExpectedAttribute { value: given(), exists: Some(true), ..none() }, true),
        ("s", ExpectedAttribute { exists: Some(false), ..none() }, false),
        ("none", ExpectedAttribute { exists: Some(false), ..none() }, true),
        ("s", ExpectedAttribute { operator: named("NOT_NULL"), ..none() }, true),
        ("s", ExpectedAttribute { operator: named("EQ"), value: given(), ..none() }, true),
        ("s", ExpectedAttribute { operator: named("EQ"), values: Some(values(r#"[{"S": "abc"}]"#)), ..none() }, true),
    ] {
        assert_eq!(outcome(name, attribute.clone()), Ok(holds), "{name} {attribute:?}");
    }
    for (attribute, refusal) in [
        (none(), "Value must be provided when Exists is null"),
        (ExpectedAttribute { exists: Some(true), ..none() }, "Value must be provided when Exists is true"),
        (
            ExpectedAttribute { exists: Some(false), value: given(), ..none() },
            "Value cannot be used when Exists is false",
        ),
        (
            ExpectedAttribute { exists: Some(false), values: Some(vec![]), ..none() },
            "AttributeValueList can only be used with a ComparisonOperator",
        ),
        (
            ExpectedAttribute { value: given(), values: Some(vec![]), ..none() },
            "Value and AttributeValueList cannot be used together",
        ),
        (
            ExpectedAttribute { exists: Some(true), operator: named("EQ"), value: given(), ..none() },
            "Exists and ComparisonOperator cannot be used together",
        ),
        (
            ExpectedAttribute { operator: named("GE"), ..none() },
            "Value or AttributeValueList must be used with ComparisonOperator: GE",
        ),
    ] {
        let refused = outcome("a", attribute).expect_err(refusal).to_string();
        assert_eq!(refused, format!("1 validation error detected: {refusal} for Attribute: a"));
    }
}

/// Applies one action to attribute `name` of an item.
fn updated(old: &str, name: &str, action: Action, value: Option<&str>) -> Result<String, String> {
    let value = value.map(|json| values(&format!("[{json}]")).remove(0));
    let update = update(BTreeMap::from([(name.to_owned(), AttributeUpdate { action, value })]));
    let after = update.map_err(|error| error.to_string())?.apply(&item(old));
    Ok(json(&after.map_err(|error: UpdateError| error.to_string())?.item))
}

#[test]
fn updates_change_items() {
    use Action::{Add, Delete, Put};
    for (old, action, value, new) in [
        ("{}", Put, Some(r#"{"S": "x"}"#), r#"{"a":{"S":"x"}}"#),
        (r#"{"a": {"N": "1"}}"#, Put, Some(r#"{"S": "x"}"#), r#"{"a":{"S":"x"}}"#),
        (r#"{"a": {"N": "1"}}"#, Delete, None, "{}"),
        ("{}", Delete, None, "{}"),
        (r#"{"a": {"SS": ["x", "y"]}}"#, Delete, Some(r#"{"SS": ["x", "z"]}"#), r#"{"a":{"SS":["y"]}}"#),
        (r#"{"a": {"SS": ["x"]}}"#, Delete, Some(r#"{"SS": ["x"]}"#), "{}"),
        (r#"{"a": {"N": "1"}}"#, Add, Some(r#"{"N": "-2"}"#), r#"{"a":{"N":"-1"}}"#),
        ("{}", Add, Some(r#"{"N": "2"}"#), r#"{"a":{"N":"2"}}"#),
        (r#"{"a": {"NS": ["1"]}}"#, Add, Some(r#"{"NS": ["2"]}"#), r#"{"a":{"NS":["1","2"]}}"#),
        (r#"{"a": {"L": [{"N": "1"}]}}"#, Add, Some(r#"{"L": [{"N": "2"}]}"#), r#"{"a":{"L":[{"N":"1"},{"N":"2"}]}}"#),
        ("{}", Add, Some(r#"{"L": [{"N": "2"}]}"#), r#"{"a":{"L":[{"N":"2"}]}}"#),
    ] {
        assert_eq!(updated(old, "a", action, value), Ok(new.to_owned()), "{old} {action:?} {value:?}");
    }
    const INVALID: &str = "One or more parameter values were invalid: ";
    for (action, value, refusal) in [
        (Put, None, "Only DELETE action is allowed when no attribute value is specified"),
        (Add, None, "Only DELETE action is allowed when no attribute value is specified"),
        (Add, Some(r#"{"S": "x"}"#), "ADD action is not supported for the type S"),
        (Add, Some(r#"{"BOOL": true}"#), "ADD action is not supported for the type BOOL"),
        (Delete, Some(r#"{"N": "1"}"#), "DELETE action with value is not supported for the type N"),
    ] {
        assert_eq!(updated("{}", "a", action, value), Err(format!("{INVALID}{refusal}")));
    }
}

#[test]
fn key_conditions_resolve() {
    let conditions = |list: &[(&str, &str, &str)]| {
        list.iter().map(|(name, operator, values)| ((*name).to_owned(), condition(operator, values))).collect()
    };
    let both = key_condition(conditions(&[("pk", "EQ", r#"[{"S": "a"}]"#), ("sk", "BEGINS_WITH", r#"[{"S": "b"}]"#)]));
    let both = both.expect("a key condition");
    assert!(matches!(both.tests.last(), Some((name, KeyTest::BeginsWith(_))) if name == "sk"));
    assert!(both.resolve("pk", Some("sk")).is_ok());
    assert_eq!(both.resolve("pk", Some("other")), Err(ExpressionError::KeyMissing("other".into())));
    assert_eq!(both.resolve("other", None), Err(ExpressionError::KeyMissing("other".into())));
    for operator in ["NE", "NULL", "NOT_NULL", "IN", "CONTAINS", "NOT_CONTAINS"] {
        let values = if operator.ends_with("NULL") { "[]" } else { r#"[{"S": "a"}]"# };
        assert_eq!(key_condition(conditions(&[("pk", operator, values)])), Err(LegacyError::KeyOperator), "{operator}");
    }
    assert_eq!(key_condition(BTreeMap::new()), Err(LegacyError::KeyConditionsCount));
}

#[test]
fn the_rest() {
    let stored: Item = item(ITEM);
    let projected = attributes_to_get(["n", "none"]).expect("two names").project(&stored);
    assert_eq!(json(&projected), r#"{"n":{"N":"5"}}"#);
    assert_eq!(attributes_to_get(["n", "s", "n"]), Err(LegacyError::DuplicateName("n".into())));
    assert_eq!(refuse_mixed(vec![], vec!["UpdateExpression"]), Ok(()));
    let mixed = refuse_mixed(vec!["AttributeUpdates", "Expected"], vec!["UpdateExpression", "ConditionExpression"]);
    assert_eq!(
        mixed.expect_err("both kinds").to_string(),
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
         {AttributeUpdates, Expected} Expression parameters: {UpdateExpression, ConditionExpression}"
    );
}
