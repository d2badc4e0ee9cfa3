"""The command line: one-line errors that name the mend, and the exit codes."""

import json
import sys

import pytest

from sidecar.config import parse_config
from sidecar.console.app import main

VERBS = [
    "run",
    "demo",
    "paper",
    "validate",
    "status",
    "positions",
    "limits",
    "check",
    "halt",
    "reduce-only",
    "resume",
    "cancel-all",
    "reset-loss",
    "reload",
    "journal",
    "config",
]
WORDS = [
    [],
    *([verb] for verb in VERBS),
    ["config", "schema"],
    ["config", "example"],
    ["journal", "show"],
    ["journal", "verify"],
    ["journal", "replay"],
]


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["risk-sidecar", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        output, errors = capsys.readouterr()
        return caught.value.code, output, errors

    return call


def test_the_version_is_printed(run):
    code, output, _ = run("--version")
    assert code == 0
    assert output.startswith("risk-sidecar 0.")


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_everywhere(run, words, flag):
    code, output, errors = run(*words, flag)
    assert (code, errors) == (0, "")
    assert f"Usage: {' '.join(['risk-sidecar', *words])}" in output


@pytest.mark.parametrize("words", [[], ["config"], ["journal"]])
def test_no_verb_is_answered_with_help_and_a_usage_error(run, words):
    code, output, _ = run(*words)
    assert code == 2
    assert "Usage: risk-sidecar" in output
    assert "COMMAND" in output


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (["confg"], "Did you mean 'config'? Try: risk-sidecar -h"),
        (["config", "exmple"], "Did you mean 'example'? Try: risk-sidecar config -h"),
        (["xyzzy"], "No such command 'xyzzy'. Try: risk-sidecar -h"),
        (["--verison"], "(Possible options: --version). Try: risk-sidecar -h"),
        (["config", "schema", "more"], "(more). Try: risk-sidecar config schema -h"),
    ],
)
def test_a_wrong_word_gets_one_line_that_names_the_mend(run, words, mend):
    code, output, errors = run(*words)
    assert (code, output) == (2, "")
    assert errors.endswith(f"{mend}\n")
    assert errors.count("\n") == 1


def test_the_example_can_be_used_as_printed(run):
    code, output, _ = run("config", "example")
    assert code == 0
    parse_config(output)


def test_the_schema_is_json(run):
    code, output, _ = run("config", "schema")
    assert code == 0
    assert {"coinbase", "limits", "paper"} <= json.loads(output)["properties"].keys()
