//! ProjectionExpression: document paths with commas between.

use crate::check::paths_apart;
use crate::error::{ExpressionError, Kind};
use crate::parser::{Parser, parse_whole};
use crate::placeholders::Placeholders;
use crate::plan::projection::Projection;

impl Projection {
    /// Parses and checks a ProjectionExpression.
    pub fn parse(text: &str, placeholders: &Placeholders<'_>) -> Result<Projection, ExpressionError> {
        parse_whole(text, Kind::Projection, placeholders, |parser| {
            let paths = parser.comma_separated(Parser::path)?;
            parser.end()?;
            paths_apart(&paths)?;
            Ok(Projection::of(paths))
        })
    }
}
