//! Commands that wait for their turn. Bounded; they keep their order.

use crate::request::Request;
use stator_environment::Reach;
use stator_partition::{Refusal, Reply};
use tokio::sync::oneshot;

/// A command with the one who waits for its reply.
pub(crate) struct Waiting {
    pub request: Request,
    pub reply_to: oneshot::Sender<Result<Reply, Refusal>>,
    /// [`Reach::Disk`] once its rows were read ahead: should they be gone from memory again, its turn waits for them.
    pub reach: Reach,
}

impl Waiting {
    /// Answers, if anybody still waits.
    pub fn answer(self, reply: Result<Reply, Refusal>) {
        let _ = self.reply_to.send(reply);
    }
}
