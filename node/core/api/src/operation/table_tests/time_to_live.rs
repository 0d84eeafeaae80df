//! Time to live: what is refused, and how it is shown on its way.

use super::*;
use stator_catalog::CatalogRefusal;

fn update(body: Json) -> Result<UpdateTimeToLive, String> {
    UpdateTimeToLive::parse(body.to_string().as_bytes()).map_err(text)
}

fn step(catalog: &mut Catalog, now_ms: u64, body: Json) -> Result<Json, CatalogRefusal> {
    let input = update(body).expect("good");
    catalog.step(input.change(), &Stamp { now_ms })?;
    let mut out = Vec::new();
    input.render(&mut out);
    Ok(serde_json::from_slice(&out).expect("a body is JSON"))
}

fn describe(catalog: &Catalog) -> Json {
    let input = DescribeTimeToLive::parse(br#"{"TableName": "music"}"#).expect("good");
    let mut out = Vec::new();
    input.render(catalog.table("music").expect("there"), &mut out);
    let shown: Json = serde_json::from_slice(&out).expect("a body is JSON");
    shown["TimeToLiveDescription"].clone()
}

fn ready(catalog: &mut Catalog, changed_ms: u64) {
    let table = catalog.table("music").expect("there").id;
    catalog.step(Change::TimeToLiveReady { table, changed_ms }, &Stamp { now_ms: 0 }).expect("news");
}

#[test]
fn it_is_shown_on_its_way() {
    let mut catalog = catalog(&[plain().to_string()]);
    let table = catalog.table("music").expect("there");
    let ready_table = Change::TableReady { id: table.id, version: table.version };
    catalog.step(ready_table, &Stamp { now_ms: 0 }).expect("news");
    assert_eq!(describe(&catalog), json!({"TimeToLiveStatus": "DISABLED"}));
    let specification = json!({"Enabled": true, "AttributeName": "expires"});
    let enable = json!({"TableName": "music", "TimeToLiveSpecification": specification});
    let answered = step(&mut catalog, 5, enable.clone()).expect("it is enabled");
    assert_eq!(answered, json!({"TimeToLiveSpecification": specification}));
    assert_eq!(describe(&catalog), json!({"TimeToLiveStatus": "ENABLING", "AttributeName": "expires"}));
    ready(&mut catalog, 5);
    assert_eq!(describe(&catalog), json!({"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}));
    let refused = step(&mut catalog, 5, enable).expect_err("it is enabled already");
    assert_eq!(text(refused.into()), "ValidationException: TimeToLive is already enabled");
    let specification = json!({"Enabled": false, "AttributeName": "expires"});
    let disable = json!({"TableName": "music", "TimeToLiveSpecification": specification});
    let refused = step(&mut catalog, 3_600_004, disable.clone()).expect_err("it is too early");
    let words = "ValidationException: Time to live has been modified multiple times within a fixed interval";
    assert_eq!(text(refused.into()), words);
    step(&mut catalog, 3_600_005, disable).expect("it is disabled");
    assert_eq!(describe(&catalog), json!({"TimeToLiveStatus": "DISABLING", "AttributeName": "expires"}));
    ready(&mut catalog, 3_600_005);
    assert_eq!(describe(&catalog), json!({"TimeToLiveStatus": "DISABLED"}));
}

#[test]
fn what_the_model_refuses_is_refused() {
    let given = |specification: Json| json!({"TableName": "music", "TimeToLiveSpecification": specification});
    let null = |member: &str| {
        format!(
            "ValidationException: 1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
             Member must not be null"
        )
    };
    assert_eq!(update(json!({"TableName": "music"})), Err(null("timeToLiveSpecification")));
    assert_eq!(update(given(json!({"AttributeName": "a"}))), Err(null("timeToLiveSpecification.enabled")));
    assert_eq!(update(given(json!({"Enabled": true}))), Err(null("timeToLiveSpecification.attributeName")));
    for (name, constraint) in
        [(String::new(), "greater than or equal to 1"), ("a".repeat(256), "less than or equal to 255")]
    {
        let refused = update(given(json!({"Enabled": true, "AttributeName": name}))).expect_err("a wrong length");
        assert!(refused.ends_with(&format!("Member must have length {constraint}")), "{refused}");
    }
    assert!(update(given(json!({"Enabled": true, "AttributeName": "a".repeat(255)}))).is_ok());
    assert!(update(given(json!({"Enabled": "yes", "AttributeName": "a"}))).is_err());
}
