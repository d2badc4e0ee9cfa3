"""docs/paper-exchange.md says what the code does."""

import re
from pathlib import Path

from sidecar.console.pages.paper_page import filled
from sidecar.paper.service.channels import CHANNELS
from sidecar.paper.service.keys import KEY_FILES
from sidecar.paper.service.routes import OTHERS

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "paper-exchange.md").read_text(encoding="utf-8")


def test_its_tables_are_the_generated_ones():
    """If this fails: `make docs`, and commit the page with the change."""
    assert filled(PAGE) == PAGE


def test_every_channel_key_file_and_route_of_its_own_is_on_it():
    for name in (*CHANNELS, *KEY_FILES):
        assert f"`{name}`" in PAGE, name
    for route in OTHERS:
        assert route.path.removeprefix("/v2") in PAGE, route.path


def test_the_example_of_a_test_of_ones_own_runs(capsys):
    (example,) = re.findall(r"```python\n(import asyncio, tempfile.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "paper-exchange.md", "exec"), {})
    assert "rest_url" in capsys.readouterr().out


def test_the_readme_links_it():
    assert "(docs/paper-exchange.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
