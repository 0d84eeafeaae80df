//! Which operations there are, by the name in `X-Amz-Target`.

use crate::error_table::ApiError;

/// What an `X-Amz-Target` header starts with.
const TARGET_PREFIX: &str = "DynamoDB_20120810.";

macro_rules! operations {
    ($($name:ident),+ $(,)?) => {
        /// An operation that this server has.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Operation {
            $($name),+
        }

        impl Operation {
            /// All of them, for metrics and documentation.
            pub const ALL: &'static [Operation] = &[$(Operation::$name),+];

            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self {
                    $(Operation::$name => stringify!($name)),+
                }
            }
        }
    };
}

operations! {
    BatchGetItem,
    BatchWriteItem,
    CreateTable,
    DeleteItem,
    DeleteTable,
    DescribeEndpoints,
    DescribeLimits,
    DescribeTable,
    GetItem,
    ListTables,
    ListTagsOfResource,
    PutItem,
    Query,
    Scan,
    TagResource,
    UntagResource,
    UpdateItem,
    UpdateTable,
}

impl Operation {
    /// The operation that an `X-Amz-Target` header names.
    pub fn from_target(target: &str) -> Result<Operation, ApiError> {
        let name = target.strip_prefix(TARGET_PREFIX).ok_or(ApiError::UnknownOperation)?;
        Operation::ALL
            .iter()
            .copied()
            .find(|operation| operation.name() == name)
            .ok_or(ApiError::UnknownOperation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_name_operations() {
        assert_eq!(Operation::from_target("DynamoDB_20120810.PutItem"), Ok(Operation::PutItem));
        for unknown in ["", "PutItem", "DynamoDB_20120810.", "DynamoDB_20120810.putitem", "DynamoDB_20111205.PutItem"] {
            assert_eq!(Operation::from_target(unknown), Err(ApiError::UnknownOperation), "{unknown}");
        }
    }
}
