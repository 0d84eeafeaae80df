//! UpdateContributorInsights, DescribeContributorInsights and ListContributorInsights, for tables.
//!
//! DynamoDB also has them for global secondary indexes, which are refused by name yet. What was counted is not shown by the
//! API, there or here: DynamoDB hands it to CloudWatch, `stator insights` asks the nodes.

use super::table_json::seconds;
use super::table_members::invalid;
use super::{TableReference, model};
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Names, Shape, Structure};
use crate::render::{self, List, Object};
use stator_catalog::{Catalog, Change, ContributorInsights, InsightsMode, TableDescription};

const RESULTS_MAX: usize = 100;

static UPDATE_INPUT: Structure = Structure {
    name: "UpdateContributorInsightsInput",
    members: &[
        model::TABLE_NAME,
        model::INDEX_NAME,
        Member::required("ContributorInsightsAction", &Shape::String(Names::Enum(&["ENABLE", "DISABLE"]))),
        Member::optional(
            "ContributorInsightsMode",
            &Shape::String(Names::Enum(&["ACCESSED_AND_THROTTLED_KEYS", "THROTTLED_KEYS"])),
        ),
    ],
};

static DESCRIBE_INPUT: Structure =
    Structure { name: "DescribeContributorInsightsInput", members: &[model::TABLE_NAME, model::INDEX_NAME] };

static LIST_INPUT: Structure = Structure {
    name: "ListContributorInsightsInput",
    members: &[
        Member::optional("TableName", &Shape::TABLE_NAME),
        Member::optional("NextToken", &Shape::TEXT),
        Member::optional("MaxResults", &Shape::Integer { min: None, max: Some(RESULTS_MAX as i64) }),
    ],
};

/// A checked UpdateContributorInsights.
#[derive(Clone, PartialEq, Debug)]
pub struct UpdateContributorInsights {
    pub table: TableReference,
    index: Option<String>,
    /// `None`: disable.
    mode: Option<InsightsMode>,
}

impl UpdateContributorInsights {
    pub fn parse(body: &[u8]) -> Result<UpdateContributorInsights, ApiError> {
        let request = reader::read(body, &UPDATE_INPUT)?;
        let members = request.members();
        let mode = match members.text("ContributorInsightsMode") {
            Some("THROTTLED_KEYS") => InsightsMode::ThrottledKeys,
            _ => InsightsMode::AccessedAndThrottledKeys,
        };
        Ok(UpdateContributorInsights {
            table: TableReference::read(members)?,
            index: index(members),
            mode: (members.text("ContributorInsightsAction") == Some("ENABLE")).then_some(mode),
        })
    }

    /// What the catalog is told.
    pub fn change(&self) -> Result<Change, ApiError> {
        refuse_index(self.index.as_deref())?;
        Ok(Change::ChangeInsights { table: self.table.name.clone(), mode: self.mode })
    }

    pub fn render(&self, out: &mut Vec<u8>) {
        let mut body = Object::begin(out);
        render::string(&self.table.name, body.member("TableName"));
        // On their way, as DynamoDB says it; the next question is told that they have arrived.
        let status = if self.mode.is_some() { "ENABLING" } else { "DISABLING" };
        render::string(status, body.member("ContributorInsightsStatus"));
        if let Some(mode) = self.mode {
            render::string(mode_name(mode), body.member("ContributorInsightsMode"));
        }
        body.end();
    }
}

/// A checked DescribeContributorInsights.
#[derive(Clone, PartialEq, Debug)]
pub struct DescribeContributorInsights {
    pub table: TableReference,
    index: Option<String>,
}

impl DescribeContributorInsights {
    pub fn parse(body: &[u8]) -> Result<DescribeContributorInsights, ApiError> {
        let request = reader::read(body, &DESCRIBE_INPUT)?;
        let members = request.members();
        Ok(DescribeContributorInsights { table: TableReference::read(members)?, index: index(members) })
    }

    pub fn render(
        &self,
        table: &TableDescription,
        insights: Option<&ContributorInsights>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        refuse_index(self.index.as_deref())?;
        let mut body = Object::begin(out);
        render::string(&table.name, body.member("TableName"));
        let mode = insights.and_then(|insights| insights.mode);
        if let Some((insights, mode)) = insights.zip(mode) {
            let mut list = List::begin(body.member("ContributorInsightsRuleList"));
            for kind in rules(mode, table) {
                let out = list.element();
                let rule = format!("DynamoDBContributorInsights-{kind}-{}-{}", table.name, insights.changed_ms);
                render::string(&rule, out);
            }
            list.end();
        }
        render::string(status_name(mode), body.member("ContributorInsightsStatus"));
        if let Some(insights) = insights {
            seconds(insights.changed_ms, body.member("LastUpdateDateTime"));
        }
        if let Some(mode) = mode {
            render::string(mode_name(mode), body.member("ContributorInsightsMode"));
        }
        body.end();
        Ok(())
    }
}

/// A checked ListContributorInsights: of one table, or page by page of all that have them enabled.
#[derive(Clone, PartialEq, Debug)]
pub struct ListContributorInsights {
    pub table: Option<TableReference>,
    after: Option<String>,
    limit: usize,
}

impl ListContributorInsights {
    pub fn parse(body: &[u8]) -> Result<ListContributorInsights, ApiError> {
        let request = reader::read(body, &LIST_INPUT)?;
        let members = request.members();
        let limit = match members.integer("MaxResults") {
            None => RESULTS_MAX,
            Some(number) => match usize::try_from(number) {
                Ok(limit) if limit > 0 => limit,
                _ => return invalid(format!("MaxResults must be at least 1, but is {number}")),
            },
        };
        let table = members.has("TableName").then(|| TableReference::read(members)).transpose()?;
        Ok(ListContributorInsights { table, after: members.text("NextToken").map(str::to_owned), limit })
    }

    pub fn render(&self, catalog: &Catalog, out: &mut Vec<u8>) -> Result<(), ApiError> {
        if let Some(table) = &self.table
            && catalog.table(&table.name).is_none()
        {
            return Err(ApiError::table_not_found(&table.name));
        }
        let is_asked_for = |name: &str| self.table.as_ref().is_none_or(|table| table.name == name);
        let mut enabled: Vec<(&str, InsightsMode)> = catalog
            .table_names(self.after.as_deref())
            .filter(|name| is_asked_for(name))
            .filter_map(|name| Some((name, catalog.insights(catalog.table(name)?.id)?.mode?)))
            .take(self.limit + 1)
            .collect();
        let more = enabled.len() > self.limit;
        enabled.truncate(self.limit);
        let mut body = Object::begin(out);
        let mut list = List::begin(body.member("ContributorInsightsSummaries"));
        for (name, mode) in &enabled {
            let mut summary = Object::begin(list.element());
            render::string(name, summary.member("TableName"));
            render::string(status_name(Some(*mode)), summary.member("ContributorInsightsStatus"));
            render::string(mode_name(*mode), summary.member("ContributorInsightsMode"));
            summary.end();
        }
        list.end();
        if let Some((last, _)) = enabled.last().filter(|_| more) {
            render::string(last, body.member("NextToken"));
        }
        body.end();
        Ok(())
    }
}

fn index(members: Members<'_>) -> Option<String> {
    members.text("IndexName").map(str::to_owned)
}

/// Requests for keys of an index are not counted yet.
fn refuse_index(index: Option<&str>) -> Result<(), ApiError> {
    match index {
        None => Ok(()),
        Some(_) => Err(ApiError::validation("The parameter IndexName is not supported yet")),
    }
}

fn mode_name(mode: InsightsMode) -> &'static str {
    match mode {
        InsightsMode::AccessedAndThrottledKeys => "ACCESSED_AND_THROTTLED_KEYS",
        InsightsMode::ThrottledKeys => "THROTTLED_KEYS",
    }
}

fn status_name(mode: Option<InsightsMode>) -> &'static str {
    if mode.is_some() { "ENABLED" } else { "DISABLED" }
}

/// The lists that are kept, as the names of DynamoDB's rules have them: most accessed (C) and most throttled (T) partition
/// keys (PK) and, where the table has a sort key, items (SK).
fn rules(mode: InsightsMode, table: &TableDescription) -> impl Iterator<Item = &'static str> {
    let counts_accessed = mode == InsightsMode::AccessedAndThrottledKeys;
    let has_items = table.key.range.is_some();
    [("PKC", counts_accessed), ("PKT", true), ("SKC", counts_accessed && has_items), ("SKT", has_items)]
        .into_iter()
        .filter_map(|(kind, kept)| kept.then_some(kind))
}
