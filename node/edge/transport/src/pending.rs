//! Calls of one link that wait for their answer.
//!
//! Guarantees: every call is settled exactly once: by its answer, by its caller giving up, or by the end of the link.

use bytes::Bytes;
use parking_lot::Mutex;
use stator_proto::link::{Frame, frame::Kind};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::oneshot;

/// Why a call of a link has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// The receiver says no.
    Refused(String),
    /// The link ended.
    Lost(String),
}

/// How a link ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub reason: String,
    /// On the node's elapsed clock.
    pub at: Duration,
    /// For how long both sides had known each other; `None` if it never came so far.
    pub stood: Option<Duration>,
}

/// Why a call was not entered.
pub(crate) enum NotEntered {
    Full,
    Ended(End),
}

type Answer = oneshot::Receiver<Result<Bytes, Failure>>;

#[derive(Default)]
pub(crate) struct Pending(Mutex<State>);

#[derive(Default)]
struct State {
    last: u64,
    calls: BTreeMap<u64, oneshot::Sender<Result<Bytes, Failure>>>,
    end: Option<End>,
}

impl Pending {
    /// Enters a new call and names it.
    pub fn enter(&self, calls_max: usize) -> Result<(u64, Answer), NotEntered> {
        let mut state = self.0.lock();
        if let Some(end) = &state.end {
            return Err(NotEntered::Ended(end.clone()));
        }
        if state.calls.len() >= calls_max {
            return Err(NotEntered::Full);
        }
        state.last += 1;
        let call = state.last;
        let (sender, answer) = oneshot::channel();
        state.calls.insert(call, sender);
        Ok((call, answer))
    }

    /// The caller gives up.
    pub fn give_up(&self, call: u64) {
        self.0.lock().calls.remove(&call);
    }

    /// Hands each answer to its caller. One for a call that was given up is dropped.
    pub fn settle(&self, frames: Vec<Frame>) {
        let mut state = self.0.lock();
        for frame in frames {
            let Some(caller) = state.calls.remove(&frame.call) else { continue };
            let outcome = match frame.kind() {
                Kind::Answer => Ok(frame.body),
                Kind::Refusal => Err(Failure::Refused(String::from_utf8_lossy(&frame.body).into_owned())),
                Kind::Request | Kind::Unspecified => Err(Failure::Refused("an answer of unknown kind".to_owned())),
            };
            // A caller that has just been dropped does not mind.
            let _ = caller.send(outcome);
        }
    }

    /// The link is over: so are all its calls, and there will be no more.
    pub fn end(&self, end: End) {
        let mut state = self.0.lock();
        for caller in std::mem::take(&mut state.calls).into_values() {
            let _ = caller.send(Err(Failure::Lost(end.reason.clone())));
        }
        state.end = Some(end);
    }

    /// How the link ended, if it has.
    pub fn ended(&self) -> Option<End> {
        self.0.lock().end.clone()
    }
}
