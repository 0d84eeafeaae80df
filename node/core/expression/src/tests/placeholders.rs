use super::{item, names, values};
use crate::{Condition, Expressions, Kind, Placeholders, Projection, check_names, check_values};
use std::collections::BTreeMap;

#[test]
fn unused_ones_are_refused_over_all_expressions_of_a_request() {
    let names =
        BTreeMap::from([("#a", "a"), ("#b", "b"), ("#c", "c")].map(|(key, name)| (key.to_owned(), name.to_owned())));
    let values = item(r#"{":v": {"S": "v"}, ":w": {"S": "w"}}"#);
    let placeholders = Placeholders::new(&names, &values);
    let unused = |placeholders: &Placeholders<'_>| placeholders.unused().map_err(|error| error.to_string());
    assert_eq!(
        unused(&placeholders).unwrap_err(),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b, #c}"
    );
    Projection::parse("#a.#c", &placeholders).expect("a projection");
    assert_eq!(
        unused(&placeholders).unwrap_err(),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}"
    );
    Condition::parse("#b = :v", Kind::Condition, &placeholders).expect("a condition");
    assert_eq!(
        unused(&placeholders).unwrap_err(),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}"
    );
    Condition::parse("#b = :w", Kind::Filter, &placeholders).expect("a condition");
    assert_eq!(unused(&placeholders), Ok(()));
}

fn check_name_key(key: &str, wanted: &str) {
    let names = BTreeMap::from([(key.to_owned(), "a".to_owned())]);
    let shown = check_names(&names, Expressions::Present).map_or_else(|error| error.to_string(), |()| "ok".to_owned());
    assert_eq!(shown, wanted, "{key}");
}

#[test]
fn keys_are_checked() {
    for key in ["#a", "#1", "#_", "#a_b9"] {
        check_name_key(key, "ok");
    }
    for key in ["", "a", "#", ":a", "#a.b", "#a-b", "#ä", "##a"] {
        check_name_key(key, &format!("ExpressionAttributeNames contains invalid key: Syntax error; key: \"{key}\""));
    }
    check_name_key(&format!("#{}", "x".repeat(254)), "ok");
    let long = format!("#{}", "x".repeat(255));
    let names = BTreeMap::from([(long, "a".to_owned())]);
    assert!(check_names(&names, Expressions::Present).is_err());
}

#[test]
fn maps_are_checked() {
    let none = BTreeMap::new();
    let nothing = item("{}");
    let text = |result: Result<(), crate::ExpressionError>| result.unwrap_err().to_string();
    assert_eq!(text(check_names(&none, Expressions::Present)), "ExpressionAttributeNames must not be empty");
    assert_eq!(
        text(check_values(&nothing, &none, Expressions::Present)),
        "ExpressionAttributeValues must not be empty"
    );
    assert_eq!(
        text(check_names(&names(), Expressions::Absent)),
        "ExpressionAttributeNames can only be specified when using expressions"
    );
    assert_eq!(check_names(&names(), Expressions::Present), Ok(()));
    assert_eq!(check_values(&values(), &names(), Expressions::Present), Ok(()));
    let large = item(&format!(r#"{{":v": {{"S": "{}"}}}}"#, "x".repeat(2 * 1024 * 1024 - 2)));
    assert_eq!(check_values(&large, &none, Expressions::Present), Ok(()));
    let too_large = item(&format!(r#"{{":v": {{"S": "{}"}}}}"#, "x".repeat(2 * 1024 * 1024 - 1)));
    assert!(check_values(&too_large, &none, Expressions::Present).is_err());
    // Names and values have one limit together.
    let name = BTreeMap::from([("#n".to_owned(), "n".to_owned())]);
    assert_eq!(check_names(&name, Expressions::Present), Ok(()));
    assert!(check_values(&large, &name, Expressions::Present).is_err());
}
