//! What triggers need of functions.

use crate::door::Deadline;
use bytes::Bytes;
use stator_environment::BoxFuture;

/// Calls functions. Two real users: the service that runs them, and the simulation's closures.
pub trait Invoke: Send + Sync + 'static {
    /// Calls a function, an ARN that may name a version or alias, and waits for its answer. `hops`: calls in a row, this one included.
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        payload: Bytes,
        hops: u8,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<Invoked, InvokeError>>;
}

/// What a function answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invoked {
    Answered(Bytes),
    /// An error of its own, handled or not, a timeout, a crash; with the error's object.
    Failed {
        error: Bytes,
    },
}

/// Why a function was not called, or nobody knows what came of it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvokeError {
    #[error("the function may not be called as often")]
    Throttled,
    #[error("the function is called in a loop")]
    Looped,
    #[error("there is no such function")]
    NoSuchFunction,
    #[error("the function cannot be called now: {0}")]
    Unavailable(String),
    #[error("the function has not answered in time")]
    DeadlinePassed,
}
