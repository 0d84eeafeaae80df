//! PartiQL: one statement over its pages, or a batch of statements at once.

use crate::{dispatch::Turn, fan_out};
use stator_api::{
    ApiError,
    operation::{BatchExecuteStatement, ExecuteStatement, Execution, FoundTables},
};
use stator_catalog::TableDescription;
use stator_cluster::Consistency;

impl Turn<'_> {
    pub(crate) async fn execute_statement(&mut self) -> Result<(), ApiError> {
        let input = ExecuteStatement::parse(self.body)?;
        let table = self.find(input.table()).await?;
        let done = self.execute(&input, &table).await;
        if matches!(done, Err(ApiError::ResourceNotFound(_)))
            && let Some(successor) = self.find_successor(&table, input.table()).await?
        {
            self.out.clear();
            return self.execute(&input, &successor).await;
        }
        done
    }

    async fn execute(&mut self, input: &ExecuteStatement, table: &TableDescription) -> Result<(), ApiError> {
        match input.execution(table)? {
            Execution::Write(routed) => {
                let (token, mut command) = (routed.token, routed.command);
                command.set_writer(self.by);
                let outcome = self.door.submit(table.id, token, command, Consistency::Strong, self.deadline).await;
                input.render_written(table, outcome, &mut self.out)
            }
            Execution::Read(mut pages) => {
                let consistency = input.consistency();
                fan_out::pages(self.door, table, pages.paging_mut(), consistency, self.deadline).await?;
                input.render_read(table, &pages, &mut self.out)
            }
        }
    }

    pub(crate) async fn batch_execute_statement(&mut self) -> Result<(), ApiError> {
        let input = BatchExecuteStatement::parse(self.body)?;
        let mut tables = FoundTables::new();
        for reference in input.references() {
            if !tables.contains_key(&reference.name) {
                let found = self.find(reference).await;
                tables.insert(reference.name.clone(), found);
            }
        }
        let (batch, commands) = input.commands(&tables);
        let outcomes = fan_out::batch(self.door, self.signed(commands), self.deadline).await;
        input.render(&tables, &batch, outcomes, &mut self.out)
    }
}
