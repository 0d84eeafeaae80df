//! What a function has printed.

use super::Administration;
use stator_invocation::log_group;
use stator_logs::{LogsError, Wire};
use stator_proto::admin::{FindLogsReply, FindLogsRequest, LogEvent};
use tonic::Status;

impl Administration {
    /// Of a function that is gone, too, for as long as its log is kept.
    pub(super) async fn logs_of(&self, request: FindLogsRequest) -> Result<FindLogsReply, Status> {
        let FindLogsRequest { function, filter, start_ms, next_token } = request;
        let catalog = self.node.newest_catalog(self.node.deadline(super::CHANGE_MAX)).await;
        let known = catalog.function(&function);
        let version = known.and_then(|known| known.version(None)).map(|version| &**version);
        let group = log_group(&function, version);
        let token = (!next_token.is_empty()).then_some(next_token);
        match self.logs.find(&group, &filter, start_ms, token.as_deref()).await {
            Ok(found) => {
                let events = found.events.into_iter().map(|event| LogEvent {
                    id: event.id,
                    stream: event.stream,
                    at_ms: event.at_ms,
                    message: event.message,
                });
                Ok(FindLogsReply { events: events.collect(), next_token: found.next_token.unwrap_or_default() })
            }
            // It has not printed anything yet.
            Err(LogsError::ResourceNotFound(_)) if known.is_some() => Ok(FindLogsReply::default()),
            Err(LogsError::ResourceNotFound(_)) => {
                Err(Status::not_found(format!("there is no function {function}, and no log of one")))
            }
            Err(error) => Err(Status::invalid_argument(Wire::from(error).message)),
        }
    }
}
