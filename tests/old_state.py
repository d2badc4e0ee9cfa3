"""A state.json as the version before the time-weighted ratios wrote it, small and by hand.

It began with 119,000 USD, 5,000 of them in the futures wallet. 1 BTC was bought at 64,000 for a fee of 10, half
of it by the strategy "trend", and stands at 58,000; 1 BTC was sold in futures at 64,000, and stands at 66,000.
So 8,010 are lost, and 110,990 are left.
"""

import hashlib
import json
from copy import deepcopy
from decimal import Decimal
from typing import Any

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.context.settings import Settings
from sidecar.core.saved import restore_manager, restore_tracker
from sidecar.storage.codec import FORMAT, VERSION, decode_state
from tests.scenario import FUTURE, D, World

AT = "2026-11-22T13:00:00Z"
NET = D(-8010)
EQUITY = D(110_990)


def window(net_pnl: object = 0, equity: object = 119_000, transfers: object = 0) -> dict[str, str]:
    """A starting line of old; `transfers` is the running total at it."""
    return {
        "started_at": AT,
        "net_pnl": str(net_pnl),
        "equity": str(equity),
        "transfers": str(transfers),
    }


def ratio_told(since: object, line: dict[str, str], net: Decimal = NET, moved: object = 0) -> Decimal | None:  # fmt: skip
    """The ratio that the old version told: loss ÷ (equity at the start + net transfers since)."""
    base = D(line["equity"]) + D(moved) - D(line["transfers"])
    return None if base <= 0 else (D(since) - net) / base


def cause(code: str, **fields: Any) -> dict[str, Any]:
    known = {
        "code": code, "scope": "all", "level": "REDUCE_ONLY", "since": AT, "reason": "it was reached", "by": "sidecar",
        "key": None, "strategy_id": None, "clears_at": None,
    }  # fmt: skip
    return known | fields


def product(product_id: str, base: str, **fields: Any) -> dict[str, Any]:
    return {
        "product_id": product_id, "base": base, "quote": "USD", "base_increment": "1E-8", "quote_increment": "0.01",
        "price_increment": "0.01", "base_min_size": "0.00001", "base_max_size": "3400", "quote_min_size": "1",
        "quote_max_size": "150000000", "key": base, "book": product_id,
    } | fields  # fmt: skip


AGREED = {"active_at": AT, "read_at": AT, "suspect": None, "suspect_at": None}


def wallet(total: object, keep: object = 0) -> dict[str, Any]:
    return {
        "total": str(total), "keep": str(keep), "foreign_hold": "0", "unpriced": "0", "agreement": AGREED, "own_sale_at": None,
    }  # fmt: skip


def position(quantity: object, cost: object) -> dict[str, str]:
    return {
        "quantity": str(quantity),
        "cost": str(cost),
        "entry_cost": str(cost),
        "unpriced": "0",
    }


def pnl(fees: object = 0) -> dict[str, str]:
    return {"realised": "0", "fees": str(fees), "funding": "0"}


WINDOWS: dict[str, Any] = {
    "day": window(), "next_reset": "2026-11-23T13:00:00Z", "cumulative": window(), "drawdown": window(), "peak": "0",
    "settled_at_cumulative": "0", "day_by_key": {}, "day_by_strategy": {"trend": "0"},
}  # fmt: skip
TRACKER: dict[str, Any] = {
    "account": {
        "positions": {"BTC": position(1, 64_000), FUTURE: position("-1.00", -64_000)},
        "pnl": {"BTC": pnl(10), FUTURE: pnl()},
    },
    "strategies": {"trend": {"positions": {"BTC": position("0.5", 32_000)}, "pnl": {"BTC": pnl()}}},
    "wallets": {"USD": wallet(49_990), "BTC": wallet(1)},
    "working": [], "reservations": [], "windows": WINDOWS, "transfers": "0", "taker_rate": "0.012",
    "futures": {
        "type": "FuturesSummaryRead", "at": AT, "wallet": "5000", "buying_power": "1000",
        "liquidation_buffer_percentage": "90",
    },
    "futures_base": "5000", "margin_seen": "0", "quotes_valuing_account": 7, "futures_agreement": {FUTURE: AGREED},
    "doubts": {}, "quotes": [
        {"product_id": "BTC-USD", "bid": "58000", "ask": "58000", "at": AT},
        {"product_id": FUTURE, "bid": "66000", "ask": "66000", "at": AT},
    ],
    "closed": [], "horizon": None, "opening_at": None,
    "products": [product("BTC-USD", "BTC"), product(FUTURE, "BTC", is_future=True, contract_size="0.01", key=FUTURE)],
}  # fmt: skip
MANAGER: dict[str, Any] = {
    "causes": [], "tightenings": 3, "decisions": 0, "episodes": 0, "trigger": None, "activity": {}, "samplers": [],
    "suspicion": {
        "since": AT, "quotes_before": 0, "confirmed_by_rest": False, "asked_at": None, "last": {}, "counts": {},
    },
    "calm": {"BTC": "-6000"},
    "readiness": {
        "ready": True, "missing": [], "balances_at": AT, "fills_until": None, "user_feed": "live", "market_feed": "live",
        "market_whole_since": None, "user_doubted_at": None, "due": "2026-11-23T13:00:00Z", "has_judged": True,
        "announced": "REDUCE_ONLY", "unlisted": [],
    },
    "unapproved": {
        "since": None, "unclean_since": None, "released": {}, "missed": 0, "uncancelled": {}, "cancelling": {},
        "minute": None, "alerts": 0, "untold": 0,
    },
    "limits": {}, "sessions": [],
}  # fmt: skip


def old_state(*causes: dict[str, Any], **tracker: Any) -> bytes:
    """The file, with other parts of the tracker than the usual ones."""
    state: dict[str, Any] = {
        "saved_at": AT,
        "manager": MANAGER | {"causes": list(causes)},
        "tracker": deepcopy(TRACKER) | tracker,
        "journal": None,
    }
    body = json.dumps(state, separators=(",", ":")).encode()
    checksum = f"sha256:{hashlib.sha256(body).hexdigest()}"
    envelope = {"format": FORMAT, "version": VERSION, "checksum": checksum, "state": state}
    return json.dumps(envelope, indent=2).encode()


def upgraded(data: bytes, *, keep: dict[str, Decimal | None] | None = None, settings: Settings | None = None, **limits: Any) -> World:  # fmt: skip
    """A world that goes on from the file."""
    saved = decode_state(data, "state.json")
    world = World(keep=keep, settings=settings or Settings(), products=(), **limits)
    restore_tracker(saved.tracker, world.tracker)
    assert saved.manager is not None
    restore_manager(saved.manager, world.manager)
    return world


def upgraded_tracker(data: bytes) -> PositionTracker:
    tracker = PositionTracker()
    restore_tracker(decode_state(data, "state.json").tracker, tracker)
    return tracker
