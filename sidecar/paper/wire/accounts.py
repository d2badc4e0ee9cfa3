"""Accounts, portfolio, fees and futures figures, and the older v2 shapes that some clients use.
No I/O.

Source: Coinbase Advanced Trade API, "List Accounts", "Get Portfolio Breakdown", "Get Transaction
Summary", "Get Futures Balance Summary"; Coinbase App API v2 for currencies and accounts.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid5

from sidecar.core.vocabulary.money import ZERO, plain, ratio
from sidecar.core.vocabulary.products import DOLLARS
from sidecar.paper.venue.accounts import Balance
from sidecar.paper.venue.exchange import Exchange
from sidecar.paper.venue.fees import TIERS, Fees
from sidecar.paper.venue.futures import Holding, Margin
from sidecar.paper.venue.listing import COIN_NAMES, FIAT
from sidecar.paper.venue.treasury import Sweep
from sidecar.paper.wire.orders import portfolio_id
from sidecar.paper.wire.text import Row, money, time_text

COLOR: Final = "#0433FF"
# Of a margin window, USD.
MEASURES: Final = ("initial_margin", "maintenance_margin", "total_hold", "futures_buying_power")
PORTFOLIO_NAME: Final = "Paper"


def account_id(run: UUID, currency: str, part: str = "") -> str:
    """The account of a currency, or a further account of it."""
    return str(uuid5(run, f"account/{currency}{part}"))


def account_row(
    balance: Balance, run: UUID, opened: datetime, now: datetime, part: str = ""
) -> Row:
    """One account of `GET /accounts`: total = available_balance + hold."""
    currency = balance.currency
    return {
        "uuid": account_id(run, currency, part),
        "name": f"{currency} Wallet {part}".rstrip(),
        "currency": currency,
        "available_balance": money(balance.available, currency),
        "default": not part,
        "active": True,
        "created_at": time_text(opened),
        "updated_at": time_text(now),
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if currency in FIAT else "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": money(balance.held, currency),
        "retail_portfolio_id": portfolio_id(run),
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }


def v2_account_row(balance: Balance, run: UUID, opened: datetime, now: datetime) -> Row:
    """One account of `GET /v2/accounts`; holds are not told there."""
    currency = balance.currency
    return {
        "id": account_id(run, currency),
        "name": f"{currency} Wallet",
        "primary": False,
        "type": "fiat" if currency in FIAT else "wallet",
        "currency": _v2_currency(currency, run),
        "balance": {"amount": plain(balance.available + balance.held), "currency": currency},
        "created_at": time_text(opened),
        "updated_at": time_text(now),
        "resource": "account",
        "resource_path": f"/v2/accounts/{account_id(run, currency)}",
    }


def _v2_currency(name: str, run: UUID) -> Row:
    """A currency within an account; one of fiat money has no asset."""
    is_fiat = name in FIAT
    row = {
        "code": name,
        "name": COIN_NAMES.get(name, name),
        "color": COLOR,
        "sort_index": 0 if is_fiat else 100,
        "exponent": 2 if is_fiat else 8,
        "type": "fiat" if is_fiat else "crypto",
        "slug": COIN_NAMES.get(name, name).lower().replace(" ", "-"),
    }
    return row if is_fiat else row | {"asset_id": _asset_id(name, run)}


def _asset_id(name: str, run: UUID) -> str:
    return str(uuid5(run, f"asset/{name}"))


def currencies_of(exchange: Exchange) -> list[str]:
    """Every currency of the listed products, in their order."""
    names = (name for row in exchange.listings.values() for name in (row.base, row.quote))
    return [name for name in dict.fromkeys(names) if name]


def v2_currencies(currencies: Iterable[str]) -> list[Row]:
    """Fiat money of `GET /v2/currencies`."""
    return [
        {"id": name, "name": COIN_NAMES.get(name, name), "min_size": "0.01"}
        for name in currencies
        if name in FIAT
    ]


def v2_coins(currencies: Iterable[str], run: UUID) -> list[Row]:
    """Coins of `GET /v2/currencies/crypto`."""
    coins = (name for name in currencies if name not in FIAT)
    return [
        {
            "asset_id": _asset_id(name, run),
            "code": name,
            "name": COIN_NAMES.get(name, name),
            "color": COLOR,
            "sort_index": place,
            "exponent": 8,
            "type": "crypto",
        }
        for place, name in enumerate(coins, start=100)
    ]


def v2_rates(exchange: Exchange) -> Row:
    """`GET /v2/exchange-rates`: units of each currency that one dollar buys."""
    rates = {}
    for name in currencies_of(exchange):
        price = exchange.engine.usd(name)
        if price:
            rates[name] = plain(ratio(Decimal(1), price))
    return {"currency": "USD", "rates": rates}


# ------------------------------------------------------------------------------------- the portfolio


def portfolio_row(run: UUID) -> Row:
    """One portfolio of `GET /portfolios`."""
    return {
        "name": PORTFOLIO_NAME,
        "uuid": portfolio_id(run),
        "type": "DEFAULT",
        "deleted": False,
    }


def another_portfolio(run: UUID) -> Row:
    """A portfolio of the same user's that is not the key's."""
    return {**portfolio_row(run), "name": "Another", "uuid": str(uuid5(run, "another portfolio"))}


def another_breakdown(exchange: Exchange) -> Row:
    """The other portfolio: the same assets, each of which cost a dollar there."""
    told = breakdown(exchange)
    positions = [
        {**row, "average_entry_price": money(Decimal(1))} for row in told["spot_positions"]
    ]
    return {**told, "portfolio": another_portfolio(exchange.run), "spot_positions": positions}


def breakdown(exchange: Exchange) -> Row:
    """`GET /portfolios/{uuid}`: fiat figures of positions are JSON numbers there, not text."""
    margin = exchange.engine.margin()
    values = {w.currency: w.total * exchange.engine.usd(w.currency) for w in exchange.accounts}
    whole = sum(values.values(), ZERO) + margin.equity
    cash = sum((value for name, value in values.items() if _is_cash(name)), ZERO)
    return {
        "portfolio": portfolio_row(exchange.run),
        "portfolio_balances": {
            "total_balance": money(whole),
            "total_futures_balance": money(margin.futures_cash),
            "total_cash_equivalent_balance": money(cash),
            "total_crypto_balance": money(sum(values.values(), ZERO) - cash),
            "futures_unrealized_pnl": money(margin.unrealised),
            "perp_unrealized_pnl": money(ZERO),
            "total_equities_balance": money(ZERO),
        },
        "spot_positions": [_spot_position(exchange, w.currency, whole) for w in exchange.accounts],
        "perp_positions": [],
        "futures_positions": [
            _futures_position(exchange, row) for row in exchange.futures.open_holdings()
        ],
    }


def _is_cash(currency: str) -> bool:
    return currency in FIAT or currency in DOLLARS


def _spot_position(exchange: Exchange, currency: str, whole: Decimal) -> Row:
    wallet = exchange.accounts.wallet(currency)
    price = exchange.engine.usd(currency)
    value, available = wallet.total * price, wallet.available * price
    cost = value if _is_cash(currency) else wallet.cost
    entry = ratio(cost, wallet.total) if wallet.total else ZERO
    return {
        "asset": currency,
        "account_uuid": account_id(exchange.run, currency),
        "asset_uuid": _asset_id(currency, exchange.run),
        "total_balance_fiat": float(value),
        "total_balance_crypto": float(wallet.total),
        "available_to_trade_fiat": float(available),
        "available_to_trade_crypto": float(wallet.available),
        "available_to_transfer_fiat": float(available),
        "available_to_transfer_crypto": float(wallet.available),
        "available_to_send_fiat": float(available),
        "available_to_send_crypto": float(wallet.available),
        "allocation": float(ratio(value, whole)) if whole > 0 else 0.0,
        "unrealized_pnl": float(value - cost),
        "funding_pnl": 0.0,
        "cost_basis": money(cost),
        "average_entry_price": money(entry),
        "is_cash": _is_cash(currency),
        "asset_img_url": "",
        "asset_color": "",
        "account_type": "ACCOUNT_TYPE_FIAT" if currency in FIAT else "ACCOUNT_TYPE_WALLET",
    }


def _futures_position(exchange: Exchange, holding: Holding) -> Row:
    listing, mark = holding.listing, exchange.engine.mark(holding.listing.product_id)
    contract = listing.contract
    assert contract is not None
    side = "LONG" if holding.contracts > 0 else "SHORT"
    return {
        "product_id": listing.product_id,
        "contract_size": plain(listing.multiplier),
        "side": f"FUTURES_POSITION_SIDE_{side}",
        "amount": plain(abs(holding.contracts)),
        "avg_entry_price": plain(holding.entry_price),
        "current_price": plain(mark),
        "unrealized_pnl": plain(holding.unrealised(mark)),
        "expiry": time_text(contract.expiry),
        "underlying_asset": contract.root_unit,
        "asset_img_url": "",
        "product_name": contract.display_name,
        "venue": "cde",
        "notional_value": plain(abs(holding.value(mark))),
        "asset_color": "",
    }


# ------------------------------------------------------------------------------------ fees, futures


def transaction_summary(fees: Fees, balance: Decimal, kind: str) -> Row:
    """`GET /transaction_summary`: rates are ratios as text, volumes are JSON numbers. `kind`: SPOT or
    FUTURES.
    """
    volume_type = f"VOLUME_TYPE_{kind}"
    tier = fees.tier
    place = TIERS.index(tier)
    above = TIERS[place + 1].usd_from if place + 1 < len(TIERS) else None
    return {
        "total_volume": float(fees.total_volume),
        "total_fees": float(fees.total_fees),
        "fee_tier": {
            "pricing_tier": tier.name,
            "usd_from": plain(tier.usd_from),
            "usd_to": plain(above) if above is not None else "",
            "taker_fee_rate": plain(fees.taker),
            "maker_fee_rate": plain(fees.maker),
            "aop_from": "",
            "aop_to": "",
            "volume_types_and_range": [
                {
                    "volume_types": [volume_type],
                    "vol_from": plain(tier.usd_from),
                    "vol_to": plain(above) if above is not None else "",
                }
            ],
        },
        "margin_rate": None,
        "goods_and_services_tax": None,
        "advanced_trade_only_volume": float(fees.total_volume),
        "advanced_trade_only_fees": float(fees.total_fees),
        "coinbase_pro_volume": 0,
        "coinbase_pro_fees": 0,
        "total_balance": plain(balance),
        "volume_breakdown": [{"volume_type": volume_type, "volume": float(fees.total_volume)}],
        "has_cost_plus_commission": False,
    }


def margin_texts(margin: Margin) -> dict[str, str]:
    """The scalars of the futures balance summary, USD, as the websocket tells them.

    The spot account's cash (cbi) and the futures account's (cfm) are the total, so holds of orders
    belong to the first.
    """
    figures = {
        "futures_buying_power": max(ZERO, margin.available),
        "total_usd_balance": margin.total,
        "cbi_usd_balance": margin.spot_total,
        "cfm_usd_balance": margin.futures_cash,
        "total_open_orders_hold_amount": margin.spot_held + margin.orders_hold,
        "unrealized_pnl": margin.unrealised,
        "daily_realized_pnl": margin.realised_today,
        "initial_margin": margin.initial,
        "available_margin": margin.available,
        "liquidation_threshold": margin.initial,
        "liquidation_buffer_amount": margin.buffer,
        "liquidation_buffer_percentage": margin.buffer_percentage,
    }
    return {name: plain(value) for name, value in figures.items()}


def margin_window(margin: Margin, window: str) -> Row:
    """One margin window of the balance summary: `INTRADAY` or `OVERNIGHT`."""
    initial = margin.initial if window == "INTRADAY" else margin.overnight
    cushion = margin.spot_cash + margin.equity
    buffer = ratio((cushion - initial) * 100, initial) if initial else Decimal(1000)
    levels = ((Decimal(50), "BASE"), (Decimal(20), "WARNING"), (ZERO, "DANGER"))
    level = next((name for floor, name in levels if buffer > floor), "LIQUIDATION")
    return {
        "margin_window_type": f"FCM_MARGIN_WINDOW_TYPE_{window}",
        "margin_level": f"MARGIN_LEVEL_TYPE_{level}",
        "initial_margin": plain(initial),
        "maintenance_margin": plain(initial),
        "liquidation_buffer_percentage": plain(buffer),
        "total_hold": plain(margin.orders_hold),
        "futures_buying_power": plain(max(ZERO, cushion - initial - margin.orders_hold)),
    }


def balance_summary(margin: Margin, *, is_bare: bool) -> Row:
    """`GET /cfm/balance_summary`: the same scalars as Amounts, but for the percentage. Of the measures of
    margin windows Coinbase's specification and a client's capture disagree; `is_bare` is the former.
    """
    texts = margin_texts(margin)
    bare = "liquidation_buffer_percentage"
    window = _bare_window if is_bare else _window_of_amounts
    return {
        **{name: {"value": t, "currency": "USD"} for name, t in texts.items() if name != bare},
        bare: texts[bare],
        "total_pending_transfers_amount": money(ZERO),
        "funding_pnl": money(margin.funding),
        "intraday_margin_window_measure": window(margin, "INTRADAY"),
        "overnight_margin_window_measure": window(margin, "OVERNIGHT"),
    }


def _window_of_amounts(margin: Margin, name: str) -> Row:
    row = margin_window(margin, name)
    return row | {key: {"value": row[key], "currency": "USD"} for key in MEASURES}


def _bare_window(margin: Margin, name: str) -> Row:
    row = margin_window(margin, name)
    return row | {"liquidation_buffer": row.pop("liquidation_buffer_percentage")}


def sweep_row(sweep: Sweep) -> Row:
    """A sweep of `GET /cfm/sweeps`; its time has two names in Coinbase's own clients."""
    at = time_text(sweep.at)
    return {
        "id": sweep.sweep_id,
        "requested_amount": money(sweep.amount if sweep.amount is not None else ZERO),
        "should_sweep_all": sweep.amount is None,
        "status": "PENDING",
        "schedule_time": at,
        "scheduled_time": at,
    }


def cfm_position(holding: Holding, mark: Decimal, *, is_bare: bool) -> Row:
    """One position of `GET /cfm/positions`; contracts are unsigned, `side` has the sign. `is_bare`: prices
    are text, as in Coinbase's specification, else Amounts, as a client's capture has them.
    """
    contract = holding.listing.contract
    assert contract is not None
    figures = {
        "current_price": mark,
        "avg_entry_price": holding.entry_price,
        "unrealized_pnl": holding.unrealised(mark),
        "daily_realized_pnl": holding.realised_today,
    }
    return {
        "product_id": holding.listing.product_id,
        "expiration_time": time_text(contract.expiry),
        "side": "LONG" if holding.contracts > 0 else "SHORT",
        "number_of_contracts": plain(abs(holding.contracts)),
        **{name: plain(value) if is_bare else money(value) for name, value in figures.items()},
    }


def expiring_position(holding: Holding, mark: Decimal) -> Row:
    """The same position as the user channel tells it."""
    return {
        "product_id": holding.listing.product_id,
        "side": "Long" if holding.contracts > 0 else "Short",
        "number_of_contracts": plain(abs(holding.contracts)),
        "realized_pnl": plain(holding.realised_today),
        "unrealized_pnl": plain(holding.unrealised(mark)),
        "entry_price": plain(holding.entry_price),
    }
