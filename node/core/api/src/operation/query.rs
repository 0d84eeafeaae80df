//! Query.

use super::attributes::{check_hash_size, check_part_not_empty, check_range_size, typed};
use super::expressions::{self, Grammar, Substitutes};
use super::legacy;
use super::model::{self, TableReference};
use super::page_members::{FilterSource, IndexView, PageMembers, ScanOrQuery};
use super::paging::{Paging, PagingError, Stretch};
use super::start_key;
use super::{ManyItems, ReadConsistency, check_serving};
use crate::error_table::ApiError;
use crate::reader::{self, Member, Shape, Structure};
use stator_catalog::{KeyAttribute, TableDescription};
use stator_expression::{KeyCondition, RangeCondition, ResolvedCompound};
use stator_item::{KeyPart, Value};
use std::collections::BTreeSet;

static INPUT: Structure = Structure {
    name: "QueryInput",
    members: &[
        model::TABLE_NAME,
        model::INDEX_NAME,
        model::SELECT,
        model::LIMIT,
        model::CONSISTENT_READ,
        Member::optional("ScanIndexForward", &Shape::Boolean),
        model::EXCLUSIVE_START_KEY,
        model::RETURN_CONSUMED_CAPACITY,
        model::PROJECTION_EXPRESSION,
        model::FILTER_EXPRESSION,
        Member::optional("KeyConditionExpression", &Shape::TEXT),
        model::EXPRESSION_ATTRIBUTE_NAMES,
        model::EXPRESSION_ATTRIBUTE_VALUES,
        legacy::ATTRIBUTES_TO_GET,
        legacy::KEY_CONDITIONS,
        legacy::QUERY_FILTER,
        legacy::CONDITIONAL_OPERATOR,
    ],
};

const GRAMMAR: Grammar = Grammar {
    expressions: &["ProjectionExpression", "FilterExpression", "KeyConditionExpression"],
    legacy: &["AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"],
    valueless: Some("FilterExpression and KeyConditionExpression are null"),
};

const TYPE_MISMATCH: &str =
    "One or more parameter values were invalid: Condition parameter type does not match schema type";

/// A checked Query.
#[derive(Clone, PartialEq, Debug)]
pub struct Query {
    page: PageMembers,
    key_condition: KeyCondition,
    backward: bool,
}

impl ManyItems for Query {
    fn parse(body: &[u8]) -> Result<Query, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let substitutes = Substitutes::read(members, &GRAMMAR)?;
        let placeholders = substitutes.placeholders();
        let key_condition = expressions::key_condition(members, &placeholders)?.ok_or_else(|| {
            ApiError::validation(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
            )
        })?;
        let page = PageMembers::read(members, ScanOrQuery::Query, &placeholders)?;
        placeholders.unused()?;
        Ok(Query { page, key_condition, backward: members.flag("ScanIndexForward") == Some(false) })
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

impl Query {
    /// The Query that a statement asks for.
    pub(super) fn of_statement(page: PageMembers, key_condition: KeyCondition, backward: bool) -> Query {
        Query { page, key_condition, backward }
    }

    pub(super) fn begin(&self, table: &TableDescription) -> Result<Paging, PagingError> {
        check_serving(table)?;
        let view = self.page.view(table)?;
        let names = |attributes: &'_ [KeyAttribute]| -> Vec<String> {
            attributes.iter().map(|attribute| attribute.name.clone()).collect()
        };
        let (hash_names, range_names) = (names(view.hash()), names(view.ranges()));
        let resolved = self
            .key_condition
            .resolve_compound(&as_strs(&hash_names), &as_strs(&range_names))
            .map_err(ApiError::from)?;
        let asked = Asked::of(&resolved, &view)?;
        self.refuse_key_filter(&view)?;
        let after = match &self.page.start_key {
            Some(key) => {
                let position = start_key::of_query(key, table, &view)?;
                start_key::check_boundaries(&position, &asked, &view)?;
                Some(position)
            }
            None => None,
        };
        let stretch = asked.stretch(&view)?;
        Ok(self.page.paging(table, &view, stretch, after, self.backward)?)
    }

    /// A filter may not name what the key condition is for.
    fn refuse_key_filter(&self, view: &IndexView<'_>) -> Result<(), ApiError> {
        let Some(filter) = &self.page.filter else { return Ok(()) };
        let parameter = match self.page.filter_source {
            FilterSource::Expression => "Filter Expression",
            FilterSource::Legacy => "QueryFilter",
            FilterSource::Statement => return Ok(()),
        };
        let filtered: BTreeSet<&str> = filter.attribute_names();
        let key_names = view.hash().iter().chain(view.ranges()).map(|attribute| attribute.name.as_str());
        match key_names.into_iter().find(|name| filtered.contains(name)) {
            Some(name) => Err(ApiError::Validation(format!(
                "{parameter} can only contain non-primary key attributes: Primary key attribute: {name}"
            ))),
            None => Ok(()),
        }
    }
}

fn as_strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// The part of an ordering that is asked for, in the types of its key.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Asked {
    /// One part for each hash attribute.
    pub hash: Vec<KeyPart>,
    /// Parts of range attributes, from the left.
    pub equal: Vec<KeyPart>,
    /// Of the range attribute behind those.
    pub range: Option<RangeCondition>,
}

impl Asked {
    fn of(resolved: &ResolvedCompound, view: &IndexView<'_>) -> Result<Asked, ApiError> {
        let parts = |values: &[Value], attributes: &[KeyAttribute]| -> Result<Vec<KeyPart>, ApiError> {
            values.iter().zip(attributes).map(|(value, attribute)| key_value(value, attribute)).collect()
        };
        let hash = parts(&resolved.hash, view.hash())?;
        check_hash_size(&hash)?;
        let equal = parts(&resolved.equal, view.ranges())?;
        check_range_size(&equal)?;
        if let (Some(condition), Some(attribute)) = (&resolved.range, view.ranges().get(equal.len())) {
            check_range_condition(condition, attribute)?;
        }
        Ok(Asked { hash, equal, range: resolved.range.clone() })
    }

    fn stretch(self, view: &IndexView<'_>) -> Result<Stretch, ApiError> {
        let Asked { mut hash, equal, range } = self;
        if view.global.is_some() {
            return Ok(Stretch::Compound { hash, equal, range });
        }
        debug_assert!(equal.is_empty(), "only a global index has a sort key of several attributes");
        let hash = hash.pop().ok_or_else(ApiError::internal)?;
        Ok(Stretch::Hash { hash, range })
    }
}

fn key_value(value: &Value, attribute: &KeyAttribute) -> Result<KeyPart, ApiError> {
    let part = typed(value, attribute).ok_or_else(|| ApiError::validation(TYPE_MISMATCH))?;
    check_part_not_empty(&part, attribute)?;
    Ok(part)
}

fn check_range_condition(condition: &RangeCondition, attribute: &KeyAttribute) -> Result<(), ApiError> {
    for value in condition.values() {
        check_range_size(&[key_value(value, attribute)?])?;
    }
    Ok(())
}
