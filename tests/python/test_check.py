"""`stator check DIR` reads what a stopped node has, and holds global indexes against their tables."""

import json
import re
import subprocess

import pytest

import cluster as clusters
from cluster import wait_until
from conftest import create_table

ITEMS = 60


def checked(node):
    command = [clusters.binary(), "check", str(node.data), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    told = json.loads(done.stdout)
    assert (done.returncode, told["findings"]) == (0, [])
    return told


@pytest.mark.parametrize("count", [1, 3])
def test_an_index_is_held_against_its_table(tmp_path, count):
    cluster = clusters.start(clusters.started_nodes(tmp_path, count))
    try:
        client = cluster.client()
        create_table(
            client,
            "indexed",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in [("h", "S"), ("r", "N"), ("l", "S"), ("g", "S")]],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by_g",
                    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        for number in range(ITEMS):
            grade = {"g": {"S": f"g{number % 7}"}} if number % 3 else {}
            client.put_item(TableName="indexed", Item={"h": {"S": f"h{number}"}, "r": {"N": "1"}} | grade)
        expected = sum(number % 3 > 0 for number in range(ITEMS))
        follows = lambda: client.scan(TableName="indexed", IndexName="by_g", Select="COUNT")["Count"] == expected
        wait_until(follows, what="the index")
        for node in reversed(cluster.nodes):
            node.stop()
        compared = [
            [int(number) for number in re.findall(r"(\d+) (?:items|entries)", note)]
            for node in cluster.nodes
            for note in checked(node)["notes"]
            if note.startswith("index by_g of table indexed")
        ]
        assert len(compared) == count, compared
        # The only node has everything; on three a replica may be behind another one.
        assert max(compared) == [expected, expected] or count > 1, compared
        assert all(0 < number <= expected for pair in compared for number in pair), compared
    finally:
        cluster.kill()
