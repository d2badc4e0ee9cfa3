"""The command line: one-line errors that name the mend, and the exit codes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from sidecar.config import parse_config
from sidecar.console import commands
from sidecar.console.app import VERBS, app

END_TO_END = Path(__file__).parents[2] / "e2e"
WHY = ("--reason", "a test")


def words_of(command, *before):
    """Each command and group of commands, by its words."""
    yield [*before]
    for name, one in getattr(command, "commands", {}).items():
        yield from words_of(one, *before, name)


def functions(group):
    """The function of each command of a group, and of the groups in it."""
    for command in group.registered_commands:
        yield command.callback
    for inner in group.registered_groups:
        yield from functions(inner.typer_instance)


WORDS = [*words_of(get_command(app))]


@pytest.mark.parametrize("given", WORDS, ids=" ".join)
def test_the_help_names_no_type_of_an_option_without_a_value(given):
    shown = CliRunner().invoke(app, [*given, "-h"])
    assert shown.exit_code == 0
    assert "--help" in shown.output
    assert "bool" not in shown.output.lower()


def test_every_module_of_commands_has_one_on_the_command_line():
    """A command without its row among the verbs is there for nobody."""
    folder = Path(commands.__file__).parent
    shown = {function.__module__.rpartition(".")[2] for function in functions(app)}
    helpers = {"__init__", "closes"}
    assert {path.stem for path in folder.glob("*.py")} - helpers == shown - {"app"}


def test_every_verb_is_called_end_to_end():
    """By its word, in some file of tests/e2e/; a key of an answer, view["causes"], is no call."""
    called = "".join(path.read_text(encoding="utf-8") for path in END_TO_END.rglob("test_*.py"))
    names = [verb.__name__.replace("_", "-") for verbs in VERBS.values() for verb in verbs]
    calls = {name: re.search(rf'(?<![\w\])]\[)"{name}"(?!:)', called) for name in names}
    assert [name for name, call in calls.items() if call is None] == []


def test_a_command_that_computes_nothing_starts_without_the_libraries_that_do():
    code = "import sys, sidecar.console.app; print([m for m in ('numpy', 'scipy', 'pydantic', 'rich.table', 'aiohttp') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


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


def commands_of(command):
    yield command
    for one in getattr(command, "commands", {}).values():
        yield from commands_of(one)


def test_no_help_loses_a_word_in_brackets():
    """Rich takes [var] for a style, unless it is escaped."""
    texts = [
        text
        for command in commands_of(get_command(app))
        for one in (command, *command.params)
        for text in (getattr(one, "help", None), getattr(one, "rich_help_panel", None))
        if isinstance(text, str)
    ]
    assert any("\\[var]" in text for text in texts)
    assert [text for text in texts if re.search(r"(?<!\\)\[[a-z]", text)] == []


@pytest.mark.parametrize("words", [[], ["config"], ["journal"], ["var"]])
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status", "--control-socket", "/no/such.sock"], "no sidecar listens on /no/such.sock"),
        (["status", "--config", "/no/such.toml"], "no such file"),
        (
            ["positions", "--control-socket", "a", "--order-socket", "b"],
            "--control-socket or --order-socket",
        ),
        (["status", "--control-socket", "x" * 200], "AF_UNIX path too long"),
        (["halt", *WHY, "--control-socket", "/no/such.sock"], "no sidecar listens"),
        (["reduce-only", *WHY, "--product", "a", "--strategy", "b"], "not both"),
        (["reset-loss", *WHY], "daily, weekly, monthly, rolling, cumulative or drawdown"),
        (["reset-loss", "yearly", *WHY], "daily, weekly, monthly, rolling, cumulative or drawdown"),
        (["validate", "/no/such.json"], "name a file with one order"),
        (["check"], "check needs a configuration: write --config FILE"),
        (["journal", "show", "--state-dir", "/no/such"], "holds no journal"),
        (["journal", "show", "--since", "noon"], "is not a time"),
        (["journal", "show", "--type", "Nonsense"], "there are AccountRead"),
        (["journal", "replay", "--from", "noon"], "neither a line's number nor a time"),
    ],
)
def test_what_cannot_be_asked_is_one_line_with_its_mend(run, words, said):
    code, output, errors = run(*words)
    assert (code, output, errors.count("\n")) == (2, "", 1)
    assert said in errors


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"\n", "is empty"),
        (b"{", "is not JSON"),
        (b"\xff", "is not UTF-8"),
        (b"[1]", "is not a JSON object"),
        (b'{"a": NaN}', "holds what no order can"),
        (b"[" * 30_000, "holds what no order can"),
        (b'{"a": "' + b"x" * 65_300 + b'"}', "larger than 64 KiB"),
        (b" " * 70_000, "larger than 64 KiB"),
    ],
)
def test_what_is_no_order_is_one_line(run, tmp_path, given, said):
    file = tmp_path / "order.json"
    file.write_bytes(given)
    code, output, errors = run("validate", str(file), "--order-socket", "/no/such.sock")
    assert (code, output, errors.count("\n")) == (2, "", 1)
    assert said in errors
