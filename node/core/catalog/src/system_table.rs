//! Tables of the cluster's own: they are placed, replicated and split as any other, and no client can see or reach them.

use crate::{BillingSpec, KeyAttribute, TableSpec};
use serde::{Deserialize, Serialize};
use stator_item::KeyType;

/// A system table. Its hash key is a string `h`; most have a string `r` as their range key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum SystemTable {
    /// Code of functions in pieces, by its SHA-256.
    FunctionCode,
    /// Events that functions have still to be invoked with.
    FunctionEvents,
    /// `ClientRequestToken`s of transactions: what was asked for under each. No range key.
    RequestTokens,
    /// What functions print: groups, streams, and events in batches.
    FunctionLogs,
}

impl SystemTable {
    /// Name of the hash key.
    pub const HASH: &str = "h";
    /// Name of the range key.
    pub const RANGE: &str = "r";
    /// The attribute by which items expire, in a table whose items do.
    pub const EXPIRES: &str = "e";
    /// In front of every system table's name. No name that a client may give has a colon.
    const PREFIX: &str = "stator:";

    /// The name that the table's description bears. It names the table nowhere: [`Catalog::table`](crate::Catalog::table) does not know it.
    pub fn name(self) -> &'static str {
        match self {
            SystemTable::FunctionCode => "stator:function-code",
            SystemTable::FunctionEvents => "stator:function-events",
            SystemTable::RequestTokens => "stator:request-tokens",
            SystemTable::FunctionLogs => "stator:function-logs",
        }
    }

    /// Whether a table's name is one that only a system table may have.
    pub fn is_name(name: &str) -> bool {
        name.starts_with(SystemTable::PREFIX)
    }

    pub(crate) fn spec(self) -> TableSpec {
        let mut spec = TableSpec::plain(self.name(), SystemTable::HASH, BillingSpec::OnDemand { throughput: None });
        if self.has_range() {
            spec.key.range = Some(KeyAttribute { name: SystemTable::RANGE.to_owned(), key_type: KeyType::String });
        }
        spec
    }

    fn has_range(self) -> bool {
        match self {
            SystemTable::FunctionCode | SystemTable::FunctionEvents | SystemTable::FunctionLogs => true,
            SystemTable::RequestTokens => false,
        }
    }

    /// Whether its items expire by [`SystemTable::EXPIRES`], from the table's beginning on.
    pub(crate) fn expires(self) -> bool {
        match self {
            SystemTable::FunctionCode | SystemTable::FunctionEvents => false,
            SystemTable::RequestTokens | SystemTable::FunctionLogs => true,
        }
    }
}
