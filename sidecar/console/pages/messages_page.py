"""docs/messages.md: every message in the program's source, and its fix. No I/O.

`python -m sidecar.console.pages.messages_page docs/operations.md` prints it (`make docs` writes it).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from sidecar.console.pages.source_texts import Place, Said, said
from sidecar.core.context.state import CAUSES
from sidecar.core.judging.rules import RULES
from sidecar.core.judging.rules.rule import Measured

HEAD: Final = """\
# Messages

*Generated from the source by `make docs`; a test holds this page to it.*

Every text that the program says to people, as far as its source shows it, by what it is said of. `{…}` is filled in; a
text that begins with `…` goes on after another. `–`: the fix is in what is filled in, or none is needed. The codes and
what they mean: [rules.md](rules.md), [operations.md](operations.md).

"""
LIMITS: Final = "Limits"
CAUSES_TITLE: Final = "Causes"
ALERTS: Final = "Alerts"
AS_A_WHOLE: Final = frozenset({ALERTS, "Causes that end", "Answers to operators"})
SMALLER: Final = "send at most `max_base_size`"
# The fix beside another limit, where a smaller order is none.
OTHERWISE: Final = {
    "MIN_ORDER_SIZE": "send a larger order",
    "MAX_OPEN_ORDERS": "cancel an open order",
    "NO_ADDING": "close the position",
    "PRICE_COLLAR": "send a price nearer to the market",
    "TRADING_HOURS": "wait until they begin",
}


ANSWERS: Final = {"INSUFFICIENT_FUNDS": SMALLER}


class Saying(Struct, frozen=True):
    """A call that says a text: its chapter, and where its code, its text and its fix stand among its arguments."""

    title: str
    code: Place
    text: Place
    fix: Place = None
    below: str = ""  # in these directories alone


SAYINGS: Final[dict[str, Saying]] = {
    "Violation": Saying("Other refusals", 0, "message"),
    "Cause": Saying(CAUSES_TITLE, "code", "reason"),
    "Alert": Saying(ALERTS, "code", "text"),
    "CauseCleared": Saying("Causes that end", "code", "reason"),
    "loosen": Saying("Causes that end", 0, 2),
    "Answered": Saying("Answers to operators", None, "text"),
    "Finding": Saying("Findings of `check` and of a start", 1, 2),
    "Fault": Saying("Faults of a configuration", None, 1, 2),
    "ValueError": Saying("Values that cannot be used", None, 0, below="config core/vocabulary"),
    "Misuse": Saying("Commands and starts that cannot go on", None, 0),
    "RequestError": Saying("Questions on the sockets that cannot be answered", None, 1),
    "Unavailable": Saying("Why there is no value at risk", None, 0),
    "StateFileError": Saying("State on disk", None, 0),
    "JournalError": Saying("State on disk", None, 0),
    "Remark": Saying("Remarks of `journal verify`", 0, 3, 4),
}
TITLES: Final = [LIMITS, *dict.fromkeys(saying.title for saying in SAYINGS.values())]


class Message(Struct, frozen=True, order=True):
    """One text, its chapter, its code where it has one, and its fix."""

    title: str
    code: str
    text: str
    fix: str


def messages(sources: Mapping[str, str], operations: str) -> list[Message]:
    """Every message in these files: their text by their path below the package. The fix of an alert is in the
    table of docs/operations.md.
    """
    rows = re.findall(r"^\| `([A-Z_]+)` \|.*\| ([^|]+) \|$", operations, re.MULTILINE)
    answers = {code: fix.replace("](#", "](operations.md#") for code, fix in rows}
    found = {_of_limit(rule) for rule in RULES if isinstance(rule, Measured)}
    for path, source in sources.items():
        for one in said(source, SAYINGS):
            if path.startswith(tuple(SAYINGS[one.name].below.split()) or ""):
                found |= set(_messages(one, answers))
    return sorted(found, key=lambda one: (TITLES.index(one.title), one.code, one.text, one.fix))


def messages_page(sources: Mapping[str, str], operations: str) -> str:
    """The whole page."""
    found, page = messages(sources, operations), HEAD
    for title in TITLES:
        page += f"## {title}\n\n| code | text | fix |\n|---|---|---|\n"
        for one in found:
            if one.title == title:
                page += f"| {_code(one.code)} | {_cell(one.text)} | {_cell(one.fix)} |\n"
        page += "\n"
    return page.rstrip() + "\n"


def _of_limit(rule: Measured) -> Message:
    cause = CAUSES.get(rule.code.removeprefix("MAX_"))
    if cause is not None:
        fix = cause.mend
    elif rule.window is not None:
        fix = f"wait until the window has room, or set another `{rule.limit}`"
    else:
        fix = f"{OTHERWISE.get(rule.code, SMALLER)}, or set another `{rule.limit}`"
    return Message(LIMITS, rule.code, rule.text, fix)


def _messages(one: Said, answers: Mapping[str, str]) -> Iterator[Message]:
    saying = SAYINGS[one.name]
    code = next(one.texts(saying.code), "")
    fixes = list(one.texts(saying.fix))
    for place, text in enumerate(one.texts(saying.text)):
        if " " not in text.strip():
            continue
        fix = fixes[min(place, len(fixes) - 1)] if fixes else ""
        if saying.title == CAUSES_TITLE and code in CAUSES:
            fix = CAUSES[code].mend
        elif code in ANSWERS:
            fix = ANSWERS[code]
        elif saying.title == ALERTS:
            fix = answers.get(code, "")
        whole = re.sub(r"^; ", "… ", text)
        if not fix and "; " in whole and saying.title not in AS_A_WHOLE:
            whole, _, fix = whole.rpartition("; ")
        yield Message(saying.title, code, whole, fix)


def _code(code: str) -> str:
    return f"`{code}`" if code else "–"


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|").replace("\n", " ") or "–"


if __name__ == "__main__":
    import sys
    from pathlib import Path

    root = Path(__file__).parents[2]
    files = {str(path.relative_to(root)): path.read_text("utf-8") for path in root.rglob("*.py")}
    sys.stdout.write(messages_page(files, Path(sys.argv[1]).read_text("utf-8")))
