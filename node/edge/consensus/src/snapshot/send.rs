//! The leader's side.

use super::PIECE_DEADLINE;
use crate::{
    encoding::{VoteRecord, decode, encode},
    link::Link,
    node::Node,
    raft_types::{Types, position},
    state::Gate,
    wire::{Place, SnapshotBody, SnapshotHead, SnapshotRequest, SnapshotResponse, encode_piece},
};
use bytes::Bytes;
use openraft::{
    StorageError,
    errors::{RPCError, StreamingError, Unreachable},
    type_config::alias::SnapshotOf,
};
use stator_environment::{DiskError, Service};
use std::{io, sync::Arc};

type Sent<T> = Result<T, StreamingError<Types>>;

fn unreachable(reason: impl ToString) -> StreamingError<Types> {
    StreamingError::Unreachable(Unreachable::from_string(reason))
}

fn disk(error: DiskError) -> StreamingError<Types> {
    let error = io::Error::other(error);
    StreamingError::StorageError(StorageError::from_io_error(
        openraft::ErrorSubject::Snapshot(None),
        openraft::ErrorVerb::Read,
        error,
    ))
}

/// Sends the state as it is when the receiver wants it: at `snapshot`'s position or behind it. Says which vote the receiver has.
pub(crate) async fn send(link: &Link, vote: VoteRecord, snapshot: SnapshotOf<Types, Arc<Gate>>) -> Sent<VoteRecord> {
    let node = link.node().map_err(|error| match error {
        RPCError::Unreachable(error) => StreamingError::Unreachable(error),
        error => unreachable(error),
    })?;
    let Some(offered) = snapshot.meta.last_log_id.as_ref().map(position) else {
        return Err(unreachable("there is nothing to send yet"));
    };
    let request = |body| SnapshotRequest { to: link.to.0, vote, body };
    let offer = encode(&request(SnapshotBody::Offer { position: offered }));
    match ask(&node, link, offer).await? {
        SnapshotResponse::Wanted => {}
        SnapshotResponse::Has => return Ok(vote),
        SnapshotResponse::HigherVote(higher) => return Ok(higher),
    }
    let source = snapshot.snapshot.pin().map_err(disk)?;
    let applied = source.applied();
    let Some(pinned) = applied.position else {
        return Err(unreachable("there is nothing to send yet"));
    };
    let transfer = node.environment.random.next_u64();
    let mut place = Place::First(SnapshotHead { position: pinned, membership: applied.membership });
    let mut cursor: Option<Bytes> = None;
    for number in 0.. {
        let (piece, next) = source.chunk(cursor, node.settings.snapshot_piece_bytes).map_err(disk)?;
        node.pace(piece.len()).await;
        let body = SnapshotBody::Piece { transfer, number, place: std::mem::replace(&mut place, Place::Middle) };
        let message = encode_piece(&request(body), next.is_none(), &piece);
        node.metrics.snapshot_sent_bytes.inc_by(piece.len() as u64);
        match (ask(&node, link, message).await?, &next) {
            (SnapshotResponse::HigherVote(higher), _) => return Ok(higher),
            (SnapshotResponse::Has, None) => break,
            (SnapshotResponse::Wanted, Some(_)) => cursor = next,
            (answer, _) => return Err(unreachable(format!("unexpected answer {answer:?}"))),
        }
    }
    node.metrics.snapshots_sent.inc();
    Ok(vote)
}

async fn ask(node: &Node, link: &Link, message: Bytes) -> Sent<SnapshotResponse> {
    let answer = node.call(link.to_node, Service::Snapshot, message, PIECE_DEADLINE).await.map_err(unreachable)?;
    decode(&answer, "an answer").map_err(unreachable)
}
