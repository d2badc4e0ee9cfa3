"""What unit tests share: the command line, run here and not in a process of its own."""

import sys

import pytest

from sidecar.console.app import main


@pytest.fixture
def run(monkeypatch, capsys):
    """`run("journal", "-h")` gives the exit code, what was printed, and the errors."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["risk-sidecar", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        output, errors = capsys.readouterr()
        return caught.value.code, output, errors

    return call
