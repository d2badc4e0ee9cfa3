"""The generated texts are true: what they show parses, and the committed page is theirs."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from sidecar.config import Config, parse_config
from sidecar.config.example import EXAMPLES, SEEDS, example
from sidecar.config.outline import config_schema, outline
from sidecar.console.pages.configuration_page import reference
from sidecar.console.pages.rules_page import rules_page

ROOT = Path(__file__).parents[4]
COMMENTED_KEY = re.compile(r"^# (?=[a-z_]+(\.\S+)* = )", re.MULTILINE)


def test_the_example_is_the_defaults_and_the_seeds():
    assert parse_config(example()) == parse_config(SEEDS)


def test_the_example_parses_with_every_comment_mark_removed():
    """Law: whatever the reader uncomments is valid, and every key of the models is shown."""
    text = COMMENTED_KEY.sub("", example())
    parse_config(text)
    shown = tomllib.loads(text)
    keys = {(table.name, key) for table in outline().tables for key in table.names()}
    missing = keys ^ {(name, key) for name, table in shown.items() for key in table}
    assert not missing, "its example goes into EXAMPLES of sidecar/config/example.py"


def test_every_example_differs_from_the_default():
    assert all(
        parse_config("", [line]) != Config() for line in (EXAMPLES + SEEDS).splitlines() if line
    )


def test_the_example_fits_the_screen():
    assert max(map(len, example().splitlines())) <= 100


def test_the_committed_page_is_the_generated_one():
    """If this fails: `make docs`, and commit the page with the change."""
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == reference()


def test_every_key_has_a_description():
    tables = [nested for table in outline().tables for nested in (table, *table.tables)]
    assert not [
        f"{table.name}.{key.name}" for table in tables for key in table.keys if not key.description
    ]


def test_a_choice_of_numbers_is_shown_without_quotes():
    """A reader types what is shown, and a number in quotes is another value."""
    page = reference()
    assert "| `close_code` | 0 or 1000 or 1001 or 1006 or 1011 or 1013 | `0` |" in page
    assert '"reduce_only" or "flatten"' in page


@pytest.mark.parametrize("bound", ["gt", "ge", "lt", "le", "max_digits"])
def test_the_schema_holds_no_word_that_json_schema_does_not_know(bound):
    assert f'"{bound}":' not in json.dumps(config_schema())


def test_the_schema_bounds_a_decimal():
    spec = config_schema()["$defs"]["Paper"]["properties"]["taker_fee"]
    assert {"type": "number", "minimum": 0, "maximum": 1} in spec["anyOf"]


def test_the_committed_rules_page_is_the_generated_one():
    """If this fails: `make docs`, and commit the page with the change."""
    examples = (ROOT / "docs" / "rule-examples.toml").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "rules.md").read_text(encoding="utf-8") == rules_page(examples)
