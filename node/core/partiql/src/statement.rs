//! What a statement is, once parsed: conditions and updates are plans already, names are as they were written.

use stator_expression::{Condition, Path};
use stator_item::Item;

#[derive(Clone, PartialEq, Debug)]
pub enum Statement {
    Select(Select),
    Insert(Insert),
    Update(Update),
    Delete(Delete),
    /// `EXISTS(SELECT ...)`: a check of a transaction.
    Exists(Select),
}

/// A table, or an index of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    pub table: String,
    pub index: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Select {
    /// `None`: `*`.
    pub columns: Option<Vec<Path>>,
    pub source: Source,
    pub condition: Option<Condition>,
    pub order: Vec<OrderKey>,
}

/// One key of ORDER BY.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderKey {
    pub name: String,
    pub direction: Direction,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Direction {
    #[default]
    Ascending,
    Descending,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Insert {
    pub table: String,
    pub item: Item,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Update {
    pub table: String,
    pub update: stator_expression::Update,
    pub condition: Option<Condition>,
    pub returning: Option<Returning>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Delete {
    pub table: String,
    pub condition: Option<Condition>,
    /// RETURNING ALL OLD, the only one there is for DELETE.
    pub returning: Option<Returning>,
}

/// `RETURNING ... *`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Returning {
    AllOld,
    ModifiedOld,
    AllNew,
    ModifiedNew,
}

impl Statement {
    /// The table that the statement is about.
    pub fn table(&self) -> &str {
        match self {
            Statement::Select(select) | Statement::Exists(select) => &select.source.table,
            Statement::Insert(insert) => &insert.table,
            Statement::Update(update) => &update.table,
            Statement::Delete(delete) => &delete.table,
        }
    }
}
