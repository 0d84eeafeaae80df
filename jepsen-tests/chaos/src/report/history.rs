//! Operations as lines of text.

use super::escape;
use stator_workloads::{client::Failure, history::Event};
use std::{collections::BTreeSet, fmt::Write};

/// Events shown before and after each witness: those of the same table.
const AROUND: usize = 12;
/// Lines of one violation.
const LINES_MAX: usize = 400;
/// Letters of one line.
const LETTERS_MAX: usize = 300;

/// One operation and its outcome.
pub(super) fn words(place: usize, event: &Event) -> String {
    let outcome = match &event.outcome {
        None => "no answer before the end".to_owned(),
        Some(Ok(answer)) => format!("{answer:?}"),
        Some(Err(Failure::Definite(said))) => format!("without effect: {said}"),
        Some(Err(Failure::Unknown(said))) => format!("unknown: {said}"),
        Some(Err(Failure::Absurd(said))) => format!("absurd: {said}"),
    };
    let text = format!(
        "#{place} client {} {:.6}-{} {:?} -> {outcome}",
        event.client,
        event.started_us as f64 / 1e6,
        event.ended_us.map_or_else(|| "?".to_owned(), |end| format!("{:.6}", end as f64 / 1e6)),
        event.operation
    );
    text.chars().take(LETTERS_MAX).collect()
}

/// The witnesses, in bold, and what happened around them.
pub(super) fn around(events: &[Event], witnesses: &[usize]) -> String {
    let mut shown: BTreeSet<usize> = BTreeSet::new();
    for witness in witnesses {
        let Some(event) = events.get(*witness) else { continue };
        let same =
            |place: &usize| events.get(*place).is_some_and(|other| other.operation.table() == event.operation.table());
        shown.insert(*witness);
        shown.extend((0..*witness).rev().filter(same).take(AROUND));
        shown.extend((witness + 1..events.len()).filter(same).take(AROUND));
    }
    let mut page = String::from("<details><summary>The operations around it</summary><pre>");
    for place in shown.iter().take(LINES_MAX) {
        let Some(event) = events.get(*place) else { continue };
        let mark = if witnesses.contains(place) { "→ " } else { "  " };
        // Writing into a string does not fail.
        let _ = writeln!(page, "{mark}{}", escape(&words(*place, event)));
    }
    page.push_str("</pre></details>\n");
    page
}
