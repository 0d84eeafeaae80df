//! The search. Its cost grows with the number of operations under way at once, not with the history's length.

use crate::{History, Model, OperationId};
use std::collections::HashSet;

/// What a history says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It could have happened in this order.
    Linearizable(Vec<OperationId>),
    /// It could not. The longest order that fits, and the operations of which none can come next.
    Violation { fits: Vec<OperationId>, stuck: Vec<OperationId> },
    /// The search gave up after so many steps: nothing is known, which a test must count as a failure.
    Unknown { steps: u64 },
}

/// Decides about `history`, in at most `steps_max` steps.
pub fn check<M: Model>(model: &M, history: &History<M::Call>, steps_max: u64) -> Verdict {
    Search::new(model, history).run(steps_max)
}

/// A moment of the history: an operation begins or ends.
#[derive(Clone, Copy)]
struct Event {
    operation: usize,
    is_end: bool,
}

const NONE: usize = usize::MAX;

struct Search<'a, M: Model> {
    model: &'a M,
    history: &'a History<M::Call>,
    events: Vec<Event>,
    /// The events that are not linearized yet, as a doubly linked list over `events`; slot 0 is its head.
    next: Vec<usize>,
    previous: Vec<usize>,
    /// Where an operation's events stand.
    start_at: Vec<usize>,
    end_at: Vec<usize>,
    answered: usize,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, history: &'a History<M::Call>) -> Self {
        let count = history.operations.len();
        // At equal times a beginning goes before an end: the two operations are then concurrent, which forgives more.
        let mut moments: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * count);
        for (operation, recorded) in history.operations.iter().enumerate() {
            moments.push((recorded.started, false, operation));
            moments.push((recorded.ended.unwrap_or(u64::MAX), true, operation));
        }
        moments.sort_unstable();
        let events: Vec<Event> = moments.iter().map(|&(_, is_end, operation)| Event { operation, is_end }).collect();
        let (mut start_at, mut end_at) = (vec![NONE; count], vec![NONE; count]);
        for (at, event) in events.iter().enumerate() {
            if event.is_end { end_at[event.operation] = at + 1 } else { start_at[event.operation] = at + 1 }
        }
        let next = (1..=events.len()).chain([NONE]).collect();
        let previous = [NONE].into_iter().chain(0..events.len()).collect();
        let answered = history.operations.iter().filter(|operation| operation.ended.is_some()).count();
        Search { model, history, events, next, previous, start_at, end_at, answered }
    }

    fn run(mut self, steps_max: u64) -> Verdict {
        let mut state = self.model.initial();
        let mut done = vec![0u64; self.history.operations.len().div_ceil(64)];
        let mut visited: HashSet<(Vec<u64>, M::State)> = HashSet::new();
        let mut order: Vec<(usize, M::State)> = Vec::new();
        let mut best: Vec<usize> = Vec::new();
        let (mut steps, mut answered_done) = (0, 0);
        let mut at = self.next[0];
        while answered_done < self.answered {
            steps += 1;
            if steps > steps_max {
                return Verdict::Unknown { steps: steps - 1 };
            }
            // An end is reached, or the list: what began before it must have been linearized first, and nothing fits.
            if at == NONE || self.events[at - 1].is_end {
                if order.len() > best.len() {
                    best = order.iter().map(|(operation, _)| *operation).collect();
                }
                let Some((operation, before)) = order.pop() else {
                    return self.violation(&best);
                };
                state = before;
                done[operation / 64] &= !(1 << (operation % 64));
                answered_done -= usize::from(self.history.operations[operation].ended.is_some());
                self.put_back(operation);
                at = self.next[self.start_at[operation]];
                continue;
            }
            let operation = self.events[at - 1].operation;
            let stepped = self.model.step(&state, &self.history.operations[operation].call);
            if let Some(after) = stepped {
                done[operation / 64] |= 1 << (operation % 64);
                if visited.insert((done.clone(), after.clone())) {
                    order.push((operation, std::mem::replace(&mut state, after)));
                    answered_done += usize::from(self.history.operations[operation].ended.is_some());
                    self.take_out(operation);
                    at = self.next[0];
                    continue;
                }
                done[operation / 64] &= !(1 << (operation % 64));
            }
            at = self.next[at];
        }
        Verdict::Linearizable(order.into_iter().map(|(operation, _)| OperationId(operation)).collect())
    }

    fn take_out(&mut self, operation: usize) {
        for slot in [self.start_at[operation], self.end_at[operation]] {
            let (before, behind) = (self.previous[slot], self.next[slot]);
            self.next[before] = behind;
            if behind != NONE {
                self.previous[behind] = before;
            }
        }
    }

    fn put_back(&mut self, operation: usize) {
        for slot in [self.end_at[operation], self.start_at[operation]] {
            let (before, behind) = (self.previous[slot], self.next[slot]);
            self.next[before] = slot;
            if behind != NONE {
                self.previous[behind] = slot;
            }
        }
    }

    /// The operations under way right after the longest order that fits: one of them must come next, and none can.
    fn violation(&self, best: &[usize]) -> Verdict {
        let mut left: Vec<usize> =
            (0..self.history.operations.len()).filter(|operation| !best.contains(operation)).collect();
        left.sort_by_key(|&operation| self.start_at[operation]);
        let first_end = left.iter().map(|&operation| self.end_at[operation]).min().unwrap_or(NONE);
        left.retain(|&operation| self.start_at[operation] < first_end);
        Verdict::Violation {
            fits: best.iter().map(|&operation| OperationId(operation)).collect(),
            stuck: left.into_iter().map(OperationId).collect(),
        }
    }
}
