"""Query and Scan: order, pages, filters, indexes, segments."""

import pytest

from refusals import refused

ROWS = 30


@pytest.fixture(scope="module")
def filled(client, shared_table):
    """Item collections `even` and `odd`, `l` in the other order than `r`."""
    with_payload = {"payload": {"S": "." * 1_000}}
    for start in range(0, ROWS, 15):
        requests = [
            {
                "PutRequest": {
                    "Item": {
                        "h": {"S": ("even", "odd")[number % 2]},
                        "r": {"N": str(number)},
                        "l": {"S": f"{ROWS - number:03}"},
                        "tens": {"N": str(number // 10)},
                    }
                    | with_payload
                }
            }
            for number in range(start, start + 15)
        ]
        assert client.batch_write_item(RequestItems={shared_table: requests})["UnprocessedItems"] == {}
    return shared_table


def numbers(items):
    return [int(item["r"]["N"]) for item in items]


def query(client, table, condition="h = :h", values=None, **more):
    return {
        "TableName": table,
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": {":h": {"S": "even"}} | (values or {}),
        "ConsistentRead": True,
    } | more


def all_items(client, operation, **arguments):
    pages = list(client.get_paginator(operation).paginate(**arguments))
    return [item for page in pages for item in page.get("Items", [])], pages


@pytest.mark.parametrize(
    "condition, expected",
    [
        ("h = :h", range(0, 30, 2)),
        ("h = :h AND r = :a", [8]),
        ("h = :h AND r < :a", range(0, 8, 2)),
        ("h = :h AND r <= :a", range(0, 9, 2)),
        ("h = :h AND r > :a", range(10, 30, 2)),
        ("h = :h AND r >= :a", range(8, 30, 2)),
        ("h = :h AND r BETWEEN :a AND :b", range(8, 17, 2)),
    ],
)
def test_query_by_sort_key(client, filled, condition, expected):
    values = {name: {"N": value} for name, value in ((":a", "8"), (":b", "16")) if name in condition}
    arguments = query(client, filled, condition, values)
    assert numbers(client.query(**arguments)["Items"]) == list(expected)
    backward = client.query(**arguments, ScanIndexForward=False)["Items"]
    assert numbers(backward) == list(expected)[::-1]


def test_query_pages_meet_every_item_once(client, filled):
    for more in ({}, {"ScanIndexForward": False}, {"IndexName": "by-l"}):
        items, pages = all_items(client, "query", **query(client, filled, **more), PaginationConfig={"PageSize": 4})
        assert sorted(numbers(items)) == list(range(0, 30, 2))
        assert len(pages) >= 4


def test_query_of_an_index(client, filled):
    arguments = query(client, filled, "h = :h AND begins_with(l, :zero)", {":zero": {"S": "00"}}, IndexName="by-l")
    assert numbers(client.query(**arguments)["Items"]) == [28, 26, 24, 22]


def test_filters_count_what_they_leave_out(client, filled):
    arguments = query(client, filled, values={":two": {"N": "2"}}, FilterExpression="tens = :two")
    page = client.query(**arguments)
    assert (numbers(page["Items"]), page["Count"], page["ScannedCount"]) == ([20, 22, 24, 26, 28], 5, 15)
    page = client.query(**arguments, Limit=3)
    assert (page["Count"], page["ScannedCount"], numbers([page["LastEvaluatedKey"]])) == (0, 3, [4])


def test_select_and_projection(client, filled):
    page = client.query(**query(client, filled, Select="COUNT"))
    assert (page["Count"], "Items" in page) == (15, False)
    page = client.query(**query(client, filled, ProjectionExpression="r", Limit=1))
    assert page["Items"] == [{"r": {"N": "0"}}]


def test_scan_pages_meet_every_item_once(client, filled):
    arguments = {"TableName": filled, "ConsistentRead": True}
    items, pages = all_items(client, "scan", **arguments, PaginationConfig={"PageSize": 7})
    assert sorted(numbers(items)) == list(range(ROWS))
    assert len(pages) >= 5
    items, _ = all_items(client, "scan", **arguments, IndexName="by-l", PaginationConfig={"PageSize": 7})
    assert sorted(numbers(items)) == list(range(ROWS))


def test_segments_meet_every_item_once(client, table):
    names = [f"h{number}" for number in range(50)]
    for start in (0, 25):
        requests = [
            {"PutRequest": {"Item": {"h": {"S": name}, "r": {"N": "0"}}}} for name in names[start : start + 25]
        ]
        client.batch_write_item(RequestItems={table: requests})
    found, filled_segments = [], 0
    for segment in range(4):
        items, _ = all_items(
            client,
            "scan",
            TableName=table,
            ConsistentRead=True,
            Segment=segment,
            TotalSegments=4,
            PaginationConfig={"PageSize": 5},
        )
        filled_segments += bool(items)
        found += [item["h"]["S"] for item in items]
    assert sorted(found) == sorted(names)
    assert filled_segments > 1


def test_a_page_ends_at_one_megabyte(client, table):
    for number in range(4):
        item = {"h": {"S": "big"}, "r": {"N": str(number)}, "x": {"S": "." * 390_000}}
        client.put_item(TableName=table, Item=item)
    arguments = query(client, table, values={":h": {"S": "big"}}, ReturnConsumedCapacity="TOTAL")
    page = client.query(**arguments)
    assert (page["Count"], numbers([page["LastEvaluatedKey"]])) == (3, [2])
    # 3 * 390,000 bytes and their keys, in blocks of 4 KB read strongly.
    assert page["ConsumedCapacity"]["CapacityUnits"] == 286.0
    rest = client.query(**arguments, ExclusiveStartKey=page["LastEvaluatedKey"])
    assert numbers(rest["Items"]) == [3]
    assert "LastEvaluatedKey" not in rest


@pytest.mark.parametrize(
    "more, text",
    [
        ({"KeyConditionExpression": "r = :h"}, "Query condition missed key schema element: h"),
        ({"KeyConditionExpression": "h > :h"}, "Query key condition not supported"),
        ({"IndexName": "nope"}, "The table does not have the specified index: nope"),
        ({"ExclusiveStartKey": {"h": {"S": "even"}}}, "The provided starting key is invalid"),
        (
            {"ExclusiveStartKey": {"h": {"S": "odd"}, "r": {"N": "1"}}},
            "The provided starting key is outside query boundaries",
        ),
        ({"FilterExpression": "r = :h"}, "Filter Expression can only contain non-primary key attributes"),
    ],
)
def test_bad_queries_are_refused(client, filled, more, text):
    with refused("ValidationException", text):
        client.query(**(query(client, filled) | more))


def test_bad_segments_are_refused(client, filled):
    with refused("ValidationException", "TotalSegments"):
        client.scan(TableName=filled, Segment=1)
    with refused("ValidationException", "must be less than parameter TotalSegments"):
        client.scan(TableName=filled, Segment=2, TotalSegments=2)
