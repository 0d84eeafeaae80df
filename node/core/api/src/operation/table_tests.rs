//! Operations on tables: each refusal's text, what becomes of a request, and what is shown of a table.

mod global_indexes;
mod insights;
mod time_to_live;

use super::table_json::Reply;
use super::*;
use crate::Wire;
use crate::arn::Owner;
use serde_json::{Value as Json, json};
use stator_catalog::{
    BillingMode, BillingSpec, Catalog, CatalogRefusal, Change, ClusterIdentity, IndexProjection, NodeStart, Outcome,
    Secret, SseUpdate, Stamp, TableUpdate, Throughput, UnitsMax,
};
use stator_item::IndexNumber;
use stator_partition::reply::IndexCount;

/// A body with some members set, or taken away by null.
fn with(mut body: Json, changes: Json) -> String {
    for (name, value) in changes.as_object().expect("changes are members") {
        body[name] = value.clone();
    }
    body.to_string()
}

fn definition(name: &str) -> Json {
    json!({"AttributeName": name, "AttributeType": "S"})
}

fn definitions(names: &[&str]) -> Json {
    names.iter().map(|name| definition(name)).collect()
}

fn schema(names: &[&str]) -> Json {
    names.iter().zip(["HASH", "RANGE"]).map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind})).collect()
}

/// An on-demand table with a hash key `a`.
fn plain() -> Json {
    json!({
        "TableName": "music",
        "AttributeDefinitions": definitions(&["a"]),
        "KeySchema": schema(&["a"]),
        "BillingMode": "PAY_PER_REQUEST",
    })
}

fn index(name: &str, keys: &[&str], projection: Json) -> Json {
    json!({"IndexName": name, "KeySchema": schema(keys), "Projection": projection})
}

/// Changes that make of `plain` a table with keys `a`, `b` and such indexes, with these attributes defined.
fn indexed(names: &[&str], indexes: Json) -> Json {
    json!({
        "AttributeDefinitions": definitions(names),
        "KeySchema": schema(&["a", "b"]),
        "LocalSecondaryIndexes": indexes,
    })
}

fn text(error: ApiError) -> String {
    let wire = Wire::from(error);
    format!("{}: {}", wire.short_name(), wire.message.unwrap_or_default())
}

#[track_caller]
fn create_refused(changes: Json, expected: &str) {
    let error = CreateTable::parse(with(plain(), changes.clone()).as_bytes()).expect_err(&changes.to_string());
    let expected = expected.replace("OOMPVWI", "One or more parameter values were invalid");
    assert_eq!(text(error), format!("ValidationException: {expected}"), "{changes}");
}

#[track_caller]
fn created(changes: Json) -> stator_catalog::TableSpec {
    CreateTable::parse(with(plain(), changes).as_bytes()).expect("a good table").spec
}

#[test]
fn key_schemas_and_definitions_must_fit() {
    let keys =
        |names: &[&str], elements: Json| json!({"AttributeDefinitions": definitions(names), "KeySchema": elements});
    let element = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    create_refused(
        keys(&["a"], json!([element("a", "RANGE")])),
        "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
    );
    create_refused(
        keys(&["a", "b"], json!([element("a", "HASH"), element("b", "HASH")])),
        "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
    );
    create_refused(
        keys(&["a"], schema(&["a", "a"])),
        "Both the Hash Key and the Range Key element in the KeySchema have the same name",
    );
    create_refused(
        json!({"KeySchema": null}),
        "No defined key schema. A key schema containing at least a hash key must be defined for all tables",
    );
    create_refused(
        json!({"AttributeDefinitions": null}),
        "Invalid KeySchema: Some index key attribute have no definition",
    );
    create_refused(keys(&["b"], schema(&["a"])), "Invalid KeySchema: Some index key attribute have no definition");
    let count = "OOMPVWI: Number of attributes in KeySchema does not exactly match number of attributes defined in \
                 AttributeDefinitions";
    create_refused(keys(&["a", "b"], schema(&["a"])), count);
    create_refused(keys(&["a", "a"], schema(&["a"])), "OOMPVWI: Duplicate AttributeName in AttributeDefinitions: a");
    create_refused(
        keys(&["a"], json!([])),
        "1 validation error detected: Value '[]' at 'keySchema' failed to satisfy constraint: Member must have length \
         greater than or equal to 1",
    );
    create_refused(
        json!({"TableName": "ab"}),
        "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length \
         greater than or equal to 3",
    );
}

#[test]
fn local_indexes_must_fit_the_table() {
    let all = || json!({"ProjectionType": "ALL"});
    create_refused(json!({"LocalSecondaryIndexes": []}), "OOMPVWI: List of LocalSecondaryIndexes is empty");
    create_refused(
        json!({"AttributeDefinitions": definitions(&["a", "c"]), "LocalSecondaryIndexes": [index("idx", &["a", "c"], all())]}),
        "OOMPVWI: Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
    );
    let refused = |names: &[&str], indexes: Json, expected: &str| create_refused(indexed(names, indexes), expected);
    refused(
        &["a", "b"],
        json!([index("idx", &["a"], all())]),
        "OOMPVWI: Index KeySchema does not have a range key for index: idx",
    );
    refused(
        &["a", "b", "c"],
        json!([index("idx", &["c", "b"], all())]),
        "OOMPVWI: Index KeySchema does not have the same leading hash key as table KeySchema for index: idx. index hash \
         key: c, table hash key: a",
    );
    refused(
        &["a", "b"],
        json!([index("idx", &["a", "c"], all())]),
        "OOMPVWI: Some index key attributes are not defined in AttributeDefinitions. Keys: [a, c], \
         AttributeDefinitions: [a, b]",
    );
    refused(
        &["a", "b", "c", "d"],
        json!([index("idx", &["a", "c"], all())]),
        "OOMPVWI: Some AttributeDefinitions are not used. AttributeDefinitions: [a, b, c, d], keys used: [a, b, c]",
    );
    refused(
        &["a", "b", "c"],
        json!([index("idx", &["a", "c"], all()), index("idx", &["a", "b"], all())]),
        "OOMPVWI: Duplicate index name: idx",
    );
    let six: Json = (0..6).map(|number| index(&format!("idx{number}"), &["a", "c"], all())).collect();
    refused(&["a", "b", "c"], six, "OOMPVWI: Number of LocalSecondaryIndexes exceeds per-table limit of 5");
}

#[test]
fn projections_must_fit() {
    for (projection, expected) in [
        (json!({}), "OOMPVWI: Unknown ProjectionType: null"),
        (
            json!({"ProjectionType": "INCLUDE"}),
            "OOMPVWI: ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            json!({"ProjectionType": "KEYS_ONLY", "NonKeyAttributes": ["x"]}),
            "OOMPVWI: ProjectionType is KEYS_ONLY, but NonKeyAttributes is specified",
        ),
        (
            json!({"ProjectionType": "ALL", "NonKeyAttributes": ["x"]}),
            "OOMPVWI: ProjectionType is ALL, but NonKeyAttributes is specified",
        ),
    ] {
        create_refused(indexed(&["a", "b", "c"], json!([index("idx", &["a", "c"], projection)])), expected);
    }
    let included = |count: usize| -> Json {
        json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": (0..count).map(|n| format!("x{n}")).collect::<Vec<_>>()})
    };
    let spec = created(indexed(
        &["a", "b", "c"],
        (0..5).map(|number| index(&format!("idx{number}"), &["a", "c"], included(20))).collect(),
    ));
    assert!(matches!(&spec.local_indexes[4].projection, IndexProjection::Include(names) if names.len() == 20));
    let error = CreateTable::parse(
        with(plain(), indexed(&["a", "b", "c"], json!([index("idx", &["a", "c"], included(21))]))).as_bytes(),
    );
    assert!(text(error.expect_err("21 names")).ends_with("Member must have length less than or equal to 20"));
}

#[test]
fn billing_must_be_consistent() {
    let throughput = json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 6});
    create_refused(
        json!({"ProvisionedThroughput": throughput}),
        "OOMPVWI: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
    );
    for mode in [json!(null), json!("PROVISIONED")] {
        create_refused(
            json!({"BillingMode": mode}),
            "OOMPVWI: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        );
        let spec = created(json!({"BillingMode": mode, "ProvisionedThroughput": throughput}));
        let throughput = Throughput { read_units: 5, write_units: 6 };
        assert_eq!(spec.billing, BillingSpec::Provisioned { throughput });
    }
    create_refused(
        json!({"BillingMode": null, "ProvisionedThroughput": throughput, "OnDemandThroughput": {"MaxReadRequestUnits": 1}}),
        "OOMPVWI: MaxReadRequestUnits for OnDemandThroughput cannot be specified when table BillingMode is PROVISIONED.",
    );
    create_refused(
        json!({"OnDemandThroughput": {"MaxReadRequestUnits": 0}}),
        "OOMPVWI: Requested MaxReadRequestUnits for OnDemandThroughput for table is outside of valid range",
    );
    create_refused(
        json!({"WarmThroughput": {"ReadUnitsPerSecond": 11_999}}),
        "OOMPVWI: Requested ReadUnitsPerSecond for WarmThroughput for table is lower than initial throughput for OnDemand. \
         See: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html#on-demand-capacity-mode-initial",
    );
    create_refused(
        json!({"BillingMode": null, "ProvisionedThroughput": throughput, "WarmThroughput": {"WriteUnitsPerSecond": 5}}),
        "OOMPVWI: Requested WriteUnitsPerSecond for WarmThroughput for table is lower than WriteCapacityUnits of \
         ProvisionedThroughput",
    );
    let warm =
        json!({"BillingMode": null, "ProvisionedThroughput": throughput, "WarmThroughput": {"WriteUnitsPerSecond": 6}});
    assert_eq!(created(warm).warm_throughput, Throughput { read_units: 0, write_units: 6 });
    let spec = created(json!({"OnDemandThroughput": {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1}}));
    assert_eq!(spec.billing, BillingSpec::OnDemand { throughput: None });
}

#[test]
fn what_is_not_there_yet_is_refused_by_name() {
    for (member, value) in [
        ("VectorIndexes", json!([])),
        ("ResourcePolicy", json!("{}")),
        ("GlobalTableSourceArn", json!("arn:x")),
        ("GlobalTableSettingsReplicationMode", json!("ENABLED")),
    ] {
        create_refused(json!({member: value}), &format!("The parameter {member} is not supported yet"));
    }
    for member in ["ReplicaUpdates", "VectorIndexUpdates", "MultiRegionConsistency"] {
        let body = json!({"TableName": "music", member: []}).to_string();
        let error = UpdateTable::parse(body.as_bytes()).expect_err(member);
        assert_eq!(text(error), format!("ValidationException: The parameter {member} is not supported yet"));
    }
}

#[test]
fn updates_name_what_changes() {
    let parse = |changes: Json| UpdateTable::parse(with(json!({"TableName": "music"}), changes).as_bytes());
    for nothing in [json!({}), json!({"AttributeDefinitions": []})] {
        let error = text(parse(nothing).expect_err("nothing to update"));
        assert!(error.starts_with("ValidationException: At least one of ProvisionedThroughput"), "{error}");
    }
    let update = parse(json!({
        "BillingMode": "PAY_PER_REQUEST",
        "OnDemandThroughput": {"MaxReadRequestUnits": 7, "MaxWriteRequestUnits": -1},
        "WarmThroughput": {"WriteUnitsPerSecond": 5_000},
        "DeletionProtectionEnabled": false,
        "SSESpecification": {"Enabled": false},
    }));
    let expected = TableUpdate {
        billing_mode: Some(BillingMode::OnDemand),
        on_demand_read: Some(UnitsMax::Most(7)),
        on_demand_write: Some(UnitsMax::Unlimited),
        warm_write_units: Some(5_000),
        deletion_protection: Some(false),
        sse: Some(SseUpdate::Off),
        ..TableUpdate::default()
    };
    assert_eq!(update.expect("a good update").update, expected);
}

#[test]
fn refusals_of_the_catalog_are_told_as_dynamodb_tells_them() {
    let busy = |status| CatalogRefusal::TableBusy { name: "t".into(), status };
    for (refusal, expected) in [
        (CatalogRefusal::TableExists("t".into()), "ResourceInUseException: Table already exists: t"),
        (
            CatalogRefusal::NoSuchTable("t".into()),
            "ResourceNotFoundException: Requested resource not found: Table: t not found",
        ),
        (
            busy(TableStatus::Creating),
            "ResourceInUseException: Attempt to change a resource which is still in use: Table is being created: t",
        ),
        (
            busy(TableStatus::Deleting),
            "ResourceInUseException: Attempt to change a resource which is still in use: Table is being deleted: t",
        ),
        (
            CatalogRefusal::DeletionProtected("t".into()),
            "ValidationException: Resource cannot be deleted as it is currently protected against deletion. Disable \
             deletion protection first.",
        ),
    ] {
        assert_eq!(text(refusal.into()), expected);
    }
}

/// A catalog with these tables, made at 1,500 ms.
fn catalog(bodies: &[String]) -> Catalog {
    let mut catalog = Catalog::default();
    let node = NodeStart {
        directory: 1,
        start_counter: 1,
        peer_address: String::new(),
        client_address: String::new(),
        zone: String::new(),
        version: String::new(),
        format: 1,
    };
    let identity = ClusterIdentity {
        cluster_id: 1,
        region: "us-east-1".into(),
        account_id: "000000000000".into(),
        authority: Secret::default(),
    };
    let at = Stamp { now_ms: 1_500 };
    catalog.step(Change::InitCluster { identity, node }, &at).expect("the first start");
    for body in bodies {
        let change = CreateTable::parse(body.as_bytes()).expect("a good table").change(None, Vec::new());
        assert!(matches!(catalog.step(change, &at), Ok(Outcome::Table(_))));
    }
    catalog
}

fn shown(table: &TableDescription, status: Option<TableStatus>, counts: &[IndexCount]) -> Json {
    let owner = Owner { region: "us-east-1".into(), account_id: "000000000000".into() };
    let mut out = Vec::new();
    TableView { table, status, counts, global_counts: &BTreeMap::new(), owner: &owner, now_ms: 2_000 }
        .render(Reply::Table, &mut out);
    let mut body: Json = serde_json::from_slice(&out).expect("a body is JSON");
    let id = body["Table"]["TableId"].as_str().expect("an id").to_owned();
    let parts: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
    body["Table"]["TableId"] = json!("id");
    body["Table"].take()
}

#[test]
fn a_table_is_shown_with_everything() {
    let include = json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]});
    let mut changes = indexed(&["a", "b", "c"], json!([index("idx", &["a", "c"], include.clone())]));
    changes["OnDemandThroughput"] = json!({"MaxReadRequestUnits": 9});
    changes["TableClass"] = json!("STANDARD_INFREQUENT_ACCESS");
    changes["DeletionProtectionEnabled"] = json!(true);
    changes["SSESpecification"] = json!({"Enabled": true, "KMSMasterKeyId": "alias/mine"});
    let catalog = catalog(&[with(plain(), changes)]);
    let table = catalog.table("music").expect("made");
    let counts = [(0, 2, 300), (0, 1, 50), (1, 2, 80)].map(|(index, items, bytes)| IndexCount {
        index: IndexNumber(index),
        items,
        bytes,
    });
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/music";
    let expected = json!({
        "AttributeDefinitions": definitions(&["a", "b", "c"]),
        "TableName": "music",
        "KeySchema": schema(&["a", "b"]),
        "TableStatus": "ACTIVE",
        "CreationDateTime": 1.5,
        "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
        "TableSizeBytes": 350,
        "ItemCount": 3,
        "TableArn": arn,
        "TableId": "id",
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": 1.5},
        "OnDemandThroughput": {"MaxReadRequestUnits": 9, "MaxWriteRequestUnits": -1},
        "WarmThroughput": {"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 4_000, "Status": "ACTIVE"},
        "LocalSecondaryIndexes": [{
            "IndexName": "idx",
            "KeySchema": schema(&["a", "c"]),
            "Projection": include,
            "IndexSizeBytes": 80,
            "ItemCount": 2,
            "IndexArn": format!("{arn}/index/idx"),
        }],
        "TableClassSummary": {"TableClass": "STANDARD_INFREQUENT_ACCESS"},
        "SSEDescription": {
            "Status": "ENABLED",
            "SSEType": "KMS",
            "KMSMasterKeyArn": "arn:aws:kms:us-east-1:000000000000:alias/mine",
        },
        "DeletionProtectionEnabled": true,
    });
    assert_eq!(shown(table, Some(TableStatus::Active), &counts), expected);
    let own = shown(table, None, &counts);
    assert_eq!((&own["TableStatus"], &own["WarmThroughput"]["Status"]), (&json!("CREATING"), &json!("UPDATING")));
}

#[test]
fn a_provisioned_table_shows_its_throughput() {
    let throughput = json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 6});
    let mut catalog =
        catalog(&[with(plain(), json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput}))]);
    let id = catalog.table("music").expect("made").id;
    let less =
        json!({"TableName": "music", "ProvisionedThroughput": {"ReadCapacityUnits": 4, "WriteCapacityUnits": 7}});
    let update = UpdateTable::parse(less.to_string().as_bytes()).expect("a good update").change();
    for change in [Change::TableReady { id, version: 1 }, update] {
        catalog.step(change, &Stamp { now_ms: 1_750 }).expect("the change is made");
    }
    let table = shown(catalog.table("music").expect("there"), None, &[]);
    let expected = json!({
        "LastIncreaseDateTime": 1.75,
        "LastDecreaseDateTime": 1.75,
        "NumberOfDecreasesToday": 1,
        "ReadCapacityUnits": 4,
        "WriteCapacityUnits": 7,
    });
    assert_eq!(table["ProvisionedThroughput"], expected);
    assert_eq!((&table["BillingModeSummary"], &table["TableStatus"]), (&json!(null), &json!("UPDATING")));
    assert_eq!(table["WarmThroughput"]["ReadUnitsPerSecond"], json!(5));
}

#[test]
fn a_table_made_again_has_another_id() {
    let id = |catalog: &Catalog| {
        let owner = Owner { region: "us-east-1".into(), account_id: "000000000000".into() };
        let table = catalog.table("music").expect("there").clone();
        let mut out = Vec::new();
        TableView {
            table: &table,
            status: None,
            counts: &[],
            global_counts: &BTreeMap::new(),
            owner: &owner,
            now_ms: 0,
        }
        .render(Reply::TableDescription, &mut out);
        let body: Json = serde_json::from_slice(&out).expect("a body is JSON");
        body["TableDescription"]["TableId"].as_str().expect("an id").to_owned()
    };
    let mut catalog = catalog(&[plain().to_string()]);
    let first = id(&catalog);
    assert_eq!(first, id(&catalog));
    let table = catalog.table("music").expect("there").id;
    for change in [
        Change::TableReady { id: table, version: 1 },
        Change::DeleteTable { name: "music".into() },
        Change::TableGone { id: table },
        CreateTable::parse(plain().to_string().as_bytes()).expect("good").change(None, vec![]),
    ] {
        catalog.step(change, &Stamp { now_ms: 1_500 }).expect("the change is made");
    }
    assert_ne!(first, id(&catalog));
}

#[test]
fn lists_are_paged() {
    let bodies: Vec<String> = (0..5).map(|number| with(plain(), json!({"TableName": format!("t-{number}")}))).collect();
    let catalog = catalog(&bodies);
    for (body, expected) in [
        (json!({}), json!({"TableNames": ["t-0", "t-1", "t-2", "t-3", "t-4"]})),
        (json!({"Limit": 2}), json!({"TableNames": ["t-0", "t-1"], "LastEvaluatedTableName": "t-1"})),
        (
            json!({"Limit": 2, "ExclusiveStartTableName": "t-1"}),
            json!({"TableNames": ["t-2", "t-3"], "LastEvaluatedTableName": "t-3"}),
        ),
        (json!({"Limit": 2, "ExclusiveStartTableName": "t-2x"}), json!({"TableNames": ["t-3", "t-4"]})),
        (json!({"ExclusiveStartTableName": "zzz"}), json!({"TableNames": []})),
    ] {
        let mut out = Vec::new();
        ListTables::parse(body.to_string().as_bytes()).expect("a good list").render(&catalog, &mut out);
        assert_eq!(serde_json::from_slice::<Json>(&out).expect("a body is JSON"), expected, "{body}");
    }
    for limit in [0, 101] {
        assert!(ListTables::parse(json!({"Limit": limit}).to_string().as_bytes()).is_err());
    }
}

#[test]
fn tags_are_named_by_arn() {
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/music";
    let tag = |key: &str| json!({"Key": key, "Value": "v"});
    let body = |arn: &str, tags: Json| json!({"ResourceArn": arn, "Tags": tags}).to_string();
    let mut catalog = catalog(&[with(plain(), json!({"Tags": [tag("first")]}))]);
    let add = ChangeTags::parse_tag(body(arn, json!([tag("second")])).as_bytes()).expect("good tags").change();
    let remove = json!({"ResourceArn": arn, "TagKeys": ["first"]}).to_string();
    let remove = ChangeTags::parse_untag(remove.as_bytes()).expect("good keys").change();
    for change in [add, remove] {
        catalog.step(change, &Stamp { now_ms: 0 }).expect("the tags change");
    }
    let list = ListTags::parse(json!({"ResourceArn": arn}).to_string().as_bytes()).expect("good");
    let mut out = Vec::new();
    list.render(catalog.table(&list.table).expect("there"), &mut out);
    assert_eq!(String::from_utf8_lossy(&out), r#"{"Tags":[{"Key":"second","Value":"v"}]}"#);

    for (arn, tags, expected) in [
        ("music", json!([tag("a")]), "Invalid TableArn: Invalid ResourceArn provided as input music"),
        (arn, json!([]), "One or more parameter values were invalid: At least one tag must be provided"),
        (arn, json!([tag("a"), tag("a")]), "One or more parameter values were invalid: Duplicate tag key: a"),
        (
            arn,
            json!([tag("aws:a")]),
            "One or more parameter values were invalid: Tag keys that start with 'aws:' are reserved: aws:a",
        ),
    ] {
        let error = ChangeTags::parse_tag(body(arn, tags).as_bytes()).expect_err(expected);
        assert_eq!(text(error), format!("ValidationException: {expected}"));
    }
}

#[test]
fn what_is_not_there_is_said_to_be_disabled() {
    let body = br#"{"TableName": "music"}"#;
    let mut out = Vec::new();
    let backups = DescribeContinuousBackups::parse(body).expect("good");
    backups.render(&mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        r#"{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"ENABLED","PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":"DISABLED"}}}"#
    );
    assert_eq!(text(backups.not_found()), "TableNotFoundException: Table not found: music");
}

#[test]
fn limits_and_endpoints_are_told() {
    let mut out = Vec::new();
    DescribeLimits::parse(b"{}").expect("good").render(&mut out);
    let limits = r#"{"AccountMaxReadCapacityUnits":80000,"AccountMaxWriteCapacityUnits":80000,"TableMaxReadCapacityUnits":40000,"TableMaxWriteCapacityUnits":40000}"#;
    assert_eq!(String::from_utf8_lossy(&out), limits);
    out.clear();
    DescribeEndpoints::parse(b"{}").expect("good").render("127.0.0.1:8000", &mut out);
    let endpoints = r#"{"Endpoints":[{"Address":"127.0.0.1:8000","CachePeriodInMinutes":1440}]}"#;
    assert_eq!(String::from_utf8_lossy(&out), endpoints);
    assert!(DescribeLimits::parse(b"").is_err());
}
