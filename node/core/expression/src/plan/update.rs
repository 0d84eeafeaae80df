//! What an UpdateExpression becomes: assignments with their right-hand sides in postfix order, and paths to change.

use crate::error::Problem;
use crate::plan::path::Path;
use serde::{Deserialize, Serialize};
use stator_item::Value;
use std::collections::BTreeSet;

/// Changes of one item. No two paths overlap if they come from text.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Update {
    pub sets: Vec<Assignment>,
    pub removes: Vec<Path>,
    /// A number to add to a number, or a set to join to a set.
    pub adds: Vec<(Path, Value)>,
    /// A set to take away from a set.
    pub deletes: Vec<(Path, Value)>,
}

/// `path = value`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Assignment {
    pub path: Path,
    pub value: Vec<ValueStep>,
}

/// One step of a right-hand side in postfix order: it pushes a value, or replaces those on top.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ValueStep {
    /// Pushes what the old item has there.
    Path(Path),
    Value(Value),
    /// `if_not_exists(path, default)`: replaces the default on top by what the old item has there, if it has it.
    IfNotExists(Path),
    /// Replaces the two lists on top by their concatenation.
    ListAppend,
    Plus,
    Minus,
}

impl Assignment {
    /// Sets an attribute or a place in it to a given value.
    pub fn value(path: Path, value: Value) -> Assignment {
        Assignment { path, value: vec![ValueStep::Value(value)] }
    }
}

impl Update {
    /// Every path that is changed, section by section.
    pub fn touched_paths(&self) -> impl Iterator<Item = &Path> {
        let sets = self.sets.iter().map(|assignment| &assignment.path);
        let operands = self.adds.iter().chain(&self.deletes).map(|(path, _)| path);
        sets.chain(&self.removes).chain(operands)
    }

    /// Refuses paths of which one lies inside another, or which take one place for a list and for a map. Parsing checks
    /// this; who builds updates may.
    pub fn check_paths(&self) -> Result<(), Problem> {
        crate::check::paths_apart(self.touched_paths())
    }

    /// Names of the top-level attributes that are changed, or changed in part.
    pub fn touched_names(&self) -> BTreeSet<&str> {
        self.touched_paths().map(Path::name).collect()
    }
}
