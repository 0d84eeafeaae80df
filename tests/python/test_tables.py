"""Operations on tables."""

from cluster import wait_until
from conftest import create_table
from refusals import refused


def test_a_table_is_made_described_and_deleted(client, table_name):
    made = create_table(client, table_name, Tags=[{"Key": "team", "Value": "blue"}])
    assert made["TableStatus"] == "CREATING"
    table = client.describe_table(TableName=table_name)["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["KeySchema"] == [
        {"AttributeName": "h", "KeyType": "HASH"},
        {"AttributeName": "r", "KeyType": "RANGE"},
    ]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    (index,) = table["LocalSecondaryIndexes"]
    assert (index["IndexName"], index["Projection"]) == ("by-l", {"ProjectionType": "ALL"})
    assert table["TableArn"] == f"arn:aws:dynamodb:us-east-1:000000000000:table/{table_name}"
    # An ARN may stand wherever a name may.
    assert client.describe_table(TableName=table["TableArn"])["Table"]["TableId"] == table["TableId"]
    tags = client.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "blue"}]
    client.put_item(TableName=table_name, Item={"h": {"S": "a"}, "r": {"N": "1"}})
    # Any replica counts: an eventually consistent read.
    wait_until(lambda: client.describe_table(TableName=table_name)["Table"]["ItemCount"] == 1, what="the item's being counted")

    deleted = client.delete_table(TableName=table_name)["TableDescription"]
    assert deleted["TableStatus"] == "DELETING"
    client.get_waiter("table_not_exists").wait(TableName=table_name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    with refused("ResourceNotFoundException", f"Table: {table_name} not found"):
        client.describe_table(TableName=table_name)


def test_a_name_is_taken_once_and_free_after_deletion(client, table_name):
    first = create_table(client, table_name)
    client.put_item(TableName=table_name, Item={"h": {"S": "a"}, "r": {"N": "1"}})
    with refused("ResourceInUseException", f"Table already exists: {table_name}"):
        create_table(client, table_name)
    client.delete_table(TableName=table_name)
    client.get_waiter("table_not_exists").wait(TableName=table_name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    second = create_table(client, table_name)
    assert second["TableId"] != first["TableId"]
    assert client.scan(TableName=table_name, ConsistentRead=True)["Count"] == 0
    client.delete_table(TableName=table_name)


def test_a_table_is_updated(client, table):
    client.update_table(TableName=table, DeletionProtectionEnabled=True)
    with refused("ValidationException", "protected against deletion"):
        client.delete_table(TableName=table)
    throughput = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 5}
    client.update_table(
        TableName=table, BillingMode="PROVISIONED", ProvisionedThroughput=throughput, DeletionProtectionEnabled=False
    )
    shown = client.describe_table(TableName=table)["Table"]
    assert shown["DeletionProtectionEnabled"] is False
    assert shown["ProvisionedThroughput"].items() >= throughput.items()


def test_tables_are_listed_in_pages(client, table_name):
    names = [f"listed-{table_name}-{letter}" for letter in "abc"]
    for name in names:
        create_table(client, name)
    pages = client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 2})
    listed = [name for page in pages for name in page["TableNames"]]
    assert [name for name in listed if name in names] == names
    assert listed == sorted(listed)
    page = client.list_tables(Limit=1, ExclusiveStartTableName=names[0])
    assert (page["TableNames"], page["LastEvaluatedTableName"]) == ([names[1]], names[1])
    for name in names:
        client.delete_table(TableName=name)


def test_what_is_not_there_yet_is_refused_by_name(client, table_name):
    with refused("ValidationException", "ResourcePolicy"):
        create_table(client, table_name, ResourcePolicy="{}")
    with refused("UnknownOperationException"):
        client.list_backups()


def test_limits_and_endpoints_are_described(client):
    assert client.describe_limits()["TableMaxReadCapacityUnits"] == 40_000
    (endpoint,) = client.describe_endpoints()["Endpoints"]
    assert client.meta.endpoint_url.endswith(endpoint["Address"])
