//! One replica of one partition, from its opening to its end.

use crate::{
    leader::Leader,
    machine::Machine,
    mailbox::Waiting,
    metering::Meters,
    metrics::Metrics,
    read,
    request::{Consistency, Request},
    rows::ViewedRows,
    settings::Settings,
    shared::{Feeding, Shared, damaged, every_range},
    snapshot::remove_data,
    waiting_read,
};
use parking_lot::Mutex;
use stator_catalog::{PartitionDescription, TokenRange};
use stator_consensus::{ConsensusError, Digest, Group, Groups, Leadership, StateMachine};
use stator_environment::{DiskError, Environment, Reach, Rows};
use stator_item::{PartitionId, ReplicaId};
use stator_partition::{
    Command, PartitionState, Refusal, Reply,
    expiry::{self, Due, Window},
    reply::IndexCount,
    transaction::Unfinished,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};

/// Room in a mailbox for the decisions and the ends of transactions alone.
const ENDS_RESERVED: usize = 256;

/// What every replica of a node is given.
#[derive(Clone)]
pub struct Parts {
    pub groups: Arc<Groups>,
    pub rows: Arc<dyn Rows>,
    pub environment: Environment,
    pub settings: Settings,
    pub metrics: Arc<Metrics>,
    pub meters: Arc<Meters>,
    /// Told why the node must stop, when rows cannot be read or written any more.
    pub failure: Arc<watch::Sender<Option<String>>>,
}

/// A replica that runs.
pub struct Replica {
    shared: Arc<Shared>,
    group: Group,
    leadership: watch::Receiver<Leadership>,
    /// `None` once it is closed.
    mailbox: Mutex<Option<mpsc::Sender<Waiting>>>,
}

impl Replica {
    /// Opens what this node has of the partition, or begins with nothing: then the group's leader sends it everything.
    pub async fn open(
        parts: &Parts,
        description: PartitionDescription,
        replica: ReplicaId,
    ) -> Result<Replica, ConsensusError> {
        let partition = description.id;
        let shared = Arc::new(Shared::open(description, replica, parts)?);
        let leads = Arc::new(AtomicBool::new(false));
        let machine = Machine { shared: shared.clone(), leads: leads.clone() };
        let group = parts.groups.open(partition, replica, Arc::new(machine)).await?;
        let (sender, mailbox) = mpsc::channel(parts.settings.mailbox_commands_max + ENDS_RESERVED);
        let leader = Leader::new(shared.clone(), group.clone(), leads, mailbox);
        parts.environment.tasks.spawn("leader", Box::pin(leader.run()));
        let leadership = group.leadership();
        Ok(Replica { shared, group, leadership, mailbox: Mutex::new(Some(sender)) })
    }

    /// The replica's Raft group, for changes of members and leaders.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// News for the consumers of the partition's change log.
    pub fn feeding(&self) -> watch::Receiver<Feeding> {
        self.shared.feeding.subscribe()
    }

    /// The tokens that the partition holds.
    pub fn tokens(&self) -> TokenRange {
        self.shared.state.read().tokens()
    }

    pub fn leadership(&self) -> Leadership {
        *self.leadership.borrow()
    }

    /// Carries a command out and waits for its reply, until the request's deadline.
    pub async fn submit(&self, request: Request) -> Result<Reply, Refusal> {
        if let Some(reason) = self.shared.unusable() {
            return Err(Refusal::Unavailable(reason.to_owned()));
        }
        let leadership = self.leadership();
        if !leadership.leads {
            self.group.seek();
        }
        if request.command.is_write() {
            return self.write(request, leadership).await;
        }
        if let Command::ReadShard(read) = &request.command
            && read.wait_ms > 0
        {
            let wait = Duration::from_millis(read.wait_ms);
            return waiting_read::read(&self.shared, &self.group, &request, wait, || self.leadership()).await;
        }
        self.read(request, leadership).await
    }

    async fn read(&self, request: Request, leadership: Leadership) -> Result<Reply, Refusal> {
        let shared = &self.shared;
        let table = shared.limiting_table();
        if leadership.leads {
            let now = shared.environment.clock.elapsed();
            shared.metering.admit(&request, table.as_deref(), now).map_err(Refusal::Throttled)?;
        } else if shared.is_for_leader(&request)
            && let Some((_, leader)) = leadership.leader
        {
            return Err(Refusal::NotLeader { leader: Some(leader) });
        }
        let outcome = match request.consistency {
            Consistency::Strong => read::strong(shared, &self.group, &request, leadership).await,
            Consistency::Eventual => read::eventual(shared, &self.group, &request, leadership).await,
        };
        let now = shared.environment.clock.elapsed();
        shared.metering.charge(&request, &outcome, table.as_deref(), now).map_err(Refusal::Throttled)?;
        outcome
    }

    async fn write(&self, request: Request, leadership: Leadership) -> Result<Reply, Refusal> {
        if !leadership.leads {
            return Err(Refusal::NotLeader { leader: leadership.leader.map(|(_, node)| node) });
        }
        let environment = &self.shared.environment;
        let left = request.deadline.saturating_sub(environment.clock.elapsed());
        let (reply_to, reply) = oneshot::channel();
        {
            let mailbox = self.mailbox.lock();
            let Some(mailbox) = mailbox.as_ref() else { return Err(closed()) };
            // What is begun can always be brought to its end.
            if mailbox.capacity() <= ENDS_RESERVED && !request.command.ends_transaction() {
                self.shared.metrics.overloaded();
                return Err(Refusal::Overloaded);
            }
            if let Err(error) = mailbox.try_send(Waiting { request, reply_to, reach: Reach::Memory }) {
                self.shared.metrics.overloaded();
                return Err(match error {
                    mpsc::error::TrySendError::Full(_) => Refusal::Overloaded,
                    mpsc::error::TrySendError::Closed(_) => closed(),
                });
            }
        }
        match environment.timeout(left, reply).await {
            Some(Ok(reply)) => reply,
            Some(Err(_)) => Err(Refusal::Unavailable("the leader began anew".to_owned())),
            None => Err(Refusal::DeadlinePassed),
        }
    }

    /// Items and bytes as applied here; on a follower a moment old.
    pub fn counts(&self) -> Vec<IndexCount> {
        self.shared.state.read().counts()
    }

    /// The version of the table's description that is applied here, if any is.
    pub fn description_version(&self) -> Option<u64> {
        self.shared.state.read().description().map(|table| table.version)
    }

    /// Whether shards of streams here, as applied, are to be rolled or dropped.
    pub fn are_streams_due(&self, roll_before_ms: u64, drop_before_ms: u64) -> bool {
        self.shared.unusable().is_none() && self.shared.state.read().are_streams_due(roll_before_ms, drop_before_ms)
    }

    /// Bytes of the change records that are kept here for streams.
    pub fn stream_bytes(&self) -> u64 {
        let state = self.shared.state.read();
        if state.has_streams() { state.change_log_bytes() } else { 0 }
    }

    /// Whether items that were there before time to live wait here, as applied, to be put in the order of their expiry.
    pub fn is_filling_expiries(&self) -> bool {
        self.shared.unusable().is_none() && self.shared.state.read().is_filling_expiries()
    }

    /// Whether items may expire here, as applied.
    pub fn has_expiries(&self) -> bool {
        self.shared.unusable().is_none() && self.shared.state.read().has_expiries()
    }

    /// Whether anything may be due here, as applied. Looks at no rows.
    pub fn may_be_due(&self, window: Window) -> bool {
        let no_expiry_before_s = self.shared.no_expiry_before_s.load(Ordering::Acquire);
        no_expiry_before_s <= window.last_s
            && self.shared.unusable().is_none()
            && self.shared.state.read().has_expiries()
    }

    /// What is due here, as applied, at most about so many. `None`: nothing can be said now.
    pub fn due(&self, window: Window, at_most: usize) -> Option<Due> {
        let shared = &self.shared;
        let (table, tokens, view) = {
            let state = shared.state.read();
            // What is applied from here on says itself when it expires.
            shared.no_expiry_before_s.store(u64::MAX, Ordering::Release);
            (state.table(), state.tokens(), shared.rows.view())
        };
        let found = match view {
            Ok(_) if shared.unusable().is_some() => None,
            Ok(view) => expiry::due(table, tokens, window, at_most, &ViewedRows(view))
                .inspect_err(|error| shared.fail(error))
                .ok(),
            Err(error) => {
                shared.fail(&error);
                None
            }
        };
        let soonest_s = found.as_ref().map_or(0, |due| due.soonest_s.unwrap_or(u64::MAX));
        shared.no_expiry_before_s.fetch_min(soonest_s, Ordering::AcqRel);
        found
    }

    /// What waits here, as applied, for the end of a transaction: at most so many of each kind, the oldest first.
    pub fn unfinished_transactions(&self, at_most: usize) -> Vec<Unfinished> {
        if self.shared.unusable().is_some() {
            return Vec::new();
        }
        self.shared.state.read().unfinished_transactions(at_most)
    }

    /// Whether the partition was closed, as its table was deleted.
    pub fn is_closed(&self) -> bool {
        self.shared.state.read().is_closed()
    }

    /// What its state is now. Reads all of it: blocks on the disk for as long as a snapshot takes.
    pub fn digest(&self) -> Result<Digest, DiskError> {
        let machine = Machine { shared: self.shared.clone(), leads: Arc::default() };
        Digest::of(&*machine.snapshot()?)
    }

    /// Stops the replica. What waits is answered "try again"; its data and log stay.
    pub async fn close(&self) {
        drop(self.mailbox.lock().take());
        self.shared.feeding.send_modify(|told| told.closed = true);
        self.group.close().await;
    }
}

fn closed() -> Refusal {
    Refusal::Unavailable("the replica is closed".to_owned())
}

/// Removes what a node has of a partition, durably. No replica of it may run here.
pub fn remove(rows: &dyn Rows, description: &PartitionDescription) -> Result<(), DiskError> {
    let mut ranges = every_range(description);
    ranges.push((stator_environment::Family::State, crate::rows::own_range(description.id)));
    remove_data(rows, ranges)
}

/// Where the rows of a partition that is stored here lie; `None`: it has no state here. Its members are not known.
pub fn stored_description(rows: &dyn Rows, partition: PartitionId) -> Result<Option<PartitionDescription>, DiskError> {
    let view = ViewedRows(rows.view()?);
    let state = PartitionState::load(partition, &view).map_err(damaged)?;
    Ok(state.map(|state| PartitionDescription {
        id: partition,
        table: state.table(),
        tokens: state.tokens(),
        epoch: state.epoch(),
        members: Vec::new(),
    }))
}
