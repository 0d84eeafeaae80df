//! The log of one replica: where its entries are, its vote, its purge mark.

use bytes::Bytes;
use stator_environment::ReplicaLogState;
use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

/// Where an entry stands: its header is at `offset`, its `bytes` follow. Segment 0 means nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Location {
    pub segment: u32,
    pub offset: u32,
    pub bytes: u32,
}

const NOWHERE: Location = Location { segment: 0, offset: 0, bytes: 0 };

#[derive(Default)]
pub(crate) struct ReplicaIndex {
    pub vote: Option<Bytes>,
    /// The segment with the last vote that was written. Not that of one which still waits: until that is durable, a crash
    /// must find the one before.
    pub vote_segment: u32,
    pub purged: Option<(u64, Bytes)>,
    pub purged_segment: u32,
    /// Index of the first entry, when there is one.
    first: u64,
    locations: VecDeque<Location>,
    /// While a log is opened: entries in whatever order, with holes for those that were moved and come later, or are purged
    /// later. By index, so that a hole of any width takes no memory.
    replayed: BTreeMap<u64, Location>,
    /// The last entries, and the calls that brought them. Holds at least all that are not written.
    recent: VecDeque<(u64, Bytes)>,
}

impl ReplicaIndex {
    pub fn state(&self) -> ReplicaLogState {
        ReplicaLogState { vote: self.vote.clone(), purged: self.purged.clone(), last: self.last() }
    }

    pub fn is_blank(&self) -> bool {
        self.vote.is_none() && self.purged.is_none() && self.locations.is_empty()
    }

    fn last(&self) -> Option<u64> {
        (!self.locations.is_empty()).then(|| self.next() - 1)
    }

    fn next(&self) -> u64 {
        self.first + self.locations.len() as u64
    }

    fn position(&self, index: u64) -> Option<usize> {
        let position = usize::try_from(index.checked_sub(self.first)?).ok()?;
        (position < self.locations.len()).then_some(position)
    }

    pub fn location(&self, index: u64) -> Option<Location> {
        self.locations.get(self.position(index)?).copied().filter(|location| *location != NOWHERE)
    }

    /// Where in `recent` an entry is, if it is there.
    fn recent_position(&self, index: u64) -> Option<usize> {
        let not_recent = self.locations.len() - self.recent.len();
        self.position(index)?.checked_sub(not_recent)
    }

    pub fn recent(&self, index: u64) -> Option<Bytes> {
        self.recent.get(self.recent_position(index)?).map(|(_, entry)| entry.clone())
    }

    pub fn append(&mut self, first: u64, entries: &[Bytes], sequence: u64) -> Result<(), String> {
        let purged = self.purged.as_ref().map(|(index, _)| *index);
        if self.locations.is_empty() {
            if purged.is_some_and(|purged| first <= purged) {
                return Err(format!("entry {first} lies at or below the purge mark {purged:?}"));
            }
            self.first = first;
        } else if first != self.next() {
            return Err(format!("entry {first} does not follow the last one, {:?}", self.last()));
        }
        self.locations.extend(entries.iter().map(|_| NOWHERE));
        self.recent.extend(entries.iter().map(|entry| (sequence, entry.clone())));
        Ok(())
    }

    pub fn truncate(&mut self, index: u64, mut released: impl FnMut(Location)) {
        self.replayed.split_off(&index.saturating_add(1)).into_values().for_each(&mut released);
        let kept = index.saturating_add(1).saturating_sub(self.first).min(self.locations.len() as u64) as usize;
        let removed = self.locations.len() - kept;
        self.locations.drain(kept..).for_each(&mut released);
        self.recent.truncate(self.recent.len().saturating_sub(removed));
    }

    pub fn purge(&mut self, index: u64, mark: Bytes, mut released: impl FnMut(Location)) {
        if self.purged.as_ref().is_some_and(|(purged, _)| *purged > index) {
            return;
        }
        self.purged = Some((index, mark));
        let above = self.replayed.split_off(&index.saturating_add(1));
        mem::replace(&mut self.replayed, above).into_values().for_each(&mut released);
        let removed = index.saturating_add(1).saturating_sub(self.first).min(self.locations.len() as u64) as usize;
        self.locations.drain(..removed).for_each(&mut released);
        self.first += removed as u64;
        let forgotten = self.recent.len().saturating_sub(self.locations.len());
        self.recent.drain(..forgotten);
        shrink(&mut self.locations);
        shrink(&mut self.recent);
    }

    pub fn clear(&mut self, mut released: impl FnMut(Location)) {
        mem::take(&mut self.replayed).into_values().for_each(&mut released);
        self.locations.drain(..).for_each(released);
        self.recent.clear();
    }

    /// Sets the place of an entry, if it is the one that came with call `sequence`. What is not written is recent.
    pub fn place(&mut self, index: u64, location: Location, sequence: u64) -> bool {
        let recent = self.recent_position(index).and_then(|position| self.recent.get(position));
        if recent.is_none_or(|(call, _)| *call != sequence) {
            return false;
        }
        self.replace(index, NOWHERE, location)
    }

    pub fn replace(&mut self, index: u64, from: Location, to: Location) -> bool {
        let position = self.position(index);
        let Some(location) = position.and_then(|position| self.locations.get_mut(position)) else { return false };
        let same = *location == from;
        if same {
            *location = to;
        }
        same
    }

    /// Sets the place of an entry met while the log is opened, in whatever order, and returns the place before.
    pub fn replay(&mut self, index: u64, location: Location) -> Location {
        self.replayed.insert(index, location).unwrap_or(NOWHERE)
    }

    /// Ends the opening of the log. `Err`: the first entry that is missing between others.
    pub fn settle(&mut self) -> Result<(), u64> {
        let Some((&first, _)) = self.replayed.first_key_value() else { return Ok(()) };
        if let Some((_, missing)) = self.replayed.keys().zip(first..).find(|(index, expected)| *index != expected) {
            return Err(missing);
        }
        self.first = first;
        self.locations = mem::take(&mut self.replayed).into_values().collect();
        Ok(())
    }

    /// Lets the entries of the calls up to `sequence` go from memory; they are written.
    pub fn forget_recent(&mut self, sequence: u64) {
        while self.recent.pop_front_if(|(call, _)| *call <= sequence).is_some() {}
        shrink(&mut self.recent);
    }

    /// The entries in one segment, as runs of neighbours, up to about `bytes_max`.
    pub fn runs_in(&self, segment: u32, bytes_max: usize) -> Vec<(u64, Vec<Location>)> {
        let mut runs: Vec<(u64, Vec<Location>)> = Vec::new();
        let mut bytes = 0;
        for (index, location) in (self.first..).zip(&self.locations).filter(|(_, place)| place.segment == segment) {
            if bytes >= bytes_max {
                break;
            }
            bytes += location.bytes as usize;
            match runs.last_mut() {
                Some((first, run)) if *first + run.len() as u64 == index => run.push(*location),
                _ => runs.push((index, vec![*location])),
            }
        }
        runs
    }
}

/// Gives memory back after a burst.
fn shrink<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > 64 && queue.capacity() / 4 > queue.len() {
        queue.shrink_to(queue.len() * 2);
    }
}
