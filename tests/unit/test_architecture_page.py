"""docs/architecture.md shows the code as it is."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_module_of_the_core_is_on_the_page_in_its_room_and_no_other():
    core, shown = ROOT / "sidecar" / "core", dict[str, set[str]]()
    tables = PAGE[PAGE.index("| `sidecar/core/`") : PAGE.index("| `sidecar/paper/`")]
    for table in re.split(r"\n\n(?=\| `sidecar/core/)", tables):
        room = re.findall(r"^\| `sidecar/(core/[\w/]*)`", table)[0]
        cells = re.findall(r"^\| ([^|]*) \|", table.partition("|---|---|")[2], re.MULTILINE)
        shown[room] = set(re.findall(r"`([\w.]+)`", " ".join(cells)))
    for room, names in shown.items():
        modules = {path.stem for path in (ROOT / "sidecar" / room).glob("*.py")} - {"__init__"}
        assert {name.removesuffix(".py") for name in names} == modules, room
    assert len(shown) == 1 + len(
        [path for path in core.iterdir() if (path / "__init__.py").exists()]
    )


def test_every_module_named_of_the_paper_exchange_exists():
    paper = ROOT / "sidecar" / "paper"
    table = PAGE[PAGE.index("| `sidecar/paper/`") : PAGE.index("## How a fact flows")]
    for folder, text in re.findall(r"^\| `(\w+)/` \| (.*)$", table, re.MULTILINE):
        for name in re.findall(r"`([\w*]+\.py)`", text):
            assert list((paper / folder).glob(name)), f"{folder}/{name}"


def test_every_place_that_the_page_sends_to_exists():
    places = re.findall(r"`((?:core|config|console|docs)/[\w/.-]+\.(?:py|toml))`", PAGE)
    assert len(places) >= 8
    for place in places:
        assert (ROOT / place).exists() or (ROOT / "sidecar" / place).exists(), place


def test_the_readme_links_the_page():
    assert "(docs/architecture.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
