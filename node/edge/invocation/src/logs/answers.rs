//! The operations of the Logs API.

use super::{Logs, store::GROUPS_MAX};
use serde_json::Value;
use stator_cluster::Deadline;
use stator_logs::{
    Event, Group, LogsError, Stream,
    operation::{
        CreateLogGroup, DeleteLogStream, DescribeLogGroups, DescribeLogStreams, FilterLogEvents, GetLogEvents,
        GroupReference, Operation, PutRetentionPolicy,
    },
};
use std::time::Duration;

/// How long an operation may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Events of a group that were found, and where to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    pub events: Vec<FoundEvent>,
    /// `None`: all that is there was looked at.
    pub next_token: Option<String>,
}

/// An event with its stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundEvent {
    pub stream: String,
    /// No other event has it.
    pub id: String,
    pub at_ms: u64,
    pub message: String,
}

impl Logs {
    /// Answers an operation with the body of its reply.
    pub async fn answer(&self, operation: Operation, body: &[u8]) -> Result<Vec<u8>, LogsError> {
        let deadline = self.deadline(ANSWER_MAX);
        let reply = match operation {
            Operation::DescribeLogGroups => {
                let input = DescribeLogGroups::parse(body)?;
                Some(input.reply(&self.store.groups(deadline).await?, &self.owner()?))
            }
            Operation::DescribeLogStreams => {
                let input = DescribeLogStreams::parse(body)?;
                let group = self.known_group(&input.group, deadline).await?;
                let streams = self.store.streams(&group.id, input.prefix.as_deref(), deadline).await?;
                Some(input.reply(streams, &self.owner()?))
            }
            Operation::GetLogEvents => Some(self.get_log_events(&GetLogEvents::parse(body)?, deadline).await?),
            Operation::FilterLogEvents => Some(self.filter_log_events(&FilterLogEvents::parse(body)?, deadline).await?),
            Operation::CreateLogGroup => {
                self.create_group(CreateLogGroup::parse(body)?, deadline).await?;
                None
            }
            Operation::DeleteLogGroup => {
                let input = GroupReference::parse(body)?;
                let group = self.known_group(&input.group, deadline).await?;
                let now_ms = self.environment.clock.wall_ms();
                let deleted = self.store.delete_group(&group, now_ms, deadline).await?;
                deleted.then_some(()).ok_or_else(LogsError::no_such_group)?;
                None
            }
            Operation::DeleteLogStream => {
                let input = DeleteLogStream::parse(body)?;
                let group = self.known_group(&input.group, deadline).await?;
                let stream = self.known_stream(&group, &input.stream, deadline).await?;
                let now_ms = self.environment.clock.wall_ms();
                let deleted = self.store.delete_stream(&group.id, &stream, now_ms, deadline).await?;
                deleted.then_some(()).ok_or_else(LogsError::no_such_stream)?;
                None
            }
            Operation::PutRetentionPolicy => {
                let input = PutRetentionPolicy::parse(body)?;
                self.set_retention(&input.group, Some(input.days), deadline).await?;
                None
            }
            Operation::DeleteRetentionPolicy => {
                self.set_retention(&GroupReference::parse(body)?.group, None, deadline).await?;
                None
            }
        };
        Ok(reply.map(|reply| reply.to_string().into_bytes()).unwrap_or_default())
    }

    /// Events of a function's log, from a moment or a token on.
    pub async fn find(
        &self,
        group: &str,
        pattern: &str,
        start_ms: u64,
        token: Option<&str>,
    ) -> Result<Found, LogsError> {
        let input = FilterLogEvents::of_group(group, pattern, start_ms, token)?;
        let deadline = self.deadline(ANSWER_MAX);
        let group = self.known_group(&input.group, deadline).await?;
        let streams = self.streams_to_search(&group, &input, deadline).await?;
        let mut searched = input.begin(group.kept_since_ms(self.environment.clock.wall_ms()));
        let is_done = self.search(&streams, &mut searched, deadline).await?;
        let next_token = searched.next_token(is_done);
        let shown = |(stream, id, event): (String, String, Event)| FoundEvent {
            stream,
            id,
            at_ms: event.at.at_ms,
            message: event.message,
        };
        Ok(Found { events: searched.into_events().into_iter().map(shown).collect(), next_token })
    }

    async fn known_group(&self, name: &str, deadline: Deadline) -> Result<Group, LogsError> {
        self.store.group(name, deadline).await?.ok_or_else(LogsError::no_such_group)
    }

    async fn known_stream(&self, group: &Group, name: &str, deadline: Deadline) -> Result<Stream, LogsError> {
        self.store.stream(&group.id, name, deadline).await?.ok_or_else(LogsError::no_such_stream)
    }

    async fn create_group(&self, input: CreateLogGroup, deadline: Deadline) -> Result<(), LogsError> {
        if self.store.groups(deadline).await?.len() >= GROUPS_MAX {
            return Err(LogsError::LimitExceeded("Resource limit exceeded.".to_owned()));
        }
        // As at AWS, what is made by hand is kept for ever until a retention is set.
        let group = Group {
            name: input.group,
            id: self.new_id(),
            created_ms: self.environment.clock.wall_ms(),
            retention_days: None,
        };
        self.store.add_group(&group, deadline).await?.then_some(()).ok_or_else(LogsError::group_exists)
    }

    async fn set_retention(&self, name: &str, days: Option<u32>, deadline: Deadline) -> Result<(), LogsError> {
        let group = self.known_group(name, deadline).await?;
        let group = Group { retention_days: days, ..group };
        self.store.change_group(&group, deadline).await?.then_some(()).ok_or_else(LogsError::no_such_group)
    }

    async fn get_log_events(&self, input: &GetLogEvents, deadline: Deadline) -> Result<Value, LogsError> {
        let group = self.known_group(&input.group, deadline).await?;
        let stream = self.known_stream(&group, &input.stream, deadline).await?;
        let mut page = input.page(group.kept_since_ms(self.environment.clock.wall_ms()));
        self.read_page(&stream, &mut page, deadline).await?;
        Ok(input.reply(page))
    }

    async fn filter_log_events(&self, input: &FilterLogEvents, deadline: Deadline) -> Result<Value, LogsError> {
        let group = self.known_group(&input.group, deadline).await?;
        let streams = self.streams_to_search(&group, input, deadline).await?;
        let mut searched = input.begin(group.kept_since_ms(self.environment.clock.wall_ms()));
        let is_done = self.search(&streams, &mut searched, deadline).await?;
        Ok(searched.reply(is_done))
    }

    /// A stream that is named must be there.
    async fn streams_to_search(
        &self,
        group: &Group,
        input: &FilterLogEvents,
        deadline: Deadline,
    ) -> Result<Vec<Stream>, LogsError> {
        let Some(names) = &input.names else {
            return self.store.streams(&group.id, input.prefix.as_deref(), deadline).await;
        };
        let mut streams: Vec<Stream> = Vec::new();
        for name in names {
            if streams.iter().all(|stream| stream.name != *name) {
                streams.push(self.known_stream(group, name, deadline).await?);
            }
        }
        Ok(streams)
    }
}
