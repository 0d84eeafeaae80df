"""Three nodes are one database, and lose nothing when one of them, or all, are killed."""

import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError

import cluster as clusters
from conftest import create_table

WRITERS = 4
LONGEST_GAP_SECONDS_MAX = 15


@pytest.fixture(scope="module")
def own_three_nodes(tmp_path_factory):
    """A cluster that may be broken."""
    cluster = clusters.start(clusters.three_nodes(tmp_path_factory.mktemp("broken-nodes")))
    yield cluster
    cluster.kill()


def voters_everywhere(cluster, node=0):
    """Whether every partition has its three voters and a leader."""
    status = cluster.nodes[node].status()
    return bool(status and status["partitions"]) and all(
        partition["leader"]
        and sum(replica["role"] in ("leader", "voter") for replica in partition["replicas"]) == 3
        for partition in status["partitions"]
    )


def test_what_one_node_writes_the_others_read(three_nodes, table_name):
    clients = [three_nodes.client(node=node) for node in range(3)]
    create_table(clients[0], table_name)
    for number in range(30):
        key = {"h": {"S": f"h{number}"}, "r": {"N": "0"}}
        clients[number % 3].put_item(TableName=table_name, Item=key | {"n": {"N": str(number)}})
        got = clients[(number + 1) % 3].get_item(TableName=table_name, Key=key, ConsistentRead=True)
        assert got["Item"]["n"] == {"N": str(number)}
    counted = clients[2].scan(TableName=table_name, ConsistentRead=True, Select="COUNT")
    assert counted["Count"] == 30
    clients[1].delete_table(TableName=table_name)


def test_insights_are_gathered_from_all_nodes(three_nodes, table_name):
    client = three_nodes.client()
    create_table(client, table_name)
    assert three_nodes.nodes[1].ask("insights", table_name) is None, "not enabled"
    client.update_contributor_insights(TableName=table_name, ContributorInsightsAction="ENABLE")
    keys = [{"h": {"S": f"h{number}"}, "r": {"N": "0"}} for number in range(8)]

    def are_all_counted():
        """The replicas begin to count when their node hears of it."""
        for key in keys:
            client.put_item(TableName=table_name, Item=key)
        told = three_nodes.nodes[1].ask("insights", table_name, "--top", "100")
        assert told["silent_nodes"] == []
        items = {item["key"]["h"]["S"]: item["requests"] for item in told["accessed_items"]}
        return items if len(items) == len(keys) else None

    before = clusters.wait_until(are_all_counted, what="counts of all keys")
    gets = max(before.values()) - before["h3"] + 5
    for _ in range(gets):
        three_nodes.client(node=2).get_item(TableName=table_name, Key=keys[3], ConsistentRead=True)
    # Each node tells the same, whichever partitions it leads.
    for node in three_nodes.nodes:
        told = node.ask("insights", table_name, "--top", "1")
        (hottest,) = told["accessed_items"]
        assert (hottest["key"], hottest["requests"]) == (keys[3], before["h3"] + gets)
        assert told["accessed_partition_keys"][0]["key"] == {"h": {"S": "h3"}}
    client.delete_table(TableName=table_name)


class Writer(threading.Thread):
    """Writes one item after the other, moves on to another node after an error, and remembers what was acknowledged."""

    def __init__(self, cluster, table, name, nodes):
        super().__init__(daemon=True)
        self.clients = [cluster.client(node=node, attempts_max=1, seconds_max=10) for node in nodes]
        self.table, self.prefix = table, name
        self.acknowledged, self.times = [], []
        self.ends = threading.Event()

    def run(self):
        turn = number = 0
        while not self.ends.is_set():
            name = f"{self.prefix}-{number}"
            try:
                client = self.clients[turn % len(self.clients)]
                client.put_item(TableName=self.table, Item={"h": {"S": name}, "r": {"N": "0"}})
            except (ClientError, BotoCoreError):
                # Unknown, not absent: it is not asked for.
                turn += 1
                time.sleep(0.02)
            else:
                self.acknowledged.append(name)
                self.times.append(time.monotonic())
            number += 1

    def end(self):
        self.ends.set()
        self.join(30)
        assert not self.is_alive()


def items(client, table):
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True, ProjectionExpression="h")
    return {item["h"]["S"] for page in pages for item in page["Items"]}


def test_a_killed_node_loses_nothing_and_stops_nothing(own_three_nodes):
    cluster = own_three_nodes
    table = "survivors"
    create_table(cluster.client(), table)
    clusters.wait_until(lambda: voters_everywhere(cluster), what="three voters of every partition")
    status = cluster.nodes[0].status()
    # The node that leads most: its death is felt. Node 0 is kept to be asked for the status.
    leaders = {node["client_address"]: node["leaders"] for node in status["nodes"]}
    victim = max((1, 2), key=lambda number: leaders[f"127.0.0.1:{cluster.nodes[number].port}"])
    writers = [Writer(cluster, table, f"w{number}", range(3)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    clusters.wait_until(lambda: all(len(writer.acknowledged) > 20 for writer in writers), what="writes")
    cluster.nodes[victim].kill()
    killed_at = time.monotonic()
    before = [len(writer.acknowledged) for writer in writers]

    def goes_on():
        return all(len(writer.acknowledged) > count + 20 for writer, count in zip(writers, before))

    clusters.wait_until(goes_on, what="writes after a node was killed")
    for writer in writers:
        writer.end()
    times = sorted(moment for writer in writers for moment in writer.times if moment > killed_at)
    assert times[0] - killed_at < LONGEST_GAP_SECONDS_MAX
    acknowledged = {name for writer in writers for name in writer.acknowledged}
    survivor = next(number for number in range(3) if number != victim)
    assert acknowledged - items(cluster.client(node=survivor), table) == set()

    cluster.nodes[victim].start().wait_ready()
    assert acknowledged - items(cluster.client(node=victim), table) == set()


def test_a_node_that_is_stopped_ends_in_order(own_three_nodes):
    node = own_three_nodes.nodes[2]
    node.stop()
    own_three_nodes.client(attempts_max=10).list_tables()
    node.start().wait_ready()


def test_everything_is_there_after_all_were_killed(tmp_path):
    cluster = clusters.start(clusters.three_nodes(tmp_path))
    try:
        table = "restarted"
        create_table(cluster.client(), table)
        client = cluster.client(node=1)
        for number in range(50):
            client.put_item(TableName=table, Item={"h": {"S": f"h{number}"}, "r": {"N": "0"}})
        clusters.wait_until(lambda: voters_everywhere(cluster), what="three voters of every partition")
        cluster.kill()
        clusters.start(cluster, seconds_max=10)
        client = cluster.client(node=2, attempts_max=10)
        assert items(client, table) == {f"h{number}" for number in range(50)}
        client.put_item(TableName=table, Item={"h": {"S": "after"}, "r": {"N": "0"}})
        assert len(items(cluster.client(), table)) == 51
    finally:
        cluster.kill()
