//! Histories by hand, for the tests of the checks.

use crate::{
    client::{Answer, Failure, Operation},
    history::Event,
    judging::judge,
    workload::Workload,
};

/// An answered operation.
pub(crate) fn event(started_us: u64, ended_us: u64, (operation, answer): (Operation, Answer)) -> Event {
    // Each is a client's of its own: only time orders them.
    Event { client: started_us, group: 0, operation, started_us, ended_us: Some(ended_us), outcome: Some(Ok(answer)) }
}

/// One whose outcome nobody knows.
pub(crate) fn unknown(started_us: u64, operation: Operation) -> Event {
    let outcome = Some(Err(Failure::Unknown("no answer".to_owned())));
    Event { client: started_us, group: 0, operation, started_us, ended_us: Some(started_us + 1), outcome }
}

/// One that had no effect.
pub(crate) fn failed(started_us: u64, ended_us: u64, operation: Operation) -> Event {
    let outcome = Some(Err(Failure::Definite("throttled".to_owned())));
    Event { client: started_us, group: 0, operation, started_us, ended_us: Some(ended_us), outcome }
}

#[track_caller]
pub(crate) fn sound(workload: &dyn Workload, history: &[Event]) {
    let judgement = judge(workload, history);
    assert!(judgement.holds(), "{judgement:#?}");
}

#[track_caller]
pub(crate) fn refused(workload: &dyn Workload, history: &[Event]) {
    let judgement = judge(workload, history);
    assert!(!judgement.violations.is_empty(), "{history:#?}");
    for violation in &judgement.violations {
        assert!(violation.witnesses.iter().all(|at| *at < history.len()), "{violation:?}");
    }
}
