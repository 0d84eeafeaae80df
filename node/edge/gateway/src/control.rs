//! Operations on tables: read from the catalog, or changes of it.

use crate::{
    dispatch::Turn,
    fan_out::{self, Counts},
    gateway::Gateway,
    tables::{CatalogTest, Tables},
};
use http::{header, request};
use stator_api::{
    ApiError, Operation,
    arn::Owner,
    operation::{
        ChangeTags, CreateTable, DeleteTable, DescribeContinuousBackups, DescribeContributorInsights,
        DescribeEndpoints, DescribeLimits, DescribeTable, DescribeTimeToLive, ListContributorInsights, ListTables,
        ListTags, TableReference, TableView, UpdateContributorInsights, UpdateTable, table_json::Reply,
    },
};
use stator_catalog::{Catalog, Change, Outcome, TableDescription, TableStatus};
use stator_cluster::ChangeError;
use stator_item::TableId;
use std::{sync::Arc, time::Duration};

/// So long a reply is held back for the work that it tells of. Clients ask at once whether it is done, then only every
/// 20 s.
const HOLD_TIME_MAX: Duration = Duration::from_secs(1);
/// Longest time for counting a table's items.
const COUNT_TIME_MAX: Duration = Duration::from_millis(500);

impl Gateway {
    /// Answers an operation on tables.
    pub(crate) async fn control(
        &self,
        operation: Operation,
        head: &request::Parts,
        turn: &mut Turn<'_>,
    ) -> Result<(), ApiError> {
        match operation {
            Operation::CreateTable => self.create_table(turn).await,
            Operation::UpdateTable => self.update_table(turn).await,
            Operation::DeleteTable => self.delete_table(turn).await,
            Operation::DescribeTable => self.describe_table(turn).await,
            Operation::ListTables => {
                let input = ListTables::parse(turn.body)?;
                // A table made through another node a moment ago is not missing.
                input.render(&*self.tables.newest(turn.deadline).await, &mut turn.out);
                Ok(())
            }
            Operation::TagResource => self.change_tags(ChangeTags::parse_tag(turn.body)?, turn).await,
            Operation::UntagResource => self.change_tags(ChangeTags::parse_untag(turn.body)?, turn).await,
            Operation::ListTagsOfResource => self.list_tags(turn).await,
            Operation::DescribeContinuousBackups => {
                let input = DescribeContinuousBackups::parse(turn.body)?;
                self.find_table(&input.table, turn).await?.ok_or_else(|| input.not_found())?;
                input.render(&mut turn.out);
                Ok(())
            }
            Operation::DescribeTimeToLive => {
                let input = DescribeTimeToLive::parse(turn.body)?;
                self.table(&input.table, turn).await?;
                input.render(&mut turn.out);
                Ok(())
            }
            Operation::UpdateContributorInsights => {
                let input = UpdateContributorInsights::parse(turn.body)?;
                self.table(&input.table, turn).await?;
                self.change(input.change()?, turn).await?;
                input.render(&mut turn.out);
                Ok(())
            }
            Operation::DescribeContributorInsights => {
                let input = DescribeContributorInsights::parse(turn.body)?;
                let table = self.table(&input.table, turn).await?;
                let catalog = self.tables.newest(turn.deadline).await;
                input.render(&table, catalog.insights(table.id), &mut turn.out)
            }
            Operation::ListContributorInsights => {
                let input = ListContributorInsights::parse(turn.body)?;
                if let Some(table) = &input.table {
                    self.owner()?.check(&table.given)?;
                }
                input.render(&*self.tables.newest(turn.deadline).await, &mut turn.out)
            }
            Operation::DescribeLimits => {
                DescribeLimits::parse(turn.body)?.render(&mut turn.out);
                Ok(())
            }
            Operation::DescribeEndpoints => {
                let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
                let host = host.or(head.uri.authority().map(|authority| authority.as_str())).unwrap_or_default();
                DescribeEndpoints::parse(turn.body)?.render(host, &mut turn.out);
                Ok(())
            }
            Operation::ListStreams => self.list_streams(turn).await,
            Operation::DescribeStream => self.describe_stream(turn).await,
            Operation::GetShardIterator => self.get_shard_iterator(turn).await,
            Operation::GetRecords => self.get_records(head, turn).await,
            Operation::DeleteScalingPolicy
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
            | Operation::UpdateTableReplicaAutoScaling => self.scaling(operation, turn).await,
            Operation::BatchGetItem
            | Operation::BatchWriteItem
            | Operation::BatchExecuteStatement
            | Operation::ExecuteStatement
            | Operation::ExecuteTransaction
            | Operation::DeleteItem
            | Operation::GetItem
            | Operation::PutItem
            | Operation::Query
            | Operation::Scan
            | Operation::TransactGetItems
            | Operation::TransactWriteItems
            | Operation::UpdateItem => Err(ApiError::UnknownOperation),
        }
    }

    async fn create_table(&self, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        let input = CreateTable::parse(turn.body)?;
        let owner = self.owner()?;
        owner.check(&input.table.given)?;
        let table = self.change_table(input.change(None, Vec::new()), turn).await?;
        self.hold(&|catalog| status(catalog, table.id) != Some(TableStatus::Creating)).await;
        self.show(&table, Some(TableStatus::Creating), &Counts::default(), Reply::TableDescription, turn)
    }

    async fn update_table(&self, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        let input = UpdateTable::parse(turn.body)?;
        self.owner()?.check(&input.table.given)?;
        let table = self.change_table(input.change(), turn).await?;
        self.hold(&|catalog| status(catalog, table.id) != Some(TableStatus::Updating)).await;
        let counts = self.count(&table).await;
        self.show(&table, None, &counts, Reply::TableDescription, turn)
    }

    async fn delete_table(&self, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        let input = DeleteTable::parse(turn.body)?;
        self.owner()?.check(&input.table.given)?;
        let table = self.change_table(input.change(), turn).await?;
        self.hold(&|catalog| status(catalog, table.id).is_none()).await;
        self.show(&table, Some(TableStatus::Deleting), &Counts::default(), Reply::TableDescription, turn)
    }

    async fn describe_table(&self, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        let input = DescribeTable::parse(turn.body)?;
        let table = self.table(&input.table, turn).await?;
        let counts = match table.status {
            TableStatus::Active | TableStatus::Updating => self.count(&table).await,
            TableStatus::Creating | TableStatus::Deleting => Counts::default(),
        };
        self.show(&table, None, &counts, Reply::Table, turn)
    }

    async fn change_tags(&self, input: ChangeTags, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        self.owner()?.check(&input.resource_arn)?;
        self.change(input.change(), turn).await.map(|_| ())
    }

    async fn list_tags(&self, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        let input = ListTags::parse(turn.body)?;
        self.owner()?.check(&input.resource_arn)?;
        let table = self.door.table(&input.table, turn.deadline).await?;
        input.render(&*table.ok_or_else(|| ApiError::table_not_found(&input.table))?, &mut turn.out);
        Ok(())
    }

    /// The table that the request names, which must exist here.
    pub(crate) async fn table(
        &self,
        reference: &TableReference,
        turn: &mut Turn<'_>,
    ) -> Result<Arc<TableDescription>, ApiError> {
        let found = self.find_table(reference, turn).await?;
        found.ok_or_else(|| ApiError::table_not_found(&reference.name))
    }

    async fn find_table(
        &self,
        reference: &TableReference,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Arc<TableDescription>>, ApiError> {
        self.owner()?.check(&reference.given)?;
        turn.table = self.door.table(&reference.name, turn.deadline).await?;
        Ok(turn.table.clone())
    }

    pub(crate) fn owner(&self) -> Result<Owner, ApiError> {
        owner(&*self.tables)
    }

    pub(crate) async fn change(&self, change: Change, turn: &Turn<'_>) -> Result<Outcome, ApiError> {
        self.tables.change(change, turn.deadline).await.map_err(|error| match error {
            ChangeError::Refused(refusal) => refusal.into(),
            // It may still be made.
            ChangeError::DeadlinePassed => ApiError::internal(),
        })
    }

    /// A change that has a table as its outcome.
    async fn change_table(&self, change: Change, turn: &mut Turn<'_>) -> Result<Arc<TableDescription>, ApiError> {
        match self.change(change, turn).await? {
            Outcome::Table(table) => {
                turn.table = Some(table.clone());
                Ok(table)
            }
            Outcome::Unchanged
            | Outcome::Done
            | Outcome::Node(_)
            | Outcome::Planned(_)
            | Outcome::Mapping(_)
            | Outcome::Function(_) => Err(ApiError::internal()),
        }
    }

    /// Waits until it is so, but not for long: the reply is the same.
    async fn hold(&self, is_so: CatalogTest<'_>) {
        self.tables.becomes(is_so, self.deadline(HOLD_TIME_MAX)).await;
    }

    async fn count(&self, table: &TableDescription) -> Counts {
        fan_out::counts(&*self.door, table, self.deadline(COUNT_TIME_MAX)).await
    }

    fn show(
        &self,
        table: &TableDescription,
        status: Option<TableStatus>,
        counts: &Counts,
        reply: Reply,
        turn: &mut Turn<'_>,
    ) -> Result<(), ApiError> {
        let owner = self.owner()?;
        let now_ms = self.environment.clock.wall_ms();
        let Counts { items: counts, global: global_counts } = counts;
        TableView { table, status, counts, global_counts, owner: &owner, now_ms }.render(reply, &mut turn.out);
        Ok(())
    }
}

/// Whose name ARNs bear. Before the cluster's first start is over there is none.
pub(crate) fn owner(tables: &dyn Tables) -> Result<Owner, ApiError> {
    let catalog = tables.catalog();
    let identity = catalog.identity().ok_or_else(ApiError::unavailable)?;
    Ok(Owner { region: identity.region.clone(), account_id: identity.account_id.clone() })
}

/// The status of a table; `None`: it is gone.
fn status(catalog: &Catalog, table: TableId) -> Option<TableStatus> {
    catalog.table_by_id(table).map(|table| table.status)
}
