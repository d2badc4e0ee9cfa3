"""Which paper exchange is meant: `risk-sidecar paper` writes down where it is, for `init --paper` to find."""

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sidecar.core.vocabulary.errors import Misuse

NAME: Final = "exchange"  # of the directory in which a running one has its addresses
URLS_FILE: Final = "urls.json"
NEEDED: Final = ("rest_url", "ws_url", "key_file")
CONNECT_S: Final = 1.0  # on this machine
EXCHANGES_MAX: Final = 100  # killed ones leave their directories behind

Urls = dict[str, str]


def register_exchange(directory: Path, urls: Urls) -> None:
    """Let `init --paper` find a paper exchange by itself; `directory` goes with it."""
    (directory / URLS_FILE).write_text(json.dumps(urls) + "\n", encoding="utf-8")


def running_exchange() -> Urls:
    """The only paper exchange of this user's that runs. Raises Misuse."""
    found = list(_exchanges())
    if not found:
        raise Misuse(
            "no paper exchange runs here; start one in another terminal: risk-sidecar paper, or name it with"
            " --rest-url, --ws-url and --key-file"
        )
    if len(found) > 1:
        addresses = ", ".join(one["rest_url"] for one in found)
        raise Misuse(
            f"several paper exchanges run here ({addresses}); name one with --rest-url, --ws-url and --key-file"
        )
    return found[0]


def _exchanges() -> Iterator[Urls]:
    pattern = f"risk-sidecar-{NAME}-*/{URLS_FILE}"
    newest_first = sorted(Path(tempfile.gettempdir()).glob(pattern), key=_written_at, reverse=True)
    for path in newest_first[:EXCHANGES_MAX]:
        urls = _told(path)
        if urls is not None and _answers(urls["rest_url"]):
            yield urls


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # it ends


def _told(path: Path) -> Urls | None:
    """The addresses that an exchange of this user's has written down."""
    try:
        if path.stat().st_uid != os.getuid():
            return None
        row: Any = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(row[name]) for name in NEEDED}
    except (OSError, ValueError, TypeError, KeyError):
        return None  # it ends, or begins


def _answers(url: str) -> bool:
    try:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=CONNECT_S):
            return True
    except (OSError, ValueError):
        return False
