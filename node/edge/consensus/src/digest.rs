//! A fingerprint of a whole state, by which replicas are compared.
//!
//! Guarantees: replicas with the same state at the same position have the same digest, whatever their disks look like.

use crate::{LogPosition, SnapshotSource};
use stator_environment::DiskError;
use xxhash_rust::xxh3::Xxh3;

/// Pieces are cut where the state says, given the same size: a part of what makes digests comparable.
const PIECE_BYTES: usize = 1 << 20;

/// What a state was at one position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest {
    /// `None`: nothing was applied yet.
    pub position: Option<LogPosition>,
    pub bytes: u64,
    pub hash: u128,
}

impl Digest {
    /// Reads the whole state: as slow as a snapshot. Blocks on the disk.
    pub fn of(state: &dyn SnapshotSource) -> Result<Digest, DiskError> {
        let (mut hasher, mut bytes, mut cursor) = (Xxh3::new(), 0, None);
        loop {
            let (piece, next) = state.chunk(cursor, PIECE_BYTES)?;
            hasher.update(&piece);
            bytes += piece.len() as u64;
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(Digest { position: state.applied().position, bytes, hash: hasher.digest128() }),
            }
        }
    }
}
