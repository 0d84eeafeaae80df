use super::{check_lines, item, json, with_placeholders};
use crate::Update;

const OLD: &str = r#"{
    "pk": {"S": "k"}, "s": {"S": "old"}, "n": {"N": "5"}, "l": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]},
    "m": {"M": {"x": {"N": "1"}, "l": {"L": [{"M": {"y": {"S": "deep"}}}]}}}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1"]}
}"#;

/// Only what the update changed: attributes that differ, and `-` for those that are gone.
fn changes(text: &str) -> String {
    let old = item(OLD);
    let update = match with_placeholders(|placeholders| Update::parse(text, placeholders)) {
        Ok(update) => update,
        Err(error) => return error.to_string().replace("Invalid UpdateExpression: ", "! "),
    };
    let new = match update.apply(&old) {
        Ok(updated) => updated.item,
        Err(error) => return format!("? {error}"),
    };
    let changed = new.iter().filter(|(name, value)| old.get(*name) != Some(value));
    let mut shown = vec![json(&changed.map(|(name, value)| (name.clone(), value.clone())).collect())];
    shown.extend(old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("-{name}")));
    shown.join(" ")
}

fn check(table: &str) {
    check_lines(table, changes);
}

#[test]
fn set() {
    check(
        r#"SET s = :a => {"s":{"S":"a"}}
           set s = :a, t = n => {"s":{"S":"a"},"t":{"N":"5"}}
           SET n = n + :one => {"n":{"N":"6"}}
           SET n = n - :ten => {"n":{"N":"-5"}}
           SET n = :ten - n => {}
           SET t = if_not_exists(t, :one) => {"t":{"N":"1"}}
           SET t = if_not_exists(n, :one) => {"t":{"N":"5"}}
           SET t = if_not_exists(n, absent) => {"t":{"N":"5"}}
           SET t = if_not_exists(absent, n) => {"t":{"N":"5"}}
           SET t = if_not_exists(t, :zero) + :one => {"t":{"N":"1"}}
           SET t = if_not_exists(absent, if_not_exists(elsewhere, :two)) => {"t":{"N":"2"}}
           SET l = list_append(l, :list) => {"l":{"L":[{"N":"0"},{"N":"1"},{"N":"2"},{"N":"1"},{"S":"a"}]}}
           SET t = list_append(:list, if_not_exists(t, :nothing)) => {"t":{"L":[{"N":"1"},{"S":"a"}]}}
           SET s = n, n = s => {"n":{"S":"old"},"s":{"N":"5"}}
           SET t = (n + :one) - (n - :one) => {"t":{"N":"2"}}
           SET t = (n) => {"t":{"N":"5"}}
           SET m.x = :two => {"m":{"M":{"l":{"L":[{"M":{"y":{"S":"deep"}}}]},"x":{"N":"2"}}}}
           SET m.l[0].y = :a => {"m":{"M":{"l":{"L":[{"M":{"y":{"S":"a"}}}]},"x":{"N":"1"}}}}
           SET l[1] = :a => {"l":{"L":[{"N":"0"},{"S":"a"},{"N":"2"}]}}
           SET l[9] = :b, l[7] = :a => {"l":{"L":[{"N":"0"},{"N":"1"},{"N":"2"},{"S":"a"},{"S":"b"}]}}
           SET #dot = :a => {"a.b":{"S":"a"}}"#,
    );
}

#[test]
fn remove_add_and_delete() {
    check(
        r#"REMOVE s => {} -s
           REMOVE s, absent => {} -s
           REMOVE m.x => {"m":{"M":{"l":{"L":[{"M":{"y":{"S":"deep"}}}]}}}}
           REMOVE l[0], l[2], l[7] => {"l":{"L":[{"N":"1"}]}}
           SET l[1] = :a REMOVE l[0] => {"l":{"L":[{"S":"a"},{"N":"2"}]}}
           SET l[9] = :a REMOVE l[3] => {"l":{"L":[{"N":"0"},{"N":"1"},{"N":"2"},{"S":"a"}]}}
           ADD n :one => {"n":{"N":"6"}}
           ADD t :one => {"t":{"N":"1"}}
           ADD m.x :one => {"m":{"M":{"l":{"L":[{"M":{"y":{"S":"deep"}}}]},"x":{"N":"2"}}}}
           ADD ss :ssb => {}
           ADD ns :ns => {"ns":{"NS":["1","2"]}}
           ADD t :ss => {"t":{"SS":["a","b"]}}
           DELETE ss :ssb => {"ss":{"SS":["a"]}}
           DELETE ss :ss => {} -ss
           DELETE absent :ss => {}
           ADD n :one DELETE ss :ssb SET t = n REMOVE s => {"n":{"N":"6"},"ss":{"SS":["a"]},"t":{"N":"5"}} -s"#,
    );
}

#[test]
fn mistakes_that_only_the_item_shows() {
    check(
        "SET t = absent => ? The provided expression refers to an attribute that does not exist in the item
         SET t = absent + :one => ? The provided expression refers to an attribute that does not exist in the item
         SET t = if_not_exists(absent, elsewhere) => ? The provided expression refers to an attribute that does not exist in the item
         SET t = s + :one => ? An operand in the update expression has an incorrect data type
         SET t = list_append(n, :list) => ? An operand in the update expression has an incorrect data type
         ADD s :one => ? An operand in the update expression has an incorrect data type
         ADD ss :ns => ? An operand in the update expression has an incorrect data type
         DELETE ss :ns => ? An operand in the update expression has an incorrect data type
         SET absent.x = :a => ? The document path provided in the update expression is invalid for update
         SET s.x = :a => ? The document path provided in the update expression is invalid for update
         SET m[0] = :a => ? The document path provided in the update expression is invalid for update
         SET l.x = :a => ? The document path provided in the update expression is invalid for update
         SET l[5].x = :a => ? The document path provided in the update expression is invalid for update
         REMOVE absent.x => ? The document path provided in the update expression is invalid for update
         DELETE absent.x :ss => ? The document path provided in the update expression is invalid for update
         SET n = :huge + :huge => ? Number overflow. Attempting to store a number with magnitude larger than supported range
         SET n = :one + :tiny => ? Attempting to store more than 38 significant digits in a Number",
    );
}

#[test]
fn mistakes_in_the_text() {
    check(
        r#"UPDATE s => ! Syntax error; token: "UPDATE", near: "UPDATE s"
           SET => ! Syntax error; token: "<EOF>", near: "SET"
           SET s => ! Syntax error; token: "<EOF>", near: "s"
           SET s = :a, => ! Syntax error; token: "<EOF>", near: ","
           SET s = :a, SET t = :b => ! Syntax error; token: "SET", near: ", SET t"
           SET s = n + :one + :two => ! Syntax error; token: "+", near: ":one + :two"
           SET s = 1 => ! Syntax error; token: "1", near: "= 1"
           ADD n n => ! Syntax error; token: "n", near: "n n"
           ADD n : one => ! Syntax error; token: ":", near: "n : one"
           REMOVE s = :a => ! Syntax error; token: "=", near: "s = :a"
           SET s = :a SET t = :b => ! The "SET" section can only be used once in an update expression;
           ADD n :one REMOVE s ADD t :one => ! The "ADD" section can only be used once in an update expression;
           SET m = :a, m.x = :b => ! Two document paths overlap with each other; must remove or rewrite one of these paths; \
             path one: [m], path two: [m, x]
           REMOVE m.x SET m = :a => ! Two document paths overlap with each other; must remove or rewrite one of these paths; \
             path one: [m, x], path two: [m]
           SET s = :a REMOVE s => ! Two document paths overlap with each other; must remove or rewrite one of these paths; \
             path one: [s], path two: [s]
           SET l[0] = :a, l[1] = :b, l.x = :a => ! Two document paths conflict with each other; must remove or rewrite one \
             of these paths; path one: [l, [1]], path two: [l, x]
           SET name = :a => ! Attribute name is a reserved keyword; reserved keyword: name
           SET s = foo(s) => ! Invalid function name; function: foo
           SET s = size(s) => ! The function is not allowed in an update expression; function: size
           SET s = list_append(s) => ! Incorrect number of operands for operator or function; \
             operator or function: list_append, number of operands: 1
           SET s = if_not_exists(:a, :b) => ! Operator or function requires a document path; \
             operator or function: if_not_exists
           SET s = if_not_exists(if_not_exists(a, b), :b) => ! Operator or function requires a document path; \
             operator or function: if_not_exists
           SET s = s + :a => ! Incorrect operand type for operator or function; operator or function: +, operand type: S
           SET s = list_append(s, :map) => ! Incorrect operand type for operator or function; \
             operator or function: list_append, operand type: M
           SET s = :one - list_append(l, l) => ! Incorrect operand type for operator or function; \
             operator or function: -, operand type: L
           ADD s :a => ! Incorrect operand type for operator or function; operator: ADD, operand type: STRING, \
             typeSet: ALLOWED_FOR_ADD_OPERAND
           DELETE s :one => ! Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, \
             typeSet: ALLOWED_FOR_DELETE_OPERAND
           SET path = VALUE 1 => ! Syntax error; token: "1", near: "VALUE 1"
           SET s = foo(:nope) SET t = => ! Syntax error; token: "<EOF>", near: "="
           SET s = s + :a, t = :nope => ! Incorrect operand type for operator or function; operator or function: +, operand type: S
           SET s = ((n + :one)) => ! The expression has redundant parentheses;"#,
    );
}

#[test]
fn returned_values_are_the_touched_paths() {
    for (text, wanted_old, wanted_new) in [
        ("SET s = :a", r#"{"s":{"S":"old"}}"#, r#"{"s":{"S":"a"}}"#),
        ("SET t = :a", "{}", r#"{"t":{"S":"a"}}"#),
        ("SET m.x = :two", r#"{"m":{"M":{"x":{"N":"1"}}}}"#, r#"{"m":{"M":{"x":{"N":"2"}}}}"#),
        ("REMOVE s", r#"{"s":{"S":"old"}}"#, "{}"),
        ("REMOVE l[0]", r#"{"l":{"L":[{"N":"0"}]}}"#, "{}"),
        ("ADD n :one DELETE ss :ss", r#"{"n":{"N":"5"},"ss":{"SS":["a","b"]}}"#, r#"{"n":{"N":"6"}}"#),
    ] {
        let old = item(OLD);
        let update = with_placeholders(|placeholders| Update::parse(text, placeholders)).expect(text);
        let new = update.apply(&old).expect(text).item;
        assert_eq!(json(&update.updated_old(&old)), wanted_old, "{text}");
        assert_eq!(json(&update.updated_new(&new)), wanted_new, "{text}");
    }
}

#[test]
fn touched_names_are_top_level() {
    let text = "SET m.x = :a, s = :b REMOVE l[0] ADD n :one DELETE ss :ss";
    let update = with_placeholders(|placeholders| Update::parse(text, placeholders)).expect(text);
    assert_eq!(Vec::from_iter(update.touched_names()), ["l", "m", "n", "s", "ss"]);
}
