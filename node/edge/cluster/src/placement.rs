//! Replicas and leaders move: the catalog's leader thinks (in `stator_catalog::placement`) and has it carried out.

use crate::{
    catalog::{Answer, Message, Report, decode, encode},
    door::Deadline,
    heartbeat::Heartbeats,
    members::change_members,
    router::Router,
};
use parking_lot::Mutex;
use stator_catalog::{
    Catalog, Change, Outcome, Plan,
    placement::{Move, View, moves},
};
use stator_environment::Service;
use stator_item::{NodeId, PartitionId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// How long one question to a node may take.
const ASK_MAX: Duration = Duration::from_secs(2);

pub(crate) struct Placement {
    pub router: Arc<Router>,
    pub heartbeats: Arc<Heartbeats>,
    /// Partitions whose plan a task carries out.
    busy: Mutex<BTreeSet<PartitionId>>,
}

impl Placement {
    pub fn new(router: Arc<Router>, heartbeats: Arc<Heartbeats>) -> Placement {
        Placement { router, heartbeats, busy: Mutex::new(BTreeSet::new()) }
    }

    /// Runs for as long as the node does; works only while this node leads the catalog.
    pub async fn run(self: Arc<Placement>) {
        loop {
            let settings = &self.router.host.settings;
            self.router.client.environment.sleep(settings.look_every).await;
            let catalog = self.router.client.copy.catalog();
            // One node alone has nowhere to move anything.
            if self.router.client.leads() && catalog.joined_nodes().count() > 1 {
                self.look(&catalog).await;
            }
        }
    }

    async fn look(self: &Arc<Placement>, catalog: &Catalog) {
        for (partition, plan) in catalog.plans() {
            self.carry_out(partition, plan.clone());
        }
        let alive = self.heartbeats.alive();
        let view = View { leaders: self.leaders(&alive).await, alive, given_up: BTreeSet::new() };
        for step in moves(catalog, &view, self.router.host.settings.moves_max) {
            self.router.metrics.moves_begun.inc();
            match step {
                Move::Members(plan) => self.plan(plan).await,
                Move::Leader { partition, to } => self.hand_over(&view, partition, to).await,
            }
        }
    }

    /// Where partitions are led, asked of every node that lives.
    async fn leaders(&self, alive: &BTreeSet<NodeId>) -> BTreeMap<PartitionId, NodeId> {
        let mut leaders = BTreeMap::new();
        for node in alive {
            let led = self.report(*node).await.map(|report| report.replicas).unwrap_or_default();
            leaders.extend(led.iter().filter(|replica| replica.leads).map(|replica| (replica.partition, *node)));
        }
        leaders
    }

    /// What a node says of itself; `None`: it does not answer.
    pub async fn report(&self, node: NodeId) -> Option<Report> {
        let reply =
            self.router.client.network.call(node, Service::Catalog, encode(&Message::Report), ASK_MAX).await.ok()?;
        match decode(&reply)? {
            Answer::Report(report) => Some(report),
            _ => None,
        }
    }

    async fn plan(self: &Arc<Placement>, plan: stator_catalog::MembersPlan) {
        let partition = plan.partition;
        let deadline = Deadline(self.router.client.environment.clock.elapsed() + ASK_MAX);
        match self.router.client.change(Change::PlanMembers(plan), deadline).await {
            Ok(Outcome::Planned(plan)) => self.carry_out(partition, plan),
            Ok(_) => {}
            Err(error) => tracing::info!(%partition, %error, "other members could not be planned now"),
        }
    }

    /// Has the partition's leader change its members to the plan's, then tells the catalog.
    fn carry_out(self: &Arc<Placement>, partition: PartitionId, plan: Plan) {
        if !self.busy.lock().insert(partition) {
            return;
        }
        let placement = self.clone();
        let work = async move {
            if let Err(reason) = placement.try_carry_out(partition, &plan).await {
                placement.router.metrics.moves_failed.inc();
                tracing::info!(%partition, %reason, "the partition's members are not changed yet");
            }
            placement.busy.lock().remove(&partition);
        };
        self.router.client.environment.tasks.spawn("move", Box::pin(work));
    }

    async fn try_carry_out(&self, partition: PartitionId, plan: &Plan) -> Result<(), String> {
        let move_max = self.router.host.settings.move_max;
        let client = &self.router.client;
        let deadline = Deadline(client.environment.clock.elapsed() + move_max);
        let members = plan.members.clone();
        let asked = if partition == PartitionId::CATALOG {
            match client.seat() {
                Some(seat) => change_members(&seat.group, &members, move_max).await,
                None => Answer::NotLeader { leader: None },
            }
        } else {
            self.ask_leader(partition, &Message::ChangeMembers { partition, members: members.clone() }, move_max).await
        };
        match asked {
            Answer::Done => {}
            other => return Err(format!("{other:?}")),
        }
        let change = Change::PartitionChanged { partition, epoch: plan.epoch + 1, members };
        client.change(change, deadline).await.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Asks the members of a partition, one after the other, until its leader has answered.
    async fn ask_leader(&self, partition: PartitionId, message: &Message, within: Duration) -> Answer {
        let catalog = self.router.client.copy.catalog();
        let Some(description) = catalog.partition(partition) else {
            return Answer::Failed("the partition is gone".to_owned());
        };
        let mut last = Answer::NotLeader { leader: None };
        for member in &description.members {
            let reply = self.router.client.network.call(member.node, Service::Catalog, encode(message), within).await;
            match reply.ok().and_then(|bytes| decode::<Answer>(&bytes)) {
                Some(Answer::NotLeader { .. }) | None => {}
                Some(answer @ Answer::Done) => return answer,
                Some(answer) => last = answer,
            }
        }
        last
    }

    async fn hand_over(&self, view: &View, partition: PartitionId, to: NodeId) {
        let Some(from) = view.leaders.get(&partition) else { return };
        let message = encode(&Message::HandOver { partition, to });
        let reply = self.router.client.network.call(*from, Service::Catalog, message, ASK_MAX).await;
        if !matches!(reply.ok().and_then(|bytes| decode::<Answer>(&bytes)), Some(Answer::Done)) {
            self.router.metrics.moves_failed.inc();
        }
    }
}
