//! The helper's side: from `sandbox-exec` to the function's program.
//!
//! Three processes with namespaces, one below the other: the *supervisor*, which the server started and which ends when the
//! server does; the *init*, process 1 of the new process namespace, which builds the sandbox and waits; the function. When
//! init ends, however it ends, the kernel kills every process of its namespace. Without namespaces the supervisor is the init.

use super::{
    control, landlock, limits, mounts, namespaces, network,
    plan::{ARGUMENT, Plan, Told},
    privileges, seccomp,
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fd::{AsFd, OwnedFd},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus},
};
use std::{fmt, os::unix::process::CommandExt, process::ExitCode};

/// A step that failed, for the server to be told.
#[derive(Debug)]
pub(super) struct StepFailed {
    pub step: &'static str,
    pub reason: String,
}

/// Names the step that an error belongs to.
pub(super) trait Step<T> {
    fn step(self, step: &'static str) -> Result<T, StepFailed>;
}

impl<T, E: fmt::Display> Step<T> for Result<T, E> {
    fn step(self, step: &'static str) -> Result<T, StepFailed> {
        self.map_err(|error| StepFailed { step, reason: error.to_string() })
    }
}

/// To be called first in `main`: if the program was called as the helper, does the helper's work and returns its exit code.
/// Must come before anything starts a thread.
pub fn entry() -> Option<ExitCode> {
    if std::env::args_os().nth(1).is_none_or(|argument| argument != ARGUMENT) {
        return None;
    }
    let control = match take_control() {
        Ok(control) => control,
        Err(error) => {
            eprintln!("the sandbox's helper has no socket to the server: {error}");
            return Some(ExitCode::from(2));
        }
    };
    Some(match run(&control) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StepFailed { step, reason }) => {
            control::tell(&control, &Told::Failed { step: step.to_owned(), reason }, &[]);
            ExitCode::FAILURE
        }
    })
}

/// Moves the socket away from the standard input, so that the function does not inherit it.
fn take_control() -> Result<OwnedFd, Errno> {
    let stdin = rustix::stdio::stdin();
    let control = rustix::io::fcntl_dupfd_cloexec(stdin, 3)?;
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC, 0.into())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(control)
}

fn run(control: &OwnedFd) -> Result<(), StepFailed> {
    let Some((message, _)) = control::receive(control).step("plan")? else { return Ok(()) };
    let plan: Plan = serde_json::from_slice(&message).step("plan")?;
    // The function, not the server, is to be chosen when the machine runs out of memory. Nothing depends on it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    if !plan.layers.namespaces {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).step("subreaper")?;
        return init(&plan, control);
    }
    namespaces::enter(&plan)?;
    match namespaces::fork().step("namespaces")? {
        None => {
            // If the server is gone, this comes too late; but then the life line is closed, which the next line sees.
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).step("namespaces")?;
            if hung_up(control).step("namespaces")? {
                return Ok(());
            }
            init(&plan, control)
        }
        Some(init) => {
            let pidfd = rustix::process::pidfd_open(init, PidfdFlags::empty()).step("namespaces")?;
            wait_for_either(control, &pidfd).step("namespaces")?;
            // If it was the life line, this process ends now, and the death signal ends init and all below it.
            let _ = rustix::process::waitpid(Some(init), WaitOptions::NOHANG);
            Ok(())
        }
    }
}

/// Builds the sandbox, begins the function in it, and waits until it ends.
fn init(plan: &Plan, control: &OwnedFd) -> Result<(), StepFailed> {
    let _ = rustix::process::setsid();
    let mut listeners = Vec::new();
    if plan.layers.namespaces {
        rustix::system::sethostname(b"function").step("namespaces")?;
        if !plan.open_network {
            listeners = network::listen().step("network")?;
        }
        mounts::enter(plan)?;
    }
    if plan.probe {
        privileges::drop(plan)?;
        confine(plan)?;
        control::tell(control, &Told::Ready, &[]);
        return Ok(());
    }
    control::tell(control, &Told::Ready, &listeners.iter().map(AsFd::as_fd).collect::<Vec<_>>());
    drop(listeners);
    match namespaces::fork().step("fork")? {
        None => begin(plan, control),
        Some(function) => {
            // The log ends when the last process of the function has closed it, so this one must not hold it open.
            let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, 0.into()).step("null")?;
            rustix::stdio::dup2_stdout(&null).step("null")?;
            rustix::stdio::dup2_stderr(&null).step("null")?;
            let status = wait_for(function, control).step("wait")?;
            if let Some(status) = status {
                control::tell(control, &told(status), &[]);
            }
            if !plan.layers.namespaces {
                kill_descendants();
            }
            Ok(())
        }
    }
}

fn told(status: WaitStatus) -> Told {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Told::Exited { code },
        (None, Some(signal)) => Told::Killed { signal },
        (None, None) => Told::Killed { signal: Signal::KILL.as_raw() },
    }
}

/// The function's own process: gives up what it may do, and becomes the function's program.
fn begin(plan: &Plan, control: &OwnedFd) -> Result<(), StepFailed> {
    let _ = rustix::process::setsid();
    limits::set(plan)?;
    privileges::drop(plan)?;
    if !plan.layers.namespaces {
        // After the last change of credentials, which would clear it.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).step("death signal")?;
    }
    let mut command = std::process::Command::new(&plan.program);
    command.args(&plan.arguments).env_clear().envs(plan.environment.iter().map(|(name, value)| (name, value)));
    std::env::set_current_dir(&plan.directory).step("directory")?;
    confine(plan)?;
    // Only returns if it failed.
    let error = command.exec();
    control::tell(control, &Told::NotStarted { reason: error.to_string() }, &[]);
    Ok(())
}

/// The layers that a process puts on itself and can never take off.
fn confine(plan: &Plan) -> Result<(), StepFailed> {
    rustix::thread::set_no_new_privs(true).step("no_new_privs")?;
    if plan.layers.landlock {
        landlock::restrict(plan)?;
    }
    if plan.layers.seccomp {
        seccomp::filter(plan)?;
    }
    Ok(())
}

/// Waits for the function, and as process 1 for every orphan. `None`: the server is gone.
fn wait_for(function: Pid, control: &OwnedFd) -> Result<Option<WaitStatus>, Errno> {
    let pidfd = rustix::process::pidfd_open(function, PidfdFlags::empty())?;
    loop {
        // The timeout is for orphans, which this process inherits and whose ends nothing else announces.
        let ended = wait_one_second(control, &pidfd)?;
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == function => return Ok(Some(status)),
                Ok(Some(_)) => {}
                Ok(None) | Err(Errno::CHILD) => break,
                Err(error) => return Err(error),
            }
        }
        if ended {
            return Ok(None);
        }
    }
}

/// True if the life line is closed.
fn hung_up(control: &OwnedFd) -> Result<bool, Errno> {
    let mut polled = [PollFd::new(control, PollFlags::empty())];
    poll(&mut polled, Some(&rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    Ok(polled[0].revents().contains(PollFlags::HUP))
}

/// Waits until the process ends or the life line is closed.
fn wait_for_either(control: &OwnedFd, pidfd: &OwnedFd) -> Result<(), Errno> {
    loop {
        let mut polled = [PollFd::new(control, PollFlags::empty()), PollFd::new(pidfd, PollFlags::IN)];
        match poll(&mut polled, None) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits at most a second; true if the life line is closed.
fn wait_one_second(control: &OwnedFd, pidfd: &OwnedFd) -> Result<bool, Errno> {
    let mut polled = [PollFd::new(control, PollFlags::empty()), PollFd::new(pidfd, PollFlags::IN)];
    match poll(&mut polled, Some(&rustix::time::Timespec { tv_sec: 1, tv_nsec: 0 })) {
        Ok(_) | Err(Errno::INTR) => Ok(polled[0].revents().contains(PollFlags::HUP)),
        Err(error) => Err(error),
    }
}

/// Without a process namespace: kills whatever the function left. As the subreaper, this process is the parent of all orphans;
/// a fork bomb may be faster than one round, so there are several, but not without end.
fn kill_descendants() {
    for _ in 0..1000 {
        let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
        let pids: Vec<Pid> =
            children.split_whitespace().filter_map(|pid| pid.parse().ok()).filter_map(Pid::from_raw).collect();
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
