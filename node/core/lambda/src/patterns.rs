//! The regular expressions of the service's model, as functions: each says whether a whole text matches.

use crate::names::FunctionReference;
use stator_api::reader::{Names, Shape};

/// What error texts show of a function's name.
const FUNCTION_NAME: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?\
                             (\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";

const fn pattern(shown: &'static str, matches: fn(&str) -> bool, min: usize, max: usize) -> Shape {
    Shape::String(Names::Pattern { shown, matches, min, max })
}

pub(crate) static FUNCTION: Shape = pattern(FUNCTION_NAME, is_function, 1, 140);
pub(crate) static QUALIFIER: Shape = pattern("(|[a-zA-Z0-9$_-]+)", is_qualifier, 1, 128);
pub(crate) static ALIAS: Shape = pattern("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", is_alias, 1, 128);
pub(crate) static VERSION: Shape = pattern("(\\$LATEST|[0-9]+)", is_version, 1, 1_024);
pub(crate) static NUMBERED_VERSION: Shape = pattern("[0-9]+", is_digits, 1, 1_024);
pub(crate) static ROLE: Shape =
    pattern("arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+", is_role, 0, usize::MAX);
pub(crate) static HANDLER: Shape = pattern("[^\\s]+", has_no_blank, 0, 128);
pub(crate) static PRINCIPAL: Shape = pattern("[^\\s]+", has_no_blank, 0, 2_048);
pub(crate) static VARIABLE: Shape = pattern("[a-zA-Z]([a-zA-Z0-9_])+", is_variable, 0, usize::MAX);
pub(crate) static RESOURCE_ARN: Shape = pattern("(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()", is_resource_arn, 0, 10_000);
pub(crate) static DESTINATION_ARN: Shape = pattern(DESTINATION, is_resource_arn, 0, 350);
pub(crate) static SOURCE_ARN: Shape = pattern(SOURCE, is_arn, 0, 10_000);
pub(crate) static TAG_NAME: Shape = pattern("([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)", is_tag, 1, 128);
pub(crate) static TAG_VALUE: Shape = pattern("([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)", is_tag, 0, 256);
pub(crate) static STATEMENT_ID: Shape = pattern("([a-zA-Z0-9-_]+)", is_word, 1, 100);
pub(crate) static ACTION: Shape = pattern("(lambda:[*]|lambda:[a-zA-Z]+|[*])", is_action, 0, 10_000);
pub(crate) static ACCOUNT: Shape = pattern("\\d{12}", is_account, 0, 12);
pub(crate) static EVENT_TOKEN: Shape = pattern("[a-zA-Z0-9._\\-]+", is_event_token, 0, 256);
pub(crate) static ORGANIZATION: Shape = pattern("o-[a-z0-9]{10,32}", is_organization, 12, 34);
pub(crate) static LOG_GROUP: Shape = pattern("[\\.\\-_/#A-Za-z0-9]+", is_log_group, 1, 512);

const DESTINATION: &str = "$|kafka://([^.]([a-zA-Z0-9\\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:\
                           ((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)";
const SOURCE: &str = "arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1})?:\
                      (\\d{12})?:(.*)";

fn is_function(text: &str) -> bool {
    FunctionReference::parse(text).is_some()
}

/// `[a-zA-Z0-9-_]+`
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_word_byte)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(crate) fn is_qualifier(text: &str) -> bool {
    text.bytes().all(|byte| is_word_byte(byte) || byte == b'$')
}

fn is_alias(text: &str) -> bool {
    is_word(text) && !is_digits(text)
}

fn is_version(text: &str) -> bool {
    text == stator_catalog::LATEST || is_digits(text)
}

fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, role] = parts[..] else { return false };
    let name = role.strip_prefix("role").map(|name| name.strip_prefix('/').unwrap_or(name)).unwrap_or_default();
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte);
    is_partition(partition) && is_account(account) && !name.is_empty() && name.bytes().all(is_name_byte)
}

fn is_partition(text: &str) -> bool {
    let rest = text.strip_prefix("aws");
    text.is_empty() || rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-'))
}

pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && is_digits(text)
}

/// `us-east-1`
pub(crate) fn is_region(text: &str) -> bool {
    let text = text.strip_prefix("eusc-").unwrap_or(text);
    let parts: Vec<&str> = text.split('-').collect();
    let is_lower = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let (country, special, direction, number) = match parts[..] {
        [country, direction, number] => (country, "gov", direction, number),
        [country, special, direction, number] => (country, special, direction, number),
        _ => return false,
    };
    let is_special = special == "gov" || special.strip_prefix("iso").is_some_and(|rest| rest.len() <= 1);
    country.len() == 2
        && is_lower(country)
        && is_special
        && is_lower(direction)
        && number.len() == 1
        && is_digits(number)
}

fn has_no_blank(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_whitespace)
}

fn is_variable(text: &str) -> bool {
    text.len() >= 2
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_resource_arn(text: &str) -> bool {
    text.is_empty() || is_arn(text)
}

fn is_arn(text: &str) -> bool {
    let mut parts = text.splitn(4, ':');
    let (arn, partition, service) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    arn == Some("arn")
        && partition.is_some_and(|partition| partition.starts_with("aws"))
        && !service.is_empty()
        && service.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && parts.next().is_some()
}

fn is_tag(text: &str) -> bool {
    text.chars().all(|character| character.is_alphanumeric() || character == ' ' || "_.:/=+-@".contains(character))
}

fn is_action(text: &str) -> bool {
    match text.strip_prefix("lambda:") {
        Some("*") => true,
        Some(name) => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic()),
        None => text == "*",
    }
}

fn is_event_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| is_word_byte(byte) || byte == b'.')
}

fn is_organization(text: &str) -> bool {
    text.strip_prefix("o-").is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

fn is_log_group(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_the_model_means() {
        for (matches, good, bad) in [
            (is_role as fn(&str) -> bool, "arn:aws:iam::123456789012:role/service-role/a", "arn:aws:iam::1:role/a"),
            (is_role, "arn:aws:iam::123456789012:rolex", "role"),
            (is_alias, "live-2", "12"),
            (is_version, "$LATEST", "$latest"),
            (is_variable, "AB_1", "A"),
            (is_variable, "Ab", "1B"),
            (is_region, "us-east-1", "us-east-12"),
            (is_region, "us-gov-west-1", "foo"),
            (is_region, "us-isob-east-1", "us-x-east-1"),
            (is_resource_arn, "", "sqs"),
            (is_resource_arn, "arn:aws:sqs:us-east-1:123456789012:q", "arn:aws"),
            (is_action, "lambda:InvokeFunction", "s3:Get"),
            (is_action, "*", ""),
            (is_organization, "o-0123456789", "0123456789"),
            (is_tag, "Größe a/b", "a\u{0}"),
        ] {
            assert!(matches(good), "{good}");
            assert!(!matches(bad), "{bad}");
        }
    }
}
