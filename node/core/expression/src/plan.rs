//! Plans: what a checked expression becomes. Data only; they can be built without text, as legacy parameters need it.
//!
//! Nothing here nests: boolean and arithmetic structure is kept in postfix order. So building, decoding, evaluating and
//! dropping a plan needs no recursion, however the expression was written.

pub mod condition;
pub mod joining;
pub mod key_condition;
pub mod path;
pub mod projection;
pub mod update;
