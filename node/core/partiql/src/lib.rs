//! DynamoDB's PartiQL: statement -> checked tree -> the plans that expressions become.
//!
//! Guarantees: parsing refuses what is no statement of DynamoDB's subset, in its words as far as they are known
//! ([`PartiqlError`]), ends for any text, does not panic and does not recurse deeper than values may be nested. Parameters
//! are put in while parsing, each once. What a statement asks of a table follows from the names of its keys alone
//! ([`KeyNames`]): [`Select::plan`], [`keyed`].
//!
//! Knows no table, no partition and no JSON.

mod error;
pub mod fuzz;
mod lexer;
mod lower;
mod parser;
mod statement;
#[cfg(test)]
mod tests;

pub use error::{PartiqlError, Problem};
pub use lower::{Access, Column, KeyNames, Keyed, SelectPlan, keyed};
pub use parser::STATEMENT_BYTES_MAX;
pub use statement::{Delete, Direction, Insert, OrderKey, Returning, Select, Source, Statement, Update};
