//! Whatever the function and the leaders do: every record is taken by the function or told to the destination, in order for each
//! item, and a position says no more than what was done.

use super::super::*;
use super::examples::{SHARD, record, source};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What the function does with a call, and whoever leads.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Succeed,
    Fail,
    Throttle,
    NotCalled,
    /// Names the record at that place, or what comes close.
    Name(usize),
    RefuseTelling,
    Save,
    /// Another leader goes on from what was saved last.
    Crash,
    Wait(u64),
    Read(usize),
}

fn turns() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => Just(Turn::Succeed),
        2 => Just(Turn::Fail),
        1 => Just(Turn::Throttle),
        1 => Just(Turn::NotCalled),
        2 => (0..8_usize).prop_map(Turn::Name),
        1 => Just(Turn::RefuseTelling),
        2 => Just(Turn::Save),
        1 => Just(Turn::Crash),
        2 => (0..40_000_u64).prop_map(Turn::Wait),
        3 => (1..30_usize).prop_map(Turn::Read),
    ]
}

fn settings() -> impl Strategy<Value = MappingSettings> {
    let numbers = (1..9_u32, prop_oneof![Just(0), Just(3_u32)], 1..5_u32, proptest::option::of(0..4_u32));
    (numbers, any::<bool>(), any::<bool>(), prop_oneof![3 => Just(0), 1 => Just(2_u32)], any::<bool>()).prop_map(
        |((batch_size, batching_window_s, lanes, retries_max), bisects, reports_failures, window_s, filters)| {
            MappingSettings {
                batch_size,
                batching_window_s,
                parallelization: if window_s > 0 { 1 } else { lanes },
                retries_max,
                bisects,
                reports_failures,
                tumbling_window_s: window_s,
                filters: if filters { vec![r#"{"eventName": ["MODIFY"]}"#.to_owned()] } else { Vec::new() },
                ..MappingSettings::new("function".to_owned())
            }
        },
    )
}

/// The records' items, and whether they are of the kind that is filtered out where there are filters.
type Records = Vec<(u64, bool)>;

struct World {
    settings: Arc<MappingSettings>,
    filter: Arc<Filter>,
    records: Records,
    batches: Batches,
    saved: TriggerPosition,
    now: Now,
    /// By lane.
    calls: BTreeMap<usize, Vec<SequenceNumber>>,
    tellings: BTreeMap<usize, Vec<SequenceNumber>>,
    dealt_with: BTreeSet<SequenceNumber>,
    /// The first time that each was dealt with, in order, by item.
    by_item: BTreeMap<u64, Vec<SequenceNumber>>,
    /// Final calls of windows.
    windows_ended: usize,
}

impl World {
    fn new(settings: MappingSettings, records: Records) -> World {
        let saved = TriggerPosition::at(Some(SHARD), SequenceNumber(0));
        let filter = Arc::new(Filter::parse(settings.filters.iter().map(String::as_str)).expect("patterns"));
        let settings = Arc::new(settings);
        let batches = Batches::new(settings.clone(), filter.clone(), Arc::new(source()), (SHARD, saved.clone()));
        let last_change = SequenceNumber(records.len() as u64);
        let now = Now { elapsed: Duration::ZERO, wall_ms: 10_000, last_change, dice: 7 };
        World {
            settings,
            filter,
            records,
            batches,
            saved,
            now,
            calls: BTreeMap::new(),
            tellings: BTreeMap::new(),
            dealt_with: BTreeSet::new(),
            by_item: BTreeMap::new(),
            windows_ended: 0,
        }
    }

    fn item(&self, sequence: SequenceNumber) -> u64 {
        self.records[sequence.0 as usize - 1].0
    }

    fn is_wanted(&self, sequence: SequenceNumber) -> bool {
        self.filter.is_open() || self.records[sequence.0 as usize - 1].1
    }

    fn read(&mut self, count: usize) {
        let Some((from, _)) = self.batches.wants() else { return };
        let to = (from.0 as usize - 1 + count).min(self.records.len());
        let taken = (from.0..=to as u64).map(|sequence| {
            let (item, is_wanted) = self.records[sequence as usize - 1];
            // A second for five records, so that windows have several.
            record(sequence, item, if is_wanted { "MODIFY" } else { "INSERT" }, 10_000 + 200 * sequence)
        });
        let taken: Vec<TakenRecord> = taken.collect();
        self.batches.take(taken, to == self.records.len(), &self.now);
    }

    fn poll(&mut self) {
        for action in self.batches.poll(&self.now) {
            match action {
                Action::Call { lane, records, .. } => {
                    assert!(!self.calls.contains_key(&lane) && !self.tellings.contains_key(&lane));
                    assert!(records <= self.settings.batch_size as usize);
                    let called: Vec<SequenceNumber> =
                        self.batches.lanes[lane].calling().map(|record| record.sequence).collect();
                    assert_eq!(called.len(), records);
                    self.windows_ended += usize::from(records == 0);
                    for sequence in &called {
                        let item = self.item(*sequence);
                        let is_alone = self.calls.values().flatten().all(|other| self.item(*other) != item);
                        assert!(is_alone, "an item is in one call at a time");
                    }
                    self.calls.insert(lane, called);
                }
                Action::Tell { lane, discard } => {
                    assert!(self.settings.retries_max.is_some_and(|most| discard.attempts > most));
                    let told = discard.records.iter().map(|record| record.sequence).collect();
                    self.tellings.insert(lane, told);
                }
            }
        }
    }

    fn deal_with(&mut self, records: &[SequenceNumber]) {
        for sequence in records {
            assert!(self.is_wanted(*sequence), "what is filtered out is not brought");
            if self.dealt_with.insert(*sequence) {
                self.by_item.entry(self.item(*sequence)).or_default().push(*sequence);
            }
        }
    }

    /// The function answers its first call, and the destination what it was told first.
    fn turn(&mut self, turn: Turn) {
        if let Some((lane, records)) = self.calls.pop_first() {
            let state = if self.settings.tumbling_window_s > 0 { r#""state": {}"# } else { r#""none": 0"# };
            let (answer, done) = match turn {
                Turn::Fail => (Answer::Failed, 0),
                Turn::Throttle => (Answer::Throttled, 0),
                Turn::NotCalled => (Answer::NotCalled, 0),
                Turn::Name(place) if !records.is_empty() => {
                    let place = place % records.len();
                    let answer =
                        format!(r#"{{{state}, "batchItemFailures": [{{"itemIdentifier": "{}"}}]}}"#, records[place]);
                    let done = if self.settings.reports_failures { place } else { records.len() };
                    (Answer::Answered(answer.into()), done)
                }
                _ => (Answer::Answered(format!("{{{state}}}").into()), records.len()),
            };
            self.deal_with(&records[..done]);
            self.batches.answered(lane, answer, &self.now);
        }
        if let Some((lane, records)) = self.tellings.pop_first() {
            let is_taken = !matches!(turn, Turn::RefuseTelling);
            if is_taken {
                self.deal_with(&records);
            }
            let is_lost = self.batches.told(lane, is_taken, &self.now);
            if is_lost {
                self.deal_with(&records);
            }
        }
    }

    fn save(&mut self) {
        let position = self.batches.position();
        assert!(position.done >= self.saved.done, "a position does not move back");
        for sequence in (1..=self.records.len() as u64).map(SequenceNumber) {
            let is_dealt_with = self.dealt_with.contains(&sequence) || !self.is_wanted(sequence);
            assert!(is_dealt_with || !position.has(sequence), "{sequence} is not dealt with: {position:?}");
        }
        self.saved = position;
    }

    fn crash(&mut self) {
        self.calls.clear();
        self.tellings.clear();
        let position = (SHARD, self.saved.clone());
        self.batches = Batches::new(self.settings.clone(), self.filter.clone(), Arc::new(source()), position);
    }

    fn act(&mut self, turn: Turn) {
        match turn {
            Turn::Save => self.save(),
            Turn::Crash => self.crash(),
            Turn::Wait(ms) => {
                self.now.elapsed += Duration::from_millis(ms);
                self.now.wall_ms += ms;
            }
            Turn::Read(count) => self.read(count),
            _ => self.turn(turn),
        }
        self.poll();
    }

    /// From now on nothing fails.
    fn finish(&mut self) {
        let mut turns: VecDeque<Turn> = VecDeque::new();
        for _ in 0..20_000 {
            if self.batches.is_done() {
                break;
            }
            let turn = turns.pop_front().unwrap_or_else(|| {
                turns.extend([Turn::Succeed, Turn::Wait(500), Turn::Succeed]);
                Turn::Read(30)
            });
            self.act(turn);
        }
        assert!(self.batches.is_done(), "it comes to an end");
        self.save();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_record_is_dealt_with_in_order(
        settings in settings(),
        records in proptest::collection::vec((0..6_u64, proptest::bool::weighted(0.7)), 1..80),
        turns in proptest::collection::vec(turns(), 0..150),
    ) {
        let mut world = World::new(settings, records);
        for turn in turns {
            world.act(turn);
        }
        world.finish();
        for sequence in (1..=world.records.len() as u64).map(SequenceNumber) {
            prop_assert_eq!(world.dealt_with.contains(&sequence), world.is_wanted(sequence), "{}", sequence);
        }
        for (item, order) in &world.by_item {
            prop_assert!(order.is_sorted(), "item {} was brought in the order {:?}", item, order);
        }
        prop_assert_eq!(world.saved.done, SequenceNumber(world.records.len() as u64));
        let has_windows = world.settings.tumbling_window_s > 0 && !world.dealt_with.is_empty();
        prop_assert!(!has_windows || world.windows_ended > 0 || world.settings.retries_max.is_some());
    }
}
