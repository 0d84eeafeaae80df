//! Scan.

use super::expressions::{Grammar, Substitutes};
use super::legacy;
use super::model::{self, TableReference};
use super::page_members::{PageMembers, ScanOrQuery};
use super::paging::{Paging, PagingError, Stretch, position_token};
use super::start_key;
use super::{ManyItems, ReadConsistency, check_serving};
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Shape, Structure};
use stator_catalog::{TableDescription, TokenRange};

static INPUT: Structure = Structure {
    name: "ScanInput",
    members: &[
        model::TABLE_NAME,
        model::INDEX_NAME,
        model::SELECT,
        model::LIMIT,
        model::CONSISTENT_READ,
        Member::optional("Segment", &Shape::Integer { min: Some(0), max: Some(999_999) }),
        Member::optional("TotalSegments", &Shape::Integer { min: Some(1), max: Some(1_000_000) }),
        model::EXCLUSIVE_START_KEY,
        model::RETURN_CONSUMED_CAPACITY,
        model::PROJECTION_EXPRESSION,
        model::FILTER_EXPRESSION,
        model::EXPRESSION_ATTRIBUTE_NAMES,
        model::EXPRESSION_ATTRIBUTE_VALUES,
        legacy::ATTRIBUTES_TO_GET,
        legacy::SCAN_FILTER,
        legacy::CONDITIONAL_OPERATOR,
    ],
};

const GRAMMAR: Grammar = Grammar {
    expressions: &["ProjectionExpression", "FilterExpression"],
    legacy: &["AttributesToGet", "ScanFilter", "ConditionalOperator"],
    valueless: Some("FilterExpression is null"),
};

/// One of the parts that a parallel scan is divided into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Segment {
    number: u64,
    count: u64,
}

/// A checked Scan.
#[derive(Clone, PartialEq, Debug)]
pub struct Scan {
    page: PageMembers,
    segment: Option<Segment>,
}

impl ManyItems for Scan {
    fn parse(body: &[u8]) -> Result<Scan, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let segment = Segment::read(members)?;
        let substitutes = Substitutes::read(members, &GRAMMAR)?;
        let placeholders = substitutes.placeholders();
        let page = PageMembers::read(members, ScanOrQuery::Scan, &placeholders)?;
        placeholders.unused()?;
        Ok(Scan { page, segment })
    }

    fn table(&self) -> &TableReference {
        &self.page.table
    }

    fn consistency(&self) -> ReadConsistency {
        self.page.consistency
    }

    fn paging(&self, table: &TableDescription) -> Result<Paging, ApiError> {
        Ok(self.begin(table)?)
    }
}

impl Scan {
    /// The Scan that a statement asks for.
    pub(super) fn of_statement(page: PageMembers) -> Scan {
        Scan { page, segment: None }
    }

    pub(super) fn begin(&self, table: &TableDescription) -> Result<Paging, PagingError> {
        check_serving(table)?;
        let view = self.page.view(table)?;
        let tokens = self.segment.map_or(TokenRange::ALL, |segment| TokenRange::slice(segment.number, segment.count));
        let after = self.page.start_key.as_ref().map(|key| start_key::of_scan(key, table, &view)).transpose()?;
        if let (Some(segment), Some(position)) = (self.segment, &after)
            && !tokens.contains(position_token(position, view.global.map(|index| index.hash.len())))
        {
            return Err(PagingError::StartKey(format!(
                "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct \
                 Segment. TotalSegments: {} Segment: {}",
                segment.count, segment.number
            )));
        }
        Ok(self.page.paging(table, &view, Stretch::Tokens(tokens), after, false)?)
    }
}

impl Segment {
    fn read(members: Members<'_>) -> Result<Option<Segment>, ApiError> {
        match (members.unsigned("Segment"), members.unsigned("TotalSegments")) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(ApiError::validation(
                "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
            )),
            (None, Some(_)) => Err(ApiError::validation(
                "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
            )),
            (Some(number), Some(count)) if number >= count => Err(ApiError::Validation(format!(
                "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {number} is not \
                 less than TotalSegments: {count}"
            ))),
            (Some(number), Some(count)) => Ok(Some(Segment { number, count })),
        }
    }
}
