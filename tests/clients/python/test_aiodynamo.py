"""aiodynamo: a client of its own making, not built on botocore: own signatures, own retries, own reading of errors."""

import asyncio
import socket

import aiohttp
import pytest
from aiodynamo.client import Client
from aiodynamo.credentials import Key, StaticCredentials
from aiodynamo.errors import ConditionalCheckFailed, ItemNotFound, TransactionCanceled
from aiodynamo.expressions import F, HashKey, RangeKey
from aiodynamo.http.aiohttp import AIOHTTP
from aiodynamo.models import (
    BatchGetRequest,
    BatchWriteRequest,
    GlobalSecondaryIndex,
    KeySchema,
    KeySpec,
    KeyType,
    PayPerRequest,
    Projection,
    ProjectionType,
    ReturnValues,
    StaticDelayRetry,
)
from aiodynamo.operations import ConditionCheck, Put, Update
from yarl import URL

from cluster import REGION
from eventual import eventually_async


def test_aiodynamo(cluster, table_name):
    asyncio.run(work(cluster, table_name))


class Resolver(aiohttp.abc.AbstractResolver):
    """Resolves every name to a port on this machine. aiodynamo signs the Host header without a port, which is right only
    where the endpoint has none."""

    def __init__(self, port):
        self.port = port

    async def resolve(self, host, port=0, family=socket.AF_INET):
        here = {"hostname": host, "host": "127.0.0.1", "port": self.port, "family": socket.AF_INET, "proto": 0}
        return [here | {"flags": socket.AI_NUMERICHOST}]

    async def close(self):
        pass


async def work(cluster, name):
    credentials = StaticCredentials(Key(cluster.access_key, cluster.secret_key))
    connector = aiohttp.TCPConnector(resolver=Resolver(cluster.nodes[-1].port))
    async with aiohttp.ClientSession(connector=connector) as session:
        client = Client(AIOHTTP(session), credentials, REGION, URL("http://stator.test/"))
        table = client.table(name)
        assert not await table.exists()
        quick = StaticDelayRetry(time_limit_secs=20, delay=0.1)
        await table.create(
            PayPerRequest(),
            KeySchema(KeySpec("h", KeyType.string), KeySpec("r", KeyType.number)),
            gsis=[
                GlobalSecondaryIndex(
                    "by-g", KeySchema(KeySpec("g", KeyType.string)), Projection(ProjectionType.all), None
                )
            ],
            wait_for_active=quick,
        )
        assert (await table.describe()).throughput == PayPerRequest()
        await table.time_to_live.enable("expires", wait_for_enabled=quick)
        assert (await table.time_to_live.describe()).attribute == "expires"
        await items(table)
        await batches_and_pages(client, table)
        await transactions(client, table)
        await table.delete(wait_for_disabled=quick)
        assert not await table.exists()


async def items(table):
    item = {
        "h": "a",
        "r": 1,
        "text": "Zoë",
        "bytes": b"\x00\xff",
        "set": {"x", "y"},
        "list": [1, {"deep": None}],
        "yes": True,
    }
    await table.put_item(item, condition=F("h").does_not_exist())
    with pytest.raises(ConditionalCheckFailed):
        await table.put_item(item, condition=F("h").does_not_exist())
    key = {"h": "a", "r": 1}
    assert await table.get_item(key, consistent_read=True) == item
    changed = await table.update_item(
        key,
        F("count").set_if_not_exists(5) & F("list").append(["end"]) & F("set").delete({"x"}) & F("yes").remove(),
        condition=F("text").begins_with("Zo") & (F("list").size().gt(1) | F("nothing").exists()),
        return_values=ReturnValues.all_new,
    )
    assert (changed["count"], changed["list"][-1], changed["set"], "yes" in changed) == (5, "end", {"y"}, False)
    old = await table.delete_item(key, return_values=ReturnValues.all_old)
    assert old == changed
    with pytest.raises(ItemNotFound):
        await table.get_item(key, consistent_read=True)


async def batches_and_pages(client, table):
    puts = [{"h": "b", "r": number, "g": "even" if number % 2 == 0 else "odd"} for number in range(25)]
    result = await client.batch_write({table.name: BatchWriteRequest(items_to_put=puts)})
    assert not result
    keys = [{"h": "b", "r": number} for number in (3, 99)]
    got = await client.batch_get({table.name: BatchGetRequest(keys, consistent_read=True)})
    assert got.items[table.name] == [puts[3]]
    page = await table.query_single_page(HashKey("h", "b"), limit=10, consistent_read=True)
    assert [item["r"] for item in page.items] == list(range(10)) and not page.is_last_page
    condition = HashKey("h", "b") & RangeKey("r").between(5, 9)
    odd_only = F("g").equals("odd")
    found = table.query(condition, scan_forward=False, filter_expression=odd_only, consistent_read=True)
    assert [item["r"] async for item in found] == [9, 7, 5]
    assert len([item async for item in table.scan(limit=100, consistent_read=True)]) == 25
    assert await table.count(HashKey("h", "b"), consistent_read=True) == 25

    async def odd():
        return [item async for item in table.query(HashKey("g", "odd"), index="by-g")]

    await eventually_async(odd, lambda items: len(items) == 12)


async def transactions(client, table):
    put = Put(table.name, {"h": "c", "r": 1, "n": 1}, F("h").does_not_exist())
    await client.transact_write_items([put, Put(table.name, {"h": "c", "r": 2})])
    update = Update(table.name, {"h": "c", "r": 1}, F("n").add(1))
    check = ConditionCheck(table.name, {"h": "c", "r": 2}, F("h").does_not_exist())
    with pytest.raises(TransactionCanceled):
        await client.transact_write_items([update, check])
    assert (await table.get_item({"h": "c", "r": 1}, consistent_read=True))["n"] == 1
