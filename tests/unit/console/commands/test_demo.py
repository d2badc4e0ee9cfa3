"""What `demo` prints for another terminal."""

import shlex
import sys
from pathlib import Path

import pytest

from sidecar.console.process import as_called


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("/opt/risk/bin/risk-sidecar", "/opt/risk/bin/risk-sidecar"),
        (".venv/bin/risk-sidecar", shlex.quote(f"{Path.cwd()}/.venv/bin/risk-sidecar")),
        ("/opt/my risk/risk-sidecar", "'/opt/my risk/risk-sidecar'"),
        ("risk-sidecar", "risk-sidecar"),
        ("/opt/risk/sidecar/__main__.py", f"{shlex.quote(sys.executable)} -m sidecar"),
    ],
)
def test_the_command_is_named_as_it_was_called(program, said):
    assert as_called(program) == said
