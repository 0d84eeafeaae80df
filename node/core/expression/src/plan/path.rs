//! Document paths: `a.b[3].c`, with every placeholder already replaced by the name that it stands for.

use serde::{Deserialize, Serialize};
use stator_item::{Item, Value};
use std::fmt;

/// Most elements of a document path, its attribute's name included.
pub const PATH_DEPTH_MAX: usize = 32;

/// One step from a map or list into it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Step {
    Index(u32),
    Name(String),
}

/// Where in an item: an attribute's name, then steps into its value. At most [`PATH_DEPTH_MAX`] elements, decoded ones
/// too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "(String, Vec<Step>)", into = "(String, Vec<Step>)")]
pub struct Path {
    name: String,
    steps: Vec<Step>,
}

/// A path of more than [`PATH_DEPTH_MAX`] elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a document path of {elements_count} elements")]
pub struct PathTooDeep {
    pub elements_count: usize,
}

impl Path {
    /// The path of a whole attribute.
    pub fn attribute(name: impl Into<String>) -> Path {
        Path { name: name.into(), steps: Vec::new() }
    }

    pub fn new(name: impl Into<String>, steps: Vec<Step>) -> Result<Path, PathTooDeep> {
        let elements_count = steps.len() + 1;
        if elements_count > PATH_DEPTH_MAX {
            return Err(PathTooDeep { elements_count });
        }
        Ok(Path { name: name.into(), steps })
    }

    /// The top-level attribute's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The steps below the attribute; empty for a whole attribute.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The value at this path, if the item has one there.
    pub fn find<'i>(&self, item: &'i Item) -> Option<&'i Value> {
        self.steps.iter().try_fold(item.get(&self.name)?, |value, step| match (value, step) {
            (Value::Map(map), Step::Name(name)) => map.get(name),
            (Value::List(list), Step::Index(index)) => list.get(*index as usize),
            _ => None,
        })
    }
}

impl TryFrom<(String, Vec<Step>)> for Path {
    type Error = PathTooDeep;

    fn try_from((name, steps): (String, Vec<Step>)) -> Result<Path, PathTooDeep> {
        Path::new(name, steps)
    }
}

impl From<Path> for (String, Vec<Step>) {
    fn from(path: Path) -> (String, Vec<Step>) {
        (path.name, path.steps)
    }
}

/// As DynamoDB's error texts show a path: `[a, b, [3]]`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.name)?;
        for step in &self.steps {
            match step {
                Step::Name(name) => write!(f, ", {name}")?,
                Step::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}
