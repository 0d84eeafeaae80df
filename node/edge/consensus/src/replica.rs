//! One replica: the openraft core that runs it, and what it must remember beside that core.
//!
//! A follower that has slept for long needs no core: its log and state are all that a core would be made of, and what it says of itself
//! is kept ([`Core::Dormant`]). The first message starts a new one. Such a start is no restart: nothing was forgotten. The votes that
//! an old promise forbids are still forbidden (`votes_from`), and the promise that a core makes by hearing its leader is over by
//! then: the replica heard nothing for twice the no-vote time or more, as each message would have woken it.

use crate::{
    ConsensusError, Failure, Leadership, LogPosition, StateMachine,
    contact::{self, Contact},
    encoding::PurgeMark,
    link::Links,
    log_store::LogStore,
    node::Node,
    raft_types::{MembershipRecord, Raft, Types, member, position},
    runtime,
    silence::Silence,
    sleep::{self, SleepState},
    snapshot::Incoming,
    state::{Gate, State},
};
use openraft::{
    Config, RaftMetrics, ServerState, SnapshotPolicy, StepDownPolicy,
    async_runtime::watch::WatchReceiver,
    errors::Fatal,
    type_config::alias::{StoredMembershipOf, VoteOf, WatchReceiverOf},
};
use parking_lot::{Mutex, RwLock};
use stator_environment::DiskError;
use stator_item::{NodeId, PartitionId, ReplicaId};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Semaphore, watch};

/// Messages waiting for one core. Above what proposals alone may take, so that those never lock votes and appends out.
const CORE_MESSAGES_MARGIN: u64 = 1_024;

/// A core that runs, and where it tells how it stands.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) raft: Raft,
    /// Counts the cores of this replica.
    number: u64,
    metrics: WatchReceiverOf<Types, RaftMetrics<Types>>,
}

impl Running {
    /// Reads what the core said last. Asks the core nothing.
    pub(crate) fn look<T>(&self, read: impl FnOnce(&RaftMetrics<Types>) -> T) -> T {
        read(&self.metrics.borrow_watched())
    }
}

pub(crate) enum Core {
    Running(Running),
    /// None is needed: what the last one said is still so.
    Dormant(Box<RaftMetrics<Types>>),
    /// A snapshot is being installed, or was, when it broke off: there is no usable state.
    Installing,
    Closed,
}

pub(crate) struct Replica {
    pub(crate) node: Arc<Node>,
    pub(crate) partition: PartitionId,
    pub(crate) id: ReplicaId,
    pub(crate) state: Arc<dyn StateMachine>,
    pub(crate) gate: Arc<Gate>,
    core: RwLock<Core>,
    cores: AtomicU64,
    pub(crate) leadership: watch::Sender<Leadership>,
    /// Room for proposals that are not yet applied.
    pub(crate) room: Arc<Semaphore>,
    /// The snapshot that is coming in. Held by whoever starts or stops the core.
    pub(crate) incoming: tokio::sync::Mutex<Option<Incoming>>,
    /// On the elapsed clock: before this the replica votes for nobody.
    votes_from: Mutex<Duration>,
    /// The last term in which a transfer was tried. A vote for the new leader may be under way for as long as that term lasts, and
    /// such votes ignore the no-vote time: so there is no lease in that term any more.
    transfer_term: AtomicU64,
    pub(crate) sleep: SleepState,
    pub(crate) silence: Silence,
    pub(crate) contact: Contact,
    /// A follower can only be helped by a snapshot: purge the log so far that it gets one.
    pub(crate) purge_all: AtomicBool,
    failed: Mutex<Option<Failure>>,
}

impl Replica {
    pub(crate) fn new(
        node: Arc<Node>,
        partition: PartitionId,
        id: ReplicaId,
        state: Arc<dyn StateMachine>,
    ) -> Arc<Replica> {
        let now = node.now();
        Arc::new(Replica {
            partition,
            id,
            gate: Gate::new(state.clone()),
            state,
            core: RwLock::new(Core::Closed),
            cores: AtomicU64::new(0),
            leadership: watch::Sender::new(Leadership::default()),
            room: Arc::new(Semaphore::new(node.settings.proposals_max)),
            incoming: tokio::sync::Mutex::new(None),
            votes_from: Mutex::new(now),
            transfer_term: AtomicU64::new(0),
            sleep: SleepState::new(now),
            silence: Silence::default(),
            contact: Contact::default(),
            purge_all: AtomicBool::new(false),
            failed: Mutex::new(None),
            node,
        })
    }

    pub(crate) fn log(&self) -> LogStore {
        LogStore { log: self.node.log.clone(), replica: self.id, read_bytes_max: self.node.settings.append_bytes_max }
    }

    pub(crate) fn running(&self) -> Option<Running> {
        match &*self.core.read() {
            Core::Running(running) => Some(running.clone()),
            Core::Dormant(_) | Core::Installing | Core::Closed => None,
        }
    }

    /// The core, started anew if the replica is dormant.
    pub(crate) async fn rouse(self: &Arc<Self>) -> Result<Running, ConsensusError> {
        if let Some(running) = self.running() {
            return Ok(running);
        }
        let _turn = self.incoming.lock().await;
        if self.is_dormant() {
            let (running, _) = self.make_core(true).await.inspect_err(|error| self.fail(error.to_string()))?;
            self.run(&running);
            self.sleep.roused(self.node.now());
            // openraft takes the moment of a core's start for one in which it heard its leader, and refuses a vote in that moment.
            self.node.environment.sleep(Duration::from_millis(1)).await;
        }
        self.running().ok_or(ConsensusError::Stopped)
    }

    /// Reads what the core said last, without a copy of it.
    pub(crate) fn look<T>(&self, read: impl FnOnce(&RaftMetrics<Types>) -> T) -> Option<T> {
        match &*self.core.read() {
            Core::Running(running) => Some(running.look(read)),
            Core::Dormant(last) => Some(read(last)),
            Core::Installing | Core::Closed => None,
        }
    }

    pub(crate) fn is_installing(&self) -> bool {
        matches!(&*self.core.read(), Core::Installing)
    }

    pub(crate) fn is_dormant(&self) -> bool {
        matches!(&*self.core.read(), Core::Dormant(_))
    }

    pub(crate) fn may_vote(&self) -> bool {
        self.no_vote_left().is_zero()
    }

    /// For how long it has to refuse votes because of what its last life may have promised.
    pub(crate) fn no_vote_left(&self) -> Duration {
        self.votes_from.lock().saturating_sub(self.node.now())
    }

    pub(crate) fn failed(&self) -> Option<Failure> {
        self.failed.lock().clone()
    }

    pub(crate) fn fail(&self, reason: String) {
        let failure = Failure { replica: self.id, reason };
        self.failed.lock().get_or_insert_with(|| failure.clone());
        self.node.report(failure);
    }

    /// Takes the core away from all callers and waits until it has stopped.
    pub(crate) async fn stop(&self, then: Core) {
        let before = self.replace(then);
        self.publish(Leadership::default());
        if let Core::Running(running) = before {
            self.shut_down(&running).await;
        }
    }

    async fn shut_down(&self, running: &Running) {
        let stopped = runtime::scope(self.node.environment.clone(), running.raft.shutdown()).await;
        if let Err(error) = stopped {
            tracing::warn!(replica = self.id.0, %error, "the core did not stop in order");
        }
    }

    /// Lets go of the core of a follower that sleeps. What it said last stays known.
    pub(crate) async fn rest(&self) {
        // A message that came just before may have changed what it says.
        let Ok(_turn) = self.incoming.try_lock() else { return };
        let Some(running) = self.running() else { return };
        self.replace(Core::Dormant(Box::new(running.look(Clone::clone))));
        self.shut_down(&running).await;
        let mut last = running.look(Clone::clone);
        last.running_state = Ok(());
        self.publish(leadership(self.id, &last));
        self.replace(Core::Dormant(Box::new(last)));
    }

    /// Starts the core over log and state as they are. With an unfinished snapshot there is none to start.
    pub(crate) async fn start(self: &Arc<Self>) -> Result<(), ConsensusError> {
        let log = self.log();
        let summary = log.summary()?;
        if let Some((_, PurgeMark::Installing)) = summary.purged {
            self.replace(Core::Installing);
            return Ok(());
        }
        let applied = self.state.applied()?.position;
        mend_log(&log, applied)?;
        // Whoever never saved a vote or an entry never promised anything either.
        let is_fresh = summary.vote.is_none() && summary.last.is_none() && applied.is_none();
        let (running, is_sole) = self.make_core(is_fresh).await?;
        if is_fresh || is_sole {
            running.raft.runtime_config().elect(true);
            self.run(&running);
            sleep::wake(self, &running);
        } else {
            self.refuse_votes(&running);
            sleep::start_asleep(self);
            self.run(&running);
            contact::lose(self);
        }
        Ok(())
    }

    /// Makes a core that does not tick yet, and says whether the replica is its group's only voter.
    async fn make_core(&self, enable_elect: bool) -> Result<(Running, bool), ConsensusError> {
        let state = State::new(self.gate.clone())?;
        let config = Arc::new(self.config(enable_elect)?);
        let links = Links::new(&self.node, self.id);
        let id = self.id;
        let made = async {
            let raft = Raft::new(id.0, config, links, self.log(), state).await?;
            // Once it answers, it has said where it stands.
            let is_sole = raft.with_raft_state(move |state| {
                MembershipRecord::of(state.membership_state.effective()).is_sole_voter(id)
            });
            Ok((is_sole.await?, raft))
        };
        let made: Result<(bool, Raft), Fatal<Types>> = runtime::scope(self.node.environment.clone(), made).await;
        let (is_sole, raft) = made.map_err(|error| fatal_error(&error))?;
        let number = self.cores.fetch_add(1, Ordering::Relaxed);
        Ok((Running { metrics: raft.metrics(), raft, number }, is_sole))
    }

    /// From here on the core answers for the replica.
    fn run(self: &Arc<Self>, running: &Running) {
        self.replace(Core::Running(running.clone()));
        let (replica, running) = (self.clone(), running.clone());
        self.node.spawn("raft leadership", async move { replica.follow(running).await });
    }

    fn replace(&self, core: Core) -> Core {
        let dormant = &self.node.metrics.groups_dormant;
        if matches!(core, Core::Dormant(_)) {
            dormant.inc();
        }
        let before = std::mem::replace(&mut *self.core.write(), core);
        if matches!(before, Core::Dormant(_)) {
            dormant.dec();
        }
        before
    }

    /// A promise of this replica's last life may still bind it: neither vote nor stand until it would be over. A sole voter promised
    /// nothing to anybody.
    fn refuse_votes(self: &Arc<Self>, running: &Running) {
        if stator_mutants::is(stator_mutants::Mutant::VoteAfterRestart) {
            running.raft.runtime_config().elect(true);
            return;
        }
        *self.votes_from.lock() = self.node.now() + self.node.settings.no_vote();
        let (replica, raft) = (self.clone(), running.raft.clone());
        self.node.spawn("raft no-vote time", async move {
            while !replica.may_vote() {
                replica.node.environment.sleep(replica.no_vote_left().max(Duration::from_millis(1))).await;
            }
            raft.runtime_config().elect(true);
        });
    }

    fn config(&self, enable_elect: bool) -> Result<Config, ConsensusError> {
        let settings = &self.node.settings;
        let config = Config {
            cluster_name: "stator".to_owned(),
            heartbeat_interval: settings.heartbeat_ms,
            election_timeout_min: settings.election_ms_min,
            election_timeout_max: settings.election_ms_max,
            snapshot_policy: SnapshotPolicy::Never,
            // The log is purged by `tend.rs`, never as a side effect.
            max_in_snapshot_log_to_keep: u64::MAX,
            api_channel_size: Some(settings.proposals_max as u64 + CORE_MESSAGES_MARGIN),
            notification_channel_size: Some(CORE_MESSAGES_MARGIN),
            state_machine_channel_size: Some(CORE_MESSAGES_MARGIN),
            enable_elect,
            enable_tick: false,
            enable_pre_vote: Some(true),
            // A leader that crashed before its own fsync would give the same place in the log to two entries.
            enable_leader_restore: Some(false),
            // A replica that dropped its log for a snapshot which then broke off says so by a conflict.
            allow_log_reversion: Some(true),
            // It would hand over by an election that ignores the lease. Handing over is the owner's business.
            removed_leader_step_down: StepDownPolicy::Never,
            backoff: format!("{}ms", settings.heartbeat_ms),
            ..Config::default()
        };
        config.validate().map_err(|error| ConsensusError::Refused(error.to_string()))
    }

    /// Publishes leadership until the core ends, and says why it ended.
    async fn follow(self: Arc<Self>, running: Running) {
        let mut server = running.raft.server_metrics();
        loop {
            // Not what `look` shows: openraft writes that after this, and would wake nobody for it.
            let now = {
                let said = server.borrow_watched();
                leadership_of(self.id, &said.vote, said.state, said.current_leader, &said.membership_config)
            };
            if now.leads {
                contact::leads(&self, &running);
            }
            self.publish_of(&running, now);
            if server.changed().await.is_err() {
                break;
            }
        }
        if let Err(fatal) = running.look(|metrics| metrics.running_state.clone())
            && fatal != Fatal::Stopped
        {
            self.publish_of(&running, Leadership::default());
            self.fail(fatal.to_string());
        }
    }

    /// Publishes what a core says, unless it was taken away: then its word counts no more.
    fn publish_of(&self, running: &Running, now: Leadership) {
        let core = self.core.read();
        if matches!(&*core, Core::Running(current) if current.number == running.number) {
            self.publish(now);
        }
    }

    fn publish(&self, now: Leadership) {
        let metrics = &self.node.metrics;
        self.leadership.send_if_modified(|before| {
            if *before == now {
                return false;
            }
            if now.leader.is_some() && (now.term, now.leader) != (before.term, before.leader) {
                metrics.leader_changes.inc();
            }
            match (before.leads, now.leads) {
                (false, true) => _ = metrics.groups_led.inc(),
                (true, false) => _ = metrics.groups_led.dec(),
                _ => {}
            }
            *before = now;
            true
        });
    }

    pub(crate) fn record_transfer(&self, term: u64) {
        self.transfer_term.fetch_max(term, Ordering::SeqCst);
    }

    /// Whether this replica, as the leader of that term, hands over. It sends no more heartbeats then, and never takes that back.
    pub(crate) fn hands_over(&self, term: u64) -> bool {
        self.transfer_term.load(Ordering::SeqCst) == term
    }
}

pub(crate) fn leadership(id: ReplicaId, metrics: &RaftMetrics<Types>) -> Leadership {
    leadership_of(id, &metrics.vote, metrics.state, metrics.current_leader, &metrics.membership_config)
}

fn leadership_of(
    id: ReplicaId,
    vote: &VoteOf<Types>,
    state: ServerState,
    leader: Option<u64>,
    membership: &StoredMembershipOf<Types>,
) -> Leadership {
    let leads = state == ServerState::Leader && vote.committed && leader == Some(id.0);
    let node = leader.and_then(|leader| membership.get_node(&leader).copied());
    Leadership { term: vote.leader_id.term, leader: member(leader, node), leads }
}

pub(crate) fn leader_of(metrics: &RaftMetrics<Types>) -> Option<(ReplicaId, NodeId)> {
    leadership(ReplicaId(metrics.id), metrics).leader
}

pub(crate) fn fatal_error(error: &Fatal<Types>) -> ConsensusError {
    match error {
        Fatal::StorageError(error) => {
            ConsensusError::Disk(DiskError::Failed { action: "run a replica", reason: error.to_string() })
        }
        Fatal::Panicked | Fatal::Stopped => ConsensusError::Stopped,
    }
}

/// Entries that others made durable may be in the state and not in the log, after a crash before this log's own fsync. Then the log
/// begins anew behind the state. A state that ends before its log begins is beyond repair.
fn mend_log(log: &LogStore, applied: Option<LogPosition>) -> Result<(), DiskError> {
    let summary = log.summary()?;
    let purged = match summary.purged {
        Some((_, PurgeMark::Applied(position))) => Some(position),
        _ => None,
    };
    if applied < purged {
        let reason = format!("the state ends at {applied:?}, before its log begins at {purged:?}");
        return Err(DiskError::Damaged(reason));
    }
    match applied {
        Some(applied) if purged != Some(applied) && log.term_at(applied.index)? != Some(applied.term) => {
            log.begin_behind(applied);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Where a replica stands in its log, by its core's last word.
pub(crate) fn applied_of(metrics: &RaftMetrics<Types>) -> Option<LogPosition> {
    metrics.last_applied.as_ref().map(position)
}
