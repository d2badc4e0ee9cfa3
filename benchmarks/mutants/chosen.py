"""A plugin of pytest: of all that is collected, only the tests that a file names, within so much memory."""

import os
import resource
from pathlib import Path
from typing import Final

import pytest

PLUGIN: Final = __name__
CHOSEN: Final = "MUTANTS_CHOSEN"  # where the file is: a test's id on each line, in their order
MEMORY_MAX: Final = 4 << 30  # bytes: a mutant that never ends may ask for more and more


def pytest_configure() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = {item.nodeid: item for item in items}
    chosen = Path(os.environ[CHOSEN]).read_text().splitlines()
    if not known.keys() >= {*chosen}:
        pytest.exit("a test cannot be collected any more: the mutant is noticed", returncode=1)
    items[:] = [known[name] for name in chosen]
