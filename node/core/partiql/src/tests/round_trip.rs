//! Whatever statement there is: its text is that statement again, and its values may as well be parameters.

use super::print;
use crate::statement::{Delete, Direction, Insert, OrderKey, Returning, Select, Source, Statement, Update};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::{option, sample};
use stator_expression::{Assignment, Comparator, Condition, Operand, Path, Step, Test, ValueStep, ValueType};
use stator_item::{Number, Value};

fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("select".to_owned()), "[a-zé\" '.]{1,6}"]
}

fn path() -> impl Strategy<Value = Path> {
    let step = prop_oneof![name().prop_map(Step::Name), (0_u32..9).prop_map(Step::Index)];
    (name(), vec(step, 0..3)).prop_map(|(name, steps)| Path::new(name, steps).expect("it is short"))
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![any::<i64>().prop_map(Number::from), Just(Number::parse("-1.5e-20").expect("a number"))]
}

fn value() -> impl Strategy<Value = Value> {
    let text = || "[a-z'\" é]{0,5}";
    let leaf = prop_oneof![
        text().prop_map(Value::String),
        number().prop_map(Value::Number),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        btree_set(text(), 1..4).prop_map(Value::StringSet),
        btree_set(number(), 1..4).prop_map(Value::NumberSet),
    ];
    leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::List),
            btree_map(text(), inner, 0..3).prop_map(Value::Map),
        ]
    })
}

fn test() -> impl Strategy<Value = Test> {
    let comparator =
        sample::select(vec![Comparator::Equal, Comparator::NotEqual, Comparator::Less, Comparator::GreaterOrEqual]);
    let operand = || prop_oneof![path().prop_map(Operand::Path), path().prop_map(Operand::Size)];
    let given = || value().prop_map(Operand::Value);
    prop_oneof![
        path().prop_map(Test::Exists),
        path().prop_map(Test::NotExists),
        path().prop_map(|path| Test::HasType(path, ValueType::Null)),
        path().prop_map(|path| Test::HasType(path, ValueType::String)),
        (path(), given()).prop_map(|(path, start)| Test::BeginsWith(Operand::Path(path), start)),
        (path(), given()).prop_map(|(path, part)| Test::Contains(Operand::Path(path), part)),
        (comparator, operand(), given()).prop_map(|(comparator, path, value)| Test::Compare(comparator, path, value)),
        (operand(), given(), given()).prop_map(|(path, lower, upper)| Test::Between(path, lower, upper)),
        (operand(), vec(given(), 1..4)).prop_map(|(path, list)| Test::In(path, list)),
    ]
    .prop_filter("parsing refuses what can never hold", |test| test.clone().checked().is_ok())
}

fn condition() -> impl Strategy<Value = Condition> {
    test().prop_map(Condition::test).prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(first, second)| first.and(second)),
            (inner.clone(), inner.clone()).prop_map(|(first, second)| first.or(second)),
            inner.prop_map(Condition::not),
        ]
    })
}

fn assignment() -> impl Strategy<Value = Assignment> {
    let value = prop_oneof![
        value().prop_map(|value| vec![ValueStep::Value(value)]),
        (path(), number()).prop_map(|(path, number)| {
            vec![ValueStep::Path(path), ValueStep::Value(Value::Number(number)), ValueStep::Minus]
        }),
        (path(), value())
            .prop_map(|(path, value)| { vec![ValueStep::Path(path), ValueStep::Value(value), ValueStep::ListAppend] }),
    ];
    (path(), value).prop_map(|(path, value)| Assignment { path, value })
}

fn update() -> impl Strategy<Value = stator_expression::Update> {
    let set = || btree_set(number(), 1..3).prop_map(Value::NumberSet);
    let parts = (vec(assignment(), 0..3), vec(path(), 0..3), vec((path(), set()), 0..2), vec((path(), set()), 0..2));
    let update =
        parts.prop_map(|(sets, removes, adds, deletes)| stator_expression::Update { sets, removes, adds, deletes });
    update.prop_filter("some change, and no two at one place", |update| {
        update.touched_paths().next().is_some() && update.check_paths().is_ok()
    })
}

fn select() -> impl Strategy<Value = Select> {
    let key = (name(), any::<bool>()).prop_map(|(name, down)| OrderKey {
        name,
        direction: if down { Direction::Descending } else { Direction::Ascending },
    });
    let source = (name(), option::of(name())).prop_map(|(table, index)| Source { table, index });
    (option::of(vec(path(), 1..4)), source, option::of(condition()), vec(key, 0..3))
        .prop_map(|(columns, source, condition, order)| Select { columns, source, condition, order })
}

fn statement() -> impl Strategy<Value = Statement> {
    let returning =
        sample::select(vec![Returning::AllOld, Returning::AllNew, Returning::ModifiedOld, Returning::ModifiedNew]);
    let updated = (name(), update(), option::of(condition()), option::of(returning));
    prop_oneof![
        select().prop_map(Statement::Select),
        select().prop_map(Statement::Exists),
        (name(), btree_map("[a-z']{1,3}", value(), 0..4))
            .prop_map(|(table, item)| Statement::Insert(Insert { table, item })),
        updated.prop_map(|(table, update, condition, returning)| {
            Statement::Update(Update { table, update, condition, returning })
        }),
        (name(), option::of(condition()), option::of(Just(Returning::AllOld)))
            .prop_map(|(table, condition, returning)| Statement::Delete(Delete { table, condition, returning })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn text_is_the_statement_again(statement in statement()) {
        let text = print::statement(&statement);
        prop_assert_eq!(Statement::parse(&text, &[]), Ok(statement), "{}", text);
    }

    #[test]
    fn parameters_are_as_good_as_literals(first in value(), second in value()) {
        let shown = [&first, &second].map(print::value);
        let literal = format!("INSERT INTO t VALUE {{'a': [{}], 'b': {}}}", shown[0], shown[1]);
        let bound = Statement::parse("INSERT INTO t VALUE {'a': [?], 'b': ?}", &[first, second]);
        prop_assert_eq!(bound, Statement::parse(&literal, &[]));
    }

    #[test]
    fn conjuncts_are_the_condition_again(condition in condition()) {
        let conjuncts = condition.clone().into_conjuncts();
        let item = stator_item::Item::new();
        let all = conjuncts.iter().all(|conjunct| conjunct.evaluate(&item));
        prop_assert_eq!(all, condition.evaluate(&item));
        for conjunct in &conjuncts {
            prop_assert_eq!(Condition::from_steps(conjunct.steps().to_vec()), Some(conjunct.clone()));
        }
        let tests: usize = conjuncts.iter().map(|conjunct| conjunct.tests().count()).sum();
        prop_assert_eq!(tests, condition.tests().count());
    }
}
