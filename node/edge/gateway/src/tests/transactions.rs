//! TransactWriteItems and TransactGetItems, over three partitions.

use super::{
    client::Client,
    world::{Edge, Weather, open},
};
use serde_json::{Value as Json, json};
use stator_partition::Refusal;

fn song(artist: &str) -> Json {
    json!({"artist": {"S": artist}, "song": {"S": "a"}})
}

fn with(artist: &str, plays: u32) -> Json {
    json!({"artist": {"S": artist}, "song": {"S": "a"}, "plays": {"N": plays.to_string()}})
}

fn put(artist: &str, plays: u32) -> Json {
    json!({"Put": {"TableName": "music", "Item": with(artist, plays)}})
}

fn add(artist: &str) -> Json {
    json!({"Update": {"TableName": "music", "Key": song(artist), "UpdateExpression": "ADD plays :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}}}})
}

fn check(artist: &str, condition: &str) -> Json {
    json!({"ConditionCheck": {"TableName": "music", "Key": song(artist), "ConditionExpression": condition,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}})
}

fn get(artist: &str) -> Json {
    json!({"Get": {"TableName": "music", "Key": song(artist)}})
}

fn items(items: &[Json]) -> Json {
    json!({"TransactItems": items})
}

async fn begin() -> (Edge, Client) {
    let edge = Edge::start(open()).await;
    let mut client = Client::connect(&edge).await;
    client.create_table().await;
    (edge, client)
}

#[tokio::test]
async fn all_or_nothing_over_partitions() {
    let (_edge, mut client) = begin().await;
    // Twenty hash keys lie in all three partitions.
    let artists: Vec<String> = (0..20).map(|number| format!("artist {number}")).collect();
    let puts: Vec<Json> = artists.iter().map(|artist| put(artist, 1)).collect();
    assert_eq!(client.ok("TransactWriteItems", items(&puts)).await, json!({}));
    let adds: Vec<Json> = artists.iter().map(|artist| add(artist)).collect();
    client.ok("TransactWriteItems", items(&adds)).await;
    let gets: Vec<Json> = artists.iter().map(|artist| get(artist)).chain([get("nobody")]).collect();
    let got = client.ok("TransactGetItems", items(&gets)).await;
    let expected: Vec<Json> =
        artists.iter().map(|artist| json!({"Item": with(artist, 2)})).chain([json!({})]).collect();
    assert_eq!(got, json!({"Responses": expected}));

    let mut cancelled = adds.clone();
    cancelled[3] = check("artist 3", "attribute_not_exists(plays)");
    cancelled[17] = check("artist 17", "attribute_exists(plays)");
    let reply = client.call("TransactWriteItems", items(&cancelled)).await;
    assert_eq!(reply.error(), (400, "TransactionCanceledException".into()));
    let reply: Json = serde_json::from_str(reply.text()).expect("JSON");
    let mut codes = vec!["None"; 20];
    codes[3] = "ConditionalCheckFailed";
    let text = "Transaction cancelled, please refer cancellation reasons for specific reasons";
    assert_eq!(reply["Message"], format!("{text} [{}]", codes.join(", ")));
    assert_eq!(reply["CancellationReasons"][2], json!({"Code": "None"}));
    let reason = json!({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": with("artist 3", 2)});
    assert_eq!(reply["CancellationReasons"][3], reason);
    assert_eq!(client.ok("TransactGetItems", items(&gets)).await, json!({"Responses": expected}), "nothing happened");
    client.ok("TransactWriteItems", items(&adds)).await;
}

#[tokio::test]
async fn a_request_token_counts_once() {
    let (_edge, mut client) = begin().await;
    for writes in [vec![add("a")], (0..20).map(|number| add(&format!("artist {number}"))).collect()] {
        let mut request = items(&writes);
        request["ClientRequestToken"] = json!(format!("token {}", writes.len()));
        request["ReturnConsumedCapacity"] = json!("TOTAL");
        let units = 2.0 * writes.len() as f64;
        let first = client.ok("TransactWriteItems", request.clone()).await;
        let consumed =
            |side: &str| json!({"ConsumedCapacity": [{"TableName": "music", side: units, "CapacityUnits": units}]});
        assert_eq!(first, consumed("WriteCapacityUnits"));
        assert_eq!(client.ok("TransactWriteItems", request.clone()).await, consumed("ReadCapacityUnits"));
        let mut other = writes.clone();
        other[0]["Update"]["ExpressionAttributeValues"][":one"] = json!({"N": "2"});
        // Others begin in each of the three partitions.
        for other in [other, vec![add("b")], vec![add("c"), add("d")]]
            .into_iter()
            .chain((0..9).map(|n| vec![put(&format!("other {n}"), 1)]))
        {
            request["TransactItems"] = json!(other);
            let refused = client.call("TransactWriteItems", request.clone()).await;
            assert_eq!(refused.error(), (400, "IdempotentParameterMismatchException".into()));
        }
    }
    let got = client.ok("TransactGetItems", items(&[get("a"), get("artist 0"), get("b"), get("other 0")])).await;
    assert_eq!(got, json!({"Responses": [{"Item": with("a", 1)}, {"Item": with("artist 0", 1)}, {}, {}]}));
}

#[tokio::test]
async fn what_a_transaction_costs_is_told() {
    let (_edge, mut client) = begin().await;
    let mut request = items(&[put("a", 1), check("b", "attribute_not_exists(plays)")]);
    request["ReturnConsumedCapacity"] = json!("INDEXES");
    let consumed = |side: &str| {
        let sums = json!({side: 4.0, "CapacityUnits": 4.0});
        json!([{"TableName": "music", side: 4.0, "CapacityUnits": 4.0, "Table": sums}])
    };
    let written = client.ok("TransactWriteItems", request).await;
    assert_eq!(written["ConsumedCapacity"], consumed("WriteCapacityUnits"));
    let mut request = items(&[get("a"), get("b")]);
    request["ReturnConsumedCapacity"] = json!("INDEXES");
    let got = client.ok("TransactGetItems", request).await;
    assert_eq!(got["ConsumedCapacity"], consumed("ReadCapacityUnits"));
}

#[tokio::test]
async fn a_transaction_finds_a_table_made_again() {
    // The token is claimed twice, for the table before and for its successor: it is the same request.
    let mut with_token = items(&[put("a", 1)]);
    with_token["ClientRequestToken"] = json!("token");
    for (operation, request) in [
        ("TransactWriteItems", items(&[put("a", 1)])),
        ("TransactWriteItems", with_token),
        ("TransactGetItems", items(&[get("a")])),
    ] {
        let (edge, mut client) = begin().await;
        // The table of request tokens is known already.
        let mut first = items(&[put("first", 1)]);
        first["ClientRequestToken"] = json!("first");
        client.ok("TransactWriteItems", first).await;
        edge.world.lag();
        client.ok("DeleteTable", json!({"TableName": "music"})).await;
        client.create_table().await;
        client.ok(operation, request).await;
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_told() {
    let (edge, mut client) = begin().await;
    let many: Vec<Json> = (0..20).map(|number| put(&format!("artist {number}"), 1)).collect();
    for (weather, one, several) in [
        (Refusal::TransactionConflict, "TransactionConflictException", "ServiceUnavailableException"),
        (Refusal::Overloaded, "ThrottlingException", "TransactionCanceledException"),
        (Refusal::Unavailable("no quorum".into()), "ServiceUnavailableException", "ServiceUnavailableException"),
        (Refusal::DeadlinePassed, "InternalServerError", "ServiceUnavailableException"),
    ] {
        edge.world.weather.send_replace(Weather::Refuse(weather));
        for (writes, error) in [(&many[..1], one), (&many[..], several)] {
            assert_eq!(client.call("TransactWriteItems", items(writes)).await.error().1, error);
        }
    }
    edge.world.weather.send_replace(Weather::Fair);
    let missing = json!({"Put": {"TableName": "missing", "Item": song("a")}});
    let reply = client.call("TransactWriteItems", items(&[put("a", 1), missing])).await;
    assert_eq!(reply.error(), (400, "ResourceNotFoundException".into()));
}

#[tokio::test]
async fn statements_are_transactions_too() {
    let (_edge, mut client) = begin().await;
    let statements = |texts: &[&str]| -> Json {
        let statements: Vec<Json> = texts.iter().map(|text| json!({"Statement": text})).collect();
        json!({"TransactStatements": statements, "ReturnConsumedCapacity": "TOTAL"})
    };
    let inserts: Vec<String> = (0..5)
        .map(|n| format!("INSERT INTO music VALUE {{'artist': 'artist {n}', 'song': 'a', 'plays': {n}}}"))
        .collect();
    let inserts: Vec<&str> = inserts.iter().map(String::as_str).collect();
    let written = client.ok("ExecuteTransaction", statements(&inserts)).await;
    assert_eq!(written["Responses"], json!([{}, {}, {}, {}, {}]));
    assert_eq!(written["ConsumedCapacity"][0]["WriteCapacityUnits"], 10.0);
    let reads = [
        "SELECT plays FROM music WHERE artist = 'artist 3' AND song = 'a'",
        "SELECT * FROM music WHERE artist = 'artist 4' AND song = 'a' AND plays = 7",
        "SELECT * FROM music WHERE artist = 'nobody' AND song = 'a'",
    ];
    let read = client.ok("ExecuteTransaction", statements(&reads)).await;
    assert_eq!(read["Responses"], json!([{"Item": {"plays": {"N": "3"}}}, {}, {}]));
    assert_eq!(read["ConsumedCapacity"][0]["ReadCapacityUnits"], 6.0);
    let refused = ["EXISTS(SELECT * FROM music WHERE artist = 'artist 2' AND song = 'a' AND plays = 9)", inserts[1]];
    let refused = client.call("ExecuteTransaction", statements(&refused)).await;
    assert_eq!(refused.error(), (400, "TransactionCanceledException".into()));
    assert!(refused.text().contains("[ConditionalCheckFailed, DuplicateItem]"), "{}", refused.text());
}
