"""docs/architecture.md shows the edges and the daemon as they are; the core and the paper exchange
are held to it by test_architecture_page.py.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", ["coinbase", "daemon", "server", "storage"])
def test_every_module_of_an_edge_is_on_the_page_and_no_other(folder):
    modules = {path.name for path in (ROOT / "sidecar" / folder).glob("*.py")} - {"__init__.py"}
    table = PAGE[PAGE.index(f"| `sidecar/{folder}/` |") :].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+\.py)`", table)) == modules


def test_every_module_of_the_client_is_on_the_page_and_no_other():
    package = ROOT / "client" / "risk_sidecar_client"
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    table = PAGE[PAGE.index("| `client/risk_sidecar_client/` |") :].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+\.py)`", table)) == modules


def test_every_folder_and_module_of_the_package_is_on_the_page():
    package = ROOT / "sidecar"
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py", "__main__.py"}
    table = PAGE[PAGE.index("| `sidecar/` |") :].partition("\n")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+(?:/|\.py))`", table)) == folders | modules


def test_every_place_that_the_page_sends_to_exists():
    places = re.findall(
        r"`((?:client|core|config|console|coinbase|daemon|server|docs)/[\w/.-]+)`", PAGE
    )
    assert len(places) >= 20
    for place in places:
        assert (ROOT / place).exists() or (ROOT / "sidecar" / place).exists(), place


def test_every_name_that_the_page_sends_to_is_there():
    """`NAME` of `file` means that the file has it."""
    named = re.findall(r"`(\w+)`\s+of\s+`([\w/]+\.py)`", PAGE)
    assert len(named) >= 5
    for name, file in named:
        assert name in (ROOT / "sidecar" / file).read_text(encoding="utf-8"), (name, file)
