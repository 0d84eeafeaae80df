"""docs/compatibility.md against the installed botocore's model, and against what a node answers."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from botocore.session import Session

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


def model():
    service = Session().get_service_model("dynamodb")
    return {
        name: list(shape.members) if (shape := service.operation_model(name).input_shape) else []
        for name in service.operation_names
    }


def page():
    """Operations that are there and those that are not, each with its parameters."""
    text = PAGE.read_text()
    there, rest = text.split("\n## Operations that are not there yet\n")
    there = there.split("\n## Operations that are there\n")[1]
    sections = re.split(r"^### (\w+)$", there, flags=re.MULTILINE)[1:]
    works = {
        name: re.findall(r"^\| `(\w+)` \| [^|]+ \|", section, flags=re.MULTILINE)
        for name, section in zip(sections[::2], sections[1::2])
    }
    missing = {
        name: re.findall(r"`(\w+)`", parameters)
        for name, parameters in re.findall(r"^\| `(\w+)` \| (.*) \|$", rest, flags=re.MULTILINE)
    }
    return works, missing


def test_every_parameter_of_every_operation_is_on_the_page():
    works, missing = page()
    assert works.keys() & missing.keys() == set(), "operations in both lists"
    told = {(name, parameter) for name, parameters in (works | missing).items() for parameter in parameters}
    known = {(name, parameter) for name, parameters in model().items() for parameter in parameters}
    assert sorted(model().keys() - (works | missing).keys()) == [], "operations that the page does not have"
    assert sorted(known - told) == [], "parameters that the page does not have"
    assert sum(len(parameters) for parameters in (works | missing).values()) == len(told), "parameters told twice"


def test_every_parameter_of_streams_is_on_the_page():
    service = Session().get_service_model("dynamodbstreams")
    section = PAGE.read_text().split("\n## Streams\n")[1].split("\n## ")[0]
    told = {
        name: re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)
        for name, table in re.findall(r"^\| Parameter of `(\w+)` \| State \|$(.*?)(?:^$|\Z)", section, flags=re.MULTILINE | re.DOTALL)
    }
    # The installed model may be older than the page.
    for name in service.operation_names:
        known = set(service.operation_model(name).input_shape.members)
        assert known <= set(told[name]), name
    assert set(told) == set(service.operation_names)


@pytest.mark.parametrize("operation", sorted(model()))
def test_the_page_says_which_operations_are_there(one_node, operation):
    works, _ = page()
    error = ask(one_node, operation)
    assert ("UnknownOperationException" not in error) == (operation in works), error


def ask(cluster, operation):
    """The type of the error that an empty body gets; a node for development wants no signature."""
    request = urllib.request.Request(
        cluster.nodes[0].endpoint,
        data=b"{}",
        headers={"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return json.loads(error.read())["__type"]

