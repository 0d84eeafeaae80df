use super::{check_lines, item, with_placeholders};
use crate::{Condition, Kind};

const ITEM: &str = r#"{
    "pk": {"S": "k"}, "a": {"S": "abc"}, "n": {"N": "5"}, "n2": {"N": "10"}, "neg": {"N": "-3"}, "bin": {"B": "AQID"}, "yes": {"BOOL": true},
    "nil": {"NULL": true}, "l": {"L": [{"N": "1"}, {"S": "a"}, {"L": [{"N": "7"}]}]}, "m": {"M": {"x": {"N": "1"}}},
    "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2.0"]}, "bs": {"BS": ["AQ=="]}, "name": {"S": "reserved"},
    "a.b": {"S": "dotted"}, "u": {"S": "äö"}
}"#;

fn check(table: &str) {
    let item = item(ITEM);
    check_lines(table, |text| {
        with_placeholders(|placeholders| match Condition::parse(text, Kind::Condition, placeholders) {
            Ok(condition) => condition.evaluate(&item).to_string(),
            Err(error) => error.to_string().replace("Invalid ConditionExpression: ", "! "),
        })
    });
}

#[test]
fn comparisons() {
    check(
        "n = :five => true
         n <> :five => false
         n < :ten => true
         n <= :five => true
         n > :five => false
         n >= :five => true
         :ten > n => true
         n < n2 => true
         neg < :zero => true
         a = :abc => true
         a < :b => true
         a > :a => true
         bin > :byte => true
         n = :a => false
         n <> :a => true
         n < :a => false
         n > :a => false
         l = :list => false
         m = :map => true
         ss = :ss => true
         ns = :ns => true
         yes = :true => true
         nil = :null => true
         absent = :a => false
         absent <> :a => true
         absent < :a => false
         absent = elsewhere => false
         l[0] = :one => true
         l[1] = :a => true
         l[2][0] > :five => true
         l[9] = :one => false
         m.x = :one => true
         m.#x = :one => true
         m[0] = :one => false
         a.x = :one => false
         #dot = :a => false
         #name > :a => true",
    );
}

#[test]
fn between_and_in() {
    check(
        "n BETWEEN :five AND :ten => true
         n between :zero and :one => false
         a BETWEEN :a AND :b => true
         :five BETWEEN neg AND n2 => true
         absent BETWEEN :zero AND :ten => false
         a BETWEEN :zero AND :ten => false
         n IN (:one, :five) => true
         n IN (:one) => false
         n in (:a, n2) => false
         l[1] IN (:b, :a) => true
         absent IN (:a) => false
         NOT n IN (:one) => true
         n BETWEEN :zero AND :ten AND n = :five => true",
    );
}

#[test]
fn functions() {
    check(
        "attribute_exists(a) => true
         attribute_exists(absent) => false
         attribute_exists(m.x) => true
         attribute_exists(m.y) => false
         attribute_exists(l[2][0]) => true
         attribute_not_exists(absent) => true
         attribute_not_exists(nil) => false
         attribute_type(a, :S) => true
         attribute_type(n, :S) => false
         attribute_type(ss, :SS) => true
         attribute_type(absent, :S) => false
         begins_with(a, :a) => true
         begins_with(a, :b) => false
         begins_with(bin, :byte) => true
         begins_with(n, :a) => false
         begins_with(:abc, a) => true
         contains(a, :b) => true
         contains(a, :empty) => true
         contains(bin, :byte) => true
         contains(ss, :a) => true
         contains(ss, :abc) => false
         contains(ns, :two) => true
         contains(bs, :byte) => true
         contains(l, :one) => true
         contains(l, :ten) => false
         contains(n, :five) => false
         contains(m, :a) => false
         contains(absent, :a) => false
         size(a) = n => false
         size(u) < :five => true
         size(l) > size(m) => true
         size(ss) = :two => true
         size(bin) BETWEEN :one AND :five => true
         size(n) = :one => false
         size(absent) = :zero => false
         size(:abc) > :two => true
         size(a) IN (:one, size(l)) => true",
    );
}

#[test]
fn connectives_and_parentheses() {
    check(
        "n = :one OR n = :two OR n = :five => true
         n = :five OR n = :one AND a = :b => true
         (n = :five OR n = :one) AND a = :b => false
         NOT n = :one AND NOT a = :b => true
         NOT (n = :five AND a = :abc) => false
         NOT NOT n = :five => true
         not n = :one or n = :one and n = :two => true
         NOT n = :five OR n = :five => true
         ( n = :five ) => true
         (n) = (:five) => true
         ( ( size ( l ) ) < n AND n = :five ) => true
         ((n) = :five) => true
         n=:five AND(a=:abc)AND(NOT(a=:b)) => true",
    );
}

#[test]
fn syntax_errors_show_the_token_with_its_neighbours() {
    check(
        r#"a = => ! Syntax error; token: "<EOF>", near: "="
           a => ! Syntax error; token: "<EOF>", near: "a"
           a % :a => ! Syntax error; token: "%", near: "a % :a"
           = :a => ! Syntax error; token: "=", near: "= :a"
           n = 2016 AND a = :a => ! Syntax error; token: "2016", near: "= 2016 AND"
           a = : a => ! Syntax error; token: ":", near: "= : a"
           a = :a b => ! Syntax error; token: "b", near: ":a b"
           a = :a AND __t = :b => ! Syntax error; token: "_", near: "AND __"
           (a = :a => ! Syntax error; token: "<EOF>", near: ":a"
           a = :a) => ! Syntax error; token: ")", near: ":a)"
           a AND b => ! Syntax error; token: "AND", near: "a AND b"
           a = :a AND AND b = :b => ! Syntax error; token: "AND", near: "AND AND b"
           a IN () => ! Syntax error; token: ")", near: "()"
           a IN :a => ! Syntax error; token: ":a", near: "IN :a"
           a BETWEEN :a OR :b => ! Syntax error; token: "OR", near: ":a OR :b"
           a.= :a => ! Syntax error; token: "=", near: ".= :a"
           l[x] = :a => ! Syntax error; token: "x", near: "[x]"
           l[:one] = :a => ! Syntax error; token: ":one", near: "[:one]"
           :a.b = :a => ! Syntax error; token: ".", near: ":a.b"
           ä = :a => ! Syntax error; token: "ä", near: "ä ="
           a = "x" => ! Syntax error; token: """, near: "= "x"
           a == :a => ! Syntax error; token: "=", near: "== :a"
           a != :a => ! Syntax error; token: "!", near: "a !="
           NOT => ! Syntax error; token: "<EOF>", near: "NOT"
           attribute_exists(a => ! Syntax error; token: "<EOF>", near: "a"
           attribute_exists() => ! Syntax error; token: ")", near: "()" "#,
    );
}

#[test]
fn mistakes_beyond_syntax() {
    check(
        "name = :a => ! Attribute name is a reserved keyword; reserved keyword: name
         a.Status = :a => ! Attribute name is a reserved keyword; reserved keyword: Status
         #nope = :a => ! An expression attribute name used in the document path is not defined; attribute name: #nope
         a = :nope => ! An expression attribute value used in expression is not defined; attribute value: :nope
         foo(a) => ! Invalid function name; function: foo
         Contains(a, :a) => ! Invalid function name; function: Contains
         if_not_exists(a, :a) = :a => ! The function is not allowed in a condition expression; function: if_not_exists
         size(a) => ! The function is not allowed to be used this way in an expression; function: size
         attribute_exists(size(a)) => ! The function is not allowed to be used this way in an expression; function: size
         attribute_exists(a) = :true => ! The function is not allowed to be used this way in an expression; \
            function: attribute_exists
         a = contains(a, :a) => ! The function is not allowed to be used this way in an expression; function: contains
         begins_with(a) => ! Incorrect number of operands for operator or function; operator or function: begins_with, \
            number of operands: 1
         size(a, l) = :one => ! Incorrect number of operands for operator or function; operator or function: size, \
            number of operands: 2
         begins_with(a, :five) => ! Incorrect operand type for operator or function; operator or function: begins_with, \
            operand type: N
         contains(:five, a) => ! Incorrect operand type for operator or function; operator or function: contains, \
            operand type: N
         a < :true => ! Incorrect operand type for operator or function; operator or function: <, operand type: BOOL
         a BETWEEN :list AND :a => ! Incorrect operand type for operator or function; \
            operator or function: BETWEEN, operand type: L
         size(:five) = :one => ! Incorrect operand type for operator or function; operator or function: size, operand type: N
         attribute_type(a, :five) => ! Incorrect operand type for operator or function; \
            operator or function: attribute_type, operand type: N
         attribute_type(a, :abc) => ! Invalid attribute type name found; type: abc, \
            valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}
         attribute_exists(:a) => ! Operator or function requires a document path; operator or function: attribute_exists
         a = a => ! The first operand must be distinct from the remaining operands for this operator or function; \
            operator: =, first operand: [a]
         l[0].x IN (:a, l[0].x) => ! The first operand must be distinct from the remaining operands for this operator or \
            function; operator: IN, first operand: [l, [0], x]
         n BETWEEN :five AND :one => ! The BETWEEN operator requires upper bound to be greater than or equal to lower \
            bound; lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {N:1}
         n BETWEEN :five AND :a => ! The BETWEEN operator requires same data type for lower and upper bounds; \
            lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {S:a}
         ((n = :five)) => ! The expression has redundant parentheses;
         (a = :a) AND ((n = :five)) => ! The expression has redundant parentheses;
         ((n)) = :five => ! The expression has redundant parentheses;
         n = ((:five)) => ! The expression has redundant parentheses;
         l[99999999999] = :a => ! List index is not within the allowable range; index: [99999999999]",
    );
}

#[test]
fn syntax_errors_come_before_other_mistakes() {
    check(
        r#"name = VALUE 1 => ! Syntax error; token: "1", near: "VALUE 1"
           #nope = :nope AND => ! Syntax error; token: "<EOF>", near: "AND"
           foo(a) OR ((a = a)) ) => ! Syntax error; token: ")", near: ") )"
           size(a) AND begins_with(a) = :five b => ! Syntax error; token: "b", near: ":five b"
           name = :nope => ! Attribute name is a reserved keyword; reserved keyword: name
           foo(a, :nope) = name => ! Invalid function name; function: foo"#,
    );
}

#[test]
fn the_kind_stands_before_the_mistake() {
    with_placeholders(|placeholders| {
        for (kind, wanted) in [
            (Kind::Condition, "Invalid ConditionExpression: The expression can not be empty;"),
            (Kind::Filter, "Invalid FilterExpression: The expression can not be empty;"),
        ] {
            let error = Condition::parse("", kind, placeholders).expect_err("empty");
            assert_eq!(error.to_string(), wanted);
        }
    });
}
