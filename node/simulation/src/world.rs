//! The world that all simulated nodes share: its randomness, its trace, and which nodes run.

use parking_lot::Mutex;
use stator_environment::{Clock, Environment, Random};
use stator_item::NodeId;
use stator_workloads::Delivery;
use std::{collections::BTreeMap, hash::Hasher, sync::Arc, time::Duration};
use tokio::time::Instant;

use crate::{
    clock::SimulatedClock,
    functions::Notes,
    tasks::{Life, NodeTasks},
};

/// SplitMix64 (Steele, Lea and Flood, 2014): small, fast, and good enough to pick faults.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.throw() % end }
    }

    /// True in `per_mille` of a thousand throws.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// A duration between the two, in microseconds.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_micros() as u64;
        least + Duration::from_micros(self.below(span + 1))
    }
}

/// What happened, as a running hash and, if asked for, as text.
#[derive(Default)]
pub struct Trace {
    hash: crate::trace_hash::Fnv,
    pub events: u64,
    lines: Option<Vec<String>>,
}

pub struct World {
    started: Instant,
    dice: Mutex<Dice>,
    trace: Mutex<Trace>,
    lives: Mutex<BTreeMap<NodeId, Arc<Life>>>,
    every_life: Mutex<Vec<(NodeId, Arc<Life>)>>,
    notes: Mutex<Notes>,
}

impl World {
    /// A world that unfolds from `seed`. Must be made inside the simulation's runtime.
    pub fn new(seed: u64, keep_lines: bool) -> Arc<World> {
        let trace = Trace { lines: keep_lines.then(Vec::new), ..Trace::default() };
        Arc::new(World {
            started: Instant::now(),
            dice: Mutex::new(Dice::new(seed)),
            trace: Mutex::new(trace),
            lives: Mutex::new(BTreeMap::new()),
            every_life: Mutex::default(),
            notes: Mutex::default(),
        })
    }

    /// Simulated time since the beginning.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Throws the world's dice.
    pub fn throw<T>(&self, throw: impl FnOnce(&mut Dice) -> T) -> T {
        throw(&mut self.dice.lock())
    }

    /// Notes an event. Two runs of one seed must note the same events at the same times.
    pub fn note(&self, event: impl FnOnce() -> String) {
        let at = self.now();
        let text = event();
        let mut trace = self.trace.lock();
        trace.hash.write(&(at.as_micros() as u64).to_le_bytes());
        trace.hash.write(text.as_bytes());
        trace.events += 1;
        if let Some(lines) = &mut trace.lines {
            lines.push(format!("{:>12.6} {text}", at.as_secs_f64()));
        }
    }

    /// A function was called with that.
    pub fn note_delivery(&self, function: &str, delivery: Delivery) {
        self.note(|| format!("{function} sees {delivery:?}"));
        self.notes.lock().entry(function.to_owned()).or_default().push(delivery);
    }

    /// What a function was called with, in order.
    pub fn deliveries(&self, function: &str) -> Vec<Delivery> {
        self.notes.lock().get(function).cloned().unwrap_or_default()
    }

    /// Hash of all events so far, and their number.
    pub fn fingerprint(&self) -> (u64, u64) {
        let trace = self.trace.lock();
        (trace.hash.finish(), trace.events)
    }

    /// The events as text, if they were kept.
    pub fn lines(&self) -> Vec<String> {
        self.trace.lock().lines.clone().unwrap_or_default()
    }

    /// Begins a new life of a node: what it started before is gone.
    pub fn begin_life(self: &Arc<World>, node: NodeId, clock: Arc<SimulatedClock>) -> (Arc<Life>, Environment) {
        let life = Life::new();
        self.every_life.lock().push((node, life.clone()));
        if let Some(former) = self.lives.lock().insert(node, life.clone()) {
            former.end();
        }
        let seed = self.throw(Dice::throw);
        let environment = Environment {
            clock: clock as Arc<dyn Clock>,
            random: Arc::new(NodeRandom(Mutex::new(Dice::new(seed)))),
            tasks: Arc::new(NodeTasks::new(life.clone())),
        };
        (life, environment)
    }

    /// Mistakes in the program that any node met.
    pub fn panics(&self) -> Vec<String> {
        let lives = self.every_life.lock();
        let of = |(node, life): &(NodeId, Arc<Life>)| {
            let node = *node;
            life.panics().into_iter().map(move |said| format!("node {node} panicked: {said}"))
        };
        lives.iter().flat_map(of).collect()
    }

    /// The node's present life, if it has one.
    pub fn life(&self, node: NodeId) -> Option<Arc<Life>> {
        self.lives.lock().get(&node).filter(|life| life.is_alive()).cloned()
    }

    /// Kills a node: none of its tasks is polled again.
    pub fn kill(&self, node: NodeId) {
        let life = self.lives.lock().remove(&node);
        if let Some(life) = life {
            life.end();
        }
    }
}

/// A node's own randomness, so that one node's throws do not shift another's.
struct NodeRandom(Mutex<Dice>);

impl Random for NodeRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = self.0.lock();
        for chunk in bytes.chunks_mut(8) {
            let random = dice.throw().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}
