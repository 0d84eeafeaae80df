"""Event source mappings: what changes in a table calls a function, on one node and three."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from botocore.exceptions import ClientError

from cluster import wait_until
from conftest import drop_table
from test_functions import ROLE, lambda_client, zipped

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "orders" / "run.py"
# Notes each record in a table, and fails on those that say so.
NOTING = """
import os
import boto3

database = boto3.client("dynamodb")


def handle(event, context):
    for record in event["Records"]:
        change = record["dynamodb"]
        if change.get("NewImage", {}).get("fails"):
            raise ValueError("this one fails")
        database.put_item(TableName=os.environ["NOTES"], Item={
            "pk": {"S": record["eventID"]}, "name": {"S": record["eventName"]},
            "of": change["Keys"]["pk"], "source": {"S": record["eventSourceARN"]}})
"""
# Writes the next number for each number, in three ways, up to 20 in a row.
LOOPING = """
import boto3

database = boto3.client("dynamodb")


def handle(event, context):
    for record in event["Records"]:
        table = record["eventSourceARN"].split("/")[1]
        number = int(record["dynamodb"]["Keys"]["pk"]["S"]) + 1
        item = {"pk": {"S": str(number)}}
        if number % 100 > 20:
            continue
        if number % 3 == 0:
            database.put_item(TableName=table, Item=item)
        elif number % 3 == 1:
            database.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}}])
        else:
            database.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}}]})
"""

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}


def create_table(client, name, **more):
    """With a string hash key alone, as a destination's table must have it."""
    client.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}], **more)
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})


@pytest.fixture(scope="session")
def functions(cluster):
    return lambda_client(cluster)


@pytest.fixture
def source(client, table_name):
    create_table(client, table_name, StreamSpecification=STREAM)
    yield client.describe_table(TableName=table_name)["Table"]
    drop_table(client, table_name)


@pytest.fixture
def notes(client, table_name):
    create_table(client, f"{table_name}-notes")
    yield f"{table_name}-notes"
    drop_table(client, f"{table_name}-notes")


@pytest.fixture
def function(functions, table_name, notes):
    functions.create_function(
        FunctionName=table_name, Runtime=f"python3.{sys.version_info.minor}", Handler="app.handle", Role=ROLE,
        Code={"ZipFile": zipped(app=NOTING)}, Timeout=20, Environment={"Variables": {"NOTES": notes}})
    yield table_name
    functions.delete_function(FunctionName=table_name)


@pytest.fixture
def mapping(functions, source, function):
    made = []

    def make(**more):
        parameters = {"StartingPosition": "TRIM_HORIZON", **more}
        made.append(functions.create_event_source_mapping(
            FunctionName=function, EventSourceArn=source["LatestStreamArn"], **parameters))
        return made[-1]

    yield make
    for one in made:
        functions.delete_event_source_mapping(UUID=one["UUID"])


def noted(client, notes):
    items = client.scan(TableName=notes, ConsistentRead=True)["Items"]
    return sorted((item["name"]["S"], item["of"]["S"]) for item in items)


def code_of(error):
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_changes_call_the_function(client, source, mapping, notes):
    name, arn = source["TableName"], source["LatestStreamArn"]
    client.put_item(TableName=name, Item={"pk": {"S": "before"}})
    mapping()
    client.put_item(TableName=name, Item={"pk": {"S": "after"}})
    client.delete_item(TableName=name, Key={"pk": {"S": "before"}})
    expected = [("INSERT", "after"), ("INSERT", "before"), ("REMOVE", "before")]
    wait_until(lambda: noted(client, notes) == expected, 60)
    assert {item["source"]["S"] for item in client.scan(TableName=notes)["Items"]} == {arn}


def test_filters_let_through_what_they_name(client, source, mapping, notes):
    name = source["TableName"]
    pattern = json.dumps({"dynamodb": {"NewImage": {"kind": {"S": [{"prefix": "good"}]}}}})
    mapping(FilterCriteria={"Filters": [{"Pattern": pattern}]})
    for number, kind in enumerate(["bad", "good", "goodbye", "no good"]):
        client.put_item(TableName=name, Item={"pk": {"S": str(number)}, "kind": {"S": kind}})
    wait_until(lambda: noted(client, notes) == [("INSERT", "1"), ("INSERT", "2")], 60)


def test_a_poison_record_is_given_up_and_told(client, source, mapping, notes, table_name):
    sink = f"{table_name}-sink"
    create_table(client, sink)
    try:
        table = client.describe_table(TableName=sink)["Table"]["TableArn"]
        mapping(MaximumRetryAttempts=1, BisectBatchOnFunctionError=True,
                DestinationConfig={"OnFailure": {"Destination": table}})
        for number in range(6):
            item = {"pk": {"S": str(number)}} | ({"fails": {"BOOL": True}} if number == 3 else {})
            client.put_item(TableName=source["TableName"], Item=item)
        wait_until(lambda: {of for _, of in noted(client, notes)} == {"0", "1", "2", "4", "5"}, 60)
        wait_until(lambda: client.scan(TableName=sink, ConsistentRead=True)["Count"] == 1, 60)
        [discarded] = client.scan(TableName=sink)["Items"]
        assert json.loads(discarded["payload"]["S"])["dynamodb"]["Keys"] == {"pk": {"S": "3"}}
    finally:
        drop_table(client, sink)


def numbers(client, table):
    return sorted(int(item["pk"]["S"]) for item in client.scan(TableName=table, ConsistentRead=True)["Items"])


def test_a_loop_is_stopped_unless_it_is_allowed(client, functions, source, function, mapping, table_name):
    functions.update_function_code(FunctionName=function, ZipFile=zipped(app=LOOPING))
    name, sink = source["TableName"], f"{table_name}-sink"
    create_table(client, sink)
    try:
        table = client.describe_table(TableName=sink)["Table"]["TableArn"]
        mapping(DestinationConfig={"OnFailure": {"Destination": table}})
        client.put_item(TableName=name, Item={"pk": {"S": "0"}})
        wait_until(lambda: client.scan(TableName=sink, ConsistentRead=True)["Count"] == 1, 60)
        [told] = client.scan(TableName=sink)["Items"]
        assert told["condition"] == {"S": "RecursiveInvocation"}
        assert json.loads(told["payload"]["S"])["dynamodb"]["Keys"] == {"pk": {"S": "16"}}
        assert numbers(client, name) == list(range(17))
        functions.put_function_recursion_config(FunctionName=function, RecursiveLoop="Allow")
        client.put_item(TableName=name, Item={"pk": {"S": "100"}})
        wait_until(lambda: numbers(client, name)[17:] == list(range(100, 121)), 60)
        assert client.scan(TableName=sink, ConsistentRead=True)["Count"] == 1
    finally:
        drop_table(client, sink)


def test_status_tells_the_lag(cluster, client, source, mapping, notes):
    if not cluster.nodes[0].data:
        pytest.skip("an ephemeral node has no socket to ask")

    def lag():
        return {one["name"]: one for one in cluster.nodes[0].status()["tables"]}[source["TableName"]]["trigger_lag_ms"]

    assert lag() is None
    mapping()
    wait_until(lambda: lag() == 0, 60)
    client.put_item(TableName=source["TableName"], Item={"pk": {"S": "a"}, "fails": {"BOOL": True}})
    wait_until(lambda: lag() > 1_000, 60)


def test_a_mapping_is_shown_with_its_defaults_changed_and_deleted(functions, source, function, mapping):
    made = mapping()
    assert re.fullmatch(r"[0-9a-f-]{36}", made["UUID"]) and made["State"] == "Creating"
    assert (made["BatchSize"], made["MaximumRetryAttempts"], made["ParallelizationFactor"]) == (100, -1, 1)
    get = lambda: functions.get_event_source_mapping(UUID=made["UUID"])  # noqa: E731
    wait_until(lambda: get()["State"] == "Enabled", 30)
    listed = functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    assert [one["UUID"] for one in listed] == [made["UUID"]]
    changed = functions.update_event_source_mapping(UUID=made["UUID"], BatchSize=7, Enabled=False)
    assert changed["BatchSize"] == 7
    wait_until(lambda: get()["State"] == "Disabled", 30)
    with pytest.raises(ClientError) as error:
        mapping()
    kind, text = code_of(error)
    assert kind == "ResourceConflictException" and made["UUID"] in text


@pytest.mark.parametrize("more, kind, words", [
    ({"EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:queue"}, "InvalidParameterValueException", "event source"),
    ({"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "InvalidParameterValueException", "Invalid filter pattern definition."),
    ({"BatchSize": 10_001}, "ValidationException", "batchSize"),
    ({"TumblingWindowInSeconds": 5, "ParallelizationFactor": 2}, "InvalidParameterValueException", "ParallelizationFactor"),
])
def test_what_cannot_be_is_refused(functions, source, function, more, kind, words):
    parameters = {"EventSourceArn": source["LatestStreamArn"], "StartingPosition": "LATEST", **more}
    with pytest.raises(ClientError) as error:
        functions.create_event_source_mapping(FunctionName=function, **parameters)
    told, text = code_of(error)
    assert told == kind and words.lower() in text.lower(), text


def test_the_example_runs(cluster):
    keys = {"AWS_ACCESS_KEY_ID": cluster.access_key, "AWS_SECRET_ACCESS_KEY": cluster.secret_key}
    command = [sys.executable, EXAMPLE, cluster.nodes[-1].endpoint]
    ran = subprocess.run(command, env={**os.environ, **keys}, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Ada: " in ran.stdout
