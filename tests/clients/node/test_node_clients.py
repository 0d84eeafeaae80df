"""Runs each script of this folder, the work of one client from npm, against one node and three."""

import os
import subprocess
from pathlib import Path

import pytest

from cluster import free_ports

HERE = Path(__file__).parent
# What the scripts share, and is none itself.
SCRIPTS = sorted(script.stem for script in HERE.glob("*.js") if script.stem != "stator")
SECONDS_MAX = 60


def test_scripts_are_found():
    assert "aws_sdk" in SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_client_works(script, environment):
    (port,) = free_ports(1)
    done = subprocess.run(
        # Some libraries leave timers behind that would keep the program waiting after its last test.
        [os.environ["STATOR_NODE"], "--test-force-exit", f"{script}.js"],
        cwd=HERE,
        env=environment
        | {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "NODE_PATH": os.environ["STATOR_NODE_MODULES"],
            "STATOR_FREE_PORT": str(port),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 0, done.stdout + done.stderr
