"""`risk-sidecar journal show|verify|replay`: read only, whether a sidecar runs there or not."""

import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from sidecar import clock
from sidecar.console.asking import AsJson
from sidecar.console.locating import config_file, place
from sidecar.console.options import config_of_state, configuration, state_directory
from sidecar.console.shown.progress import progress
from sidecar.core.vocabulary.durations import duration
from sidecar.core.vocabulary.errors import Misuse
from sidecar.escaping import escaped

LINES_SHOWN: Final = 50
EXIT_DAMAGED: Final = 1
PANEL: Final = "Whose journal"
TIMES: Final = (
    "write 10m or 2h (so long ago), 14:30 (UTC), or RFC 3339, such as 2026-11-22T13:00:00Z"
)
CLOCK_TIME: Final = re.compile(r"\d{2}:\d{2}(:\d{2})?", re.ASCII)

OfConfig = Annotated[Path | None, config_of_state(PANEL)]
OfState = Annotated[Path | None, state_directory(PANEL)]


Count = Annotated[
    int | None,
    typer.Option(
        "-n",
        metavar="N",
        min=1,
        help=f"The last N lines; {LINES_SHOWN} unless --since or --until is given.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From this time on (UTC), or so long ago: 10m."),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="Up to this time (UTC), or until so long ago."),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help="Of this type; may be repeated."),
]
Orders = Annotated[
    list[str] | None,
    typer.Option(
        "--order",
        metavar="ID",
        help="Lines that name this order: the bot's client_order_id, or Coinbase's order_id; may be repeated.",
    ),
]


def show(  # noqa: PLR0913, PLR0917 - the options of the command, one each
    count: Count = None,
    since: Since = None,
    until: Until = None,
    kinds: Kinds = None,
    is_refused: Annotated[bool, typer.Option("--refused", help="Refusals alone.")] = False,
    orders: Orders = None,
    config: OfConfig = None,
    state_dir: OfState = None,
    as_json: Annotated[bool, typer.Option("--json", help="The lines as they are.")] = False,
) -> None:
    """Show what happened, a line each: facts, decisions, changes."""
    from sidecar.storage.journal_reading import (  # noqa: PLC0415 - a tenth of a second
        Wanted,
        files_of,
        last_lines,
        lines_between,
    )

    wanted = Wanted(
        _types(kinds or []),
        _time(since, "--since"),
        _time(until, "--until"),
        is_refused,
        frozenset(orders or ()),
    )
    paths = files_of(_directory(config, state_dir))
    if count is None and (since or until):
        lines = lines_between(paths, wanted)
    else:
        lines = iter(last_lines(paths, count or LINES_SHOWN, wanted))
    _print(lines, as_json=as_json)


def _print(lines: Iterable[bytes], *, as_json: bool) -> None:
    if as_json:
        for raw in lines:
            sys.stdout.write(raw.decode(errors="replace"))
        return
    from rich.console import Console  # noqa: PLC0415 - not needed with --json

    from sidecar.console.shown.journal_lines import readable  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True)
    for raw in lines:
        console.print(readable(raw))


def verify(config: OfConfig = None, state_dir: OfState = None, as_json: AsJson = False) -> None:
    """See that every line is as it was written and none is missing.

    Exit 0: whole, holes from a full disk included; 1: damaged, with file, line and mend.
    """
    from sidecar.storage.journal_files import first_seq  # noqa: PLC0415 - a tenth of a second
    from sidecar.storage.journal_reading import files_of, last_seq  # noqa: PLC0415
    from sidecar.storage.journal_verify import verify as walk  # noqa: PLC0415

    directory = _directory(config, state_dir)
    paths = files_of(directory)
    with progress("verifying", last_seq(paths[-1]) - first_seq(paths[0])) as more:
        verdict = walk(directory, more)
    if as_json:
        remarks = [remark._asdict() for remark in verdict.remarks]
        row = {**verdict._asdict(), "whole": verdict.is_whole, "remarks": remarks}
        typer.echo(msgspec.json.encode(row))
    else:
        for remark in verdict.remarks:
            where = f"{remark.file}, line {remark.line}" if remark.line else remark.file
            mend = f"; {remark.mend}" if remark.mend else ""
            typer.echo(escaped(f"{remark.kind}: {where}: {remark.text}{mend}"))
        files = f"{verdict.files} file{'s' * (verdict.files != 1)}"
        lines = f"{verdict.lines:,} lines, numbers {verdict.first} to {verdict.last}"
        typer.echo(f"{'whole' if verdict.is_whole else 'DAMAGED'}: {files}, {lines}")
    if not verdict.is_whole:
        raise typer.Exit(EXIT_DAMAGED)


def replay(
    limits: Annotated[
        Path | None,
        typer.Option(
            "--limits", metavar="FILE", help="A configuration whose \\[limits] are tried instead."
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SEQ|TIME",
            help="Count from this line or time on, not the newest file.",
        ),
    ] = None,
    config: OfConfig = None,
    state_dir: OfState = None,
    as_json: AsJson = False,
) -> None:
    """Judge every order again: the same facts must give the same decisions.

    With --limits: the decisions of other limits, with the facts as they were.

    Orders that these would have refused traded all the same, and their positions are held.

    Exit 0: the same, or --limits; 1: a decision or state differs.
    """
    from sidecar.console.shown.replaying import replayed  # noqa: PLC0415 - half a second to import

    settings = configuration(config_file(config), None)
    tried = None if limits is None else configuration(limits, None).limits
    place: int | datetime | None = None
    if start is not None:
        place = int(start) if start.isascii() and start.isdigit() else _time(start, "--from")
    is_same = replayed(settings, _directory(config, state_dir), tried, place, as_json=as_json)
    if not is_same:
        raise typer.Exit(EXIT_DAMAGED)


def _directory(config: Path | None, state_dir: Path | None) -> Path:
    return state_dir or place(config).state_dir


def _types(given: list[str]) -> frozenset[str]:
    """Raises Misuse for a type that no line has."""
    from sidecar.storage.journal_codec import ACTIONS, EVENTS  # noqa: PLC0415

    known = {kind.__name__.lower(): kind.__name__ for kind in EVENTS} | {
        name.lower(): name for name in ACTIONS
    }
    for name in given:
        if name.lower() not in known:
            raise Misuse(f"--type {name[:40]}: there are {', '.join(sorted(known.values()))}")
    return frozenset(known[name.lower()] for name in given)


def _time(text: str | None, option: str) -> datetime | None:
    """A moment, UTC where no zone is given: written out, a time of the last 24 hours, or how long ago it was. Raises
    Misuse.
    """
    if text is None:
        return None
    now = clock.now()
    with suppress(ValueError):
        return now - duration(text)
    try:
        if CLOCK_TIME.fullmatch(text):
            today = datetime.combine(now.date(), time.fromisoformat(text), UTC)
            return today if today <= now else today - timedelta(days=1)
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        what = "is neither a line's number nor a time" if option == "--from" else "is not a time"
        raise Misuse(f"{option} {text[:40]!r} {what}; {TIMES}") from None
