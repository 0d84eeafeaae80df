//! TransactWriteItems and TransactGetItems.

use crate::dispatch::Turn;
use stator_api::{
    ApiError,
    operation::{TableReference, Tables as Named, TransactGetItems, TransactWriteItems, transact_write_items::Outcome},
};
use stator_cluster::Transacted;
use stator_partition::Refusal;

impl Turn<'_> {
    pub(crate) async fn transact_write(&mut self) -> Result<(), ApiError> {
        let input = TransactWriteItems::parse(self.body)?;
        let mut tables = self.find_all(input.references()).await?;
        let mut outcome = self.write_all(&input, &tables).await?;
        if outcome == Err(Refusal::NoSuchTable)
            && let Some(successors) = self.find_successors(&tables, input.references()).await?
        {
            tables = successors;
            outcome = self.write_all(&input, &tables).await?;
        }
        let outcome = match outcome? {
            Transacted::Written(written) => Outcome::Written(written),
            Transacted::Repeated => {
                let reads = input.reads_of_repeat(&tables)?;
                Outcome::Repeated(self.coordinator.get(reads, self.deadline).await?)
            }
        };
        input.render(&tables, &outcome, &mut self.out)
    }

    async fn write_all(
        &self,
        input: &TransactWriteItems,
        tables: &Named,
    ) -> Result<Result<Transacted, Refusal>, ApiError> {
        let (writes, request) = input.writes(tables)?;
        Ok(self.coordinator.write(writes, request, self.deadline).await)
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
