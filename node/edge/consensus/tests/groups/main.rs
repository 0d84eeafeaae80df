//! Groups of replicas in one process, on simulated time.

mod chaos;
mod leading;
mod lease;
mod life;
mod log;
mod members;
mod sleep;
mod state;
mod world;
