//! What Query and Scan have in common: which index, which items of it, which attributes of them.

use super::attributes;
use super::expressions;
use super::legacy;
use super::model::{ReadConsistency, TableReference};
use super::paging::{Paging, Stretch, Template};
use crate::capacity::CapacityDetail;
use crate::error_table::ApiError;
use crate::reader::Members;
use stator_catalog::{IndexProjection, KeyAttribute, LocalIndex, TableDescription};
use stator_expression::{Condition, Kind, Placeholders, Projection};
use stator_item::{IndexNumber, Item};
use stator_partiql::SelectPlan;
use stator_partition::Position;

/// Whose members are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ScanOrQuery {
    Scan,
    Query,
}

/// `Select`, after what it means where it is not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Select {
    AllAttributes,
    /// What the index holds; of the table, everything.
    AllProjected,
    Specific,
    Count,
}

/// Where a filter comes from: what it is called, and whether key attributes may stand in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FilterSource {
    Expression,
    Legacy,
    Statement,
}

/// Members of every Query and Scan, checked.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct PageMembers {
    pub table: TableReference,
    index_name: Option<String>,
    select: Select,
    projection: Option<Projection>,
    pub filter: Option<Condition>,
    pub filter_source: FilterSource,
    pub items_max: Option<u64>,
    pub start_key: Option<Item>,
    pub consistency: ReadConsistency,
    pub capacity: CapacityDetail,
}

/// The ordering that is read: the items, or a local index.
pub(super) struct IndexView<'t> {
    pub index: Option<&'t LocalIndex>,
    pub range: Option<&'t KeyAttribute>,
}

impl<'t> IndexView<'t> {
    pub(super) fn of(table: &'t TableDescription, index_name: Option<&str>) -> Result<IndexView<'t>, ApiError> {
        let Some(name) = index_name else {
            return Ok(IndexView { index: None, range: table.key.range.as_ref() });
        };
        let index = table
            .local_index(name)
            .ok_or_else(|| ApiError::Validation(format!("The table does not have the specified index: {name}")))?;
        Ok(IndexView { index: Some(index), range: Some(&index.range) })
    }
}

impl PageMembers {
    pub(super) fn read(
        members: Members<'_>,
        operation: ScanOrQuery,
        placeholders: &Placeholders<'_>,
    ) -> Result<PageMembers, ApiError> {
        let start_key =
            members.map("ExclusiveStartKey").map(attributes::item).transpose().map_err(|error| match error {
                ApiError::Validation(text) => {
                    ApiError::Validation(format!("The provided starting key is invalid: {text}"))
                }
                error => error,
            })?;
        let expression = expressions::condition(members, Kind::Filter, placeholders)?;
        let (filter, filter_source) = match (expression, operation) {
            (Some(filter), _) => (Some(filter), FilterSource::Expression),
            (None, ScanOrQuery::Scan) => (legacy::filter(members, "ScanFilter")?, FilterSource::Legacy),
            (None, ScanOrQuery::Query) => (legacy::filter(members, "QueryFilter")?, FilterSource::Legacy),
        };
        let projection = expressions::projection(members, placeholders)?;
        Ok(PageMembers {
            table: TableReference::read(members)?,
            index_name: members.text("IndexName").map(str::to_owned),
            select: select(members, operation)?,
            projection,
            filter,
            filter_source,
            items_max: members.unsigned("Limit"),
            start_key,
            consistency: ReadConsistency::read(members),
            capacity: CapacityDetail::read(members),
        })
    }

    /// The members of a SELECT that reads a table or one of its indexes.
    pub(super) fn of_statement(table: TableReference, index_name: Option<&str>, plan: &SelectPlan) -> PageMembers {
        PageMembers {
            table,
            index_name: index_name.map(str::to_owned),
            select: if plan.columns.is_some() { Select::Specific } else { Select::AllProjected },
            projection: plan.projection(),
            filter: plan.filter.clone(),
            filter_source: FilterSource::Statement,
            items_max: None,
            start_key: None,
            consistency: ReadConsistency::Eventual,
            capacity: CapacityDetail::None,
        }
    }

    pub(super) fn view<'t>(&self, table: &'t TableDescription) -> Result<IndexView<'t>, ApiError> {
        IndexView::of(table, self.index_name.as_deref())
    }

    pub(super) fn paging(
        &self,
        table: &TableDescription,
        view: &IndexView<'_>,
        stretch: Stretch,
        after: Option<Position>,
        backward: bool,
    ) -> Paging {
        let template = Template {
            index: view.index.map_or(IndexNumber::ITEMS, |index| index.number),
            backward,
            filter: self.filter.clone(),
            projection: self.projection.clone(),
            fetch_items: view.index.is_some_and(|index| self.asks_beyond(index, table)),
            count_only: self.select == Select::Count,
            given_table: self.table.given.clone(),
            consistency: self.consistency,
            capacity: self.capacity,
        };
        Paging::new(template, stretch, after, self.items_max)
    }

    /// Whether attributes are asked for that the index does not hold.
    fn asks_beyond(&self, index: &LocalIndex, table: &TableDescription) -> bool {
        let included: &[String] = match &index.projection {
            IndexProjection::All => return false,
            IndexProjection::KeysOnly => &[],
            IndexProjection::Include(names) => names,
        };
        let held = |name: &str| {
            let keys = std::iter::once(&table.key.hash).chain(&table.key.range).chain([&index.range]);
            keys.into_iter().any(|key| key.name == name) || included.iter().any(|included| included == name)
        };
        let filtered = self.filter.as_ref().map(Condition::attribute_names).unwrap_or_default();
        let projected = self.projection.as_ref().map(Projection::attribute_names).unwrap_or_default();
        self.select == Select::AllAttributes || filtered.into_iter().chain(projected).any(|name| !held(name))
    }
}

fn select(members: Members<'_>, operation: ScanOrQuery) -> Result<Select, ApiError> {
    let parameter = ["ProjectionExpression", "AttributesToGet"].into_iter().find(|name| members.has(name));
    let projected = parameter.is_some();
    let refused = |what: &str| {
        let parameter = parameter.unwrap_or_default();
        Err(ApiError::Validation(format!("Cannot specify the {parameter} when choosing to get {what}")))
    };
    match members.text("Select") {
        Some("ALL_ATTRIBUTES") if projected => refused("ALL_ATTRIBUTES"),
        Some("ALL_ATTRIBUTES") => Ok(Select::AllAttributes),
        Some("ALL_PROJECTED_ATTRIBUTES") if projected => refused("ALL_PROJECTED_ATTRIBUTES"),
        Some("ALL_PROJECTED_ATTRIBUTES") if !members.has("IndexName") => {
            let verb = match operation {
                ScanOrQuery::Scan => "Scanning",
                ScanOrQuery::Query => "Querying",
            };
            Err(ApiError::Validation(format!(
                "ALL_PROJECTED_ATTRIBUTES can be used only when {verb} using an IndexName"
            )))
        }
        Some("COUNT") if projected => refused("only the Count"),
        Some("COUNT") => Ok(Select::Count),
        Some("SPECIFIC_ATTRIBUTES") if !projected => Err(ApiError::validation(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        )),
        _ if projected => Ok(Select::Specific),
        _ => Ok(Select::AllProjected),
    }
}
