//! What breaks on real processes, and what must stand all the same: whatever was acknowledged.

mod disk;
mod kill;
mod network;
mod pause;
mod tables;

/// Writers of a test that says no other number.
const WRITERS: usize = 8;
/// Bytes of an item, about.
const PADDING_BYTES: usize = 1000;
