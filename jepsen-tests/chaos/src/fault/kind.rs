//! The faults by their names, and what each needs of the machine.

use super::{
    Fault, Who,
    clock::Clock,
    corrupt::Corrupt,
    disk::Disk,
    membership::{Join, Remove},
    network::{Cut, LostReply, Network},
    pair::Pair,
    power::PowerCut,
    process::{Kill, Pause, RollingRestart, Transfer},
};
use crate::{cluster::Trouble, disk::DiskMode};
use std::{fmt, str::FromStr};

/// What has to be prepared before a fault can be injected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Need {
    /// Nodes that this bench has started.
    OwnNodes,
    /// libfaketime.
    Clocks,
    /// A C compiler.
    Disks,
    /// The same, and files that are written twice.
    Power,
    /// Proxies before the nodes.
    ProxiedClients,
    /// Proxies, or a kernel with netem, between the nodes.
    Delay,
}

/// One fault by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Kill,
    KillLeader,
    KillMinority,
    KillMajority,
    KillAll,
    Pause,
    PauseLeader,
    Cut,
    CutLeader,
    CutOneWay,
    CutBridge,
    Delay,
    Loss,
    Flap,
    LostReply,
    ClockJump,
    ClockDrift,
    DiskFull,
    FailedSync,
    SlowSync,
    PowerCut,
    PowerCutOne,
    Corrupt,
    RollingRestart,
    Join,
    Remove,
    Transfer,
}

/// All of them: name, what it is, in words.
const ALL: [(Kind, &str, &str); 27] = [
    (Kind::Kill, "kill", "kill -9 of one node, then a start"),
    (Kind::KillLeader, "kill-leader", "the same to the node that leads most partitions"),
    (Kind::KillMinority, "kill-minority", "the same to as many nodes as may fail"),
    (Kind::KillMajority, "kill-majority", "the same to one more than may fail"),
    (Kind::KillAll, "kill-all", "the same to all nodes at once"),
    (Kind::Pause, "pause", "SIGSTOP of one node for less or more than a lease, then SIGCONT"),
    (Kind::PauseLeader, "pause-leader", "the same to the node that leads most partitions"),
    (Kind::Cut, "cut", "one node hears no other node and is heard by none"),
    (Kind::CutLeader, "cut-leader", "the same to the node that leads most partitions"),
    (Kind::CutOneWay, "cut-one-way", "the leader is heard by no other node, or hears none"),
    (Kind::CutBridge, "cut-bridge", "two nodes do not hear each other; a third one hears both"),
    (Kind::Delay, "delay", "all that nodes send to each other comes late"),
    (Kind::Loss, "loss", "a fifth of what nodes send to each other is lost, and sent again"),
    (Kind::Flap, "flap", "one node is cut off and joined again many times"),
    (Kind::LostReply, "lost-reply", "what one node answers to clients does not arrive"),
    (Kind::ClockJump, "clock-jump", "the wall clock of one node jumps by a minute, forward or back"),
    (Kind::ClockDrift, "clock-drift", "the wall clock of one node runs at half or twice its speed"),
    (Kind::DiskFull, "disk-full", "one node finds no space for a single byte"),
    (Kind::FailedSync, "fsync-error", "every sync of one node fails"),
    (Kind::SlowSync, "slow-fsync", "every sync of one node takes a quarter of a second longer"),
    (Kind::PowerCut, "power-cut", "all nodes are killed at once and lose what they had not synced"),
    (Kind::PowerCutOne, "power-cut-one", "the same to one node"),
    (Kind::Corrupt, "corrupt", "a bit of one stopped node's files is flipped before it starts again"),
    (Kind::RollingRestart, "rolling-restart", "all nodes are stopped and started, one after the other"),
    (Kind::Join, "join", "one more node joins, and is taken out again"),
    (Kind::Remove, "remove", "one node is killed and taken out for good, and a new one joins"),
    (Kind::Transfer, "transfer", "the leader is stopped in order, so that it hands over its leaderships"),
];

impl Kind {
    /// Every fault with its name and what it is.
    pub fn all() -> impl Iterator<Item = (Kind, &'static str, &'static str)> {
        ALL.into_iter()
    }

    fn name(self) -> &'static str {
        ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }

    /// Whether it changes who belongs to the cluster or leads it: the other half of a pair.
    fn is_placement(self) -> bool {
        matches!(self, Kind::Join | Kind::Remove | Kind::Transfer | Kind::RollingRestart)
    }

    pub fn need(self) -> Option<Need> {
        match self {
            Kind::ClockJump | Kind::ClockDrift => Some(Need::Clocks),
            Kind::DiskFull | Kind::FailedSync | Kind::SlowSync => Some(Need::Disks),
            Kind::PowerCut | Kind::PowerCutOne => Some(Need::Power),
            Kind::LostReply => Some(Need::ProxiedClients),
            Kind::Delay => Some(Need::Delay),
            _ => Some(Need::OwnNodes),
        }
    }

    fn make(self) -> Box<dyn Fault> {
        match self {
            Kind::Kill => Box::new(Kill::of(Who::One)),
            Kind::KillLeader => Box::new(Kill::of(Who::Leader)),
            Kind::KillMinority => Box::new(Kill::of(Who::Minority)),
            Kind::KillMajority => Box::new(Kill::of(Who::Majority)),
            Kind::KillAll => Box::new(Kill::of(Who::All)),
            Kind::Pause => Box::new(Pause::of(Who::One)),
            Kind::PauseLeader => Box::new(Pause::of(Who::Leader)),
            Kind::Cut => Box::new(Network::cut(Cut::Off(Who::One))),
            Kind::CutLeader => Box::new(Network::cut(Cut::Off(Who::Leader))),
            Kind::CutOneWay => Box::new(Network::cut(Cut::OneWay)),
            Kind::CutBridge => Box::new(Network::cut(Cut::Bridge)),
            Kind::Delay => Box::new(Network::of(Trouble::Delay { ms: 60 })),
            Kind::Loss => Box::new(Network::of(Trouble::Loss)),
            Kind::Flap => Box::new(Network::flap()),
            Kind::LostReply => Box::new(LostReply::default()),
            Kind::ClockJump => Box::new(Clock::jump()),
            Kind::ClockDrift => Box::new(Clock::drift()),
            Kind::DiskFull => Box::new(Disk::of(DiskMode::Full)),
            Kind::FailedSync => Box::new(Disk::of(DiskMode::FailedSync)),
            Kind::SlowSync => Box::new(Disk::of(DiskMode::SlowSync { ms: 250 })),
            Kind::PowerCut => Box::new(PowerCut::of(Who::All)),
            Kind::PowerCutOne => Box::new(PowerCut::of(Who::One)),
            Kind::Corrupt => Box::new(Corrupt::default()),
            Kind::RollingRestart => Box::new(RollingRestart::default()),
            Kind::Join => Box::new(Join::default()),
            Kind::Remove => Box::new(Remove::default()),
            Kind::Transfer => Box::new(Transfer::default()),
        }
    }
}

/// A fault as the command line names it: one, or a placement change together with another, as `join+kill`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FaultName {
    first: Kind,
    second: Option<Kind>,
}

impl FaultName {
    pub fn make(self) -> Box<dyn Fault> {
        match self.second {
            None => self.first.make(),
            Some(second) => Box::new(Pair::of(self.first.make(), second.make())),
        }
    }

    /// Whether it happens between a database and its clients.
    pub fn is_client_side(self) -> bool {
        self.first == Kind::LostReply && self.second.is_none()
    }

    /// Whether processes of any system can bear it.
    pub fn is_of_processes(self) -> bool {
        use Kind::{Kill, KillAll, KillMajority, KillMinority, Pause};
        self.second.is_none() && matches!(self.first, Kill | KillMinority | KillMajority | KillAll | Pause)
    }

    pub fn needs(self) -> impl Iterator<Item = Need> {
        [Some(self.first), self.second].into_iter().flatten().filter_map(Kind::need)
    }
}

impl FromStr for FaultName {
    type Err = String;

    fn from_str(text: &str) -> Result<FaultName, String> {
        let kind = |name: &str| {
            let known = || ALL.iter().map(|(_, name, _)| *name).collect::<Vec<_>>().join(", ");
            let found = ALL.iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| *kind);
            found.ok_or_else(|| format!("there is no fault {name:?}; there are: {}", known()))
        };
        let Some((first, second)) = text.split_once('+') else {
            return Ok(FaultName { first: kind(text)?, second: None });
        };
        let (first, second) = (kind(first)?, kind(second)?);
        if !first.is_placement() || second.is_placement() {
            let may = ALL.iter().filter(|(kind, ..)| kind.is_placement()).map(|(_, name, _)| *name);
            let may = may.collect::<Vec<_>>().join(", ");
            return Err(format!("{text:?}: a pair is one of {may}, then + and any other fault"));
        }
        Ok(FaultName { first, second: Some(second) })
    }
}

impl fmt::Display for FaultName {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.first.name())?;
        self.second.map_or(Ok(()), |second| write!(to, "+{}", second.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for (_, name, what) in Kind::all() {
            assert_eq!(name.parse::<FaultName>().map(|fault| fault.to_string()).as_deref(), Ok(name));
            assert!(!what.is_empty());
        }
        assert_eq!("join+kill-leader".parse::<FaultName>().expect("a pair").to_string(), "join+kill-leader");
    }

    #[test]
    fn what_is_no_fault_is_told() {
        for (text, words) in [
            ("kil", "there are: kill,"),
            ("", "there is no fault"),
            ("kill+cut", "a pair is"),
            ("join+remove", "a pair is"),
        ] {
            let told = text.parse::<FaultName>().expect_err(text);
            assert!(told.contains(words), "{told}");
        }
    }
}
