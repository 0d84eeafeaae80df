//! Statements as text, for the round trip.

use crate::statement::{Delete, Direction, Insert, Returning, Select, Source, Statement, Update};
use stator_expression::{Assignment, Condition, ConditionStep, Operand, Path, Step, Test, ValueStep, ValueType};
use stator_item::Value;

pub fn statement(statement: &Statement) -> String {
    match statement {
        Statement::Select(it) => select(it),
        Statement::Exists(it) => format!("EXISTS ({})", select(it)),
        Statement::Insert(Insert { table, item }) => {
            format!("INSERT INTO {} VALUE {}", name(table), value(&Value::Map(item.clone())))
        }
        Statement::Update(Update { table, update, condition, returning: it }) => {
            let mut clauses: Vec<String> = update.sets.iter().map(|set| format!("SET {}", assignment(set))).collect();
            clauses.extend(update.removes.iter().map(|removed| format!("REMOVE {}", path(removed))));
            for (target, set) in &update.adds {
                clauses.push(format!("SET {0} = set_add({0}, {1})", path(target), value(set)));
            }
            for (target, set) in &update.deletes {
                clauses.push(format!("SET {0} = set_delete({0}, {1})", path(target), value(set)));
            }
            format!("UPDATE {} {}{}{}", name(table), clauses.join(" "), wherever(condition), returning(it))
        }
        Statement::Delete(Delete { table, condition, returning: it }) => {
            format!("DELETE FROM {}{}{}", name(table), wherever(condition), returning(it))
        }
    }
}

fn select(Select { columns, source, condition, order }: &Select) -> String {
    let columns = columns.as_ref().map_or("*".into(), |paths| paths.iter().map(path).collect::<Vec<_>>().join(", "));
    let Source { table, index } = source;
    let index = index.as_ref().map_or(String::new(), |index| format!(".{}", name(index)));
    let keys = order.iter().map(|key| {
        let direction = if key.direction == Direction::Descending { "DESC" } else { "ASC" };
        format!("{} {direction}", name(&key.name))
    });
    let keys = keys.collect::<Vec<_>>().join(", ");
    let order = if keys.is_empty() { String::new() } else { format!(" ORDER BY {keys}") };
    format!("SELECT {columns} FROM {}{index}{}{order}", name(table), wherever(condition))
}

fn wherever(condition: &Option<Condition>) -> String {
    condition.as_ref().map_or(String::new(), |condition| format!(" WHERE {}", self::condition(condition)))
}

fn returning(returning: &Option<Returning>) -> &'static str {
    match returning {
        None => "",
        Some(Returning::AllOld) => " RETURNING ALL OLD *",
        Some(Returning::ModifiedOld) => " RETURNING MODIFIED OLD *",
        Some(Returning::AllNew) => " RETURNING ALL NEW *",
        Some(Returning::ModifiedNew) => " RETURNING MODIFIED NEW *",
    }
}

/// All connectives in parentheses, so that the steps come back in their order.
pub fn condition(condition: &Condition) -> String {
    let mut parts: Vec<String> = Vec::new();
    for step in condition.steps() {
        let part = match step {
            ConditionStep::Test(it) => test(it),
            ConditionStep::Not => format!("NOT ({})", parts.pop().unwrap()),
            ConditionStep::And | ConditionStep::Or => {
                let (second, first) = (parts.pop().unwrap(), parts.pop().unwrap());
                let word = if *step == ConditionStep::And { "AND" } else { "OR" };
                format!("(({first}) {word} ({second}))")
            }
        };
        parts.push(part);
    }
    parts.pop().unwrap()
}

fn test(test: &Test) -> String {
    match test {
        Test::Exists(it) => format!("{} IS NOT MISSING", path(it)),
        Test::NotExists(it) => format!("{} IS MISSING", path(it)),
        Test::HasType(it, ValueType::Null) => format!("{} IS NULL", path(it)),
        Test::HasType(it, _) => format!("attribute_type({}, 'S')", path(it)),
        Test::BeginsWith(whole, start) => format!("begins_with({}, {})", operand(whole), operand(start)),
        Test::Contains(whole, part) => format!("contains({}, {})", operand(whole), operand(part)),
        Test::Compare(comparator, first, second) => {
            format!("{} {} {}", operand(first), comparator.symbol(), operand(second))
        }
        Test::Between(it, lower, upper) => {
            format!("{} BETWEEN {} AND {}", operand(it), operand(lower), operand(upper))
        }
        Test::In(it, list) => {
            format!("{} IN ({})", operand(it), list.iter().map(operand).collect::<Vec<_>>().join(", "))
        }
    }
}

fn operand(operand: &Operand) -> String {
    match operand {
        Operand::Path(it) => path(it),
        Operand::Value(it) => value(it),
        Operand::Size(it) => format!("size({})", path(it)),
    }
}

fn assignment(Assignment { path: target, value: steps }: &Assignment) -> String {
    let mut parts: Vec<String> = Vec::new();
    for step in steps {
        let mut two = |show: &dyn Fn(String, String) -> String| {
            let (second, first) = (parts.pop().unwrap(), parts.pop().unwrap());
            show(first, second)
        };
        let part = match step {
            ValueStep::Path(it) => path(it),
            ValueStep::Value(it) => value(it),
            ValueStep::IfNotExists(_) => unreachable!("there is no such function"),
            ValueStep::ListAppend => two(&|first, second| format!("list_append({first}, {second})")),
            ValueStep::Plus => two(&|first, second| format!("{first} + {second}")),
            ValueStep::Minus => two(&|first, second| format!("{first} - {second}")),
        };
        parts.push(part);
    }
    format!("{} = {}", path(target), parts.pop().unwrap())
}

fn path(path: &Path) -> String {
    let steps = path.steps().iter().map(|step| match step {
        Step::Name(it) => format!(".{}", name(it)),
        Step::Index(index) => format!("[{index}]"),
    });
    name(path.name()) + &steps.collect::<String>()
}

fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub fn value(it: &Value) -> String {
    fn all<'v, T: 'v>(values: impl IntoIterator<Item = &'v T>, show: impl Fn(&T) -> String) -> String {
        values.into_iter().map(show).collect::<Vec<_>>().join(", ")
    }
    let quoted = |text: &String| format!("'{}'", text.replace('\'', "''"));
    match it {
        Value::String(text) => quoted(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(true) => "TRUE".into(),
        Value::Bool(false) => "false".into(),
        Value::Null => "null".into(),
        Value::List(values) => format!("[{}]", all(values, value)),
        Value::Map(map) => {
            format!(
                "{{{}}}",
                map.iter().map(|(n, v)| format!("{}: {}", quoted(n), value(v))).collect::<Vec<_>>().join(", ")
            )
        }
        Value::StringSet(set) => format!("<<{}>>", all(set, quoted)),
        Value::NumberSet(set) => format!("<<{}>>", all(set, |number| number.to_string())),
        Value::Binary(_) | Value::BinarySet(_) => unreachable!("binaries are parameters"),
    }
}
