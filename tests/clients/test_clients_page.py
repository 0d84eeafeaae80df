"""The table of clients in docs/compatibility.md against the versions that are installed."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "compatibility.md"
SHARED_BY_SCRIPTS = {"express", "express-session", "keyv", "@nova-odm/expressions", "@aws-sdk/util-dynamodb"}


def pins():
    """Each package that a test installs by name, and its version."""
    found = {}
    for listed in (ROOT / "setup").glob("python-*requirements.txt"):
        found |= dict(re.findall(r"^([\w.-]+)==(\S+)", listed.read_text(), flags=re.MULTILINE))
    found |= npm()
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    return found | {package["name"]: package["version"] for package in locked if package["name"] == "aws-sdk-dynamodb"}


def npm():
    return json.loads((ROOT / "tests" / "clients" / "node" / "package.json").read_text())["dependencies"]


def rows():
    (section,) = re.findall(r"^## Clients\n(.*?)^## ", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \| [^|]+ \| [^|]+ \|$", section, flags=re.MULTILINE)[2:]


@pytest.mark.parametrize(("client", "versions"), rows())
def test_a_client_of_the_page_is_installed_in_that_version(client, versions):
    packages = re.findall(r"`([^`]+)`", client)
    assert packages and [pins().get(package) for package in packages] == versions.split(", ")


def test_the_page_has_twelve_clients_and_more():
    assert len(rows()) >= 12


def test_every_client_from_npm_is_on_the_page():
    told = {package for client, _ in rows() for package in re.findall(r"`([^`]+)`", client)}
    assert npm().keys() - SHARED_BY_SCRIPTS - told == set()
