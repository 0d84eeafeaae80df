"""Application Auto Scaling: its API on the same port, and what it does to tables."""

import cluster as clusters
import pytest
from conftest import NUMBERS
from refusals import refused
from test_capacity import create

TABLE_WRITES = "dynamodb:table:WriteCapacityUnits"


@pytest.fixture(scope="module")
def scaling(cluster):
    return cluster.auto_scaling(node=-1)


@pytest.fixture
def table(client):
    name = create(client, index=2)
    yield name
    client.delete_table(TableName=name)


def of(table, dimension=TABLE_WRITES):
    resource = f"table/{table}" + ("/index/by-g" if ":index:" in dimension else "")
    return {"ServiceNamespace": "dynamodb", "ResourceId": resource, "ScalableDimension": dimension}


def policy(metric="DynamoDBWriteCapacityUtilization", **more):
    configuration = {"TargetValue": 70.0, "PredefinedMetricSpecification": {"PredefinedMetricType": metric}, **more}
    return {
        "PolicyName": "keep-at-70",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": configuration,
    }


def test_a_target_lives_from_registration_to_deregistration(scaling, table):
    arn = scaling.register_scalable_target(**of(table), MinCapacity=1, MaxCapacity=10, Tags={"team": "blue"})[
        "ScalableTargetARN"
    ]
    scaling.register_scalable_target(**of(table), MaxCapacity=20)
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="dynamodb", ResourceIds=[f"table/{table}"])[
        "ScalableTargets"
    ]
    assert (target["MinCapacity"], target["MaxCapacity"], target["ScalableTargetARN"]) == (1, 20, arn)
    assert target["SuspendedState"]["DynamicScalingInSuspended"] is False
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"team": "blue"}
    scaling.tag_resource(ResourceARN=arn, Tags={"stage": "test"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"stage": "test"}

    put = scaling.put_scaling_policy(**of(table), **policy(ScaleInCooldown=60))
    again = scaling.put_scaling_policy(**of(table), **policy(ScaleInCooldown=30, DisableScaleIn=True))
    assert put["PolicyARN"] == again["PolicyARN"]
    (kept,) = scaling.describe_scaling_policies(**of(table))["ScalingPolicies"]
    assert kept["PolicyARN"] == put["PolicyARN"]
    assert kept["TargetTrackingScalingPolicyConfiguration"] == {
        "TargetValue": 70.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBWriteCapacityUtilization"},
        "ScaleInCooldown": 30,
        "DisableScaleIn": True,
    }
    scaling.delete_scaling_policy(**of(table), PolicyName="keep-at-70")
    with refused("ObjectNotFoundException", "No scaling policy found"):
        scaling.delete_scaling_policy(**of(table), PolicyName="keep-at-70")
    scaling.deregister_scalable_target(**of(table))
    with refused("ObjectNotFoundException", "No scalable target registered"):
        scaling.deregister_scalable_target(**of(table))
    assert scaling.describe_scalable_targets(ServiceNamespace="dynamodb", ResourceIds=[f"table/{table}"])[
        "ScalableTargets"
    ] == []


def test_capacity_is_brought_into_its_bounds(scaling, client, table):
    """At once: what follows consumption takes minutes, and the simulation tests it."""
    for dimension, metric in [
        (TABLE_WRITES, "DynamoDBWriteCapacityUtilization"),
        ("dynamodb:index:ReadCapacityUnits", "DynamoDBReadCapacityUtilization"),
    ]:
        scaling.register_scalable_target(**of(table, dimension), MinCapacity=5, MaxCapacity=20)
        scaling.put_scaling_policy(**of(table, dimension), **policy(metric))

    def shown():
        described = client.describe_table(TableName=table)["Table"]
        (index,) = described["GlobalSecondaryIndexes"]
        table_units, index_units = described["ProvisionedThroughput"], index["ProvisionedThroughput"]
        return [
            (units["ReadCapacityUnits"], units["WriteCapacityUnits"]) for units in (table_units, index_units)
        ] == [(1, 5), (5, 2)]

    clusters.wait_until(shown, what="the minimum of both")
    (activity,) = scaling.describe_scaling_activities(ServiceNamespace="dynamodb", ResourceId=f"table/{table}")[
        "ScalingActivities"
    ]
    assert (activity["StatusCode"], activity["Cause"]) == ("Successful", "minimum capacity was set to 5")
    scaling.register_scalable_target(**of(table), MinCapacity=2, MaxCapacity=3)

    def is_down():
        return client.describe_table(TableName=table)["Table"]["ProvisionedThroughput"]["WriteCapacityUnits"] == 3

    clusters.wait_until(is_down, what="the maximum")


def test_what_does_not_fit_is_refused(scaling, table):
    with refused("ValidationException", "DynamoDB table does not exist"):
        scaling.register_scalable_target(**of(f"missing-{next(NUMBERS)}"), MinCapacity=1, MaxCapacity=2)
    with refused("ValidationException", "must both be specified"):
        scaling.register_scalable_target(**of(table), MinCapacity=1)
    with refused("ValidationException", "Maximum capacity cannot be less"):
        scaling.register_scalable_target(**of(table), MinCapacity=2, MaxCapacity=1)
    with refused("ObjectNotFoundException"):
        scaling.put_scaling_policy(**of(table), **policy())
    with refused("ResourceNotFoundException"):
        arn = "arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/ffffffffffffffff"
        scaling.list_tags_for_resource(ResourceARN=arn)


def test_a_table_of_one_region_has_the_shapes_of_global_tables(client, table):
    def replica(described):
        (only,) = described["TableAutoScalingDescription"]["Replicas"]
        return only

    before = replica(client.describe_table_replica_auto_scaling(TableName=table))
    assert before["RegionName"] == "us-east-1"
    assert before["ReplicaProvisionedWriteCapacityAutoScalingSettings"] == {"AutoScalingDisabled": True}
    tracking = {"TargetTrackingScalingPolicyConfiguration": {"TargetValue": 50.0}}
    settings = {"MinimumUnits": 1, "MaximumUnits": 9, "ScalingPolicyUpdate": tracking}
    updated = client.update_table_replica_auto_scaling(
        TableName=table,
        ProvisionedWriteCapacityAutoScalingUpdate=settings,
        ReplicaUpdates=[
            {
                "RegionName": "us-east-1",
                "ReplicaGlobalSecondaryIndexUpdates": [
                    {"IndexName": "by-g", "ProvisionedReadCapacityAutoScalingUpdate": settings}
                ],
            }
        ],
    )
    for described in (updated, client.describe_table_replica_auto_scaling(TableName=table)):
        shown = replica(described)
        (index,) = shown["GlobalSecondaryIndexes"]
        for auto_scaled in (
            shown["ReplicaProvisionedWriteCapacityAutoScalingSettings"],
            index["ProvisionedReadCapacityAutoScalingSettings"],
        ):
            assert (auto_scaled["MinimumUnits"], auto_scaled["MaximumUnits"]) == (1, 9)
            (kept,) = auto_scaled["ScalingPolicies"]
            assert kept["TargetTrackingScalingPolicyConfiguration"] == {"TargetValue": 50.0}
    with refused("ValidationException", "no replica in the region"):
        client.update_table_replica_auto_scaling(TableName=table, ReplicaUpdates=[{"RegionName": "mars-1"}])
