//! The one way in for commands: routes, forwards to leaders, retries with the same id.

use stator_catalog::{TableDescription, TokenRange};
use stator_environment::BoxFuture;
use stator_item::{TableId, Timestamp, Token};
use stator_partition::{Command, Refusal, Reply};
use std::{sync::Arc, time::Duration};

pub use stator_replica::Consistency;

/// When to give up, on this node's elapsed clock. Between nodes it travels as time left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Deadline(pub Duration);

/// Takes commands of one table to the partitions that hold them.
///
/// Two real users: the cluster's own, and later the accelerator, a Door before this one.
pub trait Door: Send + Sync + 'static {
    /// The table of that name. Before it says that there is none, the catalog's leader was asked.
    fn table<'a>(
        &'a self,
        name: &'a str,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<Option<Arc<TableDescription>>, Refusal>>;

    /// Sends a command to the partition of the token and waits for its reply. Routing errors were retried until the deadline,
    /// under one command id: a write has its effect once or, after `DeadlinePassed`, at most once.
    fn submit(
        &self,
        table: TableId,
        token: Token,
        command: Command,
        consistency: Consistency,
        deadline: Deadline,
    ) -> BoxFuture<'_, Result<Reply, Refusal>>;

    /// The same for a command of a transaction: it bears the transaction's birth, and not one of its own.
    fn submit_born(
        &self,
        table: TableId,
        token: Token,
        command: Command,
        birth: Timestamp,
        deadline: Deadline,
    ) -> BoxFuture<'_, Result<Reply, Refusal>>;

    /// The tokens of the partition that holds `token`: a page that goes on behind it is another command.
    fn partition_tokens(&self, table: TableId, token: Token) -> Option<TokenRange>;
}
