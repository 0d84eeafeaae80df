//! What clients saw.

/// Place of an operation in its history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OperationId(pub usize);

/// One operation of one client.
#[derive(Clone, Debug)]
pub struct Operation<C> {
    pub call: C,
    /// When it was sent. Any clock that all clients share.
    pub started: u64,
    /// When the answer came; `None`: none came, so it may take effect at any time later, or never.
    pub ended: Option<u64>,
}

/// All operations on one object, in any order.
#[derive(Clone, Debug)]
pub struct History<C> {
    pub operations: Vec<Operation<C>>,
}

impl<C> Default for History<C> {
    fn default() -> Self {
        History { operations: Vec::new() }
    }
}

impl<C> History<C> {
    /// Adds an operation that was answered.
    pub fn answered(&mut self, call: C, started: u64, ended: u64) {
        debug_assert!(started <= ended, "an answer before its call");
        self.operations.push(Operation { call, started, ended: Some(ended) });
    }

    /// Adds an operation whose answer never came. Leave out reads without an answer: they say nothing.
    pub fn unanswered(&mut self, call: C, started: u64) {
        self.operations.push(Operation { call, started, ended: None });
    }
}
