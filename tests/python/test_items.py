"""Operations on single items: what is stored, returned, and refused."""

import re
from decimal import Decimal

import pytest

from refusals import refused

EVERY_TYPE = {
    "string": {"S": "Grüße"},
    "empty": {"S": ""},
    "number": {"N": "12345678901234567890.123456789012345678"},
    "smallest": {"N": "0." + "0" * 129 + "1"},
    "binary": {"B": b"\x00\xff"},
    "strings": {"SS": ["a", "b"]},
    "numbers": {"NS": ["-1", "2.5"]},
    "binaries": {"BS": [b"a", b"b"]},
    "list": {"L": [{"N": "1"}, {"L": []}, {"NULL": True}]},
    "map": {"M": {"inner": {"M": {}}, "flag": {"BOOL": False}}},
}


@pytest.fixture
def put(client, shared_table, key):
    def put(**attributes):
        client.put_item(TableName=shared_table, Item=key | attributes)

    return put


def same(item):
    """Sets have no order."""
    return {
        name: {kind: sorted(value) if kind in ("SS", "NS", "BS") else value for kind, value in attribute.items()}
        for name, attribute in item.items()
    }


def test_every_type_comes_back_as_it_was_put(put, stored):
    put(**EVERY_TYPE)
    assert same(stored()) == same(EVERY_TYPE)


def test_the_resource_interface_works(cluster, shared_table, hash_value):
    table = cluster.resource(node=-1).Table(shared_table)
    item = {"h": hash_value["S"], "r": 1, "price": Decimal("9.99"), "tags": {"a", "b"}, "deep": [{"x": None}]}
    table.put_item(Item=item)
    assert table.get_item(Key={"h": item["h"], "r": 1}, ConsistentRead=True)["Item"] == item


def test_put_returns_what_it_replaces(client, shared_table, key, put):
    put(a={"N": "1"})
    reply = client.put_item(TableName=shared_table, Item=key | {"a": {"N": "2"}}, ReturnValues="ALL_OLD")
    assert reply["Attributes"] == key | {"a": {"N": "1"}}
    with refused("ValidationException", "ReturnValues can only be ALL_OLD or NONE"):
        client.put_item(TableName=shared_table, Item=key, ReturnValues="ALL_NEW")


def test_get_projects(client, shared_table, key, put):
    put(a={"L": [{"S": "x"}, {"S": "y"}]}, b={"M": {"c": {"N": "1"}, "d": {"N": "2"}}})
    reply = client.get_item(
        TableName=shared_table,
        Key=key,
        ConsistentRead=True,
        ProjectionExpression="a[1], #b.c, absent",
        ExpressionAttributeNames={"#b": "b"},
    )
    assert reply["Item"] == {"a": {"L": [{"S": "y"}]}, "b": {"M": {"c": {"N": "1"}}}}


@pytest.mark.parametrize(
    "returns, attributes",
    [
        ("NONE", None),
        ("ALL_OLD", {"n": {"N": "1"}, "s": {"SS": ["x"]}, "gone": {"S": "."}, "kept": {"S": "."}}),
        ("UPDATED_OLD", {"n": {"N": "1"}, "s": {"SS": ["x"]}, "gone": {"S": "."}}),
        ("ALL_NEW", {"n": {"N": "11"}, "s": {"SS": ["x", "y"]}, "new": {"L": [{"N": "7"}]}, "kept": {"S": "."}}),
        ("UPDATED_NEW", {"n": {"N": "11"}, "s": {"SS": ["x", "y"]}, "new": {"L": [{"N": "7"}]}}),
    ],
)
def test_update_returns(client, shared_table, key, put, stored, returns, attributes):
    put(n={"N": "1"}, s={"SS": ["x"]}, gone={"S": "."}, kept={"S": "."})
    reply = client.update_item(
        TableName=shared_table,
        Key=key,
        UpdateExpression="SET n = n + :ten, #new = list_append(if_not_exists(#new, :none), :one) REMOVE gone ADD s :y",
        ExpressionAttributeNames={"#new": "new"},
        ExpressionAttributeValues={
            ":ten": {"N": "10"},
            ":none": {"L": []},
            ":one": {"L": [{"N": "7"}]},
            ":y": {"SS": ["y"]},
        },
        ReturnValues=returns,
    )
    got = reply.get("Attributes")
    if returns in ("ALL_OLD", "ALL_NEW"):
        attributes = attributes | key
    assert (got and same(got)) == attributes
    assert same(stored())["s"] == {"SS": ["x", "y"]}


def test_update_makes_an_item_and_deletes_set_elements(client, shared_table, key, stored):
    def update(expression, value):
        client.update_item(
            TableName=shared_table,
            Key=key,
            UpdateExpression=expression,
            ExpressionAttributeValues={":v": value},
        )

    update("ADD visits :v", {"N": "5"})
    update("ADD visits :v", {"N": "-2"})
    update("SET guests = :v", {"SS": ["a", "b"]})
    update("DELETE guests :v", {"SS": ["a"]})
    assert stored() == {"visits": {"N": "3"}, "guests": {"SS": ["b"]}}


def test_delete_returns_what_it_deletes(client, shared_table, key, put, stored):
    put(a={"S": "x"})
    reply = client.delete_item(TableName=shared_table, Key=key, ReturnValues="ALL_OLD")
    assert reply["Attributes"] == key | {"a": {"S": "x"}}
    assert stored() is None
    assert "Attributes" not in client.delete_item(TableName=shared_table, Key=key, ReturnValues="ALL_OLD")


@pytest.mark.parametrize(
    "condition, holds",
    [
        ("n = :one", True),
        ("n <> :one", False),
        ("n BETWEEN :one AND :two AND NOT n = :two", True),
        ("n IN (:two, :one)", True),
        ("attribute_exists(n) AND attribute_not_exists(m)", True),
        ("attribute_type(n, :type)", True),
        ("begins_with(s, :he) OR n = :two", True),
        ("contains(#tags, :blue)", True),
        ("size(s) > :two", True),
        ("s < :he", False),
    ],
)
def test_conditions_decide(client, shared_table, key, put, stored, condition, holds):
    values = {
        ":one": {"N": "1"},
        ":two": {"N": "2"},
        ":type": {"S": "N"},
        ":he": {"S": "he"},
        ":blue": {"S": "blue"},
    }
    put(n={"N": "1"}, s={"S": "hello"}, tags={"SS": ["blue", "red"]})
    arguments = {
        "TableName": shared_table,
        "Key": key,
        "ConditionExpression": condition,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    used = {name: value for name, value in values.items() if name in re.findall(r":\w+", condition)}
    if used:
        arguments["ExpressionAttributeValues"] = used
    if "#tags" in condition:
        arguments["ExpressionAttributeNames"] = {"#tags": "tags"}
    if holds:
        client.delete_item(**arguments)
        assert stored() is None
        return
    with refused("ConditionalCheckFailedException", "The conditional request failed") as refusal:
        client.delete_item(**arguments)
    assert refusal.response["Item"]["s"] == {"S": "hello"}
    assert stored() is not None


def test_only_one_of_two_conditional_puts_wins(client, shared_table, key):
    arguments = {"TableName": shared_table, "Item": key, "ConditionExpression": "attribute_not_exists(h)"}
    client.put_item(**arguments)
    with refused("ConditionalCheckFailedException"):
        client.put_item(**arguments)


def test_consumed_capacity_is_exact(client, shared_table, key, put):
    item = key | {"l": {"S": "x"}, "a": {"S": "." * 3_100}}
    written = client.put_item(TableName=shared_table, Item=item, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    # Three KB and a bit: four units for the item, four for its copy in the index.
    assert (written["CapacityUnits"], written["Table"]["CapacityUnits"]) == (8.0, 4.0)
    assert written["LocalSecondaryIndexes"]["by-l"]["CapacityUnits"] == 4.0
    for consistent, units in [(False, 0.5), (True, 1.0)]:
        read = client.get_item(
            TableName=shared_table, Key=key, ConsistentRead=consistent, ReturnConsumedCapacity="TOTAL"
        )
        assert read["ConsumedCapacity"] == {"TableName": shared_table, "CapacityUnits": units}


def test_item_collections_have_a_size(client, shared_table, key):
    reply = client.put_item(TableName=shared_table, Item=key, ReturnItemCollectionMetrics="SIZE")
    metrics = reply["ItemCollectionMetrics"]
    assert metrics["ItemCollectionKey"] == {"h": key["h"]}
    lower, upper = metrics["SizeEstimateRangeGB"]
    assert 0 <= lower <= upper <= 1


@pytest.mark.parametrize(
    "arguments, code, text",
    [
        ({"Item": {"h": {"S": "a"}}}, "ValidationException", "Missing the key r in the item"),
        ({"Item": {"h": {"N": "1"}, "r": {"N": "1"}}}, "ValidationException", "Type mismatch for key h"),
        ({"Item": {"h": {"S": ""}, "r": {"N": "1"}}}, "ValidationException", "empty string value. Key: h"),
        ({"Item": {"h": {"S": "a"}, "r": {"N": "x"}}}, "ValidationException", "cannot be converted to a numeric value"),
        ({"Item": {"h": {"S": "a"}, "r": {"N": "1" * 39}}}, "ValidationException", "38 significant digits"),
        ({"Item": {"h": {"S": "a"}, "r": {"N": "1"}, "s": {"SS": []}}}, "ValidationException", "may not be empty"),
        (
            {"Item": {"h": {"S": "a"}, "r": {"N": "1"}, "x": {"S": "." * 409_600}}},
            "ValidationException",
            "Item size has exceeded the maximum allowed size",
        ),
        (
            {"Item": {"h": {"S": "a"}, "r": {"N": "1"}}, "ConditionExpression": "a ="},
            "ValidationException",
            "Invalid ConditionExpression: Syntax error",
        ),
        (
            {"Item": {"h": {"S": "a"}, "r": {"N": "1"}}, "ConditionExpression": "name = a"},
            "ValidationException",
            "reserved keyword: name",
        ),
        (
            {"Item": {"h": {"S": "a"}, "r": {"N": "1"}}, "ConditionExpression": "a = :v"},
            "ValidationException",
            ":v",
        ),
        ({"TableName": "no-such-table", "Item": {"h": {"S": "a"}}}, "ResourceNotFoundException", None),
    ],
)
def test_bad_puts_are_refused(client, shared_table, arguments, code, text):
    with refused(code, text):
        client.put_item(**({"TableName": shared_table} | arguments))


def test_bad_keys_are_refused(client, shared_table):
    with refused("ValidationException", "The provided key element does not match the schema"):
        client.get_item(TableName=shared_table, Key={"h": {"S": "a"}})
    with refused("ValidationException", "This attribute is part of the key"):
        client.update_item(
            TableName=shared_table,
            Key={"h": {"S": "a"}, "r": {"N": "1"}},
            UpdateExpression="SET r = :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
