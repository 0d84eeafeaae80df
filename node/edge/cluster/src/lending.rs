//! Adaptive capacity between nodes: a pool that has run dry asks the nodes that lead other partitions of the table for what
//! these leave.
//!
//! What is lent leaves the lender's pool before it is sent and enters the borrower's once: so no loss, delay or repetition of
//! messages lets the nodes together pass more than the table has. A lender keeps what it earns in a second, for its own
//! partitions to wake up with.

use crate::{
    catalog::{Answer, Message, decode, encode},
    router::Router,
};
use futures::future::join_all;
use stator_environment::Service;
use stator_item::NodeId;
use stator_partition::throttle::Loan;
use stator_replica::Wanting;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Between two rounds of questions: what is wanted meanwhile, waits.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How long one question may take. An answer after that is lost, and what it lends with it.
const ASK_MAX: Duration = Duration::from_millis(500);
/// Pools that are asked for in one round.
const POOLS_MAX: usize = 64;

pub(crate) struct Lending {
    pub router: Arc<Router>,
}

impl Lending {
    /// Runs for as long as the node does; sleeps while nothing is refused.
    pub async fn run(self: Arc<Lending>) {
        let meters = &self.router.host.parts.meters;
        let mut refused = meters.refused();
        while refused.changed().await.is_ok() {
            let wanting = meters.take_wanting(POOLS_MAX);
            join_all(wanting.into_iter().map(|wanting| self.borrow(wanting))).await;
            self.router.client.environment.sleep(ASK_EVERY).await;
        }
    }

    async fn borrow(&self, Wanting { rows, pool, wanted }: Wanting) {
        let client = &self.router.client;
        let catalog = client.copy.catalog();
        let others: BTreeSet<NodeId> = catalog
            .routing()
            .partitions(rows)
            .flat_map(|partition| partition.members.iter().map(|member| member.node))
            .filter(|node| *node != client.node)
            .collect();
        let mut wanted = wanted;
        for node in others {
            if wanted.is_empty() {
                return;
            }
            let question = encode(&Message::Lend { rows, pool, wanted });
            let reply = client.network.call(node, Service::Catalog, question, ASK_MAX).await;
            if let Some(Answer::Lent(loan)) = reply.ok().and_then(|bytes| decode::<Answer>(&bytes)) {
                self.router.host.parts.meters.borrow(rows, pool, loan);
                wanted = Loan::rest(wanted, loan);
            }
        }
    }
}
