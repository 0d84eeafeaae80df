//! DynamoDB's expressions: text -> checked plan -> evaluation over an item.
//!
//! Guarantees: parsing refuses what DynamoDB refuses, in its words ([`ExpressionError`]); a plan evaluates over any
//! item, whatever is stored in it, without failing ([`UpdateError`] is an answer, not a failure), without panicking and
//! without recursion that input can deepen. Plans are flat, so that decoding one from another node is bounded as well.
//!
//! Knows no table, no partition and no JSON; key attributes only by the names given to [`KeyCondition::resolve`].

mod check;
mod error;
mod evaluate;
pub mod legacy;
mod lexer;
mod parser;
mod placeholders;
mod plan;
mod reserved;
#[cfg(test)]
mod tests;

pub use error::{ExpressionError, Kind, Problem, UpdateError};
pub use evaluate::Updated;
pub use placeholders::{Expressions, Placeholders, check_names, check_values};
pub use plan::condition::{Comparator, Condition, ConditionStep, Operand, Test, ValueType};
pub use plan::joining::Joining;
pub use plan::key_condition::{KeyCondition, KeyTest, RangeCondition, ResolvedCompound, ResolvedKeyCondition};
pub use plan::path::{PATH_DEPTH_MAX, Path, PathTooDeep, Step};
pub use plan::projection::Projection;
pub use plan::update::{Assignment, Update, ValueStep};
pub use reserved::is_reserved;
