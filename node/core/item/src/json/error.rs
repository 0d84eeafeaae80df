//! What can be wrong with an attribute value, in DynamoDB's words.

use crate::number::NumberError;

/// Which of DynamoDB's exceptions an error becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// `ValidationException`.
    Validation,
    /// `SerializationException`: the JSON has not the shape of the model.
    Serialization,
}

/// Why JSON is no attribute value. The texts are DynamoDB's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ValueError {
    #[error("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")]
    Empty,
    #[error(
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
    )]
    MoreThanOneType,
    #[error("One or more parameter values were invalid: Null attribute value types must have the value of true")]
    NullNotTrue,
    #[error("One or more parameter values were invalid: An string set  may not be empty")]
    EmptyStringSet,
    #[error("One or more parameter values were invalid: An number set  may not be empty")]
    EmptyNumberSet,
    #[error("One or more parameter values were invalid: Binary sets should not be empty")]
    EmptyBinarySet,
    /// The elements as they came, separated by commas.
    #[error("One or more parameter values were invalid: Input collection [{0}] contains duplicates.")]
    DuplicateStrings(String),
    #[error("Input collection contains duplicates")]
    DuplicateNumbers,
    /// The elements as they came, separated by commas.
    #[error("One or more parameter values were invalid: Input collection [{0}]of type BS contains duplicates.")]
    DuplicateBinaries(String),
    /// The text that is no number; it is not repeated where it is empty.
    #[error("The parameter cannot be converted to a numeric value{}{}", if .0.is_empty() { "" } else { ": " }, .0)]
    NotANumber(String),
    /// A number that cannot be held.
    #[error(transparent)]
    Number(NumberError),
    #[error(
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
    )]
    NestedTooDeep,

    /// A JSON scalar where another type stands in the model.
    #[error("{actual} cannot be converted to {expected}")]
    WrongType { actual: &'static str, expected: &'static str },
    #[error("Start of structure or map found where not expected")]
    UnexpectedObject,
    /// A JSON array where the model has this class.
    #[error("Unrecognized collection type class {0}")]
    UnexpectedArray(&'static str),
    /// A JSON scalar where the model has a list or map.
    #[error("Unexpected field type")]
    UnexpectedScalar,
    /// Something other than an object as an attribute value.
    #[error("Unexpected value type in payload")]
    NotAnObject,
    #[error("Unexpected token received from parser")]
    UnexpectedString,
    #[error("only base-64-encoded strings are convertible to bytes")]
    BinaryNotAString,
    #[error("Base64 encoded length is expected a multiple of 4 bytes but found: {0}")]
    Base64Length(usize),
    #[error("Invalid Base64 character: '{0}'")]
    Base64Character(char),
    #[error("Invalid last non-pad Base64 character dectected")]
    Base64LastCharacter,
}

impl ValueError {
    pub fn kind(&self) -> ErrorKind {
        use ValueError::*;
        match self {
            Empty | MoreThanOneType | NullNotTrue | EmptyStringSet | EmptyNumberSet | EmptyBinarySet
            | DuplicateStrings(_) | DuplicateNumbers | DuplicateBinaries(_) | NotANumber(_) | Number(_)
            | NestedTooDeep => ErrorKind::Validation,
            WrongType { .. }
            | UnexpectedObject
            | UnexpectedArray(_)
            | UnexpectedScalar
            | NotAnObject
            | UnexpectedString
            | BinaryNotAString
            | Base64Length(_)
            | Base64Character(_)
            | Base64LastCharacter => ErrorKind::Serialization,
        }
    }
}
