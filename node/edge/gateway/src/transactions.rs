//! TransactWriteItems, TransactGetItems and ExecuteTransaction.

use crate::dispatch::Turn;
use stator_api::{
    ApiError,
    operation::{
        ExecuteTransaction, TableReference, Tables as Named, TransactGetItems, TransactWriteItems, Transaction,
        transact_write_items::Outcome,
    },
};
use stator_cluster::Transacted;
use stator_partition::{
    Refusal,
    transaction::{PlacedGet, PlacedWrite, RequestToken},
};

impl Turn<'_> {
    pub(crate) async fn transact_write(&mut self) -> Result<(), ApiError> {
        let input = TransactWriteItems::parse(self.body)?;
        let mut tables = self.find_all(input.references()).await?;
        let (mut writes, request) = input.writes(&tables)?;
        let mut done = self.write(&writes, request).await;
        if done == Err(Refusal::NoSuchTable)
            && let Some(successors) = self.find_successors(&tables, input.references()).await?
        {
            tables = successors;
            let request;
            (writes, request) = input.writes(&tables)?;
            done = self.write(&writes, request).await;
        }
        let outcome = self.written(done?, input.reads_of_repeat(&writes)).await?;
        input.render(&tables, &outcome, &mut self.out)
    }

    async fn write(&self, writes: &[PlacedWrite], request: Option<RequestToken>) -> Result<Transacted, Refusal> {
        let mut writes = writes.to_vec();
        writes.iter_mut().for_each(|placed| placed.write.set_writer(self.by));
        self.coordinator.write(writes, request, self.deadline).await
    }

    /// What a transaction of writes is answered with. A repeat has read what it would have written.
    async fn written(&self, done: Transacted, reads_of_repeat: Vec<PlacedGet>) -> Result<Outcome, ApiError> {
        Ok(match done {
            Transacted::Written(written) => Outcome::Written(written),
            Transacted::Repeated => Outcome::Repeated(self.coordinator.get(reads_of_repeat, self.deadline).await?),
        })
    }

    pub(crate) async fn execute_transaction(&mut self) -> Result<(), ApiError> {
        let input = ExecuteTransaction::parse(self.body)?;
        let tables = self.find_all(input.references()).await?;
        let done = self.execute_on(&input, &tables).await;
        if matches!(done, Err(ApiError::ResourceNotFound(_)))
            && let Some(successors) = self.find_successors(&tables, input.references()).await?
        {
            self.out.clear();
            return self.execute_on(&input, &successors).await;
        }
        done
    }

    async fn execute_on(&mut self, input: &ExecuteTransaction, tables: &Named) -> Result<(), ApiError> {
        match input.transaction(tables)? {
            Transaction::Reads(reads) => {
                let got = self.coordinator.get(reads.gets(), self.deadline).await?;
                input.render_read(tables, &reads, &got, &mut self.out)
            }
            Transaction::Writes(writes, request) => {
                let done = self.write(&writes, request).await;
                let done = done.map_err(|refusal| input.refusal(refusal))?;
                let outcome = self.written(done, input.reads_of_repeat(&writes)).await?;
                input.render_written(tables, &outcome, &mut self.out);
                Ok(())
            }
        }
    }

    pub(crate) async fn transact_get(&mut self) -> Result<(), ApiError> {
        let input = TransactGetItems::parse(self.body)?;
        let mut tables = self.find_all(input.references()).await?;
        let mut got = self.coordinator.get(input.gets(&tables)?, self.deadline).await;
        if got == Err(Refusal::NoSuchTable)
            && let Some(successors) = self.find_successors(&tables, input.references()).await?
        {
            tables = successors;
            got = self.coordinator.get(input.gets(&tables)?, self.deadline).await;
        }
        input.render(&tables, &got?, &mut self.out)
    }

    /// Other tables of the same names: this node had not heard that one before was deleted and made again.
    async fn find_successors<'n>(
        &mut self,
        gone: &Named,
        named: impl Iterator<Item = &'n TableReference>,
    ) -> Result<Option<Named>, ApiError> {
        self.tables.newest(self.deadline).await;
        let tables = self.find_all(named).await?;
        let is_same = tables.iter().all(|(name, table)| gone.get(name).is_some_and(|gone| gone.id == table.id));
        Ok((!is_same).then_some(tables))
    }
}
