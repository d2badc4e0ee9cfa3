"""The account's truth, end to end: orders that rest, are approved and never sent, or that Coinbase refuses.

What the core makes of each case is in tests/unit; here the orders go to the exchange, and what it says of
them comes over sockets.
"""

import pytest

from sidecar.core.vocabulary import actions as ac
from tests.still_market import D, attended, desk, still

BTC = "BTC-USD"
FUNDS = "INSUFFICIENT_FUNDS"


def resting(made) -> set[str]:
    """Ids of the orders in the sidecar's books."""
    return set(made.tracker.ledger.working)


def open_orders(made) -> set[str]:
    """Ids of the orders that are open on the exchange."""
    return set(made.world.exchange.register.open)


async def approved(made, body) -> str:
    """What a bot does: ask, then send; done when the order is in the books. Its id."""
    decision = await made.ask(body, dry_run=False)
    assert decision.codes == ()
    order_id: str = await made.trader.place(body)
    await made.made.until(lambda: made.tracker.ledger.find(order_id), "the order")
    return order_id


# ----------------------------------------------------------------- what stops takes orders out


async def four_buys(made) -> set[str]:
    """Approved, and resting 10 to 16 % below the market; and an exit above it."""
    prices = ("54000", "53000", "52000", "50500")
    return {await approved(made, made.trader.limit("BUY", "0.09", price)) for price in prices}


async def test_four_approved_buys_that_rest_when_a_daily_loss_is_confirmed_are_cancelled(tmp_path):
    """0.5 BTC at 60,000 beside 30,000 USD; BTC falls to 54,500, a daily loss of 4.6 % under a limit of 4 %.
    The four buys are cancelled, the exit stays; BTC at 50,000 then fills nothing: 0.5 BTC, and 8.3 %.
    """
    async with desk(
        tmp_path,
        balances={"USD": 30_000, "BTC": "0.5"},
        prices={BTC: 60_000},
        max_daily_loss="0.04",
    ) as made:
        buys = await four_buys(made)
        leaving = await approved(made, made.trader.limit("SELL", "0.5", "70000"))
        await made.steady(BTC, 54_500)
        await made.made.until(lambda: resting(made) == {leaving}, "the cancels")
        assert open_orders(made) == {leaving}
        assert buys & resting(made) == set()
        await made.steady(BTC, 50_000)
        await made.reading()
        assert made.made.held("BTC") == D("0.5")
        assert made.loss().ratio == D("0.083333333333")
        assert made.causes == {"DAILY_LOSS"}


async def test_an_order_of_an_earlier_approval_that_appears_after_the_loss_is_cancelled_too(
    tmp_path,
):
    """The same, and a buy that was approved before the fall is sent after it."""
    async with desk(
        tmp_path,
        balances={"USD": 30_000, "BTC": "0.5"},
        prices={BTC: 60_000},
        max_daily_loss="0.04",
    ) as made:
        body = made.trader.limit("BUY", "0.09", "50000")
        assert await made.ask(body, dry_run=False)
        await made.steady(BTC, 54_500)
        assert made.causes == {"DAILY_LOSS"}
        order_id = await made.trader.place(body)
        await made.made.until(lambda: order_id in made.tracker.ledger.working, "the order")
        await made.made.until(lambda: not resting(made), "the cancel")
        assert open_orders(made) == set()


@pytest.mark.parametrize(
    "price",
    [
        pytest.param(58_000, id="against it"),
        pytest.param(62_000, id="in its favour"),
    ],
)
async def test_a_shock_against_the_position_takes_buys_out_of_the_book(tmp_path, price):
    """0.5 BTC and a buy at rest; BTC moves by 3 % within 20 s. Downwards the buy is cancelled; upwards it
    stays, though the product is locked.
    """
    async with desk(
        tmp_path,
        balances={"USD": 30_000, "BTC": "0.5"},
        prices={BTC: 60_000},
        product={BTC: {"price_shock": {"max_move": "0.02", "window_s": 20}}},
    ) as made:
        bought = await approved(made, made.trader.limit("BUY", "0.09", "50000"))
        await made.steady(BTC, price)
        assert made.causes == {"PRICE_SHOCK"}
        cancelled = [
            name
            for _, action in made.made.actions
            if isinstance(action, ac.CancelOrders)
            for name in action.order_ids
        ]
        assert cancelled == ([bought] if price < 60_000 else [])


async def test_orders_that_rest_may_be_left_and_are_then_counted(tmp_path):
    """The same with `on_loss = "nothing"`: they stay, and one alert says that there are four."""
    async with desk(
        tmp_path,
        balances={"USD": 30_000, "BTC": "0.5"},
        prices={BTC: 60_000},
        max_daily_loss="0.04",
        on_loss="nothing",
    ) as made:
        buys = await four_buys(made)
        await made.steady(BTC, 54_500)
        texts = [
            action.text
            for _, action in made.made.actions
            if isinstance(action, ac.Alert) and action.code == "ADDING_ORDERS_OPEN"
        ]
        assert texts == ["4 open orders in all would add risk; on_loss leaves them"]
        assert open_orders(made) == buys


@pytest.mark.parametrize("verb", ["halt", "reduce_only"])
async def test_an_operator_may_take_what_adds_out_of_the_book(tmp_path, verb):
    """`halt --cancel-adding`: a resting buy is cancelled."""
    async with desk(tmp_path, balances={"USD": 30_000, "BTC": "0.5"}, prices={BTC: 60_000}) as made:
        order_id = await approved(made, made.trader.limit("BUY", "0.09", "50000"))
        assert (await made.made.ask(verb, reason="the test", cancel_adding=True))["done"]
        await made.made.until(lambda: not resting(made), "the cancel")
        order = made.trader.paper.world.exchange.register.get(order_id)
        assert (order.status, order.filled) == ("CANCELLED", 0)


# ------------------------------------------------------------------ what is in an exit's way


async def test_a_hold_that_lags_behind_its_cancelled_stop_does_not_refuse_the_exit(tmp_path):
    """0.5 BTC, all of it held by a stop that is cancelled; accounts still show the hold, for a minute. A
    market exit passes at once with a warning, the wallet is read, and the exchange takes the order.
    """
    async with desk(tmp_path, balances={"USD": 1_000, "BTC": "0.5"}, prices={BTC: 60_000}) as made:
        await made.control("faults", stuck_holds_s=60)
        stop = {"base_size": "0.5", "stop_price": "55000", "limit_price": "54000"}
        kind = {"stop_limit_stop_limit_gtc": {**stop, "stop_direction": "STOP_DIRECTION_STOP_DOWN"}}
        order_id = await approved(made, made.trader.body("SELL", kind, BTC))
        await made.trader.call("POST", "/orders/batch_cancel", json={"order_ids": [order_id]})
        await made.made.until(lambda: not resting(made), "the cancel")
        await made.reading()
        assert made.tracker.wallets.get("BTC").foreign_hold == D("0.5")
        await made.quote(BTC, 60_000)
        readings = len([1 for event in made.heard if type(event).__name__ == "BalancesRead"])
        body = made.trader.market("SELL", "0.5")
        decision = await made.ask(body, dry_run=False)
        assert (decision.codes, decision.reducing) == ((), True)
        assert [warning.code for warning in decision.warnings] == [FUNDS]
        await made.made.until(
            lambda: len([1 for e in made.heard if type(e).__name__ == "BalancesRead"]) > readings,
            "a reading",
        )
        await made.trader.place(body)
        await made.made.until(lambda: made.made.held("BTC") == 0, "the fill")
        assert made.world.exchange.accounts.wallet("USD").total == D("30999.995")


async def test_a_hold_that_lags_refuses_what_adds(tmp_path):
    """The same with 1,000 USD held by a cancelled buy: another buy waits until the hold is gone."""
    async with desk(tmp_path, balances={"USD": 1_000}, prices={BTC: 60_000}) as made:
        await made.control("faults", stuck_holds_s=60)
        order_id = await approved(made, made.trader.limit("BUY", "0.018", "50000"))
        await made.trader.call("POST", "/orders/batch_cancel", json={"order_ids": [order_id]})
        await made.made.until(lambda: not resting(made), "the cancel")
        await made.reading()
        await made.quote(BTC, 60_000)
        body = made.trader.limit("BUY", "0.018", "50000")
        assert (await made.ask(body)).codes == (FUNDS,)
        await made.quote(BTC, 60_000, after=61)
        await made.reading()
        assert await made.ask(body)


@pytest.mark.parametrize("state", ["ACTIVE", "REDUCE_ONLY"])
async def test_an_approved_exit_that_is_never_sent_is_named_by_the_next_one(tmp_path, state):
    """0.5 BTC; an exit of 0.5 is approved and never sent. The next exit is refused: the message names the
    approval, and `clears_at` is when it lapses, 10 s after it was given; then the exit passes.
    """
    async with desk(tmp_path, balances={"USD": 1_000, "BTC": "0.5"}, prices={BTC: 60_000}) as made:
        if state == "REDUCE_ONLY":
            await made.made.ask("reduce_only", reason="the test")
        first = made.trader.market("SELL", "0.5")
        lapses = (await made.ask(first, dry_run=False)).reserved_until
        again = made.trader.market("SELL", "0.5")
        refused = await made.ask(again)
        assert FUNDS in refused.codes
        for violation in refused.violations:
            assert first["client_order_id"] in violation.message
            assert violation.clears_at == lapses
        await made.wait(10)
        await made.quote(BTC, 60_000, after=0)
        await made.made.until(
            lambda: not made.tracker.ledger.reservations, "the lapse, after one listing"
        )
        assert await made.ask(again)
        assert "APPROVAL_LAPSED" in made.alerts


# -------------------------------------------------------------------- what Coinbase refuses


async def test_a_limit_buy_sized_by_all_cash_is_refused_and_what_is_said_to_pass_is_taken(tmp_path):
    """100,000 USD at a fee of 1.2 %: a limit buy of quote_size 100,000 is refused here as it is there,
    since the fee comes on top; one of 98,814.22 (the most that 100,000 pay) is approved, and taken.
    """
    async with (
        still(
            tmp_path,
            balances={"USD": 100_000},
            prices={BTC: 60_000},
            taker_fee="0.012",
            maker_fee="0.012",
        ) as trader,
        attended(trader) as made,
    ):

        def buy(quote_size: str):
            terms = {"quote_size": quote_size, "limit_price": "50000"}
            return trader.body("BUY", {"limit_limit_gtc": terms}, BTC)

        body = buy("100000")
        assert (await made.ask(body)).codes == (FUNDS,)
        answer = (await trader.call("POST", "/orders", json=body)).json()
        assert answer["error_response"]["error"] == "INSUFFICIENT_FUND"
        assert (await made.ask(buy("98814.23"))).codes == (FUNDS,)
        await approved(made, buy("98814.22"))
        wallet = made.world.exchange.accounts.wallet("USD")
        assert wallet.available >= 0
        assert wallet.held > 99_999


async def test_a_small_market_buy_passes_below_an_own_sell_behind_the_touch(tmp_path):
    """An own sell rests 0.08 % above the touch. A market buy of 0.001 is filled by what is quoted: approved,
    and it does not meet the own order. One of twice what is quoted may reach it: SELF_CROSS.
    """
    async with desk(tmp_path, balances={"USD": 500_000, "BTC": 1}, prices={BTC: 60_000}) as made:
        own = await approved(made, made.trader.limit("SELL", "0.5", "60048"))
        touch = {"bid": "59999.99", "ask": "60000.01", "size": "2"}
        await made.book(BTC, **touch)
        beyond = await made.ask(made.trader.market("BUY", "4"))
        assert beyond.codes == ("SELF_CROSS",)
        assert D(beyond.max_base_size) == 2
        await approved(made, made.trader.market("BUY", "0.001"))
        await made.made.until(lambda: made.made.held("BTC") == D("1.001"), "the fill")
        assert open_orders(made) == {own}
        (order,) = made.tracker.ledger.working.values()
        assert order.filled == 0


async def test_an_order_of_0_0006_usd_sized_in_coins_is_below_the_least(tmp_path):
    """0.00000001 BTC at 60,000 is worth 0.0006 USD, and Coinbase's least is 1 USD: SIZE_OUT_OF_RANGE, as a
    limit and at the market. The exchange refuses the limit order too.
    """
    async with desk(tmp_path, balances={"USD": 1_000, "BTC": 1}, prices={BTC: 60_000}) as made:
        small, enough = "0.00000001", "0.0000167"
        limited = made.trader.limit("BUY", small, "60000")
        for body in (
            limited,
            made.trader.market("BUY", small),
            made.trader.market("SELL", small),
        ):
            assert (await made.ask(body)).codes == ("SIZE_OUT_OF_RANGE",)
        answer = (await made.trader.call("POST", "/orders", json=limited)).json()
        assert answer["success"] is False
        assert await made.ask(made.trader.limit("BUY", enough, "60000"))


# ------------------------------------------------------------- approvals that never appear


async def refused_by_coinbase(made) -> None:
    """An approval whose order the exchange rejects: post-only, and it would cross."""
    terms = {"base_size": "0.001", "limit_price": "61000", "post_only": True}
    body = made.trader.body("BUY", {"limit_limit_gtc": terms}, BTC)
    assert await made.ask(body, dry_run=False)
    answer = (await made.trader.call("POST", "/orders", json=body)).json()
    assert answer["success"] is False


async def lapse(made) -> None:
    """Ten seconds later: approvals that did not appear are looked for, and dropped."""
    await made.quote(BTC, 60_000, after=10)
    await made.made.until(lambda: not made.tracker.ledger.reservations, "the lapse")


async def test_three_rejected_orders_with_seven_seen_between_speak_of_no_other_portfolio(tmp_path):
    """Three approvals lapse after the exchange's rejects, and seven approved orders appear in between, the
    last of them before the third lapses: no KEY_OF_ANOTHER_PORTFOLIO.
    """
    async with desk(tmp_path, balances={"USD": 10_000}, prices={BTC: 60_000}) as made:
        for seen in (3, 2, 2):
            await refused_by_coinbase(made)
            for _ in range(seen):
                await approved(made, made.trader.limit("BUY", "0.001", "50000"))
            await lapse(made)
        assert made.alerts.count("APPROVAL_LAPSED") == 3
        assert "KEY_OF_ANOTHER_PORTFOLIO" not in made.alerts


async def test_three_rejected_orders_in_a_row_speak_of_another_portfolio(tmp_path):
    """The same without any that appears."""
    async with desk(tmp_path, balances={"USD": 10_000}, prices={BTC: 60_000}) as made:
        for _ in range(3):
            await refused_by_coinbase(made)
            await lapse(made)
        assert made.alerts.count("KEY_OF_ANOTHER_PORTFOLIO") == 1
