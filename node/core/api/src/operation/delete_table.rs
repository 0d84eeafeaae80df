//! DeleteTable.

use super::{TableReference, model};
use crate::error_table::ApiError;
use crate::reader::{self, Structure};
use stator_catalog::Change;

static INPUT: Structure = Structure { name: "DeleteTableInput", members: &[model::TABLE_NAME] };

/// A checked DeleteTable. The reply is a [`TableView`](crate::operation::TableView) whose status says DELETING.
#[derive(Clone, PartialEq, Debug)]
pub struct DeleteTable {
    pub table: TableReference,
}

impl DeleteTable {
    pub fn parse(body: &[u8]) -> Result<DeleteTable, ApiError> {
        let request = reader::read(body, &INPUT)?;
        Ok(DeleteTable { table: TableReference::read(request.members())? })
    }

    /// What the catalog is told.
    pub fn change(self) -> Change {
        Change::DeleteTable { name: self.table.name }
    }
}
