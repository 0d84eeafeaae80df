//! What an operator can set of the edge.

use std::time::Duration;

/// Whose requests are served.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Authentication {
    /// Those with a valid Signature Version 4 of one of the cluster's access keys.
    #[default]
    Verify,
    /// Everybody's, with any credentials or none. For development on one machine.
    Anyone,
}

/// Settings of the edge. `Default` gives the defaults that the doc lines name.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose requests are served. Default: those of the cluster's access keys.
    pub authentication: Authentication,
    /// Most connections at once; further ones are closed at once. Default 20,000.
    pub connections_max: usize,
    /// Most requests that are worked on at once; further ones are throttled. Default 4,096.
    pub requests_max: usize,
    /// Most requests that wait for records of streams at once; further ones are answered without a wait. Default 1,024.
    pub waiters_max: usize,
    /// Most bytes of request bodies in memory at once, all requests together; further ones are throttled. Default 256 MiB.
    pub bodies_bytes_max: usize,
    /// Longest wait for the head of a request, the idle time before it included. Default 75 s.
    pub head_wait_max: Duration,
    /// Longest wait for a request's body. Default 20 s.
    pub body_wait_max: Duration,
    /// Longest time that a request is worked on. Default 5 s.
    pub request_time_max: Duration,
    /// Replies from this size on are compressed where the client takes that. Default 8 KiB.
    pub gzip_reply_bytes_min: usize,
    /// Origins whose scripts browsers let read replies (`*`: all). Default none: CORS is off.
    pub cors_origins: Vec<String>,
    /// Longest time that requests under way may take to finish at a shutdown. Default 10 s.
    pub shutdown_time_max: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            authentication: Authentication::Verify,
            connections_max: 20_000,
            requests_max: 4_096,
            waiters_max: 1_024,
            bodies_bytes_max: 256 << 20,
            head_wait_max: Duration::from_secs(75),
            body_wait_max: Duration::from_secs(20),
            request_time_max: Duration::from_secs(5),
            gzip_reply_bytes_min: 8 << 10,
            cors_origins: Vec::new(),
            shutdown_time_max: Duration::from_secs(10),
        }
    }
}
