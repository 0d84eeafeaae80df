//! One instance: the processes of one deployment, and the events that they are given one after the other.

use crate::{
    deployment::{Deployment, FailureKind, Invocation, Invoked, Outcome},
    exchange::{Answer, Event, Exchange, Exit},
    log::InstanceLog,
    pool::Lease,
    report::{self, Fault, Report},
    sandbox::cgroup::Group,
};
use stator_environment::Environment;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::DropGuard;

/// How often the memory of an instance at work is looked at.
const MEMORY_CHECK: Duration = Duration::from_millis(100);
/// An instance gets no event if its credentials would end so soon after the event's time is up.
const CREDENTIALS_MARGIN_MS: u64 = 60_000;

/// Processes that wait for events. Dropping it ends them.
pub(crate) struct Instance {
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) log: Arc<InstanceLog>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) credentials_end_ms: u64,
    pub(crate) environment: Environment,
    pub(crate) lease: Arc<Lease>,
    pub(crate) _end: DropGuard,
}

/// What became of an event that was offered to an instance.
pub(crate) enum Run {
    /// The instance can be used again if the flag says so.
    Done { invoked: Box<Invoked>, reusable: bool },
    /// The instance had ended before; another one may have the event.
    NotTaken,
    /// The caller's deadline passed.
    DeadlineExceeded,
}

/// Where the time of an invocation stands when its event is handed over.
pub(crate) struct Times {
    /// When it must be answered, on the clock of elapsed time: the caller's deadline or the function's timeout.
    pub until: Duration,
    /// Whether `until` is the function's timeout.
    pub is_timeout: bool,
    pub init: Option<Duration>,
}

impl Instance {
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// False if its processes have ended, or its credentials are about to.
    pub fn is_usable(&self, wall_ms: u64) -> bool {
        let needed = self.deployment.timeout.as_millis() as u64 + CREDENTIALS_MARGIN_MS;
        !self.exchange.has_ended() && wall_ms.saturating_add(needed) < self.credentials_end_ms
    }

    /// Gives the event to the function and waits for what it answers.
    pub async fn run(&self, invocation: &Invocation, times: Times) -> Run {
        let clock = &self.environment.clock;
        self.log.drain();
        self.log.say(&report::start_line(&self.deployment, &invocation.request_id));
        let begun = clock.elapsed();
        let left = times.until.saturating_sub(begun);
        let mut answered = self.exchange.offer(Event {
            request_id: invocation.request_id.clone(),
            payload: invocation.payload.clone(),
            deadline_ms: clock.wall_ms().saturating_add(left.as_millis() as u64),
            function_arn: self.deployment.arn.clone(),
            trace_id: invocation.trace_id.clone(),
            client_context: invocation.client_context.clone(),
        });
        let answer = {
            let wait = async {
                tokio::select! {
                    biased;
                    // The sender is in the exchange, which this instance holds: it is never dropped without a word.
                    answer = &mut answered => Some(answer.unwrap_or(Answer::NotTaken)),
                    () = self.too_much_memory() => None,
                }
            };
            self.environment.timeout(left, wait).await
        };
        let duration = clock.elapsed().saturating_sub(begun);
        self.log.drain();
        let result = match answer {
            None if !times.is_timeout => return Run::DeadlineExceeded,
            None => Err(Fault::TimedOut),
            Some(None) => Err(Fault::OutOfMemory),
            Some(Some(Answer::NotTaken)) => return Run::NotTaken,
            Some(Some(Answer::Ended(exit))) => Err(self.fault_of(exit)),
            Some(Some(Answer::Response(payload))) => Ok(Outcome::Answered { payload }),
            Some(Some(Answer::Error(payload))) => Ok(Outcome::Failed { kind: FailureKind::Unhandled, payload }),
            Some(Some(Answer::TooLarge)) => Ok(report::too_large()),
        };
        let reusable = result.is_ok();
        let invoked = Box::new(self.close(&invocation.request_id, result, duration, times.init));
        Run::Done { invoked, reusable }
    }

    /// An invocation whose instance never came to ask for it.
    pub fn stillborn(&self, request_id: &str, result: Result<Outcome, Fault>, init: Duration) -> Invoked {
        self.log.drain();
        self.log.say(&report::start_line(&self.deployment, request_id));
        self.close(request_id, result, Duration::ZERO, Some(init))
    }

    /// Ends the invocation's log, and says what there is to say of it.
    fn close(
        &self,
        request_id: &str,
        result: Result<Outcome, Fault>,
        duration: Duration,
        init: Option<Duration>,
    ) -> Invoked {
        let fault = result.as_ref().err().cloned();
        let outcome = result.unwrap_or_else(|fault| {
            let (outcome, line) = fault.tell(&self.deployment, request_id, self.environment.clock.wall_ms());
            line.lines().for_each(|line| self.log.say(line));
            outcome
        });
        let max_memory_mb = self.memory.highest_mb();
        let billed = report::billed(duration + init.unwrap_or_default());
        self.log.say(&report::end_line(request_id));
        let report = Report {
            deployment: &self.deployment,
            request_id,
            duration,
            billed,
            init,
            max_memory_mb,
            fault: fault.as_ref(),
        };
        self.log.say(&report.line());
        Invoked { outcome, log_tail: self.log.take_tail(), duration, billed, init, max_memory_mb }
    }

    /// A process that the kernel killed for want of memory looks like any other that was killed, so the group is asked.
    pub fn fault_of(&self, exit: Exit) -> Fault {
        match exit {
            Exit::Signal(libc::SIGKILL) if self.memory.was_exceeded() => Fault::OutOfMemory,
            exit => Fault::Exited(exit),
        }
    }

    /// Waits until the processes have more memory than the deployment, if anything can tell.
    async fn too_much_memory(&self) {
        let most = u64::from(self.deployment.memory_mb) << 20;
        loop {
            self.environment.sleep(MEMORY_CHECK).await;
            if self.memory.measure().is_some_and(|bytes| bytes > most) {
                return;
            }
        }
    }
}

/// The memory of an instance.
pub(crate) struct Memory {
    pub group: Option<Group>,
    /// The helper, whose only grandchild is the function.
    pub helper: Option<u32>,
    highest_mb: AtomicU32,
}

impl Memory {
    pub fn new(group: Option<Group>, helper: Option<u32>) -> Memory {
        Memory { group, helper, highest_mb: AtomicU32::new(0) }
    }

    /// What the processes have now, where a control group counts it.
    fn measure(&self) -> Option<u64> {
        let bytes = self.group.as_ref()?.process_bytes()?;
        self.highest_mb.fetch_max(bytes.div_ceil(1 << 20) as u32, Ordering::Relaxed);
        Some(bytes)
    }

    /// The most that was seen, in MiB. Without a control group only the first process of the function counts.
    fn highest_mb(&self) -> u32 {
        if self.measure().is_none()
            && let Some(kib) = self.helper.and_then(first_process_kib)
        {
            self.highest_mb.fetch_max(kib.div_ceil(1024) as u32, Ordering::Relaxed);
        }
        self.highest_mb.load(Ordering::Relaxed)
    }

    fn was_exceeded(&self) -> bool {
        self.group.as_ref().is_some_and(Group::out_of_memory)
    }
}

/// The highest resident memory that the last in the line of only children ever had.
fn first_process_kib(helper: u32) -> Option<u64> {
    let mut process = helper;
    while let Some(child) = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"))
        .ok()
        .and_then(|children| children.split_whitespace().next()?.parse().ok())
    {
        process = child;
    }
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
