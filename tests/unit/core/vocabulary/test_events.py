"""The facts: all of them are named in one place."""

from importlib import import_module
from pathlib import Path

import pytest

from sidecar.core.vocabulary import events

MODULES = sorted(path.stem for path in Path(events.__file__).parent.glob("[!_]*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_all_that_a_module_of_facts_defines_is_named_in_their_index(name):
    """A fact that is not could be written to the journal and not be read again."""
    module = import_module(f"sidecar.core.vocabulary.events.{name}")
    defined = {key for key, value in vars(module).items() if _is_of(value, module.__name__)}
    assert defined
    assert defined <= set(events.__all__)


def _is_of(value: object, module: str) -> bool:
    return isinstance(value, type) and value.__module__ == module
