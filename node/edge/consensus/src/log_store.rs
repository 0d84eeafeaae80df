//! The node's log as openraft wants to see one replica's part of it.

use crate::{
    LogPosition,
    encoding::{PurgeMark, Undecodable, VoteRecord, decode, decode_entry, encode, encode_entry, entry_term},
    raft_types::{Entry, RaftLogId, RaftVote, Types, log_id, position},
};
use futures::{Stream, StreamExt, stream};
use openraft::{
    OptionalSend, RaftLogReader,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use stator_environment::{DiskError, RaftLog};
use stator_item::ReplicaId;
use std::{
    fmt::Debug,
    io,
    ops::{Bound, RangeBounds},
    sync::Arc,
};
use tokio::sync::oneshot;

#[derive(Clone)]
pub(crate) struct LogStore {
    pub(crate) log: Arc<dyn RaftLog>,
    pub(crate) replica: ReplicaId,
    /// Entries are read in pieces of about this size.
    pub(crate) read_bytes_max: usize,
}

/// What stands in the log before openraft runs over it.
pub(crate) struct LogSummary {
    pub(crate) vote: Option<VoteRecord>,
    pub(crate) purged: Option<(u64, PurgeMark)>,
    pub(crate) last: Option<u64>,
}

pub(crate) fn io_error(error: DiskError) -> io::Error {
    io::Error::other(error)
}

fn damaged(error: Undecodable) -> DiskError {
    DiskError::Damaged(format!("raft log: {error}"))
}

impl LogStore {
    pub(crate) fn summary(&self) -> Result<LogSummary, DiskError> {
        let state = self.log.state(self.replica);
        let vote = state.vote.map(|vote| decode(&vote, "a vote")).transpose().map_err(damaged)?;
        let purged = match state.purged {
            Some((index, mark)) => Some((index, decode(&mark, "a purge mark").map_err(damaged)?)),
            None => None,
        };
        Ok(LogSummary { vote, purged, last: state.last })
    }

    /// The term of the entry at `index`, if it is there.
    pub(crate) fn term_at(&self, index: u64) -> Result<Option<u64>, DiskError> {
        let entries = self.log.read(self.replica, index, index.saturating_add(1), 1)?;
        match entries.first() {
            Some((found, bytes)) if *found == index => entry_term(bytes).map(Some).map_err(damaged),
            _ => Ok(None),
        }
    }

    /// Where the log ends.
    pub(crate) fn last(&self) -> Result<Option<LogPosition>, DiskError> {
        Ok(self.last_log_id(&self.summary()?)?.as_ref().map(position))
    }

    /// Begins the log anew behind `applied`.
    pub(crate) fn begin_behind(&self, applied: LogPosition) {
        self.log.truncate_after(self.replica, applied.index);
        self.log.purge(self.replica, applied.index, encode(&PurgeMark::Applied(applied)));
    }

    /// Says that neither log nor state can be used before a snapshot is complete. Entries up to `index` are dropped.
    pub(crate) fn begin_install(&self, index: u64) {
        self.log.truncate_after(self.replica, index);
        self.log.purge(self.replica, index, encode(&PurgeMark::Installing));
    }

    /// Durable when it returns, and with it all calls before.
    pub(crate) async fn save_vote_record(&self, vote: VoteRecord) -> Result<(), DiskError> {
        let (sender, receiver) = oneshot::channel();
        let done = Box::new(move |result| drop(sender.send(result)));
        self.log.save_vote(self.replica, encode(&vote), done);
        receiver.await.unwrap_or_else(|_| Err(log_stopped()))
    }

    fn read(&self, start: u64, end: u64, bytes_max: usize) -> Result<Vec<Entry>, io::Error> {
        let entries = self.log.read(self.replica, start, end, bytes_max).map_err(io_error)?;
        entries.iter().map(|(index, bytes)| decode_entry(*index, bytes).map_err(io::Error::from)).collect()
    }

    fn read_all(&self, mut start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        let mut all = Vec::new();
        while start < end {
            let entries = self.read(start, end, self.read_bytes_max)?;
            let Some(last) = entries.last() else { break };
            start = last.log_id.index + 1;
            all.extend(entries);
        }
        Ok(all)
    }

    fn last_log_id(&self, summary: &LogSummary) -> Result<Option<RaftLogId>, DiskError> {
        let purged = match summary.purged {
            Some((_, PurgeMark::Applied(position))) => Some(log_id(position)),
            _ => None,
        };
        match summary.last {
            Some(index) if purged.is_none_or(|purged| index > purged.index) => match self.term_at(index)? {
                Some(term) => Ok(Some(log_id(LogPosition { term, index }))),
                None => Err(DiskError::Damaged(format!("raft log: entry {index} is missing"))),
            },
            _ => Ok(purged),
        }
    }
}

fn log_stopped() -> DiskError {
    DiskError::Failed { action: "write the raft log", reason: "the log has stopped".to_owned() }
}

fn bounds(range: impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl RaftLogReader<Types> for LogStore {
    /// Piece by piece: after a restart there may be gigabytes to apply.
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(range);
        let store = self.clone();
        let pieces = stream::unfold(Some(start), move |next| {
            let piece = next.filter(|start| *start < end).map(|start| {
                let read = store.read(start, end, store.read_bytes_max);
                let next = match read.as_deref() {
                    Ok([.., last]) => Some(last.log_id.index + 1),
                    _ => None,
                };
                (read, next)
            });
            std::future::ready(piece)
        });
        pieces.flat_map(|piece| match piece {
            Ok(entries) => stream::iter(entries.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        })
    }

    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (start, end) = bounds(range);
        self.read_all(start, end)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start, end, self.read_bytes_max)
    }

    async fn read_vote(&mut self) -> Result<Option<RaftVote>, io::Error> {
        Ok(self.summary().map_err(io_error)?.vote.map(|vote| vote.vote()))
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let summary = self.summary().map_err(io_error)?;
        let last_purged_log_id = match summary.purged {
            Some((_, PurgeMark::Applied(position))) => Some(log_id(position)),
            _ => None,
        };
        Ok(LogState { last_purged_log_id, last_log_id: self.last_log_id(&summary).map_err(io_error)? })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> Result<(), io::Error> {
        self.save_vote_record(VoteRecord::of(vote)).await.map_err(io_error)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries.into_iter().map(|entry| (entry.log_id.index, encode_entry(&entry))).collect();
        if stator_mutants::is(stator_mutants::Mutant::AcknowledgeBeforeSync) {
            callback.io_completed(Ok(()));
            self.log.append(self.replica, entries, Box::new(drop));
            return Ok(());
        }
        let done = Box::new(move |result: Result<(), DiskError>| callback.io_completed(result.map_err(io_error)));
        self.log.append(self.replica, entries, done);
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<RaftLogId>) -> Result<(), io::Error> {
        // The first entry of every group is the same on all its members, so no leader can contradict it.
        let Some(last) = last else {
            return Err(io_error(DiskError::Damaged("raft log: another group's first entry".to_owned())));
        };
        self.log.truncate_after(self.replica, last.index);
        Ok(())
    }

    async fn purge(&mut self, upto: RaftLogId) -> Result<(), io::Error> {
        self.log.purge(self.replica, upto.index, encode(&PurgeMark::Applied(position(&upto))));
        Ok(())
    }
}
