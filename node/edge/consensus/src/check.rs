//! Holds a replica's stored log against what must be true of it, while no group runs on it.

use crate::{
    LogPosition,
    encoding::{PurgeMark, VoteRecord, decode, decode_entry},
};
use bytes::Bytes;
use openraft::EntryPayload;
use stator_environment::{DiskError, RaftLog};
use stator_item::ReplicaId;

const READ_BYTES_MAX: usize = 4 << 20;
const FINDINGS_MAX: usize = 20;

/// What a log holds, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CheckedLog {
    /// First and last index of the entries that are there.
    pub entries: Option<(u64, u64)>,
    pub findings: Vec<String>,
}

/// Reads a whole log. `applied`: what the replica's state says it has come to, where that is known; `payload` looks at what was
/// proposed, and tells what is wrong with it.
pub fn check_log(
    log: &dyn RaftLog,
    replica: ReplicaId,
    applied: Option<LogPosition>,
    payload: &dyn Fn(&Bytes) -> Option<String>,
) -> Result<CheckedLog, DiskError> {
    let state = log.state(replica);
    let mut checked = CheckedLog::default();
    let vote: Option<Result<VoteRecord, _>> = state.vote.as_deref().map(|vote| decode(vote, "a vote"));
    let voted_term = match vote {
        Some(Ok(vote)) => Some(vote.term),
        Some(Err(error)) => {
            checked.findings.push(error.to_string());
            None
        }
        None => None,
    };
    let mut before = LogPosition::default();
    if let Some((index, mark)) = &state.purged {
        before.index = *index;
        match decode::<PurgeMark>(mark, "the mark of purged entries") {
            Ok(PurgeMark::Applied(position)) => {
                before = position;
                if applied.is_some_and(|applied| applied.index < position.index) {
                    checked
                        .findings
                        .push(format!("entries up to {} are gone, and not all of them are applied", position.index));
                }
            }
            // The replica waits for a snapshot; nothing more can be said.
            Ok(PurgeMark::Installing) => return Ok(checked),
            Err(error) => checked.findings.push(error.to_string()),
        }
    }
    let Some(last) = state.last.filter(|last| *last > before.index) else { return Ok(checked) };
    // The first entry of a group that was never purged is number 0 or 1, as its founder made it.
    let mut next = if state.purged.is_some() { before.index + 1 } else { 0 };
    let mut first = None;
    while next <= last && checked.findings.len() < FINDINGS_MAX {
        let entries = log.read(replica, next, last + 1, READ_BYTES_MAX)?;
        if entries.is_empty() && next == 0 {
            next = 1;
            continue;
        }
        if entries.is_empty() {
            checked.findings.push(format!("entry {next} is missing; the last one is {last}"));
            break;
        }
        for (index, bytes) in entries {
            first.get_or_insert(index);
            check_entry((index, &bytes), &mut next, &mut before, payload, &mut checked.findings);
        }
    }
    checked.entries = first.map(|first| (first, last));
    if voted_term.is_none_or(|term| term < before.term) {
        checked.findings.push(format!("its last entry is of term {}, and its vote of none so late", before.term));
    }
    Ok(checked)
}

fn check_entry(
    (index, bytes): (u64, &Bytes),
    next: &mut u64,
    before: &mut LogPosition,
    payload: &dyn Fn(&Bytes) -> Option<String>,
    findings: &mut Vec<String>,
) {
    if index != *next {
        findings.push(format!("entry {index} stands where {next} is due"));
    }
    *next = index + 1;
    match decode_entry(index, bytes) {
        Ok(entry) => {
            let term = entry.log_id.leader_id.term;
            if term < before.term {
                findings.push(format!("entry {index} is of term {term}, the one before it of term {}", before.term));
            }
            *before = LogPosition { term, index };
            if let EntryPayload::Normal(proposed) = &entry.payload
                && let Some(finding) = payload(&proposed.0)
            {
                findings.push(format!("entry {index}: {finding}"));
            }
        }
        Err(error) => findings.push(format!("entry {index}: {error}")),
    }
}
