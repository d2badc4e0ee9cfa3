"""Products, books, trades, candles. No I/O.

Source: Coinbase Advanced Trade API, "List Products", "Get Product Book", "Get Market Trades",
"Get Product Candles"; which fields are empty, null or absent as captured from production in 2026-04.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any, Final

from sidecar.core.vocabulary.money import ONE, ZERO, ceil_to, floor_to, plain
from sidecar.paper.venue.book import Book, Level
from sidecar.paper.venue.listing import COIN_NAMES, Contract, Listing
from sidecar.paper.venue.order import OPPOSITE, Side
from sidecar.paper.venue.tape import Candle, Trade
from sidecar.paper.wire.text import Row, change, number, time_text

LISTED_AT: Final = "2021-01-01T00:00:00Z"
BASIS_POINTS: Final = Decimal(10_000)
SATURDAY: Final = 5  # as `weekday` counts
LEVEL_TIME: Final = "1970-01-01T00:00:00Z"  # event_time of a snapshot's rows


def product_row(listing: Listing, book: Book, now: datetime, *, with_view_only: bool) -> Row:
    """One product of `GET /products`; `view_only` is told only to who asked for it."""
    flags, day = listing.flags, book.tape.day(now)
    contract, last = listing.contract, book.tape.last
    row = {
        "product_id": listing.product_id,
        "price": number(last),
        "price_percentage_change_24h": change(last, day.open) if last and day else "",
        "volume_24h": number(day.volume if day else None),
        "volume_percentage_change_24h": "",
        "base_increment": plain(listing.base_increment),
        "quote_increment": plain(listing.quote_increment),
        "quote_min_size": plain(listing.quote_min_size),
        "quote_max_size": plain(listing.quote_max_size),
        "base_min_size": plain(listing.base_min_size),
        "base_max_size": plain(listing.base_max_size),
        "base_name": COIN_NAMES.get(listing.base, listing.base),
        "quote_name": COIN_NAMES.get(listing.quote, listing.quote),
        "watched": False,
        "is_disabled": flags.is_disabled,
        "new": False,
        "status": "" if contract else "online",
        "cancel_only": flags.cancel_only,
        "limit_only": flags.limit_only,
        "post_only": flags.post_only,
        "trading_disabled": flags.trading_disabled,
        "auction_mode": flags.auction_mode,
        "product_type": "FUTURE" if contract else "SPOT",
        "quote_currency_id": listing.quote,
        "base_currency_id": listing.base,
        "fcm_trading_session_details": _session(listing, now),
        "mid_market_price": number(book.mid) if contract else "",
        "best_bid_price": "",
        "best_ask_price": "",
        "high_24h": number(day.high if day else None),
        "low_24h": number(day.low if day else None),
        "alias": listing.alias,
        "alias_to": list(listing.alias_to),
        "base_display_symbol": listing.base,
        "quote_display_symbol": "USD" if listing.quote == "USDC" else listing.quote,
        "view_only": flags.view_only and with_view_only,
        "price_increment": plain(listing.price_increment),
        "display_name": contract.display_name if contract else _pair(listing),
        "product_venue": "FCM" if contract else "CBE",
        "approximate_quote_24h_volume": plain(day.volume * last) if day and last else "",
        "new_at": None if contract else LISTED_AT,
        "market_cap": "",
        "is_alpha_testing": False,
    }
    return (
        row
        if contract is None
        else row | {"future_product_details": _contract(listing, contract, book, now)}
    )


def _pair(listing: Listing) -> str:
    return f"{listing.base}-{listing.quote}"


def session_end(now: datetime) -> datetime:
    """When the futures session ends that is open now: at 21:00 UTC, an hour before the next."""
    end = now.replace(hour=21, minute=0, second=0, microsecond=0)
    return end if end > now else end + timedelta(days=1)


def _session(listing: Listing, now: datetime) -> Row | None:
    """A session is open because a flag says so; its times are made to agree with that.

    Production gives a reason for being closed while it is open, too: that of the maintenance ahead.
    """
    if listing.contract is None:
        return None
    is_open, day, hour = listing.flags.session_open, timedelta(days=1), timedelta(hours=1)
    opens = session_end(now - hour) + hour  # the next 22:00 UTC
    if is_open:
        opens -= day
    state, reason = (
        ("OPEN", "EXCHANGE_MAINTENANCE") if is_open else ("CLOSE", "REGULAR_MARKET_CLOSE")
    )
    return {
        "is_session_open": is_open,
        "open_time": time_text(opens),
        "close_time": time_text(session_end(max(now, opens))),
        "session_state": f"FCM_TRADING_SESSION_STATE_{state}",
        "after_hours_order_entry_disabled": not is_open,
        "closed_reason": f"FCM_TRADING_SESSION_CLOSED_REASON_{reason}",
        "maintenance": _maintenance(now),
    }


def _maintenance(now: datetime) -> Row:
    """The next Saturday's, told ahead; no session is closed for it here."""
    begin = now.replace(hour=14, minute=0, second=0, microsecond=0)
    begin += timedelta(days=(SATURDAY - now.weekday()) % 7)
    if begin <= now:
        begin += timedelta(days=7)
    return {"start_time": time_text(begin), "end_time": time_text(begin + timedelta(hours=3))}


def _contract(listing: Listing, contract: Contract, book: Book, now: datetime) -> Row:
    """What makes it a future. Funding is told beside `perpetual_details`, which has none."""
    is_perpetual, mid = contract.funding_rate is not None, book.mid
    rates = {
        name: {"long_margin_rate": plain(rate), "short_margin_rate": plain(rate)}
        for name, rate in (
            ("intraday_margin_rate", contract.intraday_margin_rate),
            ("overnight_margin_rate", contract.overnight_margin_rate),
        )
    }
    return {
        "venue": "cde",
        "contract_code": listing.product_id.partition("-")[0],
        "contract_expiry": time_text(contract.expiry),
        "contract_size": plain(contract.contract_size),
        "contract_root_unit": contract.root_unit,
        "group_description": f"{contract.root_unit} Futures",
        "contract_expiry_timezone": "America/New_York",
        "group_short_description": contract.root_unit,
        "risk_managed_by": "MANAGED_BY_FCM",
        "contract_expiry_type": "EXPIRING",
        "perpetual_details": {
            "open_interest": "0",
            "funding_rate": "",
            "funding_time": None,
            "max_leverage": "",
            "base_asset_uuid": "",
            "underlying_type": "",
        },
        "contract_display_name": contract.display_name,
        "time_to_expiry_ms": str(max(0, int((contract.expiry - now).total_seconds() * 1000))),
        "non_crypto": False,
        "contract_expiry_name": f"{contract.expiry:%Y-%m}",
        "twenty_four_by_seven": True,
        "funding_interval": "3600s" if is_perpetual else None,
        "funding_rate": number(contract.funding_rate),
        "funding_time": time_text(now.replace(minute=0, second=0, microsecond=0))
        if is_perpetual
        else None,
        "open_interest": "0",
        "display_name": contract.display_name,
        "region_enabled": {},
        **rates,
        "settlement_price": number(mid),
        "futures_asset_type": "FUTURES_ASSET_TYPE_CRYPTO",
        "index_price": number(mid) if is_perpetual else "",
    }


def _levels(levels: Iterable[Level]) -> list[Row]:
    return [{"price": plain(level.price), "size": plain(level.size)} for level in levels]


def pricebook(product_id: str, book: Book, depth: int, now: datetime) -> Row:
    """Bids and asks, best first. `time` is the market's own last word."""
    return {
        "product_id": product_id,
        "bids": _levels(book.shown("BUY", depth)),
        "asks": _levels(book.shown("SELL", depth)),
        "time": time_text(book.at or now),
    }


def _gathered(book: Book, side: Side, step: Decimal) -> list[Level]:
    """The whole side with its prices moved away from the middle to multiples of `step`."""
    to_step = floor_to if side == "BUY" else ceil_to
    sizes: dict[Decimal, Decimal] = {}
    for level in book.shown(side):
        price = to_step(level.price, step)
        if price:  # a step larger than the price would put bids at nothing
            sizes[price] = sizes.get(price, ZERO) + level.size
    return [Level(price, size) for price, size in sizes.items()]


def product_book(product_id: str, book: Book, shown: tuple[int, Decimal], now: datetime) -> Row:
    """The answer of `GET /product_book`; `shown`: levels a side, and what they are gathered to."""
    depth, step = shown
    bid, ask, mid = book.top("BUY"), book.top("SELL"), book.mid
    spread = ask.price - bid.price if bid and ask else None
    in_points = (
        plain((spread * BASIS_POINTS / mid).quantize(ONE, ROUND_HALF_EVEN))
        if spread is not None and mid
        else ""
    )
    rows = pricebook(product_id, book, depth, now)
    if step:
        rows["bids"] = _levels(_gathered(book, "BUY", step)[:depth])
        rows["asks"] = _levels(_gathered(book, "SELL", step)[:depth])
    return {
        "pricebook": rows,
        "last": number(book.tape.last),
        "mid_market": number(mid),
        "spread_bps": in_points,
        "spread_absolute": number(spread),
    }


def trade_row(product_id: str, trade: Trade) -> Row:
    """One trade; `side` is the maker's. `trade_id` is a whole number, for clients that count."""
    return {
        "trade_id": str(trade.number),
        "product_id": product_id,
        "price": plain(trade.price),
        "size": plain(trade.size),
        "time": time_text(trade.at),
        "side": OPPOSITE[trade.taker],
    }


def market_trades(product_id: str, book: Book, trades: Iterable[Trade]) -> Row:
    """The answer of `GET /products/{id}/ticker`, newest first."""
    bid, ask = book.top("BUY"), book.top("SELL")
    return {
        "trades": [
            trade_row(product_id, trade) | {"bid": "", "ask": "", "exchange": "CBE"}
            for trade in trades
        ],
        "best_bid": number(bid.price if bid else None),
        "best_ask": number(ask.price if ask else None),
    }


def candle_row(candle: Candle) -> Row:
    """One candle, all of it as text."""
    return {
        "start": str(candle.start),
        "low": plain(candle.low),
        "high": plain(candle.high),
        "open": plain(candle.open),
        "close": plain(candle.close),
        "volume": plain(candle.volume),
    }


def status_row(listing: Listing) -> Row:
    """One product of the `status` channel."""
    flags = listing.flags
    offline = flags.is_disabled or flags.trading_disabled
    return {
        "product_type": "FUTURE" if listing.contract else "SPOT",
        "id": listing.product_id,
        "base_currency": listing.base,
        "quote_currency": listing.quote,
        "base_increment": plain(listing.base_increment),
        "quote_increment": plain(listing.quote_increment),
        "display_name": listing.contract.display_name
        if listing.contract
        else f"{listing.base}/{listing.quote}",
        "status": "offline" if offline else "online",
        "status_message": "",
        "min_market_funds": plain(listing.quote_min_size),
    }


def day_fields(book: Book, now: datetime) -> dict[str, Any]:
    """The 24-hour figures of a ticker; its 52 weeks are as far back as the market remembers."""
    day, last = book.tape.day(now), book.tape.last
    if day is None or last is None:
        return dict.fromkeys(
            ("volume_24_h", "low_24_h", "high_24_h", "low_52_w", "high_52_w"), "0"
        ) | {"price_percent_chg_24_h": "0"}
    return {
        "volume_24_h": plain(day.volume),
        **_extremes(day.low, day.high, book.tape.year),
        "price_percent_chg_24_h": change(last, day.open),
    }


@lru_cache(maxsize=256)  # they change seldom, and tickers are many
def _extremes(low: Decimal, high: Decimal, year: tuple[Decimal, Decimal] | None) -> dict[str, str]:
    year_low, year_high = year or (low, high)
    return {
        "low_24_h": plain(low),
        "high_24_h": plain(high),
        "low_52_w": plain(min(year_low, low)),
        "high_52_w": plain(max(year_high, high)),
    }
