"""A user's own rules: loaded by path, with the place of a fault; and the rules that docs/library.md shows."""

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.vocabulary.errors import Misuse
from sidecar.custom_rules import load_custom_rules, place_of, said_by, sources_of
from tests.scenario import World, limit_order, market_order

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text(encoding="utf-8")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of rules that can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def write(text, name="rules_of_a_test"):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        made.append(name)
        return path

    yield write
    for name in made:
        sys.modules.pop(name, None)


def test_a_function_is_loaded_by_its_path_with_its_attribute(module):
    module("def a(*_): return 'no'\ndef b(*_): return None\nb.exempts_reducing = True\n")
    a, b = load_custom_rules(["rules_of_a_test:a", "rules_of_a_test:b"])
    assert (a.name, a.exempt, b.exempt) == ("rules_of_a_test:a", False, True)
    assert sources_of([a]) != {}


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("", "rules_of_a_test", "write package.module:function"),
        ("", "rules_of_a_test:a", "has no function 'a'"),
        ("a = 1", "rules_of_a_test:a", "has no function 'a'"),
        ("", "no_such_module:a", "install the module, or put it on PYTHONPATH"),
        ("def a(:\n", "rules_of_a_test:a", "rules_of_a_test.py:1; fix it there"),
        ("x = 1\ny = x / 0\n", "rules_of_a_test:a", "rules_of_a_test.py:2; fix it there"),
    ],
)
def test_what_cannot_be_loaded_is_one_line_with_the_mend(module, text, path, said):
    module(text)
    with pytest.raises(Misuse) as caught:
        load_custom_rules([path])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def raised(rule):
    try:
        rule.function(None, None, None)
    except Exception as fault:  # noqa: BLE001 - whatever the rule raises
        return fault
    raise AssertionError("it does not raise")


def test_the_place_is_the_rules_own_line_however_deep_it_raised(module):
    path = module(
        "import json\n"
        "def deep(*_):\n    return json.loads('{')\n"
        "def helped(*_):\n    return fails()\n"
        "def fails():\n    raise ValueError('x')\n"
        "def narrow(order):\n    return None\n"
    )
    for name, line in (("deep", 3), ("helped", 7), ("narrow", 8)):
        (rule,) = load_custom_rules([f"rules_of_a_test:{name}"])
        assert place_of(rule, raised(rule)) == f"{path}:{line}"


def test_of_a_callable_without_code_no_place_is_told():
    rule = CustomRule("len", len)  # type: ignore[arg-type]  # it takes one argument
    assert place_of(rule, raised(rule)) == ""


def test_an_exception_is_said_in_its_own_words_where_it_has_some():
    assert said_by(ValueError("x", 2)) == "ValueError: x"
    assert said_by(KeyError(2)) == "KeyError"


def test_a_file_that_changed_or_is_gone_has_another_source(module):
    path = module("def a(*_): return None\n")
    rules = load_custom_rules(["rules_of_a_test:a"])
    first = sources_of(rules)
    assert sources_of(rules) == first
    path.write_text("def a(*_): return 'no'\n")
    second = sources_of(rules)
    path.unlink()
    assert len({*first.values(), *second.values(), *sources_of(rules).values()}) == 3
    assert sources_of([CustomRule("nowhere:a", lambda *_: None)]) == {}


def test_the_rules_of_the_page_do_what_it_says():
    block = next(
        one
        for one in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
        if "half_of_a_coin" in one
    )
    names: dict[str, object] = {}
    exec(block, names)
    world = World(cash=1_000_000, start=datetime(2026, 11, 23, 15, tzinfo=UTC))  # a Monday
    world.manager.desk.custom = tuple(
        CustomRule(name, names[name])  # type: ignore[arg-type]
        for name in ("no_weekends", "half_of_a_coin")
    )
    assert world.ask(limit_order("0.5"))
    assert world.ask(market_order("0.5"))
    world.hold(1)
    refused = world.ask(limit_order("0.5"))
    assert [one.message for one in refused.violations] == ["more than one BTC"]
    world.wait(to=datetime(2026, 11, 28, 15, tzinfo=UTC))
    world.quote("BTC-USD", 64000)
    assert "no_weekends" in [one.scope for one in world.ask(limit_order("0.1")).violations]
