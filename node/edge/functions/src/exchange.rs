//! The meeting point of the runner and one instance: an event goes in, an answer comes out.
//!
//! Invariant: at most one event is in an instance at a time, and each offered event gets exactly one [`Answer`].

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

/// How the function's first process came to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
    /// The program could not be begun.
    NotStarted(String),
}

/// An event as the function is given it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub request_id: String,
    pub payload: Bytes,
    /// Milliseconds since 1970.
    pub deadline_ms: u64,
    pub function_arn: String,
    pub trace_id: String,
    pub client_context: Option<String>,
}

/// What became of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Response(Bytes),
    /// The error object that the function posted.
    Error(Bytes),
    /// The response had more bytes than may be.
    TooLarge,
    /// The instance ended while it had the event.
    Ended(Exit),
    /// The instance ended before it took the event: another one may have it.
    NotTaken,
}

/// How an instance's start ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Started {
    /// It asks for its first event.
    Ready,
    /// The error object that it posted.
    InitError(Bytes),
    Ended(Exit),
}

/// Why the Runtime API refuses a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// No event with this id was given to this instance.
    UnknownRequest,
    /// The event has had its answer, or the instance is past its start.
    InvalidState,
}

enum Turn {
    Free,
    Offered { event: Event, answer: oneshot::Sender<Answer> },
    Taken { request_id: String, answer: oneshot::Sender<Answer> },
}

struct State {
    turn: Turn,
    /// The event answered last.
    answered: Option<String>,
    starting: Option<oneshot::Sender<Started>>,
    ended: Option<Exit>,
}

pub(crate) struct Exchange {
    state: Mutex<State>,
    offered: Notify,
}

impl Exchange {
    /// An exchange, and what tells how the start of its instance ends.
    pub fn new() -> (Exchange, oneshot::Receiver<Started>) {
        let (starting, started) = oneshot::channel();
        let state = State { turn: Turn::Free, answered: None, starting: Some(starting), ended: None };
        (Exchange { state: Mutex::new(state), offered: Notify::new() }, started)
    }

    /// Gives an event to the instance. The previous one must have been answered.
    pub fn offer(&self, event: Event) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.state.lock();
        if state.ended.is_some() {
            // Nobody can have closed the channel yet.
            let _ = answer.send(Answer::NotTaken);
            return answered;
        }
        debug_assert!(matches!(state.turn, Turn::Free), "an instance takes one event at a time");
        state.turn = Turn::Offered { event, answer };
        drop(state);
        self.offered.notify_one();
        answered
    }

    /// The instance asks for an event; `None` if it is being ended.
    pub async fn next(&self) -> Option<Event> {
        loop {
            {
                let mut state = self.state.lock();
                if let Some(starting) = state.starting.take() {
                    // Nobody waits if the start took too long; then the instance is about to be ended.
                    let _ = starting.send(Started::Ready);
                }
                if state.ended.is_some() {
                    return None;
                }
                match std::mem::replace(&mut state.turn, Turn::Free) {
                    Turn::Offered { event, answer } => {
                        state.turn = Turn::Taken { request_id: event.request_id.clone(), answer };
                        return Some(event);
                    }
                    other => state.turn = other,
                }
            }
            self.offered.notified().await;
        }
    }

    /// Whether an answer to this event would be taken.
    pub fn expects(&self, request_id: &str) -> Result<(), Refusal> {
        let state = self.state.lock();
        match &state.turn {
            Turn::Taken { request_id: current, .. } if current == request_id => Ok(()),
            _ if state.answered.as_deref() == Some(request_id) => Err(Refusal::InvalidState),
            _ => Err(Refusal::UnknownRequest),
        }
    }

    /// The instance answers an event.
    pub fn answer(&self, request_id: &str, with: Answer) -> Result<(), Refusal> {
        self.expects(request_id)?;
        let mut state = self.state.lock();
        match std::mem::replace(&mut state.turn, Turn::Free) {
            Turn::Taken { request_id: current, answer } if current == request_id => {
                state.answered = Some(current);
                // Whoever asked may have given up.
                let _ = answer.send(with);
                Ok(())
            }
            other => {
                state.turn = other;
                Err(Refusal::InvalidState)
            }
        }
    }

    /// The instance says that it cannot start.
    pub fn init_error(&self, error: Bytes) -> Result<(), Refusal> {
        match self.state.lock().starting.take() {
            Some(starting) => {
                let _ = starting.send(Started::InitError(error));
                Ok(())
            }
            None => Err(Refusal::InvalidState),
        }
    }

    /// The instance has ended.
    pub fn end(&self, exit: Exit) {
        let mut state = self.state.lock();
        if let Some(starting) = state.starting.take() {
            let _ = starting.send(Started::Ended(exit.clone()));
        }
        match std::mem::replace(&mut state.turn, Turn::Free) {
            Turn::Free => {}
            Turn::Offered { answer, .. } => drop(answer.send(Answer::NotTaken)),
            Turn::Taken { answer, .. } => drop(answer.send(Answer::Ended(exit.clone()))),
        }
        state.ended.get_or_insert(exit);
        drop(state);
        self.offered.notify_waiters();
        self.offered.notify_one();
    }

    pub fn has_ended(&self) -> bool {
        self.state.lock().ended.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str) -> Event {
        Event {
            request_id: id.to_owned(),
            payload: Bytes::from_static(b"{}"),
            deadline_ms: 0,
            function_arn: String::new(),
            trace_id: String::new(),
            client_context: None,
        }
    }

    #[tokio::test]
    async fn an_event_is_answered_once() {
        let (exchange, started) = Exchange::new();
        let answered = exchange.offer(event("a"));
        assert_eq!(exchange.answer("a", Answer::TooLarge), Err(Refusal::UnknownRequest), "not taken yet");
        assert_eq!(exchange.next().await.unwrap().request_id, "a");
        assert_eq!(started.await, Ok(Started::Ready));
        assert_eq!(exchange.answer("b", Answer::TooLarge), Err(Refusal::UnknownRequest));
        assert_eq!(exchange.answer("a", Answer::Response(Bytes::new())), Ok(()));
        assert_eq!(answered.await, Ok(Answer::Response(Bytes::new())));
        assert_eq!(exchange.answer("a", Answer::Response(Bytes::new())), Err(Refusal::InvalidState));
        assert_eq!(exchange.init_error(Bytes::new()), Err(Refusal::InvalidState), "it has started");
    }

    #[tokio::test]
    async fn an_end_answers_what_is_open() {
        let (exchange, started) = Exchange::new();
        exchange.end(Exit::Code(1));
        assert_eq!(started.await, Ok(Started::Ended(Exit::Code(1))));
        assert_eq!(exchange.offer(event("a")).await, Ok(Answer::NotTaken));
        assert!(exchange.next().await.is_none());

        let (exchange, _started) = Exchange::new();
        let offered = exchange.offer(event("a"));
        exchange.end(Exit::Code(0));
        assert_eq!(offered.await, Ok(Answer::NotTaken), "nobody saw the event");

        let (exchange, _started) = Exchange::new();
        let taken = exchange.offer(event("a"));
        exchange.next().await.unwrap();
        exchange.end(Exit::Signal(9));
        assert_eq!(taken.await, Ok(Answer::Ended(Exit::Signal(9))));
    }
}
