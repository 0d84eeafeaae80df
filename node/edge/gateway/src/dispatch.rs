//! From a request's body to a reply's: parse, find the table, ask the partition, render.

use crate::{
    control,
    fan_out::{self, consistency},
};
use stator_api::{
    ApiError, Operation,
    operation::{
        BatchCommand, BatchGetItem, BatchWriteItem, DeleteItem, GetItem, ManyItems, OneItem, PutItem, Query, Scan,
        TableReference, Tables as Named, UpdateItem,
    },
};
use stator_catalog::TableDescription;
use stator_changelog::ChangedBy;
use stator_cluster::{Coordinator, Deadline, Door, Tables};
use stator_partition::{Refusal, Reply};
use std::sync::Arc;

/// What one request is answered with, and within what time.
pub(crate) struct Turn<'a> {
    pub door: &'a dyn Door,
    pub coordinator: &'a Coordinator,
    pub tables: &'a dyn Tables,
    pub body: &'a [u8],
    pub deadline: Deadline,
    /// Who asks.
    pub by: ChangedBy,
    /// The table, once it is known: for the trace.
    pub table: Option<Arc<TableDescription>>,
    /// The reply's body. Of no use after an error.
    pub out: Vec<u8>,
}

impl Turn<'_> {
    /// Answers an operation on items; `None`: it is one on tables.
    pub async fn items(&mut self, operation: Operation) -> Option<Result<(), ApiError>> {
        Some(match operation {
            Operation::PutItem => self.one::<PutItem>().await,
            Operation::GetItem => self.one::<GetItem>().await,
            Operation::UpdateItem => self.one::<UpdateItem>().await,
            Operation::DeleteItem => self.one::<DeleteItem>().await,
            Operation::Query => self.many::<Query>().await,
            Operation::Scan => self.many::<Scan>().await,
            Operation::BatchGetItem => self.batch_get().await,
            Operation::BatchWriteItem => self.batch_write().await,
            Operation::ExecuteStatement => self.execute_statement().await,
            Operation::BatchExecuteStatement => self.batch_execute_statement().await,
            Operation::ExecuteTransaction => self.execute_transaction().await,
            Operation::TransactWriteItems => self.transact_write().await,
            Operation::TransactGetItems => self.transact_get().await,
            Operation::CreateTable
            | Operation::DeleteScalingPolicy
            | Operation::DeleteTable
            | Operation::DeregisterScalableTarget
            | Operation::DescribeScalableTargets
            | Operation::DescribeScalingActivities
            | Operation::DescribeScalingPolicies
            | Operation::DescribeTableReplicaAutoScaling
            | Operation::ListTagsOfScalableTarget
            | Operation::PutScalingPolicy
            | Operation::RegisterScalableTarget
            | Operation::TagScalableTarget
            | Operation::UntagScalableTarget
            | Operation::UpdateTableReplicaAutoScaling
            | Operation::DescribeContinuousBackups
            | Operation::DescribeContributorInsights
            | Operation::DescribeEndpoints
            | Operation::DescribeLimits
            | Operation::DescribeStream
            | Operation::DescribeTable
            | Operation::DescribeTimeToLive
            | Operation::GetRecords
            | Operation::GetShardIterator
            | Operation::ListContributorInsights
            | Operation::ListStreams
            | Operation::ListTables
            | Operation::ListTagsOfResource
            | Operation::TagResource
            | Operation::UntagResource
            | Operation::UpdateContributorInsights
            | Operation::UpdateTable
            | Operation::UpdateTimeToLive => return None,
        })
    }

    async fn one<T: OneItem>(&mut self) -> Result<(), ApiError> {
        let input = T::parse(self.body)?;
        let mut table = self.find(input.table()).await?;
        let mut outcome = self.submit(&input, &table).await?;
        if outcome == Err(Refusal::NoSuchTable)
            && let Some(successor) = self.find_successor(&table, input.table()).await?
        {
            table = successor;
            outcome = self.submit(&input, &table).await?;
        }
        input.render(&table, outcome, &mut self.out)
    }

    async fn submit<T: OneItem>(
        &self,
        input: &T,
        table: &TableDescription,
    ) -> Result<Result<Reply, Refusal>, ApiError> {
        let (mut routed, read) = (input.command(table)?, consistency(input.consistency()));
        routed.command.set_writer(self.by);
        Ok(self.door.submit(table.id, routed.token, routed.command, read, self.deadline).await)
    }

    async fn many<T: ManyItems>(&mut self) -> Result<(), ApiError> {
        let input = T::parse(self.body)?;
        let mut table = self.find(input.table()).await?;
        let mut paging = input.paging(&table)?;
        let paged = fan_out::pages(self.door, &table, &mut paging, input.consistency(), self.deadline).await;
        if matches!(paged, Err(ApiError::ResourceNotFound(_)))
            && let Some(successor) = self.find_successor(&table, input.table()).await?
        {
            table = successor;
            paging = input.paging(&table)?;
            fan_out::pages(self.door, &table, &mut paging, input.consistency(), self.deadline).await?;
        } else {
            paged?;
        }
        paging.render(&table, &mut self.out)
    }

    /// Another table of the same name: this node had not heard that the one before was deleted and made again.
    pub(crate) async fn find_successor(
        &mut self,
        gone: &TableDescription,
        reference: &TableReference,
    ) -> Result<Option<Arc<TableDescription>>, ApiError> {
        self.tables.newest(self.deadline).await;
        Ok(Some(self.find(reference).await?).filter(|table| table.id != gone.id))
    }

    async fn batch_get(&mut self) -> Result<(), ApiError> {
        let input = BatchGetItem::parse(self.body)?;
        let tables = self.find_all(input.references()).await?;
        let outcomes = fan_out::batch(self.door, input.commands(&tables)?, self.deadline).await;
        input.render(&tables, outcomes, &mut self.out)
    }

    async fn batch_write(&mut self) -> Result<(), ApiError> {
        let input = BatchWriteItem::parse(self.body)?;
        let tables = self.find_all(input.references()).await?;
        let outcomes = fan_out::batch(self.door, self.signed(input.commands(&tables)?), self.deadline).await;
        input.render(&tables, outcomes, &mut self.out)
    }

    /// The commands of a batch, which say who writes.
    pub(crate) fn signed(&self, mut commands: Vec<BatchCommand>) -> Vec<BatchCommand> {
        commands.iter_mut().for_each(|one| one.command.set_writer(self.by));
        commands
    }

    /// The table that the request names, which must exist here.
    pub(crate) async fn find(&mut self, reference: &TableReference) -> Result<Arc<TableDescription>, ApiError> {
        // Most requests bear a name, which belongs to nobody else.
        if reference.given != reference.name {
            control::owner(self.tables)?.check(&reference.given)?;
        }
        let table = self.door.table(&reference.name, self.deadline).await?.ok_or_else(ApiError::no_such_table)?;
        self.table = Some(table.clone());
        Ok(table)
    }

    /// All tables of a batch or a transaction.
    pub(crate) async fn find_all<'n>(
        &mut self,
        named: impl Iterator<Item = &'n TableReference>,
    ) -> Result<Named, ApiError> {
        let mut tables = Named::new();
        for reference in named {
            if !tables.contains_key(&reference.name) || reference.given != reference.name {
                let table = self.find(reference).await?;
                tables.insert(reference.name.clone(), table);
            }
        }
        Ok(tables)
    }
}
