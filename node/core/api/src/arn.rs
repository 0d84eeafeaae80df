//! Amazon resource names of tables and of what belongs to them.

use crate::error_table::ApiError;
use sha2::{Digest, Sha256};
use stator_item::Uuid;

/// A table's name may have so many characters.
const NAME_CHARACTERS: std::ops::RangeInclusive<usize> = 3..=255;

/// The UUID of a thing that these words name among all that ever were.
pub(crate) fn hashed_uuid(words: &str) -> Uuid {
    let mut bytes = [0u8; 16];
    bytes.iter_mut().zip(Sha256::digest(words)).for_each(|(byte, hashed)| *byte = hashed);
    Uuid::hashed(u128::from_be_bytes(bytes))
}

/// The region and account that a cluster's ARNs name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
}

impl Owner {
    /// `arn:aws:dynamodb:us-east-1:000000000000:table/name`
    pub fn table_arn(&self, table: &str) -> String {
        format!("arn:aws:dynamodb:{}:{}:table/{table}", self.region, self.account_id)
    }

    /// `arn:aws:dynamodb:us-east-1:000000000000:table/name/index/name`
    pub fn index_arn(&self, table: &str, index: &str) -> String {
        format!("{}/index/{index}", self.table_arn(table))
    }

    /// `arn:aws:dynamodb:us-east-1:000000000000:table/name/stream/2015-05-11T21:21:33.291`
    pub fn stream_arn(&self, table: &str, label: &str) -> String {
        format!("{}/stream/{label}", self.table_arn(table))
    }

    /// `arn:aws:lambda:us-east-1:000000000000:function:name`, with `:qualifier` where one is given.
    pub fn function_arn(&self, function: &str, qualifier: Option<&str>) -> String {
        let arn = format!("arn:aws:lambda:{}:{}:function:{function}", self.region, self.account_id);
        match qualifier {
            Some(qualifier) => format!("{arn}:{qualifier}"),
            None => arn,
        }
    }

    /// The ARN of a KMS key given by id, alias or ARN; DynamoDB's own where none is given.
    pub fn kms_key_arn(&self, key: Option<&str>) -> String {
        let resource = match key {
            Some(arn) if arn.starts_with("arn:") => return arn.to_owned(),
            Some(alias) if alias.starts_with("alias/") => alias.to_owned(),
            Some(id) => format!("key/{id}"),
            None => "alias/aws/dynamodb".to_owned(),
        };
        format!("arn:aws:kms:{}:{}:{resource}", self.region, self.account_id)
    }

    /// Refuses the ARN of another account's or region's table, where a name may stand as well. A wrong form is not found
    /// here but by [`table_name`].
    pub fn check(&self, name_or_arn: &str) -> Result<(), ApiError> {
        let Some(arn) = TableArn::parse(name_or_arn) else { return Ok(()) };
        if arn.region != self.region {
            return Err(ApiError::validation(format!(
                "One or more parameter values were invalid: The region '{}' of the table's ARN is not '{}'",
                arn.region, self.region
            )));
        }
        if arn.account_id != self.account_id {
            return Err(ApiError::AccessDenied(format!(
                "The caller is not authorized to access the resource {name_or_arn}: it belongs to another account"
            )));
        }
        Ok(())
    }
}

struct TableArn<'a> {
    region: &'a str,
    account_id: &'a str,
    table: &'a str,
}

impl<'a> TableArn<'a> {
    fn parse(text: &'a str) -> Option<TableArn<'a>> {
        let mut parts = text.splitn(6, ':');
        let (arn, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account_id) = (parts.next()?, parts.next()?);
        let table = parts.next()?.strip_prefix("table/")?;
        let is_name = NAME_CHARACTERS.contains(&table.len())
            && table.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
        (arn == "arn" && service == "dynamodb" && is_name).then_some(TableArn { region, account_id, table })
    }
}

/// The table's name in what stands where a `TableName` may stand: a name, or a table's ARN.
pub fn table_name(name_or_arn: &str) -> Result<&str, ApiError> {
    if !name_or_arn.starts_with("arn:") {
        return Ok(name_or_arn);
    }
    match TableArn::parse(name_or_arn) {
        Some(arn) => Ok(arn.table),
        None => Err(ApiError::validation("Invalid table ARN")),
    }
}

/// The table's name in a `ResourceArn`, where a name alone is not enough.
pub fn resource_table_name(resource_arn: &str) -> Result<&str, ApiError> {
    match TableArn::parse(resource_arn) {
        Some(arn) => Ok(arn.table),
        None => {
            Err(ApiError::validation(format!("Invalid TableArn: Invalid ResourceArn provided as input {resource_arn}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner { region: "eu-central-1".into(), account_id: "000000000000".into() }
    }

    #[test]
    fn names_are_found_in_names_and_arns() {
        for (given, name) in [
            ("music", Some("music")),
            ("arn:aws:dynamodb:eu-central-1:000000000000:table/music", Some("music")),
            ("arn:aws-cn:dynamodb:cn-north-1:1:table/a.b-c_d", Some("a.b-c_d")),
            ("arn:aws:dynamodb:eu-central-1:000000000000:table/music/index/by_title", None),
            ("arn:aws:dynamodb:eu-central-1:000000000000:table/mu", None),
            ("arn:aws:dynamodb:eu-central-1:000000000000:table/m\u{fc}sic", None),
            ("arn:aws:s3:eu-central-1:000000000000:table/music", None),
            ("arn:aws:dynamodb:table/music", None),
            ("arn:", None),
        ] {
            assert_eq!(table_name(given).ok(), name, "{given}");
        }
        assert!(resource_table_name("music").is_err());
        assert_eq!(resource_table_name(&owner().table_arn("music")), Ok("music"));
    }

    #[test]
    fn other_owners_are_refused() {
        let other = |region: &str, account: &str| {
            owner().check(&Owner { region: region.into(), account_id: account.into() }.table_arn("music"))
        };
        assert_eq!(owner().check("music"), Ok(()));
        assert_eq!(other("eu-central-1", "000000000000"), Ok(()));
        assert!(matches!(other("us-east-1", "000000000000"), Err(ApiError::Validation(_))));
        assert!(matches!(other("eu-central-1", "111111111111"), Err(ApiError::AccessDenied(_))));
    }

    #[test]
    fn keys_of_kms_get_arns() {
        for (given, arn) in [
            (None, "arn:aws:kms:eu-central-1:000000000000:alias/aws/dynamodb"),
            (Some("alias/mine"), "arn:aws:kms:eu-central-1:000000000000:alias/mine"),
            (Some("1234"), "arn:aws:kms:eu-central-1:000000000000:key/1234"),
            (Some("arn:aws:kms:x:1:key/2"), "arn:aws:kms:x:1:key/2"),
        ] {
            assert_eq!(owner().kms_key_arn(given), arn);
        }
    }
}
