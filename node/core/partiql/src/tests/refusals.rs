//! What is no statement, and why.

use super::{parse, text};
use crate::{PartiqlError, Problem, STATEMENT_BYTES_MAX, Statement};
use stator_item::Value;

#[test]
fn refusals_have_their_words() {
    const MALFORMED: &str = "Statement wasn't well formed, can't be processed: ";
    for (statement, refusal) in [
        ("", "!Expected data manipulation"),
        ("LIST TABLES", "!Expected data manipulation"),
        ("CREATE TABLE t (a INT)", "!Expected data manipulation"),
        ("UPDATE Payment-table SET a = 1", "!Expected data manipulation"),
        ("UPDATE t WHERE pk = 1", "!Expected data manipulation"),
        ("DELETE t WHERE pk = 1", "!Expected data manipulation"),
        ("SELECT * FROM", "!Unexpected from source"),
        ("SELECT * FROM 'quoted'", "!Unexpected from source"),
        ("SELECT * WHERE a = 1", "!Unexpected keyword"),
        ("SELECT FROM t", "!Unexpected keyword"),
        ("SELECT * FROM t WHERE", "!Unexpected end of statement"),
        ("SELECT * FROM t WHERE a", "!Unexpected end of statement"),
        ("SELECT * FROM t WHERE a =", "!Unexpected end of statement"),
        ("SELECT * FROM t WHERE a = 'open", "!Unterminated string or identifier"),
        ("SELECT * FROM t WHERE (a = 1", "!Unexpected end of statement"),
        ("SELECT * FROM t WHERE a = 1)", "!Unexpected operator"),
        ("SELECT * FROM t LIMIT 5", "!Unexpected term"),
        ("SELECT count(*) FROM t", "!Unexpected operator"),
        ("SELECT a. FROM t", "!Unexpected path component"),
        ("SELECT a[x] FROM t", "!Unexpected path component"),
        ("SELECT * FROM t WHERE a LIKE 'x'", "!Unexpected term"),
        ("INSERT INTO t (a, b) VALUES (1, 2)", "!Unexpected keyword"),
        ("INSERT INTO t VALUE {'a': 1} ON CONFLICT DO NOTHING", "!Unexpected term"),
        ("INSERT INTO t VALUE 5", "!Unexpected literal"),
        ("INSERT INTO \"t\".\"i\" VALUE {'a': 1}", "!Unexpected from source"),
        ("DELETE FROM t WHERE pk = 1 RETURNING ALL OLD", "!Unexpected end of statement"),
        (
            "INSERT INTO t VALUE <<{'a': 1}, {'a': 2}>>",
            "Unsupported operation: Inserting multiple items in a single statement is not supported, use \"INSERT INTO \
             tableName VALUE item\" instead",
        ),
        (
            "DELETE FROM t WHERE pk = 1 RETURNING ALL NEW *",
            "Only RETURNING ALL OLD * is supported for DELETE statement",
        ),
        (
            "INSERT INTO t VALUE {'a': <<>>}",
            "One or more parameter values were invalid: An string set  may not be empty",
        ),
        (
            "INSERT INTO t VALUE {'a': <<1, 1.0>>}",
            "One or more parameter values were invalid: Input collection contains duplicates.",
        ),
        (
            "INSERT INTO t VALUE {'a': 1e200}",
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
        (
            "SELECT * FROM t WHERE begins_with(a, 5)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        ("SELECT * FROM t WHERE foo(a, 5)", "Invalid function name; function: foo"),
        ("UPDATE t SET a = foo(a) WHERE pk = 1", "Invalid function name; function: foo"),
        (
            "UPDATE t SET a = 1 SET a.b = 2 WHERE pk = 1",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path \
             two: [a, b]",
        ),
        ("UPDATE t SET a = ? WHERE pk = 1", "Number of parameters in request and statement don't match."),
    ] {
        let error = parse(statement).expect_err(statement).to_string();
        let expected = refusal.strip_prefix('!').map_or(refusal.to_owned(), |problem| format!("{MALFORMED}{problem}"));
        assert_eq!(error, expected, "{statement}");
    }
}

#[test]
fn a_refusal_knows_its_place() {
    for (statement, line, column) in
        [("nothing", 1, 1), ("SELECT * FROM t\nWHERE a = 1 bé", 2, 13), ("SELECT \"é\" FROM t WHERE", 1, 24)]
    {
        match parse(statement) {
            Err(PartiqlError::Malformed { line: l, column: c, .. }) => {
                assert_eq!((l, c), (line, column), "{statement}")
            }
            other => panic!("{statement}: {other:?}"),
        }
    }
}

#[test]
fn as_many_parameters_as_places() {
    let statement = "SELECT * FROM t WHERE a = ? AND b IN (?, ?)";
    let three = [text("x"), text("y"), Value::Null];
    assert!(Statement::parse(statement, &three).is_ok());
    for wrong in [&three[..2], &[text("x"), text("y"), text("z"), text("z")]] {
        assert_eq!(Statement::parse(statement, wrong), Err(PartiqlError::ParametersCount));
    }
}

#[test]
fn a_statement_has_a_greatest_length() {
    let filled = |bytes: usize| {
        let start = "SELECT * FROM t WHERE a = '";
        format!("{start}{}'", "x".repeat(bytes - start.len() - 1))
    };
    assert!(parse(&filled(STATEMENT_BYTES_MAX)).is_ok());
    let problem = Problem::TooLong(STATEMENT_BYTES_MAX);
    assert_eq!(parse(&filled(STATEMENT_BYTES_MAX + 1)), Err(PartiqlError::Malformed { problem, line: 1, column: 1 }));
}
