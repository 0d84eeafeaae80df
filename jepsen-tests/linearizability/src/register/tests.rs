use super::*;
use crate::{History, Operation, Verdict, check};
use proptest::prelude::*;

/// One operation a line: `START END CALL`, END `-` for no answer; `r3`, `w3`, `c3>4` (succeeded), `f3>4` (failed), `u3>4`
/// (no answer); `_` is "not there".
fn history(text: &str) -> History<Call> {
    let value = |text: &str| (text != "_").then(|| text.parse().expect("a number"));
    let mut history = History::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let [started, ended, call] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (kind, operand) = call.split_at(1);
        let call = match kind {
            "r" => Call::Read(value(operand)),
            "w" => Call::Write(value(operand)),
            _ => {
                let (from, to) = operand.split_once('>').expect("from>to");
                let succeeded = match kind {
                    "c" => Some(true),
                    "f" => Some(false),
                    _ => None,
                };
                Call::CompareAndSet { from: value(from), to: value(to), succeeded }
            }
        };
        history.operations.push(Operation {
            call,
            started: started.parse().expect("start"),
            ended: ended.parse().ok(),
        });
    }
    history
}

fn is_linearizable(text: &str) -> bool {
    match check(&Register, &history(text), 1_000_000) {
        Verdict::Linearizable(_) => true,
        Verdict::Violation { .. } => false,
        Verdict::Unknown { .. } => panic!("gave up"),
    }
}

#[test]
fn good_histories() {
    for good in [
        "",
        "0 1 r_",
        "0 1 w1 \n 2 3 r1",
        "0 5 w1 \n 1 2 r1 \n 3 4 r1",
        "0 5 w1 \n 1 2 r_ \n 3 4 r1",
        "0 1 w1 \n 2 3 c1>2 \n 4 5 r2 \n 6 7 f1>3",
        // An unanswered write may show late, or never.
        "0 - w1 \n 1 2 r_ \n 3 4 r1",
        "0 - w1 \n 1 2 r_ \n 3 4 r_",
        "0 1 w1 \n 2 - u1>2 \n 3 4 r1 \n 5 6 r2",
        "0 1 w1 \n 2 - u3>2 \n 3 4 r1 \n 5 6 r1",
        // Herlihy and Wing, figure 1: concurrent writes, read in either order.
        "0 9 w0 \n 1 9 w1 \n 2 3 r1 \n 4 5 r0",
    ] {
        assert!(is_linearizable(good), "{good}");
    }
}

#[test]
fn bad_histories() {
    for bad in [
        "0 1 r1",
        "0 1 w1 \n 2 3 r_",
        // A new value was seen, then the old one again.
        "0 9 w1 \n 1 2 r1 \n 3 4 r_",
        "0 1 w1 \n 2 3 w2 \n 4 5 r1",
        "0 1 w1 \n 2 3 f1>2",
        "0 1 w1 \n 2 9 c1>2 \n 3 8 c1>3",
        "0 - w1 \n 1 2 r1 \n 3 4 r_",
        "0 1 w1 \n 2 - u3>2 \n 3 4 r2",
    ] {
        assert!(!is_linearizable(bad), "{bad}");
    }
}

#[test]
fn a_violation_names_what_fits_and_what_is_stuck() {
    let verdict = check(&Register, &history("0 1 w1 \n 2 3 w2 \n 4 5 r1"), 1_000);
    let Verdict::Violation { fits, stuck } = verdict else { panic!("{verdict:?}") };
    assert_eq!(fits.iter().map(|id| id.0).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(stuck.iter().map(|id| id.0).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_search_without_end_gives_up() {
    let mut history = History::default();
    for number in 0..24 {
        history.answered(Call::Write(Some(number)), 0, 100);
    }
    history.answered(Call::Read(Some(99)), 200, 201);
    assert!(matches!(check(&Register, &history, 10_000), Verdict::Unknown { steps: 10_000 }));
}

/// Every order that respects real time and leaves out any of the unanswered.
fn brute_force(history: &History<Call>, done: &mut Vec<usize>, state: Option<u64>) -> bool {
    let left = |done: &[usize]| (0..history.operations.len()).filter(|id| !done.contains(id)).collect::<Vec<_>>();
    let rest = left(done);
    if rest.iter().all(|&id| history.operations[id].ended.is_none()) {
        return true;
    }
    for &id in &rest {
        let operation = &history.operations[id];
        if rest.iter().any(|&other| history.operations[other].ended.is_some_and(|ended| ended < operation.started)) {
            continue;
        }
        if let Some(after) = Register.step(&state, &operation.call) {
            done.push(id);
            if brute_force(history, done, after) {
                return true;
            }
            done.pop();
        }
    }
    false
}

fn operation() -> impl Strategy<Value = Operation<Call>> {
    let value = || prop_oneof![Just(None), (0u64..3).prop_map(Some)];
    let call = prop_oneof![
        value().prop_map(Call::Read),
        value().prop_map(Call::Write),
        (value(), value(), prop_oneof![Just(Some(true)), Just(Some(false)), Just(None)])
            .prop_map(|(from, to, succeeded)| Call::CompareAndSet { from, to, succeeded }),
    ];
    (call, 0u64..12, 0u64..6, prop::bool::weighted(0.8)).prop_map(|(call, started, length, answered)| {
        // No answer and no outcome are the same thing, and an unanswered read says nothing.
        let unanswered = match &call {
            Call::Read(_) => false,
            Call::Write(_) => !answered,
            Call::CompareAndSet { succeeded, .. } => succeeded.is_none(),
        };
        Operation { call, started, ended: (!unanswered).then_some(started + length) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn agrees_with_brute_force(operations in prop::collection::vec(operation(), 0..7)) {
        let history = History { operations };
        let expected = brute_force(&history, &mut Vec::new(), None);
        let found = check(&Register, &history, 1_000_000);
        prop_assert_eq!(matches!(found, Verdict::Linearizable(_)), expected, "{:?}", found);
    }
}
