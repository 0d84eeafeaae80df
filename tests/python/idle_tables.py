"""What many idle tables cost three nodes, and what becomes of them when nodes start again. docs/performance.md has the figures.

    venv=$(setup/python)
    STATOR_BINARY=target/release/stator $venv/bin/python tests/python/idle_tables.py --tables 1000

`--data DIR` keeps the cluster and its logs there.
"""

import argparse
import re
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cluster as clusters
from measuring import cpu_seconds, resident_mib, say

def pids(cluster):
    return [node.process.pid for node in cluster.nodes]


METRICS = {
    "groups": "replicas", "groups_led": "leading", "groups_asleep": "asleep", "groups_dormant": "dormant",
    "leader_changes_total": "leader changes", "message_errors_total": "message errors",
}  # fmt: skip


def metrics(node):
    with urllib.request.urlopen(f"{node.endpoint}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    found = {}
    for name in METRICS:
        match = re.search(rf"^stator_consensus_{name} (\d+)", text, re.MULTILINE)
        found[name] = int(match.group(1)) if match else 0
    return found


def tell(cluster):
    for number, node in enumerate(cluster.nodes, 1):
        told = ", ".join(f"{METRICS[name]} {value}" for name, value in metrics(node).items())
        say(f"  node {number}: {resident_mib(node.process.pid):.0f} MiB, {told}")
    say(f"  all: {sum(map(resident_mib, pids(cluster))):.0f} MiB")


def awake(cluster):
    counts = [metrics(node) for node in cluster.nodes]
    return sum(count["groups"] - count["groups_asleep"] for count in counts)


def led(cluster):
    return sum(metrics(node)["groups_led"] for node in cluster.nodes)


def create(cluster, tables, at_once):
    clients = threading.local()
    done = []

    def one(number):
        if not hasattr(clients, "all"):
            clients.all = [cluster.client(node, attempts_max=5, seconds_max=60) for node in range(3)]
        client, name = clients.all[number % 3], f"idle-{number:05}"
        key = [{"AttributeName": "id", "KeyType": "HASH"}], [{"AttributeName": "id", "AttributeType": "S"}]
        try:
            client.create_table(
                TableName=name, KeySchema=key[0], AttributeDefinitions=key[1], BillingMode="PAY_PER_REQUEST"
            )
        except client.exceptions.ResourceInUseException:
            pass  # The first attempt went through.
        while client.describe_table(TableName=name)["Table"]["TableStatus"] != "ACTIVE":
            time.sleep(0.5)
        client.put_item(TableName=name, Item={"id": {"S": "one"}, "number": {"N": str(number)}})
        done.append(number)
        if len(done) % 100 == 0:
            say(f"{len(done)} tables are ACTIVE and were written to")
            tell(cluster)

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, range(tables)))


def rest(cluster, seconds_max=1_800):
    """Waits until all groups sleep, and most followers are dormant."""

    def is_so():
        counts = [metrics(node) for node in cluster.nodes]
        replicas = sum(count["groups"] for count in counts)
        dormant = sum(count["groups_dormant"] for count in counts)
        return awake(cluster) == 0 and dormant > 0.6 * replicas

    clusters.wait_until(is_so, seconds_max, "rest")


def measure(cluster, seconds):
    before = sum(map(cpu_seconds, pids(cluster)))
    began = time.monotonic()
    time.sleep(seconds)
    used = sum(map(cpu_seconds, pids(cluster))) - before
    say(f"idle for {seconds} s: {100 * used / (time.monotonic() - began):.1f} % of one core")
    tell(cluster)


def watch_return(cluster, groups, what):
    """From the start of nodes to the time when every group is led, and the most replicas that were awake meanwhile."""
    began, most, used = time.monotonic(), 0, sum(map(cpu_seconds, pids(cluster)))
    for node in cluster.nodes:
        node.wait_ready(300)
    say(f"{what}: ready after {time.monotonic() - began:.1f} s")
    client = cluster.client(1, attempts_max=1, seconds_max=30)
    asked = time.monotonic()
    item = client.get_item(TableName="idle-00000", Key={"id": {"S": "one"}}, ConsistentRead=True)["Item"]
    assert item["number"]["N"] == "0"
    say(f"{what}: a table was read after {time.monotonic() - asked:.2f} s")
    while led(cluster) < groups and time.monotonic() < began + 1_800:
        most = max(most, awake(cluster))
        time.sleep(1)
    spent = sum(map(cpu_seconds, pids(cluster))) - used
    say(
        f"{what}: {led(cluster)} of {groups} groups led after {time.monotonic() - began:.0f} s, "
        f"at most {most} replicas awake, {spent:.0f} s of CPU"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=1_000)
    parser.add_argument("--at-once", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=60, help="how long the idle cluster is measured")
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.data or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        cluster = clusters.start(clusters.three_nodes(folder), 300)
        try:
            run(cluster, arguments)
        finally:
            cluster.kill()


def run(cluster, arguments):
    create(cluster, arguments.tables, arguments.at_once)
    # With the catalog's own group.
    groups = 4 * arguments.tables + 1
    rest(cluster)
    say("at rest")
    measure(cluster, arguments.seconds)

    cluster.nodes[0].kill()
    time.sleep(5)
    cluster.nodes[0].start()
    watch_return(cluster, groups, "kill and start of one node")
    rest(cluster)
    measure(cluster, arguments.seconds)

    for node in cluster.nodes:
        node.kill()
    for node in cluster.nodes:
        node.start()
    watch_return(cluster, groups, "kill and start of all nodes")
    rest(cluster)
    measure(cluster, arguments.seconds)


if __name__ == "__main__":
    main()
