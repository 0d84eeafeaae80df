//! A network between nodes, and between clients and nodes, that can be broken without any right on the machine: every node is
//! reached through a proxy of this process, which knows who speaks and holds back or delays what the rules say.
//!
//! It differs from a real network in that TCP ends at the proxy: bytes that are cut off are kept and arrive after healing, as
//! those that TCP repeats would; loss is seen as what it costs TCP, the time until it repeats; nothing is reordered.

mod origin;
mod pump;

use crate::{dice::Dice, error::Error};
use origin::Origins;
use pump::pump;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Who speaks or listens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// By its place among the nodes.
    Node(usize),
    /// All clients together.
    Clients,
}

/// What happens to bytes on their way from one place to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rule {
    /// Nothing gets through.
    pub cut: bool,
    pub delay: Duration,
    /// A random time up to this one is added.
    pub jitter: Duration,
    /// Pieces of a thousand that are lost and sent again by TCP after a while.
    pub lost_per_mille: u32,
}

/// What a rule did: proves that it took effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Effect {
    /// Bytes that came and were held back by a cut.
    pub held_bytes: u64,
    /// Connections that were begun and got nowhere.
    pub refused_connections: u64,
    pub delayed_pieces: u64,
    pub lost_pieces: u64,
}

type Pair = (Place, Place);

/// Cheap to clone.
#[derive(Clone)]
pub struct Links(Arc<Shared>);

pub(crate) struct Shared {
    rules: watch::Sender<BTreeMap<Pair, Rule>>,
    effect: Mutex<Effect>,
    origins: Origins,
    dice: Dice,
}

/// One node's way in. Dropped, it is closed.
#[derive(Debug)]
pub struct Proxy {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who comes through a proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Callers {
    /// Told apart by their processes; whoever is no node of ours is not hindered.
    Nodes,
    Clients,
}

impl Links {
    pub fn new(seed: u64) -> Links {
        Links(Arc::new(Shared {
            rules: watch::Sender::default(),
            effect: Mutex::default(),
            origins: Origins::default(),
            dice: Dice::new(seed),
        }))
    }

    /// Listens for those who want to reach `target`, which is the node `to`. Connections are taken from now on.
    pub async fn listen(&self, callers: Callers, to: usize, target: String) -> Result<Proxy, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Error::machine("listen for a proxy"))?;
        let address = listener.local_addr().map_err(Error::machine("listen for a proxy"))?;
        let shared = self.0.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, from)) = listener.accept().await {
                let (shared, target) = (shared.clone(), target.clone());
                connections.spawn(async move {
                    let from = match callers {
                        Callers::Clients => Some(Place::Clients),
                        Callers::Nodes => shared.origins.find(from.port()).await.map(Place::Node),
                    };
                    // Both sides see how it ended; nobody else wants to know.
                    let _ = shared.carry(stream, from, Place::Node(to), &target).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Proxy { address, task })
    }

    /// The process of a node, by which its connections are known.
    pub fn set_process(&self, node: usize, pid: Option<u32>) {
        self.0.origins.set(node, pid);
    }

    /// Takes the place of all rules that were set before.
    pub fn set_rules(&self, rules: BTreeMap<Pair, Rule>) {
        self.0.rules.send_replace(rules);
    }

    pub fn heal(&self) {
        self.set_rules(BTreeMap::new());
    }

    /// What the rules did since the last time that this was asked.
    pub fn take_effect(&self) -> Effect {
        std::mem::take(&mut *self.0.effect())
    }
}

impl Shared {
    fn effect(&self) -> MutexGuard<'_, Effect> {
        self.effect.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rule(&self, pair: Option<Pair>) -> Rule {
        pair.and_then(|pair| self.rules.borrow().get(&pair).copied()).unwrap_or_default()
    }

    /// Waits until nothing cuts the way any more; whether there was anything to wait for.
    async fn passable(&self, pair: Option<Pair>) -> bool {
        let Some(pair) = pair else { return false };
        let is_cut = |rules: &BTreeMap<Pair, Rule>| rules.get(&pair).is_some_and(|rule| rule.cut);
        let mut rules = self.rules.subscribe();
        let waits = is_cut(&rules.borrow_and_update());
        // The sender lives as long as `self`.
        let _ = rules.wait_for(|rules| !is_cut(rules)).await;
        waits
    }

    async fn carry(
        self: &Arc<Shared>,
        stream: TcpStream,
        from: Option<Place>,
        to: Place,
        target: &str,
    ) -> std::io::Result<()> {
        let there = from.map(|from| (from, to));
        let back = from.map(|from| (to, from));
        // A handshake needs both directions.
        if self.rule(there).cut || self.rule(back).cut {
            self.effect().refused_connections += 1;
            let ends = async {
                self.passable(there).await;
                self.passable(back).await;
            };
            let mut byte = [0];
            tokio::select! {
                () = ends => {}
                // The caller has given up. Bytes that it sends early stay where they are.
                gone = hangs_up(&stream, &mut byte) => return gone,
            }
        }
        let onward = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        onward.set_nodelay(true)?;
        let (caller_in, caller_out) = stream.into_split();
        let (target_in, target_out) = onward.into_split();
        // As soon as one side is gone, the other is told so: a reset, which a cut could not tell, ends both here.
        tokio::select! {
            result = pump(self.clone(), there, caller_in, target_out) => result,
            result = pump(self.clone(), back, target_in, caller_out) => result,
        }
    }
}

/// Returns when the other side closes a connection from which nothing is read.
async fn hangs_up(stream: &TcpStream, byte: &mut [u8; 1]) -> std::io::Result<()> {
    loop {
        if stream.peek(byte).await? == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests;
