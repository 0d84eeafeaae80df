//! DescribeTable.

use super::{TableReference, model};
use crate::error_table::ApiError;
use crate::reader::{self, Structure};

static INPUT: Structure = Structure { name: "DescribeTableInput", members: &[model::TABLE_NAME] };

/// A checked DescribeTable. The reply is a [`TableView`](crate::operation::TableView).
#[derive(Clone, PartialEq, Debug)]
pub struct DescribeTable {
    pub table: TableReference,
}

impl DescribeTable {
    pub fn parse(body: &[u8]) -> Result<DescribeTable, ApiError> {
        let request = reader::read(body, &INPUT)?;
        Ok(DescribeTable { table: TableReference::read(request.members())? })
    }
}
