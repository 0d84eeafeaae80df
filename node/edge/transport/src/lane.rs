//! Lanes: messages of unlike urgency travel on streams of their own, and the bounds that hold for each.

use stator_environment::Service;
use std::time::Duration;

/// A stream between two nodes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Lane {
    /// Raft and the catalog: late messages cost leaderships.
    Urgent = 1,
    /// Commands of clients.
    Forward = 2,
    /// Chunks of snapshots.
    Bulk = 3,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Lane; 3] = [Lane::Urgent, Lane::Forward, Lane::Bulk];

    /// The lane of a service's messages.
    pub fn of(service: Service) -> Lane {
        match service {
            Service::Raft | Service::Catalog => Lane::Urgent,
            Service::Forward => Lane::Forward,
            Service::Snapshot => Lane::Bulk,
        }
    }

    /// As metrics and logs call it.
    pub fn name(self) -> &'static str {
        match self {
            Lane::Urgent => "urgent",
            Lane::Forward => "forward",
            Lane::Bulk => "bulk",
        }
    }

    /// The lane with this number on the wire.
    pub(crate) fn numbered(number: u32) -> Option<Lane> {
        Lane::ALL.into_iter().find(|lane| *lane as u32 == number)
    }

    pub(crate) fn index(self) -> usize {
        self as usize - 1
    }
}

/// The service with this number on the wire.
pub(crate) fn service_numbered(number: u32) -> Option<Service> {
    [Service::Raft, Service::Forward, Service::Catalog, Service::Snapshot]
        .into_iter()
        .find(|service| *service as u32 == number)
}

/// Bounds of each link, and so of a node's memory.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Calls that wait for an answer; more are overload.
    pub calls_max: usize,
    /// Bodies that wait to be sent. One body may always wait, however large.
    pub queue_bytes_max: usize,
    /// A batch takes no further frame beyond this.
    pub batch_bytes_max: usize,
    /// The largest body of a call or an answer.
    pub body_bytes_max: usize,
    /// Handlers at work for one link, but for the bulk lane. Further messages wait in the socket, then at the caller.
    pub handlers_max: usize,
    /// The same for the bulk lane, whose messages are large.
    pub bulk_handlers_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            calls_max: 16 * 1024,
            queue_bytes_max: 32 << 20,
            batch_bytes_max: 1 << 20,
            body_bytes_max: 24 << 20,
            handlers_max: 2048,
            bulk_handlers_max: 8,
        }
    }
}

impl Limits {
    pub(crate) fn handlers_max_of(&self, lane: Lane) -> usize {
        match lane {
            Lane::Urgent | Lane::Forward => self.handlers_max,
            Lane::Bulk => self.bulk_handlers_max,
        }
    }

    /// The largest message on the wire: a batch that was one byte short of full when the largest body came.
    pub(crate) fn message_bytes_max(&self) -> usize {
        self.batch_bytes_max + self.body_bytes_max + (64 << 10)
    }
}

/// How long a link may take to stand: TCP, TLS, both hellos.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(2);
/// A ping on every connection, this often.
pub(crate) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// A connection whose ping is not answered for this long is dead.
pub(crate) const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_millis(1500);
/// What HTTP/2 lets travel unacknowledged on one link: more than a batch, or large ones would stutter.
pub(crate) const WINDOW_BYTES: u32 = 4 << 20;
/// Large HTTP/2 frames: fewer headers and fewer turns of the loop for a batch.
pub(crate) const HTTP_FRAME_BYTES: u32 = 256 << 10;
