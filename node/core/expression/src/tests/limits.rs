use super::with_placeholders;
use crate::{Assignment, Condition, Kind, Path, Placeholders, Projection, Update, UpdateError, ValueStep};
use stator_item::{Item, Value};
use std::collections::BTreeMap;

fn condition(text: &str) -> Result<(), String> {
    with_placeholders(|placeholders| {
        Condition::parse(text, Kind::Filter, placeholders).map(drop).map_err(|error| error.to_string())
    })
}

#[test]
fn size_of_an_expression() {
    let exact = format!("a = :a{}", " ".repeat(4096 - 6));
    assert_eq!(condition(&exact), Ok(()));
    assert_eq!(
        condition(&format!("{exact} ")).unwrap_err(),
        "Invalid FilterExpression: Expression size has exceeded the maximum allowed size; expression size: 4097"
    );
}

#[test]
fn operators_and_functions_together() {
    // 150 comparisons and 149 connectives are 299.
    let tests = vec!["a=:a"; 150].join(" AND ");
    assert_eq!(condition(&tests), Ok(()));
    assert_eq!(condition(&format!("NOT {tests}")), Ok(()));
    assert_eq!(
        condition(&format!("NOT NOT {tests}")).unwrap_err(),
        "Invalid FilterExpression: The expression contains too many operators; operator count: 301"
    );
}

#[test]
fn operands_of_in() {
    let list = |count: usize| format!("b IN ({})", vec![":a"; count].join(","));
    assert_eq!(condition(&list(100)), Ok(()));
    assert!(condition(&list(101)).unwrap_err().ends_with("operator or function: IN, number of operands: 101"));
}

#[test]
fn depth_of_a_path() {
    let path = |elements: usize| vec!["a"; elements].join(".");
    assert_eq!(condition(&format!("{} = :a", path(32))), Ok(()));
    assert_eq!(
        condition(&format!("{} = :a", path(33))).unwrap_err(),
        "Invalid FilterExpression: The document path has too many nesting elements; nesting levels: 33"
    );
}

#[test]
fn depth_of_parentheses_costs_no_stack() {
    // What is nested as deeply as 4,096 bytes allow, on a stack that recursion would leave soon.
    let texts = [
        "(".repeat(4096),
        ")".repeat(4096),
        format!("{}a=:a{}", "(".repeat(2000), ")".repeat(2000)),
        format!("{}a{}=:a", "(".repeat(2000), ")".repeat(2000)),
        "NOT ".repeat(1023),
        "NOT(".repeat(1023),
        "size(".repeat(800),
        "SET a=".to_owned() + &"(".repeat(4000),
        "SET a=".to_owned() + &"(a+".repeat(1300),
        "SET a=".to_owned() + &"a+(".repeat(1300),
        "SET a=".to_owned() + &"list_append(".repeat(340),
        "a".to_owned() + &"[0]".repeat(1300),
        "a.".repeat(2000),
    ];
    let parse_all = move || {
        with_placeholders(|placeholders| {
            for text in &texts {
                assert!(Condition::parse(text, Kind::Condition, placeholders).is_err(), "{text}");
                assert!(Update::parse(text, placeholders).is_err(), "{text}");
                assert!(Projection::parse(text, placeholders).is_err(), "{text}");
            }
        });
    };
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(parse_all).expect("a thread");
    thread.join().expect("no overflow, no panic");
}

#[test]
fn many_paths_are_compared_quickly() {
    let paths: Vec<String> = (0..900).map(|number| format!("p{number}")).collect();
    let text = format!("REMOVE {}", paths.join(","));
    let text = text.get(..text.len().min(4096)).expect("ASCII").trim_end_matches(',');
    assert!(with_placeholders(|placeholders| Update::parse(text, placeholders)).is_ok());
}

/// A list of this many bytes, nearly.
fn large_list(bytes: usize) -> Value {
    Value::List(vec![Value::String("x".repeat(bytes))])
}

#[test]
fn a_large_value_is_not_multiplied_by_the_text() {
    let names = BTreeMap::from([("#n".to_owned(), "n".repeat(100_000))]);
    let values = BTreeMap::from([(":v".to_owned(), large_list(500_000))]);
    let placeholders = Placeholders::new(&names, &values);
    let error = |text: &str| Condition::parse(text, Kind::Condition, &placeholders).map_err(|error| error.to_string());
    assert!(error(&["a = :v"; 4].join(" OR ")).is_ok());
    for text in [["a = :v"; 5].join(" OR "), ["attribute_exists(#n)"; 21].join(" OR ")] {
        assert!(error(&text).unwrap_err().contains("exceed the maximum size"), "{text}");
    }
}

#[test]
fn a_large_attribute_is_not_multiplied_by_the_text() {
    let old = Item::from([("l".to_owned(), large_list(300_000))]);
    let refused = |text: &str| {
        let update = with_placeholders(|placeholders| Update::parse(text, placeholders)).expect(text);
        assert_eq!(update.apply(&old), Err(UpdateError::ItemTooLarge), "{text}");
    };
    refused("SET l = list_append(l, l)");
    refused("SET a = l, b = l");
    let unused = "SET a = if_not_exists(b, list_append(l, l)) REMOVE l";
    refused(unused);
    let item = Item::from([("b".to_owned(), Value::Null), ("l".to_owned(), large_list(300_000))]);
    let update = with_placeholders(|placeholders| Update::parse(unused, placeholders)).expect(unused);
    assert!(update.apply(&item).is_ok(), "a default that is not needed costs nothing");
    let value = vec![ValueStep::Path(Path::attribute("l"))];
    let sets = vec![Assignment { path: Path::attribute("a"), value }];
    assert!(Update { sets, ..Update::default() }.apply(&old).is_ok());
}
