"""Fixtures: a cluster of one node, a cluster of three, and tables that no other test uses."""

import itertools

import pytest

from node_fixtures import cluster, one_node, three_nodes  # noqa: F401

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def client(cluster):
    # Of three nodes the last: what it does not lead is forwarded.
    return cluster.client(node=-1)


@pytest.fixture
def table_name():
    return f"table-{next(NUMBERS)}"


@pytest.fixture(scope="module")
def shared_table(cluster, client):
    """A table with a local index that the tests of one file share, each under partition keys of its own."""
    name = f"shared-{next(NUMBERS)}"
    create_table(client, name)
    yield name
    client.delete_table(TableName=name)


@pytest.fixture
def table(client, table_name):
    """A table of one test's own."""
    create_table(client, table_name)
    yield table_name
    client.delete_table(TableName=table_name)


@pytest.fixture
def hash_value(request):
    """A partition key that no other test uses."""
    return {"S": f"{request.node.name}-{next(NUMBERS)}"}


@pytest.fixture
def key(hash_value):
    """The key of one test's own item in the shared table."""
    return {"h": hash_value, "r": {"N": "1"}}


@pytest.fixture
def stored(client, shared_table, key):
    """Asks for what is stored under `key`, the key left out."""

    def stored():
        item = client.get_item(TableName=shared_table, Key=key, ConsistentRead=True).get("Item")
        return item and {name: value for name, value in item.items() if name not in key}

    return stored


def create_table(client, name, **more):
    """`h` (string), `r` (number), and a local index by `l` (string) that holds all attributes."""
    arguments = {
        "TableName": name,
        "KeySchema": [{"AttributeName": "h", "KeyType": "HASH"}, {"AttributeName": "r", "KeyType": "RANGE"}],
        "AttributeDefinitions": [
            {"AttributeName": "h", "AttributeType": "S"},
            {"AttributeName": "r", "AttributeType": "N"},
            {"AttributeName": "l", "AttributeType": "S"},
        ],
        "LocalSecondaryIndexes": [
            {
                "IndexName": "by-l",
                "KeySchema": [{"AttributeName": "h", "KeyType": "HASH"}, {"AttributeName": "l", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }
    reply = client.create_table(**(arguments | more))
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return reply["TableDescription"]
