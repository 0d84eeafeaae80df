//! What a run has shown. A run that did not test anything is not valid but unknown.

use crate::record::{Aftermath, Ending, Record};
use std::fmt;

/// Below this share of successful operations, in a thousand, a run says nothing.
const SUCCEEDED_PER_MILLE_MIN: u64 = 10;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    Valid,
    Unknown,
    Invalid,
}

impl fmt::Display for Verdict {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Verdict::Valid => "valid",
            Verdict::Unknown => "unknown",
            Verdict::Invalid => "INVALID",
        })
    }
}

/// One question that a run answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    pub name: String,
    pub verdict: Verdict,
    /// What speaks against it.
    pub reasons: Vec<String>,
}

impl Check {
    fn of(name: impl Into<String>, broken: Vec<String>, doubts: Vec<String>) -> Check {
        let verdict = if !broken.is_empty() {
            Verdict::Invalid
        } else if !doubts.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::Valid
        };
        Check { name: name.into(), verdict, reasons: [broken, doubts].concat() }
    }
}

/// All checks of a run. Its verdict is the worst of them.
pub fn checks(record: &Record) -> Vec<Check> {
    let mut checks: Vec<Check> = record
        .judged
        .iter()
        .map(|judged| {
            let broken = judged.judgement.violations.iter();
            let broken = broken.map(|violation| format!("{}: {}", violation.promise, violation.explanation));
            Check::of(format!("workload {}", judged.workload), broken.collect(), judged.judgement.undecided.clone())
        })
        .collect();
    checks.push(Check::of("operations succeed", Vec::new(), operations(record)));
    checks.push(faults(record));
    checks.extend(record.aftermath.as_ref().map(aftermath).into_iter().flatten());
    checks
}

pub fn worst(checks: &[Check]) -> Verdict {
    checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Unknown)
}

fn operations(record: &Record) -> Vec<String> {
    let counts = &record.counts;
    let all = counts.succeeded + counts.failed + counts.unknown;
    let too_few = counts.succeeded * 1_000 < all * SUCCEEDED_PER_MILLE_MIN || counts.succeeded == 0;
    let mut doubts = Vec::new();
    if too_few {
        doubts.push(format!("only {} of {all} operations succeeded, so there is little to judge", counts.succeeded));
    }
    if record.ending == Ending::HistoryFull {
        doubts.push("the run was ended early, as its history would not fit into memory".to_owned());
    }
    doubts
}

fn faults(record: &Record) -> Check {
    let broken = record.faults.iter().flat_map(|fault| {
        fault.findings.iter().map(|finding| format!("{} ({}): {finding}", fault.name, fault.description))
    });
    let mut doubts: Vec<String> = Vec::new();
    for fault in &record.faults {
        match (&fault.error, &fault.proof) {
            (Some(error), _) => doubts.push(format!("{} ({}): {error}", fault.name, fault.description)),
            (None, None) => doubts.push(format!("{} ({}) had no effect", fault.name, fault.description)),
            (None, Some(_)) => {}
        }
    }
    let never = record.faults_asked.iter().filter(|asked| !record.faults.iter().any(|fault| fault.name == **asked));
    let never: Vec<&str> = never.map(String::as_str).collect();
    if !never.is_empty() && record.ending == Ending::AsPlanned {
        doubts.push(format!("never came to be injected: {}; let the run last longer", never.join(", ")));
    }
    Check::of("faults take effect, and nodes react as they must", broken.collect(), doubts)
}

fn aftermath(after: &Aftermath) -> Vec<Check> {
    let read: Vec<String> = after.not_read.iter().cloned().collect();
    vec![
        // Nobody hinders them any more: that they do not come back is a fault of theirs.
        Check::of("the cluster becomes whole again", after.not_whole.iter().cloned().collect(), Vec::new()),
        Check::of("everything can be read once more", read, Vec::new()),
        Check::of("replicas are equal", after.differences.clone(), after.not_compared.iter().cloned().collect()),
        Check::of("stored data is sound", after.findings.clone(), after.not_checked.iter().cloned().collect()),
    ]
}

#[cfg(test)]
pub(crate) mod tests;
