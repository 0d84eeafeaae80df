//! The ports of a node, and the addresses by which others know it.

use crate::{assembly::Blueprint, error::ServerError, membership::Addresses};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};
use tokio::net::TcpListener;

/// Bound before anything is written, so that a port in use leaves no trace.
pub struct Sockets {
    pub clients: TcpListener,
    pub peers: Option<TcpListener>,
}

impl Sockets {
    pub async fn bind(blueprint: &Blueprint) -> Result<Sockets, ServerError> {
        let clients = bind(blueprint.listen, "--listen").await?;
        let peers = match &blueprint.peers {
            Some(peers) => Some(bind(peers.listen, "--peer-listen").await?),
            None => None,
        };
        Ok(Sockets { clients, peers })
    }

    /// Where clients connect on this machine, with the port that was really given.
    pub fn client_address(&self) -> Result<SocketAddr, ServerError> {
        self.clients.local_addr().map_err(ServerError::io("read the client port"))
    }

    /// A port without TLS that only this machine reaches, where clients have none: for functions that run here. Their requests
    /// are signed like everybody's.
    pub async fn plain(is_tls: bool) -> Result<Option<TcpListener>, ServerError> {
        if !is_tls {
            return Ok(None);
        }
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        bound.map(Some).map_err(ServerError::io("listen for functions on this machine"))
    }

    pub fn peer_address(&self) -> Result<Option<SocketAddr>, ServerError> {
        let address = self.peers.as_ref().map(TcpListener::local_addr).transpose();
        address.map_err(ServerError::io("read the peer port"))
    }

    /// How others reach this node.
    pub fn addresses(&self, blueprint: &Blueprint) -> Result<Addresses, ServerError> {
        let client = advertised(blueprint.advertise.as_deref(), self.client_address()?);
        let peer = match (self.peer_address()?, &blueprint.peers) {
            (Some(address), Some(peers)) => advertised(peers.advertise.as_deref(), address),
            // A node that stays alone is never called.
            _ => String::new(),
        };
        Ok(Addresses { peer, client })
    }
}

async fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ServerError::AddressInUse { address, flag },
        _ => ServerError::Listen { address, flag, source },
    })
}

/// "All addresses" is none that others could call: then the machine's name stands there.
fn advertised(given: Option<&str>, bound: SocketAddr) -> String {
    match given {
        Some(given) => given.to_owned(),
        None if bound.ip().is_unspecified() => {
            format!("{}:{}", rustix::system::uname().nodename().to_string_lossy(), bound.port())
        }
        None => bound.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_an_address_that_they_can_call() {
        let bound: SocketAddr = "10.0.0.1:8000".parse().expect("an address");
        let everywhere: SocketAddr = "0.0.0.0:8000".parse().expect("an address");
        assert_eq!(advertised(None, bound), "10.0.0.1:8000");
        assert_eq!(advertised(Some("db.example:80"), everywhere), "db.example:80");
        let named = advertised(None, everywhere);
        assert!(named.ends_with(":8000") && !named.starts_with("0.0.0.0"), "{named}");
    }
}
