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
    Catalog, Change, Member, Outcome, Plan,
    placement::{Move, View, moves},
};
use stator_environment::Service;
use stator_item::{NodeId, PartitionId, TableId};
use stator_partition::insights::Contributor;
use stator_replica::ConsumedHalves;
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
    /// Partitions whose plan a task carries out or gives up.
    busy: Mutex<BTreeSet<PartitionId>>,
    /// Plans on their way, since this node leads the catalog.
    watched: Mutex<BTreeMap<PartitionId, Watched>>,
    /// The catalog's revision and what was seen when everything was as it should be.
    settled: Mutex<Option<(u64, View)>>,
}

/// A plan that is on its way.
struct Watched {
    plan: Plan,
    /// On this node's elapsed clock.
    since: Duration,
    /// What was tried last and, as the plan is still there, came to nothing.
    last: Option<Attempt>,
}

/// What can be done with a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Attempt {
    CarryOut,
    GiveUp,
}

impl Placement {
    pub fn new(router: Arc<Router>, heartbeats: Arc<Heartbeats>) -> Placement {
        Placement { router, heartbeats, busy: Mutex::default(), watched: Mutex::default(), settled: Mutex::default() }
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
            } else {
                self.watched.lock().clear();
            }
        }
    }

    async fn look(self: &Arc<Placement>, catalog: &Catalog) {
        let alive = self.heartbeats.alive();
        let leaders = self.leaders(&alive).await;
        let view = View { alive, given_up: BTreeSet::new(), leaders, plan_ages: self.watch_plans(catalog) };
        let revision = catalog.revision();
        // Thinking about thousands of partitions twice a second would be most of what an idle cluster does.
        if self.settled.lock().as_ref().is_some_and(|settled| (settled.0, &settled.1) == (revision, &view)) {
            return;
        }
        let moves = moves(catalog, &view, self.router.host.settings.moves_max);
        let is_hopeless = |partition| moves.contains(&Move::GiveUp { partition });
        for (partition, plan) in catalog.plans() {
            // Turn about: what could not be taken back may have been carried out in the meantime.
            let attempt = match self.watched.lock().get(&partition).and_then(|watched| watched.last) {
                Some(Attempt::CarryOut) if is_hopeless(partition) => Attempt::GiveUp,
                _ => Attempt::CarryOut,
            };
            self.begin(partition, plan.clone(), attempt);
        }
        let is_settled = moves.is_empty() && view.plan_ages.is_empty();
        *self.settled.lock() = is_settled.then(|| (revision, view.clone()));
        for step in moves {
            match step {
                Move::GiveUp { .. } => continue,
                Move::Members(plan) => self.plan(plan).await,
                Move::Leader { partition, to } => self.hand_over(&view, partition, to).await,
            }
            self.router.metrics.moves_begun.inc();
        }
    }

    /// How long each plan has been on its way.
    fn watch_plans(&self, catalog: &Catalog) -> BTreeMap<PartitionId, Duration> {
        let now = self.router.client.environment.clock.elapsed();
        let mut watched = self.watched.lock();
        watched.retain(|partition, watched| catalog.plan(*partition) == Some(&watched.plan));
        for (partition, plan) in catalog.plans() {
            watched.entry(partition).or_insert_with(|| Watched { plan: plan.clone(), since: now, last: None });
        }
        watched.iter().map(|(partition, watched)| (*partition, now.saturating_sub(watched.since))).collect()
    }

    /// Where partitions are led, asked of every node that lives.
    async fn leaders(&self, alive: &BTreeSet<NodeId>) -> BTreeMap<PartitionId, NodeId> {
        let mut leaders = BTreeMap::new();
        for node in alive {
            if let Some(Answer::Leading(led)) = self.ask(*node, &Message::Leading).await {
                leaders.extend(led.into_iter().map(|partition| (partition, *node)));
            }
        }
        leaders
    }

    /// What a node says of itself; `None`: it does not answer.
    pub async fn report(&self, node: NodeId) -> Option<Report> {
        match self.ask(node, &Message::Report).await? {
            Answer::Report(report) => Some(report),
            _ => None,
        }
    }

    /// Which keys of a table a node was asked for most; `None`: it does not answer.
    pub async fn insights(&self, node: NodeId, table: TableId) -> Option<Vec<Contributor>> {
        match self.ask(node, &Message::Insights { table }).await? {
            Answer::Insights(told) => Some(told),
            _ => None,
        }
    }

    /// What was consumed of tables and indexes on a node; `None`: it does not answer.
    pub async fn consumed(&self, node: NodeId) -> Option<BTreeMap<TableId, ConsumedHalves>> {
        if node == self.router.host.node {
            return Some(self.router.host.parts.meters.consumed());
        }
        match self.ask(node, &Message::Consumed).await? {
            Answer::Consumed(consumed) => Some(consumed),
            _ => None,
        }
    }

    async fn ask(&self, node: NodeId, question: &Message) -> Option<Answer> {
        let reply = self.router.client.network.call(node, Service::Catalog, encode(question), ASK_MAX).await.ok()?;
        decode(&reply)
    }

    async fn plan(self: &Arc<Placement>, plan: stator_catalog::MembersPlan) {
        let partition = plan.partition;
        let deadline = Deadline(self.router.client.environment.clock.elapsed() + ASK_MAX);
        match self.router.client.change(Change::PlanMembers(plan), deadline).await {
            Ok(Outcome::Planned(plan)) => self.begin(partition, plan, Attempt::CarryOut),
            Ok(_) => {}
            Err(error) => tracing::info!(%partition, %error, "other members could not be planned now"),
        }
    }

    /// Works on a plan, unless a task does so already.
    fn begin(self: &Arc<Placement>, partition: PartitionId, plan: Plan, attempt: Attempt) {
        if !self.busy.lock().insert(partition) {
            return;
        }
        if let Some(watched) = self.watched.lock().get_mut(&partition) {
            watched.last = Some(attempt);
        }
        let placement = self.clone();
        let work = async move {
            let outcome = match attempt {
                Attempt::CarryOut => placement.carry_out(partition, plan).await,
                Attempt::GiveUp => placement.give_up(partition, plan).await,
            };
            if let Err(reason) = outcome {
                placement.router.metrics.moves_failed.inc();
                tracing::info!(%partition, ?attempt, %reason, "a plan for the partition's members stays for now");
            }
            placement.busy.lock().remove(&partition);
        };
        self.router.client.environment.tasks.spawn("move", Box::pin(work));
    }

    /// Has the partition's leader change its members to the plan's, then tells the catalog.
    async fn carry_out(&self, partition: PartitionId, plan: Plan) -> Result<(), String> {
        self.bring(partition, &plan.members).await?;
        let epoch = plan.epoch + 1;
        self.tell(Change::PartitionChanged { partition, epoch, members: plan.members }).await
    }

    /// Brings the partition back to the members that the catalog knows, then drops the plan. Not the other way round: a member
    /// by the plan may be voting already, and without a plan its node would remove it.
    async fn give_up(&self, partition: PartitionId, plan: Plan) -> Result<(), String> {
        let catalog = self.router.client.copy.catalog();
        let known = catalog.partition(partition).ok_or("the partition is gone")?;
        self.bring(partition, &known.members).await?;
        self.tell(Change::DropPlan { partition, epoch: plan.epoch }).await?;
        tracing::warn!(%partition, "a plan for the partition's members could not be carried out and is dropped");
        Ok(())
    }

    async fn bring(&self, partition: PartitionId, members: &[Member]) -> Result<(), String> {
        let move_max = self.router.host.settings.move_max;
        let asked = if partition == PartitionId::CATALOG {
            match self.router.client.seat() {
                Some(seat) => change_members(&seat.group, members, move_max).await,
                None => Answer::NotLeader { leader: None },
            }
        } else {
            let message = Message::ChangeMembers { partition, members: members.to_vec() };
            self.ask_leader(partition, &message, move_max).await
        };
        match asked {
            Answer::Done => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    async fn tell(&self, change: Change) -> Result<(), String> {
        let client = &self.router.client;
        let deadline = Deadline(client.environment.clock.elapsed() + self.router.host.settings.move_max);
        client.change(change, deadline).await.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Asks the members of a partition, one after the other, until its leader has answered. Those of its plan as well: it may have been
    /// carried out without the catalog's knowledge, and one of them may lead since.
    async fn ask_leader(&self, partition: PartitionId, message: &Message, within: Duration) -> Answer {
        let catalog = self.router.client.copy.catalog();
        let Some(description) = catalog.partition(partition) else {
            return Answer::Failed("the partition is gone".to_owned());
        };
        let mut last = Answer::NotLeader { leader: None };
        let planned = catalog.plan(partition).map(|plan| plan.members.as_slice()).unwrap_or_default();
        let nodes: BTreeSet<NodeId> = description.members.iter().chain(planned).map(|member| member.node).collect();
        for node in nodes {
            let reply = self.router.client.network.call(node, Service::Catalog, encode(message), within).await;
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
