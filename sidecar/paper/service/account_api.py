"""Accounts, portfolio, key, fees and futures over REST, and the v2 calls of older clients. No I/O.

Source: Coinbase Advanced Trade API, Accounts, Portfolios, Fees, Futures; Coinbase App API v2.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.vocabulary.money import ZERO
from sidecar.paper.service import foreign_rows
from sidecar.paper.service.call import Call, decimal_of
from sidecar.paper.service.keys import Scope
from sidecar.paper.service.wallet_faults import Told
from sidecar.paper.service.world import World
from sidecar.paper.venue.accounts import Balance
from sidecar.paper.venue.futures import Holding
from sidecar.paper.venue.treasury import Declined
from sidecar.paper.wire import accounts as shapes
from sidecar.paper.wire.errors import invalid, not_found
from sidecar.paper.wire.orders import portfolio_id
from sidecar.paper.wire.products import session_end
from sidecar.paper.wire.text import Row, money, time_text

ACCOUNTS_DEFAULT: Final = 49
ACCOUNTS_MAX: Final = 250
MARGIN_SETTINGS: Final = frozenset(
    {"INTRADAY_MARGIN_SETTING_STANDARD", "INTRADAY_MARGIN_SETTING_INTRADAY"}
)


def _balances(world: World, call: Call) -> list[Balance]:
    """The balances that a reader sees now, which may be those of some time ago."""
    return world.exchange.accounts.seen(call.now, world.exchange.behaviour.lag)


def _row(world: World, call: Call, wallet: Told) -> Row:
    run, opened = world.exchange.run, world.exchange.started_at
    return shapes.account_row(wallet.balance, run, opened, call.now, wallet.part)


def list_accounts(world: World, call: Call) -> Row:
    """`GET /accounts`: every currency ever touched; `has_next` is the only end marker."""
    limit = call.number("limit", ACCOUNTS_DEFAULT, ACCOUNTS_MAX)
    start = call.number("cursor", 0, 10**6)
    if not start:
        world.wallets.begin()
    rows = world.wallets.listed(_balances(world, call))
    page, more = rows[start : start + limit], start + limit < len(rows)
    return {
        "accounts": [world.wallets.in_listing(_row(world, call, row)) for row in page],
        "has_next": more,
        "cursor": str(start + limit) if more else "",
        "size": len(page),
    }


def get_account(world: World, call: Call) -> Row:
    """`GET /accounts/{uuid}`."""
    for wallet in world.wallets.told(_balances(world, call)):
        row = _row(world, call, wallet)
        if row["uuid"] == call.path["account_uuid"]:
            return {"account": world.wallets.alone(row)}
    raise not_found("account not found")


def key_permissions(world: World, call: Call) -> Row:
    """`GET /key_permissions`: the permissions of the asking key."""
    scopes = call.key.scopes if call.key is not None else Scope(0)
    return {
        "can_view": Scope.VIEW in scopes,
        "can_trade": Scope.TRADE in scopes,
        "can_transfer": Scope.TRANSFER in scopes,
        "portfolio_uuid": portfolio_id(world.exchange.run),
        "portfolio_type": "DEFAULT",
    }


def list_portfolios(world: World, call: Call) -> Row:
    """`GET /portfolios`: the one this key belongs to; a switched-on fault puts another before it."""
    run, types = world.exchange.run, {"DEFAULT", "UNDEFINED"}
    if call.text("portfolio_type", "DEFAULT") not in types:
        return {"portfolios": []}
    own = shapes.portfolio_row(run)
    others = [shapes.another_portfolio(run)] if world.faults.now.another_portfolio else []
    return {"portfolios": [*others, own]}


def get_portfolio(world: World, call: Call) -> Row:
    """`GET /portfolios/{uuid}`: the breakdown."""
    asked, run = call.path["portfolio_uuid"], world.exchange.run
    if world.faults.now.another_portfolio and asked == shapes.another_portfolio(run)["uuid"]:
        return {"breakdown": shapes.another_breakdown(world.exchange)}
    if asked != portfolio_id(run):
        raise not_found("portfolio not found")
    row = shapes.breakdown(world.exchange)
    if world.faults.now.foreign_rows:
        stocks = {"total_equities_balance": money(Decimal(foreign_rows.WORTH))}
        row["portfolio_balances"] |= stocks
    return {"breakdown": row}


def transaction_summary(world: World, call: Call) -> Row:
    """`GET /transaction_summary`: volume and fee rates, of spot unless futures are asked for."""
    exchange = world.exchange
    balance = sum((w.total * exchange.engine.usd(w.currency) for w in exchange.accounts), ZERO)
    is_future = call.text("product_type") == "FUTURE"
    fees = exchange.engine.settlement.fees(is_future=is_future)
    return shapes.transaction_summary(fees, balance, "FUTURES" if is_future else "SPOT")


# ------------------------------------------------------------------------------------------ futures


def futures_balance(world: World, call: Call) -> Row:
    """`GET /cfm/balance_summary`."""
    _need_futures(world)
    margin, is_bare = world.exchange.margin_seen(call.now), world.faults.now.bare_futures_figures
    return {"balance_summary": shapes.balance_summary(margin, is_bare=is_bare)}


def futures_positions(world: World, _call: Call) -> Row:
    """`GET /cfm/positions`."""
    _need_futures(world)
    return {"positions": [_position(world, row) for row in world.exchange.futures.open_holdings()]}


def _position(world: World, holding: Holding) -> Row:
    mark = world.exchange.engine.mark(holding.listing.product_id)
    return shapes.cfm_position(holding, mark, is_bare=world.faults.now.bare_futures_figures)


def futures_position(world: World, call: Call) -> Row:
    """`GET /cfm/positions/{product_id}`."""
    _need_futures(world)
    product_id = call.path["product_id"]
    for row in world.exchange.futures.open_holdings():
        if row.listing.product_id == product_id:
            return {"position": _position(world, row)}
    raise not_found("position not found")


def _need_futures(world: World) -> None:
    if not world.config.futures:
        raise not_found("futures account not found")


def margin_window(_world: World, call: Call) -> Row:
    """`GET /cfm/intraday/current_margin_window`: intraday rates, until the session's end."""
    return {
        "margin_window": {
            "margin_window_type": "MARGIN_WINDOW_TYPE_INTRADAY",
            "end_time": time_text(session_end(call.now)),
        },
        "is_intraday_margin_killswitch_enabled": False,
        "is_intraday_margin_enrollment_killswitch_enabled": False,
    }


def margin_setting(world: World, _call: Call) -> Row:
    """`GET /cfm/intraday/margin_setting`."""
    return {"setting": world.margin_setting}


class MarginSetting(Struct):
    """The body of `POST /cfm/intraday/margin_setting`."""

    setting: str = ""


def set_margin_setting(world: World, call: Call) -> Row:
    """`POST /cfm/intraday/margin_setting`: kept and told; margin here is always intraday margin."""
    setting = call.read(MarginSetting).setting
    if setting not in MARGIN_SETTINGS:
        raise invalid("setting argument is invalid")
    world.margin_setting = setting
    return {}


def sweeps(world: World, _call: Call) -> Row:
    """`GET /cfm/sweeps`: the pending sweep, if any."""
    _need_futures(world)
    pending = world.exchange.treasury.pending
    return {"sweeps": [shapes.sweep_row(pending)] if pending is not None else []}


class SweepRequest(Struct):
    """The body of `POST /cfm/sweeps/schedule`; no amount, or an amount of zero, is all there is."""

    usd_amount: str | None = None


def schedule_sweep(world: World, call: Call) -> Row:
    """`POST /cfm/sweeps/schedule`: the cash free then goes to the USD wallet, up to this amount."""
    _need_futures(world)
    request = call.read(SweepRequest)
    amount = decimal_of("usd_amount", request.usd_amount or "0")
    if amount < 0:
        raise invalid("usd_amount argument is invalid")
    exchange = world.exchange
    try:
        exchange.act(lambda: exchange.treasury.schedule(amount or None, exchange.now), call.now)
    except Declined as declined:
        raise invalid(str(declined)) from None
    return {"success": True}


def cancel_sweep(world: World, call: Call) -> Row:
    """`DELETE /cfm/sweeps`: the pending sweep will not be made."""
    _need_futures(world)
    return {"success": world.exchange.act(world.exchange.treasury.cancel, call.now)}


# ---------------------------------------------------------------------------------------------- v2


def v2_accounts(world: World, call: Call) -> Row:
    """`GET /v2/accounts`: all of them on one page."""
    run, opened = world.exchange.run, world.exchange.started_at
    return {
        "pagination": {
            "ending_before": None,
            "starting_after": None,
            "limit": ACCOUNTS_MAX,
            "order": "desc",
            "previous_uri": None,
            "next_uri": None,
        },
        "data": [
            shapes.v2_account_row(balance, run, opened, call.now)
            for balance in _balances(world, call)
        ],
    }


def v2_currencies(world: World, _call: Call) -> Row:
    """`GET /v2/currencies`."""
    return {"data": shapes.v2_currencies(shapes.currencies_of(world.exchange))}


def v2_coins(world: World, _call: Call) -> Row:
    """`GET /v2/currencies/crypto`."""
    return {"data": shapes.v2_coins(shapes.currencies_of(world.exchange), world.exchange.run)}


def v2_rates(world: World, call: Call) -> Row:
    """`GET /v2/exchange-rates`: for one dollar."""
    if call.text("currency", "USD") != "USD":
        raise invalid("only the rates of USD are served here")
    return {"data": shapes.v2_rates(world.exchange)}


def v2_time(world: World, _call: Call) -> Row:
    """`GET /v2/time`."""
    now = world.unix()
    return {"data": {"iso": time_text(datetime.fromtimestamp(now, UTC)), "epoch": int(now)}}
