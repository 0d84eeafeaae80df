//! What clients do while a cluster is being broken, and how their histories are judged. Written against small client traits,
//! so that the simulation and the bench on real processes run the same.

pub mod register;

/// How an operation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It had no effect, and never will.
    Definite,
    /// It may have had its effect, or may have it later.
    Unknown,
}
