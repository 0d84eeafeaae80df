//! What a cluster is to be made of.

use crate::{disk::DiskControl, error::Error, faketime::ClockControl, power::PowerControl};
use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

/// Below the ports that the system gives to outgoing connections: one of those could take a dead node's place.
const PORTS: std::ops::Range<u16> = 11_000..32_000;
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);
static CLAIMS: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// How nodes reach each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Network {
    /// By proxies of this process: anywhere.
    Proxies,
    /// In network namespaces, joined by a bridge, over mutual TLS.
    Namespaces,
}

#[derive(Clone, Debug)]
pub struct Plan {
    /// The program under test.
    pub program: PathBuf,
    /// What each node gets beside its addresses and its directory, the subcommand first.
    pub arguments: Vec<String>,
    pub nodes: usize,
    pub network: Network,
    /// Clients go through proxies, too, so that replies can be lost.
    pub proxied_clients: bool,
    /// Clocks can be made to jump.
    pub clocks: bool,
    /// Disks can be made to fail.
    pub disks: bool,
    /// Power can be cut.
    pub power: bool,
    pub seed: u64,
}

impl Plan {
    /// What all nodes are started with, so that clocks and disks can be broken later.
    pub fn preloads(&self, directory: &Path) -> Result<Vec<(String, String)>, Error> {
        let mut libraries = Vec::new();
        let mut environment = Vec::new();
        if self.clocks {
            libraries.push(ClockControl::library()?.display().to_string());
            environment.extend(ClockControl::environment());
        }
        if self.disks {
            libraries.push(DiskControl::build(directory)?.display().to_string());
        }
        if self.power {
            libraries.push(PowerControl::build(directory)?.display().to_string());
        }
        if !libraries.is_empty() {
            environment.push(("LD_PRELOAD".to_owned(), libraries.join(":")));
        }
        Ok(environment)
    }

    /// What this node is started with for that.
    pub fn environment_of(&self, directory: &Path, place: usize) -> Result<Vec<(String, String)>, Error> {
        let mut environment = Vec::new();
        if self.clocks {
            environment.extend(ClockControl::of(directory, place).environment_of());
        }
        if self.disks {
            environment.extend(DiskControl::of(directory, place).environment());
        }
        if self.power {
            environment.extend(PowerControl::of(directory, place).environment()?);
        }
        Ok(environment)
    }
}

/// A port of loopback for TCP, which no other run gets while this process lives, not even while the node that listens
/// there is down: the process holds the UDP port of the same number, and who does not get that one looks further.
pub fn free_address() -> Result<String, Error> {
    let room = u32::from(PORTS.end - PORTS.start);
    for _ in 0..room {
        let step = u32::from(NEXT_PORT.fetch_add(1, Ordering::Relaxed));
        let offset = (std::process::id().wrapping_mul(7)).wrapping_add(step) % room;
        let address = (Ipv4Addr::LOCALHOST, PORTS.start + u16::try_from(offset).unwrap_or(0));
        let Ok(claim) = UdpSocket::bind(address) else { continue };
        if TcpListener::bind(address).is_ok() {
            CLAIMS.lock().unwrap_or_else(PoisonError::into_inner).push(claim);
            return Ok(format!("127.0.0.1:{}", address.1));
        }
    }
    Err(Error::Cluster(format!("every port from {} to {} of loopback is in use", PORTS.start, PORTS.end - 1)))
}
