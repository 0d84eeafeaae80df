//! Names of groups and streams as the model allows them.

use crate::error_table::LogsError;
use stator_api::reader::{Member, Members, Names, Shape};

const fn pattern(shown: &'static str, matches: fn(&str) -> bool, min: usize, max: usize) -> Shape {
    Shape::String(Names::Pattern { shown, matches, min, max })
}

pub(crate) static GROUP: Shape = pattern("[\\.\\-_/#A-Za-z0-9]+", is_group, 1, 512);
pub(crate) static GROUP_PART: Shape = pattern("[\\.\\-_/#A-Za-z0-9]*", is_group, 0, 512);
pub(crate) static IDENTIFIER: Shape = pattern("[\\w#+=/:,.@-]*", is_identifier, 1, 2_048);
pub(crate) static STREAM: Shape = pattern("[^:*]*", is_stream, 1, 512);
pub(crate) static TOKEN: Shape = Shape::String(Names::Length(1, 4_096));
pub(crate) static MOMENT: Shape = Shape::Long { min: Some(0), max: None };

pub(crate) const GROUP_NAME: Member = Member::optional("logGroupName", &GROUP);
pub(crate) const GROUP_NAME_REQUIRED: Member = Member::required("logGroupName", &GROUP);
pub(crate) const GROUP_IDENTIFIER: Member = Member::optional("logGroupIdentifier", &IDENTIFIER);
pub(crate) const NEXT_TOKEN: Member = Member::optional("nextToken", &TOKEN);

fn is_group(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte))
}

fn is_identifier(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_#+=/:,.@-".contains(&byte))
}

fn is_stream(text: &str) -> bool {
    !text.contains([':', '*'])
}

/// The group that a request names, by its name, or by name or ARN as its identifier.
pub(crate) fn group(members: Members<'_>) -> Result<String, LogsError> {
    match (members.text("logGroupName"), members.text("logGroupIdentifier")) {
        (Some(name), None) => Ok(name.to_owned()),
        (None, Some(identifier)) => Ok(identified(identifier).to_owned()),
        (None, None) => {
            Err(LogsError::invalid("Either logGroupName or logGroupIdentifier must be specified in the request."))
        }
        (Some(_), Some(_)) => {
            Err(LogsError::invalid("logGroupName and logGroupIdentifier cannot both be specified in the request."))
        }
    }
}

/// `name`, or `arn:aws:logs:region:account:log-group:name`, maybe with `:*`. There is one account, so who owns it is not asked.
pub(crate) fn identified(identifier: &str) -> &str {
    let mut parts = identifier.splitn(7, ':');
    match (parts.next(), parts.nth(1), parts.nth(2), parts.next()) {
        (Some("arn"), Some("logs"), Some("log-group"), Some(name)) => name.strip_suffix(":*").unwrap_or(name),
        _ => identifier,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_or_identified() {
        for (identifier, name) in [
            ("/aws/lambda/f", "/aws/lambda/f"),
            ("arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f", "/aws/lambda/f"),
            ("arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:*", "/aws/lambda/f"),
            ("arn:aws:s3:::bucket", "arn:aws:s3:::bucket"),
            ("arn:aws:logs:us-east-1", "arn:aws:logs:us-east-1"),
        ] {
            assert_eq!(identified(identifier), name);
        }
    }
}
