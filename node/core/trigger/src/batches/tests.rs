//! The machine against a function that fails, hangs and answers halves, and leaders that come and go.

mod examples;
mod model;
