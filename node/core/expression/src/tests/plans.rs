//! Plans as other crates and other nodes meet them: built without text, encoded, decoded, malformed.

use super::{item, with_placeholders};
use crate::*;
use serde::{Serialize, de::DeserializeOwned};
use stator_item::Value;
use std::fmt::Debug;

fn travels<T: Serialize + DeserializeOwned + PartialEq + Debug>(plan: &T) {
    let bytes = postcard::to_stdvec(plan).expect("encodes");
    assert_eq!(&postcard::from_bytes::<T>(&bytes).expect("decodes"), plan);
}

#[test]
fn every_plan_travels() {
    with_placeholders(|placeholders| {
        let text =
            "NOT (a = :a OR size(l[0].x) < :five) AND n IN (:one) AND attribute_type(a, :S) AND contains(l, :map)";
        travels(&Condition::parse(text, Kind::Condition, placeholders).expect(text));
        travels(&Projection::parse("a, l[0].x", placeholders).expect("a projection"));
        let text =
            "SET a = if_not_exists(a, :zero) + :one, b = list_append(b, :list) REMOVE l[0] ADD n :one DELETE ss :ss";
        travels(&Update::parse(text, placeholders).expect(text));
        let key = KeyCondition::parse("pk = :a AND sk BETWEEN :a AND :b", placeholders).expect("a key condition");
        travels(&key);
        travels(&key.resolve("pk", Some("sk")).expect("resolves"));
    });
}

#[test]
fn a_path_too_deep_does_not_decode() {
    let deep: (String, Vec<Step>) = ("a".to_owned(), vec![Step::Index(0); PATH_DEPTH_MAX]);
    let bytes = postcard::to_stdvec(&deep).expect("encodes");
    assert!(postcard::from_bytes::<Path>(&bytes).is_err());
    assert_eq!(Path::new("a", deep.1), Err(PathTooDeep { elements_count: PATH_DEPTH_MAX + 1 }));
}

#[test]
fn conditions_are_built_without_text() {
    let exists = |name: &str| Condition::test(Test::Exists(Path::attribute(name)));
    let item = item(r#"{"a": {"S": "x"}}"#);
    assert!(exists("a").and(exists("b").not()).evaluate(&item));
    assert!(exists("b").or(exists("a")).evaluate(&item));
    assert_eq!(Vec::from_iter(exists("b").or(exists("a")).attribute_names()), ["a", "b"]);
}

#[test]
fn malformed_plans_answer_without_panic() {
    let test = ConditionStep::Test(Test::Exists(Path::attribute("a")));
    let item = item(r#"{"a": {"S": "x"}}"#);
    for steps in [
        vec![],
        vec![ConditionStep::Not],
        vec![ConditionStep::And],
        vec![test.clone(), ConditionStep::Or],
        vec![test.clone(), test],
    ] {
        assert!(!Condition { steps: steps.clone() }.evaluate(&item), "{steps:?}");
    }
    let value = ValueStep::Value(Value::Null);
    for steps in [
        vec![],
        vec![ValueStep::Plus],
        vec![ValueStep::IfNotExists(Path::attribute("b"))],
        vec![value.clone(), ValueStep::ListAppend],
        vec![value.clone(), value],
    ] {
        let sets = vec![Assignment { path: Path::attribute("c"), value: steps.clone() }];
        let update = Update { sets, ..Update::default() };
        assert_eq!(update.apply(&item), Err(UpdateError::OperandType), "{steps:?}");
    }
}

#[test]
fn an_update_does_not_nest_deeper_than_items_may() {
    let map = |levels: usize| (0..levels).fold(Value::Null, |value, _| Value::Map([("a".to_owned(), value)].into()));
    let old = stator_item::Item::from([("a".to_owned(), map(32))]);
    let set = |steps: usize, levels: usize| {
        let path = Path::new("a", vec![Step::Name("a".to_owned()); steps]).expect("short");
        let update = Update { sets: vec![Assignment::value(path, map(levels))], ..Update::default() };
        update.apply(&old).map(drop)
    };
    assert_eq!(set(0, 32), Ok(()));
    assert_eq!(set(0, 33), Err(UpdateError::TooDeep));
    assert_eq!(set(31, 1), Ok(()));
    assert_eq!(set(31, 2), Err(UpdateError::TooDeep));
}

#[test]
fn conditions_are_taken_apart() {
    let exists = |name: &str| Condition::test(Test::Exists(Path::attribute(name)));
    let parts = |condition: Condition| -> Vec<Vec<String>> {
        let names = |part: &Condition| part.attribute_names().into_iter().map(str::to_owned).collect();
        condition.into_conjuncts().iter().map(names).collect()
    };
    let or = exists("b").or(exists("c"));
    assert_eq!(parts(exists("a")), [["a"]]);
    assert_eq!(parts(exists("a").and(or.clone()).and(exists("d").not())), [vec!["a"], vec!["b", "c"], vec!["d"]]);
    assert_eq!(parts(exists("a").and(or.clone().and(exists("d")))), [vec!["a"], vec!["b", "c"], vec!["d"]]);
    assert_eq!(parts(or.clone().and(exists("a")).not()), [["a", "b", "c"]]);
    assert_eq!(parts(or.clone().or(exists("a").and(exists("d")))), [["a", "b", "c", "d"]]);
    assert_eq!(Condition::all([exists("a"), or.clone()]), Some(exists("a").and(or.clone())));
    assert_eq!(Condition::all([]), None);
    assert_eq!(Condition::from_steps(or.steps().to_vec()), Some(or));
    assert_eq!(Condition::from_steps(vec![ConditionStep::And]), None);
}
