"""The outcome of a replay of the journal, in words or as JSON."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import typer

from sidecar.config.tables import Config
from sidecar.console.shown import words
from sidecar.console.shown.journal_lines import order_of, size_of
from sidecar.console.shown.progress import progress
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.decision import Decision, rfc3339
from sidecar.core.vocabulary.limits import Limits
from sidecar.daemon.replays import Differs, Moves, Replay, States, Totals
from sidecar.escaping import escaped
from sidecar.storage.journal_files import first_seq
from sidecar.storage.journal_reading import file_of, files_of, last_seq


def replayed(
    config: Config,
    state_dir: Path,
    limits: Limits | None,
    since: int | datetime | None,
    *,
    as_json: bool,
) -> bool:
    """Replay and tell; whether all is well: under other limits it always is. Raises Misuse."""
    paths = files_of(state_dir)
    paths = paths[paths.index(file_of(paths, since)) :]
    replay = Replay(config, paths, limits=limits, since=since)
    with progress("replaying", last_seq(paths[-1]) - first_seq(paths[0])) as more:
        found = [_row(difference) for difference in replay.run(more)]
    if as_json:
        typer.echo(msgspec.json.encode({**vars(replay.totals), "differences": found}))
    else:
        for row in found:
            typer.echo(escaped(_line(row)))
        for line in _summary(replay.totals, limits is not None, len(found)):
            typer.echo(line)
    return limits is not None or not found


def _row(difference: Differs | Moves) -> dict[str, Any]:
    """A difference as JSON's kinds."""
    if isinstance(difference, Moves):
        return {
            "kind": "state",
            "seq": difference.seq,
            "at": rfc3339(difference.at),
            "then": _path(difference.then),
            "now": _path(difference.now),
        }
    event = difference.event
    order = order_of(event.body) if isinstance(event, ev.OrderProposed) else {}
    if isinstance(event, ev.CloseProposed):
        names = {"client_order_id": event.client_order_id, "product_id": event.product_id}
        order = {**names, "side": "close", "base_size": event.size or "all"}
    if isinstance(event, ev.EditProposed):
        order = {"client_order_id": event.client_order_id or event.order_id, "side": "edit"}
        order |= {"base_size": event.size} if event.size is not None else {}
    return {
        "kind": "decision",
        "seq": difference.seq,
        "at": rfc3339(event.at),
        "client_order_id": order.get("client_order_id"),
        "product_id": order.get("product_id"),
        "side": order.get("side"),
        "size": size_of(order),
        "then": _answer(difference.then),
        "now": _answer(difference.now),
    }


def _answer(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {
        "approved": decision.approved,
        "codes": list(decision.codes),
        "max_base_size": words.exactly(decision.max_base_size),
        "decision_id": decision.decision_id,
    }


def _path(states: States) -> str:
    """The states one after another; empty where it stayed."""
    return " → ".join([states[0][0], *(after for _, after in states)]) if states else ""


def _line(row: dict[str, Any]) -> str:
    head = f"{row['at']} line {row['seq']}: "
    if row["kind"] == "state":
        return f"{head}the state moved then: {row['then'] or 'no'}; now: {row['now'] or 'no'}"
    order = " ".join(str(row[name] or words.NONE) for name in ("side", "size", "product_id"))
    then, now = _told(row["then"]), _told(row["now"])
    if then == now:
        then += " with other figures"
    return f"{head}{row['client_order_id']} {order}: then {then}; now {now}"


def _told(answer: dict[str, Any] | None) -> str:
    if answer is None:
        return "nothing was answered"
    return "approved" if answer["approved"] else f"refused ({', '.join(answer['codes'])})"


def _summary(totals: Totals, is_trial: bool, differences: int) -> Iterator[str]:
    between = ""
    if totals.first_at is not None and totals.last_at is not None:
        between = f", {totals.first_at:%Y-%m-%d %H:%M:%S} to {totals.last_at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"replayed {totals.facts:,} facts{between}"
    if totals.holes:
        yield f"{totals.holes} holes: facts given up while the disk was full; gone on behind them"
    yield (
        f"decisions {totals.decisions:,}: approved then {totals.approved_then:,}, now"
        f" {totals.approved_now:,}"
    )
    yield f"state changes: then {totals.moves_then:,}, now {totals.moves_now:,}"
    if is_trial:
        yield f"{totals.differing:,} decisions would have differed: {_kinds(totals)}"
    elif differences:
        if totals.differing:
            yield f"{totals.differing:,} decisions differ: {_kinds(totals)}"
        yield (
            f"NOT THE SAME: {differences:,} differences. If the sidecar ran with a --config, name it;"
            " where an older version wrote the journal, these are what the words of now change (see"
            " the changelog); else this is a fault: keep the journal and report it"
        )
    else:
        yield "the same, to the last digit"


def _kinds(totals: Totals) -> str:
    """How many decisions differ in which way; other figures are told apart only where they count."""
    answers = totals.refused_now + totals.let_through_now + totals.other_codes
    figures = totals.differing - answers
    return (
        f"{totals.refused_now:,} approved ones refused, {totals.let_through_now:,} refused ones"
        f" approved, {totals.other_codes:,} refused for other reasons"
        + (f", {figures:,} with other figures" if figures else "")
    )
