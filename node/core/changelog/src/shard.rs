//! Shards: how the Streams API shows a partition's change log, and how they descend from one another.
//!
//! Guarantees of a [`Lineage`]: a shard has at most one parent; a parent stands before its children and is closed by the
//! same step that opens them (readers give up on an open parent with children); sequence numbers grow from parent to child.

use crate::sequence::SequenceNumber;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// `shardId-<milliseconds since 1970, 20 digits>-<8 hex digits>`: readers take the creation time out of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ShardId {
    pub created_ms: u64,
    /// Tells shards of one millisecond apart.
    pub tail: u32,
}

/// The text is no shard id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a shard id")]
pub struct ShardIdError;

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:020}-{:08x}", self.created_ms, self.tail)
    }
}

impl FromStr for ShardId {
    type Err = ShardIdError;

    fn from_str(text: &str) -> Result<ShardId, ShardIdError> {
        let parsed = (|| {
            let (created, tail) = text.strip_prefix("shardId-")?.split_once('-')?;
            Some(ShardId { created_ms: created.parse().ok()?, tail: u32::from_str_radix(tail, 16).ok()? })
        })();
        // Only the form that is printed: signs, capitals and other lengths are somebody else's ids.
        parsed.filter(|id| id.to_string() == text).ok_or(ShardIdError)
    }
}

/// The end of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Closed {
    /// No record of the shard lies above. The place before its first one if it has none.
    pub ending: SequenceNumber,
    /// Milliseconds since 1970.
    pub at_ms: u64,
}

/// One stretch of a change log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shard {
    pub id: ShardId,
    pub parent: Option<ShardId>,
    /// No record of the shard lies below. At least 1.
    pub starting: SequenceNumber,
    /// `None` while the shard is open.
    pub closed: Option<Closed>,
}

impl Shard {
    /// The end as the Streams API shows it, where an end does not lie before its beginning; `None` while the shard is open.
    pub fn shown_ending(&self) -> Option<SequenceNumber> {
        self.closed.map(|closed| closed.ending.max(self.starting))
    }
}

/// All shards of a stream that are still listed, parents before children.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Lineage {
    shards: Vec<Shard>,
}

/// Why a lineage does not change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LineageError {
    #[error("the shard is not listed")]
    Unknown,
    #[error("the shard is closed")]
    Closed,
    #[error("a shard of that id is listed already")]
    Repeated,
    #[error("a child's id or sequence numbers do not lie behind its parent's")]
    OutOfOrder,
}

impl Lineage {
    /// In the order of their creation.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    pub fn get(&self, id: ShardId) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.id == id)
    }

    pub fn children(&self, parent: ShardId) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(move |shard| shard.parent == Some(parent))
    }

    /// Opens a shard without a parent.
    pub fn open(&mut self, id: ShardId, starting: SequenceNumber) -> Result<(), LineageError> {
        self.insert(Shard { id, parent: None, starting, closed: None })
    }

    /// Closes a shard and opens its children, in one step.
    pub fn split(
        &mut self,
        parent: ShardId,
        closed: Closed,
        children: &[(ShardId, SequenceNumber)],
    ) -> Result<(), LineageError> {
        let closing = self.get(parent).ok_or(LineageError::Unknown)?;
        if closing.closed.is_some() {
            return Err(LineageError::Closed);
        }
        let in_order = |(id, starting): &(ShardId, SequenceNumber)| *id > parent && *starting > closed.ending;
        if closing.starting > closed.ending.next() || !children.iter().all(in_order) {
            return Err(LineageError::OutOfOrder);
        }
        let mut after = self.clone();
        for (id, starting) in children {
            after.insert(Shard { id: *id, parent: Some(parent), starting: *starting, closed: None })?;
        }
        for shard in after.shards.iter_mut().filter(|shard| shard.id == parent) {
            shard.closed = Some(closed);
        }
        *self = after;
        Ok(())
    }

    /// Takes shards off the list that were closed before that millisecond. Parents go first, or a reader would take a child for
    /// a root. Whether any went.
    pub fn drop_closed_before(&mut self, before_ms: u64) -> bool {
        let listed = self.shards.len();
        // Parents stand before their children, so one pass from the front sees each parent's fate first.
        let mut kept: Vec<Shard> = Vec::with_capacity(listed);
        for shard in self.shards.drain(..) {
            let is_over = shard.closed.is_some_and(|closed| closed.at_ms < before_ms);
            let parent_stays = shard.parent.is_some_and(|parent| kept.iter().any(|other| other.id == parent));
            if !is_over || parent_stays {
                kept.push(shard);
            }
        }
        self.shards = kept;
        self.shards.len() != listed
    }

    fn insert(&mut self, shard: Shard) -> Result<(), LineageError> {
        match self.shards.binary_search_by_key(&shard.id, |listed| listed.id) {
            Ok(_) => Err(LineageError::Repeated),
            Err(place) => {
                self.shards.insert(place, shard);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(created_ms: u64, tail: u32) -> ShardId {
        ShardId { created_ms, tail }
    }

    #[test]
    fn ids_look_as_readers_expect() {
        let shard = id(1_541_626_099_285, 0xf35f_62ef);
        assert_eq!(shard.to_string(), "shardId-00000001541626099285-f35f62ef");
        assert_eq!(shard.to_string().parse(), Ok(shard));
        for text in
            ["", "shardId-1-2", "shardId-00000001541626099285-F35F62EF", "shardId-+0000001541626099285-f35f62ef"]
        {
            assert_eq!(text.parse::<ShardId>(), Err(ShardIdError), "{text}");
        }
        assert!((28..=65).contains(&id(u64::MAX, u32::MAX).to_string().len()));
    }

    fn closed(ending: u64, at_ms: u64) -> Closed {
        Closed { ending: SequenceNumber(ending), at_ms }
    }

    #[test]
    fn a_split_closes_the_parent_and_opens_children_behind_it() {
        let mut lineage = Lineage::default();
        lineage.open(id(1, 1), SequenceNumber(1)).unwrap();
        let children = [(id(5, 1), SequenceNumber(10)), (id(5, 2), SequenceNumber(10))];
        assert_eq!(lineage.split(id(9, 9), closed(9, 5), &children), Err(LineageError::Unknown));
        assert_eq!(lineage.split(id(1, 1), closed(10, 5), &children), Err(LineageError::OutOfOrder));
        let twins = [children[0], children[0]];
        assert_eq!(lineage.split(id(1, 1), closed(9, 5), &twins), Err(LineageError::Repeated));
        assert_eq!(lineage.shards().len(), 1, "a refused split changes nothing");

        lineage.split(id(1, 1), closed(9, 5), &children).unwrap();
        assert_eq!(lineage.split(id(1, 1), closed(9, 5), &children), Err(LineageError::Closed));
        assert_eq!(lineage.get(id(1, 1)).unwrap().closed, Some(closed(9, 5)));
        assert_eq!(lineage.children(id(1, 1)).count(), 2);
        let order: Vec<ShardId> = lineage.shards().iter().map(|shard| shard.id).collect();
        assert_eq!(order, [id(1, 1), id(5, 1), id(5, 2)]);
    }

    #[test]
    fn a_shard_without_records_ends_where_it_begins() {
        let mut lineage = Lineage::default();
        lineage.open(id(1, 1), SequenceNumber(4)).unwrap();
        assert_eq!(lineage.split(id(1, 1), closed(2, 5), &[]), Err(LineageError::OutOfOrder));
        lineage.split(id(1, 1), closed(3, 5), &[]).unwrap();
        assert_eq!(lineage.get(id(1, 1)).unwrap().shown_ending(), Some(SequenceNumber(4)));
    }

    #[test]
    fn parents_leave_the_list_before_their_children() {
        let mut lineage = Lineage::default();
        lineage.open(id(1, 1), SequenceNumber(1)).unwrap();
        assert!(!lineage.drop_closed_before(u64::MAX), "it is open");
        // The clock was set back between the two.
        lineage.split(id(1, 1), closed(9, 8), &[(id(5, 1), SequenceNumber(10))]).unwrap();
        lineage.split(id(5, 1), closed(12, 6), &[(id(6, 1), SequenceNumber(13))]).unwrap();
        assert!(!lineage.drop_closed_before(8), "the parent of what is over is not");
        assert!(lineage.drop_closed_before(9));
        let left: Vec<ShardId> = lineage.shards().iter().map(|shard| shard.id).collect();
        assert_eq!(left, [id(6, 1)]);
    }
}
