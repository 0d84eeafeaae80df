//! Application Auto Scaling: targets and policies stand in the catalog. What they ask for is done by the catalog's leader.

use crate::{dispatch::Turn, gateway::Gateway};
use stator_api::{
    ApiError, Operation,
    operation::{DescribeReplicaAutoScaling, UpdateReplicaAutoScaling},
    scaling::{
        ChangeScalingTags, DeleteScalingPolicy, DeregisterScalableTarget, DescribeScalableTargets,
        DescribeScalingActivities, DescribeScalingPolicies, ListScalingTags, PutScalingPolicy, RegisterScalableTarget,
        render_nothing,
    },
};
use stator_catalog::Change;

impl Gateway {
    /// Answers an operation of Application Auto Scaling. Whatever was changed through another node a moment ago is seen.
    pub(crate) async fn scaling(&self, operation: Operation, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        let owner = self.owner()?;
        match operation {
            Operation::RegisterScalableTarget => {
                let input = RegisterScalableTarget::parse(turn.body)?;
                self.change(input.change(), turn).await?;
                input.render(&self.tables.catalog(), &owner, &mut turn.out)
            }
            Operation::PutScalingPolicy => {
                let input = PutScalingPolicy::parse(turn.body)?;
                self.change(input.change(), turn).await?;
                input.render(&self.tables.catalog(), &owner, &mut turn.out)
            }
            Operation::DeregisterScalableTarget => {
                self.silently(DeregisterScalableTarget::parse(turn.body)?.change(), turn).await
            }
            Operation::DeleteScalingPolicy => {
                self.silently(DeleteScalingPolicy::parse(turn.body)?.change(), turn).await
            }
            Operation::TagScalableTarget => {
                self.silently(ChangeScalingTags::parse_tag(turn.body)?.change(&owner)?, turn).await
            }
            Operation::UntagScalableTarget => {
                self.silently(ChangeScalingTags::parse_untag(turn.body)?.change(&owner)?, turn).await
            }
            Operation::DescribeScalableTargets => {
                let input = DescribeScalableTargets::parse(turn.body)?;
                input.render(&*self.tables.newest(turn.deadline).await, &owner, &mut turn.out);
                Ok(())
            }
            Operation::DescribeScalingPolicies => {
                let input = DescribeScalingPolicies::parse(turn.body)?;
                input.render(&*self.tables.newest(turn.deadline).await, &owner, &mut turn.out);
                Ok(())
            }
            Operation::DescribeScalingActivities => {
                let input = DescribeScalingActivities::parse(turn.body)?;
                input.render(&*self.tables.newest(turn.deadline).await, &owner, &mut turn.out);
                Ok(())
            }
            Operation::ListTagsOfScalableTarget => {
                let input = ListScalingTags::parse(turn.body)?;
                input.render(&*self.tables.newest(turn.deadline).await, &owner, &mut turn.out)
            }
            Operation::DescribeTableReplicaAutoScaling => {
                let input = DescribeReplicaAutoScaling::parse(turn.body)?;
                let table = self.table(&input.table, turn).await?;
                let catalog = self.tables.newest(turn.deadline).await;
                input.render(&table, &catalog, &owner, &mut turn.out);
                Ok(())
            }
            Operation::UpdateTableReplicaAutoScaling => {
                let input = UpdateReplicaAutoScaling::parse(turn.body)?;
                let table = self.table(&input.table, turn).await?;
                for change in input.changes(&owner)? {
                    self.change(change, turn).await?;
                }
                input.render(&table, &self.tables.catalog(), &owner, &mut turn.out);
                Ok(())
            }
            _ => Err(ApiError::UnknownOperation),
        }
    }

    /// A change that is answered with nothing.
    async fn silently(&self, change: Change, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        self.change(change, turn).await?;
        render_nothing(&mut turn.out);
        Ok(())
    }
}
