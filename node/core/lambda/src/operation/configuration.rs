//! A version's configuration: read for CreateFunction and UpdateFunctionConfiguration, and shown.

use super::{FUNCTION, REVISION, destination::check_destination, function, revision, revision_text, version_text};
use crate::{error_table::LambdaError, names::FunctionReference, patterns, request::HttpRequest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use stator_api::{
    arn::Owner,
    date_time,
    reader::{Member, Members, Names, Shape, Structure},
};
use stator_catalog::{
    Function, FunctionChange, FunctionChangeKind, FunctionConfiguration, FunctionUpdate, FunctionVersion, Logging,
    Secret,
};
use std::collections::BTreeMap;

/// All runtimes of the model, and one of Stator's own.
pub(super) static RUNTIMES: Shape = Shape::String(Names::Enum(&[
    "nodejs18.x",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "nodejs26.x",
    "python3.8",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "python3.15",
    "provided",
    "provided.al2",
    "provided.al2023",
    "provided.wasm",
    "java8",
    "java8.al2",
    "java8.al2023",
    "java11",
    "java11.al2023",
    "java17",
    "java17.al2023",
    "java21",
    "java25",
    "dotnet6",
    "dotnet8",
    "dotnet10",
    "ruby3.2",
    "ruby3.3",
    "ruby3.4",
    "ruby4.0",
    "go1.x",
    "nodejs",
    "nodejs4.3",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs16.x",
    "python2.7",
    "python3.6",
    "python3.7",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "nodejs4.3-edge",
    "ruby2.5",
    "ruby2.7",
]));
/// Beginnings of those that can be run here.
const RUNTIMES_SERVED: [&str; 4] = ["nodejs1", "nodejs2", "python3.", "provided"];
/// Beginnings of runtimes that would be taken for them.
const RUNTIMES_OVER: [&str; 6] = ["nodejs10", "nodejs12", "nodejs14", "nodejs16", "python3.6", "python3.7"];
const TIMEOUT_S_MAX: i64 = 900;
const MEMORY_MB_MAX: i64 = 10_240;
const EPHEMERAL_MB_MAX: i64 = 10_240;
const TIMEOUT_S: u32 = 3;
const MEMORY_MB: u32 = 128;
const EPHEMERAL_MB: u32 = 512;
/// Names and values of all variables.
const ENVIRONMENT_BYTES_MAX: usize = 4_096;
/// Variables that the runtime sets.
const RESERVED_VARIABLES: [&str; 17] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

pub(super) static TIMEOUT: Shape = Shape::Integer { min: Some(1), max: Some(5_400) };
pub(super) static MEMORY: Shape = Shape::Integer { min: Some(128), max: Some(32_768) };
static EPHEMERAL: Shape = Shape::Integer { min: Some(512), max: Some(32_768) };
pub(super) static DESCRIPTION: Shape = Shape::String(Names::Length(0, 256));
pub(super) static ENVIRONMENT: Shape = Shape::Structure(&Structure {
    name: "Environment",
    members: &[Member::optional("Variables", &Shape::map(&patterns::VARIABLE, &Shape::TEXT))],
});
pub(super) static EPHEMERAL_STORAGE: Shape =
    Shape::Structure(&Structure { name: "EphemeralStorage", members: &[Member::required("Size", &EPHEMERAL)] });
pub(super) static TRACING: Shape = Shape::Structure(&Structure {
    name: "TracingConfig",
    members: &[Member::optional("Mode", &Shape::String(Names::Enum(&["Active", "PassThrough"])))],
});
pub(super) static DEAD_LETTER: Shape = Shape::Structure(&Structure {
    name: "DeadLetterConfig",
    members: &[Member::optional("TargetArn", &patterns::RESOURCE_ARN)],
});
pub(super) static SNAP_START: Shape = Shape::Structure(&Structure {
    name: "SnapStart",
    members: &[Member::optional("ApplyOn", &Shape::String(Names::Enum(&["PublishedVersions", "None"])))],
});
pub(super) static LOGGING: Shape = Shape::Structure(&Structure {
    name: "LoggingConfig",
    members: &[
        Member::optional("LogFormat", &Shape::String(Names::Enum(&["JSON", "Text"]))),
        Member::optional(
            "ApplicationLogLevel",
            &Shape::String(Names::Enum(&["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"])),
        ),
        Member::optional("SystemLogLevel", &Shape::String(Names::Enum(&["DEBUG", "INFO", "WARN"]))),
        Member::optional("LogGroup", &patterns::LOG_GROUP),
    ],
});
/// Clients send empty ones to say that there is none.
pub(super) static VPC: Shape = Shape::Structure(&Structure {
    name: "VpcConfig",
    members: &[
        Member::optional("SubnetIds", &Shape::list(&Shape::TEXT)),
        Member::optional("SecurityGroupIds", &Shape::list(&Shape::TEXT)),
        Member::optional("Ipv6AllowedForDualStack", &Shape::Boolean),
    ],
});
pub(super) static EMPTY_LIST: Shape = Shape::list(&Shape::Anything);

/// The members that both operations know.
macro_rules! configuration_members {
    ($($own:expr),* $(,)?) => {
        &[
            $($own,)*
            Member::optional("Runtime", &super::configuration::RUNTIMES),
            Member::optional("Handler", &crate::patterns::HANDLER),
            Member::optional("Description", &super::configuration::DESCRIPTION),
            Member::optional("Timeout", &super::configuration::TIMEOUT),
            Member::optional("MemorySize", &super::configuration::MEMORY),
            Member::optional("Environment", &super::configuration::ENVIRONMENT),
            Member::optional("EphemeralStorage", &super::configuration::EPHEMERAL_STORAGE),
            Member::optional("TracingConfig", &super::configuration::TRACING),
            Member::optional("DeadLetterConfig", &super::configuration::DEAD_LETTER),
            Member::optional("SnapStart", &super::configuration::SNAP_START),
            Member::optional("LoggingConfig", &super::configuration::LOGGING),
            Member::optional("VpcConfig", &super::configuration::VPC),
            Member::optional("Layers", &super::configuration::EMPTY_LIST),
            Member::optional("FileSystemConfigs", &super::configuration::EMPTY_LIST),
            Member::optional("KMSKeyArn", &crate::patterns::RESOURCE_ARN),
            Member::not_yet("ImageConfig"),
            Member::not_yet("CapacityProviderConfig"),
            Member::not_yet("DurableConfig"),
        ]
    };
}
pub(super) use configuration_members;

static INPUT: Structure = Structure {
    name: "UpdateFunctionConfigurationRequest",
    members: configuration_members![FUNCTION, REVISION, Member::optional("Role", &patterns::ROLE)],
};

/// UpdateFunctionConfiguration.
#[derive(Clone, PartialEq, Debug)]
pub struct UpdateFunctionConfiguration {
    pub function: FunctionReference,
    update: FunctionUpdate,
    if_revision: Option<u128>,
}

impl UpdateFunctionConfiguration {
    pub fn parse(request: &HttpRequest<'_>, owner: &Owner) -> Result<UpdateFunctionConfiguration, LambdaError> {
        let read = request.read(&[], &INPUT)?;
        let members = read.members();
        let function = function(members)?.unqualified()?;
        Ok(UpdateFunctionConfiguration {
            function,
            update: read_update(members, owner)?,
            if_revision: revision(members),
        })
    }

    /// The ARN of a dead letter target, to be looked for.
    pub fn dead_letter(&self) -> Option<&str> {
        self.update.dead_letter.as_deref().filter(|arn| !arn.is_empty())
    }

    /// `revision`: random.
    pub fn change(&self, revision: u128) -> FunctionChange {
        FunctionChange {
            function: self.function.name.clone(),
            what: FunctionChangeKind::UpdateConfiguration(Box::new(self.update.clone())),
            revision,
            if_revision: self.if_revision,
        }
    }
}

/// What a request says of a configuration.
pub(super) fn read_update(members: Members<'_>, owner: &Owner) -> Result<FunctionUpdate, LambdaError> {
    refuse_unserved(members)?;
    let runtime = members.text("Runtime").map(str::to_owned);
    if let Some(runtime) = &runtime {
        check_runtime(runtime)?;
    }
    let bounded = |members: Members<'_>, name: &str, shown: &str, max: i64| match members.integer(name) {
        Some(number) if number > max => Err(LambdaError::invalid(format!(
            "'{shown}' value failed to satisfy constraint: Member must have value less than or equal to {max}"
        ))),
        number => Ok(number.and_then(|number| u32::try_from(number).ok())),
    };
    let ephemeral = match members.structure("EphemeralStorage") {
        Some(storage) => bounded(storage, "Size", "EphemeralStorage.Size", EPHEMERAL_MB_MAX)?,
        None => None,
    };
    let dead_letter = members.structure("DeadLetterConfig").map(|dead| dead.text("TargetArn").unwrap_or_default());
    if let Some(arn) = dead_letter.filter(|arn| !arn.is_empty()) {
        check_destination("DeadLetterConfig.TargetArn", arn, owner)?;
    }
    let tracing = members.structure("TracingConfig").and_then(|tracing| tracing.text("Mode"));
    Ok(FunctionUpdate {
        runtime,
        role: members.text("Role").map(str::to_owned),
        handler: members.text("Handler").map(str::to_owned),
        description: members.text("Description").map(str::to_owned),
        timeout_s: bounded(members, "Timeout", "Timeout", TIMEOUT_S_MAX)?,
        memory_mb: bounded(members, "MemorySize", "MemorySize", MEMORY_MB_MAX)?,
        ephemeral_mb: ephemeral,
        environment: members.structure("Environment").map(read_environment).transpose()?,
        is_traced: tracing.map(|mode| mode == "Active"),
        logging: members.structure("LoggingConfig").map(read_logging).transpose()?,
        dead_letter: dead_letter.map(str::to_owned),
    })
}

/// A new function's configuration: defaults for what is not said.
pub(super) fn complete(update: FunctionUpdate) -> Result<FunctionConfiguration, LambdaError> {
    let (Some(runtime), Some(handler)) = (update.runtime, update.handler) else {
        return Err(LambdaError::invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    };
    let logging = Logging { is_json: false, application_level: None, system_level: None, group: None };
    Ok(FunctionConfiguration {
        runtime,
        role: update.role.unwrap_or_default(),
        handler,
        description: update.description.unwrap_or_default(),
        timeout_s: update.timeout_s.unwrap_or(TIMEOUT_S),
        memory_mb: update.memory_mb.unwrap_or(MEMORY_MB),
        ephemeral_mb: update.ephemeral_mb.unwrap_or(EPHEMERAL_MB),
        environment: update.environment.filter(|variables| !variables.0.is_empty()),
        is_traced: update.is_traced.unwrap_or_default(),
        logging: update.logging.unwrap_or(logging),
        dead_letter: update.dead_letter.filter(|arn| !arn.is_empty()),
    })
}

fn refuse_unserved(members: Members<'_>) -> Result<(), LambdaError> {
    let refused = |name: &str| Err(LambdaError::invalid(format!("The parameter {name} is not supported yet")));
    let is_listed = |members: Members<'_>, name: &str| members.list(name).is_some_and(|list| !list.is_empty());
    if let Some(vpc) = members.structure("VpcConfig")
        && (is_listed(vpc, "SubnetIds") || is_listed(vpc, "SecurityGroupIds"))
    {
        return refused("VpcConfig");
    }
    for name in ["Layers", "FileSystemConfigs"] {
        if is_listed(members, name) {
            return refused(name);
        }
    }
    if members.text("KMSKeyArn").is_some_and(|arn| !arn.is_empty()) {
        return refused("KMSKeyArn");
    }
    if members.structure("SnapStart").and_then(|snap| snap.text("ApplyOn")) == Some("PublishedVersions") {
        return refused("SnapStart");
    }
    Ok(())
}

fn check_runtime(runtime: &str) -> Result<(), LambdaError> {
    let begins = |names: &[&str]| names.iter().any(|name| runtime.starts_with(name));
    if begins(&RUNTIMES_SERVED) && !begins(&RUNTIMES_OVER) {
        return Ok(());
    }
    Err(LambdaError::invalid(format!(
        "The runtime parameter of {runtime} is not supported for creating or updating functions here. Served are \
         provided.*, python3.8 and later, and nodejs18.x and later."
    )))
}

fn read_environment(environment: Members<'_>) -> Result<Secret<BTreeMap<String, String>>, LambdaError> {
    let mut variables = BTreeMap::new();
    if let Some(given) = environment.map("Variables") {
        variables.extend(given.iter().filter_map(|(name, value)| Some((name.to_owned(), value.as_str()?.to_owned()))));
    }
    let reserved: Vec<&str> =
        variables.keys().map(String::as_str).filter(|name| RESERVED_VARIABLES.contains(name)).collect();
    if !reserved.is_empty() {
        return Err(LambdaError::invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided contains reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: {}",
            reserved.join(", ")
        )));
    }
    let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > ENVIRONMENT_BYTES_MAX {
        return Err(LambdaError::invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided exceeded the 4KB limit.",
        ));
    }
    Ok(Secret(variables))
}

fn read_logging(logging: Members<'_>) -> Result<Logging, LambdaError> {
    let text = |name: &str| logging.text(name).map(str::to_owned);
    let is_json = logging.text("LogFormat") == Some("JSON");
    let (application_level, system_level) = (text("ApplicationLogLevel"), text("SystemLogLevel"));
    if !is_json && (application_level.is_some() || system_level.is_some()) {
        return Err(LambdaError::invalid(
            "ApplicationLogLevel and SystemLogLevel can be set only if the LogFormat is set to JSON.",
        ));
    }
    Ok(Logging { is_json, application_level, system_level, group: text("LogGroup") })
}

/// One version of a function, as replies show it.
#[derive(Clone, Copy, Debug)]
pub struct VersionView<'a> {
    pub function: &'a Function,
    /// `None`: `$LATEST`.
    pub number: Option<u64>,
    pub version: &'a FunctionVersion,
    /// At the end of its ARN.
    pub qualifier: Option<&'a str>,
    pub owner: &'a Owner,
}

impl VersionView<'_> {
    /// `FunctionConfiguration`.
    pub fn json(&self) -> Value {
        let FunctionVersion { configuration, code, is_arm, modified_ms, revision } = self.version;
        let mut shown = json!({
            "FunctionName": self.function.name,
            "FunctionArn": self.owner.function_arn(&self.function.name, self.qualifier),
            "Runtime": configuration.runtime,
            "Role": configuration.role,
            "Handler": configuration.handler,
            "CodeSize": code.bytes,
            "CodeSha256": STANDARD.encode(code.sha256),
            "Description": configuration.description,
            "Timeout": configuration.timeout_s,
            "MemorySize": configuration.memory_mb,
            "LastModified": format!("{}+0000", date_time::milliseconds(*modified_ms)),
            "Version": version_text(self.number),
            "TracingConfig": { "Mode": if configuration.is_traced { "Active" } else { "PassThrough" } },
            "RevisionId": revision_text(*revision),
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": [if *is_arm { "arm64" } else { "x86_64" }],
            "EphemeralStorage": { "Size": configuration.ephemeral_mb },
            "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
            "LoggingConfig": logging_json(&configuration.logging, &self.function.name),
        });
        if let Some(members) = shown.as_object_mut() {
            if let Some(variables) = &configuration.environment {
                members.insert("Environment".to_owned(), json!({ "Variables": variables.0 }));
            }
            if let Some(arn) = &configuration.dead_letter {
                members.insert("DeadLetterConfig".to_owned(), json!({ "TargetArn": arn }));
            }
        }
        shown
    }
}

fn logging_json(logging: &Logging, function: &str) -> Value {
    let group = logging.group.clone().unwrap_or_else(|| format!("/aws/lambda/{function}"));
    let mut shown = json!({ "LogFormat": if logging.is_json { "JSON" } else { "Text" }, "LogGroup": group });
    if let (true, Some(members)) = (logging.is_json, shown.as_object_mut()) {
        let level = |given: &Option<String>| given.clone().unwrap_or_else(|| "INFO".to_owned());
        members.insert("ApplicationLogLevel".to_owned(), level(&logging.application_level).into());
        members.insert("SystemLogLevel".to_owned(), level(&logging.system_level).into());
    }
    shown
}
