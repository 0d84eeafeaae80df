//! Projections of items.

use crate::plan::path::{Path, Step};
use crate::plan::projection::Projection;
use stator_item::{Item, Value};

impl Projection {
    /// What the item has at the paths, inside the maps and lists that lead there. Elements of a list are packed, in the
    /// order of their indexes; what the item lacks is left out.
    pub fn project(&self, item: &Item) -> Item {
        project_paths(self.paths(), item)
    }
}

/// As [`Projection::project`], for paths from anywhere.
pub(super) fn project_paths<'p>(paths: impl IntoIterator<Item = &'p Path>, item: &Item) -> Item {
    let mut sorted: Vec<&Path> = paths.into_iter().collect();
    sorted.sort();
    let mut projected = Item::new();
    for paths in sorted.chunk_by(|first, second| first.name() == second.name()) {
        let Some((name, value)) = paths.first().and_then(|path| item.get_key_value(path.name())) else { continue };
        let steps: Vec<&[Step]> = paths.iter().map(|path| path.steps()).collect();
        if let Some(value) = project_value(value, &steps) {
            projected.insert(name.clone(), value);
        }
    }
    projected
}

/// The parts of a value at these steps, which are sorted. Recurses once a step; paths are bounded.
fn project_value(value: &Value, paths: &[&[Step]]) -> Option<Value> {
    if paths.iter().any(|steps| steps.is_empty()) {
        return Some(value.clone());
    }
    let groups = paths.chunk_by(|first, second| first.first() == second.first());
    let parts = groups.filter_map(|paths| {
        let step = paths.first()?.first()?;
        let rest: Vec<&[Step]> = paths.iter().filter_map(|steps| steps.get(1..)).collect();
        let inner = match (value, step) {
            (Value::Map(map), Step::Name(name)) => map.get(name),
            (Value::List(list), Step::Index(index)) => list.get(*index as usize),
            _ => None,
        }?;
        Some((step, project_value(inner, &rest)?))
    });
    let projected = match value {
        Value::Map(_) => Value::Map(
            parts
                .filter_map(|(step, part)| match step {
                    Step::Name(name) => Some((name.clone(), part)),
                    Step::Index(_) => None,
                })
                .collect(),
        ),
        Value::List(_) => Value::List(parts.map(|(_, part)| part).collect()),
        _ => return None,
    };
    match &projected {
        Value::Map(map) if map.is_empty() => None,
        Value::List(list) if list.is_empty() => None,
        _ => Some(projected),
    }
}
