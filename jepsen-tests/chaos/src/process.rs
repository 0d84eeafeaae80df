//! A process of a node: started, broken, stopped; and how it is told from another one that got its number later.

use crate::error::Error;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, OpenOptions},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Lines of a node's log that an error shows.
const SHOWN_LINES: usize = 12;

/// How a node's process is started.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    /// Program and arguments.
    pub command: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub log: PathBuf,
}

/// A process, or its absence. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    pub recipe: Recipe,
    child: Option<Child>,
}

impl Process {
    pub fn new(recipe: Recipe) -> Process {
        Process { recipe, child: None }
    }

    /// Starts it; the number of the process.
    pub fn start(&mut self) -> Result<u32, Error> {
        self.kill();
        let failed = |action: String| Error::machine(action);
        let (program, arguments) =
            self.recipe.command.split_first().ok_or_else(|| Error::Usage("a node without a command".to_owned()))?;
        let log = OpenOptions::new().create(true).append(true).open(&self.recipe.log);
        let log = log.map_err(failed(format!("open {}", self.recipe.log.display())))?;
        let mut command = Command::new(program);
        command.args(arguments);
        // Nothing of the caller's environment may be a setting of a node.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STATOR_")) {
            command.env_remove(name);
        }
        command.envs(self.recipe.environment.iter().map(|(name, value)| (name, value)));
        let error_log = log.try_clone().map_err(failed("open a log twice".to_owned()))?;
        // What a terminal sends to the bench, as Ctrl-C, is not meant for the nodes.
        command.process_group(0);
        let child = command.stdin(Stdio::null()).stdout(log).stderr(error_log).spawn();
        let child = child.map_err(failed(format!("start {program}")))?;
        let pid = child.id();
        self.child = Some(child);
        Ok(pid)
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// How it ended, if it did by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok().flatten()?;
        self.child = None;
        Some(status)
    }

    pub fn is_running(&mut self) -> bool {
        self.child.is_some() && self.ended().is_none()
    }

    /// As `kill -9`, paused or not.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Error::Cluster("the node does not run".to_owned()))?;
        kill_process(pid, signal).map_err(|error| Error::machine("signal a node")(error.into()))
    }

    /// Asks it to end and waits for that; killed, if it takes longer.
    pub async fn stop(&mut self, time_max: Duration) -> Option<ExitStatus> {
        self.signal(Signal::TERM).ok()?;
        let ended = self.wait(time_max).await;
        self.kill();
        ended
    }

    /// Waits for its end.
    pub async fn wait(&mut self, time_max: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + time_max;
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if self.child.is_none() || Instant::now() >= deadline {
                return None;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What it said last.
    pub fn said(&self) -> String {
        let said = fs::read_to_string(&self.recipe.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// When a process began, in ticks since the machine's start: with its number, unique until the next start of the machine.
pub fn begun(pid: u32) -> Option<u64> {
    field_of_stat(pid, 22)?.parse().ok()
}

/// Its state as one letter: `T` is stopped by a signal.
pub fn state(pid: u32) -> Option<char> {
    field_of_stat(pid, 3)?.chars().next()
}

/// Fields are numbered as in proc(5), from 3 on: the second one, the name, may hold anything.
fn field_of_stat(pid: u32, number: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(") ")?;
    behind_name.split(' ').nth(number.checked_sub(3)?).map(str::to_owned)
}

/// Resident memory in bytes and the number of open files.
pub fn resources(pid: u32) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
    Some((kib << 10, files))
}

/// The program `stator`: what is named, else what lies beside this program.
pub fn stator_program(named: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let this = std::env::current_exe().map_err(Error::machine("find this program"))?;
    let mut places = this.ancestors().skip(1).take(2).map(|directory| directory.join("stator"));
    places.find(|path| path.is_file()).ok_or_else(|| {
        Error::Usage("the program `stator` lies not beside this one: build it, or name it with --stator".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(directory: &Path) -> Process {
        let command = ["sleep", "600"].map(str::to_owned).to_vec();
        Process::new(Recipe { command, environment: Vec::new(), log: directory.join("log") })
    }

    #[tokio::test]
    async fn processes_are_started_paused_and_ended() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut process = sleeper(directory.path());
        let pid = process.start().expect("there is a sleep");
        assert!(process.is_running() && begun(pid).is_some());
        process.signal(Signal::STOP).expect("it runs");
        while state(pid) != Some('T') {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        process.kill();
        assert!(!process.is_running() && begun(pid).is_none());
        process.start().expect("there is a sleep");
        assert!(process.stop(Duration::from_secs(60)).await.is_some());
    }
}
