"""How many items a second expire, how late, and what that does to writes of another table. docs/performance.md has the figures.

    venv=$(setup/python)
    STATOR_BINARY=target/release/stator $venv/bin/python tests/python/expiring_items.py

Items are loaded ahead of time with expiries spread evenly over `--seconds`. Meanwhile `stator bench` puts items at a fixed rate, once
before anything expires and once while everything does, in turn for `--rounds`.
"""

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cluster as clusters
from cluster import wait_until
from measuring import cpu_seconds, say

BATCH = 25
WRITERS = 4


def metric(node, name):
    with urllib.request.urlopen(f"{node.endpoint}/metrics", timeout=10) as reply:
        return int(re.search(rf"^stator_cluster_{name} (\d+)", reply.read().decode(), re.MULTILINE).group(1))


def load(cluster, table, begin, arguments):
    """Writes the items; the first expires at `begin`."""
    client = cluster.client(attempts_max=10)

    def write(first):
        puts = []
        for number in range(first, first + BATCH):
            expires = begin + number // arguments.rate
            item = {"h": {"S": f"{begin}-{number}"}, "expires": {"N": str(expires)}, "body": {"S": "x" * 200}}
            puts.append({"PutRequest": {"Item": item}})
        while puts:
            puts = client.batch_write_item(RequestItems={table: puts})["UnprocessedItems"].get(table, [])

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(0, arguments.rate * arguments.seconds, BATCH)))


def bench(cluster, folder, arguments):
    """Starts `stator bench`; returns the process and where it tells what it measured."""
    report = Path(folder) / "bench.json"
    node = cluster.nodes[0]
    command = [clusters.binary(), "bench", "--endpoints", node.endpoint, "--cells", "put", "--items", "1000"]
    command += ["--item-bytes", "256", "--rate", str(arguments.writes), "--duration", f"{arguments.seconds}s"]
    command += ["--warmup", "1s", "--connections", "16", "--json", str(report)]
    environment = {"AWS_ACCESS_KEY_ID": cluster.access_key, "AWS_SECRET_ACCESS_KEY": cluster.secret_key}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL), report


def figures(report):
    (summary,) = json.loads(report.read_text())["summary"]
    assert summary["failed"] == 0
    return {name: summary["medians"][f"latency_us_{name}"] / 1_000 for name in ("p50", "p99")}


def measure(cluster, table, folder, arguments):
    node = cluster.nodes[0]
    total = arguments.rate * arguments.seconds
    process, report = bench(cluster, folder, arguments)
    assert process.wait() == 0
    before = figures(report)
    begin = int(time.time()) + arguments.load_seconds
    deleted = metric(node, "items_expired_total")
    load(cluster, table, begin, arguments)
    assert time.time() < begin - 3, "the items were not loaded in time: more --load-seconds are needed"
    say(f"{total} items are loaded")
    # Tables and warm-up take it a second or two.
    time.sleep(begin - 2 - time.time())
    used = cpu_seconds(node.process.pid)
    process, report = bench(cluster, folder, arguments)
    lags, waiting = [], []
    while time.time() < begin + arguments.seconds:
        lags.append(metric(node, "expiry_lag_seconds"))
        waiting.append(metric(node, "expired_items_waiting"))
        time.sleep(0.5)
    late = total - (metric(node, "items_expired_total") - deleted)
    wait_until(lambda: metric(node, "items_expired_total") - deleted == total, 60, "all items to leave")
    took = time.time() - begin
    assert process.wait() == 0
    during = figures(report)
    used = cpu_seconds(node.process.pid) - used
    say(f"{total / took:.0f} expiries a second; {late} were left at the end, all gone {took:.1f} s after the first was due")
    say(f"lag at most {max(lags)} s, waiting at most {max(waiting)}; {used:.1f} s of CPU, writes included")
    say(f"writes of another table, before: {before}, during: {during} ms")
    return total / took, max(lags), before, during


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=5_000, help="items that expire in each second")
    parser.add_argument("--seconds", type=int, default=10, help="for how long")
    parser.add_argument("--writes", type=int, default=500, help="writes a second of another table")
    parser.add_argument("--load-seconds", type=int, default=120, help="how long loading may take")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cluster = clusters.start(clusters.one_node(Path(folder)))
        try:
            client = cluster.client()
            client.create_table(
                TableName="expiring",
                KeySchema=[{"AttributeName": "h", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "h", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
            client.get_waiter("table_exists").wait(TableName="expiring", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
            specification = {"Enabled": True, "AttributeName": "expires"}
            client.update_time_to_live(TableName="expiring", TimeToLiveSpecification=specification)
            rounds = [measure(cluster, "expiring", folder, arguments) for _ in range(arguments.rounds)]
        finally:
            cluster.kill()
    for name, values in [
        ("expiries a second", [rate for rate, *_ in rounds]),
        ("greatest lag, s", [lag for _, lag, *_ in rounds]),
        ("p50 before, ms", [before["p50"] for *_, before, _ in rounds]),
        ("p50 during, ms", [during["p50"] for *_, during in rounds]),
        ("p99 before, ms", [before["p99"] for *_, before, _ in rounds]),
        ("p99 during, ms", [during["p99"] for *_, during in rounds]),
    ]:
        say(f"median of {name}: {statistics.median(values):.2f}")


if __name__ == "__main__":
    main()
