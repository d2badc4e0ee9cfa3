"""A process that has the key is never dumped."""

import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[3] / "config" / "risk-sidecar.service"
ASKS = """
import ctypes, resource
from sidecar.console.process import run

async def asks():
    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE
    print(dumpable, resource.getrlimit(resource.RLIMIT_CORE)[0])

most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
run(asks())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_what_runs_long_forbids_dumps_of_itself():
    asked = subprocess.run([sys.executable, "-c", ASKS], capture_output=True, text=True, check=True)
    assert asked.stdout.split() == ["0", "0"]


def test_the_unit_forbids_them_too():
    assert "\nLimitCORE=0\n" in UNIT.read_text(encoding="utf-8")
