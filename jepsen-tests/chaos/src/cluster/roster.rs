//! Which processes of nodes there are, for whoever only looks.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seat {
    /// As people number nodes, from 1.
    pub number: usize,
    pub data: PathBuf,
    /// It may have ended.
    pub pid: u32,
}

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Roster(Arc<Mutex<Vec<Seat>>>);

impl Roster {
    pub fn set(&self, seat: Seat) {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|other| other.number != seat.number);
        seats.push(seat);
    }

    pub fn seats(&self) -> Vec<Seat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
