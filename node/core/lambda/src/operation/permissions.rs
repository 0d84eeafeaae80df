//! AddPermission, RemovePermission and GetPolicy. Policies are kept and shown; access keys may call every function of their
//! cluster.

use super::{FUNCTION, IN_QUERY_QUALIFIER, QUALIFIER, REVISION, function, revision, revision_text};
use crate::{
    error_table::LambdaError,
    names::FunctionReference,
    patterns,
    request::{HttpRequest, InQuery, QueryType},
};
use serde_json::{Map, Value, json};
use stator_api::{
    arn::Owner,
    reader::{Member, Names, Shape, Structure},
};
use stator_catalog::{Function, FunctionChange, FunctionChangeKind, FunctionRefusal, LATEST};

static ADD: Structure = Structure {
    name: "AddPermissionRequest",
    members: &[
        FUNCTION,
        QUALIFIER,
        Member::required("StatementId", &patterns::STATEMENT_ID),
        Member::required("Action", &patterns::ACTION),
        Member::required("Principal", &patterns::PRINCIPAL),
        Member::optional("SourceArn", &patterns::SOURCE_ARN),
        Member::optional("SourceAccount", &patterns::ACCOUNT),
        Member::optional("EventSourceToken", &patterns::EVENT_TOKEN),
        Member::optional("PrincipalOrgID", &patterns::ORGANIZATION),
        Member::optional("FunctionUrlAuthType", &Shape::String(Names::Enum(&["NONE", "AWS_IAM"]))),
        Member::optional("InvokedViaFunctionUrl", &Shape::Boolean),
        REVISION,
    ],
};
static REMOVE: Structure = Structure {
    name: "RemovePermissionRequest",
    members: &[FUNCTION, QUALIFIER, Member::required("StatementId", &patterns::STATEMENT_ID), REVISION],
};
const REMOVE_IN_QUERY: InQuery = &[("Qualifier", QueryType::Text), ("RevisionId", QueryType::Text)];

/// The policy's place: of the function itself, of a version or of an alias.
fn place(function: &FunctionReference) -> Result<String, LambdaError> {
    match function.qualifier.as_deref() {
        None => Ok(String::new()),
        Some(LATEST) => Err(LambdaError::invalid("We currently do not support adding policies for $LATEST.")),
        Some(qualifier) => Ok(qualifier.to_owned()),
    }
}

/// AddPermission.
#[derive(Clone, PartialEq, Debug)]
pub struct AddPermission {
    pub function: FunctionReference,
    qualifier: String,
    statement_id: String,
    statement: String,
    if_revision: Option<u128>,
}

impl AddPermission {
    pub fn parse(request: &HttpRequest<'_>, owner: &Owner) -> Result<AddPermission, LambdaError> {
        let read = request.read(IN_QUERY_QUALIFIER, &ADD)?;
        let members = read.members();
        let function = function(members)?;
        let qualifier = place(&function)?;
        let text = |name: &str| members.text(name).map(str::to_owned);
        let statement_id = text("StatementId").unwrap_or_default();
        let mut conditions = Map::new();
        for (operator, name, value) in [
            ("ArnLike", "AWS:SourceArn", text("SourceArn")),
            ("StringEquals", "AWS:SourceAccount", text("SourceAccount")),
            ("StringEquals", "lambda:EventSourceToken", text("EventSourceToken")),
            ("StringEquals", "aws:PrincipalOrgID", text("PrincipalOrgID")),
            ("StringEquals", "lambda:FunctionUrlAuthType", text("FunctionUrlAuthType")),
            (
                "Bool",
                "lambda:InvokedViaFunctionUrl",
                members.flag("InvokedViaFunctionUrl").map(|flag| flag.to_string()),
            ),
        ] {
            let (Some(value), entry) = (value, conditions.entry(operator)) else { continue };
            if let Some(tests) = entry.or_insert_with(|| json!({})).as_object_mut() {
                tests.insert(name.to_owned(), value.into());
            }
        }
        conditions.retain(|_, tests| tests.as_object().is_some_and(|tests| !tests.is_empty()));
        let mut statement = json!({
            "Sid": statement_id,
            "Effect": "Allow",
            "Principal": principal(&text("Principal").unwrap_or_default()),
            "Action": text("Action").unwrap_or_default(),
            "Resource": owner.function_arn(&function.name, function.qualifier.as_deref()),
        });
        if let (false, Some(parts)) = (conditions.is_empty(), statement.as_object_mut()) {
            parts.insert("Condition".to_owned(), conditions.into());
        }
        let statement = statement.to_string();
        Ok(AddPermission { function, qualifier, statement_id, statement, if_revision: revision(members) })
    }

    /// `revision`: random.
    pub fn change(&self, revision: u128) -> FunctionChange {
        let what = FunctionChangeKind::AddPermission {
            qualifier: self.qualifier.clone(),
            statement_id: self.statement_id.clone(),
            statement: self.statement.clone(),
        };
        FunctionChange { function: self.function.name.clone(), what, revision, if_revision: self.if_revision }
    }

    pub fn json(&self) -> Value {
        json!({ "Statement": self.statement })
    }
}

/// A service, an account or somebody of it, or everybody.
fn principal(given: &str) -> Value {
    if given == "*" {
        return json!("*");
    }
    if patterns::is_account(given) {
        return json!({ "AWS": format!("arn:aws:iam::{given}:root") });
    }
    if given.starts_with("arn:") { json!({ "AWS": given }) } else { json!({ "Service": given }) }
}

/// RemovePermission.
#[derive(Clone, PartialEq, Debug)]
pub struct RemovePermission {
    pub function: FunctionReference,
    qualifier: String,
    statement_id: String,
    if_revision: Option<u128>,
}

impl RemovePermission {
    pub fn parse(request: &HttpRequest<'_>) -> Result<RemovePermission, LambdaError> {
        let read = request.read_head(REMOVE_IN_QUERY, &REMOVE)?;
        let members = read.members();
        let function = function(members)?;
        Ok(RemovePermission {
            qualifier: place(&function)?,
            function,
            statement_id: members.text("StatementId").unwrap_or_default().to_owned(),
            if_revision: revision(members),
        })
    }

    /// `revision`: random.
    pub fn change(&self, revision: u128) -> FunctionChange {
        let what = FunctionChangeKind::RemovePermission {
            qualifier: self.qualifier.clone(),
            statement_id: self.statement_id.clone(),
        };
        FunctionChange { function: self.function.name.clone(), what, revision, if_revision: self.if_revision }
    }
}

/// GetPolicy's reply.
pub fn policy_json(function: &Function, qualifier: Option<&str>) -> Result<Value, LambdaError> {
    let Some(policy) = function.policies.get(qualifier.unwrap_or_default()) else {
        return Err(LambdaError::Refused(FunctionRefusal::NotFound(
            "The resource you requested does not exist.".to_owned(),
        )));
    };
    // Each is JSON as AddPermission made it.
    let statements: Vec<&str> = policy.statements.values().map(String::as_str).collect();
    let text = format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{}]}}"#, statements.join(","));
    Ok(json!({ "Policy": text, "RevisionId": revision_text(policy.revision) }))
}
