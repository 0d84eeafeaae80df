//! `stator dev`: one node on one machine, for development.

use super::serving_runtime;
use crate::{
    assembly::{self, Blueprint, Running},
    error::ServerError,
    logging,
    settings::DevSettings,
    show,
};
use stator_gateway::Authentication;
use std::{fs, path::PathBuf, process};

const THREADS: usize = 2;
/// A developer's disk does not want 64 MB for an empty table.
const SEGMENT_BYTES: u64 = 16 << 20;

pub fn run(settings: DevSettings) -> Result<(), ServerError> {
    logging::start(&settings.logs, "warn,openraft=error")?;
    if !settings.listen.ip().is_loopback() {
        return Err(ServerError::Usage(format!(
            "--listen {}: `stator dev` serves anybody and therefore listens on loopback only, such as 127.0.0.1:8000; on \
             other addresses use `stator start`",
            settings.listen
        )));
    }
    let temporary = settings.ephemeral.then(TemporaryDirectory::make).transpose()?;
    let data = temporary.as_ref().map_or_else(|| settings.data.clone(), |temporary| temporary.0.clone());
    let blueprint = Blueprint {
        data: data.clone(),
        listen: settings.listen,
        advertise: None,
        peers: None,
        zone: String::new(),
        place: settings.place,
        memory: settings.memory,
        storage: stator_storage::Settings {
            memory_bytes: settings.memory.0,
            segment_bytes: SEGMENT_BYTES,
            ..Default::default()
        },
        partitions: None,
        tables_max: None,
        throttling: settings.capacity.throttling.into(),
        ttl_changes: settings.expiry.ttl_changes,
        authentication: Authentication::Anyone,
        tls: None,
        functions: settings.functions.into(),
    };
    let place = if settings.ephemeral { "no data is kept".to_owned() } else { format!("data in {}", data.display()) };
    // The allocator asks for huge pages, which double what an idle node occupies. Without this it is only larger.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    // The runtime ends before the temporary directory does.
    serving_runtime(THREADS)?.block_on(assembly::run(blueprint, |running| greet(running, &place)))
}

fn greet(running: &Running, place: &str) {
    let endpoint = format!("http://{}", running.client_address);
    show::line(&format!("Stator serves DynamoDB's API at {endpoint} ({place}; Ctrl-C stops it)"));
    show::line(&format!("Try: aws dynamodb list-tables --endpoint-url {endpoint} --region us-east-1"));
}

/// Removed at the end, if the process comes to one.
struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn make() -> Result<TemporaryDirectory, ServerError> {
        let path = std::env::temp_dir().join(format!("stator-dev-{}", process::id()));
        // One that is there was left by a process of this number that was killed.
        if path.exists() {
            fs::remove_dir_all(&path).map_err(ServerError::io(format!("remove {}", path.display())))?;
        }
        fs::create_dir(&path).map_err(ServerError::io(format!("create {}", path.display())))?;
        Ok(TemporaryDirectory(path))
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // The system's cleaning of temporary files gets what is left.
        let _ = fs::remove_dir_all(&self.0);
    }
}
