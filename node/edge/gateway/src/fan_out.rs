//! Requests that need several commands: batches at once, pages one after the other, counters of all partitions.

use futures::{StreamExt, stream};
use stator_api::{
    ApiError,
    operation::{BatchCommand, Paging, ReadConsistency},
};
use stator_catalog::{TableDescription, TokenRange};
use stator_cluster::{Consistency, Deadline, Door};
use stator_item::{TableId, Token};
use stator_partition::{Command, Refusal, Reply, reply::IndexCount};
use std::collections::BTreeMap;

/// Commands of one batch that are under way at once.
const BATCH_CONCURRENT_MAX: usize = 25;
/// Items of a batch that are read before it stops: a reply has 16 MB, and `api` leaves out what does not fit.
const BATCH_BYTES_MAX: u64 = 16 << 20;
/// Partitions that are counted at once.
const COUNT_CONCURRENT_MAX: usize = 16;

pub(crate) fn consistency(read: ReadConsistency) -> Consistency {
    match read {
        ReadConsistency::Strong => Consistency::Strong,
        ReadConsistency::Eventual => Consistency::Eventual,
    }
}

/// Outcomes in the order of the commands; once enough was read, the rest is left out.
pub(crate) async fn batch(
    door: &dyn Door,
    commands: Vec<BatchCommand>,
    deadline: Deadline,
) -> Vec<Result<Reply, Refusal>> {
    let mut outcomes = Vec::with_capacity(commands.len());
    let mut running = stream::iter(commands)
        .map(|BatchCommand { table, token, consistency: read, command }| {
            door.submit(table, token, command, consistency(read), deadline)
        })
        .buffered(BATCH_CONCURRENT_MAX);
    let mut read_bytes = 0;
    while let Some(outcome) = running.next().await {
        if let Ok(Reply::Got(got)) = &outcome {
            read_bytes += got.read_bytes;
        }
        outcomes.push(outcome);
        if read_bytes > BATCH_BYTES_MAX {
            break;
        }
    }
    outcomes
}

/// Asks one partition after the other until the paging has what it wants.
pub(crate) async fn pages(
    door: &dyn Door,
    table: &TableDescription,
    paging: &mut Paging,
    read: ReadConsistency,
    deadline: Deadline,
) -> Result<(), ApiError> {
    while let Some(token) = paging.next_token() {
        // Not known between a table's making and the news of where its partitions lie, nor after its end.
        let rows = paging.rows(table);
        let tokens = door.partition_tokens(rows, token).ok_or_else(ApiError::unavailable)?;
        match door.submit(rows, token, paging.page(tokens), consistency(read), deadline).await? {
            Reply::Page(page) => paging.absorb(tokens, page),
            _ => return Err(ApiError::internal()),
        }
    }
    Ok(())
}

/// Items and bytes of a table and its indexes.
#[derive(Default)]
pub(crate) struct Counts {
    /// Of the table and its local indexes.
    pub items: Vec<IndexCount>,
    pub global: BTreeMap<TableId, IndexCount>,
}

/// Counts a table and all of its indexes.
pub(crate) async fn counts(door: &dyn Door, table: &TableDescription, deadline: Deadline) -> Counts {
    let items = counts_of(door, table.id, deadline).await;
    let mut global = BTreeMap::new();
    for index in table.global_indexes.iter().filter(|index| index.is_fed()) {
        let counted = counts_of(door, index.id, deadline).await;
        global.extend(counted.into_iter().map(|count| (index.id, count)));
    }
    Counts { items, global }
}

/// Items and bytes of what lies under an id. Partitions that do not answer are left out: these are approximate
/// figures, and DynamoDB's are hours old.
async fn counts_of(door: &dyn Door, rows: TableId, deadline: Deadline) -> Vec<IndexCount> {
    let count = |tokens: TokenRange| door.submit(rows, tokens.first, Command::Count, Consistency::Eventual, deadline);
    let mut running = stream::iter(partitions(door, rows)).map(count).buffer_unordered(COUNT_CONCURRENT_MAX);
    let mut sums = BTreeMap::new();
    while let Some(outcome) = running.next().await {
        let Ok(Reply::Counted(counts)) = outcome else { continue };
        for count in counts {
            let sum = sums.entry(count.index).or_insert(IndexCount { index: count.index, ..IndexCount::default() });
            sum.items += count.items;
            sum.bytes += count.bytes;
        }
    }
    sums.into_values().collect()
}

/// The tokens of each partition of a table or index.
pub(crate) fn partitions(door: &dyn Door, rows: TableId) -> impl Iterator<Item = TokenRange> {
    let mut next = Some(TokenRange::ALL.first);
    std::iter::from_fn(move || {
        let tokens = door.partition_tokens(rows, next?)?;
        next = tokens.last.0.checked_add(1).map(Token);
        Some(tokens)
    })
}
