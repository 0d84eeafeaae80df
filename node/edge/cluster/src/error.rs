//! What can go wrong, by what the caller can do about it.

use stator_catalog::CatalogRefusal;
use stator_consensus::ConsensusError;
use stator_environment::DiskError;

/// Why a change of the catalog was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChangeError {
    /// The catalog refuses it; nothing was changed.
    #[error(transparent)]
    Refused(#[from] CatalogRefusal),
    /// The catalog's leader did not answer in time; the change may still be made.
    #[error("the catalog did not answer in time")]
    DeadlinePassed,
}

/// Why a node cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
    /// Nobody else can say what the catalog is, and without its log this node must not vote on it.
    #[error(
        "the Raft log of this node is gone, and no other node has the catalog: put the files of the log back, \
         or begin with an empty data directory"
    )]
    LogGone,
    /// The cluster turned the node away.
    #[error(transparent)]
    Change(#[from] ChangeError),
}
