//! Cuts, delays and losses between nodes, whichever way the nodes are joined.

use super::Cluster;
use crate::{
    error::Error,
    links::{Place, Rule},
};
use std::{collections::BTreeMap, time::Duration};

/// What happens between some pairs of nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    Cut,
    Delay { ms: u64 },
    Loss,
}

impl Cluster {
    /// Brings trouble to all that the first of each pair sends to the second, instead of what there was before.
    pub fn trouble(&mut self, trouble: Trouble, pairs: &[(usize, usize)]) -> Result<(), Error> {
        let Some(bridge) = &mut self.bridge else {
            let rule = match trouble {
                Trouble::Cut => Rule { cut: true, ..Rule::default() },
                Trouble::Delay { ms } => {
                    let delay = Duration::from_millis(ms);
                    Rule { delay, jitter: delay, ..Rule::default() }
                }
                Trouble::Loss => Rule { lost_per_mille: 200, ..Rule::default() },
            };
            let pairs = pairs.iter().map(|(from, to)| ((Place::Node(*from), Place::Node(*to)), rule));
            self.links.set_rules(pairs.collect());
            return Ok(());
        };
        for (from, to) in pairs {
            match trouble {
                Trouble::Cut => bridge.cut(*from, *to)?,
                Trouble::Loss => bridge.lose(*from, *to)?,
                Trouble::Delay { ms } => bridge.delay(*to, ms)?,
            }
        }
        Ok(())
    }

    /// What the node in that place answers to clients does not arrive any more.
    pub fn lose_replies(&self, place: usize) {
        let rule = Rule { cut: true, ..Rule::default() };
        self.links.set_rules(BTreeMap::from([((Place::Node(place), Place::Clients), rule)]));
    }

    pub fn heal_network(&mut self) -> Result<(), Error> {
        self.links.heal();
        self.bridge.as_mut().map_or(Ok(()), |bridge| bridge.heal())
    }

    /// What the trouble did since the last time that this was asked, if it did anything.
    pub fn network_effect(&self) -> Option<String> {
        if let Some(bridge) = &self.bridge {
            let drops = bridge.take_drops();
            return (drops > 0 || bridge.has_netem()).then(|| format!("{drops} packets dropped"));
        }
        let effect = self.links.take_effect();
        let parts = [
            (effect.held_bytes, "bytes held back"),
            (effect.refused_connections, "connections got nowhere"),
            (effect.lost_pieces, "pieces lost and sent again"),
            (effect.delayed_pieces, "pieces delayed"),
        ];
        let told: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}
