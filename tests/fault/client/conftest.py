"""What tests of the clients share: where the sidecar listens, and clients that do not wait."""

import pytest

from risk_sidecar_client import asynchronous, events, keep_alive


@pytest.fixture
def path(tmp_path):
    return tmp_path / "order.sock"


@pytest.fixture
def quick(monkeypatch):
    """Clients that show life, and come back, as fast as a test wants it."""
    monkeypatch.setattr(keep_alive, "EVERY_S", 0.01)
    monkeypatch.setattr(asynchronous, "RETURN_EVERY_S", 0.01)
    monkeypatch.setattr(events, "RETURN_EVERY_S", 0.01)
