"""Who may call: anybody a node for development, only holders of a key a real one."""

import urllib.error
import urllib.request

import pytest

from refusals import refused


def test_a_node_for_development_takes_any_credentials(one_node):
    one_node.client(access_key="whoever", secret_key="whatever").list_tables()


def test_wrong_credentials_are_refused(three_nodes):
    with refused("UnrecognizedClientException", "The security token included in the request is invalid"):
        three_nodes.client(access_key="AKIANOBODY0000000001").list_tables()
    with refused("InvalidSignatureException", "does not match the signature you provided"):
        three_nodes.client(node=1, secret_key="wrong").list_tables()
    three_nodes.client(node=2).list_tables()


def test_a_request_without_a_signature_is_refused(three_nodes):
    request = urllib.request.Request(
        three_nodes.nodes[0].endpoint,
        data=b"{}",
        headers={"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    with caught.value as reply:
        assert reply.code == 400
        assert b"MissingAuthenticationTokenException" in reply.read()
