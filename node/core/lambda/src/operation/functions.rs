//! CreateFunction, GetFunction, ListFunctions and DeleteFunction.

use super::{
    FUNCTION, IN_QUERY_QUALIFIER, MARKER, MAX_ITEMS, Paging, QUALIFIER, VersionView,
    code::{self, CODE_MEMBERS_REFUSED},
    configuration::{self, configuration_members},
    function, read_function, sortable, tags,
};
use crate::{
    error_table::LambdaError,
    names::FunctionReference,
    patterns,
    request::{HttpRequest, InQuery, QueryType},
};
use serde_json::{Value, json};
use stator_api::{
    arn::Owner,
    reader::{Member, Names, Shape, Structure},
};
use stator_catalog::{Catalog, Function, FunctionChange, FunctionChangeKind, FunctionSpec, LATEST, UploadedCode};

static CODE: Shape = Shape::Structure(&Structure {
    name: "FunctionCode",
    members: &[
        Member::optional("ZipFile", &Shape::Binary),
        CODE_MEMBERS_REFUSED[0],
        CODE_MEMBERS_REFUSED[1],
        CODE_MEMBERS_REFUSED[2],
        CODE_MEMBERS_REFUSED[3],
        CODE_MEMBERS_REFUSED[4],
        CODE_MEMBERS_REFUSED[5],
    ],
});
static INPUT: Structure = Structure {
    name: "CreateFunctionRequest",
    members: configuration_members![
        FUNCTION,
        Member::required("Role", &patterns::ROLE),
        Member::required("Code", &CODE),
        Member::optional("Publish", &Shape::Boolean),
        Member::optional("PackageType", &Shape::String(Names::Enum(&["Zip", "Image"]))),
        Member::optional("Architectures", &code::ARCHITECTURES),
        Member::optional("Tags", &tags::TAGS),
        Member::not_yet("PublishTo"),
        Member::not_yet("CodeSigningConfigArn"),
        Member::not_yet("TenancyConfig"),
    ],
};

/// CreateFunction.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateFunction {
    pub function: FunctionReference,
    /// The zip as it was sent.
    pub zip: Vec<u8>,
    spec: FunctionSpec,
    publish: bool,
}

impl CreateFunction {
    pub fn parse(request: &HttpRequest<'_>, owner: &Owner) -> Result<CreateFunction, LambdaError> {
        let read = request.read(&[], &INPUT)?;
        let members = read.members();
        let function = function(members)?.unqualified()?;
        if members.text("PackageType") == Some("Image") {
            return Err(LambdaError::invalid("The parameter PackageType with the value Image is not supported yet"));
        }
        let zip = members.structure("Code").and_then(|code| code.json("ZipFile"));
        let Some(zip) = code::read_zip(zip)? else {
            return Err(LambdaError::invalid("Please provide a source for function code."));
        };
        let configuration = configuration::complete(configuration::read_update(members, owner)?)?;
        let spec = FunctionSpec {
            name: function.name.clone(),
            configuration,
            is_arm: code::read_architecture(members).unwrap_or_default(),
            tags: tags::read(members),
        };
        Ok(CreateFunction { function, zip, spec, publish: members.flag("Publish").unwrap_or_default() })
    }

    /// The ARN of a dead letter target, to be looked for.
    pub fn dead_letter(&self) -> Option<&str> {
        self.spec.configuration.dead_letter.as_deref()
    }

    /// `revision`: random.
    pub fn change(&self, code: UploadedCode, code_bytes_max: Option<u64>, revision: u128) -> FunctionChange {
        FunctionChange {
            function: self.function.name.clone(),
            what: FunctionChangeKind::Create {
                spec: Box::new(self.spec.clone()),
                code,
                publish: self.publish,
                code_bytes_max,
            },
            revision,
            if_revision: None,
        }
    }

    /// The reply's body: `$LATEST`, or the version that was published.
    pub fn json(&self, function: &Function, owner: &Owner) -> Value {
        made_json(function, self.publish, owner)
    }
}

/// What was made of `$LATEST`: the version published last, or itself.
pub(super) fn made_json(function: &Function, publish: bool, owner: &Owner) -> Value {
    let published = function.versions.get(&function.last_version).filter(|_| publish);
    let number = function.last_version.to_string();
    match published {
        Some(version) => {
            let (qualifier, number) = (Some(number.as_str()), Some(function.last_version));
            VersionView { function, number, version, qualifier, owner }.json()
        }
        None => VersionView { function, number: None, version: &function.latest, qualifier: None, owner }.json(),
    }
}

static REFERENCE: Structure = Structure { name: "GetFunctionRequest", members: &[FUNCTION, QUALIFIER] };

/// A request that names a function, and maybe what of it, and nothing else.
#[derive(Clone, PartialEq, Debug)]
pub struct FunctionRequest {
    pub function: FunctionReference,
}

impl FunctionRequest {
    pub fn parse(request: &HttpRequest<'_>) -> Result<FunctionRequest, LambdaError> {
        Ok(FunctionRequest { function: read_function(request, IN_QUERY_QUALIFIER, &REFERENCE)? })
    }

    /// The same of an operation that takes no qualifier.
    pub fn parse_unqualified(request: &HttpRequest<'_>) -> Result<FunctionRequest, LambdaError> {
        let FunctionRequest { function } = FunctionRequest::parse(request)?;
        Ok(FunctionRequest { function: function.unqualified()? })
    }

    /// DeleteFunction.
    pub fn delete(&self, revision: u128) -> Result<FunctionChange, LambdaError> {
        let version = match self.function.qualifier.as_deref() {
            None => None,
            Some(LATEST) => {
                return Err(LambdaError::invalid("$LATEST version cannot be deleted without deleting the function."));
            }
            Some(qualifier) => Some(qualifier.parse().map_err(|_| {
                LambdaError::invalid("Deletion of aliases is not currently supported through this operation.")
            })?),
        };
        let what = FunctionChangeKind::Delete { version };
        Ok(FunctionChange { function: self.function.name.clone(), what, revision, if_revision: None })
    }
}

/// GetFunction's reply. `location`: where the zip is to be had.
pub fn get_function_json(view: &VersionView<'_>, location: &str) -> Value {
    let function = view.function;
    let mut body = json!({
        "Configuration": view.json(),
        "Code": { "RepositoryType": "S3", "Location": location },
    });
    if let Some(members) = body.as_object_mut() {
        if !function.tags.is_empty() {
            members.insert("Tags".to_owned(), json!(function.tags));
        }
        if let Some(reserved) = function.reserved_concurrency {
            members.insert("Concurrency".to_owned(), json!({ "ReservedConcurrentExecutions": reserved }));
        }
    }
    body
}

static LIST: Structure = Structure {
    name: "ListFunctionsRequest",
    members: &[
        Member::optional("MasterRegion", &Shape::TEXT),
        Member::optional("FunctionVersion", &Shape::String(Names::Enum(&["ALL"]))),
        MARKER,
        MAX_ITEMS,
    ],
};
const LIST_IN_QUERY: InQuery = &[
    ("MasterRegion", QueryType::Text),
    ("FunctionVersion", QueryType::Text),
    ("Marker", QueryType::Text),
    ("MaxItems", QueryType::Number),
];

/// ListFunctions.
#[derive(Clone, PartialEq, Debug)]
pub struct ListFunctions {
    all_versions: bool,
    paging: Paging,
}

impl ListFunctions {
    pub fn parse(request: &HttpRequest<'_>) -> Result<ListFunctions, LambdaError> {
        let read = request.read_head(LIST_IN_QUERY, &LIST)?;
        let members = read.members();
        Ok(ListFunctions { all_versions: members.has("FunctionVersion"), paging: Paging::read(members) })
    }

    pub fn json(&self, catalog: &Catalog, owner: &Owner) -> Value {
        let rows = catalog.functions().flat_map(|function| {
            let latest = VersionView { function, number: None, version: &function.latest, qualifier: None, owner };
            let first = std::iter::once((function.name.clone(), latest.json()));
            let versions = function.versions.iter().filter(|_| self.all_versions).map(move |(number, version)| {
                let text = number.to_string();
                let view = VersionView { function, number: Some(*number), version, qualifier: Some(&text), owner };
                // Sorts behind its function and before the next name.
                (format!("{} {}", function.name, sortable(*number)), view.json())
            });
            first.chain(versions)
        });
        self.paging.page("Functions", rows)
    }
}
