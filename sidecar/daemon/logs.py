"""The log: events, for people on a terminal or as JSON, on standard error. No secrets.

No code hands a key or a token to the log; text that looks like one all the same is struck out here.
A caller that logs never waits and never fails: see outlet.py.
"""

import logging
import os
from collections.abc import MutableMapping
from typing import Any, Final, Literal

import structlog
from structlog.typing import FilteringBoundLogger

from sidecar.daemon.outlet import Outlet
from sidecar.escaping import escaped, indented
from sidecar.secrecy import without_tokens

UNDER_SYSTEMD: Final = "JOURNAL_STREAM"  # set where standard error goes to systemd's journal
PRIORITIES: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6}
TRACEBACK: Final = "    "  # before each line of one: no line of the log begins so


def strike_out(_logger: object, _name: str, fields: MutableMapping[str, Any]) -> Any:
    """Replace every text that looks like a secret."""
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = without_tokens(value)
    return fields


def escape(_logger: object, _name: str, fields: MutableMapping[str, Any]) -> Any:
    """One line each, but for a traceback: its lines are indented. JSON escapes by itself."""
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = indented(value, TRACEBACK) if name == "exception" else escaped(value)
    return fields


def _with_priority(render: structlog.dev.ConsoleRenderer) -> Any:
    """Lines begin with their severity as systemd's journal takes it off: `journalctl -p warning` shows them by it.
    Source: sd-daemon(3).
    """

    def line(logger: object, name: str, fields: MutableMapping[str, Any]) -> str:
        priority = PRIORITIES.get(fields.get("level", ""), PRIORITIES["info"])
        return f"<{priority}>{render(logger, name, fields)}"

    return line


def make_log(kind: Literal["console", "json"], outlet: Outlet) -> FilteringBoundLogger:
    """The log of one process. The outlet tells in it how many lines it lacks."""
    if kind == "json":
        rendered: list[Any] = [structlog.processors.JSONRenderer()]
    else:
        console = structlog.dev.ConsoleRenderer(colors=outlet.isatty(), pad_event_to=0)
        rendered = [escape, _with_priority(console) if os.environ.get(UNDER_SYSTEMD) else console]
    notices: Any = _logger(structlog.ReturnLogger(), rendered)
    outlet.notice = lambda lost: notices.warning("lines of the log were lost", lines=lost)
    return _logger(structlog.WriteLogger(outlet.text), rendered)


def _logger(last: object, rendered: list[Any]) -> FilteringBoundLogger:
    log: FilteringBoundLogger = structlog.wrap_logger(
        last,
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            strike_out,
            *rendered,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return log
