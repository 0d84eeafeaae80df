//! Deletes what has expired in the partitions that this node leads, and puts in the order of its expiry what was there before.
//!
//! Guarantees: what is due is decided here once, by time, and looked at again by the partition's leader in the command's turn; a
//! partition in which nothing is due costs nothing and may sleep. Bounds: partitions worked on at once, items of a command, and
//! of a pass over one partition. A pass pauses between its commands, so that clients have the larger part of the partition.

use crate::{agreed::agreed_ms, heartbeat::Heartbeats, host::Hosted, router::Router, waiting::Expired};
use bytes::Bytes;
use parking_lot::Mutex;
use stator_environment::Age;
use stator_item::PartitionId;
use stator_partition::{
    Backfill, Command, Refusal, Reply,
    expiry::{EXPIRE_ITEMS_MAX, Expire, Window},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::Notify;

/// Partitions that are swept at once, and filled at once.
const AT_ONCE_MAX: usize = 8;
/// About so many items are looked for at once.
const PASS_ITEMS_MAX: usize = 2_048;
/// Beyond this lag there are no pauses: nothing else would catch up.
const LAG_S_HURRY: u64 = 4;

pub(crate) struct Expiry {
    router: Arc<Router>,
    heartbeats: Arc<Heartbeats>,
    age: Age,
    sweeping: Mutex<BTreeSet<PartitionId>>,
    filling: Mutex<BTreeSet<PartitionId>>,
    /// A pass is over.
    passed: Notify,
}

impl Expiry {
    pub fn new(router: Arc<Router>, heartbeats: Arc<Heartbeats>) -> Expiry {
        let age = Age::new(router.host.parts.environment.clock.clone());
        Expiry { router, heartbeats, age, sweeping: Mutex::default(), filling: Mutex::default(), passed: Notify::new() }
    }

    /// Runs for as long as the node does.
    pub async fn run(self: Arc<Expiry>) {
        let environment = self.router.host.parts.environment.clone();
        let mut last = None;
        loop {
            let _ = environment.timeout(self.router.host.settings.expiries_look_every, self.passed.notified()).await;
            last = self.look(last);
        }
    }

    /// Begins with the partition behind the one that was begun with last, so that each has its turn.
    fn look(self: &Arc<Expiry>, last: Option<PartitionId>) -> Option<PartitionId> {
        let Some(window) = self.window() else { return last };
        let mut led: Vec<(PartitionId, Arc<Hosted>)> = Vec::new();
        for (id, hosted) in self.router.host.replicas.read().iter() {
            match hosted.replica.leadership().leads {
                true => led.push((*id, hosted.clone())),
                false => hosted.waiting.note_expired(None),
            }
        }
        self.tell(window.last_s);
        let behind = led.partition_point(|(partition, _)| Some(*partition) <= last);
        led.rotate_left(behind);
        let mut begun = last;
        for (partition, hosted) in led {
            if hosted.replica.is_filling_expiries() {
                self.begin_filling(partition, hosted.clone());
            }
            if hosted.replica.may_be_due(window) && self.begin_sweeping(partition, hosted) {
                begun = Some(partition);
            }
        }
        begun
    }

    /// What is due by the clocks of this node and of others; `None`: too few are known.
    fn window(&self) -> Option<Window> {
        let nodes_count = self.router.client.copy.catalog().joined_nodes().count();
        let mut clocks = self.heartbeats.clocks();
        clocks.push(self.age.now_ms());
        agreed_ms(clocks, nodes_count).map(Window::at)
    }

    fn tell(&self, now_s: u64) {
        let (mut items, mut lag_s) = (0_u64, 0);
        for expired in self.router.host.replicas.read().values().filter_map(|hosted| hosted.waiting.expired()) {
            items += expired.count;
            lag_s = lag_s.max(now_s.saturating_sub(expired.oldest_s));
        }
        let metrics = &self.router.metrics;
        metrics.expired_items_waiting.set(i64::try_from(items).unwrap_or(i64::MAX));
        metrics.expiry_lag_seconds.set(i64::try_from(lag_s).unwrap_or(i64::MAX));
    }

    /// `false`: it is under way, or too many are.
    fn begin_sweeping(self: &Arc<Expiry>, partition: PartitionId, hosted: Arc<Hosted>) -> bool {
        if !begin(&self.sweeping, partition) {
            return false;
        }
        let expiry = self.clone();
        let sweep = async move {
            let swept = expiry.sweep(&hosted).await;
            expiry.sweeping.lock().remove(&partition);
            match swept {
                // What came meanwhile, or did not fit the pass, need not wait for the next look.
                Ok(true) => expiry.passed.notify_one(),
                Ok(false) => {}
                Err(refusal) => tracing::debug!(%partition, %refusal, "expired items are not deleted yet"),
            }
        };
        self.router.client.environment.tasks.spawn("expiry sweep", Box::pin(sweep));
        true
    }

    /// One pass. `true`: another one may find more.
    async fn sweep(&self, hosted: &Hosted) -> Result<bool, Refusal> {
        let Some(window) = self.window() else { return Ok(false) };
        let Some(due) = hosted.replica.due(window, PASS_ITEMS_MAX) else { return Ok(false) };
        let oldest_s = due.soonest_s.filter(|_| due.count > 0);
        hosted.waiting.note_expired(oldest_s.map(|oldest_s| Expired { count: due.count, oldest_s }));
        let in_a_hurry = oldest_s.is_some_and(|oldest_s| window.last_s.saturating_sub(oldest_s) >= LAG_S_HURRY);
        let mut deleted = 0;
        for row_keys in due.row_keys.chunks(EXPIRE_ITEMS_MAX) {
            let begun = self.elapsed();
            deleted += self.expire(hosted, row_keys, window).await?;
            if !in_a_hurry {
                self.pause(begun).await;
            }
        }
        // Where nothing could be deleted, transactions are under way: they have until the next look.
        Ok(deleted > 0)
    }

    async fn expire(&self, hosted: &Hosted, row_keys: &[Bytes], window: Window) -> Result<u64, Refusal> {
        let expire = Expire { due: row_keys.to_vec(), window };
        match self.router.host.ask(hosted, Command::Expire(Box::new(expire))).await? {
            Reply::Expired { items } => {
                self.router.metrics.items_expired.inc_by(items);
                Ok(items)
            }
            _ => Err(unexpected()),
        }
    }

    fn begin_filling(self: &Arc<Expiry>, partition: PartitionId, hosted: Arc<Hosted>) {
        if !begin(&self.filling, partition) {
            return;
        }
        let expiry = self.clone();
        let fill = async move {
            if let Err(refusal) = expiry.fill(&hosted).await {
                tracing::debug!(%partition, %refusal, "items are not in the order of their expiry yet");
            }
            expiry.filling.lock().remove(&partition);
        };
        self.router.client.environment.tasks.spawn("expiry backfill", Box::pin(fill));
    }

    /// Goes on where the partition's state says, page by page.
    async fn fill(&self, hosted: &Hosted) -> Result<(), Refusal> {
        loop {
            let begun = self.elapsed();
            let Reply::Unindexed(page) = self.router.host.ask(hosted, Command::ReadUnindexed).await? else {
                return Err(unexpected());
            };
            let is_last = page.backfill == Backfill::Done;
            self.router.host.ask(hosted, Command::IndexExpiries(page)).await?;
            if is_last {
                return Ok(());
            }
            self.pause(begun).await;
        }
    }

    /// As long as what was begun then has taken: half of the time is left to others.
    async fn pause(&self, begun: Duration) {
        let took = self.elapsed().saturating_sub(begun);
        self.router.client.environment.sleep(took).await;
    }

    fn elapsed(&self) -> Duration {
        self.router.client.environment.clock.elapsed()
    }
}

/// `false`: it is under way, or too many are.
fn begin(busy: &Mutex<BTreeSet<PartitionId>>, partition: PartitionId) -> bool {
    let mut busy = busy.lock();
    busy.len() < AT_ONCE_MAX && busy.insert(partition)
}

fn unexpected() -> Refusal {
    Refusal::Unavailable("a partition answered another question".to_owned())
}
