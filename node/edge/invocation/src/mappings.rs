//! Event source mappings: the requests that make and change them, and what their runners call.

use crate::{functions::Functions, invoke::Event};
use bytes::Bytes;
use stator_api::arn::Owner;
use stator_catalog::{CatalogRefusal, Change, FunctionRefusal, MappingChange, Outcome};
use stator_cluster::{ChangeError, Deadline, Invoke, InvokeError, Invoked};
use stator_environment::BoxFuture;
use stator_functions::Outcome as Ended;
use stator_lambda::{
    FunctionReference, HttpRequest, LambdaError, Operation, Reply, lineage,
    operation::{
        CreateEventSourceMapping, ListEventSourceMappings, MappingReference, UpdateEventSourceMapping, mapping_reply,
    },
};
use std::time::Duration;

/// Longest wait for a function to be found, before it is called.
const FIND_WAIT_MAX: Duration = Duration::from_secs(5);

impl Functions {
    pub(crate) async fn mappings(
        &self,
        operation: Operation,
        request: &HttpRequest<'_>,
        deadline: Deadline,
    ) -> Result<Reply, LambdaError> {
        let owner = self.owner()?;
        match operation {
            Operation::CreateEventSourceMapping => {
                let input = CreateEventSourceMapping::parse(request, &owner)?;
                let catalog = self.tables.newest(deadline).await;
                let (random, now_ms) = (self.environment.random.next_u128(), self.environment.clock.wall_ms());
                let change = input.change(&catalog, &owner, random, now_ms)?;
                self.map(change, &owner, |refusal| input.refusal(refusal), deadline).await
            }
            Operation::UpdateEventSourceMapping => {
                let input = UpdateEventSourceMapping::parse(request, &owner)?;
                let change = input.change(&*self.tables.newest(deadline).await, &owner)?;
                self.map(change, &owner, LambdaError::from, deadline).await
            }
            Operation::DeleteEventSourceMapping => {
                let change = MappingReference::parse(request)?.delete();
                self.map(change, &owner, LambdaError::from, deadline).await
            }
            Operation::ListEventSourceMappings => {
                let input = ListEventSourceMappings::parse(request)?;
                Ok(Reply::json(200, &input.json(&*self.tables.newest(deadline).await, &owner)))
            }
            _ => {
                let input = MappingReference::parse(request)?;
                Ok(Reply::json(200, &input.json(&*self.tables.newest(deadline).await, &owner)?))
            }
        }
    }

    /// Has the catalog's leader make a change; the mapping as it is then.
    async fn map(
        &self,
        change: MappingChange,
        owner: &Owner,
        refused: impl FnOnce(CatalogRefusal) -> LambdaError,
        deadline: Deadline,
    ) -> Result<Reply, LambdaError> {
        match self.tables.change(Change::Mapping(Box::new(change)), deadline).await {
            Ok(Outcome::Mapping(mapping)) => Ok(mapping_reply(&mapping, owner)),
            // It may still be made.
            Ok(_) | Err(ChangeError::DeadlinePassed) => Err(LambdaError::internal()),
            Err(ChangeError::Refused(refusal)) => Err(refused(refusal)),
        }
    }

    /// Calls a function for a trigger.
    async fn call(&self, arn: &str, payload: Bytes, hops: u8) -> Result<Invoked, InvokeError> {
        let reference = FunctionReference::parse(arn).ok_or(InvokeError::NoSuchFunction)?;
        let function = self.known(&reference, self.deadline(FIND_WAIT_MAX)).await.map_err(not_called)?;
        let behind = hops.saturating_sub(1);
        let (request_id, trace_id) = (self.new_request_id(), lineage::with_hops(&self.new_trace(), arn, behind));
        let event = Event { request_id, payload, trace_id, client_context: None };
        let ran = self.run(function, reference.qualifier, event).await.map_err(not_called)?;
        Ok(match ran.invoked.outcome {
            Ended::Answered { payload } => Invoked::Answered(payload),
            Ended::Failed { payload, .. } => Invoked::Failed { error: payload },
        })
    }
}

fn not_called(error: LambdaError) -> InvokeError {
    match error {
        LambdaError::TooManyRequests(_) => InvokeError::Throttled,
        LambdaError::RecursiveInvocation(_) => InvokeError::Looped,
        LambdaError::Refused(FunctionRefusal::NoSuchFunction { .. }) => InvokeError::NoSuchFunction,
        other => InvokeError::Unavailable(other.to_string()),
    }
}

impl Invoke for Functions {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        payload: Bytes,
        hops: u8,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<Invoked, InvokeError>> {
        Box::pin(async move {
            let left = deadline.0.saturating_sub(self.environment.clock.elapsed());
            match self.environment.timeout(left, self.call(function, payload, hops)).await {
                Some(outcome) => outcome,
                None => Err(InvokeError::DeadlinePassed),
            }
        })
    }
}
