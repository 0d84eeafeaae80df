//! The answering side of a stream: hears who calls, hands each message to its handler, sends the answers back.
//!
//! Guarantees: nothing of a node that has not proven itself reaches a handler; a message whose deadline has passed is not
//! begun; at most `handlers_max` handlers work for one link, and further messages wait at the caller. A handler that has
//! begun runs to its end, whatever becomes of the link.

use crate::{
    hello::{Caller, Mistrust},
    lane::{CONNECT_MAX, Lane, service_numbered},
    link::own_bodies,
    network::Local,
    queue::{Queue, QueueBounds, queue},
};
use bytes::Bytes;
use futures::{Stream, StreamExt, future, stream};
use stator_item::NodeId;
use stator_proto::link::{Batch, Frame, frame::Kind, link_server};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// The gRPC service.
pub(crate) struct Answerer {
    pub local: Arc<Local>,
}

#[tonic::async_trait]
impl link_server::Link for Answerer {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<Batch, Status>> + Send>>;

    async fn open(&self, request: Request<Streaming<Batch>>) -> Result<Response<Self::OpenStream>, Status> {
        let local = &self.local;
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or(Caller::Stranger);
        if let Caller::Stranger = caller {
            // Before anything is read.
            local.metrics.refused_peers.inc();
            return Err(Status::permission_denied("only a node with a certificate of the cluster is served"));
        }
        let mut incoming = request.into_inner();
        let first = local.environment.timeout(CONNECT_MAX, incoming.message()).await;
        let first = first.ok_or_else(|| Status::deadline_exceeded("no hello in time"))??;
        let hello = first.and_then(|batch| batch.hello);
        let hello = hello.ok_or_else(|| Status::failed_precondition("the first message is no hello"))?;
        let lane = Lane::numbered(hello.lane).ok_or_else(|| Status::failed_precondition("no such lane"))?;
        let trusted = local.trust(&hello, &caller).map_err(|mistrust| self.refuse(&hello.cluster_id, mistrust))?;

        let from = NodeId(hello.node_id);
        let handlers_max = local.limits.handlers_max_of(lane);
        let bounds = QueueBounds {
            frames_max: handlers_max,
            bytes_max: usize::MAX,
            batch_bytes_max: local.limits.batch_bytes_max,
        };
        let clock = local.environment.clock.clone();
        let (answers, batches) = queue(bounds, clock, local.metrics.lane(lane).clone());
        let room = Arc::new(Semaphore::new(handlers_max));
        let receive = Receive { local: local.clone(), from, lane, answers, room, trusted };
        local.environment.tasks.spawn("answer link", Box::pin(receive.run(incoming)));

        let own = local.introduction().hello(from, lane);
        let own = Batch { hello: Some(own), frames: Vec::new() };
        Ok(Response::new(Box::pin(stream::once(future::ready(own)).chain(batches).map(Ok))))
    }
}

impl Answerer {
    /// The codes for [`Mistrust::Stale`] and [`Mistrust::Removed`] tell the caller that it should not run at all.
    fn refuse(&self, cluster: &str, mistrust: Mistrust) -> Status {
        self.local.metrics.refused_peers.inc();
        tracing::warn!(cluster, "a node was refused: {mistrust}");
        let text = mistrust.to_string();
        match mistrust {
            Mistrust::Stranger(_) => Status::permission_denied(text),
            Mistrust::Misdirected(_) => Status::failed_precondition(text),
            Mistrust::Stale(..) => Status::already_exists(text),
            Mistrust::Removed(_) => Status::not_found(text),
        }
    }
}

/// The task that reads one link's messages.
struct Receive {
    local: Arc<Local>,
    from: NodeId,
    lane: Lane,
    answers: Queue,
    room: Arc<Semaphore>,
    trusted: CancellationToken,
}

impl Receive {
    async fn run(self, mut incoming: Streaming<Batch>) {
        let over = || async {
            tokio::select! {
                biased;
                () = self.trusted.cancelled() => {}
                () = self.local.stop.cancelled() => {}
            }
        };
        let metrics = self.local.metrics.lane(self.lane);
        loop {
            let received = tokio::select! {
                biased;
                () = over() => return,
                received = incoming.message() => received,
            };
            // However the caller ended the link: what it has sent is answered, into nowhere if need be.
            let Ok(Some(mut batch)) = received else { return };
            let arrived = self.local.environment.clock.elapsed();
            let bytes = own_bodies(&mut batch.frames);
            metrics.received_bytes.inc_by(bytes as u64);
            metrics.received_frames.inc_by(batch.frames.len() as u64);
            for frame in batch.frames {
                let permit = tokio::select! {
                    biased;
                    () = over() => return,
                    permit = self.room.clone().acquire_owned() => permit.expect("the semaphore is never closed"),
                };
                self.begin(frame, arrived, permit);
            }
        }
    }

    /// Starts the task of one message.
    fn begin(&self, frame: Frame, arrived: Duration, permit: OwnedSemaphorePermit) {
        let (local, answers, from) = (self.local.clone(), self.answers.clone(), self.from);
        let work = async move {
            let call = frame.call;
            // Who waited too long for its turn is no longer waited for.
            if local.environment.clock.elapsed() < arrived.saturating_add(Duration::from_millis(frame.deadline_ms)) {
                let answer = answer(&local, from, frame).await;
                answers.push(envelope(call, answer)).await;
            }
            drop(permit);
        };
        self.local.environment.tasks.spawn("answer", Box::pin(work));
    }
}

async fn answer(local: &Local, from: NodeId, frame: Frame) -> Result<Bytes, String> {
    if frame.kind() != Kind::Request {
        return Err("not a request".to_owned());
    }
    let service = service_numbered(frame.service).ok_or_else(|| format!("service {} is unknown", frame.service))?;
    let handler = local.handler(service).ok_or_else(|| format!("nothing answers {service:?} here yet"))?;
    let answer = handler.handle(from, frame.body).await?;
    let bytes_max = local.limits.body_bytes_max;
    if answer.len() > bytes_max {
        return Err(format!("the answer has {} bytes, more than {bytes_max}", answer.len()));
    }
    Ok(answer)
}

fn envelope(call: u64, answer: Result<Bytes, String>) -> Frame {
    let (kind, body) = match answer {
        Ok(body) => (Kind::Answer, body),
        Err(reason) => (Kind::Refusal, Bytes::from(reason)),
    };
    Frame { call, kind: kind as i32, service: 0, deadline_ms: 0, body }
}
