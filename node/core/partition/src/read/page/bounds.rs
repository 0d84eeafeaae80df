//! The row keys among which a page lies.

use crate::{
    command::{Page, PageRange, Position},
    reply::Refusal,
    state::ReadState,
};
use stator_catalog::TableDescription;
use stator_expression::RangeCondition;
use stator_item::{Bounds, IndexNumber, Key, KeyPart, TableId, Token, Value, key};

/// The page's range, within this partition, without what lies before its starting place. May be empty: start behind end.
pub(super) fn of(page: &Page, table: &TableDescription, state: &ReadState) -> Result<Bounds, Refusal> {
    let stale = Refusal::StaleEpoch { current: state.progress.epoch };
    let (mut start, mut end) = match &page.range {
        PageRange::Hash { hash, .. } if !state.progress.tokens.contains(Token::of(hash)) => {
            return Err(stale);
        }
        PageRange::Hash { hash, range: None } => key::hash_bounds(table.id, page.index, hash),
        PageRange::Hash { hash, range: Some(range) } => {
            range_bounds(key::hash_prefix(table.id, page.index, hash), range)?
        }
        PageRange::Tokens(tokens) => {
            let here = tokens.intersection(&state.progress.tokens).ok_or(stale)?;
            key::token_bounds(state.progress.table, page.index, here.first, here.last)
        }
        PageRange::Compound { hash, .. } if !state.progress.tokens.contains(Token::of_all(hash)) => {
            return Err(stale);
        }
        PageRange::Compound { hash, equal, range } => {
            let mut prefix = key::compound_hash_prefix(state.progress.table, hash);
            equal.iter().for_each(|part| part.encode_into(&mut prefix));
            match range {
                Some(range) => range_bounds(prefix, range)?,
                None => key::prefix_bounds(prefix),
            }
        }
    };
    if let Some(after) = &page.after {
        let place = position_row_key(page.index, table, state.progress.table, after)?;
        if page.backward {
            end = Some(end.map_or(place.clone(), |end| end.min(place)));
        } else {
            start = start.max(key::successor(&place));
        }
    }
    Ok((start, end))
}

/// Row keys that begin with `prefix` and go on with a range key that fulfils the condition.
fn range_bounds(prefix: Vec<u8>, condition: &RangeCondition) -> Result<Bounds, Refusal> {
    // No encoded key part begins another one, so all row keys of one range key are those that begin with it.
    let with = |value: &Value| -> Result<Vec<u8>, Refusal> {
        let mut with = prefix.clone();
        key_part(value)?.encode_into(&mut with);
        Ok(with)
    };
    let behind = |value: &Value| -> Result<Vec<u8>, Refusal> { Ok(behind_all(with(value)?)) };
    let end = key::prefix_end(&prefix);
    Ok(match condition {
        RangeCondition::Equal(value) => key::prefix_bounds(with(value)?),
        RangeCondition::Less(value) => (prefix.clone(), Some(with(value)?)),
        RangeCondition::LessOrEqual(value) => (prefix.clone(), Some(behind(value)?)),
        RangeCondition::Greater(value) => (behind(value)?, end),
        RangeCondition::GreaterOrEqual(value) => (with(value)?, end),
        RangeCondition::Between(lower, upper) => (with(lower)?, Some(behind(upper)?)),
        RangeCondition::BeginsWith(value) => {
            let mut with = prefix.clone();
            key_part(value)?.encode_prefix_into(&mut with);
            key::prefix_bounds(with)
        }
    })
}

fn key_part(value: &Value) -> Result<KeyPart, Refusal> {
    let refusal = || {
        Refusal::Invalid(
            "One or more parameter values were invalid: Condition parameter type does not match schema type".to_owned(),
        )
    };
    KeyPart::from_value(value).ok_or_else(refusal)
}

/// The first row key behind all that begin with `prefix`.
fn behind_all(prefix: Vec<u8>) -> Vec<u8> {
    key::prefix_end(&prefix).expect("a table's id is not all ones, so something lies behind")
}

fn position_row_key(
    index: IndexNumber,
    table: &TableDescription,
    rows: TableId,
    position: &Position,
) -> Result<Vec<u8>, Refusal> {
    let Position { key: Key { hash, range }, index_range, index_key } = position;
    if let Some(global) = table.global_index_by_id(rows) {
        let parts = index_key.split_at_checked(global.hash.len());
        let (index_hash, index_range) =
            parts.ok_or_else(|| Refusal::Invalid("The provided starting key is invalid".to_owned()))?;
        let rest: Vec<&KeyPart> = index_range.iter().chain([hash]).chain(range).collect();
        return Ok(key::compound_row_key(rows, index_hash, &rest));
    }
    if index == IndexNumber::ITEMS {
        return Ok(key::row_key(table.id, index, &position.key));
    }
    match (index_range, range) {
        (Some(index_range), Some(range)) => Ok(key::index_row_key(table.id, index, hash, index_range, range)),
        _ => Err(Refusal::Invalid("The provided starting key is invalid".to_owned())),
    }
}
