//! The follower's side.

use crate::{
    Applied, ConsensusError, LogPosition, SnapshotSink,
    encoding::{VoteRecord, encode},
    node::Node,
    replica::{Core, Replica, applied_of},
    runtime,
    wire::{
        Place, SnapshotBody, SnapshotHead, SnapshotRequest, SnapshotResponse, decode_snapshot_request, head_is_valid,
        split_piece,
    },
};
use bytes::Bytes;
use stator_environment::{BoxFuture, DiskError, Handler};
use stator_item::{NodeId, ReplicaId};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// A snapshot of which some pieces have come.
pub(crate) struct Incoming {
    transfer: u64,
    next: u64,
    applied: Applied,
    sink: Box<dyn SnapshotSink>,
    /// Whose snapshot it is, and when its last piece came, on the elapsed clock.
    vote: VoteRecord,
    heard_at: Duration,
}

impl Incoming {
    /// Whether no piece will come any more, as far as can be seen from another message of a leader.
    pub(crate) fn broke_off(&self, leader: VoteRecord, now: Duration) -> bool {
        self.vote != leader || now > self.heard_at + IDLE_MAX
    }
}

/// A sender that is silent for so long has to begin again.
const IDLE_MAX: Duration = Duration::from_secs(10);

pub(crate) struct SnapshotMessages(pub(crate) Weak<Node>);

impl Handler for SnapshotMessages {
    fn handle(&self, _from: NodeId, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        let Some(node) = self.0.upgrade() else {
            return Box::pin(std::future::ready(Err("the node is closing".to_owned())));
        };
        Box::pin(runtime::scope(node.environment.clone(), async move { Ok(encode(&answer(&node, body).await?)) }))
    }
}

async fn answer(node: &Node, body: Bytes) -> Result<SnapshotResponse, String> {
    let (request, rest) = decode_snapshot_request(&body).map_err(|error| error.to_string())?;
    let Some(replica) = node.replica(ReplicaId(request.to)) else {
        return Err(format!("replica {} is not open here", request.to));
    };
    let mut incoming = replica.incoming.lock().await;
    let SnapshotRequest { vote, body, .. } = request;
    match body {
        SnapshotBody::Offer { position } => judge(&replica, vote, position),
        SnapshotBody::Piece { transfer, number, place } => {
            let (last, piece) = split_piece(rest).map_err(|error| error.to_string())?;
            if let Place::First(head) = place {
                match judge(&replica, vote, head.position)? {
                    SnapshotResponse::Wanted => {}
                    answer => return Ok(answer),
                }
                *incoming = None;
                *incoming = Some(begin(&replica, vote, transfer, head).await?);
            }
            let taken = take(&mut incoming, transfer, number, piece, node.now());
            if let Err(error) = taken {
                *incoming = None;
                return Err(error);
            }
            if !last {
                return Ok(SnapshotResponse::Wanted);
            }
            let Some(whole) = incoming.take() else { return Err("no snapshot is coming in".to_owned()) };
            finish(&replica, whole).await?;
            Ok(SnapshotResponse::Has)
        }
    }
}

/// Whether to take a snapshot of this leader at this position.
fn judge(replica: &Replica, vote: VoteRecord, position: LogPosition) -> Result<SnapshotResponse, String> {
    if !vote.elected {
        return Err("only a leader sends snapshots".to_owned());
    }
    let log = replica.log().summary().map_err(|error| error.to_string())?;
    if let Some(mine) = log.vote
        && mine.term > vote.term
    {
        return Ok(SnapshotResponse::HigherVote(mine));
    }
    if replica.is_installing() {
        // An earlier one, that broke off, was at or behind this index: the state never goes back.
        let behind = log.purged.is_some_and(|(index, _)| index > position.index);
        return if behind {
            Err("the snapshot is older than the last one".to_owned())
        } else {
            Ok(SnapshotResponse::Wanted)
        };
    }
    match replica.look(applied_of) {
        Some(applied) if applied >= Some(position) => Ok(SnapshotResponse::Has),
        Some(_) => Ok(SnapshotResponse::Wanted),
        None => Err("the replica is closed".to_owned()),
    }
}

/// Stops the core and gives log and state up.
async fn begin(
    replica: &Arc<Replica>,
    vote: VoteRecord,
    transfer: u64,
    head: SnapshotHead,
) -> Result<Incoming, String> {
    if !head_is_valid(&head) {
        return Err("the snapshot's members make no sense".to_owned());
    }
    if !replica.is_installing() {
        replica.stop(Core::Installing).await;
    }
    let log = replica.log();
    let begun = async {
        let summary = log.summary()?;
        let purged = summary.purged.map_or(0, |(index, _)| index);
        // Below the snapshot's own index, so that the mark which ends the installation stands further on.
        let dropped = summary.last.unwrap_or(0).min(head.position.index.saturating_sub(1));
        log.begin_install(dropped.max(purged));
        // Votes are the only calls that wait for the disk, and what stands before them is then durable too.
        let kept = summary.vote.filter(|mine| mine.term == vote.term && mine.elected).unwrap_or(vote);
        log.save_vote_record(kept).await?;
        replica.state.install()
    };
    match begun.await {
        Ok(sink) => {
            let applied = Applied { position: Some(head.position), membership: head.membership };
            Ok(Incoming { transfer, next: 0, applied, sink, vote, heard_at: replica.node.now() })
        }
        Err(error) => Err(give_up(replica, &error)),
    }
}

fn take(
    incoming: &mut Option<Incoming>,
    transfer: u64,
    number: u64,
    piece: Bytes,
    now: Duration,
) -> Result<(), String> {
    match incoming {
        Some(current) if current.transfer == transfer && current.next == number => {
            current.next += 1;
            current.heard_at = now;
            current.sink.chunk(piece).map_err(|error| error.to_string())
        }
        _ => Err("this is not the piece that comes next".to_owned()),
    }
}

/// Makes the new state durable and runs over it.
async fn finish(replica: &Arc<Replica>, whole: Incoming) -> Result<(), String> {
    let Some(position) = whole.applied.position else { return Err("the snapshot has no position".to_owned()) };
    if let Err(error) = whole.sink.finish(whole.applied) {
        return Err(give_up(replica, &error));
    }
    replica.log().begin_behind(position);
    match replica.start().await {
        Ok(()) => {
            replica.node.metrics.snapshots_received.inc();
            Ok(())
        }
        Err(ConsensusError::Disk(error)) => Err(give_up(replica, &error)),
        Err(error) => Err(error.to_string()),
    }
}

/// A disk that fails here fails for good: the node has to stop.
fn give_up(replica: &Replica, error: &DiskError) -> String {
    replica.fail(error.to_string());
    error.to_string()
}
