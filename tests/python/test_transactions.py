"""TransactWriteItems, TransactGetItems and ExecuteTransaction through boto3: what is stored, returned, and refused."""

import concurrent.futures
import uuid

import pytest

from conftest import NUMBERS, create_table
from refusals import refused

CANCELLED = "Transaction cancelled, please refer cancellation reasons for specific reasons"
CONDITION_FAILED = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
NONE = {"Code": "None"}


@pytest.fixture(scope="module")
def other_table(cluster, client):
    name = f"other-{next(NUMBERS)}"
    create_table(client, name)
    yield name
    client.delete_table(TableName=name)


@pytest.fixture
def keys(request, shared_table, other_table):
    """Keys of twelve items in both tables, under partition keys that no other test uses."""
    number = next(NUMBERS)
    hashes = [{"S": f"{request.node.name}-{number}-{place}"} for place in range(12)]
    tables = [shared_table, other_table] * 6
    return [(table, {"h": value, "r": {"N": "1"}}) for table, value in zip(tables, hashes)]


def put(place, **attributes):
    table, key = place
    return {"Put": {"TableName": table, "Item": key | attributes}}


def add(place, amount=1, condition=None):
    table, key = place
    update = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": "ADD n :amount",
        "ExpressionAttributeValues": {":amount": {"N": str(amount)}},
    }
    return {"Update": update | ({"ConditionExpression": condition} if condition else {})}


def delete(place, **more):
    table, key = place
    return {"Delete": {"TableName": table, "Key": key} | more}


def check(place, condition, **more):
    table, key = place
    return {"ConditionCheck": {"TableName": table, "Key": key, "ConditionExpression": condition} | more}


def get(place, **more):
    table, key = place
    return {"Get": {"TableName": table, "Key": key} | more}


def numbers(client, keys):
    reply = client.transact_get_items(TransactItems=[get(place) for place in keys])
    return [response.get("Item", {}).get("n", {}).get("N") for response in reply["Responses"]]


def test_items_of_several_tables_change_together(client, keys):
    client.transact_write_items(TransactItems=[put(place, n={"N": "1"}) for place in keys])
    assert numbers(client, keys) == ["1"] * 12
    writes = [add(place) for place in keys[:6]] + [delete(place) for place in keys[6:9]]
    writes += [check(place, "attribute_exists(n)") for place in keys[9:]]
    client.transact_write_items(TransactItems=writes)
    assert numbers(client, keys) == ["2"] * 6 + [None] * 3 + ["1"] * 3
    for table, key in keys[:2]:
        assert client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]["n"] == {"N": "2"}


def test_reasons_come_in_order_with_the_items_that_were_asked_for(client, keys):
    client.transact_write_items(TransactItems=[put(place, n={"N": "1"}) for place in keys[:4]])
    writes = [
        add(keys[0]),
        check(keys[1], "attribute_not_exists(n)", ReturnValuesOnConditionCheckFailure="ALL_OLD"),
        delete(keys[2], ConditionExpression="attribute_not_exists(n)"),
        add(keys[3]),
        put(keys[4], n={"N": "1"}),
    ]
    codes = "[None, ConditionalCheckFailed, ConditionalCheckFailed, None, None]"
    with refused("TransactionCanceledException") as refusal:
        client.transact_write_items(TransactItems=writes)
    assert refusal.message == f"{CANCELLED} {codes}"
    item = keys[1][1] | {"n": {"N": "1"}}
    reasons = [NONE, CONDITION_FAILED | {"Item": item}, CONDITION_FAILED, NONE, NONE]
    assert refusal.response["CancellationReasons"] == reasons
    assert numbers(client, keys[:5]) == ["1", "1", "1", "1", None]


def test_an_item_that_would_be_illegal_is_a_reason(client, keys):
    client.transact_write_items(TransactItems=[put(keys[0], n={"S": "text"})])
    with refused("TransactionCanceledException") as refusal:
        client.transact_write_items(TransactItems=[put(keys[1], n={"N": "1"}), add(keys[0])])
    assert refusal.message == f"{CANCELLED} [None, ValidationError]"
    text = "An operand in the update expression has an incorrect data type"
    assert refusal.response["CancellationReasons"] == [NONE, {"Code": "ValidationError", "Message": text}]


def test_what_is_wrong_with_the_request_is_told_at_once(client, keys, shared_table):
    with refused("ValidationException", "Transaction request cannot include multiple operations on one item"):
        client.transact_write_items(TransactItems=[add(keys[0]), check(keys[0], "attribute_exists(n)")])
    with refused("ValidationException", "Transaction request cannot include multiple operations on one item"):
        client.transact_get_items(TransactItems=[get(keys[0]), get(keys[0])])
    with refused("ValidationException", "TransactItems can only contain one of Check, Put, Update or Delete"):
        client.transact_write_items(TransactItems=[add(keys[0]) | delete(keys[1])])
    many = [put((shared_table, {"h": {"S": "many"}, "r": {"N": str(number)}})) for number in range(101)]
    with refused("ValidationException", "Member must have length less than or equal to 100"):
        client.transact_write_items(TransactItems=many)
    with refused("ResourceNotFoundException", "Requested resource not found"):
        client.transact_write_items(TransactItems=[add(keys[0]), add(("missing", keys[1][1]))])
    large = {"S": "x" * 390_000}
    with refused("ValidationException"):
        client.transact_write_items(TransactItems=[put(place, x=large) for place in keys])


def test_a_request_token_counts_once(client, keys):
    for places in (keys[:1], keys[1:6]):
        token = str(uuid.uuid4())
        request = {"TransactItems": [add(place) for place in places], "ReturnConsumedCapacity": "TOTAL"}
        first = client.transact_write_items(ClientRequestToken=token, **request)["ConsumedCapacity"]
        again = client.transact_write_items(ClientRequestToken=token, **request)["ConsumedCapacity"]
        assert [sum(table["WriteCapacityUnits"] for table in first)] == [2.0 * len(places)]
        assert all("ReadCapacityUnits" not in table for table in first)
        assert [sum(table["ReadCapacityUnits"] for table in again)] == [2.0 * len(places)]
        assert numbers(client, places) == ["1"] * len(places)
        other = [add(places[0], amount=2)] + [add(place) for place in places[1:]]
        with refused("IdempotentParameterMismatchException"):
            client.transact_write_items(ClientRequestToken=token, TransactItems=other)
        # Wherever the other request begins.
        for elsewhere in keys[6:]:
            with refused("IdempotentParameterMismatchException"):
                client.transact_write_items(ClientRequestToken=token, TransactItems=[add(elsewhere)])
            with refused("IdempotentParameterMismatchException"):
                client.transact_write_items(ClientRequestToken=token, TransactItems=[add(elsewhere), add(places[0])])
        assert numbers(client, places) == ["1"] * len(places)


def test_a_token_of_a_cancelled_request_is_taken(client, keys):
    token = str(uuid.uuid4())
    with refused("TransactionCanceledException"):
        client.transact_write_items(ClientRequestToken=token, TransactItems=[check(keys[0], "attribute_exists(h)")])
    with refused("IdempotentParameterMismatchException"):
        client.transact_write_items(ClientRequestToken=token, TransactItems=[add(keys[1])])


def test_what_it_costs_and_how_large_collections_are(client, keys, shared_table):
    places = [place for place in keys if place[0] == shared_table][:3]
    writes = [put(places[0], l={"S": "a"}), put(places[1], x={"S": "x" * 1500}), check(places[2], "attribute_not_exists(h)")]
    reply = client.transact_write_items(
        TransactItems=writes, ReturnConsumedCapacity="INDEXES", ReturnItemCollectionMetrics="SIZE"
    )
    (consumed,) = reply["ConsumedCapacity"]
    assert consumed["TableName"] == shared_table
    assert consumed["Table"] == {"WriteCapacityUnits": 8.0, "CapacityUnits": 8.0}
    assert consumed["LocalSecondaryIndexes"] == {"by-l": {"WriteCapacityUnits": 2.0, "CapacityUnits": 2.0}}
    assert consumed["CapacityUnits"] == consumed["WriteCapacityUnits"] == 10.0
    metrics = reply["ItemCollectionMetrics"][shared_table]
    expected = [{"ItemCollectionKey": {"h": key["h"]}, "SizeEstimateRangeGB": [0.0, 1.0]} for _, key in places[:2]]
    assert metrics == expected
    read = client.transact_get_items(
        TransactItems=[get(place) for place in places], ReturnConsumedCapacity="TOTAL"
    )["ConsumedCapacity"]
    assert read == [{"TableName": shared_table, "CapacityUnits": 6.0, "ReadCapacityUnits": 6.0}]


def test_reads_project(client, keys):
    client.transact_write_items(TransactItems=[put(keys[0], n={"N": "1"}, x={"M": {"y": {"S": "deep"}}})])
    projected = get(keys[0], ProjectionExpression="#x.y", ExpressionAttributeNames={"#x": "x"})
    reply = client.transact_get_items(TransactItems=[projected, get(keys[1])])
    assert reply["Responses"] == [{"Item": {"x": {"M": {"y": {"S": "deep"}}}}}, {}]


def test_money_neither_comes_nor_goes(cluster, keys):
    """Transfers of many clients at once, and audits between them: each sees all the money."""
    accounts = keys[:4]
    clients = [cluster.client(node=number % len(cluster.nodes)) for number in range(4)]
    clients[0].transact_write_items(TransactItems=[put(place, n={"N": "100"}) for place in accounts])

    def work(number):
        client, totals, done = clients[number], [], 0
        conflict = client.exceptions.TransactionCanceledException
        for turn in range(30):
            one, other = accounts[(number + turn) % 4], accounts[(number + turn * 3 + 1) % 4]
            try:
                if turn % 3 == 0:
                    totals.append(sum(int(n) for n in numbers(client, accounts)))
                elif one != other:
                    client.transact_write_items(TransactItems=[add(one, -1), add(other, 1)])
                    done += 1
            except conflict as refusal:
                codes = {reason["Code"] for reason in refusal.response["CancellationReasons"]}
                assert codes <= {"None", "TransactionConflict"}
        return totals, done

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(work, range(4)))
    assert all(total == 400 for totals, _ in outcomes for total in totals)
    assert sum(done for _, done in outcomes) > 0
    assert sum(int(n) for n in numbers(clients[0], accounts)) == 400


def statement(place, text, *parameters, **more):
    table, key = place
    return {"Statement": text.format(table=f'"{table}"'), "Parameters": [*parameters, key["h"], key["r"]]} | more


WHERE = "WHERE h = ? AND r = ?"


def test_statements_change_items_together(client, keys):
    inserts = [statement(place, "INSERT INTO {table} VALUE {{'n': ?, 'h': ?, 'r': ?}}", {"N": "1"}) for place in keys[:3]]
    assert client.execute_transaction(TransactStatements=inserts)["Responses"] == [{}] * 3
    writes = [
        statement(keys[0], f"UPDATE {{table}} SET n = n + ? {WHERE}", {"N": "1"}),
        statement(keys[1], f"DELETE FROM {{table}} {WHERE}"),
        statement(keys[2], f"EXISTS(SELECT * FROM {{table}} WHERE n = ? AND h = ? AND r = ?)", {"N": "1"}),
    ]
    client.execute_transaction(TransactStatements=writes)
    reads = [statement(place, f"SELECT n FROM {{table}} {WHERE}") for place in keys[:3]]
    reads[2] = statement(keys[2], "SELECT n FROM {table} WHERE n = ? AND h = ? AND r = ?", {"N": "7"})
    responses = client.execute_transaction(TransactStatements=reads)["Responses"]
    assert responses == [{"Item": {"n": {"N": "2"}}}, {}, {}]
    with refused("TransactionCanceledException") as refusal:
        client.execute_transaction(TransactStatements=[writes[0], inserts[2]])
    assert refusal.message == f"{CANCELLED} [None, DuplicateItem]"
    with refused("TransactionCanceledException", "[None, ConditionalCheckFailed]"):
        client.execute_transaction(TransactStatements=[writes[0], writes[2] | {"Parameters": [{"N": "9"}, *writes[2]["Parameters"][1:]]}])
    with refused("ValidationException"):
        client.execute_transaction(TransactStatements=[writes[0], reads[2]])


def test_statements_have_a_token_too(client, keys):
    client.transact_write_items(TransactItems=[put(place, n={"N": "1"}) for place in keys[:2]])
    update = [statement(place, f"UPDATE {{table}} SET n = n + ? {WHERE}", {"N": "1"}) for place in keys[:2]]
    token = str(uuid.uuid4())
    for _ in range(2):
        client.execute_transaction(TransactStatements=update, ClientRequestToken=token)
    assert numbers(client, keys[:2]) == ["2", "2"]
