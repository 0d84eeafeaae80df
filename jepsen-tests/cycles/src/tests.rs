use crate::{Anomaly, Fate, Isolation, Kind, Order, Step, Transaction, check};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A transaction in a line: `process begin-end steps`, where a step is `a KEY VALUE` or `r KEY VALUES...`, separated by commas.
/// An end of `x` is an abort, one of `?` is unknown.
fn transaction(line: &str) -> Transaction {
    let mut words = line.trim().splitn(3, ' ');
    let process = words.next().unwrap().parse().unwrap();
    let (started, end) = words.next().unwrap().split_once('-').unwrap();
    let fate = match end {
        "x" => Fate::Aborted,
        "?" => Fate::Unknown,
        _ => Fate::Committed,
    };
    let steps = words.next().unwrap().split(',').map(|step| {
        let mut words = step.split_whitespace();
        let (verb, key) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        let mut numbers = words.map(|number| number.parse().unwrap());
        match verb {
            "a" => Step::Append { key, value: numbers.next().unwrap() },
            _ => Step::Read { key, list: numbers.collect() },
        }
    });
    Transaction { process, steps: steps.collect(), fate, started: started.parse().unwrap(), ended: end.parse().ok() }
}

fn history(lines: &str) -> Vec<Transaction> {
    lines.lines().filter(|line| !line.trim().is_empty()).map(transaction).collect()
}

fn judged(lines: &str) -> Vec<(Kind, Order)> {
    check(&history(lines)).iter().map(|anomaly| (anomaly.kind, anomaly.order)).collect()
}

#[track_caller]
fn shows(kind: Kind, order: Order, lines: &str) {
    assert!(judged(lines).contains(&(kind, order)), "{:?} in {lines}", check(&history(lines)));
}

#[track_caller]
fn is_sound(lines: &str) {
    assert_eq!(check(&history(lines)), [], "{lines}");
}

#[test]
fn sound_histories_pass() {
    is_sound(
        "1 0-10 a 1 1, a 2 1
         2 5-15 r 1 1, r 2 1
         1 20-30 a 1 2, r 1 1 2
         3 20-40 r 1 1",
    );
    // No answer came, and it took effect much later.
    is_sound(
        "1 0-? a 1 1
         2 10-20 r 1
         2 30-40 r 1 1",
    );
    // Aborted, and never seen.
    is_sound(
        "1 0-x a 1 1
         2 10-20 r 1",
    );
}

#[test]
fn reads_that_are_wrong_by_themselves_are_found() {
    shows(Kind::GarbageRead, Order::Data, "1 0-1 r 1 7");
    shows(Kind::GarbageRead, Order::Data, "1 0-1 a 1 7\n 2 2-3 r 1 7 7");
    shows(Kind::G1a, Order::Data, "1 0-x a 1 1\n 2 5-6 r 1 1");
    shows(Kind::G1b, Order::Data, "1 0-9 a 1 1, a 1 2\n 2 0-9 r 1 1\n 3 10-11 r 1 1 2");
    shows(Kind::Internal, Order::Data, "1 0-9 a 1 1, r 1");
    shows(Kind::Internal, Order::Data, "1 0-9 r 1, r 1 1\n 2 0-9 a 1 1");
    shows(Kind::IncompatibleOrder, Order::Data, "1 0-9 a 1 1\n 2 0-9 a 1 2\n 3 0-9 r 1 1 2\n 4 0-9 r 1 2 1");
}

#[test]
fn g0_writes_in_a_circle() {
    shows(
        Kind::G0,
        Order::Data,
        "1 0-9 a 1 1, a 2 1
         2 0-9 a 1 2, a 2 2
         3 10-19 r 1 1 2, r 2 2 1",
    );
}

#[test]
fn g1c_each_saw_the_others_write() {
    shows(
        Kind::G1c,
        Order::Data,
        "1 0-9 a 1 1, r 2 2
         2 0-9 a 2 2, r 1 1",
    );
}

#[test]
fn g_single_read_skew_and_lost_update() {
    // One half of a transaction is seen.
    shows(
        Kind::GSingle,
        Order::Data,
        "1 0-9 a 1 1, a 2 1
         2 0-9 r 1 1, r 2
         3 20-29 r 1 1, r 2 1",
    );
    // Both appended to what they had read, and only one could have.
    shows(
        Kind::GSingle,
        Order::Data,
        "1 0-9 r 1, a 1 1
         2 0-9 r 1, a 1 2
         3 20-29 r 1 1 2",
    );
}

#[test]
fn g2_write_skew() {
    let lines = "1 0-9 r 1, a 2 1
         2 0-9 r 2, a 1 2
         3 20-29 r 1 2, r 2 1";
    shows(Kind::G2, Order::Data, lines);
    let found = check(&history(lines));
    let breaks = |isolation: Isolation| found.iter().any(|anomaly| isolation.forbids(anomaly));
    assert!(breaks(Isolation::Serializable) && breaks(Isolation::StrictSerializable));
    assert!(!breaks(Isolation::SnapshotIsolation) && !breaks(Isolation::ReadCommitted));
}

#[test]
fn real_time_and_process_order_make_stale_reads_anomalies() {
    // Acknowledged, then not seen: by another process.
    let stale = "1 0-9 a 1 1
         2 10-19 r 1
         3 20-29 r 1 1";
    shows(Kind::GSingle, Order::RealTime, stale);
    let found = check(&history(stale));
    assert!(!found.iter().any(|anomaly| Isolation::Serializable.forbids(anomaly)));
    assert!(found.iter().any(|anomaly| Isolation::StrictSerializable.forbids(anomaly)));
    // By the process itself.
    shows(
        Kind::GSingle,
        Order::Process,
        "1 0-9 a 1 1
         1 10-19 r 1
         3 20-29 r 1 1",
    );
    // Time runs backwards between two readers.
    shows(
        Kind::GSingle,
        Order::RealTime,
        "1 0-? a 1 1
         2 10-19 r 1 1
         3 20-29 r 1",
    );
}

#[test]
fn an_acknowledged_append_that_is_never_seen_is_found() {
    shows(
        Kind::GSingle,
        Order::RealTime,
        "1 0-9 a 1 1
         2 10-19 r 1",
    );
    // Lost between others.
    shows(
        Kind::GSingle,
        Order::RealTime,
        "1 0-9 a 1 1
         2 10-19 a 1 2
         3 20-29 r 1 2",
    );
}

#[test]
fn the_explanation_names_the_circle() {
    let found = check(&history("1 0-9 a 1 1\n 2 10-19 r 1"));
    let [anomaly] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        anomaly.to_string(),
        "GSingle by real time: a circle: T1 did not see T0's 1 in list 1, T0 had ended before T1 began"
    );
    assert_eq!(anomaly.transactions, [1, 0]);
}

/// Whether some order of all transactions explains everything; with `in_time` only orders that real time allows.
fn can_be_explained(history: &[Transaction], in_time: bool) -> bool {
    fn go(history: &[Transaction], done: &mut Vec<bool>, lists: &BTreeMap<u64, Vec<u64>>, in_time: bool) -> bool {
        if done.iter().all(|done| *done) {
            return true;
        }
        for at in 0..history.len() {
            let too_early = |before: &Transaction| before.ended.is_some_and(|ended| ended < history[at].started);
            if done[at] || in_time && (0..history.len()).any(|other| !done[other] && too_early(&history[other])) {
                continue;
            }
            let mut lists = lists.clone();
            let fits = history[at].steps.iter().all(|step| match step {
                Step::Append { key, value } => {
                    lists.entry(*key).or_default().push(*value);
                    true
                }
                Step::Read { key, list } => lists.get(key).map_or(&[][..], Vec::as_slice) == list,
            });
            if fits {
                done[at] = true;
                if go(history, done, &lists, in_time) {
                    return true;
                }
                done[at] = false;
            }
        }
        false
    }
    go(history, &mut vec![false; history.len()], &BTreeMap::new(), in_time)
}

/// A few transactions, executed step by step in some interleaving, at the end read whole.
fn interleaved() -> impl Strategy<Value = Vec<Transaction>> {
    let steps = prop::collection::vec((prop::bool::ANY, 0..2_u64), 1..3);
    (prop::collection::vec(steps, 2..5), prop::collection::vec(0..100_usize, 40), prop::bool::ANY).prop_map(
        |(plans, choices, drops)| {
            let (mut lists, mut clock, mut values) = (BTreeMap::<u64, Vec<u64>>::new(), 0, 0);
            let mut history: Vec<Transaction> = Vec::new();
            let mut at: Vec<usize> = vec![0; plans.len()];
            for process in 0..plans.len() as u64 {
                let fate = Fate::Committed;
                history.push(Transaction { process, steps: Vec::new(), fate, started: 0, ended: None });
            }
            let mut choices = choices.into_iter().cycle();
            while let Some(chosen) = {
                let open: Vec<usize> = (0..plans.len()).filter(|index| at[*index] < plans[*index].len()).collect();
                (!open.is_empty()).then(|| open[choices.next().unwrap() % open.len()])
            } {
                clock += 1;
                if at[chosen] == 0 {
                    history[chosen].started = clock;
                }
                let (appends, key) = plans[chosen][at[chosen]];
                let step = if appends {
                    values += 1;
                    // A lost write, now and then.
                    if !drops || choices.next().unwrap() % 4 > 0 {
                        lists.entry(key).or_default().push(values);
                    }
                    Step::Append { key, value: values }
                } else {
                    Step::Read { key, list: lists.get(&key).cloned().unwrap_or_default() }
                };
                history[chosen].steps.push(step);
                at[chosen] += 1;
                clock += 1;
                history[chosen].ended = Some(clock);
            }
            let steps = (0..2).map(|key| Step::Read { key, list: lists.get(&key).cloned().unwrap_or_default() });
            let (started, ended) = (clock + 1, Some(clock + 2));
            let last = Transaction { process: 99, steps: steps.collect(), fate: Fate::Committed, started, ended };
            history.push(last);
            history
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// With everything read at the end, the circles decide exactly.
    #[test]
    fn as_trying_all_orders(history in interleaved()) {
        let found: Vec<Anomaly> = check(&history);
        let strict = found.iter().any(|anomaly| Isolation::StrictSerializable.forbids(anomaly));
        prop_assert_eq!(strict, !can_be_explained(&history, true), "{:?} in {:?}", found, history);
        let plain = found.iter().any(|anomaly| Isolation::Serializable.forbids(anomaly));
        if plain {
            prop_assert!(!can_be_explained(&history, false), "{:?} in {:?}", found, history);
        }
    }
}
