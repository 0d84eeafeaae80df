//! What a function's answer says of a batch (Lambda Developer Guide, "Configuring partial batch response"; "Tumbling windows").

use bytes::Bytes;
use serde_json::Value;
use stator_changelog::SequenceNumber;

/// What came of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    Answered(Bytes),
    /// The function failed: an error of its own, a timeout, a crash.
    Failed,
    /// It may not be called as often.
    Throttled,
    /// It is not called for these records: they come from a loop of functions.
    Looped,
    /// It could not be called, which is not its fault.
    NotCalled,
}

/// How an answer is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// `ReportBatchItemFailures`.
    pub reports_failures: bool,
    pub state: StateOfAnswer,
}

/// Whether a tumbling window's state is in the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StateOfAnswer {
    None,
    /// Without it the call has failed.
    Required,
}

/// What an answer comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Judged {
    /// Everything before that place in the batch is done; the whole batch, if that is its length.
    Done { up_to: usize, state: Option<Bytes> },
    /// Nothing is.
    Failed,
}

/// Reads an answer to a batch of these records.
pub fn judge(answer: &[u8], records: &[SequenceNumber], reading: Reading) -> Judged {
    // Without need it is not read: it may be 6 MB.
    let is_read = reading.reports_failures || reading.state == StateOfAnswer::Required;
    if !is_read || answer.iter().all(u8::is_ascii_whitespace) && reading.state == StateOfAnswer::None {
        return Judged::Done { up_to: records.len(), state: None };
    }
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return Judged::Failed };
    let state = match reading.state {
        StateOfAnswer::None => None,
        StateOfAnswer::Required => match answer.get("state") {
            Some(state @ Value::Object(_)) => Some(Bytes::from(state.to_string())),
            _ => return Judged::Failed,
        },
    };
    let failures = answer.get("batchItemFailures").filter(|_| reading.reports_failures);
    match first_failure(failures, records) {
        Some(up_to) => Judged::Done { up_to, state },
        None => Judged::Failed,
    }
}

/// The place of the first record that failed, the number of records if none did. `None`: it names something else.
fn first_failure(failures: Option<&Value>, records: &[SequenceNumber]) -> Option<usize> {
    let failures = match failures {
        None | Some(Value::Null) => return Some(records.len()),
        Some(failures) => failures.as_array()?,
    };
    let mut first = records.len();
    for failure in failures {
        let sequence: SequenceNumber = failure.get("itemIdentifier")?.as_str()?.parse().ok()?;
        // Sequence numbers of a batch rise.
        first = first.min(records.binary_search(&sequence).ok()?);
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORTED: Reading = Reading { reports_failures: true, state: StateOfAnswer::None };

    fn judged(answer: &str, reading: Reading) -> Judged {
        judge(answer.as_bytes(), &[3, 5, 9].map(SequenceNumber), reading)
    }

    fn done(up_to: usize) -> Judged {
        Judged::Done { up_to, state: None }
    }

    fn failures(identifiers: &[&str]) -> String {
        let failures: Vec<String> = identifiers.iter().map(|id| format!(r#"{{"itemIdentifier": {id}}}"#)).collect();
        format!(r#"{{"batchItemFailures": [{}]}}"#, failures.join(","))
    }

    fn shown(sequence: u64) -> String {
        format!("\"{}\"", SequenceNumber(sequence))
    }

    #[test]
    fn an_answer_may_name_what_failed() {
        for complete in ["", "null", "{}", r#"{"batchItemFailures": []}"#, r#"{"batchItemFailures": null}"#, r#""ok""#]
        {
            assert_eq!(judged(complete, REPORTED), done(3), "{complete}");
        }
        assert_eq!(judged(&failures(&[&shown(9), &shown(5)]), REPORTED), done(1), "the lowest counts");
        assert_eq!(judged(&failures(&[&shown(3)]), REPORTED), done(0));
        for failed in [
            failures(&["\"\""]),
            failures(&["null"]),
            failures(&[&shown(4)]),
            failures(&[&shown(9), "\"x\""]),
            r#"{"batchItemFailures": [{"itemId": "x"}]}"#.to_owned(),
            r#"{"batchItemFailures": [null]}"#.to_owned(),
            r#"{"batchItemFailures": "x"}"#.to_owned(),
            "{".to_owned(),
        ] {
            assert_eq!(judged(&failed, REPORTED), Judged::Failed, "{failed}");
        }
        let unread = Reading { reports_failures: false, ..REPORTED };
        assert_eq!(judged(&failures(&["null"]), unread), done(3), "it was not asked for");
    }

    #[test]
    fn a_window_needs_its_state() {
        let windowed = Reading { reports_failures: true, state: StateOfAnswer::Required };
        let state = Some(Bytes::from_static(br#"{"n":1}"#));
        assert_eq!(judged(r#"{"state": {"n": 1}}"#, windowed), Judged::Done { up_to: 3, state: state.clone() });
        let partly = format!(r#"{{"state": {{"n": 1}}, "batchItemFailures": [{{"itemIdentifier": {}}}]}}"#, shown(5));
        assert_eq!(judged(&partly, windowed), Judged::Done { up_to: 1, state });
        for failed in ["", "{}", r#"{"state": null}"#, r#"{"state": 1}"#, "null"] {
            assert_eq!(judged(failed, windowed), Judged::Failed, "{failed}");
        }
    }
}
