"""Listings that never end, as a switched-on fault has them. No I/O.

The cursor of a page that should not be there is a word and a count: `again-3`.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from multidict import MultiDict

from sidecar.paper.service.call import Call
from sidecar.paper.wire.text import Row

AGAIN: Final = "again-"


def answered(handler: Callable[[Call], Row], call: Call, kind: str) -> Row:
    """The handler's answer, with one more page behind its last. `kind`: of `endless_pages`."""
    asked = call.query.get("cursor", "")
    count = 0
    if asked.startswith(AGAIN):
        count = int(asked.removeprefix(AGAIN))
        without = MultiDict((name, value) for name, value in call.query.items() if name != "cursor")
        call = msgspec.structs.replace(call, query=without)
    row = handler(call)
    if row.get("has_next") is not False:
        return row
    if count and kind == "empty":
        row = {name: [] if isinstance(value, list) else value for name, value in row.items()}
    following = count if count and kind == "cursor" else count + 1
    return {**row, "has_next": True, "cursor": f"{AGAIN}{following}"}
