//! `stator start`: a node of a cluster.

use super::serving_runtime;
use crate::{
    access_key::RootKey,
    assembly::{self, Blueprint, Joining, Peers, Running},
    error::ServerError,
    logging,
    settings::{StartSettings, memory_default},
    show,
};
use stator_gateway::{Authentication, TlsSettings};
use stator_transport::JoinSecret;
use std::{fs, path::PathBuf, thread};

pub fn run(settings: StartSettings) -> Result<(), ServerError> {
    logging::start(&settings.logs, "info,openraft=error")?;
    let cores = || thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    let threads = settings.threads.map_or_else(cores, usize::from);
    let blueprint = blueprint(settings)?;
    serving_runtime(threads)?.block_on(assembly::run(blueprint, greet))
}

fn blueprint(settings: StartSettings) -> Result<Blueprint, ServerError> {
    let secret = join_secret(settings.join_secret_file.as_ref())?;
    let join = settings.join.map(|address| Joining { address, secret });
    let memory = settings.memory.unwrap_or_else(memory_default);
    Ok(Blueprint {
        data: settings.data,
        listen: settings.listen,
        advertise: settings.advertise,
        peers: Some(Peers { listen: settings.peer_listen, advertise: settings.peer_advertise, join }),
        zone: settings.zone,
        place: settings.place,
        memory,
        storage: stator_storage::Settings {
            memory_bytes: memory.0,
            durability: settings.durability.into(),
            ..Default::default()
        },
        partitions: settings.partitions,
        tables_max: settings.tables_max,
        throttling: settings.capacity.throttling.into(),
        ttl_changes: settings.expiry.ttl_changes,
        authentication: Authentication::Verify,
        tls: tls(settings.tls_cert, settings.tls_key)?,
        functions: settings.functions.into(),
    })
}

fn tls(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsSettings>, ServerError> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsSettings { certificate, key })),
        _ => Err(ServerError::Usage("--tls-cert and --tls-key go together: give both or none".to_owned())),
    }
}

/// From the file or, without one, from the environment.
fn join_secret(file: Option<&PathBuf>) -> Result<Option<JoinSecret>, ServerError> {
    let text = match file {
        Some(path) => Some(
            fs::read_to_string(path)
                .map_err(ServerError::io(format!("read the join secret from {}", path.display())))?,
        ),
        None => std::env::var("STATOR_JOIN_SECRET").ok().filter(|text| !text.is_empty()),
    };
    Ok(text.map(|text| text.parse()).transpose()?)
}

fn greet(running: &Running) {
    let scheme = if running.is_tls { "https" } else { "http" };
    show::line(&format!("Stator serves DynamoDB's API at {scheme}://{}", running.client_address));
    if let Some(peers) = running.peer_address {
        show::line(&format!("Other nodes join with --join {peers}"));
    }
    match &running.root_key {
        RootKey::Made(pair) => show::key_pair("Root access key", &pair.id, &pair.secret.0),
        RootKey::Given => show::line("The root access key is the one that the environment gave"),
        RootKey::NotNeeded => {}
    }
}
