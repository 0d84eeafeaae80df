//! The cluster's Door: token -> partition -> leader, forwarding and retries.
//!
//! Guarantees: all attempts of a command carry one id, so it has its effect once, whichever of them comes through.

use crate::{
    catalog::CatalogClient,
    door::{Consistency, Deadline, Door},
    forward::{Forwarded, forward},
    host::Host,
    metrics::Metrics,
};
use parking_lot::RwLock;
use stator_catalog::{PartitionDescription, TableDescription, TableStatus, TokenRange};
use stator_consensus::Leadership;
use stator_environment::BoxFuture;
use stator_item::{NodeId, PartitionId, TableId, Timestamp, Token};
use stator_mutants::Mutant;
use stator_partition::{Attempt, Command, CommandId, Refusal, Reply};
use stator_replica::Request;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How long the catalog's leader is waited for where an older answer will do.
const REFRESH_MAX: Duration = Duration::from_secs(1);

pub(crate) struct Router {
    pub host: Arc<Host>,
    pub client: Arc<CatalogClient>,
    pub metrics: Arc<Metrics>,
    /// Where partitions were led when last heard of.
    pub leaders: RwLock<BTreeMap<PartitionId, NodeId>>,
}

/// One command with what all its attempts share.
pub(crate) struct Journey {
    id: CommandId,
    birth: Timestamp,
    attempt: Attempt,
    consistency: Consistency,
    deadline: Deadline,
    tries: u32,
}

impl Router {
    fn elapsed(&self) -> Duration {
        self.client.environment.clock.elapsed()
    }

    /// Brings this node's copy up to the catalog's leader, but not for long: an older one will do.
    pub async fn refresh_soon(&self, deadline: Deadline) {
        let deadline = deadline.min(Deadline(self.elapsed() + REFRESH_MAX));
        if let Err(error) = self.client.refresh(deadline).await {
            tracing::debug!(%error, "the catalog is taken as this node knows it");
        }
    }

    /// The partition of a token; before it says that there is none, the catalog's leader was asked.
    async fn partition(
        &self,
        table: TableId,
        token: Token,
        deadline: Deadline,
    ) -> Result<Arc<PartitionDescription>, Refusal> {
        if let Some(partition) = self.client.copy.catalog().routing().partition(table, token) {
            return Ok(partition.clone());
        }
        self.client.refresh(deadline).await.map_err(|_| Refusal::DeadlinePassed)?;
        self.client.copy.catalog().routing().partition(table, token).cloned().ok_or(Refusal::NoSuchTable)
    }

    /// A new command's way; `birth`: that of its transaction.
    pub(crate) fn journey(&self, consistency: Consistency, birth: Option<Timestamp>, deadline: Deadline) -> Journey {
        let environment = &self.client.environment;
        let own = || Timestamp { wall_ms: environment.clock.wall_ms(), counter: 0, node: self.host.node.0 as u32 };
        Journey {
            id: CommandId(environment.random.next_u128()),
            birth: birth.unwrap_or_else(own),
            attempt: Attempt::First,
            consistency,
            deadline,
            tries: 0,
        }
    }

    pub(crate) async fn travel(
        &self,
        table: TableId,
        token: Token,
        command: Command,
        mut journey: Journey,
    ) -> Result<Reply, Refusal> {
        loop {
            let partition = self.partition(table, token, journey.deadline).await?;
            let node = self.choose(&partition, &journey);
            let outcome = self.attempt(&partition, node, &command, &journey).await;
            let Err(refusal) = outcome else {
                self.learn_leader(&journey, partition.id, node);
                return outcome;
            };
            match refusal {
                Refusal::NotLeader { leader } => {
                    self.note_leader(partition.id, leader.filter(|leader| *leader != node))
                }
                Refusal::StaleEpoch { .. } => {
                    self.client.refresh(journey.deadline).await.map_err(|_| Refusal::DeadlinePassed)?;
                }
                Refusal::Unavailable(_) | Refusal::DeadlinePassed => {
                    // It may have come through.
                    journey.attempt = Attempt::Repeated;
                    let own = self.host.replica(partition.id).and_then(|own| own.replica.leadership().leader);
                    self.note_leader(partition.id, own.map(|(_, leader)| leader).filter(|leader| *leader != node));
                }
                // "Nothing was done" would be wrong: an earlier attempt may have come through.
                Refusal::Overloaded | Refusal::Throttled(_) if journey.attempt == Attempt::Repeated => {}
                decided => return Err(decided),
            }
            journey.tries += 1;
            self.metrics.retries.inc();
            self.pause(&journey).await?;
        }
    }

    /// Waits before the next attempt: not after the first hint to another leader, then ever longer.
    async fn pause(&self, journey: &Journey) -> Result<(), Refusal> {
        let settings = &self.host.settings;
        let wait = match journey.tries {
            0 | 1 => Duration::ZERO,
            tries => (settings.retry_least * 2_u32.saturating_pow((tries - 2).min(16))).min(settings.retry_most),
        };
        if self.elapsed() + wait >= journey.deadline.0 {
            return Err(Refusal::DeadlinePassed);
        }
        if !wait.is_zero() {
            self.client.environment.sleep(wait).await;
        }
        Ok(())
    }

    /// A node to ask: the leader if it is known, else one member after the other; for an eventual read first this node.
    fn choose(&self, partition: &PartitionDescription, journey: &Journey) -> NodeId {
        let own = self.host.replica(partition.id);
        if let Some(own) = &own {
            // Where tables are held to their capacity, their leaders count all reads.
            let serves = journey.consistency == Consistency::Eventual
                && journey.tries == 0
                && !self.host.parts.meters.enforces();
            if serves || own.replica.leadership().leads {
                return self.host.node;
            }
            if let Some((_, leader)) = own.replica.leadership().leader
                && journey.tries.is_multiple_of(2)
            {
                return leader;
            }
        }
        if let Some(leader) = self.leaders.read().get(&partition.id) {
            return *leader;
        }
        let others: Vec<NodeId> =
            partition.members.iter().map(|member| member.node).filter(|node| *node != self.host.node).collect();
        match others.len() {
            0 => self.host.node,
            count => others[journey.tries as usize % count],
        }
    }

    async fn attempt(
        &self,
        partition: &PartitionDescription,
        node: NodeId,
        command: &Command,
        journey: &Journey,
    ) -> Result<Reply, Refusal> {
        let left = journey.deadline.0.saturating_sub(self.elapsed());
        if left.is_zero() {
            return Err(Refusal::DeadlinePassed);
        }
        let left = left.min(self.host.settings.attempt_max);
        let request = Request {
            id: if stator_mutants::is(Mutant::NewIdForEachAttempt) {
                CommandId(self.client.environment.random.next_u128())
            } else {
                journey.id
            },
            birth: journey.birth,
            attempt: journey.attempt,
            epoch: partition.epoch,
            deadline: self.elapsed() + left,
            consistency: match stator_mutants::is(Mutant::StrongAsEventual) {
                true => Consistency::Eventual,
                false => journey.consistency,
            },
            command: command.clone(),
        };
        if node == self.host.node {
            return match self.host.replica(partition.id) {
                Some(hosted) => self.host.submit(&hosted, request).await,
                None => Err(Refusal::Unavailable("its replica here is not open yet".to_owned())),
            };
        }
        self.metrics.forwarded.inc();
        let forwarded = Forwarded { partition: partition.id, request };
        tokio::select! {
            biased;
            outcome = forward(&*self.client.network, node, &forwarded, left) => outcome,
            () = self.led_elsewhere(partition.id, node) => {
                Err(Refusal::Unavailable("another node leads by now".to_owned()))
            }
        }
    }

    /// Ends when the replica here, if there is one, hears of a new leader that is not on `node`: whoever waits for an answer from there
    /// would wait in vain, as a node that is cut off answers nothing.
    async fn led_elsewhere(&self, partition: PartitionId, node: NodeId) {
        let own = self.host.replica(partition).filter(|_| !stator_mutants::is(Mutant::WaitForFormerLeader));
        if let Some(own) = own {
            let mut leadership = own.replica.group().leadership();
            let before = leadership.borrow_and_update().leader;
            let is_new = |now: &Leadership| now.leader != before && now.leader.is_some_and(|(_, at)| at != node);
            if leadership.wait_for(is_new).await.is_ok() {
                return;
            }
        }
        std::future::pending().await
    }

    fn learn_leader(&self, journey: &Journey, partition: PartitionId, node: NodeId) {
        if journey.consistency == Consistency::Strong && node != self.host.node {
            let known = self.leaders.read().get(&partition) == Some(&node);
            if !known {
                self.leaders.write().insert(partition, node);
            }
        }
    }

    fn note_leader(&self, partition: PartitionId, leader: Option<NodeId>) {
        let mut leaders = self.leaders.write();
        match leader {
            Some(leader) => leaders.insert(partition, leader),
            None => leaders.remove(&partition),
        };
    }
}

impl Door for Router {
    fn table<'a>(
        &'a self,
        name: &'a str,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<Option<Arc<TableDescription>>, Refusal>> {
        Box::pin(async move {
            let known = self.client.copy.catalog().table(name).cloned();
            match known.as_ref().map(|table| table.status) {
                Some(TableStatus::Active | TableStatus::Updating) => return Ok(known),
                // The copy may not have heard yet that it is there, or gone: both would be refused, and an older copy will not do.
                Some(TableStatus::Creating | TableStatus::Deleting) | None => {
                    self.client.refresh(deadline).await.map_err(|_| Refusal::DeadlinePassed)?;
                }
            }
            Ok(self.client.copy.catalog().table(name).cloned())
        })
    }

    fn submit(
        &self,
        table: TableId,
        token: Token,
        command: Command,
        consistency: Consistency,
        deadline: Deadline,
    ) -> BoxFuture<'_, Result<Reply, Refusal>> {
        let consistency = if command.must_be_strong() { Consistency::Strong } else { consistency };
        let journey = self.journey(consistency, None, deadline);
        Box::pin(async move {
            let asked = match &command {
                Command::Get(_) if consistency == Consistency::Strong => Some(command.clone()),
                _ => None,
            };
            match (self.travel(table, token, command, journey).await, asked) {
                (Ok(Reply::Intended(met)), Some(get)) => self.resolve((table, token, get), met, deadline).await,
                (outcome, _) => outcome,
            }
        })
    }

    fn submit_born(
        &self,
        table: TableId,
        token: Token,
        command: Command,
        birth: Timestamp,
        deadline: Deadline,
    ) -> BoxFuture<'_, Result<Reply, Refusal>> {
        let journey = self.journey(Consistency::Strong, Some(birth), deadline);
        Box::pin(self.travel(table, token, command, journey))
    }

    fn partition_tokens(&self, table: TableId, token: Token) -> Option<TokenRange> {
        self.client.copy.catalog().routing().partition(table, token).map(|partition| partition.tokens)
    }
}
