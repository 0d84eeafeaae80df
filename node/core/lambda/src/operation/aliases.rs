//! CreateAlias, GetAlias, UpdateAlias, DeleteAlias and ListAliases.

use super::{
    FUNCTION, MARKER, MAX_ITEMS, Paging, REVISION, configuration::DESCRIPTION, function, revision, revision_text,
    version, version_text,
};
use crate::{
    error_table::LambdaError,
    names::FunctionReference,
    patterns,
    request::{HttpRequest, InQuery, QueryType},
};
use serde_json::{Value, json};
use stator_api::{
    ApiError,
    arn::Owner,
    reader::{Member, Members, Shape, Structure},
};
use stator_catalog::{Alias, AliasUpdate, Function, FunctionChange, FunctionChangeKind};
use stator_item::json::Json;

const NAME: Member = Member::required("Name", &patterns::ALIAS);
static ROUTING: Shape = Shape::Structure(&Structure {
    name: "AliasRoutingConfiguration",
    members: &[Member::optional("AdditionalVersionWeights", &Shape::map(&patterns::NUMBERED_VERSION, &Shape::Double))],
});
static CREATE: Structure = Structure {
    name: "CreateAliasRequest",
    members: &[
        FUNCTION,
        NAME,
        Member::required("FunctionVersion", &patterns::VERSION),
        Member::optional("Description", &DESCRIPTION),
        Member::optional("RoutingConfig", &ROUTING),
    ],
};
static UPDATE: Structure = Structure {
    name: "UpdateAliasRequest",
    members: &[
        FUNCTION,
        NAME,
        Member::optional("FunctionVersion", &patterns::VERSION),
        Member::optional("Description", &DESCRIPTION),
        Member::optional("RoutingConfig", &ROUTING),
        REVISION,
    ],
};
static REFERENCE: Structure = Structure { name: "GetAliasRequest", members: &[FUNCTION, NAME] };
static LIST: Structure = Structure {
    name: "ListAliasesRequest",
    members: &[FUNCTION, Member::optional("FunctionVersion", &patterns::VERSION), MARKER, MAX_ITEMS],
};
const LIST_IN_QUERY: InQuery =
    &[("FunctionVersion", QueryType::Text), ("Marker", QueryType::Text), ("MaxItems", QueryType::Number)];

/// CreateAlias.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateAlias {
    pub function: FunctionReference,
    pub name: String,
    version: Option<u64>,
    description: String,
    additional: Option<(u64, f64)>,
}

impl CreateAlias {
    pub fn parse(request: &HttpRequest<'_>) -> Result<CreateAlias, LambdaError> {
        let read = request.read(&[], &CREATE)?;
        let members = read.members();
        Ok(CreateAlias {
            function: function(members)?.unqualified()?,
            name: members.text("Name").unwrap_or_default().to_owned(),
            version: version(members.text("FunctionVersion").unwrap_or_default())?,
            description: members.text("Description").unwrap_or_default().to_owned(),
            additional: read_routing(members)?.flatten(),
        })
    }

    /// `revision`: random.
    pub fn change(&self, revision: u128) -> FunctionChange {
        let what = FunctionChangeKind::CreateAlias {
            alias: self.name.clone(),
            version: self.version,
            description: self.description.clone(),
            additional: self.additional,
        };
        FunctionChange { function: self.function.name.clone(), what, revision, if_revision: None }
    }
}

/// UpdateAlias.
#[derive(Clone, PartialEq, Debug)]
pub struct UpdateAlias {
    pub function: FunctionReference,
    pub name: String,
    update: AliasUpdate,
    if_revision: Option<u128>,
}

impl UpdateAlias {
    pub fn parse(request: &HttpRequest<'_>) -> Result<UpdateAlias, LambdaError> {
        let read = request.read(&[], &UPDATE)?;
        let members = read.members();
        Ok(UpdateAlias {
            function: function(members)?.unqualified()?,
            name: members.text("Name").unwrap_or_default().to_owned(),
            update: AliasUpdate {
                version: members.text("FunctionVersion").map(version).transpose()?,
                description: members.text("Description").map(str::to_owned),
                additional: read_routing(members)?,
            },
            if_revision: revision(members),
        })
    }

    /// `revision`: random.
    pub fn change(&self, revision: u128) -> FunctionChange {
        let what = FunctionChangeKind::UpdateAlias { alias: self.name.clone(), update: self.update.clone() };
        FunctionChange { function: self.function.name.clone(), what, revision, if_revision: self.if_revision }
    }
}

/// The other version of a `RoutingConfig` and its weight; the inner `None`: one is there, and names none.
fn read_routing(members: Members<'_>) -> Result<Option<Option<(u64, f64)>>, LambdaError> {
    let Some(routing) = members.structure("RoutingConfig") else { return Ok(None) };
    let Some(weights) = routing.map("AdditionalVersionWeights") else { return Ok(Some(None)) };
    if weights.len() > 1 {
        return Err(LambdaError::invalid(
            "Number of items in AdditionalVersionWeights cannot be greater than 1 for an alias.",
        ));
    }
    let Some((number, weight)) = weights.iter().next() else { return Ok(Some(None)) };
    let weight = if let Json::Number(weight) = weight { weight.as_f64() } else { None }.unwrap_or_default();
    if !(0.0..=1.0).contains(&weight) {
        let bound = if weight < 0.0 { "greater than or equal to 0" } else { "less than or equal to 1" };
        return Err(LambdaError::Shared(ApiError::validation(format!(
            "1 validation error detected: Value '{weight}' at \
             'routingConfig.additionalVersionWeights.{number}.member' failed to satisfy constraint: Member must have \
             value {bound}"
        ))));
    }
    Ok(Some(version(number)?.map(|number| (number, weight))))
}

/// GetAlias and DeleteAlias.
#[derive(Clone, PartialEq, Debug)]
pub struct AliasReference {
    pub function: FunctionReference,
    pub name: String,
}

impl AliasReference {
    pub fn parse(request: &HttpRequest<'_>) -> Result<AliasReference, LambdaError> {
        let read = request.read_head(&[], &REFERENCE)?;
        let members = read.members();
        let name = members.text("Name").unwrap_or_default().to_owned();
        Ok(AliasReference { function: function(members)?.unqualified()?, name })
    }

    pub fn delete(&self, revision: u128) -> FunctionChange {
        let what = FunctionChangeKind::DeleteAlias { alias: self.name.clone() };
        FunctionChange { function: self.function.name.clone(), what, revision, if_revision: None }
    }
}

/// ListAliases.
#[derive(Clone, PartialEq, Debug)]
pub struct ListAliases {
    pub function: FunctionReference,
    /// The inner `None` is `$LATEST`.
    version: Option<Option<u64>>,
    paging: Paging,
}

impl ListAliases {
    pub fn parse(request: &HttpRequest<'_>) -> Result<ListAliases, LambdaError> {
        let read = request.read_head(LIST_IN_QUERY, &LIST)?;
        let members = read.members();
        Ok(ListAliases {
            function: function(members)?.unqualified()?,
            version: members.text("FunctionVersion").map(version).transpose()?,
            paging: Paging::read(members),
        })
    }

    pub fn json(&self, function: &Function, owner: &Owner) -> Value {
        let named = function.aliases.iter().filter(|(_, alias)| {
            self.version.is_none_or(|version| {
                alias.version == version || alias.additional.is_some_and(|(other, _)| Some(other) == version)
            })
        });
        let rows = named.map(|(name, alias)| (name.clone(), alias_json(function, name, alias, owner)));
        self.paging.page("Aliases", rows)
    }
}

/// `AliasConfiguration`.
pub fn alias_json(function: &Function, name: &str, alias: &Alias, owner: &Owner) -> Value {
    let mut shown = json!({
        "AliasArn": owner.function_arn(&function.name, Some(name)),
        "Name": name,
        "FunctionVersion": version_text(alias.version),
        "Description": alias.description,
        "RevisionId": revision_text(alias.revision),
    });
    if let (Some((number, weight)), Some(members)) = (alias.additional, shown.as_object_mut()) {
        let weights = json!({ "AdditionalVersionWeights": { number.to_string(): weight } });
        members.insert("RoutingConfig".to_owned(), weights);
    }
    shown
}
