"""Products as Coinbase lists them: what is read, what follows from it, and what is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.products import NAME_MAX, product_from_coinbase
from tests.scenario import D, future, product

SPOT = {
    "product_id": "BTC-USDC", "product_type": "SPOT", "base_currency_id": "BTC", "quote_currency_id": "USDC",
    "base_increment": "0.00000001", "quote_increment": "0.01", "price_increment": "0.01",
    "base_min_size": "0.00001", "base_max_size": "3400", "quote_min_size": "1", "quote_max_size": "150000000",
    "alias": "BTC-USD", "status": "online", "unknown_key": {"kept": "out"},
}  # fmt: skip
CONTRACT: dict[str, Any] = {
    "product_id": "BIT-26FEB27-CDE", "product_type": "FUTURE", "quote_currency_id": "USD",
    "base_increment": "1", "quote_increment": "0.01", "price_increment": "5",
    "fcm_trading_session_details": {"is_session_open": False, "open_time": "2026-11-22T23:00:00Z"},
    "future_product_details": {
        "contract_size": "0.01", "contract_root_unit": "BTC",
        "intraday_margin_rate": {"long_margin_rate": "0.1", "short_margin_rate": "0.12"},
        "overnight_margin_rate": {"long_margin_rate": "0.25", "short_margin_rate": ""},
    },
}  # fmt: skip


def spot(**changes):
    return product_from_coinbase(SPOT | changes)


def contract(**details):
    merged = CONTRACT["future_product_details"] | details
    return product_from_coinbase(CONTRACT | {"future_product_details": merged})


def test_a_spot_product_is_read_from_its_row():
    read = spot()
    assert (read.base, read.quote, read.price_increment) == ("BTC", "USDC", D("0.01"))
    assert (read.base_min_size, read.base_max_size) == (D("0.00001"), D(3400))
    assert (read.contract_size, read.margin_rate, read.session_open) == (1, None, None)


def test_spot_products_of_one_base_are_one_key_and_aliases_one_book():
    """BTC-USD, BTC-USDC and BTC-EUR are exposure to BTC; BTC-USDC trades in the book of BTC-USD."""
    assert {product(p).key for p in ("BTC-USD", "BTC-USDC", "BTC-EUR")} == {"BTC"}
    assert (spot().book, product("BTC-EUR").book) == ("BTC-USD", "BTC-EUR")


def test_a_future_is_its_own_key():
    assert future().key == "BIT-26FEB27-CDE"


def test_a_future_is_read_with_contract_size_session_and_its_worst_margin():
    read = contract()
    assert (read.is_future, read.base, read.contract_size) == (True, "BTC", D("0.01"))
    assert read.margin_rate == D("0.25")
    assert (read.session_open, read.opens_at) == (False, datetime(2026, 11, 22, 23, tzinfo=UTC))


def test_a_future_without_details_it_can_do_without_is_read():
    bare = {
        "contract_size": "0.01",
        "contract_root_unit": None,
        "intraday_margin_rate": None,
        "overnight_margin_rate": None,
    }
    row = CONTRACT | {
        "future_product_details": bare,
        "fcm_trading_session_details": None,
        "quote_currency_id": "",
    }
    read = product_from_coinbase(row)
    assert (read.base, read.quote, read.margin_rate) == ("BIT-26FEB27-CDE", "USD", None)
    assert (read.session_open, read.opens_at) == (None, None)


@pytest.mark.parametrize("text", ["", None, "soon", "2026-11-22T23:00:00", 5])
def test_an_opening_time_that_cannot_be_read_is_not_shown(text):
    row = CONTRACT | {"fcm_trading_session_details": {"is_session_open": True, "open_time": text}}
    assert product_from_coinbase(row).opens_at is None


@pytest.mark.parametrize(
    "flag",
    [
        "is_disabled",
        "trading_disabled",
        "view_only",
        "cancel_only",
        "limit_only",
        "post_only",
        "auction_mode",
    ],
)
def test_every_trading_flag_is_read(flag):
    assert getattr(spot(**{flag: True}), flag)
    assert not getattr(spot(**{flag: "true"}), flag)
    assert not getattr(spot(), flag)


@pytest.mark.parametrize("flag", [None, "view_only", "post_only", "auction_mode"])
def test_a_product_without_any_flag_is_not_restricted(flag):
    assert spot(**{flag: True} if flag else {}).is_restricted == bool(flag)


def test_a_delisted_product_is_disabled():
    assert spot(status="delisted").is_disabled


def test_a_price_grid_that_is_not_stated_is_the_quote_currencys():
    assert spot(price_increment="").price_increment == D("0.01")


def test_sizes_that_are_not_stated_do_not_bind():
    read = spot(base_min_size="", base_max_size=None, quote_min_size=None, quote_max_size="")
    assert (read.base_min_size, read.base_max_size, read.quote_min_size, read.quote_max_size) == (
        0,
        None,
        0,
        None,
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"product_id": ""}, "a product without product_id"), ({"product_id": None}, "without product_id"),
     ({"product_type": "OPTION"}, "product_type 'OPTION' is not supported"),
     ({"product_type": None}, "product_type is missing"),
     ({"base_increment": "0"}, "base_increment is '0', not a positive number"),
     ({"base_increment": None}, "base_increment is None"), ({"quote_increment": "-1"}, "quote_increment"),
     ({"base_increment": "NaN"}, "base_increment: 'NaN' is not a number"),
     ({"base_currency_id": 7}, "base_currency_id is missing"),
     ({"quote_currency_id": ""}, "quote_currency_id is missing")],
)  # fmt: skip
def test_a_row_by_which_no_order_can_be_judged_is_refused_by_name(changes, said):
    with pytest.raises(Untrusted, match=said):
        spot(**changes)


@pytest.mark.parametrize("name", ["product_id", "base_currency_id", "alias"])
def test_a_name_longer_than_any_is_refused_and_not_repeated(name):
    with pytest.raises(Untrusted) as caught:
        spot(**{name: "x" * 100_000})
    assert "100000 characters" in str(caught.value)
    assert len(str(caught.value)) < 200


def test_names_as_long_as_they_may_be_are_read():
    name = "B" * NAME_MAX
    assert spot(base_currency_id=name).base == name
    assert spot(product_id=name).product_id == name


def test_a_future_without_contract_size_is_refused():
    with pytest.raises(Untrusted, match="BIT-26FEB27-CDE: contract_size is None"):
        contract(contract_size=None)


@pytest.mark.parametrize("name", ["future_product_details", "fcm_trading_session_details"])
def test_a_nested_value_of_the_wrong_type_is_refused_by_name(name):
    with pytest.raises(Untrusted, match=f"product BIT-26FEB27-CDE: {name} is not an object"):
        product_from_coinbase(CONTRACT | {name: ["0.01"]})


def test_a_margin_table_of_the_wrong_type_is_refused_by_name():
    with pytest.raises(Untrusted, match="intraday_margin_rate is not an object"):
        contract(intraday_margin_rate="0.1")


@pytest.mark.parametrize("value", ["0", "-0.5", "-1", ""])
def test_an_increment_is_more_than_nothing(value):
    with pytest.raises(Untrusted, match=r"BTC-USDC: quote_increment is .* not a positive number"):
        product_from_coinbase(SPOT | {"quote_increment": value})
