//! DescribeContinuousBackups: there is no point-in-time recovery, and the reply says so.

use super::{TableReference, model};
use crate::error_table::ApiError;
use crate::reader::{self, Structure};
use crate::render::{self, Object};

static INPUT: Structure = Structure { name: "DescribeContinuousBackupsInput", members: &[model::TABLE_NAME] };

/// A checked DescribeContinuousBackups.
#[derive(Clone, PartialEq, Debug)]
pub struct DescribeContinuousBackups {
    pub table: TableReference,
}

impl DescribeContinuousBackups {
    pub fn parse(body: &[u8]) -> Result<DescribeContinuousBackups, ApiError> {
        let request = reader::read(body, &INPUT)?;
        Ok(DescribeContinuousBackups { table: TableReference::read(request.members())? })
    }

    /// The catalog, asked lately, knows no such table.
    pub fn not_found(&self) -> ApiError {
        ApiError::TableNotFound(format!("Table not found: {}", self.table.name))
    }

    /// "ContinuousBackupsStatus is ENABLED on all tables at table creation" (AWS API reference): the truth is in the inner
    /// status.
    pub fn render(&self, out: &mut Vec<u8>) {
        let mut body = Object::begin(out);
        let mut description = Object::begin(body.member("ContinuousBackupsDescription"));
        render::string("ENABLED", description.member("ContinuousBackupsStatus"));
        let mut recovery = Object::begin(description.member("PointInTimeRecoveryDescription"));
        render::string("DISABLED", recovery.member("PointInTimeRecoveryStatus"));
        recovery.end();
        description.end();
        body.end();
    }
}
