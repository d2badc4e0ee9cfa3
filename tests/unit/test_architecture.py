"""The core's purity and the code's size are laws, read from the source itself."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "sidecar"
CORE = sorted((ROOT / "core").rglob("*.py"))
CLIENT = ROOT.parent / "client" / "risk_sidecar_client"
ALL = sorted(ROOT.rglob("*.py")) + sorted(CLIENT.rglob("*.py"))

# What the core may import besides itself: nothing here reads a clock, a file, a socket or chance.
# zoneinfo reads the time-zone database once, at import: data that never changes while we run.
ALLOWED = {
    "bisect", "collections", "heapq", "dataclasses", "datetime", "decimal", "difflib", "enum", "functools", "itertools", "math",
    "re", "typing", "zoneinfo", "msgspec", "pydantic", "sidecar",
}  # fmt: skip
# The paper exchange is pure but for the files it replays and the few modules that serve it. What it
# needs on top turns bytes into numbers and numbers into ids.
PAPER = ROOT / "paper"
PAPER_EDGES = {
    "markets/market.py", "markets/replay.py",
    "service/certificates.py", "service/keys.py", "service/paper.py", "service/pump.py",
    "service/rest.py", "service/sockets.py",
}  # fmt: skip
PAPER_PURE = [
    path for path in sorted(PAPER.rglob("*.py")) if str(path.relative_to(PAPER)) not in PAPER_EDGES
]
PAPER_ALLOWED = ALLOWED | {
    "base64", "binascii", "copy", "cryptography", "hashlib", "multidict", "numpy", "urllib",
    "uuid", "zlib",
}  # fmt: skip
# Floats are of value at risk alone: what is counted and compared everywhere else is Decimal.
FLOATING = {path.relative_to(ROOT) for path in (ROOT / "core" / "value_at_risk").glob("*.py")}
FORBIDDEN_CALLS = {"now", "utcnow", "today", "open", "print", "input", "uuid4", "time", "sleep"}
MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
BROAD_CATCHES = {
    "core/judging/rules/custom.py",  # a user's own rule may raise anything, and must refuse then
    "custom_rules.py",  # so may the import of its module, which is for its author to mend
    "daemon/sidecar.py",  # the one at the top, which journals and stops
}


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """A module's whole tree: parsed once, for all the laws that read it."""
    return tuple(ast.walk(ast.parse(path.read_text())))


def name_of(path: Path) -> str:
    """A module of the sidecar by its place in it, one of the client with its package before."""
    return str(path.relative_to(CLIENT.parent if path.is_relative_to(CLIENT) else ROOT))


def _names(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


def _calls(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Call):
            function = node.func
            yield (
                function.attr
                if isinstance(function, ast.Attribute)
                else getattr(function, "id", "")
            )


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_nothing_that_can_touch_the_world(path):
    numeric = {"numpy", "scipy"} if path.relative_to(ROOT) in FLOATING else set()
    assert set(_names(path)) <= ALLOWED | numeric


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_reads_no_clock_and_does_no_io(path):
    assert not set(_calls(path)) & FORBIDDEN_CALLS


@pytest.mark.parametrize("path", PAPER_PURE, ids=lambda path: str(path.relative_to(PAPER)))
def test_the_paper_exchange_touches_the_world_only_where_it_serves_it(path):
    assert set(_names(path)) <= PAPER_ALLOWED
    assert not set(_calls(path)) & (
        FORBIDDEN_CALLS - {"now"}
    )  # a fault switch and a clock have one


def test_the_edges_of_the_paper_exchange_are_still_there():
    assert {name for name in PAPER_EDGES if (PAPER / name).exists()} == PAPER_EDGES


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_nothing_is_raised_within_except_star(path):
    """Python before 3.11.4 raises a group of it."""
    for node in nodes(path):
        for handler in node.handlers if isinstance(node, ast.TryStar) else ():
            assert not [one for one in ast.walk(handler) if isinstance(one, ast.Raise)]


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_modules_and_functions_stay_small(path):
    text = path.read_text()
    assert text.count("\n") <= MODULE_LINES_MAX
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or node.lineno) - node.lineno < FUNCTION_LINES_MAX, node.name


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_nobody_catches_everything_but_where_foreign_code_runs(path):
    handlers = [node for node in nodes(path) if isinstance(node, ast.ExceptHandler)]
    broad = [
        h
        for h in handlers
        if h.type is None or getattr(h.type, "id", "") in {"Exception", "BaseException"}
    ]
    assert not broad or name_of(path) in BROAD_CATCHES


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_every_rounding_of_money_names_its_direction(path):
    """An ambient decimal context belongs to the caller's program, and other libraries change it."""
    unnamed = [
        node.lineno
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"quantize", "to_integral_value"}
        and len(node.args) + len(node.keywords) < (2 if node.func.attr == "quantize" else 1)
    ]
    assert not unnamed


def test_what_the_collector_does_not_look_at_can_hold_no_cycle():
    """A struct with `gc=False` holds figures and words alone: of anything else a cycle can be made, and
    is then kept for ever.
    """
    plain = r"(Decimal|str|int|bool|datetime|Leg|SizeUnit|None|list\[tuple\[str, Rate\]\]|Literal\[[\w', ]+\])"
    for path in ALL:
        for node in nodes(path):
            if not isinstance(node, ast.ClassDef) or "gc=False" not in ast.unparse(node).partition(":")[0]:  # fmt: skip
                continue
            fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
            kinds = [ast.unparse(field.annotation) for field in fields]
            odd = [kind for kind in kinds if not re.fullmatch(rf"{plain}( \| {plain})*", kind)]
            assert odd == [], f"{path.name}: {node.name}"
