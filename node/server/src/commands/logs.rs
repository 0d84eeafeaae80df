//! `stator logs FUNCTION`: what a function has printed, and what it prints.

use super::connection::{connect, told};
use crate::{error::ServerError, settings::Target, show};
use stator_proto::admin::{FindLogsRequest, LogEvent, admin_client::AdminClient};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tonic::transport::Channel;

/// How often a log is looked at that is followed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Lines of several instances do not arrive in the order of their times: so far back it is looked for more.
const LATE_MS: u64 = 15_000;

/// What is asked for.
pub struct Wanted {
    pub function: String,
    pub filter: String,
    pub since: Duration,
    pub follow: bool,
}

pub async fn run(target: Target, wanted: Wanted) -> Result<(), ServerError> {
    let mut client = connect(&target).await?;
    let since_ms = u64::try_from(wanted.since.as_millis()).unwrap_or(u64::MAX);
    let begin_ms = now_ms().saturating_sub(since_ms);
    let mut shown = Shown { begin_ms, latest_ms: begin_ms, ids: BTreeMap::new() };
    loop {
        show_new(&mut client, &wanted, &mut shown).await?;
        if !wanted.follow {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What was shown already.
struct Shown {
    begin_ms: u64,
    latest_ms: u64,
    /// Events that may be found again, with their times.
    ids: BTreeMap<String, u64>,
}

impl Shown {
    /// From where on there may be something new.
    fn start_ms(&self) -> u64 {
        self.latest_ms.saturating_sub(LATE_MS).max(self.begin_ms)
    }

    /// Whether the event is new.
    fn take(&mut self, event: &LogEvent) -> bool {
        self.latest_ms = self.latest_ms.max(event.at_ms);
        self.ids.insert(event.id.clone(), event.at_ms).is_none()
    }
}

async fn show_new(client: &mut AdminClient<Channel>, wanted: &Wanted, shown: &mut Shown) -> Result<(), ServerError> {
    let start_ms = shown.start_ms();
    let mut next_token = String::new();
    loop {
        let (function, filter) = (wanted.function.clone(), wanted.filter.clone());
        let request = FindLogsRequest { function, filter, start_ms, next_token };
        let reply = client.find_logs(request).await.map_err(told)?.into_inner();
        for event in reply.events {
            if shown.take(&event) {
                show::line(&format!("{} {}", show::moment(event.at_ms), event.message.trim_end()));
            }
        }
        next_token = reply.next_token;
        if next_token.is_empty() {
            break;
        }
    }
    let start_ms = shown.start_ms();
    shown.ids.retain(|_, at_ms| *at_ms >= start_ms);
    Ok(())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
