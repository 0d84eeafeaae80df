//! Heartbeats of all groups to one node travel together.
//!
//! A heartbeat goes at once if none went to that node just before; else it waits a moment for others. So few groups pay nothing for it,
//! and thousands of awake groups send each other node a bounded number of messages a second. A lease does not care: it counts from
//! when openraft made the heartbeat.

use crate::node::Node;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use stator_environment::{NetworkError, Service};
use stator_item::NodeId;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::oneshot;

/// At least so long between two messages of heartbeats to one node.
const GATHER: Duration = Duration::from_millis(5);

/// Heartbeats in one message.
const TOGETHER_MAX: usize = 1_024;

/// Heartbeats that wait for one node. More than all groups of a node send in [`GATHER`].
const WAITING_MAX: usize = 65_536;

type Answer = Result<Bytes, NetworkError>;

struct Heartbeat {
    message: Bytes,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Lane {
    waiting: Vec<Heartbeat>,
    next_at: Duration,
    /// Whether a task empties it.
    moving: bool,
}

/// What waits for each node.
#[derive(Default)]
pub(crate) struct Lanes(Mutex<BTreeMap<NodeId, Lane>>);

/// Sends a heartbeat, alone or with others.
pub(crate) async fn send(node: &Arc<Node>, to: NodeId, message: Bytes) -> Answer {
    let (answer, receiver) = oneshot::channel();
    {
        let mut lanes = node.heartbeats.0.lock();
        let lane = lanes.entry(to).or_default();
        if lane.waiting.len() >= WAITING_MAX {
            return Err(NetworkError::Overloaded(to));
        }
        lane.waiting.push(Heartbeat { message, answer });
        if !std::mem::replace(&mut lane.moving, true) {
            node.spawn("raft heartbeats", empty(Arc::downgrade(node), to));
        }
    }
    let closed = || NetworkError::Unreachable(to, "this node is closing".to_owned());
    receiver.await.unwrap_or_else(|_| Err(closed()))
}

/// Sends what waits for a node until nothing does.
async fn empty(node: Weak<Node>, to: NodeId) {
    while let Some(node) = node.upgrade() {
        let wait = {
            let mut lanes = node.heartbeats.0.lock();
            let lane = lanes.entry(to).or_default();
            let now = node.now();
            if lane.waiting.is_empty() {
                lane.moving = false;
                return;
            }
            if now >= lane.next_at {
                lane.next_at = now + GATHER;
                let count = lane.waiting.len().min(TOGETHER_MAX);
                let together = lane.waiting.drain(..count).collect();
                let sender = node.clone();
                node.spawn("raft heartbeats", async move { deliver(&sender, to, together).await });
            }
            lane.next_at - now
        };
        node.environment.sleep(wait).await;
    }
}

async fn deliver(node: &Node, to: NodeId, together: Vec<Heartbeat>) {
    let messages: Vec<Bytes> = together.iter().map(|heartbeat| heartbeat.message.clone()).collect();
    let deadline = Duration::from_millis(node.settings.heartbeat_ms);
    let answers = match node.call(to, Service::Raft, join(&messages), deadline).await {
        Ok(body) => split(body)
            .filter(|answers| answers.len() == together.len())
            .ok_or_else(|| NetworkError::Refused(to, "the answers do not fit the heartbeats".to_owned())),
        Err(error) => Err(error),
    };
    match answers {
        Ok(answers) => {
            for (heartbeat, answer) in together.into_iter().zip(answers) {
                let none = || NetworkError::Refused(to, "the replica did not answer".to_owned());
                // Whoever waited may have given up.
                _ = heartbeat.answer.send(if answer.is_empty() { Err(none()) } else { Ok(answer) });
            }
        }
        Err(error) => together.into_iter().for_each(|heartbeat| _ = heartbeat.answer.send(Err(error.clone()))),
    }
}

/// Stands where other messages have their version.
const TOGETHER: u8 = 0x81;

/// Several messages, or their answers, in one. An empty one stands for no answer.
pub(crate) fn join(messages: &[Bytes]) -> Bytes {
    let mut joined = BytesMut::with_capacity(1 + messages.iter().map(|message| 4 + message.len()).sum::<usize>());
    joined.put_u8(TOGETHER);
    for message in messages {
        // Heartbeats are some dozens of bytes.
        joined.put_u32_le(message.len() as u32);
        joined.put_slice(message);
    }
    joined.freeze()
}

/// The messages in one, or `None` if it is a single message or none at all.
pub(crate) fn split(mut joined: Bytes) -> Option<Vec<Bytes>> {
    if joined.try_get_u8() != Ok(TOGETHER) {
        return None;
    }
    let mut messages = Vec::new();
    while !joined.is_empty() {
        let bytes = joined.try_get_u32_le().ok()? as usize;
        if bytes > joined.len() || messages.len() == TOGETHER_MAX {
            return None;
        }
        messages.push(joined.split_to(bytes));
    }
    Some(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_apart_as_they_were_joined() {
        let messages = vec![Bytes::from_static(b"one"), Bytes::new(), Bytes::from_static(b"three")];
        let joined = join(&messages);
        assert_eq!(split(joined.clone()), Some(messages));
        assert_eq!(split(joined.slice(..joined.len() - 1)), None);
        assert_eq!(split(Bytes::from_static(b"\x01single")), None);
        assert_eq!(split(Bytes::new()), None);
    }
}
