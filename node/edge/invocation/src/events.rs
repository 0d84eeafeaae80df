//! Asynchronous invocation: events are accepted, then worked on by the node that leads their queue.

use crate::{
    destinations::{Fate, Told},
    functions::Functions,
    invoke::{Event, Ran, reference},
    queue::Queued,
};
use parking_lot::Mutex;
use stator_catalog::{EventInvoke, Function, LATEST};
use stator_cluster::Deadline;
use stator_functions::Outcome;
use stator_lambda::LambdaError;
use stator_partition::Refusal;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How old an event may be unless its function says otherwise (Lambda: six hours).
const AGE_S_MAX: u32 = 21_600;
/// How often an event is tried again unless its function says otherwise.
const RETRIES_MAX: u32 = 2;
/// How long writing down what became of an event may take.
const SETTLE_MAX: Duration = Duration::from_secs(10);
/// How long a look for events may take.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// Events that this node works on.
pub(crate) type Working = Arc<Mutex<BTreeSet<(u64, String)>>>;

impl Functions {
    /// Accepts an event for a function: it is durable when this returns.
    pub(crate) async fn accept(
        &self,
        function: &Function,
        qualifier: Option<&str>,
        event: Event,
        deadline: Deadline,
    ) -> Result<(), LambdaError> {
        let queued = Queued::new(&function.name, qualifier, event, self.environment.clock.wall_ms());
        self.queue.accept(queued, deadline).await?;
        self.metrics.events_accepted.inc();
        self.wake.notify_one();
        Ok(())
    }

    /// Runs for as long as the node does.
    pub(crate) async fn work_on_events(self: Arc<Functions>) {
        let working = Working::default();
        loop {
            let look_every = self.settings.events_look_every;
            self.environment.timeout(look_every, self.wake.notified()).await;
            if let Err(refusal) = self.begin_due(&working).await {
                tracing::debug!(%refusal, "events are not found at the moment");
            }
        }
    }

    async fn begin_due(self: &Arc<Functions>, working: &Working) -> Result<(), Refusal> {
        if working.lock().len() >= self.settings.events_max {
            return Ok(());
        }
        let is_known = |id: &(u64, String)| working.lock().contains(id);
        let now_ms = self.environment.clock.wall_ms();
        for queued in self.queue.due(&is_known, now_ms, self.deadline(LOOK_MAX)).await? {
            let id = queued.id();
            {
                let mut working = working.lock();
                if working.len() >= self.settings.events_max || !working.insert(id.clone()) {
                    continue;
                }
            }
            self.metrics.events_in_flight.inc();
            let (functions, working) = (self.clone(), working.clone());
            let work = async move {
                functions.work(queued).await;
                working.lock().remove(&id);
                functions.metrics.events_in_flight.dec();
                functions.wake.notify_one();
            };
            self.environment.tasks.spawn("function event", Box::pin(work));
        }
        Ok(())
    }

    /// Tries an event, and settles it or puts it back. If that fails it stays where it is, and is found again.
    async fn work(&self, queued: Queued) {
        let settled = match self.try_event(&queued).await {
            Some((function, fate)) => self.settle(&queued, &function, fate).await,
            // Nobody is left who could be told.
            None => self.queue.finish(&queued, self.deadline(SETTLE_MAX)).await.map_err(LambdaError::from),
        };
        if let Err(error) = settled {
            tracing::debug!(function = %queued.function, %error, "an event is not settled yet");
            // Not at once again: what fails now may fail for a while.
            self.environment.sleep(self.settings.throttle_waits[0]).await;
        }
    }

    /// What came of one try; `None`: the function is gone.
    async fn try_event(&self, queued: &Queued) -> Option<(Arc<Function>, Fate)> {
        let reference = reference(&queued.function, queued.qualifier.as_deref())?;
        let function = match self.known(&reference, self.deadline(SETTLE_MAX)).await {
            Ok(function) => function,
            Err(error) => {
                tracing::info!(function = %queued.function, %error, "an event has no function any more");
                self.metrics.events_dropped.inc();
                return None;
            }
        };
        let settings = event_settings(&function, queued.qualifier.as_deref());
        let age_ms = self.environment.clock.wall_ms().saturating_sub(queued.accepted_ms);
        if age_ms > u64::from(settings.age_s_max.unwrap_or(AGE_S_MAX)) * 1_000 {
            return Some((function, Fate::TooOld));
        }
        let ran = self.run(function.clone(), queued.qualifier.clone(), queued.event.clone()).await;
        let fate = match ran {
            Ok(ran) if matches!(ran.invoked.outcome, Outcome::Answered { .. }) => Fate::Answered(ran),
            Ok(ran) if queued.failures >= u64::from(settings.retries_max.unwrap_or(RETRIES_MAX)) => Fate::Failed(ran),
            Ok(_) => Fate::Again,
            Err(LambdaError::RecursiveInvocation(_)) => Fate::Looped,
            Err(error) => Fate::NotTried(error),
        };
        Some((function, fate))
    }

    async fn settle(&self, queued: &Queued, function: &Arc<Function>, fate: Fate) -> Result<(), LambdaError> {
        let deadline = self.deadline(SETTLE_MAX);
        let after = |wait: Duration| {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            self.environment.clock.wall_ms().saturating_add(wait_ms)
        };
        match &fate {
            Fate::Again => {
                let wait = self.settings.retry_waits[usize::from(queued.failures > 0)];
                let later = queued.after_failure();
                self.queue.postpone_as(queued, &later, after(wait), deadline).await?;
            }
            Fate::NotTried(error) => {
                tracing::debug!(function = %queued.function, %error, "an event could not be tried");
                let [least, most] = self.settings.throttle_waits;
                let doubled = 2_u32.saturating_pow(u32::try_from(queued.throttles.min(16)).unwrap_or(16));
                let wait = least.saturating_mul(doubled).min(most);
                let later = queued.after_throttle();
                self.queue.postpone_as(queued, &later, after(wait), deadline).await?;
            }
            Fate::Answered(_) | Fate::Failed(_) | Fate::TooOld | Fate::Looped => {
                // First told, then forgotten.
                self.tell(Told { queued, function, fate: &fate }, deadline).await?;
                self.queue.finish(queued, deadline).await?;
            }
        }
        Ok(())
    }
}

/// What holds for events of a qualifier.
pub(crate) fn event_settings(function: &Function, qualifier: Option<&str>) -> EventInvoke {
    function.event_invokes.get(qualifier.unwrap_or(LATEST)).cloned().unwrap_or_default()
}

/// The version that worked on an event.
pub(crate) fn version_of(ran: Option<&Ran>) -> &str {
    ran.map_or(LATEST, |ran| &ran.version)
}
