//! Updates of items.
//!
//! Every operand sees the old item, whatever the same update does. List indexes are those of the old list: elements are
//! set in place or, beyond its end, appended in the order of their indexes; those to remove go last, highest index
//! first.

use crate::error::UpdateError;
use crate::evaluate::projection::project_paths;
use crate::plan::path::{Path, Step};
use crate::plan::update::{Update, ValueStep};
use stator_item::size::{ITEM_BYTES_MAX, value_size};
use stator_item::value::NESTING_LEVELS_MAX;
use stator_item::{Item, Number, NumberError, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// An item after an update.
#[derive(Clone, PartialEq, Debug)]
pub struct Updated {
    pub item: Item,
}

impl Update {
    /// The item after the update. A new item's old one holds its key attributes only.
    pub fn apply(&self, old: &Item) -> Result<Updated, UpdateError> {
        let mut writes = Writes::default();
        let mut removes: Vec<&Path> = self.removes.iter().collect();
        for assignment in &self.sets {
            writes.push(&assignment.path, right_hand_side(&assignment.value, old)?)?;
        }
        for (path, operand) in &self.adds {
            let value = path.find(old).map_or_else(|| Ok(operand.clone()), |value| add(value, operand))?;
            writes.push(path, Cow::Owned(value))?;
        }
        for (path, operand) in &self.deletes {
            match path.find(old).map(|value| subtract(value, operand)).transpose()? {
                Some(Some(value)) => writes.push(path, Cow::Owned(value))?,
                Some(None) => removes.push(path),
                None => check_parent(path, old)?,
            }
        }
        // An element appended early would shift the place of those after it; in this order none comes before its turn.
        writes.values.sort_by_key(|(path, _)| *path);
        removes.sort_by(|first, second| second.cmp(first));
        let mut item = old.clone();
        for (path, value) in writes.values {
            put(&mut item, path, value)?;
        }
        for path in removes {
            check_parent(path, old)?;
            if path.find(old).is_some() {
                remove(&mut item, path);
            }
        }
        Ok(Updated { item })
    }

    /// `UPDATED_OLD`: what the old item has at the paths that the update names.
    pub fn updated_old(&self, old: &Item) -> Item {
        project_paths(self.touched_paths(), old)
    }

    /// `UPDATED_NEW`: what the new item has at the paths that the update names, except for those it removes.
    pub fn updated_new(&self, new: &Item) -> Item {
        let sets = self.sets.iter().map(|assignment| &assignment.path);
        project_paths(sets.chain(self.adds.iter().chain(&self.deletes).map(|(path, _)| path)), new)
    }
}

/// Values on their way into the item. Together they fit into one, so that an expression which names a large attribute a
/// hundred times costs no memory.
#[derive(Default)]
struct Writes<'u> {
    values: Vec<(&'u Path, Value)>,
    bytes: usize,
}

impl<'u> Writes<'u> {
    fn push(&mut self, path: &'u Path, value: Cow<'_, Value>) -> Result<(), UpdateError> {
        if value.nests_deeper(NESTING_LEVELS_MAX.saturating_sub(path.steps().len())) {
            return Err(UpdateError::TooDeep);
        }
        self.bytes += value_size(&value);
        if self.bytes > ITEM_BYTES_MAX {
            return Err(UpdateError::ItemTooLarge);
        }
        self.values.push((path, value.into_owned()));
        Ok(())
    }
}

type Operand<'v> = Result<Cow<'v, Value>, UpdateError>;

/// A right-hand side over the old item. A default that is not needed is not missed.
fn right_hand_side<'v>(steps: &'v [ValueStep], old: &'v Item) -> Operand<'v> {
    let mut operands: Vec<Operand<'v>> = Vec::new();
    for step in steps {
        let operand = match step {
            ValueStep::Value(value) => Ok(Cow::Borrowed(value)),
            ValueStep::Path(path) => path.find(old).map(Cow::Borrowed).ok_or(UpdateError::AttributeMissing),
            ValueStep::IfNotExists(path) => {
                let default = operands.pop().unwrap_or(Err(UpdateError::OperandType));
                path.find(old).map(Cow::Borrowed).map_or(default, Ok)
            }
            ValueStep::ListAppend => two_operands(&mut operands, list_append),
            ValueStep::Plus => two_operands(&mut operands, |first, second| sum(&first, &second, Number::checked_add)),
            ValueStep::Minus => two_operands(&mut operands, |first, second| sum(&first, &second, Number::checked_sub)),
        };
        operands.push(operand);
    }
    // More or less than one can be left only if the plan did not come from parsing.
    let operand = operands.pop().filter(|_| operands.is_empty());
    operand.unwrap_or(Err(UpdateError::OperandType))
}

fn two_operands<'v>(
    operands: &mut Vec<Operand<'v>>,
    operator: impl FnOnce(Cow<'v, Value>, Cow<'v, Value>) -> Result<Value, UpdateError>,
) -> Operand<'v> {
    match (operands.pop(), operands.pop()) {
        (Some(second), Some(first)) => operator(first?, second?).map(Cow::Owned),
        _ => Err(UpdateError::OperandType),
    }
}

fn list_append(first: Cow<'_, Value>, second: Cow<'_, Value>) -> Result<Value, UpdateError> {
    if !matches!((&*first, &*second), (Value::List(_), Value::List(_))) {
        return Err(UpdateError::OperandType);
    }
    if value_size(&first) + value_size(&second) > ITEM_BYTES_MAX {
        return Err(UpdateError::ItemTooLarge);
    }
    match (first.into_owned(), second.into_owned()) {
        (Value::List(mut first), Value::List(second)) => {
            first.extend(second);
            Ok(Value::List(first))
        }
        _ => Err(UpdateError::OperandType),
    }
}

fn sum(
    first: &Value,
    second: &Value,
    arithmetic: impl FnOnce(Number, Number) -> Result<Number, NumberError>,
) -> Result<Value, UpdateError> {
    match (first, second) {
        (Value::Number(first), Value::Number(second)) => Ok(Value::Number(arithmetic(*first, *second)?)),
        _ => Err(UpdateError::OperandType),
    }
}

/// ADD to a value that is there.
fn add(value: &Value, operand: &Value) -> Result<Value, UpdateError> {
    Ok(match (value, operand) {
        (Value::Number(_), Value::Number(_)) => return sum(value, operand, Number::checked_add),
        (Value::StringSet(set), Value::StringSet(more)) => Value::StringSet(set | more),
        (Value::NumberSet(set), Value::NumberSet(more)) => Value::NumberSet(set | more),
        (Value::BinarySet(set), Value::BinarySet(more)) => Value::BinarySet(set | more),
        _ => return Err(UpdateError::OperandType),
    })
}

/// DELETE from a set that is there; none if nothing is left of it, as there are no empty sets.
fn subtract(value: &Value, operand: &Value) -> Result<Option<Value>, UpdateError> {
    fn left<T>(set: BTreeSet<T>, value: fn(BTreeSet<T>) -> Value) -> Option<Value> {
        (!set.is_empty()).then(|| value(set))
    }
    Ok(match (value, operand) {
        (Value::StringSet(set), Value::StringSet(less)) => left(set - less, Value::StringSet),
        (Value::NumberSet(set), Value::NumberSet(less)) => left(set - less, Value::NumberSet),
        (Value::BinarySet(set), Value::BinarySet(less)) => left(set - less, Value::BinarySet),
        _ => return Err(UpdateError::OperandType),
    })
}

/// The map or list that the path's last step goes into, which must be there and of the step's kind.
fn check_parent(path: &Path, item: &Item) -> Result<(), UpdateError> {
    let Some((last, before)) = path.steps().split_last() else { return Ok(()) };
    let mut place = item.get(path.name());
    for step in before {
        place = place.and_then(|value| inner(value, step));
    }
    match (place, last) {
        (Some(Value::Map(_)), Step::Name(_)) | (Some(Value::List(_)), Step::Index(_)) => Ok(()),
        _ => Err(UpdateError::InvalidPath),
    }
}

fn inner<'v>(value: &'v Value, step: &Step) -> Option<&'v Value> {
    match (value, step) {
        (Value::Map(map), Step::Name(name)) => map.get(name),
        (Value::List(list), Step::Index(index)) => list.get(*index as usize),
        _ => None,
    }
}

/// The same as `check_parent`, to change it.
fn parent_mut<'i>(item: &'i mut Item, path: &Path, before: &[Step]) -> Option<&'i mut Value> {
    let mut place = item.get_mut(path.name())?;
    for step in before {
        place = match (place, step) {
            (Value::Map(map), Step::Name(name)) => map.get_mut(name)?,
            (Value::List(list), Step::Index(index)) => list.get_mut(*index as usize)?,
            _ => return None,
        };
    }
    Some(place)
}

fn put(item: &mut Item, path: &Path, value: Value) -> Result<(), UpdateError> {
    let Some((last, before)) = path.steps().split_last() else {
        item.insert(path.name().to_owned(), value);
        return Ok(());
    };
    match (parent_mut(item, path, before), last) {
        (Some(Value::Map(map)), Step::Name(name)) => {
            map.insert(name.clone(), value);
        }
        (Some(Value::List(list)), Step::Index(index)) => match list.get_mut(*index as usize) {
            Some(element) => *element = value,
            None => list.push(value),
        },
        _ => return Err(UpdateError::InvalidPath),
    }
    Ok(())
}

fn remove(item: &mut Item, path: &Path) {
    let Some((last, before)) = path.steps().split_last() else {
        item.remove(path.name());
        return;
    };
    match (parent_mut(item, path, before), last) {
        (Some(Value::Map(map)), Step::Name(name)) => {
            map.remove(name);
        }
        (Some(Value::List(list)), Step::Index(index)) if (*index as usize) < list.len() => {
            list.remove(*index as usize);
        }
        _ => {}
    }
}
