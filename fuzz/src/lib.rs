//! Everything that reads foreign bytes, from clients, from other nodes or from disk, as functions of those bytes alone.
//!
//! A function returns when its reader keeps its promises for these bytes, accepted or not, and panics when it does not. The
//! inputs in `corpus/` run as an ordinary test; `make fuzz` looks for new ones.

mod client;
mod disk;
mod peer;

/// A reader under test.
pub struct Target {
    /// Also the name of its folder under `corpus/`.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

pub const TARGETS: [Target; 17] = [
    Target { name: "request", run: client::request },
    Target { name: "expression", run: client::expression },
    Target { name: "statement", run: client::statement },
    Target { name: "lambda", run: client::lambda },
    Target { name: "package", run: client::package },
    Target { name: "signature", run: client::signature },
    Target { name: "item", run: client::item },
    Target { name: "filter", run: client::filter },
    Target { name: "logs", run: client::logs },
    Target { name: "pattern", run: client::pattern },
    Target { name: "batch", run: disk::batch },
    Target { name: "row", run: disk::row },
    Target { name: "key", run: disk::key },
    Target { name: "entry", run: disk::entry },
    Target { name: "record", run: disk::record },
    Target { name: "segment", run: disk::segment },
    Target { name: "frame", run: peer::frame },
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
