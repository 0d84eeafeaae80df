"""How soon a node with many items serves again after it was killed. docs/performance.md has the figures.

    venv=$(setup/python)
    STATOR_BINARY=target/release/stator $venv/bin/python tests/python/restart_items.py --items 5000000 --nodes 3

`--data DIR` keeps the cluster and its logs there.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import cluster as clusters
from measuring import resident_mib, say

TABLE = "restart-items"
LOADERS = 32


def load(cluster, items, item_bytes):
    """Leaves the table there: the bench that loads it takes it for its own."""
    command = [clusters.binary(), "bench", "--endpoints", cluster.nodes[0].endpoint, "--table-prefix", "restart", "--keep"]
    command += ["--access-key", cluster.access_key, "--secret-key", cluster.secret_key, "--connections", str(LOADERS)]
    command += ["--items", str(items), "--item-bytes", str(item_bytes), "--cells", "strong-get", "--duration", "1s"]
    began = time.monotonic()
    subprocess.run(command, check=True)
    say(f"{items} items of {item_bytes} bytes were loaded in {time.monotonic() - began:.0f} s")


def some_key(cluster):
    page = cluster.client().scan(TableName=TABLE, Limit=1)["Items"]
    return {"pk": page[0]["pk"]}


def start_again(cluster, number, key):
    node = cluster.nodes[number]
    node.kill()
    began = time.monotonic()
    node.start()
    node.wait_ready(300)
    ready = time.monotonic() - began
    client = cluster.client(number, attempts_max=1, seconds_max=60)
    assert "Item" in client.get_item(TableName=TABLE, Key=key, ConsistentRead=True)
    read = time.monotonic() - began
    client.put_item(TableName=TABLE, Item=key | {"again": {"S": "yes"}})
    wrote = time.monotonic() - began
    memory = resident_mib(node.process.pid)
    say(f"node {number + 1}, killed and started: ready after {ready:.2f} s, read {read:.2f} s, wrote {wrote:.2f} s, {memory:.0f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=5_000_000)
    parser.add_argument("--item-bytes", type=int, default=1_024)
    parser.add_argument("--nodes", type=int, choices=[1, 3], default=1)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.data or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        cluster = clusters.start(clusters.started_nodes(folder, arguments.nodes), 300)
        try:
            load(cluster, arguments.items, arguments.item_bytes)
            key = some_key(cluster)
            for time_number in range(arguments.times):
                start_again(cluster, time_number % arguments.nodes, key)
        finally:
            cluster.kill()


if __name__ == "__main__":
    main()
