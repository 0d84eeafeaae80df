"""aiobotocore: botocore's whole API without blocking, many requests at a time."""

import asyncio

from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from eventual import eventually_async


def test_aiobotocore(aws, table_name):
    asyncio.run(work(table_name))


async def work(table):
    async with get_session().create_client("dynamodb") as client:
        await client.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "room", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "room", "AttributeType": "S"},
                {"AttributeName": "at", "AttributeType": "N"},
                {"AttributeName": "kind", "AttributeType": "S"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-kind",
                    "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        await client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
        await many_writers(client, table)
        await pages(client, table)
        await one_of_many_wins(client, table)
        await transactions(client, table)
        await client.delete_table(TableName=table)
        await client.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 20})


async def many_writers(client, table):
    await asyncio.gather(
        *(
            client.put_item(
                TableName=table,
                Item={"room": {"S": f"r{at % 4}"}, "at": {"N": str(at)}, "kind": {"S": "odd" if at % 2 else "even"}},
            )
            for at in range(200)
        )
    )


async def pages(client, table):
    scanned = [
        int(item["at"]["N"])
        async for page in client.get_paginator("scan").paginate(
            TableName=table, ConsistentRead=True, PaginationConfig={"PageSize": 30}
        )
        for item in page["Items"]
    ]
    assert sorted(scanned) == list(range(200))
    queried = client.get_paginator("query").paginate(
        TableName=table,
        ConsistentRead=True,
        KeyConditionExpression="room = :room AND #at >= :at",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":room": {"S": "r1"}, ":at": {"N": "100"}},
        PaginationConfig={"PageSize": 4, "MaxItems": 10},
    )
    assert [int(item["at"]["N"]) async for page in queried for item in page["Items"]] == list(range(101, 141, 4))

    async def odd():
        return await client.query(
            TableName=table,
            IndexName="by-kind",
            Select="COUNT",
            KeyConditionExpression="kind = :k",
            ExpressionAttributeValues={":k": {"S": "odd"}},
        )

    await eventually_async(odd, lambda reply: reply["Count"] == 100)


async def one_of_many_wins(client, table):
    async def claim(name):
        try:
            await client.put_item(
                TableName=table,
                Item={"room": {"S": "claimed"}, "at": {"N": "1"}, "by": {"S": name}},
                ConditionExpression="attribute_not_exists(room)",
            )
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"
            return None
        return name

    winners = [name for name in await asyncio.gather(*(claim(f"w{number}") for number in range(20))) if name]
    key = {"room": {"S": "claimed"}, "at": {"N": "1"}}
    got = await client.get_item(TableName=table, Key=key, ConsistentRead=True)
    assert [got["Item"]["by"]["S"]] == winners
    added = asyncio.gather(
        *(
            client.update_item(
                TableName=table,
                Key=key,
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
                ReturnValues="UPDATED_NEW",
            )
            for _ in range(50)
        )
    )
    assert sorted(int(reply["Attributes"]["n"]["N"]) for reply in await added) == list(range(1, 51))


async def transactions(client, table):
    def key(at):
        return {"room": {"S": "t"}, "at": {"N": str(at)}}

    def put(at):
        return {"Put": {"TableName": table, "Item": key(at), "ConditionExpression": "attribute_not_exists(room)"}}

    await client.transact_write_items(TransactItems=[put(1), put(2)])
    try:
        await client.transact_write_items(TransactItems=[put(3), put(2)])
        raise AssertionError("a condition fails")
    except client.exceptions.TransactionCanceledException as error:
        codes = [reason["Code"] for reason in error.response["CancellationReasons"]]
        assert codes == ["None", "ConditionalCheckFailed"]
    got = await client.transact_get_items(
        TransactItems=[{"Get": {"TableName": table, "Key": key(at)}} for at in (1, 3)]
    )
    assert ["Item" in response for response in got["Responses"]] == [True, False]
