//! Tables of the cluster's own: they are placed, replicated and split as any other, and no client can see or reach them.

use crate::{BillingSpec, KeyAttribute, TableSpec};
use serde::{Deserialize, Serialize};
use stator_item::KeyType;

/// A system table. Its key is a string `h` and a string `r`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum SystemTable {
    /// Code of functions in pieces, by its SHA-256.
    FunctionCode,
    /// Events that functions have still to be invoked with.
    FunctionEvents,
    /// What functions print: groups, streams, and events in batches.
    FunctionLogs,
}

impl SystemTable {
    /// Name of the hash key.
    pub const HASH: &str = "h";
    /// Name of the range key.
    pub const RANGE: &str = "r";
    /// In front of every system table's name. No name that a client may give has a colon.
    const PREFIX: &str = "stator:";

    /// The name that the table's description bears. It names the table nowhere: [`Catalog::table`](crate::Catalog::table) does not know it.
    pub fn name(self) -> &'static str {
        match self {
            SystemTable::FunctionCode => "stator:function-code",
            SystemTable::FunctionEvents => "stator:function-events",
            SystemTable::FunctionLogs => "stator:function-logs",
        }
    }

    /// The attribute with the second in which an item expires, if its items do. It is so from the table's beginning on.
    pub fn expiry_attribute(self) -> Option<&'static str> {
        match self {
            SystemTable::FunctionCode | SystemTable::FunctionEvents => None,
            SystemTable::FunctionLogs => Some("expires"),
        }
    }

    /// Whether a table's name is one that only a system table may have.
    pub fn is_name(name: &str) -> bool {
        name.starts_with(SystemTable::PREFIX)
    }

    pub(crate) fn spec(self) -> TableSpec {
        let mut spec = TableSpec::plain(self.name(), SystemTable::HASH, BillingSpec::OnDemand { throughput: None });
        spec.key.range = Some(KeyAttribute { name: SystemTable::RANGE.to_owned(), key_type: KeyType::String });
        spec
    }
}
