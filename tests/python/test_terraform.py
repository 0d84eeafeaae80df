"""The calls that Terraform's AWS provider makes in a table's life, in its order: docs/terraform.md lists them."""

from cluster import wait_until
from refusals import refused

CONFIGURATION = {
    "AttributeDefinitions": [
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "at", "AttributeType": "N"},
        {"AttributeName": "kind", "AttributeType": "S"},
    ],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "by-kind",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "kind", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["size"]},
        }
    ],
    "BillingMode": "PROVISIONED",
    "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 3},
    "DeletionProtectionEnabled": True,
    "TableClass": "STANDARD",
    "SSESpecification": {"Enabled": False},
}


def wait_active(client, name):
    """The provider waits for the table, and then for its warm throughput: for ever where that is not shown."""

    def is_active():
        table = client.describe_table(TableName=name)["Table"]
        return table["TableStatus"] == "ACTIVE" and table["WarmThroughput"]["Status"] == "ACTIVE" and table

    return wait_until(is_active, what=f"an active table {name}")


def refresh(client, name):
    """What the provider reads before every plan, and compares with the configuration."""
    table = client.describe_table(TableName=name)["Table"]
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    pages = client.get_paginator("list_tags_of_resource").paginate(ResourceArn=table["TableArn"])
    return {
        "table": table,
        "recovery": backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
        "expiry": expiry["TimeToLiveStatus"],
        "expiry_attribute": expiry.get("AttributeName", ""),
        "tags": {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]},
    }


def test_a_table_lives_as_its_configuration_says(client, table_name):
    tags = [{"Key": "team", "Value": "blue"}, {"Key": "stage", "Value": "test"}]
    made = client.create_table(TableName=table_name, Tags=tags, **CONFIGURATION)["TableDescription"]
    assert (made["TableStatus"], made["TableName"]) == ("CREATING", table_name)
    wait_active(client, table_name)

    state = refresh(client, table_name)
    assert (state["recovery"], state["expiry"], state["expiry_attribute"]) == ("DISABLED", "DISABLED", "")
    assert state["tags"] == {"team": "blue", "stage": "test"}
    table = state["table"]
    # What differs from the configuration would be planned as a change, again and again.
    assert table["KeySchema"] == CONFIGURATION["KeySchema"]
    by_name = {definition["AttributeName"]: definition for definition in table["AttributeDefinitions"]}
    assert by_name == {definition["AttributeName"]: definition for definition in CONFIGURATION["AttributeDefinitions"]}
    (index,) = table["LocalSecondaryIndexes"]
    assert index.items() >= CONFIGURATION["LocalSecondaryIndexes"][0].items()
    assert table["ProvisionedThroughput"].items() >= CONFIGURATION["ProvisionedThroughput"].items()
    assert table["DeletionProtectionEnabled"] is True
    absent = ["BillingModeSummary", "TableClassSummary", "SSEDescription", "StreamSpecification", "LatestStreamArn"]
    absent += ["OnDemandThroughput", "GlobalSecondaryIndexes", "Replicas", "ArchivalSummary"]
    assert [name for name in absent if name in table] == [], "taken for PROVISIONED, STANDARD, off"
    assert {"ReadUnitsPerSecond", "WriteUnitsPerSecond"} <= table["WarmThroughput"].keys()

    client.update_table(TableName=table_name, BillingMode="PAY_PER_REQUEST")
    assert wait_active(client, table_name)["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    client.update_table(TableName=table_name, OnDemandThroughput={"MaxReadRequestUnits": 7, "MaxWriteRequestUnits": -1})
    assert wait_active(client, table_name)["OnDemandThroughput"]["MaxReadRequestUnits"] == 7
    client.update_table(TableName=table_name, TableClass="STANDARD_INFREQUENT_ACCESS")
    assert wait_active(client, table_name)["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    throughput = {"ReadCapacityUnits": 2, "WriteCapacityUnits": 1}
    client.update_table(TableName=table_name, BillingMode="PROVISIONED", ProvisionedThroughput=throughput)
    assert wait_active(client, table_name)["BillingModeSummary"]["BillingMode"] == "PROVISIONED"

    arn = table["TableArn"]
    client.untag_resource(ResourceArn=arn, TagKeys=["stage"])
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "team", "Value": "red"}, {"Key": "cost", "Value": ""}])
    assert refresh(client, table_name)["tags"] == {"team": "red", "cost": ""}

    with refused("ValidationException", "protected against deletion"):
        client.delete_table(TableName=table_name)
    client.update_table(TableName=table_name, DeletionProtectionEnabled=False)
    wait_active(client, table_name)
    assert client.delete_table(TableName=table_name)["TableDescription"]["TableStatus"] == "DELETING"
    client.get_waiter("table_not_exists").wait(TableName=table_name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    # A table that somebody else deleted is told by the first of these, and made again.
    with refused("ResourceNotFoundException", "Requested resource not found: Table: "):
        client.describe_table(TableName=table_name)
    with refused("TableNotFoundException", table_name):
        client.describe_continuous_backups(TableName=table_name)
    with refused("ResourceNotFoundException"):
        client.describe_time_to_live(TableName=table_name)
    with refused("ResourceNotFoundException"):
        client.list_tags_of_resource(ResourceArn=arn)


def test_items_of_a_table_may_expire(client, table_name):
    client.create_table(TableName=table_name, **CONFIGURATION)
    wait_active(client, table_name)
    specification = {"AttributeName": "until", "Enabled": True}
    client.update_time_to_live(TableName=table_name, TimeToLiveSpecification=specification)
    wait_until(lambda: refresh(client, table_name)["expiry"] == "ENABLED", what="time to live")
    state = refresh(client, table_name)
    assert (state["expiry_attribute"], state["table"]["TableStatus"]) == ("until", "ACTIVE")
    # What has not changed is not sent again; a second change within the hour would be refused.
    client.update_table(TableName=table_name, DeletionProtectionEnabled=False)
    wait_active(client, table_name)
    client.delete_table(TableName=table_name)


def test_contributor_insights_are_a_resource_of_their_own(client, table):
    def wait_for(status):
        def is_so():
            insights = client.describe_contributor_insights(TableName=table)
            return insights["ContributorInsightsStatus"] == status and insights

        return wait_until(is_so, what=status)

    wait_for("DISABLED")
    reply = client.update_contributor_insights(TableName=table, ContributorInsightsAction="ENABLE")
    assert reply["ContributorInsightsStatus"] == "ENABLING"
    insights = wait_for("ENABLED")
    assert insights["ContributorInsightsMode"] == "ACCESSED_AND_THROTTLED_KEYS"
    listed = client.list_contributor_insights(TableName=table)["ContributorInsightsSummaries"]
    assert [(one["TableName"], one["ContributorInsightsStatus"]) for one in listed] == [(table, "ENABLED")]
    client.update_contributor_insights(
        TableName=table, ContributorInsightsAction="ENABLE", ContributorInsightsMode="THROTTLED_KEYS"
    )
    assert wait_for("ENABLED")["ContributorInsightsMode"] == "THROTTLED_KEYS"
    client.update_contributor_insights(TableName=table, ContributorInsightsAction="DISABLE")
    wait_for("DISABLED")
    assert client.list_contributor_insights(TableName=table)["ContributorInsightsSummaries"] == []
    with refused("ResourceNotFoundException"):
        client.describe_contributor_insights(TableName="nothing")


def test_tags_have_limits(client, table):
    arn = client.describe_table(TableName=table)["Table"]["TableArn"]
    tags = [{"Key": f"tag-{number}", "Value": "v" * 256} for number in range(50)]
    client.tag_resource(ResourceArn=arn, Tags=tags)
    listed = client.list_tags_of_resource(ResourceArn=arn)["Tags"]
    assert sorted(listed, key=lambda tag: tag["Key"]) == sorted(tags, key=lambda tag: tag["Key"])
    with refused("ValidationException", "Too many tags"):
        client.tag_resource(ResourceArn=arn, Tags=[{"Key": "one more", "Value": ""}])
    with refused("ValidationException", "aws:"):
        client.tag_resource(ResourceArn=arn, Tags=[{"Key": "aws:mine", "Value": ""}])
    with refused("ResourceNotFoundException"):
        client.tag_resource(ResourceArn=f"{arn}-of-nobody", Tags=tags)
