//! SELECT: a Query for each hash key that is asked for, or a Scan.

use super::{KeyNames, alternatives, key_test};
use crate::error::PartiqlError;
use crate::statement::{Direction, OrderKey, Select};
use stator_expression::{Comparator, Condition, KeyCondition, KeyTest, Path, Problem, Projection, Step};
use stator_item::{Item, Value};
use std::collections::BTreeSet;

/// Most hash keys that one statement may ask for.
const HASH_KEYS_MAX: usize = 50;

/// What a SELECT asks of a table or an index.
#[derive(Clone, PartialEq, Debug)]
pub struct SelectPlan {
    pub access: Access,
    /// What the access does not cover. May name key attributes.
    pub filter: Option<Condition>,
    pub backward: bool,
    /// `None`: whole items.
    pub columns: Option<Vec<Column>>,
}

/// How the items are found.
#[derive(Clone, PartialEq, Debug)]
pub enum Access {
    /// A Query each, one after the other.
    Query(Vec<KeyCondition>),
    Scan,
}

/// One column of the result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    pub name: String,
    pub path: Path,
}

impl Select {
    pub fn plan(self, names: &KeyNames<'_>) -> Result<SelectPlan, PartiqlError> {
        let columns = self.columns.map(|paths| paths.into_iter().map(Column::of).collect());
        let mut conjuncts = self.condition.map(Condition::into_conjuncts).unwrap_or_default();
        let Some(hashes) = take_hashes(&mut conjuncts, names.hash) else {
            if !self.order.is_empty() {
                return Err(PartiqlError::OrderWithoutHash);
            }
            return Ok(SelectPlan {
                access: Access::Scan,
                filter: Condition::all(conjuncts),
                backward: false,
                columns,
            });
        };
        let mut hashes = combined(hashes)?;
        let backward = order(&self.order, names, &mut hashes)?;
        let ranges = take_ranges(&mut conjuncts, names.range);
        let key_condition = |hash: Vec<Value>| {
            let equalities = names.hash.iter().zip(hash);
            let equalities =
                equalities.map(|(name, value)| ((*name).to_owned(), KeyTest::Compare(Comparator::Equal, value)));
            KeyCondition { tests: equalities.chain(ranges.iter().cloned()).collect() }
        };
        let access = Access::Query(hashes.into_iter().map(key_condition).collect());
        Ok(SelectPlan { access, filter: Condition::all(conjuncts), backward, columns })
    }
}

impl SelectPlan {
    /// The attributes that the columns are taken from.
    pub fn projection(&self) -> Option<Projection> {
        let columns = self.columns.as_ref()?;
        let names: BTreeSet<&str> = columns.iter().map(|column| column.path.name()).collect();
        Some(Projection::of(names.into_iter().map(Path::attribute).collect()))
    }

    /// Whether a projected item is not yet what the statement asks for: see [`SelectPlan::shape`].
    pub fn reshapes(&self) -> bool {
        self.columns.iter().flatten().any(|column| !column.path.steps().is_empty())
    }

    /// The columns of an item that has the attributes of the projection. What it lacks is left out.
    pub fn shape(&self, item: &Item) -> Item {
        let columns = self.columns.iter().flatten();
        columns.filter_map(|column| Some((column.name.clone(), column.path.find(item)?.clone()))).collect()
    }
}

impl Column {
    /// A column has the name of its path from the last name on: `a.b[0]` is `b[0]`.
    fn of(path: Path) -> Column {
        let mut name = path.name().to_owned();
        for step in path.steps() {
            match step {
                Step::Name(last) => name.clone_from(last),
                Step::Index(index) => name.push_str(&format!("[{index}]")),
            }
        }
        Column { name, path }
    }
}

/// Takes out the conditions that give the hash key: for each of its attributes, the values that will do.
fn take_hashes(conjuncts: &mut Vec<Condition>, names: &[&str]) -> Option<Vec<Vec<Value>>> {
    let mut places = Vec::new();
    let mut hashes = Vec::new();
    for name in names {
        let alternatives = |(place, conjunct)| Some((place, alternatives(conjunct, name)?));
        let (place, values) = conjuncts.iter().enumerate().find_map(alternatives)?;
        places.push(place);
        hashes.push(values);
    }
    remove(conjuncts, places);
    Some(hashes)
}

/// Takes out the conditions on range attributes that a Query can have: equalities from the left, the last one of any kind.
fn take_ranges(conjuncts: &mut Vec<Condition>, names: &[&str]) -> Vec<(String, KeyTest)> {
    let mut places = Vec::new();
    let mut tests = Vec::new();
    for name in names {
        let test = |(place, conjunct)| Some((place, key_test(conjunct, name)?));
        let Some((place, test)) = conjuncts.iter().enumerate().find_map(test) else { break };
        let last = !matches!(test, KeyTest::Compare(Comparator::Equal, _));
        places.push(place);
        tests.push(((*name).to_owned(), test));
        if last {
            break;
        }
    }
    remove(conjuncts, places);
    tests
}

fn remove(conjuncts: &mut Vec<Condition>, mut places: Vec<usize>) {
    places.sort_unstable();
    for place in places.into_iter().rev() {
        conjuncts.remove(place);
    }
}

/// All hash keys that can be made of the values of their attributes, each once.
fn combined(attributes: Vec<Vec<Value>>) -> Result<Vec<Vec<Value>>, PartiqlError> {
    let mut keys: Vec<Vec<Value>> = vec![Vec::new()];
    for values in attributes {
        let mut seen = BTreeSet::new();
        let values: Vec<Value> = values.into_iter().filter(|value| seen.insert(value.clone())).collect();
        let operands_count = keys.len() * values.len();
        if operands_count > HASH_KEYS_MAX {
            return Err(Problem::OperandsCount { operator: "IN", operands_count }.into());
        }
        let longer = |key: &Vec<Value>| {
            values.iter().map(|value| [key.as_slice(), std::slice::from_ref(value)].concat()).collect::<Vec<_>>()
        };
        keys = keys.iter().flat_map(longer).collect();
    }
    Ok(keys)
}

/// Puts the hash keys into the order that is asked for. Whether their items are to be read backwards.
fn order(order: &[OrderKey], names: &KeyNames<'_>, hashes: &mut [Vec<Value>]) -> Result<bool, PartiqlError> {
    let mut backward = false;
    for OrderKey { name, direction } in order {
        let descending = *direction == Direction::Descending;
        if names.hash.contains(&name.as_str()) {
            hashes.sort();
            if descending {
                hashes.reverse();
            }
        } else if names.range.contains(&name.as_str()) {
            backward = descending;
        } else {
            return Err(PartiqlError::OrderByOther(name.clone()));
        }
    }
    Ok(backward)
}
