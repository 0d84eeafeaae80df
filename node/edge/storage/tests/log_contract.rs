//! One test for both Raft logs: random calls and restarts, and the same answers from both.

use bytes::Bytes;
use proptest::prelude::*;
use stator_environment::{DiskError, Done, RaftLog};
use stator_item::ReplicaId;
use stator_storage::{
    FileLog, LogMetrics, Settings,
    memory::{MemoryLog, Syncing},
};
use std::sync::mpsc::channel;

const REPLICAS: u64 = 3;

fn settings() -> Settings {
    Settings { segment_bytes: 4096, ..Settings::default() }
}

#[derive(Clone, Debug)]
enum LogStep {
    Append {
        count: u64,
        bytes: usize,
    },
    Vote(u8),
    /// So many from the end.
    Truncate(u64),
    /// So far above what is purged, beyond the end too.
    Purge(u64),
    Remove,
    Reopen,
}

fn log_step() -> impl Strategy<Value = (u64, LogStep)> {
    let step = prop_oneof![
        8 => (1..6_u64, 0..900_usize).prop_map(|(count, bytes)| LogStep::Append { count, bytes }),
        2 => any::<u8>().prop_map(LogStep::Vote),
        2 => (0..5_u64).prop_map(LogStep::Truncate),
        4 => (0..12_u64).prop_map(LogStep::Purge),
        1 => Just(LogStep::Remove),
        1 => Just(LogStep::Reopen),
    ];
    // The first replica is quiet, so that it is left behind in old segments.
    (prop_oneof![1 => Just(0), 6 => 1..REPLICAS], step)
}

fn run(log: &dyn RaftLog, replica: ReplicaId, step: &LogStep, serial: u8) {
    let state = log.state(replica);
    let purged = state.purged.as_ref().map_or(0, |(index, _)| *index);
    let last = state.last.unwrap_or(purged);
    let (sender, result) = channel();
    let done: Done = Box::new(move |result: Result<(), DiskError>| sender.send(result).expect("the test waits"));
    match step {
        LogStep::Append { count, bytes } => {
            let entries =
                (last + 1..=last + count).map(|index| (index, Bytes::from(vec![serial ^ index as u8; *bytes])));
            log.append(replica, entries.collect(), done);
        }
        LogStep::Vote(vote) => log.save_vote(replica, Bytes::from(vec![*vote; 20]), done),
        LogStep::Remove => log.remove(replica, done),
        LogStep::Truncate(back) => return log.truncate_after(replica, last.saturating_sub(*back)),
        LogStep::Purge(ahead) => return log.purge(replica, purged + ahead, Bytes::from(vec![serial; 9])),
        LogStep::Reopen => return,
    }
    result.recv().expect("done is called").expect("the disk is well");
}

fn check_same(real: &dyn RaftLog, model: &dyn RaftLog) {
    assert_eq!(real.replicas(), model.replicas());
    for replica in (0..REPLICAS).map(ReplicaId) {
        let state = model.state(replica);
        assert_eq!(real.state(replica), state);
        let first = state.purged.map_or(1, |(index, _)| index + 1);
        for (start, bytes_max) in [(first, usize::MAX), (first + 2, 1500), (first.saturating_sub(1), 0)] {
            let read = |log: &dyn RaftLog| log.read(replica, start, start + 50, bytes_max).expect("readable");
            assert_eq!(read(real), read(model), "replica {replica} from {start}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn both_logs_answer_alike(steps in proptest::collection::vec(log_step(), 1..120)) {
        let directory = tempfile::tempdir().expect("a directory");
        let open = || FileLog::open(directory.path(), &settings(), LogMetrics::default()).expect("it opens");
        let mut real = open();
        let model = MemoryLog::new(Syncing::AtOnce);
        for (serial, (replica, step)) in steps.iter().enumerate() {
            if matches!(step, LogStep::Reopen) {
                drop(real);
                real = open();
            }
            for log in [&real as &dyn RaftLog, &model] {
                run(log, ReplicaId(*replica), step, serial as u8);
            }
            check_same(&real, &model);
        }
        drop(real);
        check_same(&open(), &model);
    }
}

#[test]
fn a_memory_log_loses_what_was_not_synced_and_may_keep_a_prefix() {
    let log = MemoryLog::new(Syncing::OnDemand(Box::new(|| {})));
    let append = |index: u64| log.append(ReplicaId(1), vec![(index, Bytes::new())], Box::new(|_| {}));
    (1..=3).for_each(append);
    log.sync(2);
    log.truncate_after(ReplicaId(1), 2);
    append(3);
    assert_eq!((log.waiting(), log.state(ReplicaId(1)).last), (3, Some(3)));
    log.crash(|lost| lost - 1);
    assert_eq!((log.waiting(), log.state(ReplicaId(1)).last), (0, Some(2)));
    append(3);
    log.crash(|_| 0);
    assert_eq!(log.state(ReplicaId(1)).last, Some(2));
}

#[test]
fn a_memory_log_keeps_nothing_behind_what_failed() {
    let log = MemoryLog::new(Syncing::OnDemand(Box::new(|| {})));
    let append = |index: u64| log.append(ReplicaId(1), vec![(index, Bytes::new())], Box::new(|_| {}));
    (1..=3).for_each(append);
    log.sync(1);
    log.fail(DiskError::Full { action: "append" });
    log.sync(1);
    log.crash(|lost| lost);
    assert_eq!(log.state(ReplicaId(1)).last, Some(1), "the second entry failed, and the third waited behind it");
}
