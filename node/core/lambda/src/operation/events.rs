//! What becomes of events: Put-, Update-, Get-, Delete- and ListFunctionEventInvokeConfig.

use super::{
    FUNCTION, IN_QUERY_PAGE, IN_QUERY_QUALIFIER, MARKER, Paging, QUALIFIER, destination::check_destination, function,
};
use crate::{error_table::LambdaError, names::FunctionReference, patterns, request::HttpRequest};
use serde_json::{Value, json};
use stator_api::{
    arn::Owner,
    reader::{Member, Members, Shape, Structure},
};
use stator_catalog::{EventInvoke, EventInvokeUpdate, Function, FunctionChange, FunctionChangeKind, LATEST};

static RETRIES: Shape = Shape::Integer { min: Some(0), max: Some(2) };
static AGE: Shape = Shape::Integer { min: Some(60), max: Some(21_600) };
static ITEMS: Shape = Shape::Integer { min: Some(1), max: Some(50) };
static TARGET: Shape = Shape::Structure(&Structure {
    name: "OnSuccess",
    members: &[Member::optional("Destination", &patterns::DESTINATION_ARN)],
});
static DESTINATIONS: Shape = Shape::Structure(&Structure {
    name: "DestinationConfig",
    members: &[Member::optional("OnSuccess", &TARGET), Member::optional("OnFailure", &TARGET)],
});
static INPUT: Structure = Structure {
    name: "PutFunctionEventInvokeConfigRequest",
    members: &[
        FUNCTION,
        QUALIFIER,
        Member::optional("MaximumRetryAttempts", &RETRIES),
        Member::optional("MaximumEventAgeInSeconds", &AGE),
        Member::optional("DestinationConfig", &DESTINATIONS),
    ],
};
static REFERENCE: Structure =
    Structure { name: "GetFunctionEventInvokeConfigRequest", members: &[FUNCTION, QUALIFIER] };
static LIST: Structure = Structure {
    name: "ListFunctionEventInvokeConfigsRequest",
    members: &[FUNCTION, MARKER, Member::optional("MaxItems", &ITEMS)],
};

fn qualifier(function: &FunctionReference) -> String {
    function.qualifier.clone().unwrap_or_else(|| LATEST.to_owned())
}

/// PutFunctionEventInvokeConfig and UpdateFunctionEventInvokeConfig.
#[derive(Clone, PartialEq, Debug)]
pub struct ConfigureEvents {
    pub function: FunctionReference,
    update: EventInvokeUpdate,
}

impl ConfigureEvents {
    pub fn parse_put(request: &HttpRequest<'_>, owner: &Owner) -> Result<ConfigureEvents, LambdaError> {
        let input = ConfigureEvents::parse(request, owner, true)?;
        let EventInvokeUpdate { retries_max, age_s_max, on_success, on_failure, .. } = &input.update;
        if retries_max.is_none() && age_s_max.is_none() && on_success.is_none() && on_failure.is_none() {
            return Err(LambdaError::invalid(
                "You must specify at least one of error handling or destination setting.",
            ));
        }
        Ok(input)
    }

    pub fn parse_update(request: &HttpRequest<'_>, owner: &Owner) -> Result<ConfigureEvents, LambdaError> {
        ConfigureEvents::parse(request, owner, false)
    }

    fn parse(request: &HttpRequest<'_>, owner: &Owner, replaces: bool) -> Result<ConfigureEvents, LambdaError> {
        let read = request.read(IN_QUERY_QUALIFIER, &INPUT)?;
        let members = read.members();
        let function = function(members)?;
        let number = |name: &str| members.unsigned(name).and_then(|number| u32::try_from(number).ok());
        let destinations = members.structure("DestinationConfig");
        let target = |name: &str| read_target(destinations, name, owner);
        let update = EventInvokeUpdate {
            retries_max: number("MaximumRetryAttempts"),
            age_s_max: number("MaximumEventAgeInSeconds"),
            on_success: target("OnSuccess")?,
            on_failure: target("OnFailure")?,
            replaces,
        };
        Ok(ConfigureEvents { function, update })
    }

    /// ARNs of destinations, to be looked for.
    pub fn destinations(&self) -> impl Iterator<Item = &str> {
        let all = [&self.update.on_success, &self.update.on_failure];
        all.into_iter().flatten().map(String::as_str).filter(|arn| !arn.is_empty())
    }

    pub fn change(&self, revision: u128) -> FunctionChange {
        let what =
            FunctionChangeKind::ConfigureEvents { qualifier: qualifier(&self.function), update: self.update.clone() };
        FunctionChange { function: self.function.name.clone(), what, revision, if_revision: None }
    }
}

/// The destination of that name, an empty one where it is named without an ARN.
fn read_target(destinations: Option<Members<'_>>, name: &str, owner: &Owner) -> Result<Option<String>, LambdaError> {
    let Some(target) = destinations.and_then(|destinations| destinations.structure(name)) else { return Ok(None) };
    let arn = target.text("Destination").unwrap_or_default();
    if !arn.is_empty() {
        check_destination(&format!("DestinationConfig.{name}"), arn, owner)?;
    }
    Ok(Some(arn.to_owned()))
}

/// GetFunctionEventInvokeConfig and DeleteFunctionEventInvokeConfig.
#[derive(Clone, PartialEq, Debug)]
pub struct EventsReference {
    pub function: FunctionReference,
}

impl EventsReference {
    pub fn parse(request: &HttpRequest<'_>) -> Result<EventsReference, LambdaError> {
        Ok(EventsReference { function: super::read_function(request, IN_QUERY_QUALIFIER, &REFERENCE)? })
    }

    /// `$LATEST`, a version or an alias.
    pub fn qualifier(&self) -> String {
        qualifier(&self.function)
    }

    pub fn forget(&self, revision: u128) -> FunctionChange {
        let what = FunctionChangeKind::ForgetEvents { qualifier: self.qualifier() };
        FunctionChange { function: self.function.name.clone(), what, revision, if_revision: None }
    }
}

/// ListFunctionEventInvokeConfigs.
#[derive(Clone, PartialEq, Debug)]
pub struct ListFunctionEventInvokeConfigs {
    pub function: FunctionReference,
    paging: Paging,
}

impl ListFunctionEventInvokeConfigs {
    pub fn parse(request: &HttpRequest<'_>) -> Result<ListFunctionEventInvokeConfigs, LambdaError> {
        let read = request.read_head(IN_QUERY_PAGE, &LIST)?;
        let members = read.members();
        let function = function(members)?.unqualified()?;
        Ok(ListFunctionEventInvokeConfigs { function, paging: Paging::read(members) })
    }

    pub fn json(&self, function: &Function, owner: &Owner) -> Value {
        let all = function.event_invokes.iter();
        let rows =
            all.map(|(qualifier, events)| (qualifier.clone(), event_invoke_json(function, qualifier, events, owner)));
        self.paging.page("FunctionEventInvokeConfigs", rows)
    }
}

/// `FunctionEventInvokeConfig`.
pub fn event_invoke_json(function: &Function, qualifier: &str, events: &EventInvoke, owner: &Owner) -> Value {
    let target = |arn: &Option<String>| match arn {
        Some(arn) => json!({ "Destination": arn }),
        None => json!({}),
    };
    let mut shown = json!({
        // Seconds since 1970, as the protocol has timestamps.
        "LastModified": events.modified_ms as f64 / 1_000.0,
        "FunctionArn": owner.function_arn(&function.name, Some(qualifier)),
        "DestinationConfig": { "OnSuccess": target(&events.on_success), "OnFailure": target(&events.on_failure) },
    });
    if let Some(members) = shown.as_object_mut() {
        if let Some(retries) = events.retries_max {
            members.insert("MaximumRetryAttempts".to_owned(), retries.into());
        }
        if let Some(age) = events.age_s_max {
            members.insert("MaximumEventAgeInSeconds".to_owned(), age.into());
        }
    }
    shown
}
