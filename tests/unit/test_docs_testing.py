"""docs/testing.md names every helper of the tests, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


def test_every_helper_is_on_the_page_and_no_other():
    helpers = {path.name for path in (ROOT / "tests").glob("*.py")} - {"__init__.py", "conftest.py"}
    table = PAGE[PAGE.index("## Which helper") :]
    assert set(re.findall(r"`(\w+\.py)`", table)) == helpers


def test_every_class_and_function_that_the_page_names_is_in_its_helper():
    for name, words in re.findall(r"^\| `(\w+\.py)`: ([^|]+) \|", PAGE, re.MULTILINE):
        text = (ROOT / "tests" / name).read_text(encoding="utf-8")
        for word in re.findall(r"`(\w+)`", words):
            assert re.search(rf"^(class|def|async def) {word}\b", text, re.MULTILINE), word
