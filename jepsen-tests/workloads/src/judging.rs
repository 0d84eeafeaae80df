//! What all workloads' checks have in common.

use crate::{
    client::{Answer, Failure, Item, Value},
    history::Event,
    workload::{Judgement, Workload},
};
use stator_linearizability::{History, Model, Verdict, check};
use std::{collections::BTreeMap, fmt::Debug};

/// Steps after which the checker gives up on one key.
const CHECK_STEPS_MAX: u64 = 2_000_000;

/// Judges a workload's history, its odd answers included.
pub fn judge(workload: &dyn Workload, history: &[Event]) -> Judgement {
    let mut judgement = workload.check(history);
    for (at, event) in history.iter().enumerate() {
        if let Some(Err(Failure::Absurd(said))) = &event.outcome {
            judgement.violate("a sound request gets a sound answer", said.clone(), vec![at]);
        }
        if matches!(event.answer(), Some(Answer::NoSuchTable | Answer::TableInUse)) && !workload.changes_tables() {
            let explanation = format!("{:?} of a table that is active", event.answer());
            judgement.violate("an active table is there", explanation, vec![at]);
        }
    }
    judgement
}

/// Histories of single objects, by the objects' names, each with the events' places.
pub(crate) struct PerObject<C> {
    objects: BTreeMap<String, (History<C>, Vec<usize>)>,
}

impl<C: Debug> PerObject<C> {
    pub fn new() -> PerObject<C> {
        PerObject { objects: BTreeMap::new() }
    }

    /// Adds a call. Reads without an answer, and what definitely failed, must be left out.
    pub fn add(&mut self, object: &str, at: usize, event: &Event, call: C) {
        let (history, places) = self.objects.entry(object.to_owned()).or_default();
        match event.effective_by_us() {
            Some(ended) => history.answered(call, event.started_us, ended),
            None => history.unanswered(call, event.started_us),
        }
        places.push(at);
    }

    /// Each object must be linearizable.
    pub fn check<M: Model<Call = C>>(&self, model: &M, promise: &'static str, judgement: &mut Judgement) {
        for (object, (history, places)) in &self.objects {
            match check(model, history, CHECK_STEPS_MAX) {
                Verdict::Linearizable(_) => {}
                Verdict::Unknown { steps } => {
                    judgement.undecided.push(format!("{promise}: {object} is not decided after {steps} steps"));
                }
                Verdict::Violation { fits, stuck } => {
                    let calls: Vec<String> =
                        stuck.iter().map(|id| format!("{:?}", history.operations[id.0].call)).collect();
                    let explanation = format!(
                        "{object}: after {} operations in an order that fits, the next could be {}, and none can be",
                        fits.len(),
                        calls.join(" or ")
                    );
                    // The state in which they are stuck was made by the last ones that fit.
                    let last = fits.iter().rev().take(3).rev();
                    let witnesses = last.chain(&stuck).map(|id| places[id.0]).collect();
                    judgement.violate(promise, explanation, witnesses);
                }
            }
        }
    }
}

pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(Value::text)
}

pub(crate) fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name).and_then(Value::number)
}

/// An item's attributes.
pub(crate) fn item<const N: usize>(attributes: [(&str, Value); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
