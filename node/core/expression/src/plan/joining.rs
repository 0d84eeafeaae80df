//! Tests joined by AND, OR, NOT and parentheses, as they are written from left to right, into a condition.
//!
//! Connectives wait on a stack until what they connect is complete, so the depth of parentheses costs memory only, and
//! no more of it than the text is long.

use crate::plan::condition::{Condition, ConditionStep, Test};

/// A connective or parenthesis whose right side is not complete yet.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Pending {
    /// With its place.
    Parenthesis(usize),
    Or,
    And,
    Not,
}

/// A condition that is being read. Where tests, connectives and parentheses may stand is for the grammar to know.
#[derive(Default, Debug)]
pub struct Joining {
    steps: Vec<ConditionStep>,
    pending: Vec<Pending>,
}

impl Joining {
    /// An opening parenthesis; closing it gives the place back.
    pub fn open(&mut self, place: usize) {
        self.pending.push(Pending::Parenthesis(place));
    }

    pub fn not(&mut self) {
        self.pending.push(Pending::Not);
    }

    pub fn test(&mut self, test: Test) {
        self.steps.push(ConditionStep::Test(test));
        self.complete(Pending::Not);
    }

    pub fn and(&mut self) {
        self.complete(Pending::And);
        self.pending.push(Pending::And);
    }

    pub fn or(&mut self) {
        self.complete(Pending::Or);
        self.pending.push(Pending::Or);
    }

    /// A closing parenthesis behind a complete condition. `None`: none is open.
    pub fn close(&mut self) -> Option<usize> {
        self.complete(Pending::Or);
        let place = self.withdraw()?;
        self.complete(Pending::Not);
        Some(place)
    }

    /// Takes back a parenthesis in which nothing is yet: it stands around an operand. `None`: what came last is none.
    pub fn withdraw(&mut self) -> Option<usize> {
        let Some(Pending::Parenthesis(place)) = self.pending.last().copied() else { return None };
        self.pending.pop();
        Some(place)
    }

    /// The condition; `None`: it is not complete.
    pub fn finish(mut self) -> Option<Condition> {
        self.complete(Pending::Or);
        if self.pending.is_empty() { Condition::from_steps(self.steps) } else { None }
    }

    /// Puts out the connectives on top that bind at least as tightly as this one: what they connect is complete.
    fn complete(&mut self, connective: Pending) {
        while let Some(top) = self.pending.last().copied() {
            let step = match top {
                Pending::Not => ConditionStep::Not,
                Pending::And if connective != Pending::Not => ConditionStep::And,
                Pending::Or if connective == Pending::Or => ConditionStep::Or,
                _ => return,
            };
            self.steps.push(step);
            self.pending.pop();
        }
    }
}
