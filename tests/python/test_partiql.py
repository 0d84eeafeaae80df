"""PartiQL: statements one by one and in batches, against a table with the keys `h` and `r` and an index by `l`."""

import pytest

from refusals import refused


@pytest.fixture
def execute(client, shared_table):
    """Runs a statement; `{t}` in it is the table. What it reads is what was written last, unless it says otherwise."""

    def execute(statement, *parameters, **more):
        if parameters:
            more["Parameters"] = list(parameters)
        if statement.startswith("SELECT"):
            more.setdefault("ConsistentRead", True)
        return client.execute_statement(Statement=statement.replace("{t}", f'"{shared_table}"'), **more)

    return execute


@pytest.fixture
def filled(client, shared_table, hash_value):
    """Ten items under one partition key: `r` from 0 on, `l` falling, a map and a list."""
    for number in range(10):
        item = {
            "h": hash_value,
            "r": {"N": str(number)},
            "l": {"S": f"l{9 - number}"},
            "m": {"M": {"n": {"N": str(number)}, "deep": {"L": [{"S": "a"}, {"S": f"b{number}"}]}}},
        }
        if number % 2:
            item["odd"] = {"BOOL": True}
        client.put_item(TableName=shared_table, Item=item)
    return hash_value


def numbers(reply):
    return [int(item["r"]["N"]) for item in reply["Items"]]


def test_insert_select_update_delete(execute, hash_value):
    reply = execute("INSERT INTO {t} VALUE {'h': ?, 'r': 1, 's': 'it''s', 'n': -1.5, 'set': <<'a', 'b'>>}", hash_value)
    assert reply["Items"] == []
    found = execute("SELECT * FROM {t} WHERE h = ? AND r = 1", hash_value)["Items"]
    assert found[0]["s"] == {"S": "it's"} and found[0]["n"] == {"N": "-1.5"}
    assert sorted(found[0]["set"]["SS"]) == ["a", "b"]

    update = "UPDATE {t} SET n = n + 2 SET \"set\" = set_add(\"set\", <<'c'>>) REMOVE s WHERE h = ? AND r = 1 RETURNING ALL NEW *"
    new = execute(update, hash_value)["Items"][0]
    assert new["n"] == {"N": "0.5"} and sorted(new["set"]["SS"]) == ["a", "b", "c"] and "s" not in new

    delete = "DELETE FROM {t} WHERE h = ? AND r = 1 RETURNING ALL OLD *"
    assert execute(delete, hash_value)["Items"][0]["n"] == {"N": "0.5"}
    assert execute(delete, hash_value)["Items"] == []
    assert execute("SELECT * FROM {t} WHERE h = ? AND r = 1", hash_value)["Items"] == []


def test_an_existing_key_is_not_inserted_again(execute, hash_value):
    insert = "INSERT INTO {t} VALUE {'h': ?, 'r': 1, 'n': ?}"
    execute(insert, hash_value, {"N": "1"})
    with refused("DuplicateItemException", "Duplicate primary key exists in table"):
        execute(insert, hash_value, {"N": "2"})
    assert execute("SELECT n FROM {t} WHERE h = ? AND r = 1", hash_value)["Items"] == [{"n": {"N": "1"}}]


def test_an_update_makes_nothing(execute, hash_value):
    with refused("ConditionalCheckFailedException"):
        execute("UPDATE {t} SET n = 1 WHERE h = ? AND r = 1", hash_value)
    assert execute("SELECT * FROM {t} WHERE h = ?", hash_value)["Items"] == []


def test_what_a_write_returns(execute, filled):
    where = "WHERE h = ? AND r = 3"
    changed = execute(f"UPDATE {{t}} SET m.n = 30 {where} RETURNING MODIFIED NEW *", filled)["Items"]
    assert changed == [{"m": {"M": {"n": {"N": "30"}}}}]
    changed = execute(f"UPDATE {{t}} SET m.n = 31 {where} RETURNING MODIFIED OLD *", filled)["Items"]
    assert changed == [{"m": {"M": {"n": {"N": "30"}}}}]
    assert execute(f"UPDATE {{t}} REMOVE odd {where} RETURNING MODIFIED NEW *", filled)["Items"] == []
    assert execute(f"UPDATE {{t}} SET fresh = 1 {where} RETURNING ALL OLD *", filled)["Items"][0]["r"] == {"N": "3"}


def test_conditions_beside_the_key_must_hold(execute, filled):
    with refused("ConditionalCheckFailedException"):
        execute("UPDATE {t} SET n = 1 WHERE h = ? AND r = 2 AND odd = true", filled)
    with refused("ConditionalCheckFailedException") as refusal:
        statement = "DELETE FROM {t} WHERE h = ? AND r = 2 AND NOT contains(l, 'l')"
        execute(statement, filled, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert refusal.response["Item"]["r"] == {"N": "2"}
    execute("DELETE FROM {t} WHERE h = ? AND r = 2 AND odd IS MISSING", filled)
    execute("DELETE FROM {t} WHERE h = ? AND r = 2 AND odd = true", filled)
    assert 2 not in numbers(execute("SELECT r FROM {t} WHERE h = ?", filled))


@pytest.mark.parametrize(
    "where, expected",
    [
        ("r = 4", [4]),
        ("r < 3", [0, 1, 2]),
        ("r >= 8", [8, 9]),
        ("r BETWEEN 2 AND 4", [2, 3, 4]),
        ("r IN (1, 5, 77)", [1, 5]),
        ("r <> 0 AND r < 3", [1, 2]),
        ("odd = true AND r > 4", [5, 7, 9]),
        ("(r = 1 OR r = 2) AND NOT odd = true", [2]),
        ("odd IS MISSING", [0, 2, 4, 6, 8]),
        ("odd IS NOT MISSING AND r < 4", [1, 3]),
        ("begins_with(l, 'l1')", [8]),
        ("contains(m.deep, 'b7')", [7]),
        ("attribute_type(odd, 'BOOL') AND r < 2", [1]),
        ("size(m.deep) = 2 AND m.n > 8", [9]),
        ("m.deep[1] = 'b3'", [3]),
        ("r IS NULL", []),
        ("r < 4 ORDER BY r DESC", [3, 2, 1, 0]),
        ("r < 4 ORDER BY h, r DESC", [3, 2, 1, 0]),
    ],
)
def test_selects(execute, filled, where, expected):
    assert numbers(execute(f"SELECT r FROM {{t}} WHERE h = ? AND {where}", filled, ConsistentRead=True)) == expected


def test_columns_are_paths(execute, filled):
    reply = execute("SELECT r, m.n, m.deep[1], none FROM {t} WHERE h = ? AND r = 3", filled)
    assert reply["Items"] == [{"r": {"N": "3"}, "n": {"N": "3"}, "deep[1]": {"S": "b3"}}]


def test_indexes_are_read(client, execute, shared_table, filled):
    statement = f'SELECT r FROM "{shared_table}"."by-l" WHERE h = ? AND l > ? ORDER BY l'
    assert numbers(execute(statement, filled, {"S": "l6"})) == [2, 1, 0]
    with refused("ValidationException", "does not have the specified index"):
        execute(f'SELECT r FROM "{shared_table}"."none" WHERE h = ?', filled)


def test_several_partition_keys(execute, filled, hash_value):
    other = {"S": hash_value["S"] + "-other"}
    execute("INSERT INTO {t} VALUE {'h': ?, 'r': 100}", other)
    for where in ["h IN [?, ?]", "h = ? OR h = ?"]:
        reply = execute(f"SELECT r FROM {{t}} WHERE ({where}) AND r > 7", filled, other)
        assert numbers(reply) == [8, 9, 100]
    reply = execute("SELECT r FROM {t} WHERE h IN (?, ?) AND r > 7 ORDER BY h DESC, r DESC", filled, other)
    assert numbers(reply) == [100, 9, 8]


@pytest.mark.parametrize("order", ["", " ORDER BY r DESC"])
def test_pages(execute, filled, hash_value, order):
    other = {"S": hash_value["S"] + "-other"}
    execute("INSERT INTO {t} VALUE {'h': ?, 'r': 100}", other)
    statement, seen, more = "SELECT r FROM {t} WHERE h IN (?, ?)" + order, [], {}
    for _ in range(10):
        reply = execute(statement, filled, other, Limit=3, **more)
        seen += numbers(reply)
        if "NextToken" not in reply:
            break
        assert reply["LastEvaluatedKey"]["r"] == {"N": str(seen[-1])}
        more = {"NextToken": reply["NextToken"]}
    assert seen == [*(range(9, -1, -1) if order else range(10)), 100]


def test_a_scan_finds_everything(execute, filled):
    seen, more = [], {}
    while True:
        reply = execute("SELECT h, r FROM {t} WHERE odd = true", Limit=50, **more)
        seen += [int(item["r"]["N"]) for item in reply["Items"] if item["h"] == filled]
        if "NextToken" not in reply:
            break
        more = {"NextToken": reply["NextToken"]}
    assert sorted(seen) == [1, 3, 5, 7, 9]


def test_a_token_belongs_to_its_statement(execute, filled):
    statement = "SELECT r FROM {t} WHERE h = ? AND r < ?"
    token = execute(statement, filled, {"N": "8"}, Limit=2)["NextToken"]
    assert numbers(execute(statement, filled, {"N": "8"}, Limit=2, NextToken=token)) == [2, 3]
    for other, parameters in [
        (statement, [filled, {"N": "9"}]),
        ("SELECT r FROM {t} WHERE h = ? AND r <= ?", [filled, {"N": "8"}]),
    ]:
        with refused("ValidationException", "NextToken does not match request"):
            execute(other, *parameters, Limit=2, NextToken=token)
    for wrong in ["x", token[:-8], "B" + token[1:]]:
        with refused("ValidationException", "NextToken does not match request"):
            execute(statement, filled, {"N": "8"}, NextToken=wrong)


def test_capacity(execute, filled):
    for consistent, units in [(False, 0.5), (True, 1.0)]:
        reply = execute("SELECT * FROM {t} WHERE h = ?", filled, ReturnConsumedCapacity="TOTAL", ConsistentRead=consistent)
        assert reply["ConsumedCapacity"]["CapacityUnits"] == units
    reply = execute("DELETE FROM {t} WHERE h = ? AND r = 0", filled, ReturnConsumedCapacity="INDEXES")
    assert reply["ConsumedCapacity"]["Table"]["CapacityUnits"] == 1.0


@pytest.mark.parametrize(
    "statement, code, text",
    [
        ("nonsense", "ValidationException", "Statement wasn't well formed, can't be processed: Expected data manipulation"),
        ("SELECT * FROM {t} WHERE", "ValidationException", "Statement wasn't well formed, can't be processed"),
        ("DELETE FROM {t} WHERE h = 'a'", "ValidationException", "mandatory equality on all key attributes"),
        ("UPDATE {t} SET n = 1 WHERE h = 'a' AND r > 1", "ValidationException", "mandatory equality on all key attributes"),
        ("UPDATE {t} SET r = 2 WHERE h = 'a' AND r = 1", "ValidationException", "Cannot update attribute r"),
        ("INSERT INTO {t} VALUE {'h': 'a'}", "ValidationException", "Missing the key r in the item"),
        ("INSERT INTO {t} VALUE {'h': 1, 'r': 1}", "ValidationException", "Type mismatch for key h"),
        ("SELECT * FROM {t} WHERE h = 5", "ValidationException", "Condition parameter type does not match schema type"),
        ("SELECT * FROM {t} WHERE h = ?", "ValidationException", "Number of parameters in request and statement"),
        ("SELECT * FROM {t} ORDER BY r", "ValidationException", "Must have at least one non-optional hash key condition"),
        ("DELETE FROM {t} WHERE h = 'a' AND r = 1 RETURNING ALL NEW *", "ValidationException", "RETURNING"),
        ("EXISTS(SELECT * FROM {t} WHERE h = 'a' AND r = 1)", "ValidationException", "EXISTS"),
        ("SELECT * FROM nowhere WHERE h = 'a'", "ResourceNotFoundException", "Requested resource not found"),
    ],
)
def test_refusals(execute, statement, code, text):
    with refused(code, text):
        execute(statement)


def test_a_batch_of_writes_and_a_batch_of_reads(client, shared_table, hash_value):
    table = f'"{shared_table}"'
    insert = f"INSERT INTO {table} VALUE {{'h': ?, 'r': ?, 'n': 1}}"
    writes = [{"Statement": insert, "Parameters": [hash_value, {"N": str(number)}]} for number in (1, 2, 1)]
    # Both inserts of key 1 are under way at once; one of them finds the other's item.
    replies = client.batch_execute_statement(Statements=writes)["Responses"]
    assert [reply["TableName"] for reply in replies] == [shared_table] * 3
    assert sorted("Error" in reply for reply in replies) == [False, False, True]
    assert {reply["Error"]["Code"] for reply in replies if "Error" in reply} == {"DuplicateItem"}

    select = f"SELECT r, n FROM {table} WHERE h = ? AND r = ?"
    strong = {"Statement": select, "ConsistentRead": True}
    reads = [strong | {"Parameters": [hash_value, {"N": str(number)}]} for number in (2, 7, 1)]
    reads.append({"Statement": f"SELECT * FROM {table} WHERE h = 'a'"})
    reads.append({"Statement": "SELECT * FROM nowhere WHERE h = 'a'"})
    reads.append({"Statement": "SELECT"})
    reply = client.batch_execute_statement(Statements=reads, ReturnConsumedCapacity="TOTAL")
    items = [answer.get("Item") for answer in reply["Responses"]]
    assert items[:3] == [{"r": {"N": "2"}, "n": {"N": "1"}}, None, {"r": {"N": "1"}, "n": {"N": "1"}}]
    codes = [answer.get("Error", {}).get("Code") for answer in reply["Responses"]]
    assert codes == [None, None, None, "ValidationError", "ResourceNotFound", "ValidationError"]
    assert "must specify the primary key" in reply["Responses"][3]["Error"]["Message"]
    assert [(it["TableName"], it["CapacityUnits"]) for it in reply["ConsumedCapacity"]] == [(shared_table, 3.0)]


def test_a_batch_returns_what_its_writes_return(client, shared_table, hash_value):
    where = f"WHERE h = ? AND r = 1"
    parameters = [hash_value]
    client.put_item(TableName=shared_table, Item={"h": hash_value, "r": {"N": "1"}, "n": {"N": "1"}})
    for statement, item in [
        (f'UPDATE "{shared_table}" SET n = 2 {where} RETURNING MODIFIED NEW *', {"n": {"N": "2"}}),
        (f'UPDATE "{shared_table}" REMOVE n {where} RETURNING MODIFIED NEW *', None),
        (f'DELETE FROM "{shared_table}" {where} RETURNING ALL OLD *', {"h": hash_value, "r": {"N": "1"}}),
    ]:
        [reply] = client.batch_execute_statement(Statements=[{"Statement": statement, "Parameters": parameters}])["Responses"]
        assert reply.get("Item") == item and reply["TableName"] == shared_table


def test_batches_are_all_reads_or_all_writes(client, shared_table):
    select = {"Statement": f"SELECT * FROM \"{shared_table}\" WHERE h = 'a' AND r = 1"}
    delete = {"Statement": f"DELETE FROM \"{shared_table}\" WHERE h = 'a' AND r = 1"}
    with refused("ValidationException", "both read and write"):
        client.batch_execute_statement(Statements=[select, delete])
    with refused("ValidationException", "length less than or equal to 25"):
        client.batch_execute_statement(Statements=[select] * 26)


def test_the_resource_interface_runs_statements(cluster, shared_table, hash_value):
    """As the service's own examples do it."""
    client = cluster.resource(node=-1).meta.client
    text = hash_value["S"]
    client.execute_statement(Statement=f"INSERT INTO \"{shared_table}\" VALUE {{'h': ?, 'r': ?}}", Parameters=[text, 1])
    select = f'SELECT * FROM "{shared_table}" WHERE h = ?'
    found = client.execute_statement(Statement=select, Parameters=[text], ConsistentRead=True)
    assert found["Items"] == [{"h": text, "r": 1}]
