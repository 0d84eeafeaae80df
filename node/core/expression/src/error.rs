//! Why an expression is refused, in DynamoDB's words. All of it is the caller's mistake: a ValidationException.

use crate::plan::path::Path;
use serde::{Deserialize, Serialize};
use stator_item::NumberError;
use std::fmt;

/// Which of a request's expressions; the prefix of its errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Condition,
    Filter,
    KeyCondition,
    Projection,
    Update,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Condition => "ConditionExpression",
            Kind::Filter => "FilterExpression",
            Kind::KeyCondition => "KeyConditionExpression",
            Kind::Projection => "ProjectionExpression",
            Kind::Update => "UpdateExpression",
        })
    }
}

impl Kind {
    /// The expression's kind inside a sentence.
    fn phrase(self) -> &'static str {
        match self {
            Kind::Condition => "a condition expression",
            Kind::Filter => "a filter expression",
            Kind::KeyCondition => "a key condition expression",
            Kind::Projection => "a projection expression",
            Kind::Update => "an update expression",
        }
    }
}

/// A refusal of an expression, or of the placeholders of a request. Its text is DynamoDB's.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ExpressionError {
    #[error("Invalid {kind}: {problem}")]
    Invalid { kind: Kind, problem: Problem },
    #[error("Query condition missed key schema element: {0}")]
    KeyMissing(String),
    #[error("Query key condition not supported")]
    KeyConditionNotSupported,
    #[error("Invalid operator used in KeyConditionExpression: {0}")]
    KeyOperator(&'static str),
    #[error(
        "Invalid condition in KeyConditionExpression: {0} operator must have the key attribute as its first operand"
    )]
    KeyNotFirst(&'static str),
    #[error("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")]
    KeyAttributesSeveral,
    #[error("Invalid condition in KeyConditionExpression: No key attribute specified")]
    KeyAttributeMissing,
    #[error("KeyConditionExpressions cannot have conditions on nested attributes")]
    KeyNested,
    #[error("KeyConditionExpressions cannot contain nested operations")]
    KeyNestedOperation,
    #[error("KeyConditionExpressions must only contain one condition per key")]
    KeyRepeated,
    #[error("{0} must not be empty")]
    PlaceholdersEmpty(&'static str),
    #[error("{0} can only be specified when using expressions")]
    PlaceholdersWithoutExpression(&'static str),
    #[error("{map} contains invalid key: Syntax error; key: \"{key}\"")]
    PlaceholderKey { map: &'static str, key: String },
    #[error(
        "{map} contains invalid key: The expression attribute map key exceeded its maximum length; \
         maximum length: {bytes_max}, key: \"{key}\""
    )]
    PlaceholderKeyTooLong { map: &'static str, key: String, bytes_max: usize },
    #[error("{map} contains invalid value: The expression attribute map value is empty; key: {key}")]
    PlaceholderValueEmpty { map: &'static str, key: String },
    #[error(
        "{map} exceeds max size; size of the attribute names and values in all expressions: {bytes}, limit: {bytes_max}"
    )]
    PlaceholdersTooLarge { map: &'static str, bytes: usize, bytes_max: usize },
    #[error("Value provided in {map} unused in expressions: keys: {{{}}}", keys.join(", "))]
    PlaceholdersUnused { map: &'static str, keys: Vec<String> },
}

/// What is wrong with an expression.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Problem {
    #[error("The expression can not be empty;")]
    Empty,
    #[error("Expression size has exceeded the maximum allowed size; expression size: {bytes}")]
    TooLong { bytes: usize },
    #[error("The expression contains too many operators; operator count: {operators_count}")]
    TooManyOperators { operators_count: usize },
    #[error("Syntax error; token: \"{token}\", near: \"{near}\"")]
    Syntax { token: String, near: String },
    #[error("The expression has redundant parentheses;")]
    RedundantParentheses,
    #[error("Attribute name is a reserved keyword; reserved keyword: {0}")]
    ReservedWord(String),
    #[error("An expression attribute name used in the document path is not defined; attribute name: {0}")]
    NameNotDefined(String),
    #[error("An expression attribute value used in expression is not defined; attribute value: {0}")]
    ValueNotDefined(String),
    /// Ours: a plan holds what placeholders stand for once for each time that they are written.
    #[error(
        "The expression attribute names and values that the expression uses exceed the maximum size; limit: {bytes_max}"
    )]
    SubstitutesTooLarge { bytes_max: usize },
    #[error("The document path has too many nesting elements; nesting levels: {0}")]
    PathTooDeep(usize),
    #[error("List index is not within the allowable range; index: [{0}]")]
    IndexOutOfRange(String),
    #[error("Invalid function name; function: {0}")]
    UnknownFunction(String),
    #[error("The function is not allowed in {}; function: {function}", kind.phrase())]
    FunctionNotAllowed { kind: Kind, function: &'static str },
    #[error("The function is not allowed to be used this way in an expression; function: {0}")]
    FunctionMisplaced(&'static str),
    #[error(
        "Incorrect number of operands for operator or function; operator or function: {operator}, \
         number of operands: {operands_count}"
    )]
    OperandsCount { operator: &'static str, operands_count: usize },
    #[error(
        "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {operand_type}"
    )]
    OperandType { operator: &'static str, operand_type: &'static str },
    #[error(
        "Incorrect operand type for operator or function; operator: {operator}, operand type: {operand_type}, \
         typeSet: ALLOWED_FOR_{operator}_OPERAND"
    )]
    SectionOperandType { operator: &'static str, operand_type: &'static str },
    #[error("Operator or function requires a document path; operator or function: {0}")]
    PathRequired(&'static str),
    #[error("Invalid attribute type name found; type: {0}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}")]
    UnknownType(String),
    #[error(
        "The first operand must be distinct from the remaining operands for this operator or function; \
         operator: {operator}, first operand: {operand}"
    )]
    OperandsNotDistinct { operator: &'static str, operand: Path },
    #[error(
        "The BETWEEN operator requires same data type for lower and upper bounds; \
         lower bound operand: AttributeValue: {lower}, upper bound operand: AttributeValue: {upper}"
    )]
    BoundsOfDifferentTypes { lower: String, upper: String },
    #[error(
        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; \
         lower bound operand: AttributeValue: {lower}, upper bound operand: AttributeValue: {upper}"
    )]
    BoundsReversed { lower: String, upper: String },
    #[error("The \"{0}\" section can only be used once in an update expression;")]
    SectionRepeated(&'static str),
    #[error(
        "Two document paths overlap with each other; must remove or rewrite one of these paths; \
         path one: {0}, path two: {1}"
    )]
    PathsOverlap(Path, Path),
    #[error(
        "Two document paths conflict with each other; must remove or rewrite one of these paths; \
         path one: {0}, path two: {1}"
    )]
    PathsConflict(Path, Path),
}

/// Why an update does not fit the item that it met. Its text is DynamoDB's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum UpdateError {
    #[error("The document path provided in the update expression is invalid for update")]
    InvalidPath,
    #[error("An operand in the update expression has an incorrect data type")]
    OperandType,
    #[error("The provided expression refers to an attribute that does not exist in the item")]
    AttributeMissing,
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    NumberOverflow,
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    NumberUnderflow,
    #[error("Attempting to store more than 38 significant digits in a Number")]
    NumberDigits,
    #[error("Item size to update has exceeded the maximum allowed size")]
    ItemTooLarge,
    #[error("Nesting Levels have exceeded supported limits")]
    TooDeep,
}

impl From<NumberError> for UpdateError {
    fn from(error: NumberError) -> UpdateError {
        match error {
            NumberError::NotANumber => UpdateError::OperandType,
            NumberError::TooManyDigits => UpdateError::NumberDigits,
            NumberError::Overflow => UpdateError::NumberOverflow,
            NumberError::Underflow => UpdateError::NumberUnderflow,
        }
    }
}
