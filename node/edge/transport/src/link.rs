//! The caller's side of one stream: opened once, and when it ends it is over for good; the next one begins anew.
//!
//! Guarantees: nothing is sent before both sides have proven who they are; a call ends by its deadline at the latest, and
//! at once when the link ends.

use crate::{
    dial::dial,
    hello::Caller,
    lane::{CONNECT_MAX, Lane},
    network::{Local, Message},
    pending::{End, Failure, NotEntered, Pending},
    queue::{Batches, NotQueued, Queue, QueueBounds, Waiting, queue},
};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future, stream};
use prometheus_client::metrics::gauge::Gauge;
use stator_environment::NetworkError;
use stator_item::NodeId;
use stator_proto::link::{Batch, Frame, frame::Kind, link_client::LinkClient};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming};

/// Copying it costs less than the least buffer that it would keep.
const SMALL_BODY_BYTES: usize = 4 << 10;

pub(crate) struct Link {
    queue: Queue,
    pending: Arc<Pending>,
    stop: CancellationToken,
}

impl Link {
    /// Begins to open a link. Calls may be made at once: they wait until it stands.
    pub fn start(local: &Arc<Local>, to: NodeId, address: &str, lane: Lane) -> Link {
        let limits = &local.limits;
        let bounds = QueueBounds {
            frames_max: limits.calls_max,
            bytes_max: limits.queue_bytes_max,
            batch_bytes_max: limits.batch_bytes_max,
        };
        let clock = local.environment.clock.clone();
        let (queue, batches) = queue(bounds, clock, local.metrics.lane(lane).clone());
        let pending = Arc::new(Pending::default());
        let stop = local.stop.child_token();
        let run = Run {
            local: local.clone(),
            to,
            lane,
            address: address.to_owned(),
            pending: pending.clone(),
            stop: stop.clone(),
        };
        local.environment.tasks.spawn("link", Box::pin(run.run(batches)));
        Link { queue, pending, stop }
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<End> {
        self.pending.ended()
    }

    /// Ends it: all its calls fail.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Sends a message and waits for the answer.
    pub async fn call(&self, local: &Local, message: Message) -> Result<Bytes, NetworkError> {
        let Message { to, service, body, deadline } = message;
        let metrics = local.metrics.lane(Lane::of(service));
        let begun = local.environment.clock.elapsed();
        let (call, answer) = match self.pending.enter(local.limits.calls_max) {
            Ok(entered) => entered,
            Err(NotEntered::Ended(end)) => return Err(NetworkError::Unreachable(to, end.reason)),
            Err(NotEntered::Full) => {
                metrics.overloads.inc();
                return Err(NetworkError::Overloaded(to));
            }
        };
        metrics.calls.inc();
        let mut entry = Entry { pending: &self.pending, calls: &metrics.calls, call, settled: false };
        // The time that is left is filled in when the frame is sent.
        let frame = Frame { call, kind: Kind::Request as i32, service: service as u32, deadline_ms: 0, body };
        let queued = self.queue.try_push(Waiting { frame, due: Some(begun + deadline) });
        // A queue is closed just before its calls are told the reason: that answer is worth the wait.
        match queued {
            Err(NotQueued::Full) => {
                metrics.overloads.inc();
                Err(NetworkError::Overloaded(to))
            }
            Ok(()) | Err(NotQueued::Closed) => match local.environment.timeout(deadline, answer).await {
                Some(settled) => {
                    entry.settled = true;
                    metrics.call_seconds.observe((local.environment.clock.elapsed() - begun).as_secs_f64());
                    match settled {
                        Ok(Ok(body)) => Ok(body),
                        Ok(Err(Failure::Refused(reason))) => Err(NetworkError::Refused(to, reason)),
                        Ok(Err(Failure::Lost(reason))) => Err(NetworkError::Unreachable(to, reason)),
                        Err(_) => Err(NetworkError::Unreachable(to, "the link was dropped".to_owned())),
                    }
                }
                None => {
                    metrics.timeouts.inc();
                    Err(NetworkError::TimedOut(to))
                }
            },
        }
    }
}

/// A call in the list of those that wait. Leaves it when the caller stops waiting, for whatever reason.
struct Entry<'a> {
    pending: &'a Pending,
    calls: &'a Gauge,
    call: u64,
    settled: bool,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.calls.dec();
        if !self.settled {
            self.pending.give_up(self.call);
        }
    }
}

/// The task of a link.
struct Run {
    local: Arc<Local>,
    to: NodeId,
    lane: Lane,
    address: String,
    pending: Arc<Pending>,
    stop: CancellationToken,
}

impl Run {
    async fn run(self, batches: Batches) {
        let clock = self.local.environment.clock.clone();
        let opened = tokio::select! {
            biased;
            () = self.stop.cancelled() => Err("the link was given up".to_owned()),
            opened = self.local.environment.timeout(CONNECT_MAX, self.open(batches)) =>
                opened.unwrap_or_else(|| Err("no connection in time".to_owned())),
        };
        let (reason, stood) = match opened {
            Ok((incoming, trusted)) => {
                let since = clock.elapsed();
                self.local.metrics.lane(self.lane).connects.inc();
                tracing::debug!(node = %self.to, lane = self.lane.name(), "connected");
                let reason = self.receive(incoming, trusted).await;
                (reason, Some(clock.elapsed() - since))
            }
            Err(reason) => (reason, None),
        };
        self.local.metrics.lane(self.lane).disconnects.inc();
        tracing::debug!(node = %self.to, lane = self.lane.name(), reason, "link ended");
        self.pending.end(End { reason, at: clock.elapsed(), stood });
    }

    /// Connects, lets both sides prove themselves, and begins to send.
    async fn open(&self, batches: Batches) -> Result<(Streaming<Batch>, CancellationToken), String> {
        let demand = self.local.demand(self.to)?;
        let channel = dial(demand, &self.address).await.map_err(|error| chain(&error))?;
        let hello = self.local.introduction().hello(self.to, self.lane);
        let (open_gate, gate) = oneshot::channel::<Batches>();
        let hello = Batch { hello: Some(hello), frames: Vec::new() };
        let behind_gate = gate.map(|batches| stream::iter(batches.ok()).flatten()).flatten_stream();
        let outgoing = stream::once(future::ready(hello)).chain(behind_gate);

        let mut client = LinkClient::new(channel).max_decoding_message_size(self.local.limits.message_bytes_max());
        let mut incoming = client.open(outgoing).await.map_err(|status| self.refused(status))?.into_inner();
        let first = incoming.message().await.map_err(|status| self.refused(status))?;
        let theirs = first.and_then(|batch| batch.hello).ok_or("the node did not say who it is")?;
        if theirs.node_id != self.to.0 {
            return Err(format!("node {} answers at {}", theirs.node_id, self.address));
        }
        let trusted = self.local.trust(&theirs, &Caller::Known).map_err(|mistrust| mistrust.to_string())?;
        open_gate.send(batches).map_err(|_| "the stream ended while it was opened".to_owned())?;
        Ok((incoming, trusted))
    }

    /// Hands answers to their callers until the link ends; returns the reason.
    async fn receive(&self, mut incoming: Streaming<Batch>, trusted: CancellationToken) -> String {
        let metrics = self.local.metrics.lane(self.lane);
        loop {
            let received = tokio::select! {
                biased;
                () = self.stop.cancelled() => return "the link was given up".to_owned(),
                () = trusted.cancelled() => return "a newer process of the node was heard, or it was removed".to_owned(),
                received = incoming.message() => received,
            };
            match received {
                Ok(Some(mut batch)) => {
                    let bytes = own_bodies(&mut batch.frames);
                    metrics.received_bytes.inc_by(bytes as u64);
                    metrics.received_frames.inc_by(batch.frames.len() as u64);
                    self.pending.settle(batch.frames);
                }
                Ok(None) => return "the node ended the link".to_owned(),
                Err(status) => return self.refused(status),
            }
        }
    }

    /// Why the other side said no, in words. Takes notice if it is this node that should not run.
    fn refused(&self, status: Status) -> String {
        if matches!(status.code(), Code::AlreadyExists | Code::NotFound) {
            self.local.outcast.send_replace(Some(status.message().to_owned()));
        }
        chain(&status)
    }
}

/// Bodies that are small, or small in a large batch, are copied out of the buffer in which they came, or one that is kept
/// would keep all of it. Returns the bodies' bytes.
pub(crate) fn own_bodies(frames: &mut [Frame]) -> usize {
    let bytes: usize = frames.iter().map(|frame| frame.body.len()).sum();
    for frame in frames {
        if frame.body.len() < (bytes / 4).max(SMALL_BODY_BYTES) {
            frame.body = Bytes::copy_from_slice(&frame.body);
        }
    }
    bytes
}

/// An error with its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = match error.downcast_ref::<Status>() {
        Some(status) => status.message().to_owned(),
        None => error.to_string(),
    };
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
