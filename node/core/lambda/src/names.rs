//! How a request names a function: by its name, by a part of its ARN or all of it, maybe with a version or an alias.

use crate::{
    error_table::LambdaError,
    patterns::{is_account, is_qualifier, is_region, is_word},
};
use stator_api::{ApiError, arn::Owner};
use stator_catalog::LATEST;

/// Longest name of a function.
const NAME_CHARACTERS_MAX: usize = 64;

/// A function as a request names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionReference {
    pub name: String,
    /// A version's number, an alias or `$LATEST`; `None`: the function itself.
    pub qualifier: Option<String>,
    region: Option<String>,
    account_id: Option<String>,
}

impl FunctionReference {
    /// `name`, `function:name`, `123456789012:name`, `us-east-1:123456789012:function:name` or an ARN, each also with
    /// `:qualifier`; `None`: it is none of those.
    pub fn parse(text: &str) -> Option<FunctionReference> {
        let mut parts: Vec<&str> = text.split(':').collect();
        if let ["arn", partition, "lambda", ..] = parts[..] {
            (partition.is_empty() || partition.starts_with("aws")).then_some(())?;
            parts.drain(..3);
        }
        let mut parts = parts.as_slice();
        // What stands in front of a name is not the name, however it looks.
        let mut take = |is_it: fn(&str) -> bool| match parts {
            [first, rest @ ..] if !rest.is_empty() && is_it(first) => {
                parts = rest;
                Some((*first).to_owned())
            }
            _ => None,
        };
        let (region, account_id) = (take(is_region), take(is_account));
        take(|part| part == "function");
        let (name, qualifier) = match *parts {
            [name] => (name, None),
            [name, qualifier] if !qualifier.is_empty() => (name, Some(qualifier.to_owned())),
            _ => return None,
        };
        let is_qualified = qualifier.as_deref().is_none_or(|given| given == LATEST || is_word(given));
        (is_word(name) && is_qualified).then(|| FunctionReference {
            name: name.to_owned(),
            qualifier,
            region,
            account_id,
        })
    }

    /// A checked name with the qualifier that came beside it.
    pub(crate) fn with(text: &str, qualifier: Option<&str>) -> Result<FunctionReference, LambdaError> {
        let mut reference = FunctionReference::parse(text).ok_or_else(LambdaError::internal)?;
        if reference.name.len() > NAME_CHARACTERS_MAX {
            return Err(LambdaError::Shared(ApiError::validation(format!(
                "1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: Member must \
                 have length less than or equal to {NAME_CHARACTERS_MAX}"
            ))));
        }
        let Some(qualifier) = qualifier.filter(|qualifier| !qualifier.is_empty()) else { return Ok(reference) };
        debug_assert!(is_qualifier(qualifier), "the pattern was checked before");
        if reference.qualifier.as_deref().is_some_and(|derived| derived != qualifier) {
            return Err(LambdaError::invalid(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        reference.qualifier = Some(qualifier.to_owned());
        Ok(reference)
    }

    /// Refuses functions of other regions and accounts.
    pub fn check(&self, owner: &Owner) -> Result<(), LambdaError> {
        if let Some(region) = self.region.as_ref().filter(|region| **region != owner.region) {
            return Err(LambdaError::ResourceNotFound(format!(
                "Functions from '{region}' are not reachable in this region ('{}')",
                owner.region
            )));
        }
        if self.account_id.as_ref().is_some_and(|account_id| *account_id != owner.account_id) {
            return Err(LambdaError::Shared(ApiError::AccessDenied(format!(
                "The caller is not authorized to access function {}: it belongs to another account",
                self.name
            ))));
        }
        Ok(())
    }

    /// Refuses a qualifier where the operation is on the function itself.
    pub(crate) fn unqualified(self) -> Result<FunctionReference, LambdaError> {
        match &self.qualifier {
            Some(qualifier) if qualifier != LATEST => Err(LambdaError::invalid(format!(
                "This operation does not support function version or alias qualifiers: {qualifier}"
            ))),
            _ => Ok(FunctionReference { qualifier: None, ..self }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn functions_are_named_in_all_forms() {
        for (text, expected) in [
            ("f", Some(("f", None))),
            ("f:live", Some(("f", Some("live")))),
            ("f:$LATEST", Some(("f", Some("$LATEST")))),
            ("function:f", Some(("f", None))),
            ("function", Some(("function", None))),
            ("123456789012:f", Some(("f", None))),
            ("123456789012:function:f:7", Some(("f", Some("7")))),
            ("us-east-1:123456789012:function:f", Some(("f", None))),
            ("arn:aws:lambda:us-east-1:123456789012:function:f", Some(("f", None))),
            ("arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST", Some(("f", Some("$LATEST")))),
            ("arn:aws-cn:lambda:cn-north-1:123456789012:function:f_-1:a", Some(("f_-1", Some("a")))),
            ("arn:aws:sqs:us-east-1:123456789012:f", None),
            ("a:b:c", None),
            ("f:", None),
            ("f:$OTHER", None),
            ("", None),
            ("../f", None),
            ("a b", None),
        ] {
            let found = FunctionReference::parse(text);
            let shown = found.as_ref().map(|found| (found.name.as_str(), found.qualifier.as_deref()));
            assert_eq!(shown, expected, "{text}");
        }
    }

    #[test]
    fn qualifiers_agree_or_are_refused() {
        let with = |name: &str, qualifier| FunctionReference::with(name, qualifier).map(|found| found.qualifier);
        assert_eq!(with("f:a", Some("a")), Ok(Some("a".to_owned())));
        assert_eq!(with("f", Some("a")), Ok(Some("a".to_owned())));
        assert_eq!(with("f", None), Ok(None));
        assert!(matches!(with("f:a", Some("b")), Err(LambdaError::InvalidParameterValue(_))));
        assert!(matches!(with(&"f".repeat(65), None), Err(LambdaError::Shared(ApiError::Validation(_)))));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            if let Some(found) = FunctionReference::parse(&text) {
                prop_assert!(is_word(&found.name));
                prop_assert!(text.contains(&found.name));
            }
        }
    }
}
