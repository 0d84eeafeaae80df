"""docs/architecture.md is a map: every directory that holds a crate of the node is on it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted(manifest.parent.relative_to(ROOT) for manifest in (ROOT / "node").glob("**/Cargo.toml"))


def test_rooms_are_found():
    assert Path("node/core/partition") in ROOMS


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_the_room_is_on_the_map(room):
    assert f"`{room}/`" in (ROOT / "docs" / "architecture.md").read_text()
