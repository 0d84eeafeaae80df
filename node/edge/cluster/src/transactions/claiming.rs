//! A request token is claimed in a system table, under itself: what was asked for under it is known wherever another request with
//! it begins.
//!
//! A claim is durable before anything of its transaction can happen: it is there before a transaction of one partition is
//! sent, and decided on only with it in hand over several. So of two payloads under one token one gets nowhere. It says
//! nothing of what became of the transaction: that its home does, which counts it once.

use super::coordinator::Coordinator;
use crate::{
    door::{Consistency, Deadline},
    error::ChangeError,
    tables::system_table,
};
use stator_catalog::SystemTable;
use stator_mutants::Mutant;
use stator_partition::{Command, Refusal, transaction::RequestToken};

impl Coordinator {
    /// Claims the request's token, if it has one. An error: nothing may be done under it. `TokenMismatch`: something else was
    /// asked for under it within the last ten minutes.
    pub(super) async fn claim(&self, request: Option<&RequestToken>, deadline: Deadline) -> Result<(), Refusal> {
        let Some(request) = request.filter(|_| !stator_mutants::is(Mutant::ClaimNoTokens)) else { return Ok(()) };
        let table =
            system_table(&*self.tables, SystemTable::RequestTokens, deadline).await.map_err(|error| match error {
                ChangeError::Refused(refusal) => Refusal::Unavailable(refusal.to_string()),
                ChangeError::DeadlinePassed => Refusal::DeadlinePassed,
            })?;
        let put = request.claim(self.environment.clock.wall_ms());
        let token = put.key.token();
        match self.door.submit(table, token, Command::Put(put), Consistency::Strong, deadline).await {
            Ok(_) => Ok(()),
            Err(Refusal::ConditionFailed { .. }) => Err(Refusal::TokenMismatch),
            Err(Refusal::NoSuchTable) => Err(Refusal::Unavailable("request tokens have no table".to_owned())),
            Err(refusal) => Err(refusal),
        }
    }
}
