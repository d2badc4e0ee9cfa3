"""Names of the configuration that stand for nothing: a misspelt asset keeps, sells and bounds none. No I/O.

Told by `check`, and in the log of a start, with the name that was probably meant.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from sidecar.config.tables import Config
from sidecar.config.var import OTHERS
from sidecar.core.vocabulary.products import Product
from sidecar.daemon.preflight import Finding

# The effect that does not come about where an asset is misspelt, by key.
WITHOUT_ASSET: Final[Mapping[str, str]] = {
    "positions.keep": "it keeps nothing, and what was meant is counted and sold",
    "positions.cash": "it makes nothing cash",
    "liquidation.assets": "what was meant is not sold",
    "var.proxy": "nothing stands in",
    "var.proxies": "nothing stands in",
    "var.stress": "the scenario moves nothing by it",
}


def unknown_names(
    config: Config,
    products: Mapping[str, Product],
    held: Iterable[str],
    strategies: Iterable[str] = (),
) -> list[Finding]:
    """A finding for each key with such names. `held`: the account's currencies; `strategies`: names that bots have
    used.
    """
    return [
        *_products(config, products),
        *_assets(config, products, held),
        *_strategies(config, {*strategies}),
        *_bots(config),
    ]


def _products(config: Config, products: Mapping[str, Product]) -> Iterator[Finding]:
    limits = config.limits
    named: dict[str, Iterable[str]] = {
        "limits.product": limits.product,
        "limits.allow_products": limits.allow_products or (),
        "limits.block_products": limits.block_products,
        "limits.market_shock.products": (limits.market_shock and limits.market_shock.products)
        or (),
        "coinbase.follow": config.coinbase.follow,
    }
    for key, names in named.items():
        if missing := sorted(name for name in names if name not in products):
            text = f"{key} names {', '.join(missing)}, which Coinbase does not list"
            yield Finding("warning", "PRODUCT_NOT_LISTED", f"{text}; {_mend(missing, products)}")


def _assets(
    config: Config, products: Mapping[str, Product], held: Iterable[str]
) -> Iterator[Finding]:
    known = {*held}
    for product in products.values():
        known |= {product.base, product.quote}
    for key, names in _named_assets(config):
        if missing := sorted({*names} - known):
            text = f"{key} names {', '.join(missing)}, which Coinbase does not list: {WITHOUT_ASSET[key]}"
            yield Finding("warning", "ASSET_NOT_LISTED", f"{text}; {_mend(missing, known)}")


def _named_assets(config: Config) -> Iterator[tuple[str, Iterable[str]]]:
    positions, sold, var = config.positions, config.liquidation.assets, config.var
    yield "positions.keep", positions.keep
    if "cash" in positions.model_fields_set:
        yield "positions.cash", positions.cash
    yield "liquidation.assets", () if sold == "all" else sold
    if "proxy" in var.model_fields_set:
        yield "var.proxy", (var.proxy,)
    yield "var.proxies", {*var.proxies, *var.proxies.values()}
    yield "var.stress", {name for moves in var.stress.values() for name in moves} - {OTHERS}


def _strategies(config: Config, used: set[str]) -> Iterator[Finding]:
    """Limits of strategies that no bot is known to be for, by server.bots or by its orders."""
    known = used | {name for bot in config.server.bots.values() for name in bot.strategies}
    if missing := sorted(name for name in config.limits.strategy if name not in known):
        names = ", ".join(missing)
        if known:
            text = f"limits.strategy names {names}, for which no bot of server.bots is: it binds no order of theirs"
            yield Finding("warning", "STRATEGY_NOT_NAMED", f"{text}; {_mend(missing, known)}")
        else:
            text = f"limits.strategy names {names}: binds orders with just this strategy_id; server.bots may say whose"
            yield Finding("info", "STRATEGY_NOT_NAMED", text)


def _bots(config: Config) -> Iterator[Finding]:
    bots = config.server.bots
    missing = sorted(name for name in config.server.may_flatten if bots and name not in bots)
    if missing:
        text = f"server.may_flatten names {', '.join(missing)}, not among server.bots"
        yield Finding("warning", "BOT_NOT_NAMED", f"{text}; {_mend(missing, bots)}")


def _mend(missing: Iterable[str], known: Iterable[str]) -> str:
    """The names that were probably meant, in the same order."""
    near = [close[0] for name in missing if (close := get_close_matches(name, known, n=1))]
    return f"did you mean {', '.join(near)}?" if near else "fix or remove it"
