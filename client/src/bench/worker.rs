//! One worker: one connection, one operation at a time.

use super::{
    cell::{Call, Cell, Chooser},
    connection::{Connection, Reply},
    pace::Pace,
    peer::Peer,
    request::{Prepared, Requests},
    tally::{Progress, Tally, Window},
    zipf::Zipf,
};
use crate::Error;
use parking_lot::Mutex;
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// After an error, so that a dead peer is not asked a hundred thousand times a second.
const PAUSE: Duration = Duration::from_millis(20);

/// One measurement, as all its workers see it.
pub struct Work {
    pub peer: Peer,
    pub cell: Cell,
    pub items: u64,
    pub zipf: Arc<Zipf>,
    pub window: Window,
    /// Set in an open loop.
    pub pace: Option<Pace>,
    pub progress: Progress,
}

/// Why an operation does not count.
#[derive(Debug)]
pub enum Failure {
    Refused {
        status: u16,
        body: String,
    },
    /// Status 200, but too short to hold what was asked for, or too long to mean that all was done.
    Implausible {
        body_bytes: usize,
    },
    Lost(Error),
}

impl Failure {
    pub fn kind(&self) -> String {
        match self {
            Failure::Refused { status, .. } => format!("status {status}"),
            Failure::Implausible { .. } => "implausible reply".into(),
            Failure::Lost(_) => "no reply".into(),
        }
    }

    pub fn told(&self) -> String {
        match self {
            Failure::Refused { status, body } => format!("status {status}: {body}"),
            Failure::Implausible { body_bytes } => format!("a reply of {body_bytes} bytes is not what was asked for"),
            Failure::Lost(error) => error.to_string(),
        }
    }
}

/// Works until the window ends. `number` tells the workers of one measurement apart.
pub async fn work(shared: Arc<Work>, number: u64, tally: Arc<Mutex<Tally>>) {
    let seed = number.wrapping_mul(0x9e37_79b9).wrapping_add(shared.cell as u64);
    let mut chooser =
        Chooser::new(shared.cell, shared.items, shared.zipf.clone(), shared.peer.next_insert.clone(), seed);
    let mut caller = Caller::new(shared.peer.clone(), seed);
    loop {
        let due = match &shared.pace {
            None => Instant::now(),
            Some(pace) => match pace.slot().await {
                Some(due) => due,
                None => return,
            },
        };
        if Instant::now() >= shared.window.until {
            return;
        }
        let operation = chooser.next();
        let mut result = caller.call(operation.first).await;
        if let (Ok(()), Some(then)) = (&result, operation.then) {
            result = caller.call(then).await;
        }
        let finished = Instant::now();
        let counts = shared.window.contains(finished);
        match result {
            Ok(()) => {
                shared.progress.succeeded(finished, &shared.window);
                if counts {
                    tally.lock().succeeded(finished.saturating_duration_since(due));
                }
            }
            Err(failure) => {
                shared.progress.failed();
                if counts {
                    tally.lock().failed(failure.kind(), || failure.told());
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Makes calls over a connection that it opens, and opens anew at another node when it breaks.
pub struct Caller {
    peer: Peer,
    requests: Requests,
    connection: Option<Connection>,
}

impl Caller {
    pub fn new(peer: Peer, seed: u64) -> Caller {
        Caller { requests: peer.requests(seed), connection: None, peer }
    }

    pub async fn call(&mut self, call: Call) -> Result<(), Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.peer.connect().await.map_err(Failure::Lost)?,
        };
        let Prepared { request, reply_bytes } =
            self.requests.prepare(call, &connection.address, now_ms()).map_err(Failure::Lost)?;
        match connection.exchange(request, 0).await {
            Ok(reply) => {
                self.connection = connection.lasts().then_some(connection);
                match reply {
                    Reply::Good { body_bytes, .. } if reply_bytes.contains(&body_bytes) => Ok(()),
                    Reply::Good { body_bytes, .. } => Err(Failure::Implausible { body_bytes }),
                    Reply::Refused { status, body } => Err(Failure::Refused { status, body }),
                }
            }
            Err(error) => {
                self.peer.endpoints.report_failure(&connection.address);
                Err(Failure::Lost(error))
            }
        }
    }
}

/// The time that signatures bear.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
