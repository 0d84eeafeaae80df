//! openraft's way to the other replicas: every message is one call of the node's network.

use crate::{
    commit_notices,
    encoding::{VoteRecord, decode, encode},
    heartbeats,
    node::Node,
    raft_types::{RaftVote, Types, log_id, position},
    silence, snapshot,
    state::Gate,
    wire::{Request, RequestBody, Response, encode_append},
};
use bytes::Bytes;
use futures::{FutureExt, Stream};
use openraft::{
    OptionalSend, RaftNetworkFactory, RaftNetworkV2,
    base::{BoxFuture, BoxStream},
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable},
    network::{RPCOption, RPCTypes, stream_append_sequential},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderError,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
    type_config::alias::SnapshotOf,
};
use stator_environment::Service;
use stator_item::{NodeId, ReplicaId};
use std::{
    future::Future,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

/// Makes the links of one replica.
pub(crate) struct Links {
    /// Weak, or a core that nobody owns any more would keep its node alive.
    node: Weak<Node>,
    from: ReplicaId,
}

impl Links {
    pub(crate) fn new(node: &Arc<Node>, from: ReplicaId) -> Links {
        Links { node: Arc::downgrade(node), from }
    }

    fn link(&self, target: u64, node: u64, cargo: Cargo) -> Link {
        Link { node: self.node.clone(), from: self.from, to: ReplicaId(target), to_node: NodeId(node), cargo }
    }
}

impl RaftNetworkFactory<Types> for Links {
    type Network = Link;

    async fn new_client(&mut self, target: u64, node: &u64) -> Link {
        self.link(target, *node, Cargo::Entries)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &u64) -> Link {
        self.link(target, *node, Cargo::Heartbeats)
    }
}

/// What goes over a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cargo {
    Entries,
    Heartbeats,
}

/// The way from one replica to another.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) node: Weak<Node>,
    pub(crate) from: ReplicaId,
    pub(crate) to: ReplicaId,
    pub(crate) to_node: NodeId,
    cargo: Cargo,
}

type RpcResult<T> = Result<T, RPCError<Types>>;

fn unreachable(reason: impl ToString) -> RPCError<Types> {
    RPCError::Unreachable(Unreachable::from_string(reason))
}

/// An answer that makes no sense for the question.
fn unexpected(response: &Response) -> RPCError<Types> {
    RPCError::Network(NetworkError::from_string(format!("unexpected answer {response:?}")))
}

impl Link {
    pub(crate) fn node(&self) -> RpcResult<Arc<Node>> {
        self.node.upgrade().ok_or_else(|| unreachable("this node is closing"))
    }

    fn request(&self, vote: &RaftVote, body: RequestBody) -> Request {
        Request { to: self.to.0, vote: VoteRecord::of(vote), body }
    }

    async fn call(&self, action: RPCTypes, message: Bytes, deadline: Duration) -> RpcResult<Response> {
        let node = self.node()?;
        let answer = match self.cargo {
            Cargo::Entries => node.call(self.to_node, Service::Raft, message, deadline).await,
            Cargo::Heartbeats => heartbeats::send(&node, self.to_node, message).await,
        };
        let answer = answer.map_err(|error| match error {
            stator_environment::NetworkError::TimedOut(_) => {
                RPCError::Timeout(Timeout { action, id: self.from.0, target: self.to.0, timeout: deadline })
            }
            error => unreachable(error),
        })?;
        decode(&answer, "an answer").map_err(|error| RPCError::Network(NetworkError::new(&error)))
    }

    async fn ask_for_vote(
        &self,
        action: RPCTypes,
        vote: &RaftVote,
        body: RequestBody,
    ) -> RpcResult<VoteResponse<Types>> {
        let deadline = self.node()?.settings.message_deadline();
        match self.call(action, encode(&self.request(vote, body)), deadline).await? {
            Response::Voted { vote, granted, last } => {
                Ok(VoteResponse { vote: vote.vote(), vote_granted: granted, last_log_id: last.map(log_id) })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Whoever hears no majority does not speak.
    async fn keep_silence(&self, node: &Node, vote: &RaftVote) -> RpcResult<()> {
        let Some(replica) = node.replica(self.from).filter(|replica| silence::is_due(replica)) else { return Ok(()) };
        silence::ask(&replica, self.to, self.to_node, VoteRecord::of(vote)).await;
        match silence::is_due(&replica) {
            true => Err(unreachable("no majority has answered for too long")),
            false => Ok(()),
        }
    }

    /// The receiver needs a snapshot, and this log still has all that it asks for: purge it.
    fn purge_for_snapshot(&self) -> RPCError<Types> {
        if let Some(replica) = self.node.upgrade().and_then(|node| node.replica(self.from)) {
            replica.purge_all.store(true, Ordering::Relaxed);
        }
        unreachable("an unfinished snapshot stands in the way")
    }
}

impl commit_notices::Append for AppendEntriesRequest<Types> {
    fn has_entries(&self) -> bool {
        !self.entries.is_empty()
    }
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = Arc<Gate>;

    // One append at a time to each follower. What waits meanwhile goes into the next one, so a second one under way would gain
    // little; and two alike under way could not be told apart by their answers, so that the lease might be counted from the sending
    // of the wrong one.
    fn stream_append<'s, S>(
        &'s mut self,
        requests: S,
        option: RPCOption,
    ) -> BoxFuture<'s, RpcResult<BoxStream<'s, RpcResult<StreamAppendResult<Types>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        match self.node() {
            Ok(node) => {
                let requests = Box::pin(commit_notices::share(requests, node.environment.clone()));
                stream_append_sequential(self, requests, option)
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> RpcResult<AppendEntriesResponse<Types>> {
        let node = self.node()?;
        self.keep_silence(&node, &request.vote).await?;
        let deadline = match request.entries.is_empty() {
            true => option.hard_ttl(),
            false => node.settings.message_deadline(),
        };
        let body = RequestBody::Append {
            previous: request.prev_log_id.as_ref().map(position),
            committed: request.leader_commit.as_ref().map(position),
            // Bounded by openraft's `max_payload_entries`.
            entries_count: request.entries.len() as u32,
        };
        let message = encode_append(&self.request(&request.vote, body), &request.entries);
        match self.call(RPCTypes::AppendEntries, message, deadline).await? {
            Response::Appended => Ok(AppendEntriesResponse::Success),
            // openraft would not survive a conflict before the first entry.
            Response::Conflict if request.prev_log_id.is_some() => Ok(AppendEntriesResponse::Conflict),
            Response::HigherVote(vote) => Ok(AppendEntriesResponse::HigherVote(vote.vote())),
            Response::NeedsSnapshot => Err(self.purge_for_snapshot()),
            other => Err(unexpected(&other)),
        }
    }

    async fn vote(&mut self, request: VoteRequest<Types>, _option: RPCOption) -> RpcResult<VoteResponse<Types>> {
        let last = request.last_log_id.as_ref().map(position);
        let body = RequestBody::Vote { last, for_transfer: request.leadership_transfer };
        self.ask_for_vote(RPCTypes::Vote, &request.vote, body).await
    }

    async fn pre_vote(&mut self, request: VoteRequest<Types>, _option: RPCOption) -> RpcResult<VoteResponse<Types>> {
        let body = RequestBody::PreVote { last: request.last_log_id.as_ref().map(position) };
        self.ask_for_vote(RPCTypes::Vote, &request.vote, body).await
    }

    async fn full_snapshot(
        &mut self,
        vote: RaftVote,
        snapshot: SnapshotOf<Types, Arc<Gate>>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let sent = snapshot::send(self, VoteRecord::of(&vote), snapshot);
        futures::select_biased! {
            closed = Box::pin(cancel).fuse() => Err(StreamingError::Closed(closed)),
            sent = Box::pin(sent).fuse() => Ok(SnapshotResponse::new(sent?.vote())),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        _option: RPCOption,
    ) -> RpcResult<TransferLeaderResponse<Types>> {
        let last = request.last_log_id().map(position);
        let body = RequestBody::Transfer { target: *request.to_node_id(), last };
        let message = encode(&self.request(request.from_leader(), body));
        let deadline = self.node()?.settings.message_deadline();
        match self.call(RPCTypes::TransferLeader, message, deadline).await? {
            Response::Transferring => Ok(Ok(())),
            Response::TransferRefused => {
                Ok(Err(TransferLeaderError::LogNotFlushed { expected: request.last_log_id().copied(), actual: None }))
            }
            other => Err(unexpected(&other)),
        }
    }
}
