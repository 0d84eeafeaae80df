//! All nodes of a cluster, found from any one of them, handed out in turn.
//!
//! Guarantees: [`Endpoints::next`] never waits and always names a node; a node reported as failed is not named again before
//! it has answered a question, unless all have failed. Nodes that join are found within one interval, nodes that leave are
//! forgotten. A server that does not tell its nodes is used at the given addresses. Bounded: 256 nodes.

use crate::{
    Address, Error,
    discovery::{NODES_MAX, ask},
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

/// What a client that has no wish of its own should ask for.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(5);
const REFRESH_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Cheap to clone; when the last clone goes, the search ends.
#[derive(Clone, Debug)]
pub struct Endpoints(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    seeds: Vec<Address>,
    /// Never empty, and at least one is taken to live.
    nodes: Mutex<Vec<Node>>,
    turn: AtomicUsize,
}

#[derive(Clone, Debug)]
struct Node {
    address: Address,
    living: bool,
}

impl Endpoints {
    /// Asks the given nodes who else there is, now and then at every interval, on the runtime of the caller.
    pub async fn discover(seeds: Vec<Address>, refresh_interval: Duration) -> Result<Endpoints, Error> {
        let endpoints = Endpoints::fixed(seeds)?;
        endpoints.0.refresh().await?;
        let (weak, interval) = (Arc::downgrade(&endpoints.0), refresh_interval.max(REFRESH_INTERVAL_MIN));
        tokio::spawn(keep_fresh(weak, interval));
        Ok(endpoints)
    }

    /// Exactly these nodes, all taken to be alive until they are reported.
    pub fn fixed(seeds: Vec<Address>) -> Result<Endpoints, Error> {
        if seeds.is_empty() || seeds.len() > NODES_MAX {
            return Err(Error::Arguments(format!("from 1 to {NODES_MAX} addresses are needed, not {}", seeds.len())));
        }
        let nodes = seeds.iter().cloned().map(|address| Node { address, living: true }).collect();
        Ok(Endpoints(Arc::new(Shared { seeds, nodes: Mutex::new(nodes), turn: AtomicUsize::new(0) })))
    }

    /// The next living node in turn.
    #[allow(clippy::should_implement_trait)] // an endless, shared turn is no iterator
    pub fn next(&self) -> Address {
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        let nodes = self.0.nodes.lock();
        let living = nodes.iter().filter(|node| node.living).count();
        let mut candidates = nodes.iter().filter(|node| node.living);
        candidates.nth(turn % living.max(1)).expect("at least one node is always taken to live").address.clone()
    }

    /// The node did not answer: others are named until it answers a question at the next refresh. When the last one fails,
    /// each gets its chance again, for nobody knows better.
    pub fn report_failure(&self, address: &Address) {
        let mut nodes = self.0.nodes.lock();
        nodes.iter_mut().filter(|node| node.address == *address).for_each(|node| node.living = false);
        revive_if_all_failed(&mut nodes);
    }

    /// The nodes that are named now.
    pub fn living(&self) -> Vec<Address> {
        self.0.nodes.lock().iter().filter(|node| node.living).map(|node| node.address.clone()).collect()
    }
}

async fn keep_fresh(shared: Weak<Shared>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(shared) = shared.upgrade() else { return };
        if let Err(error) = shared.refresh().await {
            tracing::debug!(%error, "no node answers; the old list stays");
        }
    }
}

impl Shared {
    /// Asks every known node, all at once. An error if none answers; then nothing changes.
    async fn refresh(&self) -> Result<(), Error> {
        let mut known: Vec<Address> = self.nodes.lock().iter().map(|node| node.address.clone()).collect();
        for seed in &self.seeds {
            if !known.contains(seed) {
                known.push(seed.clone());
            }
        }
        let mut questions = JoinSet::new();
        for address in known.iter().take(2 * NODES_MAX).cloned() {
            questions.spawn(async move { (ask(&address).await, address) });
        }
        let (mut answers, mut last_error) = (BTreeMap::new(), None);
        while let Some(finished) = questions.join_next().await {
            match finished {
                Ok((Ok(answer), address)) => drop(answers.insert(address, answer)),
                Ok((Err(error), _)) => last_error = Some(error),
                Err(_) => {}
            }
        }
        if answers.is_empty() {
            let asked = known.iter().map(Address::as_str).collect::<Vec<_>>().join(", ");
            let reason = last_error.map_or_else(|| "the search was given up".to_owned(), |error| error.to_string());
            return Err(Error::NoNode { asked, reason });
        }
        *self.nodes.lock() = merged(&known, &answers);
        Ok(())
    }
}

/// The new list: what at least half of those name that name any, else all that were known. Whoever did not answer is there
/// and not living; a node heard of for the first time gets its chance.
fn merged(known: &[Address], answers: &BTreeMap<Address, Option<Vec<Address>>>) -> Vec<Node> {
    let lists: Vec<&Vec<Address>> = answers.values().flatten().collect();
    let mut votes: BTreeMap<&Address, usize> = BTreeMap::new();
    for list in &lists {
        let mut list: Vec<&Address> = list.iter().collect();
        list.sort_unstable();
        list.dedup();
        list.into_iter().for_each(|address| *votes.entry(address).or_default() += 1);
    }
    let mut named: Vec<&Address> =
        votes.into_iter().filter(|(_, count)| count * 2 >= lists.len()).map(|(address, _)| address).collect();
    if named.is_empty() {
        named = known.iter().collect();
    }
    named.truncate(NODES_MAX);
    let living = |address: &Address| answers.contains_key(address) || !known.contains(address);
    let mut nodes: Vec<Node> =
        named.into_iter().map(|address| Node { address: address.clone(), living: living(address) }).collect();
    revive_if_all_failed(&mut nodes);
    nodes
}

fn revive_if_all_failed(nodes: &mut [Node]) {
    if nodes.iter().all(|node| !node.living) {
        nodes.iter_mut().for_each(|node| node.living = true);
    }
}

#[cfg(test)]
mod tests;
