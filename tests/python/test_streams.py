"""Streams, with boto3's `dynamodbstreams`, on one node and on three."""

import datetime
import threading
import time

import boto3
import pytest

import cluster as clusters
from cluster import wait_until
from refusals import refused

VIEWS = ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"]


def streams_client(cluster, node=-1):
    return boto3.client("dynamodbstreams", **cluster._settings(node, 3, 30, {}))


@pytest.fixture(scope="session")
def streams(cluster):
    return streams_client(cluster)


def create(client, name, view="NEW_AND_OLD_IMAGES", **more):
    """A table with string key `h`; without a view it has no stream."""
    specification = {"StreamEnabled": True, "StreamViewType": view} if view else {"StreamEnabled": False}
    reply = client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "h", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "h", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification=specification,
        **more,
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return reply["TableDescription"]


def change_stream(client, name, specification):
    client.update_table(TableName=name, StreamSpecification=specification)
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return client.describe_table(TableName=name)["Table"]


def latest(client, name):
    return client.describe_table(TableName=name)["Table"]["LatestStreamArn"]


def shards(streams, arn, **more):
    """All shards, page by page."""
    found = []
    while True:
        after = {"ExclusiveStartShardId": found[-1]["ShardId"]} if found else {}
        described = streams.describe_stream(StreamArn=arn, **after, **more)["StreamDescription"]
        found += described["Shards"]
        if "LastEvaluatedShardId" not in described:
            return found
        assert described["LastEvaluatedShardId"] == found[-1]["ShardId"]


def iterator(streams, arn, shard, kind="TRIM_HORIZON", **place):
    shard = shard if isinstance(shard, str) else shard["ShardId"]
    return streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType=kind, **place)["ShardIterator"]


def drain(streams, at, limit=1000):
    """What can be read from a place on, and where to go on; None: the shard has ended."""
    found = []
    while at:
        reply = streams.get_records(ShardIterator=at, Limit=limit)
        found += reply["Records"]
        at = reply.get("NextShardIterator")
        if not reply["Records"]:
            break
    return found, at


def everything(streams, arn, limit=1000):
    """All records of all shards; those of an item are in their order."""
    return [
        record for shard in shards(streams, arn) for record in drain(streams, iterator(streams, arn, shard), limit)[0]
    ]


def text(**attributes):
    return {name: {"S": value} for name, value in attributes.items()}


def summary(record):
    change = record["dynamodb"]
    return record["eventName"], change["Keys"], change.get("OldImage"), change.get("NewImage")


@pytest.mark.parametrize("view", VIEWS)
def test_a_stream_has_every_change(client, streams, table_name, view):
    made = create(client, table_name, view)
    assert made["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": view}
    table = client.describe_table(TableName=table_name)["Table"]
    assert table["LatestStreamArn"] == f"{table['TableArn']}/stream/{table['LatestStreamLabel']}"
    before = time.time()
    client.put_item(TableName=table_name, Item=text(h="a", v="1"))
    client.put_item(TableName=table_name, Item=text(h="a", v="1"))  # Changes nothing.
    client.update_item(
        TableName=table_name,
        Key=text(h="a"),
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": {"S": "2"}},
    )
    client.delete_item(TableName=table_name, Key=text(h="a"))
    client.delete_item(TableName=table_name, Key=text(h="a"))  # Neither does this.
    records = everything(streams, table["LatestStreamArn"])
    old, new = view in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES"), view in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES")
    first, second, key = text(h="a", v="1"), text(h="a", v="2"), text(h="a")
    assert [summary(record) for record in records] == [
        ("INSERT", key, None, first if new else None),
        ("MODIFY", key, first if old else None, second if new else None),
        ("REMOVE", key, second if old else None, None),
    ]
    sequences = [record["dynamodb"]["SequenceNumber"] for record in records]
    assert sequences == sorted(set(sequences)) and all(len(number) == 21 for number in sequences)
    assert len({record["eventID"] for record in records}) == 3
    for record in records:
        assert (record["eventVersion"], record["eventSource"], record["awsRegion"]) == ("1.1", "aws:dynamodb", "us-east-1")
        change = record["dynamodb"]
        assert change["StreamViewType"] == view
        created = change["ApproximateCreationDateTime"].timestamp()
        assert created == int(created) and before - 2 <= created <= time.time() + 1
    sizes = [2, 2, 2]
    for place, (_, _, old_image, new_image) in enumerate(map(summary, records)):
        sizes[place] += 4 * bool(old_image) + 4 * bool(new_image)
    assert [record["dynamodb"]["SizeBytes"] for record in records] == sizes
    client.delete_table(TableName=table_name)


def test_a_description_has_key_and_shards(client, streams, table_name):
    create(client, table_name)
    arn = latest(client, table_name)
    described = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert described["StreamStatus"] == "ENABLED"
    assert described["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert described["TableName"] == table_name
    assert described["KeySchema"] == [{"AttributeName": "h", "KeyType": "HASH"}]
    assert described["StreamArn"] == arn and arn.endswith(described["StreamLabel"])
    assert isinstance(described["CreationRequestDateTime"], datetime.datetime)
    one_by_one = shards(streams, arn, Limit=1)
    assert one_by_one == described["Shards"] == sorted(one_by_one, key=lambda shard: shard["ShardId"])
    for shard in one_by_one:
        name, created, tail = shard["ShardId"].split("-")
        assert (name, len(created)) == ("shardId", 20) and int(created) > 1.6e12 and int(tail, 16) > 0
        assert "ParentShardId" not in shard and "EndingSequenceNumber" not in shard["SequenceNumberRange"]
    children = {"Type": "CHILD_SHARDS", "ShardId": one_by_one[0]["ShardId"]}
    assert streams.describe_stream(StreamArn=arn, ShardFilter=children)["StreamDescription"]["Shards"] == []
    client.delete_table(TableName=table_name)


def test_iterators_begin_where_they_are_told(client, streams, table_name):
    create(client, table_name, Tags=[{"Key": "a", "Value": "b"}])
    arn = latest(client, table_name)
    for value in "12345":
        client.put_item(TableName=table_name, Item=text(h="a", v=value))
    (shard,) = [shard for shard in shards(streams, arn) if drain(streams, iterator(streams, arn, shard))[0]]
    records, goes_on = drain(streams, iterator(streams, arn, shard), limit=2)
    assert [record["dynamodb"]["NewImage"]["v"]["S"] for record in records] == list("12345")
    assert goes_on, "the shard is open"

    def values(kind, **place):
        return "".join(
            record["dynamodb"]["NewImage"]["v"]["S"]
            for record in drain(streams, iterator(streams, arn, shard, kind, **place))[0]
        )

    third = records[2]["dynamodb"]["SequenceNumber"]
    assert values("AT_SEQUENCE_NUMBER", SequenceNumber=third) == "345"
    assert values("AFTER_SEQUENCE_NUMBER", SequenceNumber=third) == "45"
    at_latest = iterator(streams, arn, shard, "LATEST")
    client.put_item(TableName=table_name, Item=text(h="a", v="6"))
    assert [summary(record)[3] for record in drain(streams, at_latest)[0]] == [text(h="a", v="6")]
    assert values("AT_TIMESTAMP", Timestamp=0) == "123456"
    time.sleep(1.1)
    now = time.time() - 0.5
    client.put_item(TableName=table_name, Item=text(h="a", v="7"))
    assert values("AT_TIMESTAMP", Timestamp=now) == "7"
    with refused("ValidationException", "future"):
        iterator(streams, arn, shard, "AT_TIMESTAMP", Timestamp=time.time() + 60)
    with refused("ValidationException", "SequenceNumber"):
        iterator(streams, arn, shard, "AT_SEQUENCE_NUMBER")
    with refused("ValidationException", "not in the shard"):
        iterator(streams, arn, shard, "AT_SEQUENCE_NUMBER", SequenceNumber="1" + "0" * 16 + "9999")
    with refused("ResourceNotFoundException"):
        iterator(streams, arn, shard["ShardId"][:-8] + "ffffffff")
    client.delete_table(TableName=table_name)


def test_what_is_no_iterator_or_stream_is_refused(client, streams, table_name):
    create(client, table_name)
    arn = latest(client, table_name)
    at = iterator(streams, arn, shards(streams, arn)[0])
    for forged in ("nonsense", at[:-4] + "AAAA", ("B" if at[10] == "A" else "A").join((at[:10], at[11:]))):
        with refused("ValidationException", "Invalid ShardIterator"):
            streams.get_records(ShardIterator=forged)
    with refused("ValidationException"):
        streams.get_records(ShardIterator=at, Limit=1001)
    with refused("ResourceNotFoundException"):
        streams.describe_stream(StreamArn=arn[:-3] + "000")
    with refused("ValidationException"):
        streams.describe_stream(StreamArn=arn[:-3])
    with refused("ResourceNotFoundException"):
        streams.describe_stream(StreamArn=arn.replace("us-east-1", "eu-west-1"))
    client.delete_table(TableName=table_name)


def test_enabled_disabled_and_enabled_again(client, streams, table_name):
    assert "LatestStreamArn" not in create(client, table_name, view=None)
    with refused("ValidationException"):
        client.update_table(TableName=table_name, StreamSpecification={"StreamEnabled": False})
    with refused("ValidationException"):
        client.update_table(TableName=table_name, StreamSpecification={"StreamEnabled": True})
    client.put_item(TableName=table_name, Item=text(h="a", v="0"))
    enabled = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    table = change_stream(client, table_name, enabled)
    assert table["StreamSpecification"] == enabled
    first = table["LatestStreamArn"]
    with refused("ValidationException", "already has an enabled stream"):
        client.update_table(TableName=table_name, StreamSpecification=enabled)
    client.put_item(TableName=table_name, Item=text(h="a", v="1"))
    table = change_stream(client, table_name, {"StreamEnabled": False})
    assert "StreamSpecification" not in table and table["LatestStreamArn"] == first
    client.put_item(TableName=table_name, Item=text(h="a", v="2"))
    second = change_stream(client, table_name, enabled)["LatestStreamArn"]
    assert second != first
    client.put_item(TableName=table_name, Item=text(h="a", v="3"))

    assert [summary(record)[3]["v"]["S"] for record in everything(streams, first)] == ["1"]
    assert [summary(record)[3]["v"]["S"] for record in everything(streams, second)] == ["3"]
    described = streams.describe_stream(StreamArn=first)["StreamDescription"]
    assert described["StreamStatus"] == "DISABLED"
    for shard in described["Shards"]:
        assert "EndingSequenceNumber" in shard["SequenceNumberRange"]
        assert drain(streams, iterator(streams, first, shard))[1] is None, "a closed shard ends"
    listed = streams.list_streams(TableName=table_name)
    assert [stream["StreamArn"] for stream in listed["Streams"]] == [first, second]
    assert "LastEvaluatedStreamArn" not in listed
    one = streams.list_streams(TableName=table_name, Limit=1)
    assert one["LastEvaluatedStreamArn"] == first
    rest = streams.list_streams(TableName=table_name, ExclusiveStartStreamArn=first)
    assert [stream["StreamArn"] for stream in rest["Streams"]] == [second]
    client.delete_table(TableName=table_name)


def test_a_stream_outlives_its_table(client, streams, table_name):
    create(client, table_name)
    arn = latest(client, table_name)
    client.put_item(TableName=table_name, Item=text(h="a", v="1"))
    client.delete_table(TableName=table_name)
    client.get_waiter("table_not_exists").wait(TableName=table_name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    assert [summary(record)[0] for record in everything(streams, arn)] == ["INSERT"]
    assert streams.describe_stream(StreamArn=arn)["StreamDescription"]["StreamStatus"] == "DISABLED"
    # Made again under its name, it is another table with another stream.
    create(client, table_name)
    other = latest(client, table_name)
    assert other != arn and everything(streams, other) == []
    assert {stream["StreamArn"] for stream in streams.list_streams(TableName=table_name)["Streams"]} == {arn, other}
    client.delete_table(TableName=table_name)


def test_transactions_have_all_their_records(client, streams, table_name):
    create(client, table_name)
    puts = [{"Put": {"TableName": table_name, "Item": text(h=str(number), v="1")}} for number in range(20)]
    client.transact_write_items(TransactItems=puts)
    cancelled = puts[:2] + [
        {"ConditionCheck": {"TableName": table_name, "Key": text(h="x"), "ConditionExpression": "attribute_exists(h)"}}
    ]
    with refused("TransactionCanceledException"):
        client.transact_write_items(TransactItems=cancelled)
    records = everything(streams, latest(client, table_name), limit=3)
    assert sorted(record["dynamodb"]["Keys"]["h"]["S"] for record in records) == sorted(map(str, range(20)))
    assert {record["eventName"] for record in records} == {"INSERT"}
    client.delete_table(TableName=table_name)


def test_pages_are_bounded_by_size(client, streams, table_name):
    create(client, table_name)
    for _ in range(2):
        for number in range(3):
            client.put_item(TableName=table_name, Item=text(h="a", v=str(number) * 390_000))
    arn = latest(client, table_name)
    (at,) = [at for at in (iterator(streams, arn, shard) for shard in shards(streams, arn)) if drain(streams, at)[0]]
    reply = streams.get_records(ShardIterator=at)
    assert 1 <= len(reply["Records"]) <= 2
    assert sum(record["dynamodb"]["SizeBytes"] for record in reply["Records"]) <= 1 << 20
    assert len(drain(streams, at)[0]) == 6
    client.delete_table(TableName=table_name)


def waiting(cluster, milliseconds, node=-1):
    """A client whose GetRecords waits."""
    client = streams_client(cluster, node)

    def add_header(request, **_):
        request.headers["x-stator-wait-ms"] = str(milliseconds)

    client.meta.events.register("before-sign.dynamodb-streams.GetRecords", add_header)
    return client


def test_a_waiting_read_returns_with_the_record(cluster, client, streams, table_name):
    create(client, table_name)
    arn = latest(client, table_name)
    client.put_item(TableName=table_name, Item=text(h="a", v="0"))
    (shard,) = [shard for shard in shards(streams, arn) if drain(streams, iterator(streams, arn, shard))[0]]
    patient = waiting(cluster, 15_000)
    at = iterator(streams, arn, shard, "LATEST")
    put = threading.Timer(1, client.put_item, kwargs={"TableName": table_name, "Item": text(h="a", v="1")})
    put.start()
    began = time.monotonic()
    reply = patient.get_records(ShardIterator=at)
    took = time.monotonic() - began
    put.join()
    assert [summary(record)[3] for record in reply["Records"]] == [text(h="a", v="1")]
    assert 0.5 < took < 10
    impatient = waiting(cluster, 300)
    reply = impatient.get_records(ShardIterator=reply["NextShardIterator"])
    assert reply["Records"] == [] and "NextShardIterator" in reply
    with refused("ValidationException", "x-stator-wait-ms"):
        waiting(cluster, 20_001).get_records(ShardIterator=reply["NextShardIterator"])
    client.delete_table(TableName=table_name)


def test_reading_goes_on_when_the_leader_is_killed(tmp_path):
    cluster = clusters.start(clusters.three_nodes(tmp_path))
    try:
        client, reader = cluster.client(node=0, attempts_max=10), streams_client(cluster, node=0)
        create(client, "orders")
        arn = latest(client, "orders")
        written, stopped = [], threading.Event()

        def write():
            number = 0
            while not stopped.is_set():
                try:
                    client.put_item(TableName="orders", Item=text(h=str(number % 7), v=str(number)))
                    written.append(str(number))
                except Exception:
                    pass  # Its outcome is unknown; another value follows.
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        places = {shard["ShardId"]: iterator(reader, arn, shard) for shard in shards(reader, arn)}
        seen, chains = [], {}

        def read_on():
            for shard, at in places.items():
                try:
                    reply = reader.get_records(ShardIterator=at, Limit=50)
                except reader.exceptions.ClientError as error:
                    assert error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500, error
                    continue
                for record in reply["Records"]:
                    _, key, old, new = summary(record)
                    assert chains.get(key["h"]["S"]) == old, "images chain"
                    chains[key["h"]["S"]] = new
                    seen.append(new["v"]["S"])
                places[shard] = reply["NextShardIterator"]

        def read_for(seconds):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                read_on()

        read_for(2)
        cluster.nodes[1].kill()
        read_for(3)
        cluster.nodes[1].start().wait_ready()
        cluster.nodes[2].kill()
        read_for(3)
        stopped.set()
        writer.join()
        cluster.nodes[2].start().wait_ready()
        wait_until(lambda: read_on() or set(written) <= set(seen), 30, "every acknowledged write")
        assert len(seen) == len(set(seen)), "none comes twice"
        assert len(written) > 20
    finally:
        cluster.kill()
