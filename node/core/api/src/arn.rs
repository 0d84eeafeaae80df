//! Amazon resource names of tables.

use crate::error_table::ApiError;

/// The table's name in what stands where a `TableName` may stand: a name, or a table's ARN.
pub fn table_name(name_or_arn: &str) -> Result<&str, ApiError> {
    if !name_or_arn.starts_with("arn:") {
        return Ok(name_or_arn);
    }
    match name_or_arn.splitn(6, ':').last().and_then(|resource| resource.strip_prefix("table/")) {
        Some(name) if !name.is_empty() && !name.contains('/') => Ok(name),
        _ => Err(ApiError::validation("Invalid table ARN")),
    }
}
