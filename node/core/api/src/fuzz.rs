//! The way in for fuzzers: any target, any body, against one table that has everything a table may have.

use crate::error_table::ApiError;
use crate::operation::streams::{DescribeStream, GetRecords, GetShardIterator, ListStreams};
use crate::operation::{
    BatchExecuteStatement, BatchGetItem, BatchWriteItem, ChangeTags, CreateTable, DeleteItem, DeleteTable,
    DescribeContinuousBackups, DescribeContributorInsights, DescribeEndpoints, DescribeLimits,
    DescribeReplicaAutoScaling, DescribeTable, DescribeTimeToLive, ExecuteStatement, ExecuteTransaction, Execution,
    GetItem, ListContributorInsights, ListTables, ListTags, ManyItems, OneItem, Operation, PutItem, Query, Scan,
    Tables, TransactGetItems, TransactWriteItems, Transaction, UpdateContributorInsights, UpdateItem,
    UpdateReplicaAutoScaling, UpdateTable, UpdateTimeToLive,
};
use crate::scaling::{
    ChangeScalingTags, DeleteScalingPolicy, DeregisterScalableTarget, DescribeScalableTargets,
    DescribeScalingActivities, DescribeScalingPolicies, ListScalingTags, PutScalingPolicy, RegisterScalableTarget,
};
use stator_catalog::{
    Billing, IndexProjection, KeyAttribute, KeySchema, LocalIndex, TableClass, TableDescription, TableStatus,
    Throughput, TokenRange,
};
use stator_item::{IndexNumber, KeyType, TableId};
use stator_partition::Command;
use stator_partition::transaction::{TransactGet, TransactOne};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a request on items asks of partitions, or why it is refused. Operations on tables ask nothing of partitions, but are
/// read as well.
pub fn parse_any(target: &str, body: &[u8]) -> Result<Vec<Command>, ApiError> {
    let tables: Tables = [table()].into_iter().map(|table| (table.name.clone(), Arc::new(table))).collect();
    match Operation::from_target(target)? {
        Operation::PutItem => one::<PutItem>(body, &tables),
        Operation::GetItem => one::<GetItem>(body, &tables),
        Operation::UpdateItem => one::<UpdateItem>(body, &tables),
        Operation::DeleteItem => one::<DeleteItem>(body, &tables),
        Operation::Query => many::<Query>(body, &tables),
        Operation::Scan => many::<Scan>(body, &tables),
        Operation::BatchGetItem => {
            let commands = BatchGetItem::parse(body)?.commands(&tables)?;
            Ok(commands.into_iter().map(|command| command.command).collect())
        }
        Operation::BatchWriteItem => {
            let commands = BatchWriteItem::parse(body)?.commands(&tables)?;
            Ok(commands.into_iter().map(|command| command.command).collect())
        }
        Operation::ExecuteStatement => {
            let input = ExecuteStatement::parse(body)?;
            let table = tables.get(&input.table().name).ok_or_else(ApiError::no_such_table)?;
            Ok(vec![match input.execution(table)? {
                Execution::Write(routed) => routed.command,
                Execution::Read(mut pages) => pages.paging_mut().page(TokenRange::ALL),
            }])
        }
        Operation::BatchExecuteStatement => {
            let input = BatchExecuteStatement::parse(body)?;
            let tables = tables.into_iter().map(|(name, table)| (name, Ok(table))).collect();
            Ok(input.commands(&tables).1.into_iter().map(|command| command.command).collect())
        }
        Operation::ExecuteTransaction => Ok(vec![match ExecuteTransaction::parse(body)?.transaction(&tables)? {
            Transaction::Reads(reads) => {
                let gets = reads.gets().into_iter().map(|get| get.get).collect();
                Command::TransactGet(Box::new(TransactGet { gets, versions_only: false }))
            }
            Transaction::Writes(writes, request) => {
                let writes = writes.into_iter().map(|write| write.write).collect();
                Command::TransactOne(Box::new(TransactOne { writes, request, elsewhere: None }))
            }
        }]),
        Operation::TransactWriteItems => {
            let (writes, request) = TransactWriteItems::parse(body)?.writes(&tables)?;
            let writes = writes.into_iter().map(|write| write.write).collect();
            Ok(vec![Command::TransactOne(Box::new(TransactOne { writes, request, elsewhere: None }))])
        }
        Operation::TransactGetItems => {
            let gets = TransactGetItems::parse(body)?.gets(&tables)?;
            let gets = gets.into_iter().map(|get| get.get).collect();
            Ok(vec![Command::TransactGet(Box::new(TransactGet { gets, versions_only: false }))])
        }
        Operation::CreateTable => CreateTable::parse(body).map(nothing),
        Operation::DeleteTable => DeleteTable::parse(body).map(nothing),
        Operation::DescribeEndpoints => DescribeEndpoints::parse(body).map(nothing),
        Operation::DescribeLimits => DescribeLimits::parse(body).map(nothing),
        Operation::DescribeTable => DescribeTable::parse(body).map(nothing),
        Operation::ListTables => ListTables::parse(body).map(nothing),
        Operation::DescribeContinuousBackups => DescribeContinuousBackups::parse(body).map(nothing),
        Operation::DescribeTimeToLive => DescribeTimeToLive::parse(body).map(nothing),
        Operation::UpdateTimeToLive => UpdateTimeToLive::parse(body).map(nothing),
        Operation::UpdateContributorInsights => UpdateContributorInsights::parse(body).map(nothing),
        Operation::DescribeContributorInsights => DescribeContributorInsights::parse(body).map(nothing),
        Operation::ListContributorInsights => ListContributorInsights::parse(body).map(nothing),
        Operation::ListTagsOfResource => ListTags::parse(body).map(nothing),
        Operation::TagResource => ChangeTags::parse_tag(body).map(nothing),
        Operation::UntagResource => ChangeTags::parse_untag(body).map(nothing),
        Operation::UpdateTable => UpdateTable::parse(body).map(nothing),
        Operation::ListStreams => ListStreams::parse(body).map(nothing),
        Operation::DescribeStream => DescribeStream::parse(body).map(nothing),
        Operation::GetShardIterator => GetShardIterator::parse(body).map(nothing),
        Operation::GetRecords => GetRecords::parse(body).map(nothing),
        Operation::DeleteScalingPolicy => DeleteScalingPolicy::parse(body).map(nothing),
        Operation::DeregisterScalableTarget => DeregisterScalableTarget::parse(body).map(nothing),
        Operation::DescribeScalableTargets => DescribeScalableTargets::parse(body).map(nothing),
        Operation::DescribeScalingActivities => DescribeScalingActivities::parse(body).map(nothing),
        Operation::DescribeScalingPolicies => DescribeScalingPolicies::parse(body).map(nothing),
        Operation::DescribeTableReplicaAutoScaling => DescribeReplicaAutoScaling::parse(body).map(nothing),
        Operation::ListTagsOfScalableTarget => ListScalingTags::parse(body).map(nothing),
        Operation::PutScalingPolicy => PutScalingPolicy::parse(body).map(nothing),
        Operation::RegisterScalableTarget => RegisterScalableTarget::parse(body).map(nothing),
        Operation::TagScalableTarget => ChangeScalingTags::parse_tag(body).map(nothing),
        Operation::UntagScalableTarget => ChangeScalingTags::parse_untag(body).map(nothing),
        Operation::UpdateTableReplicaAutoScaling => UpdateReplicaAutoScaling::parse(body).map(nothing),
    }
}

/// Operations on tables are only parsed.
fn nothing<T>(_input: T) -> Vec<Command> {
    Vec::new()
}

fn one<T: OneItem>(body: &[u8], tables: &Tables) -> Result<Vec<Command>, ApiError> {
    let input = T::parse(body)?;
    let table = tables.get(&input.table().name).ok_or_else(ApiError::no_such_table)?;
    Ok(vec![input.command(table)?.command])
}

fn many<T: ManyItems>(body: &[u8], tables: &Tables) -> Result<Vec<Command>, ApiError> {
    let input = T::parse(body)?;
    let table = tables.get(&input.table().name).ok_or_else(ApiError::no_such_table)?;
    Ok(vec![input.paging(table)?.page(TokenRange::ALL)])
}

/// `music`: hash key `artist` (S), range key `track` (N), local indexes `by_title` (S, keys only), `by_cover` (B, with
/// `label`) and `by_year` (N, all).
pub fn table() -> TableDescription {
    let attribute = |name: &str, key_type| KeyAttribute { name: name.into(), key_type };
    let index = |number, name: &str, range, projection| LocalIndex {
        number: IndexNumber(number),
        name: name.into(),
        range,
        projection,
    };
    TableDescription {
        id: TableId(1),
        name: "music".into(),
        version: 1,
        status: TableStatus::Active,
        created_ms: 0,
        key: KeySchema { hash: attribute("artist", KeyType::String), range: Some(attribute("track", KeyType::Number)) },
        local_indexes: vec![
            index(1, "by_title", attribute("title", KeyType::String), IndexProjection::KeysOnly),
            index(2, "by_cover", attribute("cover", KeyType::Binary), IndexProjection::Include(vec!["label".into()])),
            index(3, "by_year", attribute("released", KeyType::Number), IndexProjection::All),
        ],
        billing: Billing::OnDemand { throughput: None },
        on_demand_since_ms: None,
        warm_throughput: Throughput { read_units: 12_000, write_units: 4_000 },
        class: TableClass::Standard,
        class_changed_ms: None,
        deletion_protection: false,
        sse: None,
        tags: BTreeMap::new(),
        streams: Vec::new(),
        global_indexes: Vec::new(),
        time_to_live: None,
    }
}
