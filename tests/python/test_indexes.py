"""Global secondary indexes, on one node and on three."""

import time

import pytest
from boto3.dynamodb.conditions import Key

from cluster import wait_until
from refusals import refused

FOLLOWS_SECONDS_MAX = 10


def attribute(name, kind):
    return {"AttributeName": name, "AttributeType": kind}


def key(name, kind="HASH"):
    return {"AttributeName": name, "KeyType": kind}


def index(name, keys, projection="ALL", **more):
    projection = projection if isinstance(projection, dict) else {"ProjectionType": projection}
    return {"IndexName": name, "KeySchema": keys, "Projection": projection, **more}


INCLUDE = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["label"]}


def indexed_table(client, name):
    """`h` (string), `r` (number); three global indexes with all projections, one of them with a key of several attributes."""
    arguments = {
        "AttributeDefinitions": [
            attribute("h", "S"),
            attribute("r", "N"),
            attribute("city", "S"),
            attribute("year", "N"),
            attribute("grade", "N"),
        ],
        "GlobalSecondaryIndexes": [
            index("by-city", [key("city")]),
            index("by-grade", [key("grade"), key("h", "RANGE")], "KEYS_ONLY"),
            index("by-both", [key("city"), key("year"), key("grade", "RANGE"), key("r", "RANGE")], INCLUDE),
        ],
    }
    return make(client, name, arguments)


def make(client, name, arguments):
    reply = client.create_table(
        TableName=name, KeySchema=[key("h"), key("r", "RANGE")], **({"BillingMode": "PAY_PER_REQUEST"} | arguments)
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return reply["TableDescription"]


@pytest.fixture
def indexed(client, table_name):
    indexed_table(client, table_name)
    yield table_name
    client.delete_table(TableName=table_name)


def item(h, r, **attributes):
    kinds = {str: "S", int: "N"}
    given = {"h": h, "r": r, **attributes}
    return {name: {kinds[type(value)]: str(value)} for name, value in given.items()}


def scanned(client, table, name):
    """The whole index: each item as text, in order."""
    pages = client.get_paginator("scan").paginate(TableName=table, IndexName=name, PaginationConfig={"PageSize": 7})
    found = [shown for page in pages for shown in page["Items"]]
    return sorted(sorted((name, *value.items()) for name, value in entry.items()) for entry in found)


def becomes(client, table, name, items):
    """The index follows soon."""
    expected = sorted(sorted((name, *value.items()) for name, value in entry.items()) for entry in items)
    wait_until(lambda: scanned(client, table, name) == expected, FOLLOWS_SECONDS_MAX, f"index {name} as {expected}")


def statuses(client, table):
    described = client.describe_table(TableName=table)["Table"]
    return {shown["IndexName"]: shown["IndexStatus"] for shown in described.get("GlobalSecondaryIndexes", [])}


def test_a_table_shows_its_indexes(client, indexed):
    table = client.describe_table(TableName=indexed)["Table"]
    by_name = {shown["IndexName"]: shown for shown in table["GlobalSecondaryIndexes"]}
    assert list(by_name) == ["by-city", "by-grade", "by-both"]
    assert {shown["IndexStatus"] for shown in by_name.values()} == {"ACTIVE"}
    assert "Backfilling" not in by_name["by-city"]
    assert by_name["by-both"]["KeySchema"] == [
        key("city"), key("year"), key("grade", "RANGE"), key("r", "RANGE"),
    ]
    assert by_name["by-both"]["Projection"] == INCLUDE
    assert by_name["by-city"]["IndexArn"].endswith(f":table/{indexed}/index/by-city")
    assert {defined["AttributeName"] for defined in table["AttributeDefinitions"]} == {"h", "r", "city", "year", "grade"}


def test_an_index_follows_its_table(client, indexed):
    berlin = item("a", 1, city="Berlin", year=1999, grade=3, label="x", note="long")
    paris = item("b", 2, city="Paris", grade=1)
    plain = item("c", 3, label="nowhere")
    for put in (berlin, paris, plain):
        client.put_item(TableName=indexed, Item=put)
    becomes(client, indexed, "by-city", [berlin, paris])
    becomes(client, indexed, "by-grade", [item("a", 1, grade=3), item("b", 2, grade=1)])
    becomes(client, indexed, "by-both", [item("a", 1, city="Berlin", year=1999, grade=3, label="x")])

    client.update_item(
        TableName=indexed,
        Key=item("a", 1),
        UpdateExpression="SET city = :city REMOVE grade",
        ExpressionAttributeValues={":city": {"S": "Paris"}},
    )
    client.delete_item(TableName=indexed, Key=item("b", 2))
    becomes(client, indexed, "by-city", [item("a", 1, city="Paris", year=1999, label="x", note="long")])
    becomes(client, indexed, "by-grade", [])
    becomes(client, indexed, "by-both", [])

    def counts():
        table = client.describe_table(TableName=indexed)["Table"]
        return {shown["IndexName"]: shown["ItemCount"] for shown in table["GlobalSecondaryIndexes"]}

    wait_until(lambda: counts() == {"by-city": 1, "by-grade": 0, "by-both": 0}, what="the indexes' being counted")
    found = client.execute_statement(Statement=f'SELECT h FROM "{indexed}"."by-city" WHERE city = \'Paris\'')
    assert found["Items"] == [{"h": {"S": "a"}}]


def test_queries_and_pages(cluster, client, indexed):
    for number in range(20):
        client.put_item(
            TableName=indexed, Item=item(f"h{number % 4}", number, city="Rome", year=2000, grade=number // 5, label="l")
        )
    wait_until(lambda: client.scan(TableName=indexed, IndexName="by-city")["Count"] == 20, FOLLOWS_SECONDS_MAX)
    wait_until(lambda: client.scan(TableName=indexed, IndexName="by-both")["Count"] == 20, FOLLOWS_SECONDS_MAX)
    seen, start = [], {}
    while True:
        page = client.query(
            TableName=indexed,
            IndexName="by-city",
            KeyConditionExpression="city = :city",
            ExpressionAttributeValues={":city": {"S": "Rome"}},
            Limit=3,
            **start,
        )
        seen += [int(found["r"]["N"]) for found in page["Items"]]
        if "LastEvaluatedKey" not in page:
            break
        assert page["LastEvaluatedKey"].keys() == {"city", "h", "r"}
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert sorted(seen) == list(range(20))

    both = cluster.resource().Table(indexed)
    whole = Key("city").eq("Rome") & Key("year").eq(2000)

    def query(condition, **more):
        found = both.query(IndexName="by-both", KeyConditionExpression=condition, **more)["Items"]
        return [int(one["r"]) for one in found]

    assert query(whole) == list(range(20))
    assert query(whole, ScanIndexForward=False) == list(range(19, -1, -1))
    assert query(whole & Key("grade").eq(2)) == list(range(10, 15))
    assert query(whole & Key("grade").eq(2) & Key("r").between(11, 13)) == [11, 12, 13]
    assert query(whole & Key("grade").gte(3)) == list(range(15, 20))
    for condition in (Key("city").eq("Rome"), whole & Key("r").eq(3), whole & Key("grade").lt(2) & Key("r").eq(3)):
        with refused("ValidationException", "Query "):
            query(condition)


def test_what_an_index_does_not_answer(client, indexed):
    def query(name="by-grade", **more):
        client.query(
            TableName=indexed,
            IndexName=name,
            KeyConditionExpression="grade = :grade",
            ExpressionAttributeValues={":grade": {"N": "1"}},
            **more,
        )

    query()
    with refused("ValidationException", "Consistent reads are not supported on global secondary indexes"):
        query(ConsistentRead=True)
    with refused("ValidationException", "Global secondary index by-grade does not project [label]"):
        query(ProjectionExpression="h, label")
    with refused(
        "ValidationException",
        "Select type ALL_ATTRIBUTES is not supported for global secondary index by-grade because its projection type is "
        "not ALL",
    ):
        query(Select="ALL_ATTRIBUTES")
    with refused("ValidationException", "The table does not have the specified index: nothing"):
        query(name="nothing")


def test_keys_that_no_index_can_have(client, indexed):
    with refused("ValidationException", "Type mismatch for Index Key city Expected: S Actual: N IndexName: by-city"):
        client.put_item(TableName=indexed, Item=item("a", 1, city=5))
    with refused("ValidationException", "cannot contain an empty string value. IndexName: by-city, IndexKey: city"):
        client.put_item(TableName=indexed, Item=item("a", 1, city=""))
    with refused("ValidationException", "Type mismatch for Index Key grade Expected: N Actual: S IndexName: by-grade"):
        client.update_item(
            TableName=indexed,
            Key=item("a", 1),
            UpdateExpression="SET grade = :grade",
            ExpressionAttributeValues={":grade": {"S": "best"}},
        )
    assert "Item" not in client.get_item(TableName=indexed, Key=item("a", 1), ConsistentRead=True)


def test_consumed_capacity(client, indexed):
    put = client.put_item(
        TableName=indexed, Item=item("a", 1, city="Oslo", grade=1), ReturnConsumedCapacity="INDEXES"
    )["ConsumedCapacity"]
    assert put["CapacityUnits"] == 3 and put["Table"]["CapacityUnits"] == 1
    assert {name: used["CapacityUnits"] for name, used in put["GlobalSecondaryIndexes"].items()} == {
        "by-city": 1, "by-grade": 1,
    }
    read = client.scan(TableName=indexed, IndexName="by-city", ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert read["GlobalSecondaryIndexes"] == {"by-city": {"CapacityUnits": 0.5}}
    assert read["Table"]["CapacityUnits"] == 0


def test_an_index_is_added_to_a_full_table_and_dropped(client, table_name):
    make(client, table_name, {"AttributeDefinitions": [attribute("h", "S"), attribute("r", "N")]})
    items = [item(f"h{number}", number, grade=number % 5, pad="p" * 4000) for number in range(200)]
    items[7]["grade"] = {"S": "of another type"}
    for first in range(0, len(items), 25):
        requests = [{"PutRequest": {"Item": put}} for put in items[first:first + 25]]
        assert client.batch_write_item(RequestItems={table_name: requests})["UnprocessedItems"] == {}
    create = {"Create": index("by-grade", [key("grade")], "KEYS_ONLY")}
    reply = client.update_table(
        TableName=table_name, AttributeDefinitions=[attribute("grade", "N")], GlobalSecondaryIndexUpdates=[create]
    )["TableDescription"]
    (shown,) = reply["GlobalSecondaryIndexes"]
    assert shown["IndexStatus"] == "CREATING"
    # Writes go on while it is filled.
    late = [item(f"late{number}", number, grade=9) for number in range(20)]
    for put in late:
        client.put_item(TableName=table_name, Item=put)
    client.delete_item(TableName=table_name, Key=item("h3", 3))
    wait_until(lambda: statuses(client, table_name) == {"by-grade": "ACTIVE"}, 30, "the index to be filled")
    expected = [item(f"h{number}", number, grade=number % 5) for number in range(200) if number not in (3, 7)] + late
    becomes(client, table_name, "by-grade", expected)

    with refused("ValidationException", "Duplicate index name: by-grade"):
        client.update_table(
            TableName=table_name, AttributeDefinitions=[attribute("grade", "N")], GlobalSecondaryIndexUpdates=[create]
        )
    delete = [{"Delete": {"IndexName": "by-grade"}}]
    client.update_table(TableName=table_name, GlobalSecondaryIndexUpdates=delete)
    wait_until(lambda: statuses(client, table_name) == {}, 30, "the index to be gone")
    with refused("ValidationException", "The table does not have the specified index: by-grade"):
        client.scan(TableName=table_name, IndexName="by-grade")
    with refused("ResourceNotFoundException"):
        client.update_table(TableName=table_name, GlobalSecondaryIndexUpdates=delete)
    # Under its name another one may be made, which begins with nothing of it.
    client.put_item(TableName=table_name, Item=late[0] | {"grade": {"N": "100"}})
    create = {"Create": index("by-grade", [key("grade"), key("r")], "KEYS_ONLY")}
    client.update_table(
        TableName=table_name,
        AttributeDefinitions=[attribute("grade", "N"), attribute("r", "N")],
        GlobalSecondaryIndexUpdates=[create],
    )
    wait_until(lambda: statuses(client, table_name) == {"by-grade": "ACTIVE"}, 30, "the index to be filled")
    expected = [given for given in expected if given != late[0]] + [late[0] | {"grade": {"N": "100"}}]
    becomes(client, table_name, "by-grade", expected)
    client.delete_table(TableName=table_name)


def test_index_throughput(client, table_name):
    throughput = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
    definitions = {"AttributeDefinitions": [attribute("h", "S"), attribute("r", "N"), attribute("g", "S")]}
    provisioned = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput}
    with refused("ValidationException", "index: by-g"):
        make(client, table_name, definitions | provisioned | {"GlobalSecondaryIndexes": [index("by-g", [key("g")])]})
    by_g = index("by-g", [key("g")], ProvisionedThroughput=throughput)
    with refused("ValidationException", "index: by-g"):
        make(client, table_name, definitions | {"GlobalSecondaryIndexes": [by_g]})
    make(client, table_name, definitions | provisioned | {"GlobalSecondaryIndexes": [by_g]})
    more = {"ReadCapacityUnits": 50, "WriteCapacityUnits": 6}
    update = {"Update": {"IndexName": "by-g", "ProvisionedThroughput": more}}
    client.update_table(TableName=table_name, GlobalSecondaryIndexUpdates=[update])
    wait_until(lambda: statuses(client, table_name) == {"by-g": "ACTIVE"}, 30, "the index to be updated")
    (shown,) = client.describe_table(TableName=table_name)["Table"]["GlobalSecondaryIndexes"]
    assert shown["ProvisionedThroughput"].items() >= more.items()
    client.delete_table(TableName=table_name)


def test_index_definitions_that_are_refused(client, table_name):
    definitions = [attribute("h", "S"), attribute("r", "N"), attribute("g", "S")]

    def create(*indexes, definitions=definitions):
        make(client, table_name, {"AttributeDefinitions": definitions, "GlobalSecondaryIndexes": list(indexes)})

    with refused("ValidationException", "List of GlobalSecondaryIndexes is empty"):
        create()
    with refused("ValidationException", "Duplicate index name: twice"):
        create(index("twice", [key("g")]), index("twice", [key("g")]))
    with refused("ValidationException", "not defined in AttributeDefinitions"):
        create(index("by-x", [key("x")]))
    with refused("ValidationException", "at most 4 HASH"):
        many = [attribute(f"a{number}", "S") for number in range(5)]
        create(index("by-many", [key(f"a{number}") for number in range(5)]), definitions=definitions[:2] + many)
    with refused("ValidationException", "exceeds per-table limit of 20"):
        create(*(index(f"index-{number}", [key("g")]) for number in range(21)))
    with refused("ValidationException", "exceeds the limit of 100"):
        wide = {"ProjectionType": "INCLUDE", "NonKeyAttributes": [f"n{number}" for number in range(20)]}
        create(*(index(f"index-{number}", [key("g")], wide) for number in range(6)))


def test_an_index_is_soon_there(one_node, table_name):
    """At rest. A bound far above what it takes, or a busy machine would decide; what it takes is printed."""
    client = one_node.client()
    indexed_table(client, table_name)
    times = []
    for number in range(20):
        client.put_item(TableName=table_name, Item=item("a", number, city=f"city {number}"))
        began = time.monotonic()
        wait_until(
            lambda: client.query(
                TableName=table_name,
                IndexName="by-city",
                KeyConditionExpression="city = :city",
                ExpressionAttributeValues={":city": {"S": f"city {number}"}},
            )["Count"] == 1,
            FOLLOWS_SECONDS_MAX,
        )
        times.append(time.monotonic() - began)
    print("seconds until an index had it:", sorted(times))
    client.delete_table(TableName=table_name)


def test_status_tells_the_lag(three_nodes, table_name):
    client = three_nodes.client()
    indexed_table(client, table_name)
    client.put_item(TableName=table_name, Item=item("a", 1, city="Oslo"))

    def lag():
        status = three_nodes.nodes[0].status()
        tables = {table["name"]: table for table in status["tables"]}
        return tables[table_name]["index_lag_ms"]

    wait_until(lambda: lag() == 0, FOLLOWS_SECONDS_MAX, "nothing to wait")
    names = {partition["table"] for partition in three_nodes.nodes[0].status()["partitions"]}
    assert {table_name, f"{table_name}/by-city", f"{table_name}/by-both"} <= names
    client.delete_table(TableName=table_name)
