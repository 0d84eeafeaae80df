//! Partitions in memory: what the Door of these tests leads to.

use bytes::Bytes;
use stator_catalog::TokenRange;
use stator_item::{Bounds, PartitionId, TableId, Timestamp};
use stator_partition::{
    Attempt, Base, Call, Command, CommandId, Direction, FamilyKind, Now, Overlay, Pack, PartitionState, ReadError,
    ReadRow, ReadRows, Refusal, Reply, RowChange, RowWrites, apply, evaluate, read, rows::Visit,
};
use std::{collections::BTreeMap, ops::Bound};

const TERM: u64 = 1;

#[derive(Default)]
struct Rows(BTreeMap<FamilyKind, BTreeMap<Vec<u8>, Bytes>>);

impl Rows {
    fn write(&mut self, writes: &RowWrites) {
        for change in &writes.changes {
            match change {
                RowChange::Put { family, key, value } => {
                    self.0.entry(*family).or_default().insert(key.to_vec(), value.clone());
                }
                RowChange::Delete { family, key } => {
                    self.0.entry(*family).or_default().remove(&key[..]);
                }
                RowChange::DeleteRange { family, bounds: (start, end) } => {
                    let inside = |key: &Vec<u8>| key >= start && end.as_ref().is_none_or(|end| key < end);
                    self.0.entry(*family).or_default().retain(|key, _| !inside(key));
                }
            }
        }
    }
}

impl ReadRow for Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Ok(self.0.get(&FamilyKind::Items).and_then(|rows| rows.get(key)).cloned())
    }
}

impl ReadRows for Rows {
    fn scan(
        &self,
        family: FamilyKind,
        bounds: &Bounds,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), ReadError> {
        let Some(rows) = self.0.get(&family) else { return Ok(()) };
        let end = bounds.1.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = rows.range::<[u8], _>((Bound::Included(&bounds.0[..]), end));
        let mut visit = |(key, value): (&Vec<u8>, &Bytes)| visit(key, value);
        let _ = match direction {
            Direction::Forward => range.into_iter().try_for_each(&mut visit),
            Direction::Backward => range.into_iter().rev().try_for_each(&mut visit),
        };
        Ok(())
    }
}

/// One partition that is its own quorum.
pub struct Partition {
    state: PartitionState,
    rows: Rows,
    commands_count: u64,
}

impl Partition {
    pub fn new(id: PartitionId, table: TableId, tokens: TokenRange) -> Partition {
        let state = PartitionState::new(id, table, tokens);
        let mut rows = Rows::default();
        rows.write(&state.first_rows());
        Partition { state, rows, commands_count: 0 }
    }

    pub fn tokens(&self) -> TokenRange {
        self.state.tokens()
    }

    pub fn answer(&mut self, command: &Command) -> Result<Reply, Refusal> {
        if !command.is_write() {
            return read(command, &self.state.for_strong_read(command), &self.rows).expect("maps can be read");
        }
        self.commands_count += 1;
        let wall_ms = 1_000 + self.commands_count;
        let call = Call {
            id: CommandId(self.commands_count.into()),
            birth: Timestamp { wall_ms, counter: 0, node: 1 },
            attempt: Attempt::First,
            command,
        };
        let mut overlay = Overlay::new(TERM, &self.state, self.state.last_entry());
        let base = Base { state: &self.state, overlay: &overlay, rows: &self.rows };
        let evaluated = evaluate(&call, &base, Now { wall_ms, node: 1 }).expect("maps can be read");
        if let Some(effects) = evaluated.effects {
            let mut pack = Pack::default();
            pack.add(effects, evaluated.timestamp, &mut overlay);
            let entry = pack.take(&overlay).expect("something is in the pack");
            let applied = apply(&entry, TERM, &mut self.state);
            self.rows.write(&applied.writes);
        }
        evaluated.reply
    }
}
