//! Whatever arrives: an answer, the same each time, and no panic.

use crate::fuzz::parse_any;
use proptest::prelude::*;
use stator_item::Value;

const PIECES: [&str; 56] = [
    "SELECT ",
    "* ",
    "FROM ",
    "t ",
    "\"t\".\"i\" ",
    " WHERE ",
    "pk = 'a' ",
    "sk > 5 ",
    "AND ",
    "OR ",
    "NOT ",
    "pk ",
    "sk ",
    "a.b[0] ",
    "a['x'] ",
    "\"q\"\"q\" ",
    "= ",
    "<> ",
    "!= ",
    "<= ",
    ">= ",
    "IN ",
    "( ",
    ") ",
    "[ ",
    "] ",
    "{ ",
    "} ",
    "<< ",
    ">> ",
    "'s' ",
    "'it''s' ",
    "1 ",
    "-1.5e3 ",
    "? ",
    ", ",
    ": ",
    "; ",
    "IS ",
    "MISSING ",
    "NULL ",
    "BETWEEN ",
    "size(",
    "contains(",
    "begins_with(",
    "attribute_type(",
    "ORDER BY ",
    "DESC ",
    "INSERT INTO t VALUE ",
    "UPDATE t SET ",
    "REMOVE ",
    "DELETE FROM t ",
    "RETURNING ALL OLD * ",
    "set_add(",
    "list_append(",
    "é",
];

const STATEMENTS: [&str; 4] = [
    "SELECT a, b.c[1] FROM \"t\".\"i\" WHERE pk IN ['a', ?] AND (sk BETWEEN 1 AND 2 OR NOT contains(x, 'y')) ORDER BY sk",
    "INSERT INTO t VALUE {'pk': 'it''s', 'm': {'l': [1, <<2>>, null]}, 'q': ?}",
    "UPDATE t SET a = a + 1, b = list_append(b, [1]) SET c = set_add(c, <<'x'>>) REMOVE d[0] WHERE pk = 'a' AND sk = 1",
    "DELETE FROM t WHERE pk = 'a' AND sk = 1 AND a IS NOT MISSING RETURNING ALL OLD *",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text(text in ".{0,80}") {
        prop_assert_eq!(parse_any(&text, &[]), parse_any(&text, &[]));
    }

    #[test]
    fn any_soup_of_tokens(pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..24)) {
        let text = pieces.concat();
        let parameters = [Value::Null, Value::List(vec![Value::Bool(true)])];
        prop_assert_eq!(parse_any(&text, &parameters), parse_any(&text, &parameters));
    }

    #[test]
    fn any_statement_with_a_strange_character(
        place in 0_usize..120,
        strange in proptest::sample::select(vec!['é', '🦀', '\u{0}', '\'', '"', '\\', '\u{a0}', '(', '<', '?', '.', '-']),
    ) {
        for text in STATEMENTS {
            let mut text: Vec<char> = text.chars().collect();
            text.insert(place.min(text.len()), strange);
            let _ = parse_any(&text.into_iter().collect::<String>(), &[Value::Null]);
        }
    }

    #[test]
    fn any_statement_cut_short(length in 0_usize..140) {
        for text in STATEMENTS {
            let _ = parse_any(&text.chars().take(length).collect::<String>(), &[Value::Null]);
        }
    }
}

/// As deep as a statement can be written: refused or read, but not at the cost of the stack.
#[test]
fn depth_is_bounded() {
    let depth = |open: &str, inner: &str, close: &str, count: usize| {
        format!("{}{inner}{}", open.repeat(count), close.repeat(count))
    };
    let too_deep = |text: String| {
        let error = parse_any(&text, &[]).expect_err("it is too deep").to_string();
        assert!(error.starts_with("Nesting Levels"), "{error}");
    };
    for (open, close) in [("[", "]"), ("{'a':", "}")] {
        too_deep(format!("INSERT INTO t VALUE {{'a': {}}}", depth(open, "1", close, 1000)));
        assert!(parse_any(&format!("INSERT INTO t VALUE {{'a': {}}}", depth(open, "1", close, 31)), &[]).is_ok());
        too_deep(format!("INSERT INTO t VALUE {{'a': {}}}", depth(open, "1", close, 32)));
    }
    too_deep(format!("UPDATE t SET a = {} WHERE pk = 1", depth("list_append(", "a", ", [1])", 300)));
    let conditions = [depth("(", "a = 1", ")", 4000), format!("{}a = 1", "NOT ".repeat(2000))];
    for condition in conditions {
        assert!(parse_any(&format!("SELECT * FROM t WHERE {condition}"), &[]).is_ok(), "{condition}");
    }
    let right = format!("{}a = 1{}", "a = 1 AND (".repeat(600), ")".repeat(600));
    assert!(parse_any(&format!("SELECT * FROM t WHERE {right}"), &[]).is_ok());
}
