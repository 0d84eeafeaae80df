//! The way in for fuzzers: any text with any parameters, against keys that statements may name.

use crate::error::PartiqlError;
use crate::lower::{KeyNames, keyed};
use crate::statement::Statement;
use stator_item::{Item, Value};

/// Parses a statement and lowers it. What it comes to is shown, so that equal inputs can be seen to give equal results.
pub fn parse_any(text: &str, parameters: &[Value]) -> Result<String, PartiqlError> {
    let names = KeyNames { hash: &["pk"], range: &["sk"] };
    let several = KeyNames { hash: &["pk", "a"], range: &["sk", "b"] };
    match Statement::parse(text, parameters)? {
        Statement::Select(select) | Statement::Exists(select) => {
            let plan = select.clone().plan(&several);
            let single = keyed(select.condition.clone(), &names);
            let shaped = select.clone().plan(&names).map(|plan| plan.shape(&Item::new()));
            Ok(format!("{plan:?} {single:?} {shaped:?}"))
        }
        Statement::Insert(insert) => Ok(format!("{insert:?}")),
        Statement::Update(update) => Ok(format!("{:?} {:?}", update.update, keyed(update.condition, &names))),
        Statement::Delete(delete) => Ok(format!("{:?} {:?}", delete.returning, keyed(delete.condition, &several))),
    }
}
