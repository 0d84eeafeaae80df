//! What Query and Scan have in common: which index, which items of it, which attributes of them.

use super::attributes;
use super::expressions;
use super::legacy;
use super::model::{ReadConsistency, TableReference};
use super::paging::{Paging, Stretch, Template, is_table_key};
use crate::capacity::CapacityDetail;
use crate::error_table::ApiError;
use crate::reader::Members;
use stator_catalog::{GlobalIndex, IndexProjection, KeyAttribute, LocalIndex, TableDescription};
use stator_expression::{Condition, Kind, Placeholders, Projection};
use stator_item::{IndexNumber, Item};
use stator_partiql::SelectPlan;
use stator_partition::Position;
use std::collections::BTreeSet;

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

/// The ordering that is read: the items, or an index.
pub(super) struct IndexView<'t> {
    pub index: Option<&'t LocalIndex>,
    pub global: Option<&'t GlobalIndex>,
    hash: &'t [KeyAttribute],
    ranges: &'t [KeyAttribute],
}

impl<'t> IndexView<'t> {
    pub(super) fn of(table: &'t TableDescription, index_name: Option<&str>) -> Result<IndexView<'t>, ApiError> {
        let hash = std::slice::from_ref(&table.key.hash);
        let Some(name) = index_name else {
            return Ok(IndexView { index: None, global: None, hash, ranges: table.key.range.as_slice() });
        };
        if let Some(index) = table.local_index(name) {
            let ranges = std::slice::from_ref(&index.range);
            return Ok(IndexView { index: Some(index), global: None, hash, ranges });
        }
        match table.global_index(name).filter(|index| index.is_fed()) {
            Some(index) if !index.serves() => {
                Err(ApiError::Validation(format!("Cannot read from backfilling global secondary index: {name}")))
            }
            Some(index) => Ok(IndexView { index: None, global: Some(index), hash: &index.hash, ranges: &index.range }),
            None => Err(ApiError::Validation(format!("The table does not have the specified index: {name}"))),
        }
    }

    /// The attributes of its hash key; of several only in a global index.
    pub(super) fn hash(&self) -> &'t [KeyAttribute] {
        self.hash
    }

    /// The attributes of its sort key; of several only in a global index.
    pub(super) fn ranges(&self) -> &'t [KeyAttribute] {
        self.ranges
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
    ) -> Result<Paging, ApiError> {
        if let Some(index) = view.global {
            self.check_global(index, table)?;
        }
        let template = Template {
            global: view.global.map(|index| (index.id, index.hash.len())),
            index: view.index.map_or(IndexNumber::ITEMS, |index| index.number),
            backward,
            filter: self.filter.clone(),
            projection: self.projection.clone(),
            fetch_items: view.index.is_some_and(|index| {
                let held = [&index.range];
                self.select == Select::AllAttributes && index.projection != IndexProjection::All
                    || !self.asked_beyond(&index.projection, held, table).is_empty()
            }),
            count_only: self.select == Select::Count,
            given_table: self.table.given.clone(),
            consistency: self.consistency,
            capacity: self.capacity,
        };
        Ok(Paging::new(template, stretch, after, self.items_max))
    }

    /// A global index answers what it holds, and as it stands.
    fn check_global(&self, index: &GlobalIndex, table: &TableDescription) -> Result<(), ApiError> {
        if self.consistency == ReadConsistency::Strong {
            return Err(ApiError::validation("Consistent reads are not supported on global secondary indexes"));
        }
        let refused =
            |text: String| Err(ApiError::Validation(format!("One or more parameter values were invalid: {text}")));
        if self.select == Select::AllAttributes && index.projection != IndexProjection::All {
            return refused(format!(
                "Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its projection type \
                 is not ALL",
                index.name
            ));
        }
        let beyond = self.asked_beyond(&index.projection, index.key(), table);
        if !beyond.is_empty() {
            let beyond: Vec<&str> = beyond.into_iter().collect();
            return refused(format!("Global secondary index {} does not project [{}]", index.name, beyond.join(", ")));
        }
        Ok(())
    }

    /// The attributes that are asked for and that an index with that projection and key does not hold.
    fn asked_beyond<'k>(
        &self,
        projection: &IndexProjection,
        key: impl IntoIterator<Item = &'k KeyAttribute>,
        table: &TableDescription,
    ) -> BTreeSet<&str> {
        let included: &[String] = match projection {
            IndexProjection::All => return BTreeSet::new(),
            IndexProjection::KeysOnly => &[],
            IndexProjection::Include(names) => names,
        };
        let key: Vec<&str> = key.into_iter().map(|attribute| attribute.name.as_str()).collect();
        let held = |name: &str| {
            is_table_key(table, name) || key.contains(&name) || included.iter().any(|included| included == name)
        };
        let filtered = self.filter.as_ref().map(Condition::attribute_names).unwrap_or_default();
        let projected = self.projection.as_ref().map(Projection::attribute_names).unwrap_or_default();
        filtered.into_iter().chain(projected).filter(|name| !held(name)).collect()
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
