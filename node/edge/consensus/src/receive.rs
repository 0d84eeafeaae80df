//! Answers the messages of other replicas.

use crate::{
    LogPosition, contact,
    encoding::{VoteRecord, encode},
    heartbeats,
    node::Node,
    raft_types::{log_id, position},
    replica::{Replica, Running},
    runtime,
    sleep::{self, Heard},
    wire::{Request, RequestBody, Response, decode_entries, decode_request},
};
use bytes::Bytes;
use futures::future::join_all;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse};
use stator_environment::{BoxFuture, Handler};
use stator_item::{NodeId, ReplicaId};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

pub(crate) struct RaftMessages(pub(crate) Weak<Node>);

impl Handler for RaftMessages {
    fn handle(&self, _from: NodeId, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        let Some(node) = self.0.upgrade() else {
            return Box::pin(std::future::ready(Err("the node is closing".to_owned())));
        };
        Box::pin(runtime::scope(node.environment.clone(), async move {
            match heartbeats::split(body.clone()) {
                Some(messages) => Ok(answer_together(&node, messages).await),
                None => Ok(encode(&answer(&node, body).await?)),
            }
        }))
    }
}

/// Nobody's answer waits for long for a replica that is slow.
async fn answer_together(node: &Node, messages: Vec<Bytes>) -> Bytes {
    let patience = Duration::from_millis(node.settings.heartbeat_ms / 2);
    let answers = messages.into_iter().map(|message| async {
        match node.environment.timeout(patience, answer(node, message)).await {
            Some(Ok(response)) => encode(&response),
            Some(Err(_)) | None => Bytes::new(),
        }
    });
    heartbeats::join(&join_all(answers).await)
}

async fn answer(node: &Node, body: Bytes) -> Result<Response, String> {
    let (request, rest) = decode_request(&body).map_err(|error| error.to_string())?;
    let Some(replica) = node.replica(ReplicaId(request.to)) else {
        return Err(format!("replica {} is not open here", request.to));
    };
    if replica.is_installing() {
        return answer_installing(&replica, &request);
    }
    if let RequestBody::Inquire { last } = request.body {
        // A dormant replica leads nothing, and needs no core to say so.
        let running = replica.running();
        let answer = running.map(|running| contact::answer(&replica, &running, request.vote, last));
        return Ok(answer.unwrap_or(Response::NotLeading));
    }
    let running = replica.rouse().await.map_err(|error| error.to_string())?;
    answer_running(&replica, &running, request, rest).await
}

async fn answer_running(
    replica: &Arc<Replica>,
    running: &Running,
    request: Request,
    rest: Bytes,
) -> Result<Response, String> {
    let vote = request.vote.vote();
    match request.body {
        RequestBody::Append { previous, committed, entries_count } => {
            let entries = decode_entries(previous, entries_count, rest).map_err(|error| error.to_string())?;
            let answer = append(
                running,
                AppendEntriesRequest {
                    vote,
                    prev_log_id: previous.map(log_id),
                    entries,
                    leader_commit: committed.map(log_id),
                },
            )
            .await?;
            // Only now: a tick before the append was taken would find the leader's time long over, and stand for election.
            if !matches!(answer, Response::HigherVote(_)) {
                sleep::heard(replica, running, Heard { vote: request.vote, committed, entries_count });
            }
            Ok(answer)
        }
        RequestBody::Vote { last, for_transfer } => {
            // A transfer is no exception: the promise of this replica's last life was given to a leader that may not be the one
            // that hands over.
            refuse_early_votes(replica)?;
            let request = VoteRequest { vote, last_log_id: last.map(log_id), leadership_transfer: for_transfer };
            let answer = running.raft.vote(request).await.map(voted).map_err(|error| error.to_string())?;
            // Its leader is deposed, and the next one may never be heard.
            if replica.sleep.is_asleep() {
                contact::lose(replica);
            }
            Ok(answer)
        }
        RequestBody::PreVote { last } => {
            refuse_early_votes(replica)?;
            let request = VoteRequest::new(vote, last.map(log_id));
            running.raft.pre_vote(request).await.map(voted).map_err(|error| error.to_string())
        }
        RequestBody::MayStand { last } => {
            refuse_early_votes(replica)?;
            // openraft refuses a transfer until its core itself has written the end of the log: what was there when it started counts
            // for nothing.
            let written = running.raft.watch_log_progress().get().and_then(|point| point.last_log_id);
            let is_ready = written.as_ref().map(position) >= last;
            Ok(if is_ready { Response::MayStand } else { Response::TransferRefused })
        }
        RequestBody::Transfer { target, last } => {
            refuse_early_votes(replica)?;
            let request = TransferLeaderRequest::new(vote, target, last.map(log_id));
            match running.raft.handle_transfer_leader(request).await {
                Ok(Ok(())) => Ok(Response::Transferring),
                Ok(Err(_)) => Ok(Response::TransferRefused),
                Err(error) => Err(error.to_string()),
            }
        }
        RequestBody::Sleep { last } => Ok(sleep::follow(replica, running, request.vote, last)),
        RequestBody::Inquire { last } => Ok(contact::answer(replica, running, request.vote, last)),
    }
}

async fn append(
    running: &Running,
    request: AppendEntriesRequest<crate::raft_types::Types>,
) -> Result<Response, String> {
    match running.raft.append_entries(request).await.map_err(|error| error.to_string())? {
        AppendEntriesResponse::Success => Ok(Response::Appended),
        AppendEntriesResponse::Conflict => Ok(Response::Conflict),
        AppendEntriesResponse::HigherVote(vote) => Ok(Response::HigherVote(VoteRecord::of(&vote))),
        AppendEntriesResponse::PartialSuccess(_) => Err("only a part was appended".to_owned()),
    }
}

fn voted(response: VoteResponse<crate::raft_types::Types>) -> Response {
    let last: Option<LogPosition> = response.last_log_id.as_ref().map(position);
    Response::Voted { vote: VoteRecord::of(&response.vote), granted: response.vote_granted, last }
}

fn refuse_early_votes(replica: &Replica) -> Result<(), String> {
    if replica.may_vote() { Ok(()) } else { Err("the replica has just started and does not vote yet".to_owned()) }
}

/// A replica without a usable state has no log either, votes for nobody, and says so.
fn answer_installing(replica: &Replica, request: &Request) -> Result<Response, String> {
    let RequestBody::Append { previous, .. } = request.body else {
        return Err("the replica is installing a snapshot".to_owned());
    };
    if let Some(vote) = replica.log().summary().map_err(|error| error.to_string())?.vote
        && vote.term > request.vote.term
    {
        return Ok(Response::HigherVote(vote));
    }
    // While a leader sends a snapshot it loses nothing by an error.
    let busy = || "the replica is installing a snapshot".to_owned();
    let mut incoming = replica.incoming.try_lock().map_err(|_| busy())?;
    if incoming.as_ref().is_some_and(|incoming| !incoming.broke_off(request.vote, replica.node.now())) {
        return Err(busy());
    }
    *incoming = None;
    Ok(match previous {
        Some(_) => Response::Conflict,
        None => Response::NeedsSnapshot,
    })
}
