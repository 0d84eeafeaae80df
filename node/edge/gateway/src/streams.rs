//! The Streams API: streams are found in the catalog, shards and records asked of the partitions that hold them.

use crate::{admission::Counted, dispatch::Turn, fan_out, gateway::Gateway};
use futures::{StreamExt, stream};
use http::request;
use stator_api::{
    ApiError,
    operation::streams::{
        DescribeStream, GetRecords, GetShardIterator, IteratorKey, ListStreams, ShardIterator, StreamReference,
        WAIT_HEADER, shard_partition,
    },
};
use stator_catalog::{Catalog, StreamDescription, TableDescription};
use stator_changelog::{Shard, ShardId};
use stator_cluster::Consistency;
use stator_item::{TableId, Token};
use stator_partition::{Command, Refusal, Reply, ShardRecords};
use std::{sync::Arc, time::Duration};

/// Partitions that are asked for their shards at once.
const DESCRIBE_CONCURRENT_MAX: usize = 16;
/// A wait is asked for in pieces: less than one attempt of a command may take, so that a new leader is found soon.
const WAIT_PIECE: Duration = Duration::from_millis(500);

/// A stream with its table.
type Found = (Arc<TableDescription>, StreamDescription);

impl Gateway {
    pub(crate) async fn list_streams(&self, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        let input = ListStreams::parse(turn.body)?;
        let catalog = self.tables.newest(turn.deadline).await;
        input.render(&catalog, &self.owner()?, self.environment.clock.wall_ms(), &mut turn.out);
        Ok(())
    }

    pub(crate) async fn describe_stream(&self, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        let input = DescribeStream::parse(turn.body)?;
        // What it says of the stream is to be so now.
        self.tables.newest(turn.deadline).await;
        let (table, described) = self.find_stream(&input.stream, turn).await?;
        let tokens: Vec<Token> = match input.children_of {
            // A child lies where its parent does.
            Some(parent) => vec![self.shard_token(table.id, parent)?],
            None => fan_out::partitions(&*self.door, table.id).map(|tokens| tokens.first).collect(),
        };
        let command = input.command(&described);
        let asking = &*turn;
        let ask = |token| self.ask_partition(table.id, token, command.clone(), asking);
        let mut asked = stream::iter(tokens).map(ask).buffer_unordered(DESCRIBE_CONCURRENT_MAX);
        let mut shards: Vec<Shard> = Vec::new();
        while let Some(reply) = asked.next().await {
            let Reply::Shards(some) = reply? else { return Err(ApiError::internal()) };
            shards.extend(some);
        }
        drop(asked);
        input.render((&*table, &described), &self.owner()?, shards, &mut turn.out);
        Ok(())
    }

    pub(crate) async fn get_shard_iterator(&self, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        let input = GetShardIterator::parse(turn.body)?;
        let (table, described) = self.find_stream(&input.stream, turn).await?;
        let now_ms = self.environment.clock.wall_ms();
        let command = input.command(&described, now_ms)?;
        let token = self.shard_token(table.id, input.shard)?;
        let Reply::Place(from) = self.ask_partition(table.id, token, command, turn).await? else {
            return Err(ApiError::internal());
        };
        input.render((table.id, &described), from, (&self.iterator_key()?, now_ms), &mut turn.out);
        Ok(())
    }

    pub(crate) async fn get_records(&self, head: &request::Parts, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        let input = GetRecords::parse(turn.body)?;
        let wait = match head.headers.get(WAIT_HEADER) {
            Some(header) => Duration::from_millis(GetRecords::read_wait(header.to_str().unwrap_or_default())?),
            None => Duration::ZERO,
        };
        let key = self.iterator_key()?;
        let iterator = input.open(&key, self.environment.clock.wall_ms())?;
        let find = |catalog: &Catalog, now_ms| {
            let found = catalog.stream_of(iterator.table, iterator.stream, now_ms);
            found.map(owned).ok_or_else(|| ApiError::ResourceNotFound("Requested resource not found".to_owned()))
        };
        let (table, described) = self.look(find, turn).await?;
        let read = self.read_records(&input, &iterator, wait).await?;
        let now_ms = self.environment.clock.wall_ms();
        turn.table = Some(table);
        GetRecords::render(&iterator, &described, &read, (&self.owner()?, &key, now_ms), &mut turn.out)
    }

    /// Reads until there is a record, the shard ends, or the wait is over.
    async fn read_records(
        &self,
        input: &GetRecords,
        iterator: &ShardIterator,
        wait: Duration,
    ) -> Result<ShardRecords, ApiError> {
        let token = self.shard_token(iterator.table, iterator.shard).map_err(|_| ApiError::TrimmedDataAccess)?;
        // As many as may; others are answered as if they had not asked for it.
        let waiting = if wait.is_zero() { None } else { Counted::one(&self.waiters, &self.metrics.waiters) };
        let until = self.environment.clock.elapsed() + waiting.as_ref().map_or(Duration::ZERO, |_| wait);
        loop {
            let began = self.environment.clock.elapsed();
            let piece = until.saturating_sub(began).min(WAIT_PIECE);
            let command = input.command(iterator, piece.as_millis() as u64);
            let deadline = self.deadline(self.settings.request_time_max);
            let asked = self.door.submit(iterator.table, token, command, Consistency::Strong, deadline).await;
            let Reply::ShardRecords(read) = asked.map_err(GetRecords::refusal)? else {
                return Err(ApiError::internal());
            };
            let now = self.environment.clock.elapsed();
            // Where too many wait already, the partition answers at once: it is not to be asked again and again.
            let came_early = now < began + piece;
            if !read.records.is_empty() || read.next.is_none() || now >= until || came_early {
                return Ok(*read);
            }
        }
    }

    async fn find_stream(&self, reference: &StreamReference, turn: &mut Turn<'_>) -> Result<Found, ApiError> {
        let owner = self.owner()?;
        let find = |catalog: &Catalog, now_ms| reference.find(catalog, &owner, now_ms).map(owned);
        let found = self.look(find, turn).await?;
        turn.table = Some(found.0.clone());
        Ok(found)
    }

    /// Looks into this node's copy of the catalog, then, before it says that there is nothing, into its leader's.
    async fn look(
        &self,
        find: impl Fn(&Catalog, u64) -> Result<Found, ApiError>,
        turn: &Turn<'_>,
    ) -> Result<Found, ApiError> {
        let now_ms = self.environment.clock.wall_ms();
        match find(&self.tables.catalog(), now_ms) {
            Ok(found) => Ok(found),
            Err(_) => find(&*self.tables.newest(turn.deadline).await, now_ms),
        }
    }

    /// A token of the partition in which a shard lies, or would.
    fn shard_token(&self, table: TableId, shard: ShardId) -> Result<Token, ApiError> {
        let catalog = self.tables.catalog();
        let partition = catalog.partition(shard_partition(shard)).filter(|partition| partition.table == table);
        partition.map(|partition| partition.tokens.first).ok_or_else(|| Refusal::NoSuchShard.into())
    }

    async fn ask_partition(
        &self,
        table: TableId,
        token: Token,
        command: Command,
        turn: &Turn<'_>,
    ) -> Result<Reply, ApiError> {
        Ok(self.door.submit(table, token, command, Consistency::Strong, turn.deadline).await?)
    }

    fn iterator_key(&self) -> Result<IteratorKey, ApiError> {
        let catalog = self.tables.catalog();
        Ok(IteratorKey::of(catalog.identity().ok_or_else(ApiError::unavailable)?))
    }
}

fn owned((table, stream): (&Arc<TableDescription>, &StreamDescription)) -> Found {
    (table.clone(), *stream)
}
