//! Row keys: `table id (8 bytes) | index number (2) | token (8) | partition key | sort key`, integers big endian.
//!
//! A partition's rows lie between two bounds under each index number, an item collection's rows lie together and in order,
//! and a sort key condition is a range of row keys. Starts of bounds are inclusive, ends exclusive; no end means all that follows.

use super::{Key, KeyError, KeyPart, KeyType, Token};
use crate::id::{IndexNumber, TableId};

/// A range of row keys: the first one inside, and the first one outside.
pub type Bounds = (Vec<u8>, Option<Vec<u8>>);

const TOKEN_PREFIX_BYTES: usize = 8 + 2 + 8;

/// The row key of an item.
pub fn row_key(table: TableId, index: IndexNumber, key: &Key) -> Vec<u8> {
    match &key.range {
        None => encode(table, index, &[&key.hash]),
        Some(range) => encode(table, index, &[&key.hash, range]),
    }
}

/// The row key of an item under a local secondary index. Several items may share the index's sort key, so the table's follows.
pub fn index_row_key(
    table: TableId,
    index: IndexNumber,
    hash: &KeyPart,
    index_range: &KeyPart,
    base_range: &KeyPart,
) -> Vec<u8> {
    encode(table, index, &[hash, index_range, base_range])
}

/// What all row keys with this partition key begin with. An encoded sort key appended to it gives the item's row key.
pub fn hash_prefix(table: TableId, index: IndexNumber, hash: &KeyPart) -> Vec<u8> {
    encode(table, index, &[hash])
}

/// The row key of an entry under a global secondary index: the parts of its hash key decide the token together.
pub fn compound_row_key(table: TableId, hash: &[KeyPart], rest: &[&KeyPart]) -> Vec<u8> {
    let mut out = compound_hash_prefix(table, hash);
    rest.iter().for_each(|part| part.encode_into(&mut out));
    out
}

/// What all row keys under a global secondary index with this hash key begin with.
pub fn compound_hash_prefix(table: TableId, hash: &[KeyPart]) -> Vec<u8> {
    let capacity = hash.iter().map(KeyPart::encoded_capacity).sum::<usize>();
    let mut out = Vec::with_capacity(TOKEN_PREFIX_BYTES + capacity);
    write_prefix(table, IndexNumber::ITEMS, Token::MIN, &mut out);
    hash.iter().for_each(|part| part.encode_into(&mut out));
    let token = Token::of_encoded(&out[TOKEN_PREFIX_BYTES..]);
    out[TOKEN_PREFIX_BYTES - 8..TOKEN_PREFIX_BYTES].copy_from_slice(&token.0.to_be_bytes());
    out
}

/// The table and the token that a row key says it has.
pub fn row_key_token(row_key: &[u8]) -> Result<(TableId, Token), KeyError> {
    let mut rest = row_key;
    let table = TableId(u64::from_be_bytes(take(&mut rest)?));
    let _: [u8; 2] = take(&mut rest)?;
    Ok((table, Token(u64::from_be_bytes(take(&mut rest)?))))
}

fn encode(table: TableId, index: IndexNumber, parts: &[&KeyPart]) -> Vec<u8> {
    let capacity = parts.iter().map(|part| part.encoded_capacity()).sum::<usize>();
    let mut out = Vec::with_capacity(TOKEN_PREFIX_BYTES + capacity);
    write_prefix(table, index, Token::MIN, &mut out);
    for (position, part) in parts.iter().enumerate() {
        part.encode_into(&mut out);
        if position == 0 {
            // The token is the hash of what stands behind it.
            let token = Token::of_encoded(&out[TOKEN_PREFIX_BYTES..]);
            out[TOKEN_PREFIX_BYTES - 8..TOKEN_PREFIX_BYTES].copy_from_slice(&token.0.to_be_bytes());
        }
    }
    out
}

fn write_prefix(table: TableId, index: IndexNumber, token: Token, out: &mut Vec<u8>) {
    out.extend_from_slice(&table.0.to_be_bytes());
    out.extend_from_slice(&index.0.to_be_bytes());
    out.extend_from_slice(&token.0.to_be_bytes());
}

/// All rows of a table, under all index numbers.
pub fn table_bounds(table: TableId) -> Bounds {
    prefix_bounds(table.0.to_be_bytes().to_vec())
}

/// All rows whose token is from `first` to `last`, both included.
pub fn token_bounds(table: TableId, index: IndexNumber, first: Token, last: Token) -> Bounds {
    let (mut start, mut end) = (Vec::with_capacity(TOKEN_PREFIX_BYTES), Vec::with_capacity(TOKEN_PREFIX_BYTES));
    write_prefix(table, index, first, &mut start);
    write_prefix(table, index, last, &mut end);
    (start, prefix_end(&end))
}

/// All rows of one item collection.
pub fn hash_bounds(table: TableId, index: IndexNumber, hash: &KeyPart) -> Bounds {
    prefix_bounds(hash_prefix(table, index, hash))
}

/// All row keys that begin with `prefix`.
pub fn prefix_bounds(prefix: Vec<u8>) -> Bounds {
    let end = prefix_end(&prefix);
    (prefix, end)
}

/// The first row key behind all that begin with `prefix`; none if there is no such key.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// The first row key behind this one: where a page goes on after it.
pub fn successor(row_key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(row_key.len() + 1);
    next.extend_from_slice(row_key);
    next.push(0);
    next
}

/// A row key taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowKey {
    pub table: TableId,
    pub index: IndexNumber,
    pub token: Token,
    /// As many as there were types: partition key, sort key, and under a local index the table's sort key.
    pub parts: Vec<KeyPart>,
}

/// Takes a row key apart and checks all of it, the token too.
pub fn decode_row_key(row_key: &[u8], types: &[KeyType]) -> Result<RowKey, KeyError> {
    decode_compound_row_key(row_key, types, 1)
}

/// As [`decode_row_key`], where the first `hash_parts` parts are the hash key.
pub fn decode_compound_row_key(row_key: &[u8], types: &[KeyType], hash_parts: usize) -> Result<RowKey, KeyError> {
    let mut rest = row_key;
    let table = TableId(u64::from_be_bytes(take(&mut rest)?));
    let index = IndexNumber(u16::from_be_bytes(take(&mut rest)?));
    let token = Token(u64::from_be_bytes(take(&mut rest)?));
    let parts = types.iter().map(|key_type| KeyPart::decode(*key_type, &mut rest)).collect::<Result<Vec<_>, _>>()?;
    if !rest.is_empty() {
        return Err(KeyError::TrailingBytes);
    }
    let hash = parts.get(..hash_parts).filter(|hash| !hash.is_empty()).ok_or(KeyError::NoParts)?;
    if Token::of_all(hash) != token {
        return Err(KeyError::WrongToken);
    }
    Ok(RowKey { table, index, token, parts })
}

fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], KeyError> {
    let (bytes, rest) = input.split_first_chunk::<N>().ok_or(KeyError::Truncated)?;
    *input = rest;
    Ok(*bytes)
}
