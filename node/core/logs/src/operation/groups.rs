//! Log groups: DescribeLogGroups, CreateLogGroup, DeleteLogGroup, PutRetentionPolicy and DeleteRetentionPolicy.

use crate::{
    Group,
    error_table::LogsError,
    names::{self, GROUP, GROUP_NAME_REQUIRED, GROUP_PART, IDENTIFIER, NEXT_TOKEN},
};
use serde_json::{Value, json};
use stator_api::{
    arn::Owner,
    reader::{self, Member, Names, Shape, Structure},
};

/// The values that `retentionInDays` may have.
pub const RETENTION_DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

static CLASS: Shape = Shape::String(Names::Enum(&["STANDARD", "INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS"]));
pub(super) static PAGE: Shape = Shape::Integer { min: Some(1), max: Some(50) };
/// Entries of a page.
pub(super) const PAGE_MAX: usize = 50;

static DESCRIBE: Structure = Structure {
    name: "DescribeLogGroupsRequest",
    members: &[
        Member::not_yet("accountIdentifiers"),
        Member::optional("logGroupNamePrefix", &GROUP),
        Member::optional("logGroupNamePattern", &GROUP_PART),
        NEXT_TOKEN,
        Member::optional("limit", &PAGE),
        Member::optional("includeLinkedAccounts", &Shape::Boolean),
        Member::optional("logGroupClass", &CLASS),
        Member::optional("logGroupIdentifiers", &Shape::List { of: &IDENTIFIER, min: 1, max: 50 }),
    ],
};

static CREATE: Structure = Structure {
    name: "CreateLogGroupRequest",
    members: &[
        GROUP_NAME_REQUIRED,
        Member::not_yet("kmsKeyId"),
        Member::not_yet("tags"),
        Member::optional("logGroupClass", &CLASS),
        Member::optional("deletionProtectionEnabled", &Shape::Boolean),
    ],
};

static REFERENCE: Structure = Structure { name: "DeleteLogGroupRequest", members: &[GROUP_NAME_REQUIRED] };

static RETENTION: Structure = Structure {
    name: "PutRetentionPolicyRequest",
    members: &[GROUP_NAME_REQUIRED, Member::required("retentionInDays", &Shape::Integer { min: None, max: None })],
};

/// A checked DescribeLogGroups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribeLogGroups {
    prefix: Option<String>,
    pattern: Option<String>,
    identifiers: Option<Vec<String>>,
    class_is_ours: bool,
    /// The last name that was shown.
    after: Option<String>,
    limit: usize,
}

impl DescribeLogGroups {
    pub fn parse(body: &[u8]) -> Result<DescribeLogGroups, LogsError> {
        let request = reader::read(body, &DESCRIBE)?;
        let members = request.members();
        let own = |name: &str| members.text(name).map(str::to_owned);
        let (prefix, pattern) = (own("logGroupNamePrefix"), own("logGroupNamePattern"));
        let identifiers = members.list("logGroupIdentifiers").map(|list| {
            list.iter().filter_map(|json| json.as_str()).map(|text| names::identified(text).to_owned()).collect()
        });
        if prefix.is_some() && pattern.is_some() {
            return Err(LogsError::invalid(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
            ));
        }
        if identifiers.is_some() && (prefix.is_some() || pattern.is_some()) {
            return Err(LogsError::invalid(
                "logGroupIdentifiers and a prefix or a pattern of names are mutually exclusive parameters.",
            ));
        }
        Ok(DescribeLogGroups {
            prefix,
            pattern,
            identifiers,
            class_is_ours: members.text("logGroupClass").is_none_or(|class| class == "STANDARD"),
            after: own("nextToken"),
            limit: limit(members.unsigned("limit")),
        })
    }

    fn takes(&self, group: &Group) -> bool {
        self.class_is_ours
            && self.prefix.as_ref().is_none_or(|prefix| group.name.starts_with(prefix))
            && self.pattern.as_ref().is_none_or(|part| group.name.contains(part))
            && self.identifiers.as_ref().is_none_or(|names| names.contains(&group.name))
            && self.after.as_ref().is_none_or(|after| group.name > *after)
    }

    /// `groups`: all, in the order of their names.
    pub fn reply(&self, groups: &[Group], owner: &Owner) -> Value {
        let mut page: Vec<&Group> = groups.iter().filter(|group| self.takes(group)).take(self.limit + 1).collect();
        let more = page.len() > self.limit;
        page.truncate(self.limit);
        let shown: Vec<Value> = page.iter().map(|group| shown(group, owner)).collect();
        let mut body = json!({ "logGroups": shown });
        if let (true, Some(last)) = (more, page.last()) {
            body["nextToken"] = last.name.clone().into();
        }
        body
    }
}

pub(super) fn limit(asked: Option<u64>) -> usize {
    asked.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_MAX).min(PAGE_MAX)
}

/// The ARN of a group, without the `:*` that stands for its streams.
pub(super) fn group_arn(name: &str, owner: &Owner) -> String {
    format!("arn:aws:logs:{}:{}:log-group:{name}", owner.region, owner.account_id)
}

fn shown(group: &Group, owner: &Owner) -> Value {
    let arn = group_arn(&group.name, owner);
    let mut shown = json!({
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "metricFilterCount": 0,
        "arn": format!("{arn}:*"),
        "logGroupArn": arn,
        "logGroupClass": "STANDARD",
        "deletionProtectionEnabled": false,
    });
    if let Some(days) = group.retention_days {
        shown["retentionInDays"] = days.into();
    }
    shown
}

/// A checked CreateLogGroup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateLogGroup {
    pub group: String,
}

impl CreateLogGroup {
    pub fn parse(body: &[u8]) -> Result<CreateLogGroup, LogsError> {
        let request = reader::read(body, &CREATE)?;
        let members = request.members();
        if let Some(class) = members.text("logGroupClass").filter(|class| *class != "STANDARD") {
            return Err(LogsError::invalid(format!("The log group class {class} is not supported yet")));
        }
        if members.flag("deletionProtectionEnabled") == Some(true) {
            return Err(LogsError::invalid("The parameter deletionProtectionEnabled is not supported yet"));
        }
        Ok(CreateLogGroup { group: members.text("logGroupName").unwrap_or_default().to_owned() })
    }
}

/// A checked DeleteLogGroup or DeleteRetentionPolicy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupReference {
    pub group: String,
}

impl GroupReference {
    pub fn parse(body: &[u8]) -> Result<GroupReference, LogsError> {
        let request = reader::read(body, &REFERENCE)?;
        Ok(GroupReference { group: request.members().text("logGroupName").unwrap_or_default().to_owned() })
    }
}

/// A checked PutRetentionPolicy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutRetentionPolicy {
    pub group: String,
    pub days: u32,
}

impl PutRetentionPolicy {
    pub fn parse(body: &[u8]) -> Result<PutRetentionPolicy, LogsError> {
        let request = reader::read(body, &RETENTION)?;
        let members = request.members();
        let asked = members.integer("retentionInDays").unwrap_or_default();
        let days = RETENTION_DAYS.into_iter().find(|days| i64::from(*days) == asked).ok_or_else(|| {
            LogsError::invalid(format!(
                "1 validation error detected: Value '{asked}' at 'retentionInDays' failed to satisfy constraint: Member must \
                 satisfy enum value set: {RETENTION_DAYS:?}"
            ))
        })?;
        Ok(PutRetentionPolicy { group: members.text("logGroupName").unwrap_or_default().to_owned(), days })
    }
}
