"""Names of a configuration that stand for nothing, with those that were probably meant."""

from typing import Any

import pytest

from sidecar.config.tables import Config
from sidecar.daemon.names import unknown_names
from tests.scenario import product

LISTED = {name: product(name) for name in ("BTC-USD", "ETH-USD", "SOL-USD", "BTC-EUR")}


def told(tables, held=("USD",), used=()):
    found = unknown_names(Config.model_validate(tables), LISTED, held, used)
    return [(finding.severity, finding.code, finding.text) for finding in found]


@pytest.mark.parametrize(
    ("tables", "code", "said"),
    [
        ({"positions": {"keep": {"EHT": "all"}}}, "ASSET", "did you mean ETH?"),
        ({"positions": {"keep": {"EHT": "1", "SLO": "1", "BTC": "1"}}}, "ASSET", "EHT, SLO, which Coinbase does not list"),
        ({"positions": {"keep": {"EHT": "1", "SLO": "1"}}}, "ASSET", "did you mean ETH, SOL?"),
        ({"positions": {"cash": ["USD", "EUX"]}}, "ASSET", "did you mean EUR?"),
        ({"liquidation": {"assets": ["SLO"]}}, "ASSET", "what was meant is not sold; did you mean SOL?"),
        ({"var": {"proxy": "BCT"}}, "ASSET", "did you mean BTC?"),
        ({"var": {"proxies": {"PEPE": "BTC"}}}, "ASSET", "PEPE"),
        ({"var": {"stress": {"x": {"ETHH": "-0.3", "others": "-0.5"}}}}, "ASSET", "did you mean ETH?"),
        ({"coinbase": {"follow": ["BTC-USDX"]}}, "PRODUCT", "did you mean BTC-USD?"),
        ({"limits": {"block_products": ["XRP-GBP"]}}, "PRODUCT", "names XRP-GBP, which Coinbase does not list; fix or"),
        ({"limits": {"product": {"BTCUSD": {"max_order_size": 1}}}}, "PRODUCT", "limits.product names BTCUSD"),
        ({"limits": {"allow_products": ["ETH-US"]}}, "PRODUCT", "did you mean ETH-USD?"),
        ({"limits": {"market_shock": {"fall": "0.1", "products": ["SOL-UDS"]}}}, "PRODUCT", "did you mean SOL-USD?"),
        (
            {"limits": {"strategy": {"momentun": {}}}, "server": {"bots": {"a": {"strategies": ["momentum"]}}}},
            "STRATEGY", "did you mean momentum?",
        ),
        ({"server": {"may_flatten": ["gird"], "bots": {"grid": {}}}}, "BOT", "did you mean grid?"),
    ],
)  # fmt: skip
def test_a_name_that_stands_for_nothing_is_told(tables, code, said):
    ((severity, found, text),) = told(tables)
    assert (severity, found.partition("_")[0]) == ("warning", code)
    assert said in text


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"positions": {"keep": {"ETH": "all", "USD": "5"}}, "liquidation": {"assets": ["SOL", "BTC"]}},
        {"coinbase": {"follow": ["BTC-USD"]}, "var": {"stress": {"x": {"BTC": "-0.3", "others": "-0.5"}}}},
        {"server": {"may_flatten": ["anybody"]}},
        {"limits": {"strategy": {"grid": {}}}, "server": {"bots": {"a": {"strategies": ["grid"]}}}},
    ],
)  # fmt: skip
def test_names_that_are_known_are_not(tables):
    assert told(tables) == []


def test_a_currency_that_is_held_is_known_although_no_product_is_of_it():
    assert told({"positions": {"keep": {"ODD": "all"}}}, held=["ODD"]) == []


def test_a_strategy_that_orders_have_named_is_known_and_one_without_any_bot_is_said():
    tables: dict[str, Any] = {"limits": {"strategy": {"grid": {}}}}
    assert told(tables, used=["grid"]) == []
    ((severity, _, text),) = told(tables)
    assert (severity, "just this strategy_id" in text) == ("info", True)
    ((severity, _, text),) = told(tables, used=["gridd"])
    assert (severity, "did you mean gridd?" in text) == ("warning", True)
