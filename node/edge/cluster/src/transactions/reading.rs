//! A strong read of one item that met an intent. It waits for nobody: the decision is there, or not yet.

use crate::{
    door::{Consistency, Deadline},
    router::Router,
};
use stator_item::{TableId, Token};
use stator_mutants::Mutant;
use stator_partition::{
    Command, Refusal, Reply,
    transaction::{Decision, Intended},
};

impl Router {
    /// The item as the decision has it: the new one of a commit, else the old one if the intent still stands. If it does not, a
    /// commit may have been finished and forgotten before the decision was asked for, and the item is read anew.
    pub(crate) async fn resolve(
        &self,
        (table, token, get): (TableId, Token, Command),
        met: Box<Intended>,
        deadline: Deadline,
    ) -> Result<Reply, Refusal> {
        let mut met = met;
        loop {
            let Intended { transaction, home, .. } = *met;
            if stator_mutants::is(Mutant::ReadOldWithoutDecision) {
                return Ok(Reply::Got(met.old));
            }
            match self.ask(home.table, home.token, Command::Decision { transaction }, deadline).await {
                Ok(Reply::Decided(Decision::Committed(_))) => return Ok(Reply::Got(met.new)),
                // A table goes only when all commits that were decided in it are finished.
                Ok(Reply::Decided(Decision::Aborted) | Reply::Undecided) | Err(Refusal::NoSuchTable) => {}
                Ok(_) => {
                    return Err(Refusal::Unavailable("a decision was asked for and something answered".to_owned()));
                }
                Err(refusal) => return Err(refusal),
            }
            if stator_mutants::is(Mutant::ReadOldWithoutLookingAgain) {
                return Ok(Reply::Got(met.old));
            }
            match self.ask(table, token, get.clone(), deadline).await? {
                Reply::Intended(again) if again.transaction == transaction => return Ok(Reply::Got(again.old)),
                Reply::Intended(again) => met = again,
                reply => return Ok(reply),
            }
        }
    }

    async fn ask(&self, table: TableId, token: Token, command: Command, deadline: Deadline) -> Result<Reply, Refusal> {
        let journey = self.journey(Consistency::Strong, None, deadline);
        self.travel(table, token, command, journey).await
    }
}
