//! What transactions did and saw.

/// What became of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Committed,
    Aborted,
    /// No answer came. It counts as committed if somebody saw one of its appends.
    Unknown,
}

/// One step of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A value is appended to a key's list. Each value is appended to a key at most once in a history.
    Append { key: u64, value: u64 },
    /// A key's list as it was seen; empty if the key was not there.
    Read { key: u64, list: Vec<u64> },
}

/// One transaction of one process. Reads of a transaction that did not commit say nothing and are left out of account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// Transactions of one process follow one another.
    pub process: u64,
    pub steps: Vec<Step>,
    pub fate: Fate,
    /// When it was sent. Any clock that all clients share.
    pub started: u64,
    /// When its answer came; `None`: it may take effect at any time later.
    pub ended: Option<u64>,
}

impl Transaction {
    pub(crate) fn appends(&self) -> impl Iterator<Item = (u64, u64)> {
        self.steps.iter().filter_map(|step| match step {
            Step::Append { key, value } => Some((*key, *value)),
            Step::Read { .. } => None,
        })
    }

    pub(crate) fn reads(&self) -> impl Iterator<Item = (u64, &[u64])> {
        let is_known = self.fate == Fate::Committed;
        self.steps.iter().filter(move |_| is_known).filter_map(|step| match step {
            Step::Read { key, list } => Some((*key, &list[..])),
            Step::Append { .. } => None,
        })
    }
}
