//! Operations, end to end, and what stands beside them.

use super::{
    client::{Client, request, set},
    world::{Edge, Weather, open},
};
use http::StatusCode;
use serde_json::{Value as Json, json};
use stator_catalog::Way;
use stator_partition::{Refusal, Throttled, throttle::Limit};

fn song(artist: &str, song: &str) -> Json {
    json!({"artist": {"S": artist}, "song": {"S": song}})
}

fn put(artist: &str, title: &str) -> Json {
    json!({"TableName": "music", "Item": song(artist, title)})
}

fn get(artist: &str, title: &str) -> Json {
    json!({"TableName": "music", "Key": song(artist, title), "ConsistentRead": true})
}

#[tokio::test]
async fn items_are_written_and_read() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    client.create_table().await;
    assert_eq!(client.ok("PutItem", put("Bach", "Air")).await, json!({}));
    assert_eq!(client.ok("GetItem", get("Bach", "Air")).await, json!({"Item": song("Bach", "Air")}));
    assert_eq!(client.ok("GetItem", get("Bach", "Gigue")).await, json!({}));
    let update = json!({
        "TableName": "music", "Key": song("Bach", "Air"), "ReturnValues": "UPDATED_NEW",
        "UpdateExpression": "ADD plays :one", "ExpressionAttributeValues": {":one": {"N": "1"}},
    });
    assert_eq!(client.ok("UpdateItem", update).await, json!({"Attributes": {"plays": {"N": "1"}}}));
    let refused = json!({
        "TableName": "music", "Key": song("Bach", "Air"), "ConditionExpression": "attribute_not_exists(artist)",
    });
    let refused = client.call("DeleteItem", refused).await;
    assert_eq!(refused.error(), (400, "ConditionalCheckFailedException".into()));
    client.ok("DeleteItem", json!({"TableName": "music", "Key": song("Bach", "Air")})).await;
    assert_eq!(client.ok("GetItem", get("Bach", "Air")).await, json!({}));
}

#[tokio::test]
async fn batches_and_pages_go_over_all_partitions() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    client.create_table().await;
    let artists: Vec<String> = (0..20).map(|number| format!("artist {number}")).collect();
    let puts: Vec<Json> = artists.iter().map(|artist| json!({"PutRequest": {"Item": song(artist, "a")}})).collect();
    let written = client.ok("BatchWriteItem", json!({"RequestItems": {"music": puts}})).await;
    assert_eq!(written, json!({"UnprocessedItems": {}}));

    let keys: Vec<Json> = artists.iter().map(|artist| song(artist, "a")).collect();
    let got = client.ok("BatchGetItem", json!({"RequestItems": {"music": {"Keys": keys}}})).await;
    assert_eq!(got["Responses"]["music"], Json::Array(keys));

    let scanned = client.ok("Scan", json!({"TableName": "music"})).await;
    assert_eq!((&scanned["Count"], scanned.get("LastEvaluatedKey")), (&json!(20), None));
    let (mut after, mut seen) = (None, 0);
    loop {
        let mut scan = json!({"TableName": "music", "Limit": 3});
        if let Some(after) = after {
            scan["ExclusiveStartKey"] = after;
        }
        let page = client.ok("Scan", scan).await;
        seen += page["Count"].as_u64().expect("a count");
        after = page.get("LastEvaluatedKey").cloned();
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, 20);

    client.ok("PutItem", put("artist 7", "b")).await;
    let query = json!({
        "TableName": "music", "KeyConditionExpression": "artist = :a", "ScanIndexForward": false,
        "ExpressionAttributeValues": {":a": {"S": "artist 7"}},
    });
    let queried = client.ok("Query", query).await;
    assert_eq!(queried["Items"], json!([song("artist 7", "b"), song("artist 7", "a")]));
    assert_eq!(client.ok("DescribeTable", json!({"TableName": "music"})).await["Table"]["ItemCount"], json!(21));
}

#[tokio::test]
async fn a_throttled_batch_is_an_error_and_so_is_a_missing_table() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    client.create_table().await;
    edge.world.weather.send_replace(Weather::Refuse(Refusal::Overloaded));
    let keys = json!({"RequestItems": {"music": {"Keys": [song("a", "b")]}}});
    assert_eq!(client.call("BatchGetItem", keys).await.error(), (400, "ThrottlingException".into()));
    let missing = json!({"RequestItems": {"missing": {"Keys": [song("a", "b")]}}});
    assert_eq!(client.call("BatchGetItem", missing).await.error(), (400, "ResourceNotFoundException".into()));
}

#[tokio::test]
async fn what_is_throttled_says_by_what() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    client.create_table().await;
    let arn = "arn:aws:dynamodb:eu-central-1:000000000000:table/music";
    for (index, is_on_demand, error, member, resource) in [
        (None, false, "ProvisionedThroughputExceededException", "ThrottlingReasons", arn.to_owned()),
        (Some("by-year"), true, "ThrottlingException", "throttlingReasons", format!("{arn}/index/by-year")),
    ] {
        let throttled = Throttled {
            table: "music".into(),
            index: index.map(str::to_owned),
            way: Way::Write,
            limit: Limit::Partition,
            is_on_demand,
        };
        let reason = throttled.reason();
        edge.world.weather.send_replace(Weather::Refuse(Refusal::Throttled(Box::new(throttled))));
        let reply = client.call("PutItem", put("a", "b")).await;
        assert_eq!(reply.error(), (400, error.into()));
        assert_eq!(reply.json()[member], json!([{"reason": reason, "resource": resource}]));
    }
}

#[tokio::test]
async fn tables_come_and_go() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    let created = client.create_table().await;
    assert_eq!(created["TableDescription"]["TableStatus"], "CREATING");
    let arn = created["TableDescription"]["TableArn"].as_str().expect("an ARN").to_owned();
    assert_eq!(arn, "arn:aws:dynamodb:eu-central-1:000000000000:table/music");
    let named = json!({"TableName": "music"});
    assert_eq!(client.ok("DescribeTable", named.clone()).await["Table"]["TableStatus"], "ACTIVE");
    assert_eq!(client.ok("ListTables", json!({})).await, json!({"TableNames": ["music"]}));

    let tags = json!({"ResourceArn": arn, "Tags": [{"Key": "team", "Value": "blue"}]});
    let tagged = client.call("TagResource", tags).await;
    assert_eq!(tagged.status, StatusCode::OK);
    let listed = client.ok("ListTagsOfResource", json!({"ResourceArn": arn})).await;
    assert_eq!(listed, json!({"Tags": [{"Key": "team", "Value": "blue"}]}));

    let protect = |on: bool| json!({"TableName": "music", "DeletionProtectionEnabled": on});
    client.ok("UpdateTable", protect(true)).await;
    assert_eq!(client.call("DeleteTable", named.clone()).await.error(), (400, "ValidationException".into()));
    client.ok("UpdateTable", protect(false)).await;
    let deleted = client.ok("DeleteTable", named.clone()).await;
    assert_eq!(deleted["TableDescription"]["TableStatus"], "DELETING");
    for operation in ["DescribeTable", "DeleteTable"] {
        assert_eq!(client.call(operation, named.clone()).await.error(), (400, "ResourceNotFoundException".into()));
    }
    assert!(client.ok("DescribeLimits", json!({})).await["TableMaxReadCapacityUnits"].is_u64());
    let endpoints = client.ok("DescribeEndpoints", json!({})).await;
    assert_eq!(endpoints["Endpoints"][0]["Address"], client.host());
}

#[tokio::test]
async fn a_new_table_is_listed_by_a_node_that_has_not_heard_of_it() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    edge.world.lag();
    client.create_table().await;
    assert_eq!(client.ok("ListTables", json!({})).await, json!({"TableNames": ["music"]}));
}

/// The node's copy of the catalog still has the table that was deleted, not the one of the same name that came after.
#[tokio::test]
async fn a_table_made_again_under_its_name_is_found() {
    let statement = |text: &str| json!({"Statement": text});
    for (operation, body) in [
        ("PutItem", put("Bach", "Air")),
        ("Scan", json!({"TableName": "music"})),
        ("ExecuteStatement", statement("INSERT INTO music VALUE {'artist': 'Bach', 'song': 'Air'}")),
        ("ExecuteStatement", statement("SELECT * FROM music WHERE artist = 'Bach'")),
    ] {
        let edge = Edge::start(open()).await;
        let mut client = Client::connect(&edge).await;
        client.create_table().await;
        edge.world.lag();
        client.ok("DeleteTable", json!({"TableName": "music"})).await;
        client.create_table().await;
        client.ok(operation, body).await;
    }
}

#[tokio::test]
async fn items_of_another_owner_are_refused() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    client.create_table().await;
    let (key, keys) = (song("Bach", "Air"), json!({"Keys": [song("Bach", "Air")]}));
    let deletes = json!([{"DeleteRequest": {"Key": key}}]);
    let hash = json!({":a": {"S": "Bach"}});
    for (region, account, error) in [
        ("eu-central-1", "000000000000", None),
        ("us-east-1", "000000000000", Some("ValidationException")),
        ("eu-central-1", "111111111111", Some("AccessDeniedException")),
    ] {
        let table = format!("arn:aws:dynamodb:{region}:{account}:table/music");
        for (operation, body) in [
            ("PutItem", json!({"TableName": table, "Item": key})),
            ("GetItem", json!({"TableName": table, "Key": key})),
            ("UpdateItem", json!({"TableName": table, "Key": key})),
            ("DeleteItem", json!({"TableName": table, "Key": key})),
            (
                "Query",
                json!({"TableName": table, "KeyConditionExpression": "artist = :a", "ExpressionAttributeValues": hash}),
            ),
            ("Scan", json!({"TableName": table})),
            ("BatchGetItem", json!({"RequestItems": {table.as_str(): keys}})),
            ("BatchWriteItem", json!({"RequestItems": {table.as_str(): deletes}})),
        ] {
            let reply = client.call(operation, body).await;
            match error {
                None => assert_eq!(reply.status, StatusCode::OK, "{operation}: {}", reply.text()),
                Some(error) => assert_eq!(reply.error(), (400, error.into()), "{operation} on {table}"),
            }
        }
    }
}

#[tokio::test]
async fn a_reply_is_not_held_back_for_ever() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    *edge.world.finishes.lock() = false;
    assert_eq!(client.create_table().await["TableDescription"]["TableStatus"], "CREATING");
    let described = client.ok("DescribeTable", json!({"TableName": "music"})).await;
    assert_eq!(described["Table"]["TableStatus"], "CREATING");
    edge.world.finish();
    let described = client.ok("DescribeTable", json!({"TableName": "music"})).await;
    assert_eq!(described["Table"]["TableStatus"], "ACTIVE");
}

#[tokio::test]
async fn what_is_unknown_is_refused() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    let unknown = "UnknownOperationException".to_owned();
    assert_eq!(client.call("TransactSing", json!({})).await.error(), (400, unknown.clone()));
    let mut untargeted = request("ListTables", "{}");
    untargeted.headers_mut().remove("x-amz-target");
    assert_eq!(client.send(untargeted).await.error(), (400, unknown));
    let mut json = request("ListTables", "{}");
    set(&mut json, "content-type", "application/JSON; charset=utf-8");
    assert_eq!(client.send(json).await.status, StatusCode::OK);
    for body in [&b"{\"TableName\": \"\xff\"}"[..], b"{", b"", b"[]"] {
        let reply = client.send(request("DescribeTable", body)).await;
        assert_eq!(reply.error(), (400, "SerializationException".into()), "{body:?}");
    }
}

#[tokio::test]
async fn a_mistake_in_the_program_is_answered_and_counted() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    client.create_table().await;
    for (weather, status, error) in [
        (Weather::Panic, 500, "InternalServerError"),
        (Weather::Refuse(Refusal::DeadlinePassed), 500, "InternalServerError"),
        (Weather::Refuse(Refusal::Unavailable("no quorum".into())), 503, "ServiceUnavailableException"),
        (Weather::Refuse(Refusal::Overloaded), 400, "ThrottlingException"),
    ] {
        edge.world.weather.send_replace(weather);
        assert_eq!(client.call("PutItem", put("a", "b")).await.error(), (status, error.into()));
    }
    edge.world.weather.send_replace(Weather::Fair);
    client.ok("PutItem", put("a", "b")).await;
    let metrics = client.get("/metrics").await;
    for line in [
        "stator_gateway_panics_total 1",
        "stator_gateway_requests_total{operation=\"PutItem\"} 5",
        "stator_gateway_errors_total{operation=\"PutItem\",error=\"InternalServerError\"} 2",
        "stator_gateway_request_seconds_count{operation=\"PutItem\"} 5",
        "stator_gateway_connections 1",
        "stator_gateway_requests_in_flight 0",
    ] {
        assert!(metrics.text().lines().any(|shown| shown == line), "{line}\n{}", metrics.text());
    }
}

#[tokio::test]
async fn probes_need_no_credentials() {
    let edge = Edge::start(crate::Settings::default()).await;
    let mut client = Client::connect(&edge).await;
    assert_eq!(client.get("/").await.text(), "healthy: dynamodb.eu-central-1.amazonaws.com ");
    assert_eq!(client.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(client.get("/readyz").await.status, StatusCode::OK);
    edge.ready.send_replace(false);
    let reply = client.get("/readyz").await;
    assert_eq!((reply.status, reply.text()), (StatusCode::SERVICE_UNAVAILABLE, "not ready: the test says so\n"));
    assert!(client.get("/metrics").await.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_connection_serves_a_thousand_requests() {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    client.create_table().await;
    for number in 0..1_000 {
        client.ok("PutItem", put("a", &number.to_string())).await;
    }
    assert_eq!(client.ok("Scan", json!({"TableName": "music", "Select": "COUNT"})).await["Count"], json!(1_000));
}
