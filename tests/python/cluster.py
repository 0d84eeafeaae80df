"""Real `stator` processes for tests: started, watched, killed by their own process id."""

import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

REGION = "us-east-1"
ROOT_KEY = "AKIATESTROOT00000001"
ROOT_SECRET = "test-root-secret-0123456789abcdefghijklmn"
READY_SECONDS_MAX = 30
_claims = []


def binary():
    path = os.environ.get("STATOR_BINARY")
    if not path:
        raise RuntimeError("STATOR_BINARY is not set: `make test-python` sets it to the program it has built")
    return path


def wait_until(is_so, seconds_max=READY_SECONDS_MAX, what="the condition"):
    """Asks again and again; returns the first truthy answer."""
    end = time.monotonic() + seconds_max
    while True:
        answer = is_so()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {seconds_max} s")
        time.sleep(0.05)


def free_ports(count):
    """TCP ports that no other test gets while this process lives, not even while the node that listens there is down:
    the process holds the UDP ports of the same numbers. They lie below those that the system gives to outgoing
    connections, as one of those could take a dead node's place."""
    ports = []
    while len(ports) < count:
        address = ("127.0.0.1", random.randrange(11_000, 32_000))
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind(address)
            with socket.socket() as listener:
                listener.bind(address)
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        ports.append(address[1])
    return ports


class Node:
    """One process, which may be stopped and started again."""

    def __init__(self, arguments, port, log, data=None):
        self.arguments, self.port, self.log, self.data = arguments, port, Path(log), data
        self.process = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STATOR_")}
        environment |= {"STATOR_ROOT_ACCESS_KEY": ROOT_KEY, "STATOR_ROOT_SECRET_KEY": ROOT_SECRET}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [binary(), *self.arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        return self

    def wait_ready(self, seconds_max=READY_SECONDS_MAX):
        def is_ready():
            assert self.process.poll() is None, f"the node has ended:\n{self.log.read_text()}"
            try:
                with urllib.request.urlopen(f"{self.endpoint}/readyz", timeout=2) as reply:
                    return reply.status == 200
            except (urllib.error.URLError, OSError):
                return False

        wait_until(is_ready, seconds_max, f"readiness of {self.endpoint}")
        return self

    def kill(self):
        """As `kill -9`: the process has no chance to do anything more."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def stop(self):
        """As an operator stops it. It must end by itself and without an error."""
        self.process.terminate()
        assert self.process.wait(30) == 0, self.log.read_text()

    def status(self):
        """`stator status --json`, as an operator on this machine sees it."""
        return self.ask("status")

    def ask(self, *command):
        """What the program tells of this node, or of its cluster, as JSON; None if it cannot."""
        command = [binary(), *command, "--json", "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return json.loads(done.stdout) if done.returncode == 0 else None


class Cluster:
    """One node or several, and the credentials with which they are called."""

    def __init__(self, nodes, access_key, secret_key):
        self.nodes, self.access_key, self.secret_key = nodes, access_key, secret_key

    def client(self, node=0, attempts_max=3, seconds_max=20, **credentials):
        return boto3.client("dynamodb", **self._settings(node, attempts_max, seconds_max, credentials))

    def auto_scaling(self, node=0):
        """Application Auto Scaling's client, of the same endpoint."""
        return boto3.client("application-autoscaling", **self._settings(node, 1, 20, {}))

    def resource(self, node=0):
        return boto3.resource("dynamodb", **self._settings(node, 3, 20, {}))

    def _settings(self, node, attempts_max, seconds_max, credentials):
        return {
            "endpoint_url": self.nodes[node].endpoint,
            "region_name": REGION,
            "aws_access_key_id": credentials.get("access_key", self.access_key),
            "aws_secret_access_key": credentials.get("secret_key", self.secret_key),
            "config": Config(
                retries={"total_max_attempts": attempts_max, "mode": "standard"},
                connect_timeout=2,
                read_timeout=seconds_max,
            ),
        }

    def kill(self):
        for node in self.nodes:
            node.kill()


def one_node(folder, *more):
    """`stator dev`: any credentials."""
    (port,) = free_ports(1)
    node = Node(["dev", "--ephemeral", "--listen", f"127.0.0.1:{port}", *more], port, folder / "node.log")
    return Cluster([node], "anything", "goes")


def three_nodes(folder, *more):
    return started_nodes(folder, 3, *more)


def started_nodes(folder, count, *more):
    """`stator start` so many times, from the second on with `--join`: credentials required."""
    ports = free_ports(2 * count)
    nodes = []
    for number, (port, peer_port) in enumerate(zip(ports[:count], ports[count:])):
        data = folder / f"node-{number}"
        listening = ["--listen", f"127.0.0.1:{port}", "--peer-listen", f"127.0.0.1:{peer_port}"]
        joining = ["--join", f"127.0.0.1:{ports[count]}"] if number else []
        arguments = ["start", "--data", str(data), "--memory", "512MiB", *listening, *joining, *more]
        nodes.append(Node(arguments, port, folder / f"node-{number}.log", data))
    return Cluster(nodes, ROOT_KEY, ROOT_SECRET)


def start(cluster, seconds_max=READY_SECONDS_MAX):
    """Starts all nodes; the others join the first."""
    try:
        for node in cluster.nodes:
            node.start()
        for node in cluster.nodes:
            node.wait_ready(seconds_max)
        if len(cluster.nodes) > 1:
            wait_until(lambda: knows_all_nodes(cluster), what="a cluster of all nodes")
    except BaseException:
        cluster.kill()
        raise
    return cluster


def knows_all_nodes(cluster):
    status = cluster.nodes[0].status()
    return status is not None and sum(node["alive"] for node in status["nodes"]) == len(cluster.nodes)
