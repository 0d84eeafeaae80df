//! Requests that are understood, and those that are refused, in Lambda's words.

mod mappings;

use super::*;
use crate::{
    error_table::Wire,
    request::HttpRequest,
    route::{query, route},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use stator_api::arn::Owner;
use stator_catalog::{Catalog, Change, ClusterIdentity, FunctionCode, NodeStart, Outcome, Secret, Stamp, UploadedCode};

fn owner() -> Owner {
    Owner { region: "us-east-1".into(), account_id: "000000000000".into() }
}

/// What an operation makes of a request: `METHOD path?query`, then headers as `name: value`.
fn with<T>(
    head: &str,
    body: &str,
    parse: impl FnOnce(&HttpRequest<'_>) -> Result<T, LambdaError>,
) -> Result<T, LambdaError> {
    let mut lines = head.lines();
    let (method, target) = lines.next().and_then(|line| line.split_once(' ')).expect("a request line");
    let (path, parameters) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.trim().split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let routed = route(method, path).expect("an operation");
    let parameters = query(parameters);
    parse(&HttpRequest::new(&routed, &parameters, &headers, body.as_bytes()))
}

fn told<T: std::fmt::Debug>(outcome: Result<T, LambdaError>) -> (u16, String, String) {
    let wire = Wire::of(outcome.expect_err("a refusal"), &owner());
    (wire.status, wire.type_name, wire.message)
}

const CREATE: &str = "POST /2015-03-31/functions";

fn create(body: &str) -> Result<CreateFunction, LambdaError> {
    with(CREATE, body, |request| CreateFunction::parse(request, &owner()))
}

fn body(more: &str) -> String {
    let zip = STANDARD.encode("zip");
    format!(
        r#"{{"FunctionName":"f","Role":"arn:aws:iam::000000000000:role/r","Runtime":"python3.12","Handler":"app.handle",
            "Code":{{"ZipFile":"{zip}"}}{more}}}"#
    )
}

fn cluster() -> Catalog {
    let mut catalog = Catalog::default();
    let identity = ClusterIdentity {
        cluster_id: 7,
        region: "us-east-1".into(),
        account_id: "000000000000".into(),
        authority: Secret(bytes::Bytes::from_static(b"ca")),
    };
    let node = NodeStart {
        directory: 1,
        start_counter: 1,
        peer_address: String::new(),
        client_address: String::new(),
        zone: String::new(),
        version: String::new(),
        format: 1,
    };
    catalog.step(Change::InitCluster { identity, node }, &Stamp { now_ms: 0 }).expect("made");
    catalog
}

fn step(catalog: &mut Catalog, change: stator_catalog::FunctionChange) -> std::sync::Arc<stator_catalog::Function> {
    match catalog.step(Change::Function(Box::new(change)), &Stamp { now_ms: 1_000 }) {
        Ok(Outcome::Function(function)) => function,
        other => panic!("{other:?}"),
    }
}

fn code(zip: u8) -> UploadedCode {
    UploadedCode { code: FunctionCode { sha256: [zip; 32], bytes: 3 }, uploaded_ms: 1_000 }
}

#[test]
fn functions_are_made_and_shown_with_their_defaults() {
    let mut catalog = cluster();
    let input = create(&body(r#","Environment":{"Variables":{"AB":"c"}},"Tags":{"team":"x"},"Publish":true"#))
        .expect("a good request");
    assert_eq!(input.zip, b"zip");
    let function = step(&mut catalog, input.change(code(1), None, 0x1234));
    let shown = input.json(&function, &owner());
    let expected = json!({
        "FunctionName": "f",
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f:1",
        "Runtime": "python3.12",
        "Role": "arn:aws:iam::000000000000:role/r",
        "Handler": "app.handle",
        "CodeSize": 3,
        "CodeSha256": STANDARD.encode([1; 32]),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "LastModified": "1970-01-01T00:00:01.000+0000",
        "Version": "1",
        "TracingConfig": { "Mode": "PassThrough" },
        "RevisionId": "00000000-0000-0000-0000-000000001235",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": { "Size": 512 },
        "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
        "LoggingConfig": { "LogFormat": "Text", "LogGroup": "/aws/lambda/f" },
        "Environment": { "Variables": { "AB": "c" } },
    });
    assert_eq!(shown, expected);

    let list = |head: &str| {
        let input = with(head, "", ListFunctions::parse).expect("a good request");
        input.json(&catalog, &owner())
    };
    assert_eq!(list("GET /2015-03-31/functions")["Functions"].as_array().map(Vec::len), Some(1));
    let all = list("GET /2015-03-31/functions?FunctionVersion=ALL&MaxItems=1");
    assert_eq!(all["Functions"][0]["Version"], "$LATEST");
    let marker = all["NextMarker"].as_str().expect("there is more");
    let rest = list(&format!("GET /2015-03-31/functions/?FunctionVersion=ALL&Marker={marker}"));
    assert_eq!(rest["Functions"][0]["Version"], "1");
    assert_eq!(rest.get("NextMarker"), None);
}

#[test]
fn what_breaks_a_constraint_is_told_all_at_once() {
    let (status, type_name, message) = told(create(r#"{"FunctionName":"a b","Role":"r","Timeout":0}"#));
    assert_eq!((status, type_name.as_str()), (400, "ValidationException"));
    assert!(message.starts_with("4 validation errors detected: "), "{message}");
    for part in [
        "Value 'a b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern:",
        "Value 'r' at 'role' failed to satisfy constraint",
        "Value null at 'code' failed to satisfy constraint: Member must not be null",
        "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn what_the_service_does_not_take_is_refused_by_its_name() {
    let invalid = "InvalidParameterValueException";
    let variables = format!(r#","Environment":{{"Variables":{{"AB":"{}"}}}}"#, "x".repeat(4_095));
    for (more, type_name, part) in [
        (r#","Timeout":901"#, invalid, "'Timeout' value failed to satisfy constraint"),
        (r#","MemorySize":10241"#, invalid, "'MemorySize' value failed to satisfy constraint"),
        (r#","EphemeralStorage":{"Size":10241}"#, invalid, "EphemeralStorage.Size"),
        (r#","Runtime":"java21""#, invalid, "java21"),
        (r#","PackageType":"Image""#, invalid, "Image"),
        (r#","Layers":["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]"#, invalid, "Layers"),
        (r#","VpcConfig":{"SubnetIds":["subnet-1"]}"#, invalid, "VpcConfig"),
        (r#","SnapStart":{"ApplyOn":"PublishedVersions"}"#, invalid, "SnapStart"),
        (r#","DeadLetterConfig":{"TargetArn":"arn:aws:sqs:us-east-1:000000000000:q"}"#, invalid, "arn:aws:sqs"),
        (
            r#","Environment":{"Variables":{"AWS_REGION":"x"}}"#,
            invalid,
            "Reserved keys used in this request: AWS_REGION",
        ),
        (variables.as_str(), invalid, "4KB"),
        (r#","Code":{"S3Bucket":"b","S3Key":"k"}"#, "ValidationException", "S3Bucket"),
        (r#","Code":{"ImageUri":"b"}"#, "ValidationException", "ImageUri"),
        (r#","Code":{}"#, invalid, "Please provide a source for function code."),
        (r#","Handler":null"#, invalid, "Runtime and Handler are mandatory"),
    ] {
        let (_, told_type, message) = told(create(&body(more)));
        assert_eq!(told_type, type_name, "{more}: {message}");
        assert!(message.contains(part), "{more}: {message}");
    }
    // Clients say with these that there is none.
    let none =
        r#","VpcConfig":{"SubnetIds":[],"SecurityGroupIds":[]},"Layers":[],"KMSKeyArn":"","DeadLetterConfig":{}"#;
    assert!(create(&body(none)).is_ok());
}

#[test]
fn versions_and_aliases_are_shown() {
    let mut catalog = cluster();
    step(&mut catalog, create(&body("")).expect("good").change(code(1), None, 1));
    let publish = |body: &str| with("POST /2015-03-31/functions/f/versions", body, PublishVersion::parse);
    let input = publish(r#"{"Description":"first"}"#).expect("a good request");
    let function = step(&mut catalog, input.change(None, 2));
    assert_eq!(input.json(&function, &owner())["Description"], "first");
    let other = publish(&format!(r#"{{"CodeSha256":"{}"}}"#, STANDARD.encode([2; 32]))).expect("a good request");
    assert!(catalog.step(Change::Function(Box::new(other.change(None, 3))), &Stamp { now_ms: 0 }).is_err());

    let alias = |body: &str| with("POST /2015-03-31/functions/f/aliases", body, CreateAlias::parse);
    let input = alias(r#"{"Name":"live","FunctionVersion":"1"}"#).expect("a good request");
    let function = step(&mut catalog, input.change(4));
    let shown = alias_json(&function, "live", &function.aliases["live"], &owner());
    assert_eq!(shown["AliasArn"], "arn:aws:lambda:us-east-1:000000000000:function:f:live");
    assert_eq!(shown["FunctionVersion"], "1");
    let (_, type_name, _) = told(alias(r#"{"Name":"7","FunctionVersion":"1"}"#));
    assert_eq!(type_name, "ValidationException", "an alias is not all digits");
    let weights = r#"{"Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":1.5}}}"#;
    assert!(told(alias(weights)).2.contains("less than or equal to 1"));
    let update = |body: &str| with("PUT /2015-03-31/functions/f/aliases/live", body, UpdateAlias::parse);
    let stale = update(r#"{"RevisionId":"00000000-0000-0000-0000-000000000009"}"#).expect("a good request");
    let refused = catalog.step(Change::Function(Box::new(stale.change(5))), &Stamp { now_ms: 0 });
    let (status, type_name, _) = told(refused.map_err(LambdaError::from));
    assert_eq!((status, type_name.as_str()), (412, "PreconditionFailedException"));
    let versions = with("GET /2015-03-31/functions/f/versions", "", ListVersionsByFunction::parse).expect("good");
    assert_eq!(versions.json(&function, &owner())["Versions"].as_array().map(Vec::len), Some(2));
}

#[test]
fn invocations_are_read_from_headers() {
    let invoke = |headers: &str, payload: &str| {
        with(&format!("POST /2015-03-31/functions/f/invocations?Qualifier=live\n{headers}"), payload, Invoke::parse)
    };
    let input = invoke("x-amz-invocation-type: Event\nx-amz-client-context: e30=", "{}").expect("a good request");
    assert_eq!(input.invocation_type, InvocationType::Event);
    assert_eq!(input.function.qualifier.as_deref(), Some("live"));
    assert_eq!(input.client_context.as_deref(), Some("{}"));
    assert!(invoke("x-amz-log-type: Tail", "").expect("a good request").with_log);
    assert_eq!(told(invoke("", "{")).1, "InvalidRequestContentException");
    assert_eq!(told(invoke("x-amz-client-context: !", "{}")).1, "InvalidRequestContentException");
    assert!(told(invoke("x-amz-invocation-type: Other", "{}")).2.contains("enum value set"));
    assert!(told(invoke("x-amz-tenant-id: a", "{}")).2.contains("TenantId"));
    let large = format!("\"{}\"", "x".repeat(EVENT_PAYLOAD_BYTES_MAX));
    assert_eq!(told(invoke("x-amz-invocation-type: Event", &large)).0, 413);
    assert!(invoke("", &large).is_ok());
}

#[test]
fn permissions_become_statements() {
    let add = |body: &str| {
        with("POST /2015-03-31/functions/f/policy", body, |request| AddPermission::parse(request, &owner()))
    };
    let input = add(r#"{"StatementId":"s","Action":"lambda:InvokeFunction","Principal":"events.amazonaws.com",
            "SourceArn":"arn:aws:events:us-east-1:000000000000:rule/r"}"#)
    .expect("a good request");
    let statement: Value = serde_json::from_str(input.json()["Statement"].as_str().expect("text")).expect("JSON");
    assert_eq!(
        statement,
        json!({
            "Sid": "s",
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "Condition": { "ArnLike": { "AWS:SourceArn": "arn:aws:events:us-east-1:000000000000:rule/r" } },
        })
    );
    let mut catalog = cluster();
    step(&mut catalog, create(&body("")).expect("good").change(code(1), None, 1));
    let function = step(&mut catalog, input.change(2));
    let policy = policy_json(&function, None).expect("a policy");
    let text = policy["Policy"].as_str().expect("text");
    assert!(serde_json::from_str::<Value>(text).is_ok_and(|policy| policy["Statement"][0]["Sid"] == "s"));
    assert!(policy_json(&function, Some("1")).is_err());
}
