//! Injects one fault after the other, each for a while, until the time is over; every one of them at least once, if time allows.

use crate::{cluster::Cluster, dice::Dice, fault::FaultName, record::FaultRecord};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Clients work undisturbed before the first fault, and between two of them.
const QUIET_MIN: Duration = Duration::from_millis(1_500);
const QUIET_MAX: Duration = Duration::from_millis(4_000);
/// No fault begins so shortly before the end.
const LAST_BEGIN: Duration = Duration::from_secs(4);
/// Injecting or healing that takes longer has failed: clusters of this size need seconds.
const STEP_MAX: Duration = Duration::from_secs(240);

pub struct Nemesis<'a> {
    pub dice: &'a Dice,
    pub started: Instant,
    pub ends: Instant,
    /// Set when the run is to end early.
    pub stop: watch::Receiver<bool>,
}

impl Nemesis<'_> {
    /// Runs to the end. `tell` gets each fault when it is healed.
    pub async fn run(
        &mut self,
        cluster: &mut Cluster,
        names: &[FaultName],
        tell: impl Fn(&FaultRecord),
    ) -> Vec<FaultRecord> {
        let mut records = Vec::new();
        let mut left: Vec<FaultName> = Vec::new();
        loop {
            self.rest(self.dice.between(QUIET_MIN, QUIET_MAX)).await;
            if left.is_empty() {
                left = self.dice.pick_some(names, names.len());
            }
            if *self.stop.borrow() || Instant::now() + LAST_BEGIN >= self.ends {
                break;
            }
            let Some(name) = left.pop() else { break };
            let record = self.one(cluster, name).await;
            tell(&record);
            let has_failed = record.error.is_some();
            records.push(record);
            if has_failed {
                // Whatever stands in the way would stand in the way of the next one as well.
                break;
            }
        }
        self.rest(self.ends.saturating_duration_since(Instant::now())).await;
        records
    }

    async fn one(&mut self, cluster: &mut Cluster, name: FaultName) -> FaultRecord {
        let mut fault = name.make();
        let mut record = FaultRecord { name: name.to_string(), begun_us: self.now_us(), ..FaultRecord::default() };
        let injected = tokio::time::timeout(STEP_MAX, fault.inject(cluster, self.dice)).await;
        record.stood_us = self.now_us();
        match injected {
            Ok(Ok(())) => self.rest(fault.stands(self.dice)).await,
            Ok(Err(error)) => record.error = Some(format!("it could not be injected: {error}")),
            Err(_) => record.error = Some(format!("it was not injected within {} s", STEP_MAX.as_secs())),
        }
        record.healing_us = self.now_us();
        let healed = tokio::time::timeout(STEP_MAX, fault.heal(cluster)).await;
        record.healed_us = self.now_us();
        let error = match healed {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("it could not be healed: {error}")),
            Err(_) => Some(format!("it was not healed within {} s", STEP_MAX.as_secs())),
        };
        record.error = record.error.take().or(error);
        record.description = fault.describe();
        record.proof = fault.proof();
        record.findings = fault.findings();
        record
    }

    /// Waits, but not beyond the end of the run.
    async fn rest(&mut self, time: Duration) {
        let stop = self.stop.wait_for(|stop| *stop);
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = stop => {}
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
