//! A `stator` process of a test: started on free ports, and killed with the test.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// In which everything must happen that a test waits for.
const AMPLE: Duration = Duration::from_secs(60);

/// A command with nothing of the caller's environment that could be a setting.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stator"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STATOR_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary runs")
}

/// Runs a command that must succeed; what it printed.
pub fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command that must fail with this code; what it said.
pub fn refused(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.starts_with("error: ") && !said.contains("panicked"), "{said}");
    said
}

/// A node that runs.
pub struct Stator {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// HOST:PORT for clients.
    pub endpoint: String,
}

impl Stator {
    pub fn dev(data: &Path) -> Stator {
        Stator::spawn(command(&["dev", "--listen", "127.0.0.1:0", "--data", text(data)]))
    }

    pub fn start(data: &Path, more: &[&str]) -> Stator {
        let ports = ["start", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--data", text(data)];
        Stator::spawn(command(&[&ports, more].concat()))
    }

    /// Waits until it says that it serves.
    pub fn spawn(mut command: Command) -> Stator {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("readable");
        let address = line.split_whitespace().find_map(|word| word.split_once("://"));
        let endpoint = address.unwrap_or_else(|| panic!("no address in {line:?}")).1.to_owned();
        Stator { child, stdout, endpoint }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("readable");
        line.trim_end().to_owned()
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for its end: its exit code, and what it still printed.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + AMPLE;
        let status = loop {
            match self.child.try_wait().expect("it is our child") {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "it does not end"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("readable");
        (status.code(), rest)
    }

    /// As `kill -9`.
    pub fn crash(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is our child");
    }
}

impl Drop for Stator {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

/// Waits until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + AMPLE;
    while !condition() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
