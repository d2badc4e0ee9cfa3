"""What a long-running command prints holds nothing up and fails nowhere, wherever it leads."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import logging, sys, typer
from rich.console import Console
from sidecar.console.process import standard_outlets
with standard_outlets() as errors:
    typer.echo("by typer")
    Console(stderr=True).print("by rich")
    logging.warning("by a library")
    print("by hand", file=sys.stderr)
    errors.end()
    lost = errors.state()["lost"]
sys.exit(lost)
"""
COMMAND = [sys.executable, "-c", CODE]


def test_everything_that_is_printed_goes_through_it():
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=True)
    assert done.stdout == "by typer\n"
    assert [line for line in done.stderr.splitlines() if "by " in line] == [
        "by rich", "WARNING:root:by a library", "by hand",
    ]  # fmt: skip


def test_where_nothing_can_be_written_everything_is_counted():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(COMMAND, stdout=full, stderr=full, check=False)
    assert done.returncode >= 3


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_what_was_closed_from_the_start_is_nowhere(closed):
    command = ["/bin/sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, CODE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ("by typer" in done.stdout) is ("1>" not in closed)
    assert ("by hand" in done.stderr) is ("2>" not in closed)
