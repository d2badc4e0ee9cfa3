"""The public names: few, lazy, and the same objects as in their homes."""

import subprocess
import sys

import pytest

import sidecar
from sidecar.core.vocabulary.errors import Misuse, SidecarError, UnknownProduct, Untrusted


@pytest.mark.parametrize("name", sidecar.__all__)
def test_every_public_name_can_be_imported_and_is_listed(name):
    assert getattr(sidecar, name).__name__ == name
    assert name in dir(sidecar)


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'sidecar' has no attribute 'Nonsense'"):
        sidecar.Nonsense  # noqa: B018


def test_importing_the_package_imports_none_of_its_parts():
    """A bot that needs one name does not pay for all."""
    code = "import sys, sidecar; print([m for m in sys.modules if m.startswith(('sidecar.', 'msgspec', 'pydantic'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_error_of_ours_has_one_of_two_parents():
    assert issubclass(Misuse, SidecarError)
    assert issubclass(UnknownProduct, Untrusted)
    assert not issubclass(Untrusted, Misuse)
