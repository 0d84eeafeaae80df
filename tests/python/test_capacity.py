"""Capacity: what is enforced where an operator asks for it, and what limits changes of it.

Costs are huge and capacities tiny: a debt takes minutes to pay back, so no test depends on how fast it runs.
"""

import urllib.request

import cluster as clusters
import pytest
from conftest import NUMBERS
from refusals import refused

# 300 units to write, 75 to read.
LARGE = {"S": "x" * (300 * 1024 - 100)}


@pytest.fixture(scope="module", params=[clusters.one_node, clusters.three_nodes])
def enforcing(request, tmp_path_factory):
    """Nodes that hold tables to their capacity."""
    cluster = clusters.start(request.param(tmp_path_factory.mktemp("enforcing"), "--throttling", "enforce"))
    yield cluster
    cluster.kill()


@pytest.fixture(scope="module")
def strict(enforcing):
    """A client that does not try again."""
    return enforcing.client(node=-1, attempts_max=1)


def create(client, read=1, write=1, index=None, **more):
    """A table with the key `h`; `index`: units of a global index by `g`."""
    name = f"capacity-{next(NUMBERS)}"
    arguments = {
        "TableName": name,
        "KeySchema": [{"AttributeName": "h", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "h", "AttributeType": "S"}],
        "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": write},
    }
    if index:
        arguments["AttributeDefinitions"].append({"AttributeName": "g", "AttributeType": "S"})
        arguments["GlobalSecondaryIndexes"] = [
            {
                "IndexName": "by-g",
                "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                "ProvisionedThroughput": {"ReadCapacityUnits": index, "WriteCapacityUnits": index},
            }
        ]
    arguments.update(more)
    arguments = {name: value for name, value in arguments.items() if value is not None}
    client.create_table(**arguments)
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return name


def arn(name):
    return f"arn:aws:dynamodb:us-east-1:000000000000:table/{name}"


def put(client, table, key, **more):
    return client.put_item(TableName=table, Item={"h": {"S": key}, "large": LARGE, **more})


def reasons(refusal):
    told = refusal.response.get("ThrottlingReasons") or refusal.response.get("throttlingReasons")
    return [(reason["reason"], reason["resource"]) for reason in told]


def test_a_provisioned_table_is_held_to_its_units(strict):
    table = create(strict)
    put(strict, table, "a")
    with refused("ProvisionedThroughputExceededException", "provisioned throughput for the table was exceeded") as why:
        put(strict, table, "b")
    assert reasons(why) == [("TableWriteProvisionedThroughputExceeded", arn(table))]
    read = strict.get_item(TableName=table, Key={"h": {"S": "a"}}, ConsistentRead=True, ReturnConsumedCapacity="TOTAL")
    assert read["ConsumedCapacity"]["CapacityUnits"] == 75
    for consistent in (True, False):
        with refused("ProvisionedThroughputExceededException") as why:
            strict.get_item(TableName=table, Key={"h": {"S": "b"}}, ConsistentRead=consistent)
        assert reasons(why) == [("TableReadProvisionedThroughputExceeded", arn(table))]
    with refused("ProvisionedThroughputExceededException"):
        strict.scan(TableName=table)


def test_a_throttled_write_has_no_effect(strict):
    table = create(strict, read=1_000)
    put(strict, table, "a")
    with refused("ProvisionedThroughputExceededException"):
        strict.update_item(
            TableName=table,
            Key={"h": {"S": "a"}},
            UpdateExpression="SET n = :n",
            ExpressionAttributeValues={":n": {"N": "1"}},
        )
    item = strict.get_item(TableName=table, Key={"h": {"S": "a"}}, ConsistentRead=True)["Item"]
    assert "n" not in item


def test_an_index_has_units_of_its_own(strict):
    table = create(strict, read=1_000, write=1_000, index=1)
    put(strict, table, "a", g={"S": "g"})
    with refused("ProvisionedThroughputExceededException", "global secondary indexes of the table was exceeded") as why:
        put(strict, table, "b", g={"S": "g"})
    assert reasons(why) == [("IndexWriteProvisionedThroughputExceeded", arn(table) + "/index/by-g")]
    # What does not come to the index goes on, and what was refused is not there.
    put(strict, table, "c")
    shown = strict.scan(TableName=table, ConsistentRead=True, ProjectionExpression="h")["Items"]
    assert sorted(item["h"]["S"] for item in shown) == ["a", "c"]

    def query():
        return strict.query(
            TableName=table,
            IndexName="by-g",
            KeyConditionExpression="g = :g",
            ExpressionAttributeValues={":g": {"S": "g"}},
        )

    # An index that has not heard of the item yet costs half a unit.
    with refused("ProvisionedThroughputExceededException") as why:
        for _ in range(100):
            query()
    assert reasons(why) == [("IndexReadProvisionedThroughputExceeded", arn(table) + "/index/by-g")]


def test_an_on_demand_table_is_held_to_its_maximum(strict):
    most = {"MaxReadRequestUnits": 1_000, "MaxWriteRequestUnits": 1}
    table = create(strict, BillingMode="PAY_PER_REQUEST", ProvisionedThroughput=None, OnDemandThroughput=most)
    put(strict, table, "a")
    with refused("ThrottlingException", "maximum OnDemandThroughput") as why:
        put(strict, table, "b")
    assert reasons(why) == [("TableWriteMaxOnDemandThroughputExceeded", arn(table))]


def test_batches_leave_what_is_throttled_unprocessed(strict):
    table = create(strict, read=1_000)

    def write(keys):
        requests = [{"PutRequest": {"Item": {"h": {"S": key}, "large": LARGE}}} for key in keys]
        return strict.batch_write_item(RequestItems={table: requests})

    left = write(["a", "b", "c"])["UnprocessedItems"][table]
    assert len(left) == 2
    with refused("ProvisionedThroughputExceededException"):
        write(["d", "e"])
    statements = [{"Statement": f"INSERT INTO \"{table}\" VALUE {{'h': '{key}'}}"} for key in "fg"]
    codes = [answer["Error"]["Code"] for answer in strict.batch_execute_statement(Statements=statements)["Responses"]]
    assert codes == ["ProvisionedThroughputExceeded"] * 2


def test_a_transaction_is_cancelled(strict):
    table = create(strict)
    other = create(strict, write=1_000)
    put(strict, table, "a")
    for tables in ([table, table], [table, other]):
        puts = [{"Put": {"TableName": table, "Item": {"h": {"S": str(at)}}}} for at, table in enumerate(tables)]
        with refused("TransactionCanceledException", "ProvisionedThroughputExceeded") as why:
            strict.transact_write_items(TransactItems=puts)
        codes = [reason["Code"] for reason in why.response["CancellationReasons"]]
        expected = ["ProvisionedThroughputExceeded" if name == table else "None" for name in tables]
        assert codes == expected
    strict.get_item(TableName=table, Key={"h": {"S": "a"}}, ConsistentRead=True)
    with refused("TransactionCanceledException", "ProvisionedThroughputExceeded"):
        strict.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": {"h": {"S": "a"}}}}])


def test_what_is_throttled_is_counted(strict, enforcing):
    table = create(strict)
    put(strict, table, "a")
    with refused("ProvisionedThroughputExceededException"):
        put(strict, table, "b")
    counted = []
    for node in enforcing.nodes:
        with urllib.request.urlopen(f"{node.endpoint}/metrics", timeout=10) as reply:
            lines = reply.read().decode().splitlines()
        named = f'table="{table}"'
        counted += [line for line in lines if "stator_replica_commands_throttled_total" in line and named in line]
    (line,) = counted
    assert 'reason="TableWriteProvisionedThroughputExceeded"' in line and line.endswith(" 1")


def test_more_units_help_at_once_or_soon(strict):
    table = create(strict)
    put(strict, table, "a")
    with refused("ProvisionedThroughputExceededException"):
        put(strict, table, "b")
    throughput = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1_000}
    strict.update_table(TableName=table, ProvisionedThroughput=throughput)

    def is_written():
        try:
            put(strict, table, "b")
        except strict.exceptions.ProvisionedThroughputExceededException:
            return False
        return True

    clusters.wait_until(is_written, what="the debt's end")


def test_nothing_is_enforced_unless_asked_for(client):
    table = create(client)
    for key in "abc":
        put(client, table, key)
        client.get_item(TableName=table, Key={"h": {"S": key}})
    client.delete_table(TableName=table)


def test_units_fall_four_times_a_day(client):
    table = create(client, read=20)
    for units in (19, 18, 17, 16):
        client.update_table(
            TableName=table, ProvisionedThroughput={"ReadCapacityUnits": units, "WriteCapacityUnits": 1}
        )
    shown = client.describe_table(TableName=table)["Table"]["ProvisionedThroughput"]
    assert (shown["NumberOfDecreasesToday"], shown["ReadCapacityUnits"]) == (4, 16)
    with refused("LimitExceededException", "Number of decreases today: 4. Last decrease at "):
        client.update_table(TableName=table, ProvisionedThroughput={"ReadCapacityUnits": 15, "WriteCapacityUnits": 1})
    client.update_table(TableName=table, ProvisionedThroughput={"ReadCapacityUnits": 30, "WriteCapacityUnits": 1})
    shown = client.describe_table(TableName=table)["Table"]
    assert shown["WarmThroughput"]["ReadUnitsPerSecond"] == 30
    throughput = shown["ProvisionedThroughput"]
    assert throughput["LastIncreaseDateTime"] >= throughput["LastDecreaseDateTime"]
    client.delete_table(TableName=table)


def test_a_table_becomes_on_demand_four_times_a_day(client):
    table = create(client)
    throughput = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    for _ in range(4):
        client.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")
        client.update_table(TableName=table, BillingMode="PROVISIONED", ProvisionedThroughput=throughput)
    with refused("LimitExceededException", "Update to PayPerRequest mode are limited to 4 times in 1 day(s)"):
        client.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")
    warm = client.describe_table(TableName=table)["Table"]["WarmThroughput"]
    assert (warm["ReadUnitsPerSecond"], warm["WriteUnitsPerSecond"]) == (12_000, 4_000)
    client.delete_table(TableName=table)
