//! A graph of who came before whom, and the search for circles in it.

use crate::anomaly::Order;
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

/// Why one transaction came before another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Because {
    /// The second appended right behind the first.
    Wrote,
    /// The second saw what the first appended.
    WasRead,
    /// The first did not see what the second appended.
    Missed,
    Process,
    RealTime,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Edge {
    pub from: usize,
    pub to: usize,
    pub because: Because,
    /// Key and element, where it is about one.
    pub element: Option<(u64, u64)>,
}

impl fmt::Display for Edge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        match (self.because, self.element) {
            (Because::Wrote, Some((key, value))) => {
                write!(formatter, "T{to} appended {value} to list {key} behind T{from}'s element")
            }
            (Because::WasRead, Some((key, value))) => write!(formatter, "T{to} saw T{from}'s {value} in list {key}"),
            (Because::Missed, Some((key, value))) => {
                write!(formatter, "T{from} did not see T{to}'s {value} in list {key}")
            }
            (Because::Process, _) => write!(formatter, "T{from} came before T{to} in one process"),
            (Because::RealTime, _) => write!(formatter, "T{from} had ended before T{to} began"),
            (because, None) => write!(formatter, "T{from} {because:?} T{to}"),
        }
    }
}

/// All edges, by where they begin.
pub(crate) struct Graph {
    edges: Vec<Vec<Edge>>,
}

/// Which edges a search may take.
#[derive(Clone, Copy)]
pub(crate) struct Allowed {
    pub was_read: bool,
    pub missed: bool,
    pub order: Order,
}

impl Allowed {
    fn takes(self, because: Because) -> bool {
        match because {
            Because::Wrote => true,
            Because::WasRead => self.was_read,
            Because::Missed => self.missed,
            Because::Process => self.order >= Order::Process,
            Because::RealTime => self.order >= Order::RealTime,
        }
    }
}

impl Graph {
    pub fn new(count: usize, edges: impl IntoIterator<Item = Edge>) -> Graph {
        let mut graph = Graph { edges: vec![Vec::new(); count] };
        for edge in edges {
            if edge.from != edge.to {
                graph.edges[edge.from].push(edge);
            }
        }
        for edges in &mut graph.edges {
            edges.sort();
            edges.dedup();
        }
        graph
    }

    pub fn edges(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().flatten()
    }

    fn next(&self, from: usize, allowed: Allowed) -> impl Iterator<Item = &Edge> {
        self.edges[from].iter().filter(move |edge| allowed.takes(edge.because))
    }

    /// Each node's strongly connected component: a circle stays within one. (Tarjan, without recursion.)
    pub fn components(&self, allowed: Allowed) -> Vec<usize> {
        const NONE: usize = usize::MAX;
        let count = self.edges.len();
        let (mut index, mut low, mut component) = (vec![NONE; count], vec![0; count], vec![NONE; count]);
        let (mut stack, mut indexed, mut found) = (Vec::new(), 0, 0);
        for root in 0..count {
            if index[root] != NONE {
                continue;
            }
            let mut calls: Vec<(usize, Vec<usize>)> = vec![(root, Vec::new())];
            while let Some((node, ahead)) = calls.last_mut() {
                let node = *node;
                if index[node] == NONE {
                    (index[node], low[node]) = (indexed, indexed);
                    indexed += 1;
                    stack.push(node);
                    *ahead = self.next(node, allowed).map(|edge| edge.to).collect();
                }
                if let Some(to) = ahead.pop() {
                    if index[to] == NONE {
                        calls.push((to, Vec::new()));
                    } else if component[to] == NONE {
                        low[node] = low[node].min(index[to]);
                    }
                    continue;
                }
                calls.pop();
                if let Some((parent, _)) = calls.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
                if low[node] == index[node] {
                    while let Some(member) = stack.pop() {
                        component[member] = found;
                        if member == node {
                            break;
                        }
                    }
                    found += 1;
                }
            }
        }
        component
    }

    /// The shortest way between two nodes.
    pub fn path(&self, from: usize, to: usize, allowed: Allowed) -> Option<Vec<&Edge>> {
        let mut reached: BTreeMap<usize, &Edge> = BTreeMap::new();
        let mut ahead = VecDeque::from([from]);
        while let Some(node) = ahead.pop_front() {
            for edge in self.next(node, allowed) {
                if edge.to == from || reached.contains_key(&edge.to) {
                    continue;
                }
                reached.insert(edge.to, edge);
                if edge.to == to {
                    let mut way = vec![edge];
                    while way[way.len() - 1].from != from {
                        way.push(reached[&way[way.len() - 1].from]);
                    }
                    way.reverse();
                    return Some(way);
                }
                ahead.push_back(edge.to);
            }
        }
        None
    }
}
