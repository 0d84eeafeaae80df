//! Commands wait a moment for others to share an entry with, where entries are slow.
//!
//! An entry costs three replicas a sync, and a dozen messages between tasks; a command more in it costs little. On a busy machine
//! clients that were just answered ask again a moment too late for the next entry, which leaves half empty. So where an entry takes
//! milliseconds, the next one waits for as many commands as were answered, but at most as long as an entry takes. On three nodes
//! that share two cores this shortens every percentile.
//!
//! While entries are in flight, commands wait too, unless they are many.
//!
//! Guarantees: whoever comes alone does not wait, nor does anybody where an entry takes less than [`ENTRY_MIN`]; where nothing is in
//! flight nobody waits longer than [`WAIT_MAX`]; order is kept.

use super::COMMANDS_AT_ONCE;
use std::time::Duration;

/// Entries that are faster are not waited for: timers count milliseconds.
const ENTRY_MIN: Duration = Duration::from_millis(2);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_millis(10);

pub(super) struct Gathering<C> {
    commands: Vec<C>,
    until: Option<Duration>,
    /// As many as were answered last, and those that came meanwhile.
    expected: usize,
    /// Commands in the last entry.
    last: usize,
    /// About how long an entry takes from proposal to reply.
    entry_time: Duration,
}

impl<C> Default for Gathering<C> {
    fn default() -> Gathering<C> {
        Gathering { commands: Vec::new(), until: None, expected: 0, last: 0, entry_time: Duration::ZERO }
    }
}

impl<C> Gathering<C> {
    /// Those who wait; more are put behind them.
    pub fn commands(&mut self) -> &mut Vec<C> {
        &mut self.commands
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Whether they need not wait any longer, even if entries are in flight.
    pub fn is_enough(&self, now: Duration, ahead_min: usize) -> bool {
        self.commands.len() >= ahead_min || self.is_ready(now)
    }

    /// Nothing is in flight: those who wait have their turn soon. `true`: now.
    pub fn hurry(&mut self, now: Duration) -> bool {
        if self.commands.is_empty() || self.until.is_some() {
            return false;
        }
        self.expected = (self.last + self.commands.len()).min(COMMANDS_AT_ONCE);
        self.until = Some(now + self.patience());
        self.is_ready(now)
    }

    fn is_ready(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| until <= now || self.commands.len() >= self.expected)
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        self.commands.len() < COMMANDS_AT_ONCE
    }

    fn patience(&self) -> Duration {
        let shares = self.last > 1 && self.entry_time >= ENTRY_MIN;
        if shares { self.entry_time.min(WAIT_MAX) } else { Duration::ZERO }
    }

    /// How long it is worth to wait still; `None`: nobody waits, or for what is in flight.
    pub fn time_left(&self, now: Duration) -> Option<Duration> {
        self.until.map(|until| until.saturating_sub(now))
    }

    /// The commands that shall share an entry.
    pub fn take(&mut self) -> Vec<C> {
        self.until = None;
        self.last = self.commands.len();
        std::mem::take(&mut self.commands)
    }

    /// An entry took so long.
    pub fn took(&mut self, time: Duration) {
        self.entry_time = (self.entry_time * 7 + time) / 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    const NEVER: usize = usize::MAX;

    /// Whether these, with those that wait, are enough.
    fn add(gathering: &mut Gathering<usize>, commands: &[usize], now: Duration, ahead_min: usize) -> bool {
        gathering.commands().extend(commands);
        gathering.is_enough(now, ahead_min)
    }

    /// A gathering whose last entry had so many commands and took so long.
    fn after(last: usize, entry_time: Duration) -> Gathering<usize> {
        let mut gathering = Gathering::default();
        gathering.commands().extend(0..last);
        gathering.take();
        (0..100).for_each(|_| gathering.took(entry_time));
        gathering
    }

    #[test]
    fn nobody_waits_alone_or_for_fast_entries() {
        for (last, entry_time) in [(0, 8 * MS), (1, 8 * MS), (8, MS)] {
            let mut gathering = after(last, entry_time);
            assert!(!add(&mut gathering, &[1], MS, NEVER));
            assert!(gathering.hurry(MS), "{last} commands in {entry_time:?}");
            assert_eq!(gathering.take(), [1]);
            assert_eq!(gathering.time_left(MS), None);
            assert!(!gathering.hurry(MS), "nobody waits");
        }
    }

    #[test]
    fn an_entry_waits_for_those_who_were_answered() {
        let mut gathering = after(2, 8 * MS);
        assert!(!add(&mut gathering, &[1, 2], MS, NEVER));
        assert!(!gathering.hurry(MS));
        assert!(!add(&mut gathering, &[3], 2 * MS, NEVER));
        assert!(add(&mut gathering, &[4], 2 * MS, NEVER), "two were answered, two came meanwhile");
        assert_eq!(gathering.take(), [1, 2, 3, 4]);
    }

    #[test]
    fn while_entries_are_in_flight_only_many_go_on() {
        let mut gathering = after(1, MS);
        assert!(!add(&mut gathering, &[1, 2], MS, 3));
        assert_eq!(gathering.time_left(MS), None, "the entry in flight is waited for");
        assert!(add(&mut gathering, &[3], MS, 3));
    }

    #[test]
    fn the_wait_is_bounded() {
        for (entry_time, longest) in [(8 * MS, 8 * MS), (900 * MS, WAIT_MAX)] {
            let mut gathering = after(50, entry_time);
            assert!(!add(&mut gathering, &[1], MS, NEVER));
            assert!(!gathering.hurry(MS));
            let left = gathering.time_left(MS).expect("one waits");
            assert!(left > longest * 9 / 10 && left <= longest, "{left:?}");
            assert!(add(&mut gathering, &[2], MS + longest, NEVER), "the time is over");
        }
    }
}
