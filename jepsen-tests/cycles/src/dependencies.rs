//! Who came before whom: by what was written and read, by process, by real time.

use crate::{
    graph::{Because, Edge},
    history::{Fate, Transaction},
    versions::Versions,
};
use std::collections::BTreeMap;

pub(crate) fn edges(history: &[Transaction], versions: &Versions) -> Vec<Edge> {
    let mut edges = written(versions);
    edges.extend(read(history, versions));
    edges.extend(in_process(history, versions));
    edges.extend(in_real_time(history, versions));
    edges
}

fn writer(versions: &Versions, key: u64, value: u64) -> Option<usize> {
    versions.writers.get(&(key, value)).copied().filter(|writer| versions.took_effect[*writer])
}

/// Each element was appended after the one before it, and unseen ones after the last that was seen.
fn written(versions: &Versions) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut add = |key: u64, before: u64, behind: u64| {
        if let (Some(from), Some(to)) = (writer(versions, key, before), writer(versions, key, behind)) {
            edges.push(Edge { from, to, because: Because::Wrote, element: Some((key, behind)) });
        }
    };
    for (key, list) in &versions.longest {
        for [before, behind] in list.array_windows() {
            add(*key, *before, *behind);
        }
        if let Some(last) = list.last() {
            for behind in versions.unseen.get(key).into_iter().flatten() {
                add(*key, *last, *behind);
            }
        }
    }
    edges
}

/// Who saw whose element, and who did not see the next one.
fn read(history: &[Transaction], versions: &Versions) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (at, transaction) in history.iter().enumerate() {
        for (key, list) in transaction.reads() {
            // The last element of another's: behind it are its own.
            let seen = list.iter().rev().find_map(|value| {
                let from = writer(versions, key, *value)?;
                (from != at).then_some((from, *value))
            });
            if let Some((from, value)) = seen {
                edges.push(Edge { from, to: at, because: Because::WasRead, element: Some((key, value)) });
            }
            let longest = versions.longest.get(&key).map_or(&[][..], Vec::as_slice);
            let next: Vec<u64> = match longest.get(list.len()) {
                Some(next) if longest.starts_with(list) => vec![*next],
                Some(_) => Vec::new(),
                // Several may be unseen: any of them may have come next, and all came later.
                None => versions.unseen.get(&key).cloned().unwrap_or_default(),
            };
            for value in next {
                if let Some(to) = writer(versions, key, value) {
                    edges.push(Edge { from: at, to, because: Because::Missed, element: Some((key, value)) });
                }
            }
        }
    }
    edges
}

fn in_process(history: &[Transaction], versions: &Versions) -> Vec<Edge> {
    let mut processes: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, transaction) in history.iter().enumerate() {
        // An effect without an answer may come after what the process did next.
        if versions.took_effect[at] && transaction.fate == Fate::Committed {
            processes.entry(transaction.process).or_default().push(at);
        }
    }
    let mut edges = Vec::new();
    for members in processes.values_mut() {
        members.sort_by_key(|at| history[*at].started);
        for [from, to] in members.array_windows() {
            edges.push(Edge { from: *from, to: *to, because: Because::Process, element: None });
        }
    }
    edges
}

/// Only as many edges as are needed: who ended before somebody that ended before this one began, is left out.
fn in_real_time(history: &[Transaction], versions: &Versions) -> Vec<Edge> {
    let mut moments: Vec<(u64, bool, usize)> = Vec::new();
    for (at, transaction) in history.iter().enumerate().filter(|(at, _)| versions.took_effect[*at]) {
        // At equal times a beginning goes before an end: the two are then concurrent, which forgives more.
        moments.push((transaction.started, false, at));
        if let Some(ended) = transaction.ended.filter(|_| transaction.fate == Fate::Committed) {
            moments.push((ended, true, at));
        }
    }
    moments.sort_unstable();
    let (mut latest, mut edges): (Vec<usize>, Vec<Edge>) = (Vec::new(), Vec::new());
    for (_, is_end, at) in moments {
        if is_end {
            latest.retain(|before| history[*before].ended.is_none_or(|ended| ended >= history[at].started));
            latest.push(at);
        } else {
            let before =
                latest.iter().map(|from| Edge { from: *from, to: at, because: Because::RealTime, element: None });
            edges.extend(before);
        }
    }
    edges
}
