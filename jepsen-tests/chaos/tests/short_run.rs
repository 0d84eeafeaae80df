//! One short run on real processes, with a kill and a cut, from the command line to the report.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

/// What `STATOR_BINARY` names, else what the same build has put beside this program.
fn stator() -> PathBuf {
    let bench = PathBuf::from(env!("CARGO_BIN_EXE_stator-chaos"));
    let path = std::env::var_os("STATOR_BINARY").map_or_else(|| bench.with_file_name("stator"), PathBuf::from);
    assert!(path.exists(), "{} is missing: run `cargo build -p stator`, or set STATOR_BINARY", path.display());
    path
}

fn chaos(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stator-chaos"));
    command.args(arguments).env_remove("STATOR_BINARY");
    command.output().expect("the program was just built")
}

#[test]
fn three_nodes_survive_a_kill_and_a_cut() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name).display().to_string();
    let (report, history, junit) = (file("report.html"), file("history.jsonl"), file("junit.xml"));
    let stator = stator().display().to_string();
    let mut arguments =
        vec!["run", "--workload", "register,counter", "--faults", "kill-leader,cut", "--duration", "24s"];
    arguments.extend([
        "--stator",
        &stator,
        "--report",
        &report,
        "--history",
        &history,
        "--junit",
        &junit,
        "--seed",
        "7",
    ]);
    let output = chaos(&arguments);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    let page = fs::read_to_string(&report).expect("it was written");
    assert!(page.contains("Verdict: <span class=\"valid\">valid") && page.contains("kill-leader"));
    assert!(fs::read_to_string(&junit).expect("it was written").contains("failures=\"0\" errors=\"0\""));

    // The history alone gives the same judgement, also when its last line is cut off.
    let whole = fs::read(&history).expect("it was written");
    fs::write(&history, &whole[..whole.len() - 5]).expect("writable");
    let judged = chaos(&["judge", &history]);
    let said = String::from_utf8_lossy(&judged.stdout);
    assert_eq!(judged.status.code(), Some(0), "{said}");
    assert!(said.contains("register: 0 violations") && said.contains("counter: 0 violations"), "{said}");
}

/// The second of them gets its state from the log, long after the first entries of it.
#[test]
fn nodes_in_the_place_of_damaged_ones_become_equal_to_the_others() {
    let stator = stator().display().to_string();
    let mut arguments = vec!["run", "--workload", "register", "--faults", "corrupt", "--duration", "22s"];
    arguments.extend(["--rate", "60", "--clients", "2", "--stator", &stator, "--seed", "1"]);
    let output = chaos(&arguments);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("valid    replicas are equal"), "{said}");
}

#[test]
fn what_cannot_be_done_is_said_before_the_run() {
    let cases: [(&[&str], i32, &str); 5] = [
        (&["run", "--workload", "nothing"], 1, "there is no workload"),
        (&["run", "--faults", "earthquake"], 2, "there is no fault"),
        (&["run", "--report", "/no/such/directory/report.html"], 1, "there is no directory"),
        (&["run", "--endpoint", "http://127.0.0.1:1", "--faults", "kill"], 1, "needs nodes that the bench has started"),
        (&["judge", "/no/such/file"], 1, "/no/such/file"),
    ];
    for (arguments, code, words) in cases {
        let output = chaos(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}
