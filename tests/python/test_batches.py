"""BatchGetItem and BatchWriteItem."""

from refusals import refused


def test_batches_write_and_read(client, shared_table, table, hash_value):
    keys = [{"h": hash_value, "r": {"N": str(number)}} for number in range(10)]
    writes = [{"PutRequest": {"Item": key | {"a": {"S": "x"}}}} for key in keys]
    reply = client.batch_write_item(
        RequestItems={shared_table: writes, table: writes[:1]}, ReturnConsumedCapacity="TOTAL"
    )
    assert reply["UnprocessedItems"] == {}
    units = {consumed["TableName"]: consumed["CapacityUnits"] for consumed in reply["ConsumedCapacity"]}
    assert units == {shared_table: 10.0, table: 1.0}

    client.batch_write_item(RequestItems={shared_table: [{"DeleteRequest": {"Key": keys[0]}}]})
    reply = client.batch_get_item(
        RequestItems={
            shared_table: {"Keys": keys, "ConsistentRead": True, "ProjectionExpression": "r"},
            table: {"Keys": keys, "ConsistentRead": True},
        }
    )
    assert reply["UnprocessedKeys"] == {}
    found = sorted(int(item["r"]["N"]) for item in reply["Responses"][shared_table])
    assert found == list(range(1, 10))
    assert reply["Responses"][table] == [keys[0] | {"a": {"S": "x"}}]


def test_the_batch_writer_works(cluster, shared_table, hash_value):
    table = cluster.resource().Table(shared_table)
    with table.batch_writer() as batch:
        for number in range(60):
            batch.put_item(Item={"h": hash_value["S"], "r": number})
    page = table.query(
        KeyConditionExpression="h = :h", ExpressionAttributeValues={":h": hash_value["S"]}, ConsistentRead=True
    )
    assert page["Count"] == 60


def test_a_reply_holds_sixteen_megabytes(client, table):
    keys = [{"h": {"S": f"big{number}"}, "r": {"N": "1"}} for number in range(45)]
    for key in keys:
        client.put_item(TableName=table, Item=key | {"x": {"S": "." * 390_000}})
    left, found = {table: {"Keys": keys, "ConsistentRead": True}}, []
    rounds = 0
    while left:
        reply = client.batch_get_item(RequestItems=left)
        found += reply["Responses"].get(table, [])
        left, rounds = reply["UnprocessedKeys"], rounds + 1
    assert (len(found), rounds) == (45, 2)


def test_bad_batches_are_refused(client, shared_table):
    key = {"h": {"S": "a"}, "r": {"N": "1"}}
    put = {"PutRequest": {"Item": key}}
    with refused("ValidationException", "Provided list of item keys contains duplicates"):
        client.batch_write_item(RequestItems={shared_table: [put, put]})
    with refused("ValidationException", "less than or equal to 25"):
        client.batch_write_item(RequestItems={shared_table: [put] * 26})
    with refused("ValidationException", "Provided list of item keys contains duplicates"):
        client.batch_get_item(RequestItems={shared_table: {"Keys": [key, key]}})
    with refused("ResourceNotFoundException"):
        client.batch_get_item(RequestItems={"no-such-table": {"Keys": [key]}})
