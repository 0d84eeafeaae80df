//! A partition in one hand: leader, log and replica of it in memory, driven by commands or by lines of text.

mod lines;

pub(crate) use lines::{check_partition, command, condition, item, show_item};

use crate::{
    Attempt, Base, Call, Command, CommandId, Evaluated, Now, Outcome, Overlay, Pack, PartitionState, Refusal, Reply,
    apply, codec,
    effects::Entry,
    evaluate,
    rows::{Direction, FamilyKind, ReadError, ReadRow, ReadRows, RowChange, RowWrites, Visit},
    rows_needed::rows_needed,
};
use bytes::Bytes;
use stator_catalog::{
    Billing, IndexProjection, KeyAttribute, KeySchema, LocalIndex, StreamDescription, StreamLabel, StreamStatus,
    StreamView, TableClass, TableDescription, TableStatus, Throughput, TokenRange,
};
use stator_item::{Bounds, IndexNumber, KeyType, PartitionId, TableId, Timestamp};
use std::{collections::BTreeMap, ops::Bound, ops::ControlFlow};

pub(crate) const PARTITION: PartitionId = PartitionId(7);
pub(crate) const TABLE: TableId = TableId(3);
pub(crate) const TERM: u64 = 4;
pub(crate) const STREAM: StreamLabel = StreamLabel(500);

/// Rows in ordered maps.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Store {
    pub rows: BTreeMap<FamilyKind, BTreeMap<Vec<u8>, Bytes>>,
}

impl Store {
    pub fn write(&mut self, writes: &RowWrites) {
        for change in &writes.changes {
            match change {
                RowChange::Put { family, key, value } => {
                    self.rows.entry(*family).or_default().insert(key.to_vec(), value.clone());
                }
                RowChange::Delete { family, key } => {
                    self.rows.entry(*family).or_default().remove(&key[..]);
                }
                RowChange::DeleteRange { family, bounds: (start, end) } => {
                    let inside = |key: &Vec<u8>| key >= start && end.as_ref().is_none_or(|end| key < end);
                    self.rows.entry(*family).or_default().retain(|key, _| !inside(key));
                }
            }
        }
    }

    pub fn family(&self, family: FamilyKind) -> impl DoubleEndedIterator<Item = (&Vec<u8>, &Bytes)> {
        self.rows.get(&family).into_iter().flatten()
    }
}

impl ReadRow for Store {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Ok(self.rows.get(&FamilyKind::Items).and_then(|rows| rows.get(key)).cloned())
    }
}

impl ReadRows for Store {
    fn scan(
        &self,
        family: FamilyKind,
        bounds: &Bounds,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), ReadError> {
        let Some(rows) = self.rows.get(&family) else { return Ok(()) };
        let end = bounds.1.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = rows.range::<[u8], _>((Bound::Included(&bounds.0[..]), end));
        let mut visit = |(key, value): (&Vec<u8>, &Bytes)| visit(key, value);
        let _: ControlFlow<()> = match direction {
            Direction::Forward => range.into_iter().try_for_each(&mut visit),
            Direction::Backward => range.into_iter().rev().try_for_each(&mut visit),
        };
        Ok(())
    }
}

/// Key `a` (and `r`, with local indexes), all numbers. Local indexes: `by_n` holds keys only, `by_s` everything, `by_i` also `x`.
pub(crate) fn table(local_indexes: bool, stream: bool) -> TableDescription {
    let attribute = |name: &str, key_type| KeyAttribute { name: name.to_owned(), key_type };
    let index = |number, range: &str, key_type, projection| LocalIndex {
        number: IndexNumber(number),
        name: format!("by_{range}"),
        range: attribute(range, key_type),
        projection,
    };
    let indexes = vec![
        index(1, "n", KeyType::Number, IndexProjection::KeysOnly),
        index(2, "s", KeyType::String, IndexProjection::All),
        index(3, "i", KeyType::Number, IndexProjection::Include(vec!["x".to_owned()])),
    ];
    TableDescription {
        id: TABLE,
        name: "table".to_owned(),
        version: 1,
        status: TableStatus::Active,
        created_ms: 0,
        key: KeySchema {
            hash: attribute("a", KeyType::Number),
            range: local_indexes.then(|| attribute("r", KeyType::Number)),
        },
        local_indexes: if local_indexes { indexes } else { Vec::new() },
        billing: Billing::OnDemand { throughput: None },
        on_demand_since_ms: None,
        warm_throughput: Throughput::default(),
        class: TableClass::Standard,
        class_changed_ms: None,
        deletion_protection: false,
        sse: None,
        tags: BTreeMap::new(),
        streams: stream
            .then_some(StreamDescription {
                label: STREAM,
                view: StreamView::NewAndOldImages,
                status: StreamStatus::Enabled,
            })
            .into_iter()
            .collect(),
        global_indexes: Vec::new(),
    }
}

/// A replica: rows and the state that stands in them.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Replica {
    pub store: Store,
    pub state: PartitionState,
}

impl Replica {
    pub fn new() -> Replica {
        Replica::of(PARTITION, TABLE, TokenRange::ALL)
    }

    pub fn of(partition: PartitionId, rows: TableId, tokens: TokenRange) -> Replica {
        let state = PartitionState::new(partition, rows, tokens);
        let mut store = Store::default();
        store.write(&state.first_rows());
        Replica { store, state }
    }

    /// Applies an entry as another replica would get it, and checks that the rows are the state.
    pub fn apply(&mut self, entry: &Entry, log_term: u64) -> Outcome {
        let entry = codec::decode_entry(&codec::encode_entry(entry)).expect("what was encoded can be decoded");
        let applied = apply(&entry, log_term, &mut self.state);
        self.store.write(&applied.writes);
        let loaded = PartitionState::load(self.state.partition(), &self.store).expect("rows of a state can be loaded");
        assert_eq!(loaded.as_ref(), Some(&self.state), "the rows of the state are the state");
        applied.outcome
    }
}

/// A leader with its replica.
pub(crate) struct Leader {
    pub replica: Replica,
    pub overlay: Overlay,
    pub pack: Pack,
    pub now_ms: u64,
    pub commands_count: u64,
}

impl Leader {
    /// A leader of a table that is described.
    pub fn of(table: TableDescription) -> Leader {
        Leader::with(Replica::new(), table)
    }

    pub fn with(replica: Replica, table: TableDescription) -> Leader {
        let overlay = Overlay::new(TERM, &replica.state, replica.state.last_entry());
        let mut leader = Leader { replica, overlay, pack: Pack::default(), now_ms: 1_000, commands_count: 0 };
        leader.write(&Command::Describe(Box::new(table))).expect("a first description is taken");
        leader
    }

    /// Evaluates a new command; its effects wait in the pack.
    pub fn evaluate(&mut self, command: &Command) -> Evaluated {
        self.commands_count += 1;
        let birth = Timestamp { wall_ms: self.now_ms, counter: 0, node: 1 };
        let id = CommandId(self.commands_count.into());
        self.evaluate_as(&Call { id, birth, attempt: Attempt::First, command })
    }

    pub fn evaluate_as(&mut self, call: &Call<'_>) -> Evaluated {
        let description = self.replica.state.description().cloned();
        let needed = description.iter().flat_map(|table| rows_needed(call.command, table));
        let read_ahead: BTreeMap<Vec<u8>, Option<Bytes>> =
            needed.map(|key| (key.clone(), self.replica.store.get(&key).expect("maps can be read"))).collect();
        let is_read_ahead = !matches!(call.command, Command::Finish(_));
        let rows: &dyn ReadRow = if is_read_ahead { &read_ahead } else { &self.replica.store };
        let base = Base { state: &self.replica.state, overlay: &self.overlay, rows };
        let evaluated = evaluate(call, &base, Now { wall_ms: self.now_ms, node: 1 }).expect("rows can be read");
        if let Some(effects) = &evaluated.effects {
            self.pack.add(effects.clone(), evaluated.timestamp, &mut self.overlay);
        }
        evaluated
    }

    /// The entry with everything evaluated since the last one.
    pub fn propose(&mut self) -> Option<Entry> {
        self.pack.take(&self.overlay)
    }

    /// Commits an entry; one with effect leaves the overlay.
    pub fn commit(&mut self, entry: &Entry) -> Outcome {
        let outcome = self.replica.apply(entry, entry.term);
        if outcome == Outcome::HadEffect {
            self.overlay.release(entry.number);
        }
        outcome
    }

    /// After a lost proposal: nothing in flight is left.
    pub fn begin_anew(&mut self) {
        self.pack = Pack::default();
        self.overlay = Overlay::new(TERM, &self.replica.state, self.overlay.last_number());
    }

    /// Evaluates and applies one command.
    pub fn write(&mut self, command: &Command) -> Result<Reply, Refusal> {
        let evaluated = self.evaluate(command);
        if let Some(entry) = self.propose() {
            assert_eq!(self.commit(&entry), Outcome::HadEffect);
        }
        evaluated.reply
    }

    /// Answers a read from what is applied.
    pub fn read(&self, command: &Command) -> Result<Reply, Refusal> {
        crate::read(command, &self.replica.state.for_strong_read(command), &self.replica.store)
            .expect("rows can be read")
    }
}
