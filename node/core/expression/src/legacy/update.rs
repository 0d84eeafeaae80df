//! `AttributeUpdates`.

use super::LegacyError;
use crate::plan::path::Path;
use crate::plan::update::{Assignment, Update, ValueStep};
use stator_item::Value;
use std::collections::BTreeMap;

/// What is done with an attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Action {
    #[default]
    Put,
    Add,
    Delete,
}

impl Action {
    /// The action of that name on the wire.
    pub fn named(name: &str) -> Option<Action> {
        Some(match name {
            "PUT" => Action::Put,
            "ADD" => Action::Add,
            "DELETE" => Action::Delete,
            _ => return None,
        })
    }
}

/// What `AttributeUpdates` says of an attribute.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AttributeUpdate {
    pub action: Action,
    pub value: Option<Value>,
}

/// The update that `AttributeUpdates` stands for.
pub fn update(updates: BTreeMap<String, AttributeUpdate>) -> Result<Update, LegacyError> {
    let mut update = Update::default();
    for (name, AttributeUpdate { action, value }) in updates {
        let path = Path::attribute(name);
        match (action, value) {
            (Action::Put, Some(value)) => update.sets.push(Assignment::value(path, value)),
            (Action::Delete, None) => update.removes.push(path),
            (Action::Delete, Some(value)) if is_set(&value) => update.deletes.push((path, value)),
            (Action::Delete, Some(value)) => return Err(LegacyError::DeleteType(value.type_name())),
            (Action::Add, Some(value)) if is_set(&value) || matches!(value, Value::Number(_)) => {
                update.adds.push((path, value));
            }
            (Action::Add, Some(list @ Value::List(_))) => update.sets.push(appended(path, list)),
            (Action::Add, Some(value)) => return Err(LegacyError::AddType(value.type_name())),
            (Action::Put | Action::Add, None) => return Err(LegacyError::ActionWithoutValue),
        }
    }
    Ok(update)
}

fn is_set(value: &Value) -> bool {
    matches!(value, Value::StringSet(_) | Value::NumberSet(_) | Value::BinarySet(_))
}

/// A list at the end of the list that is there, if one is.
fn appended(path: Path, list: Value) -> Assignment {
    let value = vec![
        ValueStep::Value(Value::List(Vec::new())),
        ValueStep::IfNotExists(path.clone()),
        ValueStep::Value(list),
        ValueStep::ListAppend,
    ];
    Assignment { path, value }
}
