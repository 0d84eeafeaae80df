use super::*;
use crate::record::{FaultRecord, Judged};
use stator_workloads::{history::Counts, workload::Judgement};

/// A run in which all is well.
pub(crate) fn sound() -> Record {
    let fault = FaultRecord {
        name: "kill".to_owned(),
        description: "kill -9 of node 2".to_owned(),
        proof: Some("gone".to_owned()),
        ..FaultRecord::default()
    };
    Record {
        command: "stator-chaos run".to_owned(),
        seed: 1,
        version: "0".to_owned(),
        cluster: "three nodes".to_owned(),
        duration_us: 1_000_000,
        ending: Ending::AsPlanned,
        events: Vec::new(),
        counts: Counts { succeeded: 1_000, failed: 5, unknown: 5 },
        faults_asked: vec!["kill".to_owned()],
        faults: vec![fault],
        observations: Vec::new(),
        judged: vec![Judged { workload: "register".to_owned(), judgement: Judgement::default() }],
        aftermath: Some(Aftermath::default()),
        notes: Vec::new(),
    }
}

fn verdict(change: impl FnOnce(&mut Record)) -> Verdict {
    let mut record = sound();
    change(&mut record);
    worst(&checks(&record))
}

#[test]
fn a_sound_run_is_valid() {
    assert_eq!(verdict(|_| {}), Verdict::Valid);
    // Nothing can be said of the inside of a cluster that is not ours; what was asked is answered.
    assert_eq!(verdict(|record| record.aftermath = None), Verdict::Valid);
    assert_eq!(verdict(|record| (record.ending, record.faults) = (Ending::Interrupted, Vec::new())), Verdict::Valid);
}

#[test]
fn a_run_that_tested_nothing_is_unknown() {
    let unknown: [fn(&mut Record); 7] = [
        |record| record.counts.succeeded = 0,
        |record| record.counts = Counts { succeeded: 9, failed: 991, unknown: 0 },
        |record| record.faults[0].proof = None,
        |record| record.faults[0].error = Some("no".to_owned()),
        |record| record.faults.clear(),
        |record| record.judged[0].judgement.undecided.push("too hard".to_owned()),
        |record| record.ending = Ending::HistoryFull,
    ];
    for (number, change) in unknown.into_iter().enumerate() {
        assert_eq!(verdict(change), Verdict::Unknown, "case {number}");
    }
}

#[test]
fn a_broken_promise_outweighs_all_doubts() {
    let invalid: [fn(&mut Record); 6] = [
        |record| record.judged[0].judgement.violate("linearizable", "it was not".to_owned(), vec![1]),
        |record| record.faults[0].findings.push("it went on".to_owned()),
        |record| record.aftermath.as_mut().expect("there is one").differences.push("partition 1".to_owned()),
        |record| record.aftermath.as_mut().expect("there is one").findings.push("a row".to_owned()),
        |record| record.aftermath.as_mut().expect("there is one").not_whole = Some("a node".to_owned()),
        |record| record.aftermath.as_mut().expect("there is one").not_read = Some("a row".to_owned()),
    ];
    for (number, change) in invalid.into_iter().enumerate() {
        let doubted = |record: &mut Record| {
            change(record);
            record.counts.succeeded = 0;
        };
        assert_eq!(verdict(doubted), Verdict::Invalid, "case {number}");
    }
}
