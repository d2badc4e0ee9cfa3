"""What a USDC is worth where books tell, and what follows when it is no dollar."""

from datetime import timedelta

import pytest

from sidecar.core.account.losses import cumulative, daily, drawdown
from sidecar.core.account.marks import Marks
from sidecar.core.guards.usdc_peg import Pair, agreed, pairs_of, rates
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert, CauseCleared, CauseRaised
from tests.decisions import of_kind, reloaded, restarted
from tests.scenario import PRODUCTS, START, D, World, future, limit_order, product

USDT = (product("USDT-USD"), product("USDT-USDC"))
COINS = tuple(product(f"{coin}-{cash}") for coin in ("AAA", "BBB") for cash in ("USD", "USDC"))


# --- The rule ---------------------------------------------------------------------------------------


def test_coins_with_a_book_of_their_own_for_each_are_compared():
    """BTC-USDC trades in the book of BTC-USD: it says nothing of USDC."""
    assert pairs_of((*PRODUCTS, *USDT)) == (Pair("USDT", "USDT-USD", "USDT-USDC"),)
    assert pairs_of(PRODUCTS) == ()


def test_contracts_and_other_cash_say_nothing():
    contract = future("AAA-USDC", quote="USDC")
    assert pairs_of((product("AAA-USD"), product("AAA-EUR"), contract)) == ()


def test_four_pairs_are_compared_at_most_usdt_among_them():
    coins = [product(f"{coin}-{cash}") for coin in "ABCDE" for cash in ("USD", "USDC")]
    assert [pair.base for pair in pairs_of((*coins, *USDT))] == ["USDT", "A", "B", "C"]


@pytest.mark.parametrize(
    ("told", "rate"),
    [
        ({}, None),
        ({"USDT": "0.96"}, "0.96"),
        ({"AAA": "0.96"}, None),
        ({"AAA": "0.96", "BBB": "0.965"}, "0.965"),
        ({"AAA": "0.96", "BBB": "0.9651"}, None),
        ({"AAA": "0.96", "USDT": "1"}, None),
        ({"AAA": "0.96", "BBB": "0.961", "USDT": "1"}, "0.961"),
        ({"AAA": "0.9", "BBB": "0.95", "CCC": "1"}, None),
    ],
    ids=["none", "USDT", "one coin", "two", "two apart", "against USDT", "most", "all apart"],
)
def test_the_rate_is_what_most_agree_on_usdt_or_two_coins_among_them(told, rate):
    found = agreed({base: D(value) for base, value in told.items()})
    assert found == (None if rate is None else D(rate))


def test_a_rate_is_the_quotient_of_two_fresh_mids_within_the_cap():
    marks = Marks(D("0.05"))

    def told(usd, usdc, *, ask=None, age=0):
        quotes = (("USDT-USD", usd, usd), ("USDT-USDC", usdc, ask or usdc))
        for book, bid, far in quotes:
            marks.quote(ev.Quote(book, D(bid), D(far), START), START)
        now = START + timedelta(seconds=age)
        return rates(pairs_of(USDT), marks, now).get("USDT")

    assert rates(pairs_of(USDT), marks, START) == {}
    assert told("0.99", "1.03") == D("0.9612")
    assert told("1", "1", age=60) == 1
    assert told("1", "1", age=60.001) is None
    assert told("1", "1", ask="1.2") is None  # the book has fallen apart
    assert told("1", "1") == 1
    marks.fresh_since = START + timedelta(seconds=1)
    assert rates(pairs_of(USDT), marks, START) == {}


def test_quotes_of_the_moment_that_the_feed_came_back_are_fresh():
    marks = Marks(D("0.05"))
    for book in ("USDT-USD", "USDT-USDC"):
        marks.quote(ev.Quote(book, D(1), D(1), START), START)
    marks.fresh_since = START
    assert rates(pairs_of(USDT), marks, START) == {"USDT": 1}


# --- The watch --------------------------------------------------------------------------------------


def world(**fields):
    products = fields.pop("products", (*PRODUCTS, *USDT))
    made = World(products=products, cash=50_000, max_quote_age_s=3600, **fields)
    made.balance("USDC", 50_000)
    made.balance("USDC", 50_000)
    made.wait(3)
    made.balance("USDC", 50_000)
    assert made.tracker.equity == 100_000
    return made


def worth(made, rate, seconds=0, *, every=5):
    """USDC trades at this rate for so long, by books that quote every few seconds; what was done."""
    done = []
    for step in range(0, seconds + 1, every):
        if step:
            made.now += timedelta(seconds=every)
        done += both(made, rate, "USDT")
    return done


def both(made, rate, *coins):
    """Both books of these coins, told at once."""
    prices = {
        f"{coin}-{cash}": price
        for coin in coins
        for cash, price in (("USD", D(1)), ("USDC", 1 / D(rate)))
    }
    quotes = tuple(ev.Quote(book, price, price, made.now) for book, price in prices.items())
    return made.send(ev.Quotes, quotes=quotes)


def told(actions):
    return [one.text for one in of_kind(actions, Alert) if one.code == "USDC_DEPEG"]


def test_beyond_one_percent_for_a_minute_is_told_once():
    made = world()
    assert not told(worth(made, "0.985", 55))
    made.now += timedelta(seconds=5)
    assert told(worth(made, "0.985")) == ["USDC is worth 0.985 USD"]
    assert not told(worth(made, "0.98", 120))
    assert (made.manager.state.account, made.tracker.equity) == ("ACTIVE", 100_000)


def test_time_alone_completes_the_minute():
    made = world()
    worth(made, "0.985")
    made.now += timedelta(seconds=30)
    worth(made, "0.985")
    assert not told(made.wait(29.9))
    assert made.manager.due <= made.now + timedelta(seconds=0.1)
    assert told(made.wait(0.1))


def test_of_two_minutes_that_run_the_one_that_ends_first_is_waited_for():
    made = world()
    worth(made, "0.985")
    ends = made.now + timedelta(seconds=60)
    made.now += timedelta(seconds=30)
    worth(made, "0.96")
    assert made.manager.peg.next_look(made.now) == ends


@pytest.mark.parametrize("rate", ["0.9901", "1.0099", "1"])
def test_within_one_percent_nothing_is_said(rate):
    assert not told(worth(world(), rate, 180))


def test_a_minute_is_interrupted_by_a_rate_that_is_right():
    made = world()
    worth(made, "0.985", 55)
    worth(made, "1")
    made.now += timedelta(seconds=5)
    assert not told(worth(made, "0.985", 55))


def test_a_minute_is_interrupted_where_nothing_is_told():
    made = world()
    worth(made, "0.985", 55)
    made.wait(61)
    assert not told(worth(made, "0.985", 55))


def test_beyond_three_percent_for_a_minute_usdc_counts_at_that_and_nothing_is_added():
    made = world()
    raised = of_kind(worth(made, "0.96", 60), CauseRaised)
    assert [(one.code, one.scope, one.level) for one in raised] == [
        ("USDC_DEPEG", "all", "REDUCE_ONLY")
    ]
    assert made.tracker.equity == 98_000
    assert "STATE_REDUCE_ONLY" in made.ask(limit_order()).codes


@pytest.mark.parametrize(
    ("rate", "counts"), [("0.9591", "0.96"), ("0.959", "0.959"), ("0.961", "0.961")]
)
def test_the_rate_that_usdc_counts_at_follows_steps_of_a_thousandth(rate, counts):
    made = world()
    worth(made, "0.96", 60)
    worth(made, rate)
    assert made.tracker.marks.usdc_rate == D(counts)


def test_it_is_told_with_the_alert_of_one_percent_before_it():
    done = told(worth(world(), "0.96", 60))
    assert done == [
        "USDC is worth 0.96 USD",
        "USDC is worth 0.96 USD, and counts at that; only reducing orders pass",
    ]


def test_above_the_dollar_counts_as_well():
    made = world()
    worth(made, "1.04", 60)
    assert made.tracker.equity == 102_000


def test_while_it_lasts_the_rate_is_followed_in_steps():
    made = world()
    worth(made, "0.96", 60)
    for rate, equity in (("0.9591", 98_000), ("0.95", 97_500), ("0.985", 99_250)):
        made.now += timedelta(seconds=5)
        worth(made, rate)
        assert made.tracker.equity == equity


def test_without_a_word_the_last_rate_stands():
    made = world()
    worth(made, "0.96", 60)
    made.wait(600)
    assert (made.tracker.equity, made.manager.state.account) == (98_000, "REDUCE_ONLY")


def test_within_one_percent_for_a_minute_it_is_over_and_may_be_told_again():
    made = world()
    worth(made, "0.96", 60)
    made.now += timedelta(seconds=5)
    assert not of_kind(worth(made, "0.991", 55), CauseCleared)
    made.now += timedelta(seconds=5)
    (cleared,) = of_kind(worth(made, "0.991"), CauseCleared)
    assert (cleared.code, cleared.reason) == ("USDC_DEPEG", "USDC is a dollar again, within 1 %")
    assert (made.tracker.equity, made.manager.state.account) == (100_000, "ACTIVE")
    made.now += timedelta(seconds=5)
    assert told(worth(made, "0.98", 60))


def test_two_coins_say_it_too():
    made = world(products=(*PRODUCTS, *COINS))
    for _ in range(13):
        made.now += timedelta(seconds=5)
        both(made, "0.96", "AAA", "BBB")
    assert made.manager.state.has("USDC_DEPEG")


def test_where_every_book_for_usdc_is_that_for_usd_nothing_is_said():
    made = world(products=PRODUCTS)
    made.quote("BTC-USDC", 70_000)
    assert not told(made.wait(60))
    assert made.manager.peg.books == ()


def test_the_books_to_follow_are_those_of_the_pairs():
    assert world().manager.peg.books == ("USDT-USD", "USDT-USDC")


# --- What it moves, and what not ----------------------------------------------------------------------


def test_the_rate_of_cash_moves_no_loss_ratio():
    """5,000 of 100,000 are lost; then a USDC of 50,000 counts 0.9, and a dollar again."""
    made = world(max_daily_loss="0.06", max_drawdown="0.06", max_cumulative_loss="0.06")
    made.hold(1)
    made.fill("SELL", 1, 59_000)

    def ratios():
        return [loss(made.tracker).ratio for loss in (daily, drawdown, cumulative)]

    before = ratios()
    assert before == [D("0.05")] * 3
    worth(made, "0.9", 60)
    assert (made.tracker.equity, ratios()) == (90_000, before)
    made.now += timedelta(seconds=5)
    worth(made, "1", 60)
    assert (made.tracker.equity, ratios()) == (95_000, before)
    assert made.manager.state.account == "ACTIVE"


def test_before_the_windows_begin_only_equity_moves():
    made = World(products=(*PRODUCTS, *USDT))
    made.tracker.loss_accounting.windows = None
    made.tracker.rate_usdc(D("0.9"), made.now)
    assert made.tracker.marks.usd("USDC") == D("0.9")


def test_what_is_quoted_in_usdc_alone_is_worth_what_a_usdc_is():
    """Its jump by the rate is no shock: nothing moved. What others have moved counts on."""
    made = world(
        products=(*PRODUCTS, *USDT, product("NEW-USDC"), product("NEW2-NEW")),
        price_shock={"max_move": "0.01"},
    )
    made.quote("NEW-USDC", 100)
    made.quote("NEW2-NEW", 2)
    assert (made.tracker.marks.usd("NEW"), made.tracker.marks.usd("EUR")) == (100, D("1.25"))
    worth(made, "0.96", 60)
    assert {cause.code for cause in made.manager.state.causes.values()} == {"USDC_DEPEG"}
    marks = made.tracker.marks
    assert (marks.usd("NEW"), marks.usd("NEW2"), marks.usd("EUR")) == (96, 192, D("1.2"))
    assert marks.usd("BTC") == 64_000
    made.now += timedelta(seconds=1)
    assert not of_kind(made.quote("NEW-USDC", 100), CauseRaised)
    assert made.tracker.marks.usd("NEW") == 96
    made.quote("BTC-USD", 64_000)
    made.now += timedelta(seconds=1)
    made.quote("BTC-USD", 63_700)
    worth(made, "0.95")
    made.now += timedelta(seconds=1)
    (cause,) = of_kind(made.quote("BTC-USD", 63_300), CauseRaised)
    assert cause.scope == "product:BTC"


def test_a_contract_quoted_in_usdc_follows_it():
    made = world(products=(*PRODUCTS, *USDT, future("FUT", quote="USDC")))
    made.quote("FUT", 64_000)
    worth(made, "0.9", 60)
    assert made.tracker.marks.usd("FUT") == 57_600


# --- Restarts -------------------------------------------------------------------------------------------


def test_the_rate_and_the_cause_survive_a_restart():
    made = world()
    worth(made, "0.96", 60)
    made = restarted(made)
    assert (made.tracker.equity, made.manager.state.account) == (98_000, "REDUCE_ONLY")
    made.now += timedelta(seconds=5)
    assert of_kind(worth(made, "1", 60), CauseCleared)
    assert made.tracker.equity == 100_000


def test_half_a_minute_before_a_restart_counts_after_it():
    made = world()
    worth(made, "0.96", 30)
    made = reloaded(made)
    made.now += timedelta(seconds=5)
    assert not of_kind(worth(made, "0.96", 20), CauseRaised)
    made.now += timedelta(seconds=5)
    assert of_kind(worth(made, "0.96"), CauseRaised)


def test_products_listed_while_it_lasts_are_marked_at_the_rate():
    made = world()
    worth(made, "0.96", 60)
    made.send(ev.ProductsListed, products=(product("NEW-USDC"),))
    made.quote("NEW-USDC", 100)
    assert made.tracker.marks.usd("NEW") == 96


def test_what_is_quoted_in_usdc_alone_has_shocks_of_its_own():
    made = world(products=(*PRODUCTS, *USDT, product("NEW-USDC")), price_shock={"max_move": "0.01"})
    made.quote("NEW-USDC", 100)
    made.now += timedelta(seconds=1)
    (cause,) = of_kind(made.quote("NEW-USDC", 98), CauseRaised)
    assert cause.scope == "product:NEW"
