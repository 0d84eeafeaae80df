//! Keeps the streams of the partitions that this node leads: shards roll after some hours, and go a day after they were closed.
//! What is due is decided by time, once, by the leader; every replica rolls and drops the same in its turn of the log.

use crate::router::Router;
use stator_environment::Age;
use stator_partition::{Command, stream::STREAM_BYTES_MAX};
use std::{sync::Arc, time::Duration};

/// From so many percent of a partition's quota on the operator is warned.
const WARN_PERCENT: u64 = 80;

pub(crate) struct Streams {
    pub router: Arc<Router>,
}

impl Streams {
    /// Runs for as long as the node does.
    pub async fn run(self: Arc<Streams>) {
        let environment = self.router.host.parts.environment.clone();
        let age = Age::new(environment.clock.clone());
        loop {
            environment.sleep(self.router.host.settings.streams_look_every).await;
            self.keep(age.now_ms()).await;
        }
    }

    async fn keep(&self, now_ms: u64) {
        let host = &self.router.host;
        let settings = &host.settings;
        let before = |age: Duration| now_ms.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let (roll_before_ms, drop_before_ms) = (before(settings.shard_open_for), before(settings.shard_listed_for));
        let hosted: Vec<_> = host.replicas.read().iter().map(|(id, hosted)| (*id, hosted.clone())).collect();
        let mut fullest = 0;
        for (partition, hosted) in hosted.iter().filter(|(_, hosted)| hosted.replica.leadership().leads) {
            let bytes = hosted.replica.stream_bytes();
            fullest = fullest.max(bytes);
            if bytes >= STREAM_BYTES_MAX / 100 * WARN_PERCENT {
                tracing::warn!(%partition, bytes, most = STREAM_BYTES_MAX,
                    "the records of a stream are about to reach their quota: then writes of the table are throttled");
            }
            if hosted.replica.are_streams_due(roll_before_ms, drop_before_ms) {
                let command = Command::KeepStreams { roll_before_ms, drop_before_ms };
                if let Err(refusal) = host.ask(hosted, command).await {
                    tracing::debug!(%partition, %refusal, "the shards of a stream are not kept yet");
                }
            }
        }
        self.router.metrics.stream_fullest_bytes.set(i64::try_from(fullest).unwrap_or(i64::MAX));
    }
}
