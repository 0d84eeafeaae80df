//! Event source mappings: Create-, Get-, List-, Update- and DeleteEventSourceMapping, for streams of tables.

use super::{FUNCTION, IN_QUERY_PAGE, MARKER, MAX_ITEMS, Paging, Reply, destination, function, tags};
use crate::{
    error_table::LambdaError,
    names::FunctionReference,
    patterns,
    request::{HttpRequest, InQuery, QueryType},
};
use serde_json::{Value, json};
use stator_api::{
    arn::Owner,
    operation::streams::{StreamReference, label_text},
    reader::{Member, Members, Names, Shape, Structure},
};
use stator_catalog::{
    Catalog, CatalogRefusal, Destination, Mapping, MappingChange, MappingId, MappingSettings, StartingPosition,
};
use stator_trigger::{Filter, filter::PATTERNS_MAX};
use std::collections::BTreeMap;

static BATCH_SIZE: Shape = Shape::Integer { min: Some(1), max: Some(10_000) };
static WINDOW: Shape = Shape::Integer { min: Some(0), max: Some(300) };
static PARALLELIZATION: Shape = Shape::Integer { min: Some(1), max: Some(10) };
static AGE: Shape = Shape::Integer { min: Some(-1), max: Some(604_800) };
static RETRIES: Shape = Shape::Integer { min: Some(-1), max: Some(10_000) };
static TUMBLING_WINDOW: Shape = Shape::Integer { min: Some(0), max: Some(900) };
static POSITION: Shape = Shape::String(Names::Enum(&["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]));
static PATTERN: Shape = Shape::String(Names::Length(0, 4_096));
static FILTERS: Shape =
    Shape::list(&Shape::Structure(&Structure { name: "Filter", members: &[Member::optional("Pattern", &PATTERN)] }));
static FILTER_CRITERIA: Shape =
    Shape::Structure(&Structure { name: "FilterCriteria", members: &[Member::optional("Filters", &FILTERS)] });
static ON_FAILURE: Shape = Shape::Structure(&Structure {
    name: "OnFailure",
    members: &[Member::optional("Destination", &patterns::DESTINATION_ARN)],
});
static DESTINATIONS: Shape = Shape::Structure(&Structure {
    name: "DestinationConfig",
    members: &[Member::not_yet("OnSuccess"), Member::optional("OnFailure", &ON_FAILURE)],
});
static RESPONSE_TYPES: Shape =
    Shape::List { of: &Shape::String(Names::Enum(&["ReportBatchItemFailures"])), min: 0, max: 1 };
static METRICS: Shape = Shape::Structure(&Structure {
    name: "EventSourceMappingMetricsConfig",
    members: &[Member::optional("Metrics", &Shape::list(&Shape::String(Names::Enum(&["EventCount"]))))],
});

const ENABLED: Member = Member::optional("Enabled", &Shape::Boolean);
const BATCH: Member = Member::optional("BatchSize", &BATCH_SIZE);
const CRITERIA: Member = Member::optional("FilterCriteria", &FILTER_CRITERIA);
const BATCHING_WINDOW: Member = Member::optional("MaximumBatchingWindowInSeconds", &WINDOW);
const FACTOR: Member = Member::optional("ParallelizationFactor", &PARALLELIZATION);
const DESTINATION: Member = Member::optional("DestinationConfig", &DESTINATIONS);
const AGE_MAX: Member = Member::optional("MaximumRecordAgeInSeconds", &AGE);
const BISECT: Member = Member::optional("BisectBatchOnFunctionError", &Shape::Boolean);
const RETRIES_MAX: Member = Member::optional("MaximumRetryAttempts", &RETRIES);
const TUMBLING: Member = Member::optional("TumblingWindowInSeconds", &TUMBLING_WINDOW);
const RESPONSES: Member = Member::optional("FunctionResponseTypes", &RESPONSE_TYPES);
const METRICS_CONFIG: Member = Member::optional("MetricsConfig", &METRICS);
const EVENT_SOURCE: Member = Member::optional("EventSourceArn", &patterns::SOURCE_ARN);
const UUID: Member = Member::required("UUID", &Shape::TEXT);

static CREATE: Structure = Structure {
    name: "CreateEventSourceMappingRequest",
    members: &[
        EVENT_SOURCE,
        FUNCTION,
        ENABLED,
        BATCH,
        CRITERIA,
        BATCHING_WINDOW,
        FACTOR,
        Member::optional("StartingPosition", &POSITION),
        Member::optional("StartingPositionTimestamp", &Shape::Timestamp),
        DESTINATION,
        AGE_MAX,
        BISECT,
        RETRIES_MAX,
        Member::optional("Tags", &tags::TAGS),
        TUMBLING,
        RESPONSES,
        METRICS_CONFIG,
        // Of other sources, and keys of a service that is not there.
        Member::not_yet("Topics"),
        Member::not_yet("Queues"),
        Member::not_yet("SourceAccessConfigurations"),
        Member::not_yet("SelfManagedEventSource"),
        Member::not_yet("AmazonManagedKafkaEventSourceConfig"),
        Member::not_yet("SelfManagedKafkaEventSourceConfig"),
        Member::not_yet("ScalingConfig"),
        Member::not_yet("DocumentDBEventSourceConfig"),
        Member::not_yet("KMSKeyArn"),
        Member::not_yet("LoggingConfig"),
        Member::not_yet("ProvisionedPollerConfig"),
    ],
};
static UPDATE: Structure = Structure {
    name: "UpdateEventSourceMappingRequest",
    members: &[
        UUID,
        Member::optional("FunctionName", &patterns::FUNCTION),
        ENABLED,
        BATCH,
        CRITERIA,
        BATCHING_WINDOW,
        FACTOR,
        DESTINATION,
        AGE_MAX,
        BISECT,
        RETRIES_MAX,
        TUMBLING,
        RESPONSES,
        METRICS_CONFIG,
        Member::not_yet("SourceAccessConfigurations"),
        Member::not_yet("AmazonManagedKafkaEventSourceConfig"),
        Member::not_yet("SelfManagedKafkaEventSourceConfig"),
        Member::not_yet("ScalingConfig"),
        Member::not_yet("DocumentDBEventSourceConfig"),
        Member::not_yet("KMSKeyArn"),
        Member::not_yet("LoggingConfig"),
        Member::not_yet("ProvisionedPollerConfig"),
    ],
};
static REFERENCE: Structure = Structure { name: "GetEventSourceMappingRequest", members: &[UUID] };
static LIST: Structure = Structure {
    name: "ListEventSourceMappingsRequest",
    members: &[EVENT_SOURCE, Member::optional("FunctionName", &patterns::FUNCTION), MARKER, MAX_ITEMS],
};
const IN_QUERY_LIST: InQuery =
    &[("EventSourceArn", QueryType::Text), ("FunctionName", QueryType::Text), IN_QUERY_PAGE[0], IN_QUERY_PAGE[1]];

/// What is asked for of a mapping's settings; what is not named stays, or is as by default.
#[derive(Clone, PartialEq, Debug, Default)]
struct Asked {
    batch_size: Option<u32>,
    batching_window_s: Option<u32>,
    parallelization: Option<u32>,
    /// -1 on the wire is `None` within.
    retries_max: Option<Option<u32>>,
    age_max_s: Option<Option<u32>>,
    bisects: Option<bool>,
    tumbling_window_s: Option<u32>,
    reports_failures: Option<bool>,
    on_failure: Option<Option<Destination>>,
    filters: Option<Vec<String>>,
    counts_events: Option<bool>,
}

impl Asked {
    fn read(members: Members<'_>, owner: &Owner) -> Result<Asked, LambdaError> {
        let number = |name| members.integer(name).and_then(|number| u32::try_from(number).ok());
        // -1: without end.
        let or_none = |name| members.integer(name).map(|number| u32::try_from(number).ok());
        let age_max_s = or_none("MaximumRecordAgeInSeconds");
        if matches!(age_max_s, Some(Some(0..=59))) {
            return Err(LambdaError::invalid(
                "MaximumRecordAgeInSeconds must be -1, or between 60 and 604800, for streams.",
            ));
        }
        let on_failure = members.structure("DestinationConfig").map(|config| on_failure(config, owner)).transpose()?;
        Ok(Asked {
            batch_size: number("BatchSize"),
            batching_window_s: number("MaximumBatchingWindowInSeconds"),
            parallelization: number("ParallelizationFactor"),
            retries_max: or_none("MaximumRetryAttempts"),
            age_max_s,
            bisects: members.flag("BisectBatchOnFunctionError"),
            tumbling_window_s: number("TumblingWindowInSeconds"),
            reports_failures: members.list("FunctionResponseTypes").map(|types| !types.is_empty()),
            on_failure,
            filters: members.structure("FilterCriteria").map(filters).transpose()?,
            counts_events: members
                .structure("MetricsConfig")
                .map(|config| config.list("Metrics").is_some_and(|metrics| !metrics.is_empty())),
        })
    }

    /// The settings, changed.
    fn apply(&self, settings: MappingSettings) -> Result<MappingSettings, LambdaError> {
        let asked = self.clone();
        let changed = MappingSettings {
            function: settings.function,
            batch_size: asked.batch_size.unwrap_or(settings.batch_size),
            batching_window_s: asked.batching_window_s.unwrap_or(settings.batching_window_s),
            parallelization: asked.parallelization.unwrap_or(settings.parallelization),
            retries_max: asked.retries_max.unwrap_or(settings.retries_max),
            age_max_s: asked.age_max_s.unwrap_or(settings.age_max_s),
            bisects: asked.bisects.unwrap_or(settings.bisects),
            tumbling_window_s: asked.tumbling_window_s.unwrap_or(settings.tumbling_window_s),
            reports_failures: asked.reports_failures.unwrap_or(settings.reports_failures),
            on_failure: asked.on_failure.unwrap_or(settings.on_failure),
            filters: asked.filters.unwrap_or(settings.filters),
            counts_events: asked.counts_events.unwrap_or(settings.counts_events),
        };
        if changed.tumbling_window_s > 0 && changed.parallelization > 1 {
            return Err(LambdaError::invalid(
                "ParallelizationFactor must be 1 where TumblingWindowInSeconds is more than 0.",
            ));
        }
        Ok(changed)
    }
}

fn on_failure(config: Members<'_>, owner: &Owner) -> Result<Option<Destination>, LambdaError> {
    let arn = config.structure("OnFailure").and_then(|target| target.text("Destination")).unwrap_or_default();
    if arn.is_empty() {
        return Ok(None);
    }
    Ok(Some(match destination::check_destination("DestinationConfig.OnFailure", arn, owner)? {
        destination::Destination::Function(_) => Destination::Function(arn.to_owned()),
        destination::Destination::Table(table) => Destination::Table(table),
    }))
}

fn filters(criteria: Members<'_>) -> Result<Vec<String>, LambdaError> {
    let filters = criteria.list("Filters").unwrap_or_default();
    let pattern = |filter| Some(Members::of(filter)?.text("Pattern")?.to_owned());
    let patterns: Vec<String> = filters.iter().filter_map(pattern).collect();
    if patterns.len() > PATTERNS_MAX {
        return Err(LambdaError::invalid(format!(
            "The number of filters in FilterCriteria must be at most {PATTERNS_MAX}."
        )));
    }
    match Filter::parse(patterns.iter().map(String::as_str)) {
        Ok(_) => Ok(patterns),
        Err(error) => Err(LambdaError::invalid(error.to_string())),
    }
}

/// The ARN of a function that is there.
fn function_arn(function: &FunctionReference, catalog: &Catalog, owner: &Owner) -> Result<String, LambdaError> {
    function.check(owner)?;
    let known = catalog.function(&function.name);
    let is_there = known.is_some_and(|known| {
        function.qualifier.as_deref().is_none_or(|qualifier| known.qualified(qualifier).is_some())
    });
    if !is_there {
        return Err(LambdaError::invalid("Function does not exist"));
    }
    Ok(owner.function_arn(&function.name, function.qualifier.as_deref()))
}

/// CreateEventSourceMapping.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateEventSourceMapping {
    function: FunctionReference,
    source_arn: String,
    source: StreamReference,
    starting: StartingPosition,
    enabled: bool,
    asked: Asked,
    tags: BTreeMap<String, String>,
}

impl CreateEventSourceMapping {
    pub fn parse(request: &HttpRequest<'_>, owner: &Owner) -> Result<CreateEventSourceMapping, LambdaError> {
        let read = request.read(&[], &CREATE)?;
        let members = read.members();
        let arn = members.text("EventSourceArn").unwrap_or_default();
        let source = StreamReference::parse(arn).ok_or_else(|| LambdaError::invalid("Unrecognized event source."))?;
        let starting = match members.text("StartingPosition") {
            Some("TRIM_HORIZON") => StartingPosition::TrimHorizon,
            Some("LATEST") => StartingPosition::Latest,
            Some(_) => return Err(LambdaError::invalid(format!("Unsupported starting position for arn type: {arn}"))),
            None => {
                return Err(LambdaError::invalid(
                    "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member \
                     must not be null.",
                ));
            }
        };
        Ok(CreateEventSourceMapping {
            function: function(members)?,
            source_arn: arn.to_owned(),
            source,
            starting,
            enabled: members.flag("Enabled").unwrap_or(true),
            asked: Asked::read(members, owner)?,
            tags: tags::read(members),
        })
    }

    /// What the catalog is asked for. `random`: of which the mapping's id is made.
    pub fn change(
        &self,
        catalog: &Catalog,
        owner: &Owner,
        random: u128,
        now_ms: u64,
    ) -> Result<MappingChange, LambdaError> {
        let settings = self.asked.apply(MappingSettings::new(function_arn(&self.function, catalog, owner)?))?;
        let (table, stream) = self.source.find(catalog, owner, now_ms).map_err(|_| self.no_stream())?;
        Ok(MappingChange::Create {
            id: MappingId::of_random(random),
            table: table.id,
            stream: stream.label,
            starting: self.starting,
            settings,
            enabled: self.enabled,
            tags: self.tags.clone(),
        })
    }

    fn no_stream(&self) -> LambdaError {
        LambdaError::invalid(format!("Stream not found: {}", self.source_arn))
    }

    /// Why the catalog refuses it.
    pub fn refusal(&self, refusal: CatalogRefusal) -> LambdaError {
        match refusal {
            CatalogRefusal::NoSuchStream => self.no_stream(),
            CatalogRefusal::MappingExists(id) => LambdaError::ResourceConflict(format!(
                "The event source arn (\" {} \") and function (\" {} \") provided mapping already exists. Please update or \
                 delete the existing mapping with UUID {id}",
                self.source_arn, self.function.name
            )),
            other => other.into(),
        }
    }
}

fn id(members: Members<'_>) -> Result<MappingId, LambdaError> {
    let text = members.text("UUID").unwrap_or_default();
    text.parse().map_err(|_| LambdaError::no_such_mapping())
}

/// GetEventSourceMapping and DeleteEventSourceMapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MappingReference {
    pub id: MappingId,
}

impl MappingReference {
    pub fn parse(request: &HttpRequest<'_>) -> Result<MappingReference, LambdaError> {
        Ok(MappingReference { id: id(request.read_head(&[], &REFERENCE)?.members())? })
    }

    /// The mapping's JSON.
    pub fn json(&self, catalog: &Catalog, owner: &Owner) -> Result<Value, LambdaError> {
        catalog.mapping(self.id).map(|mapping| mapping_json(mapping, owner)).ok_or_else(LambdaError::no_such_mapping)
    }

    pub fn delete(&self) -> MappingChange {
        MappingChange::Delete { id: self.id }
    }
}

/// UpdateEventSourceMapping.
#[derive(Clone, PartialEq, Debug)]
pub struct UpdateEventSourceMapping {
    pub id: MappingId,
    function: Option<FunctionReference>,
    enabled: Option<bool>,
    asked: Asked,
}

impl UpdateEventSourceMapping {
    pub fn parse(request: &HttpRequest<'_>, owner: &Owner) -> Result<UpdateEventSourceMapping, LambdaError> {
        let read = request.read(&[], &UPDATE)?;
        let members = read.members();
        Ok(UpdateEventSourceMapping {
            id: id(members)?,
            function: members.text("FunctionName").map(|_| function(members)).transpose()?,
            enabled: members.flag("Enabled"),
            asked: Asked::read(members, owner)?,
        })
    }

    pub fn change(&self, catalog: &Catalog, owner: &Owner) -> Result<MappingChange, LambdaError> {
        let mut settings = catalog.mapping(self.id).ok_or_else(LambdaError::no_such_mapping)?.settings.clone();
        if let Some(function) = &self.function {
            settings.function = function_arn(function, catalog, owner)?;
        }
        let settings = self.asked.apply(settings)?;
        Ok(MappingChange::Update { id: self.id, settings, enabled: self.enabled })
    }
}

/// ListEventSourceMappings.
#[derive(Clone, PartialEq, Debug)]
pub struct ListEventSourceMappings {
    source_arn: Option<String>,
    function: Option<FunctionReference>,
    paging: Paging,
}

impl ListEventSourceMappings {
    pub fn parse(request: &HttpRequest<'_>) -> Result<ListEventSourceMappings, LambdaError> {
        let read = request.read_head(IN_QUERY_LIST, &LIST)?;
        let members = read.members();
        Ok(ListEventSourceMappings {
            source_arn: members.text("EventSourceArn").map(str::to_owned),
            function: members.text("FunctionName").map(|_| function(members)).transpose()?,
            paging: Paging::read(members),
        })
    }

    pub fn json(&self, catalog: &Catalog, owner: &Owner) -> Value {
        let arn = self.function.as_ref().map(|of| owner.function_arn(&of.name, of.qualifier.as_deref()));
        let is_asked = |mapping: &&std::sync::Arc<Mapping>| {
            self.source_arn.as_ref().is_none_or(|arn| *arn == source_arn(mapping, owner))
                && arn.as_ref().is_none_or(|arn| *arn == mapping.settings.function)
        };
        let asked = catalog.mappings().filter(is_asked);
        let shown = asked.map(|mapping| (mapping.id.to_string(), mapping_json(mapping, owner)));
        self.paging.page("EventSourceMappings", shown)
    }
}

fn source_arn(mapping: &Mapping, owner: &Owner) -> String {
    owner.stream_arn(&mapping.table_name, &label_text(mapping.stream))
}

/// The reply to what changed a mapping.
pub fn mapping_reply(mapping: &Mapping, owner: &Owner) -> Reply {
    Reply::json(202, &mapping_json(mapping, owner))
}

/// `EventSourceMappingConfiguration`.
pub fn mapping_json(mapping: &Mapping, owner: &Owner) -> Value {
    let settings = &mapping.settings;
    let or_endless = |number: Option<u32>| number.map_or(-1, i64::from);
    let target = match &settings.on_failure {
        None => json!({}),
        Some(Destination::Function(arn)) => json!({ "Destination": arn }),
        Some(Destination::Table(table)) => json!({ "Destination": owner.table_arn(table) }),
    };
    let types: &[&str] = if settings.reports_failures { &["ReportBatchItemFailures"] } else { &[] };
    let mut shown = json!({
        "UUID": mapping.id.to_string(),
        "EventSourceMappingArn": format!(
            "arn:aws:lambda:{}:{}:event-source-mapping:{}", owner.region, owner.account_id, mapping.id
        ),
        "EventSourceArn": source_arn(mapping, owner),
        "FunctionArn": settings.function,
        "StartingPosition": mapping.starting.name(),
        "BatchSize": settings.batch_size,
        "MaximumBatchingWindowInSeconds": settings.batching_window_s,
        "ParallelizationFactor": settings.parallelization,
        "MaximumRecordAgeInSeconds": or_endless(settings.age_max_s),
        "MaximumRetryAttempts": or_endless(settings.retries_max),
        "BisectBatchOnFunctionError": settings.bisects,
        "TumblingWindowInSeconds": settings.tumbling_window_s,
        "FunctionResponseTypes": types,
        "DestinationConfig": { "OnFailure": target },
        // Seconds since 1970, as the protocol has timestamps.
        "LastModified": mapping.modified_ms as f64 / 1_000.0,
        "LastProcessingResult": mapping.result.text(),
        "State": mapping.state.name(),
        "StateTransitionReason": "User action",
    });
    let filters = settings.filters.iter().map(|pattern| json!({ "Pattern": pattern }));
    let filters: Vec<Value> = filters.collect();
    if let Some(members) = shown.as_object_mut() {
        if !filters.is_empty() {
            members.insert("FilterCriteria".to_owned(), json!({ "Filters": filters }));
        }
        if settings.counts_events {
            members.insert("MetricsConfig".to_owned(), json!({ "Metrics": ["EventCount"] }));
        }
    }
    shown
}
