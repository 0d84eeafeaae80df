//! Application Auto Scaling as clients see it: from body to change, from catalog to body.

use super::*;
use crate::arn::Owner;
use serde_json::{Value as Json, json};
use stator_catalog::{
    BillingSpec, Catalog, Change, ClusterIdentity, NodeStart, Outcome, ScalingCause, ScalingChange, Secret, Stamp,
    TableSpec, Throughput, Way,
};

fn owner() -> Owner {
    Owner { region: "us-east-1".into(), account_id: "000000000000".into() }
}

fn step(catalog: &mut Catalog, change: Change) -> Outcome {
    catalog.step(change, &Stamp { now_ms: 1_500 }).expect("the change is made")
}

/// A cluster with the provisioned table `t`.
fn catalog() -> Catalog {
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
    step(&mut catalog, Change::InitCluster { identity, node });
    let table = TableSpec::plain(
        "t",
        "id",
        BillingSpec::Provisioned { throughput: Throughput { read_units: 10, write_units: 10 } },
    );
    let made = Change::CreateTable { table: Box::new(table), partitions: None, tables_max: None, avoid: Vec::new() };
    let Outcome::Table(table) = step(&mut catalog, made) else { panic!("a table") };
    step(&mut catalog, Change::TableReady { id: table.id, version: table.version });
    catalog
}

fn body(extra: Json) -> Vec<u8> {
    let mut body = json!({
        "ServiceNamespace": "dynamodb", "ResourceId": "table/t", "ScalableDimension": "dynamodb:table:WriteCapacityUnits",
    });
    for (name, value) in extra.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body.to_string().into_bytes()
}

fn policy(extra: Json) -> Vec<u8> {
    let mut configuration = json!({
        "TargetValue": 70.5,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBWriteCapacityUtilization"},
        "ScaleInCooldown": 60,
    });
    for (name, value) in extra.as_object().expect("an object") {
        configuration[name] = value.clone();
    }
    body(json!({
        "PolicyName": "p", "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": configuration,
    }))
}

fn shown(render: impl FnOnce(&mut Vec<u8>)) -> Json {
    let mut out = Vec::new();
    render(&mut out);
    serde_json::from_slice(&out).expect("a body is JSON")
}

fn text<T: std::fmt::Debug>(outcome: Result<T, ApiError>) -> String {
    match outcome {
        Err(ApiError::Validation(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_target_and_its_policy_are_shown_as_asked_for() {
    let mut catalog = catalog();
    let input = RegisterScalableTarget::parse(&body(json!({
        "MinCapacity": 5, "MaxCapacity": 50, "Tags": {"a": "1"}, "SuspendedState": {"DynamicScalingInSuspended": true},
    })))
    .expect("good");
    step(&mut catalog, input.change());
    let arn = "arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/0000000000000001";
    assert_eq!(
        shown(|out| input.render(&catalog, &owner(), out).expect("it is there")),
        json!({"ScalableTargetARN": arn})
    );

    let input = PutScalingPolicy::parse(&policy(json!({}))).expect("good");
    step(&mut catalog, input.change());
    let put = shown(|out| input.render(&catalog, &owner(), out).expect("it is there"));
    let policy_arn = put["PolicyARN"].as_str().expect("a text").to_owned();
    assert!(policy_arn.starts_with("arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:"), "{policy_arn}");
    assert!(policy_arn.ends_with(":resource/dynamodb/table/t:policyName/p"), "{policy_arn}");

    let all = DescribeScalableTargets::parse(br#"{"ServiceNamespace": "dynamodb"}"#).expect("good");
    assert_eq!(
        shown(|out| all.render(&catalog, &owner(), out)),
        json!({"ScalableTargets": [{
            "ServiceNamespace": "dynamodb", "ResourceId": "table/t",
            "ScalableDimension": "dynamodb:table:WriteCapacityUnits", "MinCapacity": 5, "MaxCapacity": 50,
            "RoleARN": "arn:aws:iam::000000000000:role/aws-service-role/dynamodb.application-autoscaling.amazonaws.com/\
                        AWSServiceRoleForApplicationAutoScaling_DynamoDBTable",
            "CreationTime": 1.5, "ScalableTargetARN": arn,
            "SuspendedState": {
                "DynamicScalingInSuspended": true, "DynamicScalingOutSuspended": false,
                "ScheduledScalingSuspended": false,
            },
        }]})
    );
    for names in [json!(["p"]), json!([policy_arn]), json!([])] {
        let some = json!({"ServiceNamespace": "dynamodb", "PolicyNames": names}).to_string();
        let some = DescribeScalingPolicies::parse(some.as_bytes()).expect("good");
        assert_eq!(
            shown(|out| some.render(&catalog, &owner(), out)),
            json!({"ScalingPolicies": [{
                "PolicyARN": policy_arn, "PolicyName": "p", "ServiceNamespace": "dynamodb", "ResourceId": "table/t",
                "ScalableDimension": "dynamodb:table:WriteCapacityUnits", "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": 70.5, "ScaleInCooldown": 60,
                    "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBWriteCapacityUtilization"},
                },
                "Alarms": [], "CreationTime": 1.5,
            }]})
        );
    }
    let other = DescribeScalingPolicies::parse(br#"{"ServiceNamespace": "dynamodb", "ResourceId": "table/u"}"#);
    assert_eq!(shown(|out| other.expect("good").render(&catalog, &owner(), out)), json!({"ScalingPolicies": []}));
}

#[test]
fn activities_are_told_in_pages_the_latest_first() {
    let mut catalog = catalog();
    let input = RegisterScalableTarget::parse(&body(json!({"MinCapacity": 1, "MaxCapacity": 50}))).expect("good");
    step(&mut catalog, input.change());
    let resource = ScalingResource { table: "t".into(), index: None, way: Way::Write };
    let dimension = catalog.dimension(&resource).expect("there");
    for (from, to, cause) in [(10, 20, ScalingCause::Minimum), (20, 30, ScalingCause::High { policy: "p".into() })] {
        step(&mut catalog, Change::Scaling(ScalingChange::Scale { dimension, from, to, cause }));
        let table = catalog.table("t").expect("there").clone();
        step(&mut catalog, Change::TableReady { id: table.id, version: table.version });
    }
    let mut token = json!(null);
    for (units, cause) in
        [(30, "consumption above the target triggered policy p"), (20, "minimum capacity was set to 20")]
    {
        let body = json!({"ServiceNamespace": "dynamodb", "MaxResults": 1, "NextToken": token}).to_string();
        let input = DescribeScalingActivities::parse(body.as_bytes()).expect("good");
        let page = shown(|out| input.render(&catalog, &owner(), out));
        let [activity] = page["ScalingActivities"].as_array().expect("a list").as_slice() else { panic!("one") };
        assert_eq!(activity["Description"], json!(format!("Setting write capacity units to {units}.")));
        assert_eq!((&activity["Cause"], &activity["StatusCode"]), (&json!(cause), &json!("Successful")));
        token = page["NextToken"].clone();
    }
    assert_eq!(token, json!(null));
    let bad = DescribeScalingActivities::parse(br#"{"ServiceNamespace": "dynamodb", "NextToken": "x"}"#);
    assert_eq!(bad, Err(ApiError::InvalidNextToken));
}

#[test]
fn what_does_not_fit_is_refused() {
    let register = |extra: Json| text(RegisterScalableTarget::parse(&body(extra)));
    assert!(register(json!({"ResourceId": "service/x"})).starts_with("Unsupported service namespace"));
    assert!(register(json!({"ResourceId": "table/t/index/i"})).starts_with("Unsupported service namespace"));
    assert!(register(json!({"ScalableDimension": "dynamodb:index:ReadCapacityUnits"})).starts_with("Unsupported"));
    assert!(register(json!({"ServiceNamespace": "ecs"})).contains("Member must satisfy enum value set: [dynamodb]"));
    assert!(register(json!({"MinCapacity": 0})).starts_with("MinCapacity must be at least 1"));
    let put = |extra: Json| text(PutScalingPolicy::parse(&policy(extra)));
    assert!(put(json!({"TargetValue": 19.9})).starts_with("Target value must be between 20 and 90"));
    assert!(put(json!({"TargetValue": 1e300})).starts_with("Target value must be between 20 and 90"));
    assert!(put(json!({"ScaleOutCooldown": -1})).contains("must not be negative"));
    let metric = json!({"PredefinedMetricType": "DynamoDBReadCapacityUtilization"});
    assert!(put(json!({"PredefinedMetricSpecification": metric})).contains("DynamoDBWriteCapacityUtilization"));
    assert!(
        put(json!({"CustomizedMetricSpecification": {}})).contains("CustomizedMetricSpecification is not supported")
    );
    let wrong = PutScalingPolicy::parse(&policy(json!({"TargetValue": "70"})));
    assert!(matches!(wrong, Err(ApiError::Serialization(_))), "{wrong:?}");

    let arn = "arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/0000000000000001";
    let tag = |arn: &str| {
        let body = json!({"ResourceARN": arn, "Tags": {"a": "b"}}).to_string();
        ChangeScalingTags::parse_tag(body.as_bytes()).expect("good").change(&owner())
    };
    assert!(matches!(tag(arn), Ok(Change::Scaling(ScalingChange::ChangeTags { target: 1, .. }))));
    for other in ["x", &arn.replace("us-east-1", "eu-west-1"), &arn.replace("0001", "1")] {
        assert!(matches!(tag(other), Err(ApiError::ResourceNotFound(_))), "{other}");
    }
}
