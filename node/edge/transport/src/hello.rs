//! Who speaks: what each side of a link tells first, and whether to believe it.
//!
//! Guarantees: a link stands only between two nodes of one cluster, each the one that the other means; and of several
//! processes that bear one node's name, only the one with the highest start counter is spoken with. Two with an equal
//! counter (both copies were started once) are told apart by a number drawn at random: the first one heard stays.

use crate::{authority::node_name, lane::Lane, security::bears_name};
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;
use stator_item::NodeId;
use stator_proto::link::Hello;
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

/// The format of frames that this program writes and reads.
const FORMAT_VERSION: u32 = 1;

/// Who a node is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The cluster's id: 1 to 40 of a-z, 0-9 and inner hyphens.
    pub cluster: String,
    pub node: NodeId,
    /// A durable counter of the node's starts: higher at each.
    pub start: u64,
}

/// Why a node is not spoken with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Mistrust {
    #[error("{0}")]
    Stranger(&'static str),
    #[error("{0}")]
    Misdirected(String),
    #[error(
        "node {0} speaks with start counter {1}, but another process of it has been heard since: \
         its data directory was copied or set back"
    )]
    Stale(NodeId, u64),
    #[error("node {0} was removed from the cluster")]
    Removed(NodeId),
}

/// How the other side of a connection is known before it says anything.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// It has nothing to prove: it is on this machine, or TLS has verified the name that was demanded of it.
    Known,
    /// It has no certificate.
    Stranger,
    /// It holds the key of this certificate, which the cluster's authority signed.
    Proven(CertificateDer<'static>),
}

/// This node's side of a link.
pub(crate) struct Introduction<'a> {
    pub identity: &'a Identity,
    pub process: u64,
}

impl Introduction<'_> {
    /// What to tell `to` first.
    pub fn hello(&self, to: NodeId, lane: Lane) -> Hello {
        Hello {
            format_version: FORMAT_VERSION,
            cluster_id: self.identity.cluster.clone(),
            node_id: self.identity.node.0,
            to_node_id: to.0,
            start_counter: self.identity.start,
            process_id: self.process,
            lane: lane as u32,
        }
    }

    /// Whether a hello comes from where it says and means this node.
    pub fn check(&self, hello: &Hello, caller: &Caller) -> Result<(), Mistrust> {
        let own = self.identity;
        let node = NodeId(hello.node_id);
        match caller {
            Caller::Known => {}
            Caller::Stranger => {
                return Err(Mistrust::Stranger("only a node with a certificate of the cluster is served"));
            }
            Caller::Proven(certificate) if bears_name(certificate, &node_name(&own.cluster, node)) => {}
            Caller::Proven(_) => return Err(Mistrust::Stranger("the certificate is that of another node")),
        }
        if hello.format_version != FORMAT_VERSION {
            let theirs = hello.format_version;
            return Err(Mistrust::Misdirected(format!("format {theirs} of messages is unknown here")));
        }
        if hello.cluster_id != own.cluster {
            return Err(Mistrust::Misdirected(format!("this is cluster {}, not {}", own.cluster, hello.cluster_id)));
        }
        if hello.to_node_id != own.node.0 {
            return Err(Mistrust::Misdirected(format!("this is node {}, not {}", own.node, hello.to_node_id)));
        }
        if node == own.node {
            return Err(Mistrust::Stale(node, hello.start_counter));
        }
        Ok(())
    }
}

/// The processes of other nodes that were heard.
#[derive(Default)]
pub(crate) struct Processes(Mutex<BTreeMap<NodeId, Heard>>);

#[derive(Default)]
struct Heard {
    start_min: u64,
    process: Option<u64>,
    removed: bool,
    /// Cancelled when the process is superseded or its node removed.
    trusted: CancellationToken,
}

impl Processes {
    /// Hears a process whose hello was checked. The token is cancelled when it must not be spoken with any longer.
    pub fn hear(&self, node: NodeId, start: u64, process: u64) -> Result<CancellationToken, Mistrust> {
        let mut all = self.0.lock();
        let heard = all.entry(node).or_default();
        if heard.removed {
            return Err(Mistrust::Removed(node));
        }
        let same_start = start == heard.start_min && heard.process.is_none_or(|known| known == process);
        if start > heard.start_min {
            heard.supersede(start);
        } else if !same_start {
            return Err(Mistrust::Stale(node, start));
        }
        heard.process = Some(process);
        Ok(heard.trusted.clone())
    }

    /// No process of `node` with a lower start counter is spoken with from now on.
    pub fn require_start(&self, node: NodeId, start_min: u64) {
        let mut all = self.0.lock();
        let heard = all.entry(node).or_default();
        if start_min > heard.start_min {
            heard.supersede(start_min);
        }
    }

    /// The node is not spoken with ever again: ids are never given out twice.
    pub fn remove(&self, node: NodeId) {
        let mut all = self.0.lock();
        let heard = all.entry(node).or_default();
        heard.removed = true;
        heard.trusted.cancel();
    }
}

impl Heard {
    fn supersede(&mut self, start: u64) {
        self.trusted.cancel();
        *self = Heard { start_min: start, removed: self.removed, ..Heard::default() };
    }
}
