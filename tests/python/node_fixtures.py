"""Fixtures of running nodes, for the tests of the API and of other people's clients."""

import pytest

import cluster as clusters


@pytest.fixture(scope="session")
def one_node(tmp_path_factory):
    cluster = clusters.start(clusters.one_node(tmp_path_factory.mktemp("one-node")))
    yield cluster
    cluster.kill()


@pytest.fixture(scope="session")
def three_nodes(tmp_path_factory):
    cluster = clusters.start(clusters.three_nodes(tmp_path_factory.mktemp("three-nodes")))
    yield cluster
    cluster.kill()


@pytest.fixture(scope="session", params=["one_node", "three_nodes"])
def cluster(request):
    """Every test that takes this runs against both."""
    return request.getfixturevalue(request.param)
