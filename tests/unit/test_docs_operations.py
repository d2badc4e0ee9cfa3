"""docs/operations.md says what the code does."""

import ast
import json
import re
import stat
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from sidecar.config.loader import load_config
from sidecar.core.context.state import CAUSES, LOSSES, TIGHTNESS
from sidecar.core.vocabulary.actions import Alert
from sidecar.server.protocol import OPERATOR_METHODS
from tests.unit.console.test_app import WORDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
COMMAND = Path(sys.executable).with_name("risk-sidecar")
SEVERITIES = set(get_args(get_type_hints(Alert)["severity"]))
ENDS = {
    "itself": "by itself",
    "reset": "at its reset",
    "resume": "`resume`",
    "flat": "when flat",
}


def rows(head):
    """The cells of the table under this head."""
    table = PAGE[PAGE.index(head) :].partition("\n\n")[0].partition("\n<!--")[0]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in table.splitlines()[2:]
    ]


# ------------------------------------------------------------------------------------------- tables


def test_the_causes_are_the_codes_own():
    """Of each row the second cell is for the reader; the others are the code's."""
    shown = rows("| cause | what happened |")
    assert [[code, *rest] for code, _, *rest in shown] == [
        [f"`{code}`", kind.level, ENDS[kind.ends], kind.mend] for code, kind in CAUSES.items()
    ]
    assert all(happened for _, happened, *_ in shown)


def test_every_state_is_explained():
    assert {row[0] for row in rows("| state | bots may |")} == set(TIGHTNESS)


def alerts():
    """Every alert that the core raises, and every finding of pre-flight: code and severities."""
    found: dict[str, set[str]] = {}
    paths = (ROOT / "sidecar").rglob("*.py")
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    for tree in trees:
        for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
            for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
                given = {word.arg: word.value for word in call.keywords}
                if getattr(call.func, "id", "") == "Alert":
                    codes = texts(given["code"], function)
                    codes = codes or handed_over(given["code"], function, trees)
                    severities = texts(given["severity"], function) & SEVERITIES
                    for code in codes or texts(given["code"], tree):
                        found.setdefault(code, set()).update(severities)
    return found


def handed_over(node, function, trees):
    """What callers give for a parameter, by its place."""
    names = [argument.arg for argument in function.args.args if argument.arg != "self"]
    if getattr(node, "id", "") not in names:
        return set()
    place, found = names.index(node.id), set()
    for caller in (n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        for call in (n for n in ast.walk(caller) if isinstance(n, ast.Call)):
            if getattr(call.func, "attr", "") == function.name and len(call.args) > place:
                found |= texts(call.args[place], caller)
    return found


def texts(node, scope):
    """What a name or a literal may be. A code that is handed on (`bound.code`) is that of a loss."""
    if isinstance(node, ast.Constant):
        return {node.value}
    if isinstance(node, ast.Attribute):
        assert node.attr == "code", ast.unparse(node)
        return set(LOSSES)
    assigned = [
        n.value
        for n in ast.walk(scope)
        if isinstance(n, ast.Assign | ast.AnnAssign)
        and any(
            getattr(target, "id", "") == node.id
            for target in (n.targets if isinstance(n, ast.Assign) else [n.target])
        )
    ]
    return {
        part.value
        for value in assigned
        if value is not None
        for part in ast.walk(value)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


def test_every_alert_is_explained_and_no_other():
    preflight = (ROOT / "sidecar" / "daemon" / "preflight.py").read_text(encoding="utf-8")
    expected = alerts()
    assert len(expected) >= 8
    shown = {
        code: severity
        for codes, severity, *_ in rows("| code | severity |")
        for code in re.findall(r"`(\w+)`", codes)
    }
    assert set(shown) == set(expected) | set(re.findall(r'"([A-Z]+_[A-Z_]+|PORTFOLIO)"', preflight))
    for code, severities in expected.items():
        assert set(shown[code].split(", ")) == severities, code


def test_every_verb_of_an_operator_is_explained():
    shown = {verb.strip("`").replace("-", "_") for verb, _ in rows("| verb | does |")}
    assert shown == set(OPERATOR_METHODS)


def test_every_command_is_named_somewhere():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for words in filter(None, WORDS):
        name = " ".join(words)
        assert re.search(rf"(`|risk-sidecar ){name}\b", PAGE + readme), name


def test_every_command_shown_is_one(run):
    """Its words parse: the command, its options, with -h at the end of them."""
    shown = re.findall(r"(?:[$#|] |\n {7})risk-sidecar ([^\n|]*)", PAGE)
    assert len(shown) >= 10
    for line in sorted(set(shown)):
        words = [word for word in re.findall(r'"[^"]*"|\S+', line) if word != "-"]
        code, _, errors = run(*words, "-h")
        assert code == 0, f"{line}: {errors}"


# -------------------------------------------------------------------------------- a running sidecar


@pytest.fixture(scope="module")
def demonstration():
    """What a running sidecar says and where it keeps what; then its log."""
    with tempfile.TemporaryDirectory(prefix="sidecar-docs-") as name:  # sockets need short paths
        demo = subprocess.Popen(
            [COMMAND, "demo", "--no-bot", "--json", "--state-dir", name],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert demo.stdout is not None
            where = json.loads(demo.stdout.readline())
            modes = {
                path: stat.S_IMODE(path.stat().st_mode)
                for path in (
                    Path(where["order_socket"]),
                    Path(where["control_socket"]),
                    Path(where["state_dir"]),
                    *Path(where["state_dir"]).rglob("*"),
                )
            }
        finally:
            demo.terminate()
            _, log = demo.communicate(timeout=60)
    return modes, log


def test_the_log_begins_with_what_the_page_explains(demonstration):
    _, log = demonstration
    for said, _ in rows("| the log says |"):
        parts = re.findall(r"\w+='[^']*'|\S+", said.strip("`"))
        assert any(all(part in line for part in parts) for line in log.splitlines()), said


def test_files_have_the_modes_that_the_page_says(demonstration):
    modes, _ = demonstration
    shown = {
        name: int(mode, 8)
        for names, mode, _ in rows("| path | mode |")
        for name in re.findall(r"`([^`]+)`", names)
        if mode
    }
    assert len(modes) >= 7
    for path, mode in modes.items():
        assert mode == shown[name_on_the_page(path)], path


def name_on_the_page(path):
    if path.suffix == ".sock":
        return f"/run/risk-sidecar/{path.name}"
    if path.name in {"state", "journal"}:
        return "/var/lib/risk-sidecar"
    return (
        f"journal/*.{path.name.partition('.')[2]}" if path.parent.name == "journal" else path.name
    )


# ------------------------------------------------------------------------ configurations and the unit


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.toml")), ids=lambda p: p.name)
def test_a_shipped_configuration_has_no_fault(path):
    assert load_config(path).limits.max_cumulative_loss is not None


def test_all_that_check_misses_in_the_live_configuration_is_the_key():
    done = subprocess.run(
        [COMMAND, "check", "--json", "--config", ROOT / "config" / "live.toml"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert [one["code"] for one in findings if one["severity"] != "info"] == ["KEY_FILE"]


def test_the_service_fits_the_live_configuration(run):
    unit = (ROOT / "config" / "risk-sidecar.service").read_text(encoding="utf-8")
    live = tomllib.loads((ROOT / "config" / "live.toml").read_text(encoding="utf-8"))
    keys = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    assert live["state"]["dir"] == f"/var/lib/{keys['StateDirectory']}"
    assert Path(live["server"]["order_socket"]).parent == Path("/run", keys["RuntimeDirectory"])
    assert Path(live["server"]["control_socket"]).parent == Path("/run", keys["RuntimeDirectory"])
    assert (keys["Type"], keys["StateDirectoryMode"], keys["User"]) == (
        "notify", "0700", "risk-sidecar",
    )  # fmt: skip
    assert int(keys["WatchdogSec"]) > 0
    for name in ("ExecStart", "ExecReload"):
        words = re.findall(r'"[^"]*"|\S+', keys[name])[1:]
        code, _, errors = run(*words, "-h")
        assert code == 0, f"{name}: {errors}"


def test_the_readme_links_it():
    assert "(docs/operations.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
