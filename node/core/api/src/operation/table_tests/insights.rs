//! Contributor Insights: their state, and how it is shown.

use super::*;

fn describe_insights(catalog: &Catalog, table: &str) -> Json {
    let input = DescribeContributorInsights::parse(json!({"TableName": table}).to_string().as_bytes()).expect("good");
    let table = catalog.table(table).expect("there");
    let mut out = Vec::new();
    input.render(table, catalog.insights(table.id), &mut out).expect("it is shown");
    serde_json::from_slice(&out).expect("a body is JSON")
}

fn update_insights(catalog: &mut Catalog, body: Json) -> Json {
    let input = UpdateContributorInsights::parse(body.to_string().as_bytes()).expect("good");
    catalog.step(input.change().expect("a table's"), &Stamp { now_ms: 2_500 }).expect("the change is made");
    let mut out = Vec::new();
    input.render(&mut out);
    serde_json::from_slice(&out).expect("a body is JSON")
}

#[test]
fn insights_are_enabled_described_and_disabled() {
    let sorted = indexed(&["a", "b", "c"], json!([index("idx", &["a", "c"], json!({"ProjectionType": "ALL"}))]));
    let mut catalog = catalog(&[with(plain(), sorted), with(plain(), json!({"TableName": "other"}))]);
    let disabled = json!({"TableName": "music", "ContributorInsightsStatus": "DISABLED"});
    assert_eq!(describe_insights(&catalog, "music"), disabled);
    let enable = json!({"TableName": "music", "ContributorInsightsAction": "ENABLE"});
    assert_eq!(
        update_insights(&mut catalog, enable),
        json!({
            "TableName": "music", "ContributorInsightsStatus": "ENABLING",
            "ContributorInsightsMode": "ACCESSED_AND_THROTTLED_KEYS",
        })
    );
    let rules = ["PKC", "PKT", "SKC", "SKT"].map(|kind| format!("DynamoDBContributorInsights-{kind}-music-2500"));
    assert_eq!(
        describe_insights(&catalog, "music"),
        json!({
            "TableName": "music", "ContributorInsightsStatus": "ENABLED", "LastUpdateDateTime": 2.5,
            "ContributorInsightsMode": "ACCESSED_AND_THROTTLED_KEYS",
            "ContributorInsightsRuleList": rules,
        })
    );
    let throttled = json!({
        "TableName": "other", "ContributorInsightsAction": "ENABLE", "ContributorInsightsMode": "THROTTLED_KEYS",
    });
    update_insights(&mut catalog, throttled);
    let shown = describe_insights(&catalog, "other");
    assert_eq!(shown["ContributorInsightsRuleList"], json!(["DynamoDBContributorInsights-PKT-other-2500"]));
    update_insights(&mut catalog, json!({"TableName": "music", "ContributorInsightsAction": "DISABLE"}));
    let mut disabled = disabled;
    disabled["LastUpdateDateTime"] = json!(2.5);
    assert_eq!(describe_insights(&catalog, "music"), disabled);
}

#[test]
fn insights_are_listed_in_pages() {
    let bodies: Vec<String> = ["t-1", "t-2", "t-3"].map(|name| with(plain(), json!({"TableName": name}))).into();
    let mut catalog = catalog(&bodies);
    for name in ["t-1", "t-3"] {
        update_insights(&mut catalog, json!({"TableName": name, "ContributorInsightsAction": "ENABLE"}));
    }
    let summary = |name: &str| {
        json!({
            "TableName": name, "ContributorInsightsStatus": "ENABLED",
            "ContributorInsightsMode": "ACCESSED_AND_THROTTLED_KEYS",
        })
    };
    let list = |body: Json| {
        let mut out = Vec::new();
        let input = ListContributorInsights::parse(body.to_string().as_bytes())?;
        input.render(&catalog, &mut out)?;
        Ok::<Json, ApiError>(serde_json::from_slice(&out).expect("a body is JSON"))
    };
    for (body, names, token) in [
        (json!({}), vec!["t-1", "t-3"], None),
        (json!({"MaxResults": 1}), vec!["t-1"], Some("t-1")),
        (json!({"MaxResults": 1, "NextToken": "t-1"}), vec!["t-3"], None),
        (json!({"TableName": "t-3"}), vec!["t-3"], None),
        (json!({"TableName": "t-2"}), vec![], None),
    ] {
        let mut expected = json!({"ContributorInsightsSummaries": names.into_iter().map(summary).collect::<Vec<_>>()});
        if let Some(token) = token {
            expected["NextToken"] = json!(token);
        }
        assert_eq!(list(body.clone()), Ok(expected), "{body}");
    }
    for body in [json!({"MaxResults": 0}), json!({"MaxResults": 101}), json!({"TableName": "missing"})] {
        list(body.clone()).expect_err(&body.to_string());
    }
}

#[test]
fn an_index_has_no_insights() {
    let body = json!({"TableName": "music", "IndexName": "by_title", "ContributorInsightsAction": "ENABLE"});
    let input = UpdateContributorInsights::parse(body.to_string().as_bytes()).expect("good");
    assert_eq!(
        text(input.change().expect_err("an index")),
        "ValidationException: The parameter IndexName is not supported yet"
    );
}
