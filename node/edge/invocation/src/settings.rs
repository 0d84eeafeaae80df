//! What an operator can set of functions.

use std::time::Duration;

/// Settings of functions. `Default` gives the defaults that the doc lines name.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Most bytes of code of all functions and versions; the same on all nodes. Default: Lambda's quota, 75 GB.
    pub code_bytes_max: Option<u64>,
    /// How long an event waits for its first and its second retry. Default: 1 and 2 minutes, as at Lambda.
    pub retry_waits: [Duration; 2],
    /// How long an event waits that could not be tried, at first and at most. Default: 1 second and 5 minutes.
    pub throttle_waits: [Duration; 2],
    /// Most events that a node works on at once. Default 64.
    pub events_max: usize,
    /// How often a node looks for events that are due. Default 200 ms.
    pub events_look_every: Duration,
    /// How often a node looks for code that no version refers to. Default 10 minutes.
    pub sweep_every: Duration,
    /// Code that no version refers to is kept for so long after its upload. Must be well above the time in which a version
    /// may refer to it first ([`UPLOAD_AGE_MS_MAX`](stator_catalog::UPLOAD_AGE_MS_MAX)). Default 1 hour.
    pub code_kept_for: Duration,
    /// Longest time that a request of the control plane is worked on. Default 5 s.
    pub control_time_max: Duration,
    /// The same of one that carries code. Default 60 s.
    pub upload_time_max: Duration,
    /// Days for which what functions print is kept, in groups that they make themselves; `None`: for ever. Default 14.
    pub log_retention_days: Option<u32>,
    /// Most bytes of lines that wait to be stored. Default 32 MiB.
    pub log_bytes_max: usize,
    /// Clients reach this node by HTTPS. Default: no.
    pub is_tls: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            code_bytes_max: None,
            retry_waits: [Duration::from_secs(60), Duration::from_secs(120)],
            throttle_waits: [Duration::from_secs(1), Duration::from_secs(300)],
            events_max: 64,
            events_look_every: Duration::from_millis(200),
            sweep_every: Duration::from_secs(600),
            code_kept_for: Duration::from_secs(3_600),
            control_time_max: Duration::from_secs(5),
            upload_time_max: Duration::from_secs(60),
            log_retention_days: Some(14),
            log_bytes_max: 32 << 20,
            is_tls: false,
        }
    }
}
