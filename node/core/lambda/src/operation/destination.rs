//! Where failed or answered events are sent: another function, or a table with a string hash key alone.

use crate::{error_table::LambdaError, names::FunctionReference};
use stator_api::arn::{self, Owner};

/// A destination of this cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    Function(FunctionReference),
    /// By its name.
    Table(String),
}

impl Destination {
    /// What an ARN names; `None`: nothing that events can be sent to here.
    pub fn parse(arn: &str, owner: &Owner) -> Option<Destination> {
        if arn.starts_with("arn:") && arn.split(':').nth(2) == Some("lambda") {
            let function = FunctionReference::parse(arn)?;
            function.check(owner).ok()?;
            return Some(Destination::Function(function));
        }
        let table = arn::resource_table_name(arn).ok()?;
        owner.check(arn).ok()?;
        Some(Destination::Table(table.to_owned()))
    }
}

pub(super) fn check_destination(member: &str, arn: &str, owner: &Owner) -> Result<Destination, LambdaError> {
    Destination::parse(arn, owner).ok_or_else(|| {
        LambdaError::invalid(format!(
            "The destination {arn} in {member} is not supported: it must be the ARN of a function, or of a table with a \
             string hash key alone, of this region and account"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_tables_are_destinations() {
        let owner = Owner { region: "us-east-1".into(), account_id: "000000000000".into() };
        let parse = |arn: &str| Destination::parse(arn, &owner);
        assert!(matches!(parse(&owner.function_arn("f", Some("live"))), Some(Destination::Function(_))));
        assert_eq!(parse(&owner.table_arn("music")), Some(Destination::Table("music".into())));
        for other in [
            "arn:aws:sqs:us-east-1:000000000000:queue",
            "arn:aws:lambda:us-west-2:000000000000:function:f",
            "arn:aws:dynamodb:us-east-1:111111111111:table/music",
            "music",
            "",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
