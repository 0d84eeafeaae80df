//! In which order each list grew, as far as it was seen, and what is wrong with the reads themselves.

use crate::{
    anomaly::{Anomaly, Kind},
    history::{Fate, Step, Transaction},
};
use std::collections::BTreeMap;

/// What is known of the lists.
pub(crate) struct Versions {
    /// The longest list that was seen of each key.
    pub longest: BTreeMap<u64, Vec<u64>>,
    /// Who appended an element.
    pub writers: BTreeMap<(u64, u64), usize>,
    /// Elements of transactions that had an effect, which nobody saw: they stand behind all that was seen.
    pub unseen: BTreeMap<u64, Vec<u64>>,
    /// Whether a transaction had an effect: it committed, or somebody saw an append of it.
    pub took_effect: Vec<bool>,
}

pub(crate) fn versions(history: &[Transaction], found: &mut Vec<Anomaly>) -> Versions {
    let mut writers = BTreeMap::new();
    for (at, transaction) in history.iter().enumerate() {
        for element in transaction.appends() {
            writers.insert(element, at);
        }
    }
    let mut longest: BTreeMap<u64, (usize, &[u64])> = BTreeMap::new();
    for (at, transaction) in history.iter().enumerate() {
        for (key, list) in transaction.reads() {
            check_elements(history, &writers, (at, key, list), found);
            let best = longest.entry(key).or_insert((at, list));
            if list.len() > best.1.len() {
                *best = (at, list);
            }
        }
        check_internal(at, transaction, found);
    }
    for (at, transaction) in history.iter().enumerate() {
        for (key, list) in transaction.reads() {
            let Some((of, best)) = longest.get(&key) else { continue };
            if !best.starts_with(list) {
                let explanation = format!("list {key} was {list:?} for T{at} and {best:?} for T{of}");
                found.push(Anomaly::plain(Kind::IncompatibleOrder, vec![at, *of], explanation));
            }
        }
    }
    let longest: BTreeMap<u64, Vec<u64>> = longest.into_iter().map(|(key, (_, list))| (key, list.to_vec())).collect();
    let mut took_effect: Vec<bool> = history.iter().map(|transaction| transaction.fate == Fate::Committed).collect();
    for (key, list) in &longest {
        for writer in list.iter().filter_map(|value| writers.get(&(*key, *value))) {
            took_effect[*writer] = true;
        }
    }
    let mut unseen: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for ((key, value), writer) in &writers {
        let is_seen = longest.get(key).is_some_and(|list| list.contains(value));
        if took_effect[*writer] && !is_seen {
            unseen.entry(*key).or_default().push(*value);
        }
    }
    Versions { longest, writers, unseen, took_effect }
}

/// Elements that nobody appended, that are there twice, that were aborted, or that were not their writer's last.
fn check_elements(
    history: &[Transaction],
    writers: &BTreeMap<(u64, u64), usize>,
    (at, key, list): (usize, u64, &[u64]),
    found: &mut Vec<Anomaly>,
) {
    let mut sorted = list.to_vec();
    sorted.sort_unstable();
    if let Some([value, _]) = sorted.array_windows().find(|[one, other]| one == other) {
        let explanation = format!("T{at} saw {value} twice in list {key}: {list:?}");
        found.push(Anomaly::plain(Kind::GarbageRead, vec![at], explanation));
    }
    for value in list {
        match writers.get(&(key, *value)) {
            None => {
                let explanation = format!("T{at} saw {value} in list {key}, which nobody appended");
                found.push(Anomaly::plain(Kind::GarbageRead, vec![at], explanation));
            }
            Some(writer) if history[*writer].fate == Fate::Aborted => {
                let explanation = format!("T{at} saw {value} in list {key}, which T{writer} appended and aborted");
                found.push(Anomaly::plain(Kind::G1a, vec![*writer, at], explanation));
            }
            Some(_) => {}
        }
    }
    // The end of the list is the version that was read.
    if let Some(last) = list.last()
        && let Some(writer) = writers.get(&(key, *last)).filter(|writer| **writer != at)
        && let Some((_, newest)) = history[*writer].appends().filter(|(of, _)| *of == key).last()
        && newest != *last
    {
        let explanation = format!("T{at} saw list {key} end with {last}, but T{writer} appended {newest} behind it");
        found.push(Anomaly::plain(Kind::G1b, vec![*writer, at], explanation));
    }
}

/// A transaction sees its own appends at the list's end, and the same list in two reads without an append between.
fn check_internal(at: usize, transaction: &Transaction, found: &mut Vec<Anomaly>) {
    if transaction.fate != Fate::Committed {
        return;
    }
    // What a read must be (known since an earlier one), or must end with.
    let mut known: BTreeMap<u64, (bool, Vec<u64>)> = BTreeMap::new();
    for step in &transaction.steps {
        match step {
            Step::Append { key, value } => known.entry(*key).or_default().1.push(*value),
            Step::Read { key, list } => {
                if let Some((is_whole, expected)) = known.get(key) {
                    let fits = if *is_whole { list == expected } else { list.ends_with(expected) };
                    if !fits {
                        let explanation = format!("T{at} saw list {key} as {list:?}, though it knew of {expected:?}");
                        found.push(Anomaly::plain(Kind::Internal, vec![at], explanation));
                    }
                }
                known.insert(*key, (true, list.clone()));
            }
        }
    }
}
