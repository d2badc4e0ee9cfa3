"""What fault tests share."""

import pytest

from sidecar.storage import halt_file
from tests.disk import SLOT_BYTES


@pytest.fixture
def small_reserve(monkeypatch):
    """A reserve that the journal outgrows soon."""
    monkeypatch.setattr(halt_file, "SLOT_BYTES", SLOT_BYTES)
