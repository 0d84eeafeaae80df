//! Functions at work: finds what a name stands for, holds functions to their concurrency, has them run, keeps their code and
//! the events that were accepted for them.
//!
//! Guarantees: an event that was accepted is in a table of the cluster's own, and some node works on it until the function has
//! answered it, or its tries or its age are used up, and what is to be told of that was told. So a function gets it at least
//! once. Code that a version refers to is never removed.
//!
//! Not here: HTTP, sandboxes, processes.

mod code;
mod concurrency;
mod control;
mod credentials;
mod destinations;
mod events;
mod functions;
mod invoke;
mod logs;
mod mappings;
mod metrics;
mod queue;
mod settings;
mod system_items;

pub use code::{CODE_PATH, StoredCode};
pub use credentials::FunctionCredentials;
pub use functions::{Answer, Asked, Functions, FunctionsParts, Runs};
pub use invoke::log_group;
pub use logs::{Found, FoundEvent, Logs};
pub use settings::Settings;
