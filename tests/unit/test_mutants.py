"""The mutants that `make soak` tries: which there are, and what they are."""

import ast
from pathlib import Path

import pytest

from benchmarks.mutants.__main__ import chosen
from benchmarks.mutants.mutations import mutants_of
from benchmarks.mutants.trees import ROOT


def changed(tmp_path: Path, source: str) -> list[str]:
    """What each mutant of a module makes of it."""
    Path(tmp_path, "module.py").write_text(source)
    mutants = mutants_of(tmp_path, Path("module.py"))
    return [one.applied(source.encode()).decode() for one in mutants]


@pytest.mark.parametrize(
    ("line", "mutants"),
    [
        ("x = a < b", {"x = (a <= b)"}),
        ("x = a >= b > c", {"x = (a > b > c)", "x = (a >= b >= c)"}),
        ("x = a != b", {"x = (a == b)"}),
        ("x += y", {"x -= y"}),
        ("x = a + b", {"x = (a - b)"}),
        ("x = a * b", set()),
        ("x = a and (b or c)", {"x = (a or (b or c))", "x = a and ((b and c))"}),
        ("x = 5", {"x = (6)", "x = (4)"}),
        ("x = True", {"x = (False)"}),
        ("x = 'é' + b", {"x = ('é' - b)"}),
        ("return a", {"return None"}),
        ("return None", set()),
        ("f(a)", {"pass"}),
        ("x = min(a, b)", {"x = (max(a, b))"}),
        ("x = lambda: a < b", {"x = lambda: (a <= b)"}),
    ],
)
def test_a_line_of_a_function_may_have_these_faults(tmp_path, line, mutants):
    begin = "def f():\n    "
    assert set(changed(tmp_path, begin + line)) == {begin + one for one in mutants}


@pytest.mark.parametrize(
    "source",
    [
        "X = 1 + 1",
        "class C:\n    x: int = 1",
        "@d(1)\ndef f(x: int = 1) -> T[1]:\n    '''Words.'''\n    y: T[1]",
        "def f():\n    assert x < 1",
        "def f():\n    raise E(x + 1)",
        "def f():\n    x = f'{a + 1}'",
        "def f():\n    x = g(text=a + 'b')",
    ],
)
def test_what_is_said_and_what_runs_at_an_import_is_left_as_it_is(tmp_path, source):
    assert changed(tmp_path, source) == []


def test_every_mutant_of_the_core_is_python_and_a_seed_chooses_the_same():
    mutants = chosen(200, 1)
    assert mutants == chosen(200, 1)
    for mutant in mutants:
        source = (ROOT / mutant.name[0]).read_bytes()
        assert ast.dump(ast.parse(mutant.applied(source))) != ast.dump(ast.parse(source))
