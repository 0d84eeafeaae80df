//! What statements ask of a table with the hash key `pk` and the range key `sk`.

use super::{NAMES, item, json, parse, print, text};
use crate::{Access, KeyNames, PartiqlError, SelectPlan, Statement, keyed};
use stator_expression::{KeyCondition, KeyTest};
use stator_item::Value;

fn plan(statement: &str) -> Result<SelectPlan, PartiqlError> {
    match parse(statement)? {
        Statement::Select(select) => select.plan(&NAMES),
        other => panic!("no SELECT: {other:?}"),
    }
}

/// The plan as text: `scan` or key conditions; `| filter`; `back`.
fn shown(plan: &SelectPlan) -> String {
    let condition = |KeyCondition { tests }: &KeyCondition| {
        let test = |(name, test): &(String, KeyTest)| match test {
            KeyTest::Compare(comparator, value) => format!("{name}{}{}", comparator.symbol(), print::value(value)),
            KeyTest::Between(lower, upper) => format!("{name} {}..{}", print::value(lower), print::value(upper)),
            KeyTest::BeginsWith(start) => format!("{name}={}*", print::value(start)),
        };
        tests.iter().map(test).collect::<Vec<_>>().join(" ")
    };
    let mut shown = match &plan.access {
        Access::Scan => "scan".to_owned(),
        Access::Query(conditions) => conditions.iter().map(condition).collect::<Vec<_>>().join("; "),
    };
    if let Some(filter) = &plan.filter {
        shown += &format!(" | {}", print::condition(filter));
    }
    shown + if plan.backward { " back" } else { "" }
}

#[test]
fn conditions_become_queries_or_scans() {
    for (wanted, expected) in [
        ("", "scan"),
        ("WHERE pk > 'a'", r#"scan | "pk" > 'a'"#),
        ("WHERE sk = 1", r#"scan | "sk" = 1"#),
        ("WHERE begins_with(pk, 'a')", r#"scan | begins_with("pk", 'a')"#),
        ("WHERE pk = 'a' OR x = 1", r#"scan | (("pk" = 'a') OR ("x" = 1))"#),
        ("WHERE NOT pk = 'a'", r#"scan | NOT ("pk" = 'a')"#),
        ("WHERE pk.x = 'a'", r#"scan | "pk"."x" = 'a'"#),
        ("WHERE pk = other", r#"scan | "pk" = "other""#),
        ("WHERE pk = 'a'", "pk='a'"),
        ("WHERE 'a' = pk AND 5 > sk", "pk='a' sk<5"),
        ("WHERE pk = 'a' AND sk BETWEEN 1 AND 2", "pk='a' sk 1..2"),
        ("WHERE begins_with(sk, 'b') AND pk = 'a'", "pk='a' sk='b'*"),
        ("WHERE pk = 'a' AND sk <> 1", r#"pk='a' | "sk" <> 1"#),
        ("WHERE pk = 'a' AND sk > 1 AND sk < 5", r#"pk='a' sk>1 | "sk" < 5"#),
        ("WHERE pk = 'a' AND (sk = 1 OR x = 2)", r#"pk='a' | (("sk" = 1) OR ("x" = 2))"#),
        ("WHERE pk = 'a' AND x = 1 AND y IS MISSING", r#"pk='a' | (("x" = 1) AND ("y" IS MISSING))"#),
        ("WHERE (x = 1 AND pk = 'a') AND sk >= 2", r#"pk='a' sk>=2 | "x" = 1"#),
        ("WHERE pk IN ['b', 'a', 'b']", "pk='b'; pk='a'"),
        ("WHERE pk IN ('b', 'a') AND sk = 1", "pk='b' sk=1; pk='a' sk=1"),
        ("WHERE pk = 'b' OR pk = 'a' OR pk IN ('c')", "pk='b'; pk='a'; pk='c'"),
        ("WHERE pk = 'a' AND pk = 'b'", r#"pk='a' | "pk" = 'b'"#),
        ("WHERE pk = 'a' ORDER BY sk DESC", "pk='a' back"),
        ("WHERE pk = 'a' ORDER BY sk", "pk='a'"),
        ("WHERE pk IN ('b', 'a', 'c') ORDER BY pk", "pk='a'; pk='b'; pk='c'"),
        ("WHERE pk IN ('b', 'a') ORDER BY pk DESC, sk DESC", "pk='b'; pk='a' back"),
    ] {
        let statement = format!("SELECT * FROM t {wanted}");
        assert_eq!(shown(&plan(&statement).expect(wanted)), expected, "{wanted}");
    }
}

#[test]
fn keys_of_several_attributes() {
    let names = KeyNames { hash: &["a", "b"], range: &["c", "d", "e"] };
    for (wanted, expected) in [
        ("a = 1 AND c = 2", r#"scan | (("a" = 1) AND ("c" = 2))"#),
        ("b = 2 AND a = 1", "a=1 b=2"),
        ("a = 1 AND b IN (2, 3)", "a=1 b=2; a=1 b=3"),
        ("a = 1 AND b = 2 AND c = 3 AND d > 4 AND e = 5", r#"a=1 b=2 c=3 d>4 | "e" = 5"#),
        ("a = 1 AND b = 2 AND d = 4", r#"a=1 b=2 | "d" = 4"#),
    ] {
        let Ok(Statement::Select(select)) = parse(&format!("SELECT * FROM t WHERE {wanted}")) else {
            panic!("{wanted}")
        };
        assert_eq!(shown(&select.plan(&names).expect(wanted)), expected, "{wanted}");
    }
}

#[test]
fn orders_need_keys() {
    for (wanted, refusal) in [
        ("ORDER BY pk", PartiqlError::OrderWithoutHash),
        ("WHERE sk = 1 ORDER BY sk", PartiqlError::OrderWithoutHash),
        ("WHERE pk = 'a' ORDER BY x", PartiqlError::OrderByOther("x".into())),
    ] {
        assert_eq!(plan(&format!("SELECT * FROM t {wanted}")), Err(refusal), "{wanted}");
    }
    let many: Vec<String> = (0..51).map(|number| number.to_string()).collect();
    let all = plan(&format!("SELECT * FROM t WHERE pk IN ({})", many.join(",")));
    assert!(matches!(all, Err(PartiqlError::Plan(_))), "{all:?}");
    assert!(plan(&format!("SELECT * FROM t WHERE pk IN ({})", many[1..].join(","))).is_ok());
}

#[test]
fn columns_have_their_last_name() {
    let found = item(
        r#"{"pk": {"S": "x"}, "a": {"M": {"b": {"L": [{"N": "1"}, {"N": "2"}]}, "c d": {"S": "y"}}}, "l": {"L": [{"N": "7"}]}}"#,
    );
    for (columns, expected) in [
        ("pk", r#"{"pk":{"S":"x"}}"#),
        ("a.b[1], l[0]", r#"{"b[1]":{"N":"2"},"l[0]":{"N":"7"}}"#),
        ("a.\"c d\", a['b']", r#"{"b":{"L":[{"N":"1"},{"N":"2"}]},"c d":{"S":"y"}}"#),
        ("nothing, a.x", "{}"),
    ] {
        let plan = plan(&format!("SELECT {columns} FROM t")).expect(columns);
        let projected = plan.projection().expect("columns").project(&found);
        assert_eq!(json(&plan.shape(&projected)), expected, "{columns}");
        assert!(plan.reshapes() || projected == plan.shape(&projected));
    }
    assert_eq!(plan("SELECT * FROM t").expect("a plan").projection(), None);
}

#[test]
fn writes_name_one_item() {
    for (condition, expected) in [
        ("WHERE pk = 'a' AND sk = 1", r#"{"pk":{"S":"a"},"sk":{"N":"1"}}"#),
        ("WHERE sk = 1 AND x > 2 AND 'a' = pk", r#"{"pk":{"S":"a"},"sk":{"N":"1"}} "x" > 2"#),
        ("WHERE pk = 'a' AND sk = 1 AND sk = 2", r#"{"pk":{"S":"a"},"sk":{"N":"1"}} "sk" = 2"#),
    ] {
        let Ok(Statement::Delete(delete)) = parse(&format!("DELETE FROM t {condition}")) else { panic!("{condition}") };
        let found = keyed(delete.condition, &NAMES).expect(condition);
        let rest = found.rest.map_or(String::new(), |rest| format!(" {}", print::condition(&rest)));
        assert_eq!(json(&found.key) + &rest, expected, "{condition}");
    }
    for condition in
        ["", "WHERE pk = 'a'", "WHERE pk = 'a' AND sk > 1", "WHERE pk = 'a' OR sk = 1", "WHERE pk IN ('a') AND sk = 1"]
    {
        let Ok(Statement::Delete(delete)) = parse(&format!("DELETE FROM t {condition}")) else { panic!("{condition}") };
        assert_eq!(keyed(delete.condition, &NAMES), Err(PartiqlError::KeyNotGiven), "{condition}");
    }
}

#[test]
fn updates_change_items() {
    let old = r#"{"d":{"N":"0"},"l":{"L":[{"N":"1"}]},"m":{"M":{"a":{"N":"1"}}},"n":{"N":"1"},"s":{"SS":["x"]}}"#;
    for (clauses, changed, to) in [
        ("SET n = n + 1", r#""n":{"N":"1"}"#, r#""n":{"N":"2"}"#),
        ("SET n = 10 - n - 2", r#""n":{"N":"1"}"#, r#""n":{"N":"7"}"#),
        ("REMOVE l[0]", r#""L":[{"N":"1"}]"#, r#""L":[]"#),
        (
            "SET l = list_append([0], list_append(l, [2]))",
            r#""L":[{"N":"1"}]"#,
            r#""L":[{"N":"0"},{"N":"1"},{"N":"2"}]"#,
        ),
        ("SET s = SET_ADD(s, <<'y'>>)", r#"["x"]"#, r#"["x","y"]"#),
        ("SET s = set_delete(s, <<'x', 'z'>>)", r#","s":{"SS":["x"]}"#, ""),
        (
            "SET m.b = {'c': [true, null]} SET m.a = d",
            r#"{"a":{"N":"1"}}"#,
            r#"{"a":{"N":"0"},"b":{"M":{"c":{"L":[{"BOOL":true},{"NULL":true}]}}}}"#,
        ),
        ("set x = -5, y = 'q' remove n, s", r#","n":{"N":"1"},"s":{"SS":["x"]}"#, r#","x":{"N":"-5"},"y":{"S":"q"}"#),
    ] {
        let statement = format!("UPDATE t {clauses} WHERE pk = 1");
        let update = match parse(&statement) {
            Ok(Statement::Update(update)) => update.update,
            other => panic!("{statement}: {other:?}"),
        };
        let after = update.apply(&item(old)).expect(clauses).item;
        assert_eq!(json(&after), old.replace(changed, to), "{clauses}");
    }
    let wrong = parse("UPDATE t SET a = set_add(b, <<1>>) WHERE pk = 1");
    assert!(matches!(wrong, Err(PartiqlError::Plan(_))), "{wrong:?}");
    let parameter = Statement::parse("UPDATE t SET a = set_add(a, ?) WHERE pk = 1", &[text("no set")]);
    assert!(matches!(parameter, Err(PartiqlError::Plan(_))), "{parameter:?}");
    let set = Value::BinarySet([bytes::Bytes::from_static(b"x")].into());
    assert!(Statement::parse("UPDATE t SET a = set_add(a, ?) WHERE pk = 1", &[set]).is_ok());
}
