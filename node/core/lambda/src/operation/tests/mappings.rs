//! Event source mappings: what is asked for, shown and refused.

use super::*;
use stator_catalog::{BillingSpec, MappingChange, StreamView, TableSpec};

const CREATE_MAPPING: &str = "POST /2015-03-31/event-source-mappings/";
const SOURCE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/1970-01-01T00:00:01.000";
const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

/// A cluster with the function `f` and the table `orders`, which has a stream.
fn mapped() -> Catalog {
    let mut catalog = cluster();
    let input = create(&body("")).expect("a good request");
    step(&mut catalog, input.change(code(1), None, 1));
    let table = TableSpec {
        stream: Some(StreamView::NewAndOldImages),
        ..TableSpec::plain("orders", "id", BillingSpec::OnDemand { throughput: None })
    };
    let change = Change::CreateTable { table: Box::new(table), partitions: None, tables_max: None, avoid: Vec::new() };
    catalog.step(change, &Stamp { now_ms: 1_000 }).expect("made");
    catalog
}

fn source(more: &str) -> String {
    format!(r#"{{"EventSourceArn":"{SOURCE}","FunctionName":"f","StartingPosition":"LATEST"{more}}}"#)
}

fn parse_create(body: &str) -> Result<CreateEventSourceMapping, LambdaError> {
    with(CREATE_MAPPING, body, |request| CreateEventSourceMapping::parse(request, &owner()))
}

fn change(catalog: &Catalog, body: &str) -> Result<MappingChange, LambdaError> {
    parse_create(body)?.change(catalog, &owner(), 0x1234, 1_000)
}

fn make(catalog: &mut Catalog, body: &str) -> Value {
    let change = change(catalog, body).expect("a good request");
    match catalog.step(Change::Mapping(Box::new(change)), &Stamp { now_ms: 2_000 }) {
        Ok(Outcome::Mapping(mapping)) => mapping_json(&mapping, &owner()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mapping_is_shown_with_every_default() {
    let mut catalog = mapped();
    let uuid = "00000000-0000-4000-8000-000000001234";
    let expected = json!({
        "UUID": uuid,
        "EventSourceMappingArn": format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}"),
        "EventSourceArn": SOURCE,
        "FunctionArn": FUNCTION_ARN,
        "StartingPosition": "LATEST",
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 0,
        "ParallelizationFactor": 1,
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "BisectBatchOnFunctionError": false,
        "TumblingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "DestinationConfig": { "OnFailure": {} },
        "LastModified": 2.0,
        "LastProcessingResult": "No records processed",
        "State": "Creating",
        "StateTransitionReason": "User action",
    });
    assert_eq!(make(&mut catalog, &source("")), expected);

    let get = format!("GET /2015-03-31/event-source-mappings/{uuid}");
    let reference = with(&get, "", MappingReference::parse).expect("a good request");
    assert_eq!(reference.json(&catalog, &owner()), Ok(expected));
    let list = |query: &str| {
        let head = format!("GET /2015-03-31/event-source-mappings?{query}");
        let shown = with(&head, "", ListEventSourceMappings::parse).expect("a good request").json(&catalog, &owner());
        shown["EventSourceMappings"].as_array().map(Vec::len)
    };
    for (query, count) in [
        ("", 1),
        ("FunctionName=f", 1),
        (&format!("FunctionName={FUNCTION_ARN}&EventSourceArn={SOURCE}"), 1),
        ("FunctionName=g", 0),
        ("EventSourceArn=arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/1970-01-01T00:00:01.000", 0),
    ] {
        assert_eq!(list(query), Some(count), "{query}");
    }
}

#[test]
fn settings_are_taken_and_changed() {
    let mut catalog = mapped();
    let more = r#","BatchSize":7,"MaximumBatchingWindowInSeconds":3,"ParallelizationFactor":2,"Enabled":false,
        "MaximumRecordAgeInSeconds":60,"MaximumRetryAttempts":0,"BisectBatchOnFunctionError":true,
        "FunctionResponseTypes":["ReportBatchItemFailures"],"MetricsConfig":{"Metrics":["EventCount"]},
        "FilterCriteria":{"Filters":[{"Pattern":"{\"eventName\":[\"INSERT\"]}"}]},
        "DestinationConfig":{"OnFailure":{"Destination":"arn:aws:dynamodb:us-east-1:000000000000:table/lost"}}"#;
    let shown = make(&mut catalog, &source(more));
    for (member, value) in [
        ("BatchSize", json!(7)),
        ("MaximumBatchingWindowInSeconds", json!(3)),
        ("ParallelizationFactor", json!(2)),
        ("MaximumRecordAgeInSeconds", json!(60)),
        ("MaximumRetryAttempts", json!(0)),
        ("BisectBatchOnFunctionError", json!(true)),
        ("FunctionResponseTypes", json!(["ReportBatchItemFailures"])),
        ("MetricsConfig", json!({"Metrics": ["EventCount"]})),
        ("FilterCriteria", json!({"Filters": [{"Pattern": "{\"eventName\":[\"INSERT\"]}"}]})),
        (
            "DestinationConfig",
            json!({"OnFailure": {"Destination": "arn:aws:dynamodb:us-east-1:000000000000:table/lost"}}),
        ),
    ] {
        assert_eq!(shown[member], value, "{member}");
    }
    let uuid = shown["UUID"].as_str().expect("an id");
    let put = format!("PUT /2015-03-31/event-source-mappings/{uuid}");
    let body = r#"{"MaximumRetryAttempts":-1,"DestinationConfig":{"OnFailure":{}},"FilterCriteria":{},"Enabled":true}"#;
    let update =
        with(&put, body, |request| UpdateEventSourceMapping::parse(request, &owner())).expect("a good request");
    let Ok(MappingChange::Update { settings, enabled, .. }) = update.change(&catalog, &owner()) else {
        panic!("it is there")
    };
    assert_eq!((settings.retries_max, settings.on_failure, settings.filters.len()), (None, None, 0));
    assert_eq!(
        (settings.batch_size, settings.age_max_s, enabled),
        (7, Some(60), Some(true)),
        "what is not named stays"
    );
}

#[test]
fn what_cannot_be_is_refused_in_lambdas_words() {
    let mut catalog = mapped();
    let invalid = "InvalidParameterValueException";
    for (body, type_name, message) in [
        (
            format!(r#"{{"EventSourceArn":"{SOURCE}","FunctionName":"f"}}"#),
            invalid,
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be \
             null.",
        ),
        (
            r#"{"EventSourceArn":"arn:aws:sqs:us-east-1:000000000000:q","FunctionName":"f"}"#.to_owned(),
            invalid,
            "Unrecognized event source.",
        ),
        (
            source("").replace("orders", "others"),
            invalid,
            &format!("Stream not found: {}", SOURCE.replace("orders", "others")),
        ),
        (source("").replace("\"f\"", "\"g\""), invalid, "Function does not exist"),
        (
            source("").replace("LATEST", "AT_TIMESTAMP"),
            invalid,
            &format!("Unsupported starting position for arn type: {SOURCE}"),
        ),
        (
            source(r#","FilterCriteria":{"Filters":[{"Pattern":"{\"a\":1}"}]}"#),
            invalid,
            "Invalid filter pattern definition.",
        ),
        (
            source(r#","BatchSize":0"#),
            "ValidationException",
            "1 validation error detected: Value '0' at 'batchSize' failed to satisfy constraint: Member must have value \
             greater than or equal to 1",
        ),
    ] {
        let (status, named, told) = told(change(&catalog, &body));
        assert_eq!((status, named.as_str(), told.as_str()), (400, type_name, message), "{body}");
    }
    for body in [
        source(r#","MaximumRecordAgeInSeconds":59"#),
        source(r#","TumblingWindowInSeconds":10,"ParallelizationFactor":2"#),
        source(r#","KMSKeyArn":"arn:aws:kms:us-east-1:000000000000:key/k""#),
        source(r#","DestinationConfig":{"OnFailure":{"Destination":"arn:aws:sqs:us-east-1:000000000000:q"}}"#),
    ] {
        assert_eq!(told(change(&catalog, &body)).0, 400, "{body}");
    }
    make(&mut catalog, &source(""));
    let again = parse_create(&source("")).expect("a good request");
    let change = again.change(&catalog, &owner(), 9, 1_000).expect("a good request");
    let refusal = catalog.step(Change::Mapping(Box::new(change)), &Stamp { now_ms: 3_000 }).expect_err("there is one");
    let wire = Wire::of(again.refusal(refusal), &owner());
    assert_eq!((wire.status, wire.type_name.as_str()), (409, "ResourceConflictException"));
    assert_eq!(
        wire.message,
        format!(
            "The event source arn (\" {SOURCE} \") and function (\" f \") provided mapping already exists. Please update or \
             delete the existing mapping with UUID 00000000-0000-4000-8000-000000001234"
        )
    );
    let gone = "GET /2015-03-31/event-source-mappings/00000000-0000-4000-8000-000000000000";
    let reference = with(gone, "", MappingReference::parse).expect("a good request");
    assert_eq!(told(reference.json(&catalog, &owner())).0, 404);
    assert_eq!(told(with("GET /2015-03-31/event-source-mappings/x", "", MappingReference::parse)).0, 404);
}
