"""The parameters that expressions replaced, through every operation that has them."""

import pytest

from refusals import refused

MIXED = "Can not use both expression and non-expression parameters in the same request: "


@pytest.fixture
def here(client, shared_table, key):
    """An operation on the item; the item's key and table are given."""

    def here(operation, **arguments):
        if operation == "put_item":
            arguments["Item"] = key | arguments.get("Item", {})
        else:
            arguments["Key"] = key
        return getattr(client, operation)(TableName=shared_table, **arguments)

    return here


def test_expected_decides_over_a_put(here, stored):
    absent = {"n": {"Exists": False}}
    here("put_item", Item={"n": {"N": "1"}}, Expected=absent)
    with refused("ConditionalCheckFailedException"):
        here("put_item", Item={"n": {"N": "2"}}, Expected=absent)
    here("put_item", Item={"n": {"N": "2"}}, Expected={"n": {"Value": {"N": "1"}}})
    expected = {
        "n": {"ComparisonOperator": "LT", "AttributeValueList": [{"N": "2"}]},
        "s": {"ComparisonOperator": "NULL"},
    }
    with refused("ConditionalCheckFailedException"):
        here("put_item", Item={"n": {"N": "3"}}, Expected=expected)
    here("put_item", Item={"n": {"N": "3"}}, Expected=expected, ConditionalOperator="OR")
    assert stored() == {"n": {"N": "3"}}


def test_expected_decides_over_an_update_and_a_delete(here, stored):
    here("put_item", Item={"n": {"N": "1"}})
    wrong = {"n": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "2"}, {"N": "3"}]}}
    with refused("ConditionalCheckFailedException"):
        here("update_item", AttributeUpdates={"n": {"Value": {"N": "5"}}}, Expected=wrong)
    with refused("ConditionalCheckFailedException"):
        here("delete_item", Expected=wrong)
    right = {"n": {"ComparisonOperator": "IN", "AttributeValueList": [{"N": "7"}, {"N": "1"}]}}
    here("update_item", AttributeUpdates={"n": {"Value": {"N": "5"}}}, Expected=right)
    assert stored() == {"n": {"N": "5"}}
    here("delete_item", Expected={"n": {"Value": {"N": "5"}, "Exists": True}})
    assert stored() is None


def test_attribute_updates(here, stored):
    reply = here(
        "update_item",
        AttributeUpdates={
            "put": {"Value": {"S": "x"}},
            "number": {"Action": "ADD", "Value": {"N": "2"}},
            "set": {"Action": "ADD", "Value": {"SS": ["a", "b"]}},
            "list": {"Action": "ADD", "Value": {"L": [{"S": "one"}]}},
            "none": {"Action": "DELETE"},
        },
        ReturnValues="ALL_NEW",
    )
    assert reply["Attributes"]["number"] == {"N": "2"}
    here(
        "update_item",
        AttributeUpdates={
            "put": {"Action": "DELETE"},
            "number": {"Action": "ADD", "Value": {"N": "-5"}},
            "set": {"Action": "DELETE", "Value": {"SS": ["a", "z"]}},
            "list": {"Action": "ADD", "Value": {"L": [{"S": "two"}]}},
        },
    )
    assert stored() == {"number": {"N": "-3"}, "set": {"SS": ["b"]}, "list": {"L": [{"S": "one"}, {"S": "two"}]}}
    with refused("ValidationException", "Type mismatch for attribute to update"):
        here("update_item", AttributeUpdates={"set": {"Action": "ADD", "Value": {"N": "1"}}})


def test_an_update_without_updates_makes_the_item(here, stored):
    here("update_item", AttributeUpdates={})
    assert stored() == {}


def test_attributes_to_get(client, here, shared_table, key):
    here("put_item", Item={"a": {"N": "1"}, "b": {"N": "2"}})
    assert here("get_item", AttributesToGet=["a", "none"], ConsistentRead=True)["Item"] == {"a": {"N": "1"}}
    asked = {"Keys": [key], "AttributesToGet": ["b"], "ConsistentRead": True}
    reply = client.batch_get_item(RequestItems={shared_table: asked})
    assert reply["Responses"][shared_table] == [{"b": {"N": "2"}}]
    with refused("ValidationException", "Duplicate value in attribute name: a"):
        here("get_item", AttributesToGet=["a", "a"])


@pytest.fixture
def filled(client, shared_table, hash_value):
    for number in range(6):
        item = {"h": hash_value, "r": {"N": str(number)}, "l": {"S": f"l{9 - number}"}, "even": {"BOOL": number % 2 == 0}}
        client.put_item(TableName=shared_table, Item=item)
    return {"ComparisonOperator": "EQ", "AttributeValueList": [hash_value]}


def numbers(reply):
    return [int(item["r"]["N"]) for item in reply["Items"]]


def test_queries(client, shared_table, filled):
    def query(**arguments):
        return numbers(client.query(TableName=shared_table, ConsistentRead=True, **arguments))

    some = {"ComparisonOperator": "GE", "AttributeValueList": [{"N": "2"}]}
    even = {"even": {"ComparisonOperator": "EQ", "AttributeValueList": [{"BOOL": True}]}}
    assert query(KeyConditions={"h": filled}) == [0, 1, 2, 3, 4, 5]
    assert query(KeyConditions={"h": filled, "r": some}, ScanIndexForward=False) == [5, 4, 3, 2]
    assert query(KeyConditions={"h": filled, "r": some}, QueryFilter=even, AttributesToGet=["r"]) == [2, 4]
    either = even | {"l": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "l8"}]}}
    assert query(KeyConditions={"h": filled}, QueryFilter=either, ConditionalOperator="OR") == [0, 1, 2, 4]
    by_l = {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [{"S": "l9"}]}
    assert query(IndexName="by-l", KeyConditions={"h": filled, "l": by_l}) == [0]


def test_scans(client, shared_table, filled):
    found = []
    conditions = {"h": filled, "r": {"ComparisonOperator": "LE", "AttributeValueList": [{"N": "1"}]}}
    for page in client.get_paginator("scan").paginate(TableName=shared_table, ScanFilter=conditions, ConsistentRead=True):
        found += numbers(page)
    assert sorted(found) == [0, 1]


def test_refusals_of_queries(client, shared_table, filled):
    def refuse(text, **arguments):
        with refused("ValidationException", text):
            client.query(TableName=shared_table, **arguments)

    one = {"ComparisonOperator": "EQ", "AttributeValueList": [{"N": "1"}]}
    refuse("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
    refuse("Query condition missed key schema element: h", KeyConditions={"r": one})
    refuse("Conditions can be of length 1 or 2 only", KeyConditions={"h": filled, "r": one, "x": one})
    refuse("not an indexable operation", KeyConditions={"h": filled, "r": {"ComparisonOperator": "NOT_NULL"}})
    refuse("QueryFilter can only contain non-primary key attributes: Primary key attribute: r",
           KeyConditions={"h": filled}, QueryFilter={"r": one})
    refuse("ConditionalOperator cannot be used without Filter or Expected",
           KeyConditions={"h": filled}, ConditionalOperator="AND")
    refuse("Cannot specify the AttributesToGet when choosing to get only the Count",
           KeyConditions={"h": filled}, Select="COUNT", AttributesToGet=["r"])
    refuse(MIXED + "Non-expression parameters: {AttributesToGet, QueryFilter, KeyConditions} "
           "Expression parameters: {ProjectionExpression}",
           KeyConditions={"h": filled}, QueryFilter={"x": one}, AttributesToGet=["r"], ProjectionExpression="r")
    refuse("Member must satisfy enum value set",
           KeyConditions={"h": {"ComparisonOperator": "LIKE", "AttributeValueList": [{"S": "x"}]}})


@pytest.mark.parametrize(
    "operation, arguments, text",
    [
        (
            "put_item",
            {"Expected": {"a": {"Exists": False}}, "ConditionExpression": "attribute_not_exists(a)"},
            MIXED + "Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}",
        ),
        (
            "update_item",
            {"AttributeUpdates": {"a": {"Action": "DELETE"}}, "UpdateExpression": "REMOVE a"},
            MIXED + "Non-expression parameters: {AttributeUpdates} Expression parameters: {UpdateExpression}",
        ),
        (
            "get_item",
            {"AttributesToGet": ["a"], "ProjectionExpression": "a"},
            MIXED + "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}",
        ),
        ("put_item", {"Expected": {"a": {}}}, "Value must be provided when Exists is null for Attribute: a"),
        (
            "delete_item",
            {"Expected": {"a": {"ComparisonOperator": "LT", "AttributeValueList": []}}},
            "Invalid number of argument(s) for the LT ComparisonOperator",
        ),
        (
            "delete_item",
            {"Expected": {"a": {"ComparisonOperator": "LT", "AttributeValueList": [{"SS": ["x"]}]}}},
            "ComparisonOperator LT is not valid for SS AttributeValue type",
        ),
        (
            "delete_item",
            {"Expected": {"a": {"Exists": False}}, "ConditionalOperator": "OR"},
            "ConditionalOperator can only be used when Filter or Expected has two or more elements",
        ),
        (
            "update_item",
            {"AttributeUpdates": {"a": {"Action": "ADD", "Value": {"S": "x"}}}},
            "ADD action is not supported for the type S",
        ),
        (
            "update_item",
            {"AttributeUpdates": {"a": {"Action": "PUT"}}},
            "Only DELETE action is allowed when no attribute value is specified",
        ),
        ("update_item", {"AttributeUpdates": {"r": {"Value": {"N": "2"}}}}, "Cannot update attribute r"),
    ],
)
def test_refusals(here, operation, arguments, text):
    with refused("ValidationException", text):
        here(operation, **arguments)
