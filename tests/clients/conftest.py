"""Fixtures: where Stator is, told to the clients as AWS's SDKs want to be told."""

import itertools
import os

import boto3
import pytest

from cluster import REGION
from node_fixtures import cluster, one_node, three_nodes  # noqa: F401

NUMBERS = itertools.count(1)


@pytest.fixture
def environment(cluster):
    """Variables that make a client call Stator which knows only of AWS."""
    return {
        # Of three nodes the last: what it does not lead is forwarded.
        "AWS_ENDPOINT_URL_DYNAMODB": cluster.nodes[-1].endpoint,
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": cluster.nodes[-1].endpoint,
        "AWS_ACCESS_KEY_ID": cluster.access_key,
        "AWS_SECRET_ACCESS_KEY": cluster.secret_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture
def aws(environment, monkeypatch):
    """The same for a client in this process."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # boto3 remembers the credentials that it found first.
    boto3.setup_default_session()


@pytest.fixture
def table_name():
    """A table that no other test uses."""
    return f"clients-{next(NUMBERS)}"


@pytest.fixture
def is_one_node(cluster):
    """Whether an eventually consistent read sees what was acknowledged: with one node it always does."""
    return len(cluster.nodes) == 1
