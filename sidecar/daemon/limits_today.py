"""Each limit as it will bind: in USD at today's equity and prices, as a share of the equity, and how far it is used. No
I/O.

A limit may be written correctly and yet be ten times what was meant; in dollars that is seen.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from pydantic import BaseModel

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.judging.rules import RULES
from sidecar.core.judging.rules.rule import NO_EQUITY, Measured
from sidecar.core.judging.usage import Row
from sidecar.core.vocabulary.brakes import NOT_LIMITS, is_set
from sidecar.core.vocabulary.limit_changes import as_text, quoted
from sidecar.core.vocabulary.limit_settings import LossIn, LossLimit, Quota
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.money import ONE, ZERO, ratio, readable, with_money
from sidecar.daemon.preflight import Finding

TABLES: Final = ("product", "strategy")
OF_EQUITY: Final = frozenset(
    {"max_leverage", "max_concentration", "max_var", "max_expected_shortfall", "max_stress_loss"}
)
IN_USD: Final = frozenset(
    {
        "max_order_notional", "max_position_notional", "max_gross_exposure", "max_net_exposure", "budget", "min_equity",
    }
)  # fmt: skip
IN_UNITS: Final = frozenset({"min_order_size", "max_order_size", "max_position_size"})
# The share of the equity beyond which a limit is hardly meant so: a loss that no account stands, a position that no
# exchange lends.
SENSIBLE: Final[Mapping[str, Decimal]] = {
    **dict.fromkeys(("max_daily_loss", "max_loss_in"), Decimal("0.25")),
    **dict.fromkeys(("max_weekly_loss", "max_monthly_loss", "max_drawdown"), Decimal("0.5")),
    **dict.fromkeys(("max_var", "max_expected_shortfall"), Decimal("0.5")),
    **dict.fromkeys(("max_cumulative_loss", "max_stress_loss"), Decimal("0.75")),
    **dict.fromkeys(("max_order_size", "max_order_notional"), Decimal(10)),
    **dict.fromkeys(("max_position_size", "max_position_notional"), Decimal(20)),
    **dict.fromkeys(("max_gross_exposure", "max_net_exposure"), Decimal(20)),
    **dict.fromkeys(("max_leverage", "max_concentration"), Decimal(20)),
    "min_order_size": ONE,
}
LOSS_LEAST: Final = Decimal("0.001")  # of the equity: fees and a spread lose as much
COLLAR_MOST: Final = Decimal("0.5")
TENTH: Final = Decimal("0.1")


class LimitToday(Struct, frozen=True, kw_only=True):
    """A limit. `key` as the file writes it, below `limits`; `text` as it was set. `usd` is None where it is no money,
    or no price or equity tells; `share`: of the equity; `of`: the asset at whose price, where it is the
    dearest of several; `used`: its largest use now, None where no use is told without an order.
    """

    key: str
    name: str
    text: str
    usd: Decimal | None = None
    share: Decimal | None = None
    of: str = ""
    used: Decimal | None = None


@with_money
def limits_today(
    limits: Limits, tracker: PositionTracker, usage: Iterable[Row], followed: Iterable[str]
) -> list[LimitToday]:
    """A row for each limit that is set, in the order of the models."""
    rows, used = [], _largest_use(usage)
    for path, scope, product_id, table in _tables(limits):
        for name, setting in _set(table):
            usd, of = _usd(name, setting, tracker, product_id, followed)
            equity = tracker.equity
            text = str(setting) if isinstance(setting, LossIn) else as_text(setting)
            rows.append(
                LimitToday(
                    key=path + name,
                    name=name,
                    text=text,
                    usd=usd,
                    share=None if usd is None or equity <= ZERO else ratio(usd, equity),
                    of=of,
                    used=used.get(
                        (CODES.get(name, ""), scope, str(setting) if name == "max_loss_in" else "")
                    ),
                )
            )
    return rows


def _tables(limits: Limits) -> Iterator[tuple[str, str, str, BaseModel]]:
    """Every table of limits: its path, the scope of its uses, its product."""
    yield "", "all", "", limits
    for name, product in limits.product.items():
        yield f"product.{quoted(name)}.", f"product:{name}", name, product
    for name, strategy in limits.strategy.items():
        yield f"strategy.{quoted(name)}.", f"strategy:{name}", "", strategy
    if limits.shadow is not None:
        yield "shadow.", "shadow", "", limits.shadow


def _set(table: BaseModel) -> Iterator[tuple[str, Any]]:
    """The limits of a table that were set, each of several of one name by itself."""
    for name in type(table).model_fields:
        setting = getattr(table, name)
        if (
            name not in table.model_fields_set
            or not is_set(setting)
            or name in {*TABLES, *NOT_LIMITS}
        ):
            continue
        if name == "max_loss_in":
            yield from ((name, one) for one in setting)
        else:
            yield name, setting


def _usd(
    name: str, setting: Any, tracker: PositionTracker, product_id: str, followed: Iterable[str]
) -> tuple[Decimal | None, str]:
    """What it comes to in USD, and at which asset's price."""
    match setting:
        case LossIn():
            return _of_equity(setting.limit, tracker), ""
        case LossLimit(usd=None, ratio=Decimal() as part):
            return _of_equity(part, tracker), ""
        case LossLimit(usd=usd):
            return usd, ""
        case Quota():
            return setting.usd, ""
        case Decimal() if name in OF_EQUITY:
            return _of_equity(setting, tracker), ""
        case Decimal() if name in IN_USD:
            return setting, ""
        case Decimal() if name in IN_UNITS:
            price, of = _price(tracker, product_id, followed)
            return (None if price is None else setting * price), "" if product_id else of
    return None, ""


def _of_equity(part: Decimal, tracker: PositionTracker) -> Decimal | None:
    return part * tracker.equity if tracker.equity > ZERO else None


def _price(
    tracker: PositionTracker, product_id: str, followed: Iterable[str]
) -> tuple[Decimal | None, str]:
    """USD for a base unit: of the product; else of the dearest that is followed or held."""
    names = [product_id] if product_id else followed
    keys = {tracker.products[name].key for name in names if name in tracker.products}
    if not product_id:
        keys |= {key for key, line in tracker.account.lines.items() if line.position.quantity}
    prices = {key: mark for key in keys if (mark := tracker.marks.usd(key)) is not None}
    dearest = max(prices, key=lambda key: (prices[key], key), default="")
    return prices.get(dearest), dearest


def _largest_use(usage: Iterable[Row]) -> dict[tuple[str, str, str], Decimal]:
    """By code, scope and, of rolling windows, the limit itself."""
    found: dict[tuple[str, str, str], Decimal] = {}
    for row in usage:
        if row["used"] is not None:
            name = (row["code"], row["scope"], row["limit"] if row["code"] == LOSS_IN else "")
            found[name] = max(row["used"], found.get(name, ZERO))
    return found


LOSS_IN: Final = "MAX_LOSS_IN"
CODES: Final[Mapping[str, str]] = {
    rule.limit: rule.code for rule in RULES if isinstance(rule, Measured) and not rule.of_bot
}


# --- Findings -------------------------------------------------------------------------------------


def beyond_sense(rows: Iterable[LimitToday]) -> list[Finding]:
    """Limits that are hardly meant so. They bind all the same."""
    found = (_beyond(row) for row in rows)
    return [Finding("warning", "LIMIT_HARDLY_MEANT", text) for text in found if text]


def _beyond(row: LimitToday) -> str:
    if row.name == "price_collar":
        is_wide = Decimal(row.text) > COLLAR_MOST
        return _said(row, "lets a limit price lie any distance off", _tenth(row)) if is_wide else ""
    most = SENSIBLE.get(row.name)
    if most is None or row.share is None or row.usd is None:
        return ""
    is_loss = "loss" in row.name or row.name == "max_drawdown"
    amount = f"{row.usd:,.2f} USD{f' of {row.of}' if row.of else ''}"
    if is_loss and row.share < LOSS_LEAST:
        least = f"is {amount}, {row.share * 100:.4f} % of the equity: fees alone lose that"
        return _said(row, least, 'for 5 % write 0.05, for money e.g. "500 USD"')
    if row.share < most:
        return ""
    if row.name == "min_order_size":
        return _said(row, f"is {amount}, more than the equity", "no order would reach it; lower it")
    if most < ONE:
        return _said(row, f"is {row.share * 100:,.0f} % of the equity, {amount}", _tenth(row))
    times = f"is {amount}, {row.share:,.0f} times the equity: hardly any order would reach it"
    return _said(row, times, "lower it")


def _tenth(row: LimitToday) -> str:
    """The mend of a ratio that was taken for per cent."""
    try:
        part = Decimal(row.text)
    except ArithmeticError:
        return "lower it"
    return f"for {readable(part * 10)} % write {readable(part * TENTH)}"


def _said(row: LimitToday, problem: str, mend: str) -> str:
    return f"limits.{row.key} = {row.text} {problem}; {mend}"


def exceeded_already(usage: Iterable[Row]) -> list[Finding]:
    """Limits that the account is beyond before any order."""
    found = []
    for row in usage:
        used = row["used"]
        if used is None or not ONE < used < NO_EQUITY or row["scope"] == "shadow":
            continue
        what = f"{row['key']} is" if row["key"] else "the account is"
        scope = "" if row["scope"] == "all" else f" of {row['scope']}"
        text = (
            f"{what} at {row['observed']:,.10g}, beyond {row['code'].lower()} = {row['limit']}{scope}: until it is"
            " reduced, only orders that reduce it pass"
        )
        found.append(Finding("warning", "LIMIT_EXCEEDED", text))
    return found


def too_little(limits: Limits, tracker: PositionTracker) -> list[Finding]:
    """An equity that no ratio is taken of."""
    if tracker.equity >= tracker.min_equity:
        return []
    text = (
        f"the equity is {tracker.equity:,.2f} USD, less than limits.min_equity ({readable(limits.min_equity)}): no"
        " ratio can be taken of it; fund the account, lower min_equity, or set the loss limits in USD"
    )
    return [Finding("warning", "NO_EQUITY", text)]
