use super::{check_lines, with_placeholders};
use crate::{Comparator, ExpressionError, KeyCondition, KeyTest};

/// For a key of `pk` and `sk`.
fn shown(text: &str, range_name: Option<&str>) -> String {
    let resolved = with_placeholders(|placeholders| KeyCondition::parse(text, placeholders)?.resolve("pk", range_name));
    match resolved {
        Ok(resolved) => format!("{:?} {:?}", resolved.hash, resolved.range),
        Err(error) => error.to_string(),
    }
}

#[test]
fn of_a_table_with_a_sort_key() {
    check_lines(
        r#"pk = :a => String("a") None
           :a = pk => String("a") None
           pk = :a AND sk = :b => String("a") Some(Equal(String("b")))
           sk < :b AND pk = :a => String("a") Some(Less(String("b")))
           pk = :a and sk <= :b => String("a") Some(LessOrEqual(String("b")))
           pk = :a AND sk > :b => String("a") Some(Greater(String("b")))
           pk = :a AND :b > sk => String("a") Some(Less(String("b")))
           (pk = :a) AND (sk >= :b) => String("a") Some(GreaterOrEqual(String("b")))
           pk = :a AND sk BETWEEN :a AND :b => String("a") Some(Between(String("a"), String("b")))
           pk = :a AND begins_with(sk, :b) => String("a") Some(BeginsWith(String("b")))
           sk = :b => Query condition missed key schema element: pk
           pk = :a AND elsewhere = :b => Query condition missed key schema element: sk
           pk > :a => Query key condition not supported
           begins_with(pk, :a) => Query key condition not supported
           pk = :a AND sk = :b AND elsewhere = :a => Query key condition not supported
           pk = :a OR sk = :b => Invalid operator used in KeyConditionExpression: OR
           NOT pk = :a => Invalid operator used in KeyConditionExpression: NOT
           pk = :a AND sk <> :b => Invalid operator used in KeyConditionExpression: <>
           pk = :a AND sk IN (:b) => Invalid operator used in KeyConditionExpression: IN
           pk = :a AND contains(sk, :b) => Invalid operator used in KeyConditionExpression: contains
           attribute_exists(pk) => Invalid operator used in KeyConditionExpression: attribute_exists
           pk = :a AND sk > :a AND sk < :b => KeyConditionExpressions must only contain one condition per key
           pk.x = :a => KeyConditionExpressions cannot have conditions on nested attributes
           size(pk) = :five => KeyConditionExpressions cannot contain nested operations
           pk = sk => Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition
           pk = :a AND begins_with(:b, sk) => Invalid condition in KeyConditionExpression: begins_with operator must have \
             the key attribute as its first operand
           pk = :a AND sk BETWEEN :five AND :one => Invalid KeyConditionExpression: The BETWEEN operator requires upper bound \
             to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:5}, \
             upper bound operand: AttributeValue: {N:1}
           pk = :a AND begins_with(sk, :five) => Invalid KeyConditionExpression: Incorrect operand type for operator or \
             function; operator or function: begins_with, operand type: N
           pk = [object Object] => Invalid KeyConditionExpression: Syntax error; token: "[", near: "= [object" "#,
        |text| shown(text, Some("sk")),
    );
}

#[test]
fn of_a_table_without_one() {
    check_lines(
        r#"pk = :a => String("a") None
           pk = :a AND sk = :b => Query key condition not supported"#,
        |text| shown(text, None),
    );
}

#[test]
fn a_plan_that_was_not_parsed_resolves_or_refuses() {
    let none = KeyCondition { tests: Vec::new() };
    assert_eq!(none.resolve("pk", None), Err(ExpressionError::KeyMissing("pk".to_owned())));
    let test = KeyTest::Compare(Comparator::Equal, stator_item::Value::Null);
    let one = KeyCondition { tests: vec![("pk".to_owned(), test)] };
    assert!(one.resolve("pk", Some("pk")).is_ok());
}

#[test]
fn of_a_key_of_several_attributes() {
    let shown = |text: &str| {
        let resolved = with_placeholders(|placeholders| {
            KeyCondition::parse(text, placeholders)?.resolve_compound(&["h1", "h2"], &["r1", "r2", "r3"])
        });
        match resolved {
            Ok(resolved) => format!("{:?} {:?} {:?}", resolved.hash, resolved.equal, resolved.range),
            Err(error) => error.to_string(),
        }
    };
    check_lines(
        r#"h1 = :a AND h2 = :b => [String("a"), String("b")] [] None
           r1 = :a AND h2 = :b AND h1 = :a => [String("a"), String("b")] [String("a")] None
           h1 = :a AND h2 = :b AND r1 = :a AND r2 > :b => [String("a"), String("b")] [String("a")] Some(Greater(String("b")))
           h1 = :a AND h2 = :b AND r1 < :a => [String("a"), String("b")] [] Some(Less(String("a")))
           h1 = :a => Query condition missed key schema element: h2
           h1 = :a AND h2 > :b => Query key condition not supported
           h1 = :a AND h2 = :b AND r2 = :a => Query key condition not supported
           h1 = :a AND h2 = :b AND r1 < :a AND r2 = :b => Query key condition not supported
           h1 = :a AND h2 = :b AND elsewhere = :b => Query key condition not supported"#,
        shown,
    );
}
