"""The log: what happens, for people on a terminal or as JSON, on standard error. No secrets.

Nothing hands a key or a token to the log; what looks like one all the same is struck out here.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal

import structlog
from structlog.typing import FilteringBoundLogger

SECRET: Final = re.compile(
    r"-----BEGIN[^-]*PRIVATE KEY-----.*?(-----END[^-]*-----|$)"  # a PEM
    r"|eyJ[\w-]{10,}\.[\w-]{10,}(\.[\w-]*)?",  # a JWT
    re.DOTALL,
)


def strike_out(_logger: object, _name: str, fields: MutableMapping[str, Any]) -> Any:
    """Replace whatever looks like a secret."""
    for name, value in fields.items():
        if isinstance(value, str) and SECRET.search(value):
            fields[name] = SECRET.sub("[secret]", value)
    return fields


def make_log(kind: Literal["console", "json"]) -> FilteringBoundLogger:
    """The log of one process."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if kind == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            strike_out,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return log
