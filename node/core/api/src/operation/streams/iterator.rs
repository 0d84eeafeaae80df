//! Shard iterators: a place in a shard, when it was given out, and a code by which the cluster knows that it was.
//!
//! version | table (8) | stream (8) | shard: milliseconds (8), tail (4) | place (8) | given out (8) | code (16), in base64.
//! Guarantees: what another key has made, or somebody has changed, is refused; any node reads what any other has given out.

use crate::error_table::ApiError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use stator_catalog::{ClusterIdentity, StreamLabel};
use stator_changelog::{SequenceNumber, ShardId};
use stator_item::TableId;
use std::fmt;

/// How long an iterator may be used (AWS: 15 minutes).
pub const ITERATOR_AGE_MS_MAX: u64 = 15 * 60 * 1_000;

const VERSION: u8 = 1;
const PLACE_BYTES: usize = 1 + 8 + 8 + 8 + 4 + 8 + 8;
const CODE_BYTES: usize = 16;

/// Makes the codes of a cluster's iterators.
#[derive(Clone)]
pub struct IteratorKey([u8; 32]);

impl fmt::Debug for IteratorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IteratorKey")
    }
}

impl IteratorKey {
    /// From what only the cluster's nodes know.
    pub fn of(identity: &ClusterIdentity) -> IteratorKey {
        let mut hash = Sha256::new();
        hash.update(b"shard iterators");
        hash.update(identity.cluster_id.to_be_bytes());
        hash.update(&identity.authority.0);
        IteratorKey(hash.finalize().into())
    }

    fn mac(&self, place: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(place);
        mac
    }
}

/// A place in a shard of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShardIterator {
    pub table: TableId,
    pub stream: StreamLabel,
    pub shard: ShardId,
    /// The next record.
    pub from: SequenceNumber,
    /// When it was given out, in milliseconds since 1970.
    pub given_ms: u64,
}

impl ShardIterator {
    /// Text for a client.
    pub fn seal(&self, key: &IteratorKey) -> String {
        let mut bytes = Vec::with_capacity(PLACE_BYTES + CODE_BYTES);
        bytes.push(VERSION);
        for number in [self.table.0, self.stream.0, self.shard.created_ms] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.shard.tail.to_be_bytes());
        bytes.extend_from_slice(&self.from.0.to_be_bytes());
        bytes.extend_from_slice(&self.given_ms.to_be_bytes());
        let code = key.mac(&bytes).finalize().into_bytes();
        bytes.extend(code.iter().take(CODE_BYTES));
        STANDARD.encode(bytes)
    }

    /// What a client shows. Refused if this cluster has not given it out, or too long ago.
    pub fn open(text: &str, key: &IteratorKey, now_ms: u64) -> Result<ShardIterator, ApiError> {
        let invalid = || ApiError::validation("Invalid ShardIterator");
        let bytes = STANDARD.decode(text).map_err(|_| invalid())?;
        let (place, code) = bytes.split_first_chunk::<PLACE_BYTES>().ok_or_else(invalid)?;
        if code.len() != CODE_BYTES || key.mac(place).verify_truncated_left(code).is_err() {
            return Err(invalid());
        }
        let iterator = ShardIterator::read(place).ok_or_else(invalid)?;
        // Another node's clock may be ahead of this one's.
        if now_ms.saturating_sub(iterator.given_ms) > ITERATOR_AGE_MS_MAX {
            return Err(ApiError::ExpiredIterator(
                "Iterator expired. The iterator was created more than 15 minutes ago.".to_owned(),
            ));
        }
        Ok(iterator)
    }

    fn read(place: &[u8; PLACE_BYTES]) -> Option<ShardIterator> {
        let number = |from: usize| Some(u64::from_be_bytes(place.get(from..from + 8)?.try_into().ok()?));
        let tail = u32::from_be_bytes(place.get(25..29)?.try_into().ok()?);
        (place.first() == Some(&VERSION)).then_some(())?;
        Some(ShardIterator {
            table: TableId(number(1)?),
            stream: StreamLabel(number(9)?),
            shard: ShardId { created_ms: number(17)?, tail },
            from: SequenceNumber(number(29)?),
            given_ms: number(37)?,
        })
    }
}
