//! What clients did and saw, in the order in which they began. Kept in memory, and as lines of JSON if somebody listens: a
//! line when an operation begins and one when it ends, so that the history of a run that was broken off can be judged.

use crate::client::{Answer, Operation, Outcome};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One operation of one client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub client: u64,
    /// Operations that belong together, as the pages of one Scan, have the same number.
    pub group: u64,
    pub operation: Operation,
    /// When it was sent, in microseconds of a clock that all clients share.
    pub started_us: u64,
    /// When its outcome came. `None`: the run ended before.
    pub ended_us: Option<u64>,
    /// `None`: the run ended before.
    pub outcome: Option<Outcome>,
}

impl Event {
    pub fn answer(&self) -> Option<&Answer> {
        self.outcome.as_ref()?.as_ref().ok()
    }

    /// When an effect must have happened, if it has: at the answer. An operation without an answer may take effect at any time
    /// later.
    pub fn effective_by_us(&self) -> Option<u64> {
        self.ended_us.filter(|_| self.answer().is_some())
    }

    /// Whether it may have had an effect without anybody having been told.
    pub fn is_unknown(&self) -> bool {
        use crate::client::Failure;
        !matches!(&self.outcome, Some(Ok(_) | Err(Failure::Definite(_))))
    }
}

/// A line of a history file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    Begin { id: usize, client: u64, group: u64, at_us: u64, operation: Operation },
    End { id: usize, at_us: u64, outcome: Outcome },
}

type Listener = Box<dyn Fn(&Line) + Send + Sync>;

/// A history that grows.
#[derive(Default)]
pub struct History {
    state: Mutex<State>,
    listener: Option<Listener>,
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    groups: u64,
}

impl History {
    /// `listener` is told every line as it comes: it writes them to a file.
    pub fn with_listener(listener: impl Fn(&Line) + Send + Sync + 'static) -> History {
        History { state: Mutex::default(), listener: Some(Box::new(listener)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, line: &Line) {
        if let Some(listener) = &self.listener {
            listener(line);
        }
    }

    /// A number for operations that belong together.
    pub fn new_group(&self) -> u64 {
        let mut state = self.state();
        state.groups += 1;
        state.groups
    }

    /// An operation is sent. Gives its number.
    pub fn begin(&self, client: u64, group: u64, at_us: u64, operation: Operation) -> usize {
        let event =
            Event { client, group, operation: operation.clone(), started_us: at_us, ended_us: None, outcome: None };
        let id = {
            let mut state = self.state();
            state.events.push(event);
            state.events.len() - 1
        };
        self.tell(&Line::Begin { id, client, group, at_us, operation });
        id
    }

    /// Its outcome is there.
    pub fn end(&self, id: usize, at_us: u64, outcome: Outcome) {
        if let Some(event) = self.state().events.get_mut(id) {
            event.ended_us = Some(at_us);
            event.outcome = Some(outcome.clone());
        }
        self.tell(&Line::End { id, at_us, outcome });
    }

    /// Everything so far. An event's place is its number.
    pub fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for event in &self.state().events {
            match event.outcome {
                Some(Ok(_)) => counts.succeeded += 1,
                _ if event.is_unknown() => counts.unknown += 1,
                _ => counts.failed += 1,
            }
        }
        counts
    }
}

/// How many operations had which end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub succeeded: u64,
    pub failed: u64,
    pub unknown: u64,
}

/// The events of a file's lines. Ends without a beginning, as a damaged file has them, say nothing and are left out.
pub fn events_of(lines: impl IntoIterator<Item = Line>) -> Vec<Event> {
    let mut events = std::collections::BTreeMap::new();
    for line in lines {
        match line {
            Line::Begin { id, client, group, at_us, operation } => {
                let event = Event { client, group, operation, started_us: at_us, ended_us: None, outcome: None };
                events.insert(id, event);
            }
            Line::End { id, at_us, outcome } => {
                if let Some(event) = events.get_mut(&id) {
                    event.ended_us = Some(at_us);
                    event.outcome = Some(outcome);
                }
            }
        }
    }
    events.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::{Consistency, Expression, Failure, Shape, Value},
        judging::item,
    };
    use std::sync::Arc;

    #[test]
    fn a_history_comes_back_from_its_lines() {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = lines.clone();
        let history =
            History::with_listener(move |line| kept.lock().unwrap().push(serde_json::to_string(line).unwrap()));
        let table = "t".to_owned();
        let key = item([("pk", "a".into()), ("sk", 1.into()), ("l", Value::List(vec![1, 2]))]);
        let update = Expression::new("ADD n :one", [(":one", 1.into())]);
        let operations = [
            Operation::Update { table: table.clone(), key: key.clone(), update, condition: None },
            Operation::Get { table: table.clone(), key: key.clone(), consistency: Consistency::Strong },
            Operation::CreateTable { table, shape: Shape::LocallyIndexed },
        ];
        let ids: Vec<usize> = operations.into_iter().map(|operation| history.begin(7, 0, 1, operation)).collect();
        history.end(ids[0], 2, Err(Failure::Unknown("no answer".to_owned())));
        history.end(ids[1], 3, Ok(Answer::Item(Some(key))));
        let lines = lines.lock().unwrap();
        let read = events_of(lines.iter().map(|line| serde_json::from_str(line).unwrap()));
        assert_eq!(read, history.events());
        assert_eq!(history.counts(), Counts { succeeded: 1, failed: 0, unknown: 2 });
        // The end of the file is missing: what was under way is unknown.
        let cut = events_of(lines[..4].iter().map(|line| serde_json::from_str(line).unwrap()));
        assert!(cut[1].is_unknown() && cut[1].outcome.is_none());
    }
}
