"""The generated parts of `docs/liquidation.md`: both tables of states and every wait, from the code.
No I/O.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from sidecar.coinbase import account_reader, budget, lookups
from sidecar.config.tables import Coinbase
from sidecar.core.liquidation import liquidator, progress, rounds, selling
from sidecar.core.liquidation.attempts import MOVES, Attempt, Signal, Stage
from sidecar.core.liquidation.episode import STEPS, Episode, Step
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.reports import Phase
from sidecar.daemon import liquidation

Edge = tuple[str, str, str]  # from, when, to

PHASES: Final[dict[Phase, str]] = {
    "cancelling": "open orders are being cancelled; or there is nothing to do before the next round",
    "reading": "open orders, fills and balances are read over REST",
    "selling": "sales are under way",
}
STEP_WORDS: Final[dict[Step, str]] = {
    "none is open": "no order is open any more, as far as is known",
    "nothing is to come": "every sale is over",
    "time is up": "nothing has said so in time: a reading must",
    "read: wait": "something is open or held, and nothing can be sold yet",
    "read: sell": "sales are sent, or one is still under way",
}
STAGES: Final[dict[Stage, str]] = {
    "sent": "on disk, and on its way to Coinbase",
    "doubtful": "whether it is there is not known: it is looked for",
    "placed": "it is there, and may trade",
    "refused": "it is not there, by all that is known; what is seen after all counts",
    "over": "it trades no more",
}
SIGNAL_WORDS: Final[dict[Signal, str]] = {
    "accepted": "Coinbase answers that it has the order",
    "refused": "Coinbase answers that it has not",
    "not_sent": f"it certainly did not arrive, {liquidation.TRIES} times: 429, or no connection",
    "unknown": "no answer, HTTP 5xx, an answer that cannot be read, or its id is known already",
    "absent": f"it was looked for {liquidation.LOOKS} times, and is not there",
    "given_up": "it is not there, and so much of it may not be sold any more",
    "restarted": "the process ended before an answer came",
    "seen": "the user channel or a reading has it, open",
    "ended": "the user channel or a reading has it, filled or cancelled; or it is another order; or "
    "Coinbase knows of none after a while",
}


def filled(page: str) -> str:
    """The page with its generated parts as the code is now."""
    parts = {"steps": _steps(), "moves": _moves(), "figures": _figures()}
    for name, lines in parts.items():
        begin, end = f"<!-- {name}: generated -->\n", f"<!-- /{name} -->"
        block = f"{begin}{''.join(lines)}{end}".replace("\\", r"\\")
        page = re.sub(f"{begin}.*?{end}", block, page, count=1, flags=re.DOTALL)
    return page


def _steps() -> Iterator[str]:
    edges = [(before, step, after) for (before, step), after in STEPS.items()]
    ends = [("reading", "nothing is left", "[*]")]
    yield from _diagram([("[*]", "begin", _first(Episode, "phase")), *edges, *ends])
    yield from _words("phase", PHASES)
    yield from _table(edges + [(before, when, "done") for before, when, _ in ends], STEP_WORDS)


def _moves() -> Iterator[str]:
    edges = [(before, signal, after) for (before, signal), after in MOVES.items()]
    yield from _diagram([("[*]", "begin", _first(Attempt, "stage")), *edges])
    yield from _words("stage", STAGES)
    yield from _table(edges, SIGNAL_WORDS)


def _first(kind: type[Episode | Attempt], name: str) -> str:
    """Where one begins."""
    fields = kind.__struct_fields__
    defaults = kind.__struct_defaults__
    return str(defaults[fields.index(name) - len(fields)])


def _diagram(edges: Iterable[Edge]) -> Iterator[str]:
    """A label may have no colon."""
    yield "```mermaid\nstateDiagram-v2\n"
    for before, when, after in edges:
        yield f"    {before} --> {after} : {when.replace(':', ',')}\n"
    yield "```\n\n"


def _words(head: str, words: Mapping[Phase, str] | Mapping[Stage, str]) -> Iterator[str]:
    yield f"| {head} | is |\n|---|---|\n"
    for name, meaning in words.items():
        yield f"| `{name}` | {meaning} |\n"
    yield "\n"


def _table(
    edges: Iterable[Edge], words: Mapping[Step, str] | Mapping[Signal, str]
) -> Iterator[str]:
    """Every way on; what it means where it is first named."""
    told: dict[str, str] = dict(words)  # type: ignore[arg-type]
    yield "| from | when | to | that is |\n|---|---|---|---|\n"
    for before, when, after in edges:
        yield f"| {before} | {when} | {after} | {told.pop(when, '')} |\n"


def _figures() -> Iterator[str]:
    yield "| | |\n|---|---|\n"
    for what, figure in (*_waits(), *_sizes(), *_requests()):
        yield f"| {what} | {figure} |\n"


def _waits() -> Iterator[tuple[str, str]]:
    first, most = _s(progress.RETRY_AFTER), _s(progress.RETRY_AT_MOST)
    looks, looks_s = liquidation.LOOKS, liquidation.LOOK_EVERY_S * (liquidation.LOOKS - 1)
    shout = (
        f"after {progress.SHOUT_AFTER} such rounds, then at most once in {_s(progress.SHOUT_EVERY)}"
    )
    yield "a cancel is waited for", _s(rounds.CANCELS_TAKE)
    yield "a sale is waited for; what rests is then priced anew", _s(rounds.SALES_TAKE)
    yield (
        "a round that finds what the one before found waits",
        f"{first}, and twice as long each time, at most {most}; a sale is waited for in any case",
    )
    yield "LIQUIDATION_STUCK", shout
    yield "an order without an answer is looked for", f"{looks} times over {looks_s:g} s"
    yield "an accepted order that is not found is given up after", _s(liquidator.ABSENT_AFTER)


def _sizes() -> Iterator[tuple[str, str]]:
    slippage, most = Limits().market_order_slippage, selling.CONCEDED_MAX
    yield (
        "a sale that certainly did not arrive is sent",
        f"{liquidation.TRIES} times, then as another order in the next round",
    )
    yield "orders of one asset in a round", f"{selling.PIECES_A_ROUND}, of `base_max_size` at most"
    yield (
        "a limit goes through the bid by",
        (
            f"{slippage * 100:.0f} % (`limits.market_order_slippage`) for each order of that asset so far "
            f"and for this one, at most {most * 100:.0f} %"
        ),
    )


def _requests() -> Iterator[tuple[str, str]]:
    listings = len(lookups.SOURCES) * len(account_reader.WORKING)
    yield (
        "requests of a reading",
        (
            f"{listings + 4}: {listings} for open orders, one each for fills and balances, 2 for futures; "
            f"2 more for every {lookups.NAMED_A_CALL} orders looked up by id, 2 for products where one is "
            "waited for, and one for every further page"
        ),
    )
    yield (
        "requests a second",
        (
            f"{Coinbase().requests_per_s} (`coinbase.requests_per_s`); while anything is flattened "
            f"{budget.URGENT_AT_ONCE} at once and {budget.URGENT_PER_SECOND} a second after them: all that "
            "Coinbase allows in any second"
        ),
    )
    yield (
        "requests an hour",
        (
            f"{budget.PER_HOUR:,} of Coinbase's 10,000, {budget.RESERVE * 100:.0f} % of them for cancels "
            "and liquidations only"
        ),
    )


def _s(time: timedelta) -> str:
    return f"{time.total_seconds():g} s"


if __name__ == "__main__":
    import sys
    from pathlib import Path

    target = Path(sys.argv[1])
    target.write_text(filled(target.read_text(encoding="utf-8")), encoding="utf-8")
