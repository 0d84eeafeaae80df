//! A history in EDN, as Elle (lists) and Knossos (registers) read it: a map for each beginning and each end of an operation.

use stator_workloads::{
    client::{Answer, Failure, Operation},
    history::Event,
};
use std::fmt::Write;

/// One line for each beginning and end, in the order of time. Operations that have no counterpart there are left out.
pub fn edn(events: &[Event]) -> String {
    let mut lines: Vec<(u64, String)> = Vec::new();
    for (place, event) in events.iter().enumerate() {
        let Some(asked) = micro_operation(&event.operation, None) else { continue };
        let line = |kind: &str, value: &str, at: u64| {
            let process = event.client;
            (
                at,
                format!(
                    "{{:type :{kind}, :f :txn, :value [{value}], :process {process}, :time {}, :index {place}}}\n",
                    at * 1_000
                ),
            )
        };
        lines.push(line("invoke", &asked, event.started_us));
        let Some(end) = event.ended_us else { continue };
        let (kind, value) = match &event.outcome {
            Some(Ok(Answer::ConditionFailed) | Err(Failure::Definite(_))) => ("fail", asked),
            Some(Ok(answer)) => {
                let told = micro_operation(&event.operation, Some(answer));
                ("ok", told.unwrap_or(asked))
            }
            _ => ("info", asked),
        };
        lines.push(line(kind, &value, end));
    }
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().fold(String::new(), |mut all, (_, line)| {
        let _ = write!(all, "{line}");
        all
    })
}

/// `[:r "key" [1 2]]`, `[:append "key" 3]`, `[:w "key" 3]`.
fn micro_operation(operation: &Operation, answer: Option<&Answer>) -> Option<String> {
    match operation {
        Operation::Get { key, .. } => {
            let name = key.get("pk")?.text()?;
            let seen = match answer {
                Some(Answer::Item(Some(item))) => item.iter().find_map(|(attribute, value)| match value {
                    _ if attribute == "pk" || attribute == "sk" => None,
                    value => value
                        .list()
                        .map(|list| format!("{list:?}").replace(',', ""))
                        .or_else(|| Some(value.number()?.to_string())),
                }),
                _ => None,
            };
            Some(format!("[:r {name:?} {}]", seen.unwrap_or_else(|| "nil".to_owned())))
        }
        Operation::Put { item, condition: None, .. } => {
            let name = item.get("pk")?.text()?;
            let value = item
                .iter()
                .filter(|(attribute, _)| *attribute != "pk" && *attribute != "sk")
                .find_map(|(_, v)| v.number())?;
            Some(format!("[:w {name:?} {value}]"))
        }
        Operation::Update { key, update, .. } if update.text.contains("list_append") => {
            let name = key.get("pk")?.text()?;
            let element = update.values.values().filter_map(|value| value.list()).find_map(|list| list.first())?;
            Some(format!("[:append {name:?} {element}]"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stator_workloads::client::{Consistency, Expression, Item, Value};

    #[test]
    fn lists_become_what_elle_reads() {
        let key: Item = [("pk".to_owned(), Value::from("a"))].into();
        let list: Item = [("pk".to_owned(), Value::from("a")), ("list".to_owned(), Value::from(vec![3, 4]))].into();
        let update = Expression::new("SET list = list_append(list, :new)", [(":new", Value::from(vec![4]))]);
        let event = |client, operation, started_us, outcome| Event {
            client,
            group: 0,
            operation,
            started_us,
            ended_us: Some(started_us + 5),
            outcome: Some(outcome),
        };
        let append = Operation::Update { table: "append".to_owned(), key: key.clone(), update, condition: None };
        let get = Operation::Get { table: "append".to_owned(), key, consistency: Consistency::Strong };
        let events = [
            event(1, append, 10, Err(Failure::Unknown(String::new()))),
            event(2, get, 12, Ok(Answer::Item(Some(list)))),
        ];
        let expected = "{:type :invoke, :f :txn, :value [[:append \"a\" 4]], :process 1, :time 10000, :index 0}\n\
            {:type :invoke, :f :txn, :value [[:r \"a\" nil]], :process 2, :time 12000, :index 1}\n\
            {:type :info, :f :txn, :value [[:append \"a\" 4]], :process 1, :time 15000, :index 0}\n\
            {:type :ok, :f :txn, :value [[:r \"a\" [3 4]]], :process 2, :time 17000, :index 1}\n";
        assert_eq!(edn(&events), expected);
    }
}
