//! Global secondary indexes: key schemas of several attributes, updates, and what is shown.

use super::*;
use stator_catalog::{GlobalIndexSpec, IndexUpdate};
use stator_item::TableId;

fn keys(names: &[(&str, &str)]) -> Json {
    names.iter().map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind})).collect()
}

fn global(name: &str, schema: Json) -> Json {
    json!({"IndexName": name, "KeySchema": schema, "Projection": {"ProjectionType": "KEYS_ONLY"}})
}

/// Changes that give `plain` such indexes, with these attributes defined.
fn indexes(names: &[&str], indexes: Json) -> Json {
    json!({"AttributeDefinitions": definitions(names), "GlobalSecondaryIndexes": indexes})
}

fn names(spec: &GlobalIndexSpec) -> [Vec<String>; 2] {
    [&spec.hash, &spec.range].map(|key| key.iter().map(|attribute| attribute.name.clone()).collect())
}

#[test]
fn keys_have_up_to_four_attributes_of_a_kind() {
    let schema = keys(&[("b", "HASH"), ("c", "HASH"), ("d", "RANGE"), ("a", "RANGE")]);
    let spec = created(indexes(&["a", "b", "c", "d"], json!([global("idx", schema)])));
    assert_eq!(names(&spec.global_indexes[0]), [["b", "c"], ["d", "a"]]);
    let many: Vec<(String, &str)> = (0..5).map(|number| (format!("k{number}"), "HASH")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    for (schema, text) in [
        (keys(&many), "Invalid KeySchema: An index key has at most 4 HASH key elements"),
        (keys(&[("b", "RANGE")]), "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
        (
            keys(&[("b", "HASH"), ("c", "RANGE"), ("d", "HASH")]),
            "Invalid KeySchema: All HASH key elements must come before RANGE key elements",
        ),
        (
            keys(&[("b", "HASH"), ("b", "RANGE")]),
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ),
    ] {
        create_refused(indexes(&["a", "b", "c", "d"], json!([global("idx", schema)])), text);
    }
}

#[test]
fn indexes_must_fit_their_table() {
    let one = || global("idx", keys(&[("b", "HASH")]));
    create_refused(indexes(&["a"], json!([])), "OOMPVWI: List of GlobalSecondaryIndexes is empty");
    create_refused(
        indexes(&["a"], json!([one()])),
        "OOMPVWI: Some index key attributes are not defined in AttributeDefinitions. Keys: [b], AttributeDefinitions: [a]",
    );
    create_refused(
        indexes(&["a", "b", "c"], json!([one()])),
        "OOMPVWI: Some AttributeDefinitions are not used. AttributeDefinitions: [a, b, c], keys used: [a, b]",
    );
    create_refused(indexes(&["a", "b"], json!([one(), one()])), "OOMPVWI: Duplicate index name: idx");
    let many: Vec<Json> = (0..21).map(|number| global(&format!("idx{number}"), keys(&[("b", "HASH")]))).collect();
    create_refused(
        indexes(&["a", "b"], json!(many)),
        "OOMPVWI: Number of GlobalSecondaryIndexes exceeds per-table limit of 20",
    );
    let mut both = indexed(&["a", "b", "c"], json!([index("idx", &["a", "c"], json!({"ProjectionType": "ALL"}))]));
    both["GlobalSecondaryIndexes"] = json!([one()]);
    create_refused(both, "OOMPVWI: Duplicate index name: idx");
}

fn updated(updates: Json) -> Result<Vec<IndexUpdate>, String> {
    let body = json!({
        "TableName": "music",
        "AttributeDefinitions": definitions(&["b"]),
        "GlobalSecondaryIndexUpdates": updates,
    });
    UpdateTable::parse(body.to_string().as_bytes()).map(|update| update.update.indexes).map_err(text)
}

#[test]
fn updates_say_one_thing_of_each_index() {
    let create = json!({"Create": global("idx", keys(&[("b", "HASH")]))});
    assert!(matches!(updated(json!([create])).as_deref(), Ok([IndexUpdate::Create(_)])));
    let delete = json!({"Delete": {"IndexName": "idx"}});
    assert_eq!(updated(json!([delete])), Ok(vec![IndexUpdate::Delete { name: "idx".into() }]));
    let throughput = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 2});
    let update = json!({"Update": {"IndexName": "idx", "ProvisionedThroughput": throughput}});
    assert!(matches!(updated(json!([update])).as_deref(), Ok([IndexUpdate::Update { .. }])));
    for (updates, expected) in [
        (json!([{}]), "One and only one of Create, Update and Delete must be specified"),
        (json!([delete, delete]), "Only one global secondary index update per index is allowed"),
        (json!([{"Update": {"IndexName": "idx"}}]), "needs a throughput"),
        (json!([{"Create": global("idx", keys(&[("c", "HASH")]))}]), "not defined in AttributeDefinitions. Keys: [c]"),
        (json!([]), "At least one of"),
    ] {
        let error = updated(updates.clone()).expect_err(&updates.to_string());
        assert!(error.contains(expected), "{updates}: {error}");
    }
}

#[test]
fn an_index_is_shown_with_its_size() {
    let schema = keys(&[("b", "HASH"), ("a", "RANGE")]);
    let body = with(plain(), indexes(&["a", "b"], json!([global("idx", schema.clone())])));
    let catalog = catalog(&[body]);
    let table = catalog.table("music").expect("it was made");
    let owner = Owner { region: "us-east-1".into(), account_id: "000000000000".into() };
    let count = IndexCount { index: IndexNumber::ITEMS, items: 3, bytes: 99 };
    let global_counts: BTreeMap<TableId, IndexCount> = [(table.global_indexes[0].id, count)].into();
    let mut out = Vec::new();
    TableView { table, status: None, counts: &[], global_counts: &global_counts, owner: &owner, now_ms: 2_000 }
        .render(Reply::Table, &mut out);
    let body: Json = serde_json::from_slice(&out).expect("a body is JSON");
    assert_eq!(
        body["Table"]["GlobalSecondaryIndexes"],
        json!([{
            "IndexName": "idx",
            "KeySchema": schema,
            "Projection": {"ProjectionType": "KEYS_ONLY"},
            "IndexStatus": "CREATING",
            "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
            "IndexSizeBytes": 99,
            "ItemCount": 3,
            "IndexArn": "arn:aws:dynamodb:us-east-1:000000000000:table/music/index/idx",
            "WarmThroughput": {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": "UPDATING"},
        }])
    );
    assert_eq!(body["Table"]["AttributeDefinitions"], definitions(&["a", "b"]));
}
