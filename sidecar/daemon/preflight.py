"""Checks of the key, the clock and the alert command before any promise; `check` tells them too."""

import shutil
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.rest import CallFailed, Refused
from sidecar.config.tables import Coinbase
from sidecar.core.account.elsewhere import VENUES
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.escaping import escaped

SKEW_S_MAX: Final = 2.0  # Coinbase's tokens live two minutes; a clock this wrong is going wrong
SKEW_S_SHOWN: Final = 0.05  # less is none to a tenth of a second


class Finding(NamedTuple):
    """One thing that was looked at. A critical one fails `check`."""

    severity: Literal["info", "warning", "critical"]
    code: str
    text: str


class Portfolio(NamedTuple):
    """The portfolio that the key is of; both "" where Coinbase has not told."""

    uuid: str = ""
    name: str = ""


UNTOLD: Final = Portfolio()
PAPER_PORTFOLIO: Final = "Paper"  # as the paper exchange calls its only one


async def look(lookups: Lookups, unix: Callable[[], float]) -> tuple[list[Finding], Portfolio]:
    """The key's permissions, its portfolio, and the clock. A failed reading is a finding too."""
    findings, portfolio = [], UNTOLD
    try:
        key = await lookups.permissions()
    except (CallFailed, Untrusted) as error:
        findings.append(_unread("KEY_UNREADABLE", error))
    else:
        if not key.view:
            findings.append(
                Finding(
                    "critical",
                    "KEY_CANNOT_VIEW",
                    "the key may not view: nothing can be judged; give it view and trade",
                )
            )
        if not key.trade:
            findings.append(
                Finding(
                    "critical",
                    "KEY_CANNOT_TRADE",
                    "the key may not trade: nothing can be cancelled or liquidated; give it view and trade",
                )
            )
        if key.transfer:
            findings.append(
                Finding(
                    "warning",
                    "KEY_CAN_TRANSFER",
                    "the key may transfer funds, which the sidecar never does; take that permission away",
                )
            )
        portfolio = Portfolio(key.portfolio, await _name(lookups, key.portfolio))
        text = f"the key is of {called(portfolio)}; the bot's must be of the same"
        findings.append(Finding("info", "PORTFOLIO", text))
    text = f"neither counted nor sold here, though the key may reach them: {', '.join(VENUES.values())}"
    findings.append(Finding("info", "OTHER_VENUES", text))
    try:
        skew_s = unix() - (await lookups.server_time()).timestamp()
    except (CallFailed, Untrusted) as error:
        findings.append(
            Finding("warning", "CLOCK_UNKNOWN", f"Coinbase's clock could not be read: {error}")
        )
    else:
        severity: Literal["info", "warning"] = "warning" if abs(skew_s) > SKEW_S_MAX else "info"
        mend = "; set this machine's clock, e.g. with chrony" if severity == "warning" else ""
        findings.append(
            Finding(
                severity,
                "CLOCK_SKEW",
                f"this machine's clock {_skew(skew_s)} Coinbase's{mend}",
            )
        )
    return findings, portfolio


def _skew(seconds: float) -> str:
    if abs(seconds) < SKEW_S_SHOWN:
        return "agrees with"
    return f"is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'}"


def is_paper(coinbase: Coinbase, portfolio: Portfolio) -> bool:
    """Whether it is play money: what is on this machine may be a tunnel to Coinbase, so the paper exchange's own name
    of its portfolio must be told too.
    """
    return coinbase.is_on_loopback and portfolio.name == PAPER_PORTFOLIO


def called(portfolio: Portfolio) -> str:
    """The portfolio in words."""
    if not portfolio.uuid:
        return "a portfolio that Coinbase does not name"
    name = f' "{escaped(portfolio.name)}",' if portfolio.name else ""
    return f"portfolio{name} {portfolio.uuid}"


async def _name(lookups: Lookups, portfolio: str) -> str:
    """The portfolio's name; "" where it cannot be read: nothing hangs on it."""
    try:
        return await lookups.portfolio_name(portfolio) if portfolio else ""
    except (CallFailed, Untrusted):
        return ""


def look_at_alerts(command: Sequence[str]) -> list[Finding]:
    """Whether the program that wakes a person can be found. Blocking."""
    if not command or shutil.which(command[0]) is not None:
        return []
    text = (
        "nobody can be woken: the program that alerts.command names is not there, or this user may not run it;"
        " name a program, with its whole path"
    )
    return [Finding("warning", "ALERT_COMMAND", text)]


def _unread(code: str, error: CallFailed | Untrusted) -> Finding:
    if isinstance(error, Refused):
        return Finding(
            "critical",
            code,
            f"Coinbase refuses the key: {error}; see that it is active, whole and of this host",
        )
    return Finding("warning", code, f"the key's permissions could not be read: {error}")
