//! The wall around a function: what the server prepares ([`launch`], [`cgroup`]), and what the helper process does on its own
//! side of it before the function's program begins ([`entry`] and the modules below it).
//!
//! The helper is this very program, called as `stator sandbox-exec`: after a fork a server with many threads may hardly do
//! anything, a process of one thread may do all of it. It is told its [`plan::Plan`] over a socket, its standard input; that
//! socket is its life line, too: when the server is gone, it ends, and with it all processes of the function.

pub(crate) mod cgroup;
pub(crate) mod control;
mod helper;
mod landlock;
pub(crate) mod launch;
mod limits;
mod mounts;
mod namespaces;
mod network;
pub(crate) mod plan;
mod privileges;
mod seccomp;

pub use helper::entry;
