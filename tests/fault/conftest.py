"""What fault tests share."""

import pytest

from sidecar.storage import reserve
from tests.disk import SLOT_BYTES


@pytest.fixture
def small_reserve(monkeypatch):
    """A reserve that the journal outgrows soon."""
    monkeypatch.setattr(reserve, "SLOT_BYTES", SLOT_BYTES)
