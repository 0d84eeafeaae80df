//! Who is measured: Stator, or something that it is compared with.

use super::{
    args::BenchArgs,
    cell::{Cell, Table},
    connection::{Connection, Protocol},
    etcd::EtcdRequests,
    request::{DynamoRequests, Identity, Payloads, Requests, TableNames},
    signed::SignedRequests,
};
use crate::{Address, Endpoints, Error, REFRESH_INTERVAL};
use fastrand::Rng;
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicU64},
};

/// The name of the one that the others are compared with.
pub const SUBJECT: &str = "stator";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    Dynamo,
    Etcd,
}

/// As the command line names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerName {
    /// What the report calls it; `etcd` or `dynamodb` if the command line gave no other name.
    pub name: String,
    pub language: Language,
    pub addresses: Vec<Address>,
}

impl PeerName {
    /// `etcd=URL[,URL...]`, `dynamodb=URL[,URL...]`; with a name of one's own: `dynoxide:dynamodb=URL`.
    pub fn parse(text: &str) -> Result<PeerName, Error> {
        let unknown =
            || Error::Arguments(format!("{text:?} is not like etcd=URL or dynamodb=URL (or NAME:dynamodb=URL)"));
        let (left, urls) = text.split_once('=').ok_or_else(unknown)?;
        let (name, language) = left.split_once(':').unwrap_or((left, left));
        let language = match language {
            "etcd" => Language::Etcd,
            "dynamodb" => Language::Dynamo,
            _ => return Err(unknown()),
        };
        if name.is_empty() || name == SUBJECT {
            return Err(unknown());
        }
        let addresses = urls.split(',').map(Address::parse).collect::<Result<_, _>>()?;
        Ok(PeerName { name: name.to_owned(), language, addresses })
    }
}

/// Everything that a worker needs to speak with a peer. Cheap to clone.
#[derive(Clone)]
pub struct Peer {
    pub name: Arc<str>,
    pub language: Language,
    pub endpoints: Endpoints,
    pub identity: Arc<Identity>,
    pub tables: TableNames,
    pub item_bytes: usize,
    /// Transactions bear request tokens.
    pub request_tokens: bool,
    /// Processes whose CPU time is counted.
    pub pids: Arc<[u32]>,
    /// The next key (or sort key) that nobody has written.
    pub next_insert: Arc<AtomicU64>,
    payloads: Payloads,
}

impl Peer {
    /// The subject first, then those it is compared with. Must run on a runtime that stays alive as long as they do.
    pub async fn all(args: &BenchArgs) -> Result<Vec<Peer>, Error> {
        let seeds = args.endpoints.iter().map(|url| Address::parse(url)).collect::<Result<Vec<_>, _>>()?;
        let endpoints = match args.no_discovery {
            true => Endpoints::fixed(seeds)?,
            false => Endpoints::discover(seeds, REFRESH_INTERVAL).await?,
        };
        let mut peers = vec![Peer::new(SUBJECT, Language::Dynamo, endpoints, args)];
        for text in &args.compare {
            let peer = PeerName::parse(text)?;
            if peers.iter().any(|other| *other.name == *peer.name) {
                let name = peer.name;
                return Err(Error::Arguments(format!("two peers are called {name:?}; name them: NAME:dynamodb=URL")));
            }
            let endpoints = Endpoints::fixed(peer.addresses)?;
            peers.push(Peer::new(&peer.name, peer.language, endpoints, args));
        }
        for text in &args.pids {
            let (name, pids) = read_pids(text)?;
            let peer = peers.iter_mut().find(|peer| *peer.name == *name).ok_or_else(|| {
                Error::Arguments(format!("--pids names {name:?}, which is neither {SUBJECT:?} nor compared with"))
            })?;
            peer.pids = pids.into();
        }
        Ok(peers)
    }

    fn new(name: &str, language: Language, endpoints: Endpoints, args: &BenchArgs) -> Peer {
        Peer {
            name: name.into(),
            language,
            endpoints,
            identity: Arc::new(args.identity()),
            tables: TableNames::with_prefix(&args.table_prefix),
            item_bytes: args.item_bytes,
            request_tokens: args.request_tokens,
            pids: Arc::new([]),
            next_insert: Arc::new(AtomicU64::new(args.items)),
            payloads: Payloads::new(args.item_bytes),
        }
    }

    /// Whether it can be asked what the cell asks.
    pub fn answers(&self, cell: Cell) -> bool {
        self.language == Language::Dynamo || cell.needs_only_keys_and_values()
    }

    /// The tables that it needs for these cells. etcd has one place for all keys.
    pub fn tables_for(&self, cells: &[Cell]) -> BTreeSet<Table> {
        let cells = cells.iter().filter(|cell| self.answers(**cell));
        match self.language {
            Language::Dynamo => cells.flat_map(|cell| cell.tables()).copied().collect(),
            Language::Etcd => cells.map(|_| Table::Items).collect(),
        }
    }

    pub async fn connect(&self) -> Result<Connection, Error> {
        let protocol = match self.language {
            Language::Dynamo => Protocol::Http1,
            Language::Etcd => Protocol::Grpc,
        };
        let address = self.endpoints.next();
        let result = Connection::open(address.clone(), protocol).await;
        if result.is_err() {
            self.endpoints.report_failure(&address);
        }
        result
    }

    pub fn requests(&self, seed: u64) -> Requests {
        let (payloads, item_bytes, random) = (self.payloads.clone(), self.item_bytes, Rng::with_seed(seed));
        match self.language {
            Language::Dynamo => Requests::Dynamo(Box::new(DynamoRequests {
                signed: SignedRequests::new(self.identity.signer()),
                tables: self.tables.clone(),
                payloads,
                item_bytes,
                request_tokens: self.request_tokens,
                random,
            })),
            Language::Etcd => Requests::Etcd(EtcdRequests { payloads, item_bytes, random }),
        }
    }
}

/// `PID[,PID...]` of the subject, or `PEER=PID[,PID...]`.
fn read_pids(text: &str) -> Result<(String, Vec<u32>), Error> {
    let (name, pids) = text.split_once('=').unwrap_or((SUBJECT, text));
    let pids = pids.split(',').map(|pid| pid.trim().parse()).collect::<Result<Vec<u32>, _>>();
    match pids {
        Ok(pids) => Ok((name.to_owned(), pids)),
        Err(_) => Err(Error::Arguments(format!("{text:?} is not like PID,PID or PEER=PID,PID"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_and_processes_are_read() {
        for (text, name, language, count) in [
            ("etcd=http://127.0.0.1:2379,http://127.0.0.1:2479", "etcd", Language::Etcd, 2),
            ("dynamodb=127.0.0.1:4567", "dynamodb", Language::Dynamo, 1),
            ("dynalite:dynamodb=127.0.0.1:4567/", "dynalite", Language::Dynamo, 1),
        ] {
            let peer = PeerName::parse(text).expect(text);
            assert_eq!((peer.name.as_str(), peer.language, peer.addresses.len()), (name, language, count));
        }
        for text in ["etcd", "redis=127.0.0.1:1", "etcd=127.0.0.1", "stator:dynamodb=127.0.0.1:1", ":etcd=127.0.0.1:1"]
        {
            assert!(PeerName::parse(text).is_err(), "{text}");
        }
        assert_eq!(read_pids("1,2").expect("pids"), ("stator".into(), vec![1, 2]));
        assert_eq!(read_pids("etcd=3").expect("pids"), ("etcd".into(), vec![3]));
        assert!(read_pids("etcd=x").is_err());
    }
}
