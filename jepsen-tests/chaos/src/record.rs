//! What a run leaves behind for its report: plain data.

use stator_workloads::{
    history::{Counts, Event},
    workload::Judgement,
};

/// One fault as it went.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct FaultRecord {
    pub name: String,
    pub description: String,
    /// When it began to be injected, stood, began to be healed, and was healed.
    pub begun_us: u64,
    pub stood_us: u64,
    pub healing_us: u64,
    pub healed_us: u64,
    pub proof: Option<String>,
    pub findings: Vec<String>,
    /// Why it could not be injected or healed.
    pub error: Option<String>,
}

/// What was seen of the cluster at one moment.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Observation {
    pub at_us: u64,
    /// By node: resident bytes and open files, of those that run.
    pub resources: Vec<(usize, u64, u64)>,
    /// Changes of leaders since the last observation, in words.
    pub leader_changes: Vec<String>,
}

/// What became of the cluster after the run.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Aftermath {
    /// Why it did not become whole again.
    pub not_whole: Option<String>,
    /// Why not everything could be read once more.
    pub not_read: Option<String>,
    /// A line for each partition: how its replicas compare.
    pub replicas: Vec<String>,
    /// Replicas that differ.
    pub differences: Vec<String>,
    /// Why replicas could not be compared.
    pub not_compared: Option<String>,
    /// A line for each node: what `stator check` said.
    pub checks: Vec<String>,
    /// What it found wrong.
    pub findings: Vec<String>,
    pub not_checked: Option<String>,
}

/// One workload's part of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Judged {
    pub workload: String,
    /// Its witnesses are places in the whole history.
    pub judgement: Judgement,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    AsPlanned,
    /// Ctrl-C.
    Interrupted,
    /// So many operations were reached that more would not fit into memory.
    HistoryFull,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct Record {
    /// What to type to do the same again.
    pub command: String,
    pub seed: u64,
    pub version: String,
    pub cluster: String,
    pub duration_us: u64,
    pub ending: Ending,
    pub events: Vec<Event>,
    pub counts: Counts,
    pub faults_asked: Vec<String>,
    pub faults: Vec<FaultRecord>,
    pub observations: Vec<Observation>,
    pub judged: Vec<Judged>,
    /// `None`: the cluster is not ours.
    pub aftermath: Option<Aftermath>,
    /// Said before and during the run.
    pub notes: Vec<String>,
}
