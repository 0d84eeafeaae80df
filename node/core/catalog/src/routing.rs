//! Token -> partition.

use crate::partition::PartitionDescription;
use stator_item::{PartitionId, TableId, Token};
use std::{collections::BTreeMap, sync::Arc};

/// The partitions of all tables in token order. Guarantees: what it answers for a token contains that token.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Routing {
    by_token: BTreeMap<(TableId, Token), Arc<PartitionDescription>>,
}

impl Routing {
    /// The catalog's own group holds no table's tokens and is left out.
    pub(crate) fn of<'a>(partitions: impl Iterator<Item = &'a Arc<PartitionDescription>>) -> Routing {
        let mut routing = Routing::default();
        partitions.for_each(|partition| routing.put(partition));
        routing
    }

    pub(crate) fn put(&mut self, partition: &Arc<PartitionDescription>) {
        if partition.id != PartitionId::CATALOG {
            self.by_token.insert((partition.table, partition.tokens.first), partition.clone());
        }
    }

    pub(crate) fn remove(&mut self, partition: &PartitionDescription) {
        self.by_token.remove(&(partition.table, partition.tokens.first));
    }

    /// The partition that holds the token; `None`: there is no such table.
    pub fn partition(&self, table: TableId, token: Token) -> Option<&Arc<PartitionDescription>> {
        let (_, partition) = self.by_token.range((table, Token::MIN)..=(table, token)).next_back()?;
        partition.tokens.contains(token).then_some(partition)
    }

    /// A table's partitions in token order.
    pub fn partitions(&self, table: TableId) -> impl DoubleEndedIterator<Item = &Arc<PartitionDescription>> {
        self.by_token.range((table, Token::MIN)..=(table, Token::MAX)).map(|(_, partition)| partition)
    }
}
