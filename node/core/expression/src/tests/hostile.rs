//! Whatever bytes arrive: an answer, the same each time, and no panic; then whatever was accepted, over whatever items.

use super::{item, with_placeholders};
use crate::{Condition, KeyCondition, Kind, Projection, Update};
use proptest::prelude::*;

/// Parses the text in every way, evaluates what parses, and gives all of it as text.
fn everything(text: &str) -> String {
    let items = [
        "{}",
        r#"{"a": {"S": "abc"}, "b": {"N": "5"}, "c": {"L": [{"N": "1"}, {"M": {"a": {"SS": ["x"]}}}]}}"#,
        r#"{"a": {"M": {"a": {"L": []}, "b": {"B": ""}}}, "b": {"NS": ["1"]}, "c": {"NULL": true}}"#,
    ]
    .map(item);
    with_placeholders(|placeholders| {
        let condition = Condition::parse(text, Kind::Condition, placeholders);
        let projection = Projection::parse(text, placeholders);
        let update = Update::parse(text, placeholders);
        let key = KeyCondition::parse(text, placeholders).and_then(|key| key.resolve("a", Some("b")));
        let mut shown = format!("{condition:?} {projection:?} {update:?} {key:?}");
        for error in [condition.as_ref().err(), projection.as_ref().err(), update.as_ref().err()].into_iter().flatten()
        {
            shown.push_str(&error.to_string());
        }
        for item in &items {
            shown.push_str(&format!("{:?}", condition.as_ref().map(|condition| condition.evaluate(item))));
            shown.push_str(&format!("{:?}", projection.as_ref().map(|projection| projection.project(item))));
            let Ok(update) = &update else { continue };
            let updated = update.apply(item);
            let new = updated.as_ref().map_or(item, |updated| &updated.item);
            shown.push_str(&format!("{updated:?} {:?} {:?}", update.updated_old(item), update.updated_new(new)));
        }
        shown
    })
}

const PIECES: [&str; 44] = [
    "a",
    "b",
    "c",
    "a.b",
    "c[0]",
    "c[1].a",
    "#a",
    "#dot",
    ":a",
    ":five",
    ":one",
    ":list",
    ":ss",
    ":map",
    "=",
    "<>",
    "<",
    ">=",
    "(",
    ")",
    ",",
    ".",
    "[",
    "]",
    "+",
    "-",
    " AND ",
    " OR ",
    "NOT ",
    " BETWEEN ",
    " IN ",
    "size(",
    "contains(",
    "begins_with(",
    "attribute_exists(",
    "if_not_exists(",
    "list_append(",
    "SET ",
    " REMOVE ",
    " ADD ",
    " DELETE ",
    " ",
    "é",
    "7",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text(text in ".{0,60}") {
        prop_assert_eq!(everything(&text), everything(&text));
    }

    #[test]
    fn any_bytes_that_are_text(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_soup_of_tokens(pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..24)) {
        let text = pieces.concat();
        prop_assert_eq!(everything(&text), everything(&text));
    }

    #[test]
    fn any_expression_with_a_strange_character(
        place in 0_usize..60,
        strange in proptest::sample::select(vec!['é', '漢', '🦀', '\u{0}', '\u{301}', '"', '\\', '\u{a0}', '\u{2028}']),
    ) {
        for text in [
            "SET a.b = if_not_exists(c[1].a, :zero) + :one REMOVE b ADD d :one",
            "NOT (a = :a AND size(b) < :five) OR c[0] BETWEEN :a AND :b",
            "a, b.c[1], #a.d",
        ] {
            let mut text: Vec<char> = text.chars().collect();
            text.insert(place.min(text.len()), strange);
            everything(&text.into_iter().collect::<String>());
        }
    }

    /// AND binds tighter than OR, NOT tighter than both: an expression is true if all tests of one of its runs between
    /// ORs are.
    #[test]
    fn connectives_bind_as_in_a_model(tests in proptest::collection::vec((any::<bool>(), 0_usize..3, any::<bool>()), 1..20)) {
        let mut text = String::new();
        let mut runs = vec![true];
        for (place, (holds, nots, joined_by_or)) in tests.into_iter().enumerate() {
            if place > 0 && joined_by_or {
                runs.push(true);
            }
            if place > 0 {
                text.push_str(if joined_by_or { " OR " } else { " AND " });
            }
            text.push_str(&"NOT ".repeat(nots));
            text.push_str(if holds { ":one = :one" } else { ":one = :five" });
            let run = runs.last_mut().expect("one is there from the start");
            *run &= holds == (nots % 2 == 0);
        }
        let condition = with_placeholders(|placeholders| Condition::parse(&text, Kind::Condition, placeholders));
        let holds = condition.expect("well-formed").evaluate(&item("{}"));
        prop_assert_eq!(holds, runs.contains(&true), "{}", text);
    }
}
