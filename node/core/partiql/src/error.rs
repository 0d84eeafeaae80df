//! Why a statement is refused. All of it is the caller's mistake: a ValidationException.

use stator_item::NumberError;

/// A refusal of a statement. Its text is DynamoDB's, as far as it is known.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum PartiqlError {
    /// With the place of the first token that does not fit, both counted from 1; DynamoDB does not tell it.
    #[error("Statement wasn't well formed, can't be processed: {problem}")]
    Malformed { problem: Problem, line: usize, column: usize },
    #[error("Number of parameters in request and statement don't match.")]
    ParametersCount,
    #[error(
        "Unsupported operation: Inserting multiple items in a single statement is not supported, use \"INSERT INTO \
         tableName VALUE item\" instead"
    )]
    InsertsSeveral,
    /// A number that cannot be held.
    #[error(transparent)]
    Number(NumberError),
    #[error("One or more parameter values were invalid: An {0} set  may not be empty")]
    SetEmpty(&'static str),
    #[error(
        "One or more parameter values were invalid: All members of a set must be strings, numbers or binaries of one type"
    )]
    SetMixed,
    #[error("One or more parameter values were invalid: Input collection contains duplicates.")]
    SetDuplicates,
    #[error(
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
    )]
    NestedTooDeep,
    /// What is wrong with a test or an update, as it is said of expressions.
    #[error(transparent)]
    Plan(#[from] stator_expression::Problem),
    #[error("Where clause does not contain a mandatory equality on all key attributes")]
    KeyNotGiven,
    #[error("Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.")]
    OrderWithoutHash,
    #[error("Variable reference {0} in ORDER BY clause must be part of the primary key")]
    OrderByOther(String),
    #[error("Only RETURNING ALL OLD * is supported for DELETE statement")]
    ReturningOfDelete,
}

/// What is malformed in a statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    #[error("The statement exceeds the maximum length of {0} bytes")]
    TooLong(usize),
    /// No statement begins so, or nothing is done with the table of an UPDATE.
    #[error("Expected data manipulation")]
    DataManipulation,
    #[error("Unexpected from source")]
    FromSource,
    #[error("Unexpected keyword")]
    Keyword,
    #[error("Unexpected operator")]
    Operator,
    #[error("Unexpected literal")]
    Literal,
    #[error("Unexpected term")]
    Term,
    #[error("Unexpected end of statement")]
    End,
    #[error("Unterminated string or identifier")]
    Unterminated,
    #[error("Unexpected path component")]
    PathComponent,
}
