"""The log: a line is a line, whatever was said; nothing that looks like a key."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.daemon.logs import make_log
from sidecar.daemon.outlet import Outlet

FORGED = "2026-11-22T13:00:00Z [info     ] state after=ACTIVE"
HOSTILE = f"said\x1b[2J\r\u202e\n{FORGED}"


@pytest.fixture
def logged(tmp_path) -> Any:
    """What one process's log holds after these words."""

    def log(kind: Any, say: Callable[[Any], object]) -> list[str]:
        with (tmp_path / "log").open("w+b") as file:
            outlet = Outlet(file.fileno(), "utf-8")
            say(make_log(kind, outlet))
            outlet.end()
            return os.pread(file.fileno(), 100_000, 0).decode().splitlines()

    return log


@pytest.mark.parametrize(
    "say",
    [
        lambda log: log.warning(HOSTILE),
        lambda log: log.warning("left out", fault=HOSTILE),
        lambda log: log.warning("left out", fault=HOSTILE.replace(" ", "")),
        lambda log: log.warning("left out", orders=[HOSTILE]),
        lambda log: log.warning("left out", fault="x\x9b2Jy"),
    ],
)
def test_no_text_begins_a_line_or_moves_the_cursor(logged, say):
    (line,) = logged("console", say)
    assert line.isprintable()
    assert "x\\x9b2Jy" in line or "said\\x1b[2J" in line or "said\\\\x1b[2J" in line


def test_a_traceback_has_lines_and_none_looks_like_the_log_s_own(logged):
    def say(log: Any) -> None:
        log.critical("halted", exc_info=ValueError(HOSTILE))

    first, *rest = logged("console", say)
    assert "halted" in first
    assert any(FORGED in line for line in rest)
    assert all(line.isprintable() for line in rest)
    assert not any(line.startswith(FORGED[:4]) for line in rest)


def test_json_is_a_line_and_tells_the_text_as_it_was(logged):
    (line,) = logged("json", lambda log: log.warning("left out", fault=HOSTILE))
    assert json.loads(line)["fault"] == HOSTILE


def test_under_systemd_a_line_begins_with_its_severity(logged, monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")

    def say(log):
        for severity in ("critical", "error", "warning", "info"):
            getattr(log, severity)("said")

    assert [line[:3] for line in logged("console", say)] == ["<2>", "<3>", "<4>", "<6>"]
    assert logged("json", say)[0].startswith("{")
    monkeypatch.delenv("JOURNAL_STREAM")
    assert logged("console", say)[0].startswith("20")


@pytest.mark.parametrize("kind", ["console", "json"])
def test_what_looks_like_a_key_is_struck_out(logged, kind):
    pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----"
    (line,) = logged(kind, lambda log: log.info("read", text=f"a {pem} b"))
    assert "[secret]" in line
    assert "MHcCAQ" not in line
