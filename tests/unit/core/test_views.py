"""What people and programs see of the account."""

from datetime import timedelta
from typing import Any

import msgspec

from sidecar.core import views
from sidecar.core.guards.sessions import Sessions
from sidecar.core.views import MISSING
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import CONNECTED, StandInRisk, connected, funded, memory, sell_order
from tests.histories import tell
from tests.scenario import FUTURE, START, D, World, limit_order


def status(world):
    return views.status(world.manager, world.now)


def positions(world, key=None):
    seen = views.positions(world.manager, world.now)
    if key is None:
        return seen
    (row,) = [row for row in seen["positions"] if row["key"] == key]
    return row


def part(row, *names):
    return tuple(row[name] for name in names)


def test_value_at_risk_alone_is_what_the_status_says_of_it():
    world = World()
    tell(world)
    world.hold(1)
    assert views.risk_view(world.manager) == status(world)["risk"]


# --- Status ---------------------------------------------------------------------------------------


def test_the_state_comes_with_every_cause_and_its_mend():
    world = World(max_daily_loss="0.01")
    world.hold(1)
    world.stand("BTC-USD", 62000)
    world.send(ev.ReduceOnlyRequested, reason="careful", by="uid 7", product_id="ETH-USD")
    seen = status(world)
    assert (seen["state"], seen["at"]) == ("REDUCE_ONLY", world.now)
    loss, careful = seen["causes"]
    assert part(loss, "code", "scope", "level", "by") == ("DAILY_LOSS", "all", "REDUCE_ONLY", "sidecar")  # fmt: skip
    assert loss["clears_at"] == seen["next_daily_reset"] == START + timedelta(days=1)
    assert "reset-loss daily" in loss["mend"]
    assert part(careful, "code", "scope", "reason", "by", "clears_at", "mend") == (
        "OPERATOR_REDUCE_ONLY", "product:ETH-USD", "careful", "uid 7", None, "resume",
    )  # fmt: skip
    assert careful["since"] == world.now


def test_pnl_adds_up_and_losses_say_what_they_are_taken_of():
    world = World(max_daily_loss="0.1", max_drawdown="5000 USD")
    world.hold(1)
    world.fill("SELL", "0.5", 65000, fee=30)
    world.quote("BTC-USD", 63000)
    seen = status(world)
    assert seen["pnl"] == {"net": -30, "realised": 500, "unrealised": -500, "fees": 30, "funding": 0}  # fmt: skip
    assert (seen["equity"], seen["transfers"]) == (99_970, 100_000)
    assert seen["losses"]["daily"] == {
        "usd": 30, "base": 100_000, "ratio": D("0.0003"), "least_ratio": D("0.0003"),
        "most_ratio": D("0.0003"), "limit": "0.1", "since": START,
        "until": START + timedelta(days=1),
    }  # fmt: skip
    assert seen["losses"]["cumulative"]["limit"] is None
    assert "in 4h" not in seen["losses"]
    assert [loss["until"] for loss in seen["losses"].values()] == [
        *(START + timedelta(days=days) for days in (1, 1, 9)), None, None,
    ]  # fmt: skip
    # At the mark of 64,000 the sale had earned 500, less the fee.
    assert part(seen["losses"]["drawdown"], "usd", "limit") == (500, "5000 USD")


def test_the_fall_within_each_rolling_window_is_shown_from_its_highest():
    windows = [{"window": "240m", "limit": "0.1"}, {"window": "7d", "limit": "0.2"}]
    world = World(max_loss_in=windows)
    world.hold(1)
    world.wait(5)
    world.stand("BTC-USD", 62000)
    losses = status(world)["losses"]
    assert list(losses)[-2:] == ["in 4h", "in 7d"]
    told = part(losses["in 4h"], "usd", "ratio", "least_ratio", "most_ratio", "limit", "since", "until")  # fmt: skip
    assert told == (2000, D("0.02"), D("0.02"), D("0.02"), "0.1", START, None)
    rows = [part(row, "code", "limit", "observed", "used") for row in status(world)["usage"]]
    assert rows == [
        ("MAX_LOSS_IN", "0.1 in 4h", D("0.02"), D("0.2")), ("MAX_LOSS_IN", "0.2 in 7d", D("0.02"), D("0.1")),
    ]  # fmt: skip


def test_a_rolling_window_that_is_new_is_shown_from_its_first_fact_on():
    world = World()
    limits = Limits.model_validate({"max_loss_in": [{"window": "4h", "limit": "0.1"}]})
    world.send(ev.LimitsReplaced, limits=limits)
    assert "in 4h" not in status(world)["losses"]
    world.wait(1)
    assert "in 4h" in status(world)["losses"]


def test_orders_are_counted_and_usage_is_there():
    world = World(max_open_orders=4)
    world.ask(limit_order())
    world.report("o1", base_size="0.1", leaves="0.1", limit_price=63000)
    seen = status(world)
    assert part(seen, "open_orders", "reservations") == (1, 1)
    assert [part(row, "code", "used") for row in seen["usage"]] == [("MAX_OPEN_ORDERS", D("0.5"))]


def test_a_start_says_what_it_waits_for():
    world = World(settings=CONNECTED, products=())
    seen = status(world)
    assert (seen["state"], seen["losses"], seen["next_daily_reset"]) == ("STARTING", None, None)
    assert seen["missing"] == [
        "the list of products",
        "the balances",
        "the open orders",
        "the reconciliation of orders, fills and balances",
        "the market feed is down",
        "the user feed is down",
    ]
    assert seen["feeds"] == {"user": "down", "market": "down", "market_whole_since": None}

    world = World(settings=CONNECTED)
    world.send(ev.FeedChanged, feed="market", signal="connected")
    world.send(ev.FeedChanged, feed="user", signal="connected")
    world.balance("ETH", 1)
    assert status(world)["missing"][:2] == [MISSING["orders"], MISSING["reconciled"]]
    assert status(world)["feeds"]["market_whole_since"] == world.now
    world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
    world.send(ev.AccountReconciled)
    assert status(world)["missing"] == ["REST's word on the price of ETH-USD"]


def may(world):
    found = status(world)["bots_may"]
    return found["add"], found["reduce"], found["why"]


def test_what_a_bot_would_be_told_follows_state_feeds_and_doubts():
    """The word of the headline is that of a refusal: what it says is refused, and nothing else."""
    world = World(settings=CONNECTED, products=())
    assert may(world) == (False, False, "; ".join(status(world)["missing"]))
    world = World(settings=CONNECTED)
    world.balance("USD", 100_000)
    world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
    add, reduce, why = may(world)
    assert (add, reduce) == (False, True)
    assert why == "; ".join(status(world)["missing"])

    world = connected(held=1)
    assert may(world) == (True, True, "")
    assert world.ask(limit_order(), dry_run=True)
    for feed, why in (("market", "the market feed is silent"), ("user", "the user feed is silent")):
        world = connected(held=1)
        world.send(ev.FeedChanged, feed=feed, signal="lost")
        assert may(world) == (False, True, why)
        assert why in [one.message for one in world.ask(limit_order(), dry_run=True).violations]
        assert world.ask(sell_order(), dry_run=True)
    world.send(ev.FeedChanged, feed="user", signal="connected")
    assert may(world) == (False, True, "orders, fills and balances are being read again")


def test_what_a_bot_would_be_told_follows_limits_that_let_nothing_pass():
    hours = {"zone": "UTC", "windows": ["Sat 00:00-24:00"]}
    world = World(trading_hours=hours, max_quote_age_s=86_400)
    add, reduce, why = may(world)
    assert (add, reduce) == (False, True)
    assert why == "it is outside the trading hours, which begin at 2026-11-28 00:00:00 UTC"
    assert not world.ask(limit_order())
    world.wait(to=START + timedelta(days=6))
    assert may(world)[0]

    world = World(max_exit_cost="500 USD")
    world.hold(1)
    add, reduce, why = may(world)
    assert (add, reduce) == (False, True)
    assert why.startswith("max_exit_cost: no depth of BTC-USD is known")
    world.depth("BTC-USD", bids=((63_990, 10),), asks=((64_010, 10),))
    assert may(world) == (True, True, "")


def test_what_a_bot_would_be_told_under_a_cause_names_those_of_the_account_that_bind_most():
    world = connected(held=1)
    world.send(ev.ReduceOnlyRequested, reason="", product_id="BTC-USD")
    assert may(world) == (True, True, "")  # other products pass
    world.send(ev.ReduceOnlyRequested, reason="")
    assert may(world) == (False, True, "OPERATOR_REDUCE_ONLY")
    world.send(ev.HaltRequested, reason="")
    assert may(world) == (False, False, "OPERATOR_HALT")
    world.send(ev.ResumeRequested, reason="")
    world.send(ev.FlattenRequested, reason="")
    assert may(world) == (False, False, "LIQUIDATION")


def test_a_complete_picture_misses_nothing():
    assert status(connected())["missing"] == []


def test_what_coinbase_and_the_books_disagree_on_is_said():
    world = connected()
    world.wait(10)
    world.balance("USD", 90_000)
    world.send(
        ev.FillReported, entry_id="e", order_id="o", product_id="NO-SUCH", side="BUY", price=D(1), size=D(1),
    )  # fmt: skip
    unknown, balance = status(world)["doubts"]
    assert "NO-SUCH" in unknown
    assert balance == (
        "Coinbase shows 10000 less of USD than the books, since 2026-11-22 13:00:10 UTC"
    )


def test_what_no_quote_can_value_is_named():
    world = World()
    world.balance("SHIB", 1000)
    assert status(world)["unvalued"] == ["SHIB"]


def test_portfolio_risk_is_shown_where_somebody_computes_it():
    world = World(max_var="0.1")
    world.manager.desk.portfolio_risk = StandInRisk(2_000)
    seen = status(world)
    figures = {"var": 2_000, "expected_shortfall": 2_000, "stress_loss": 2_000}
    assert seen["risk"] == {**figures, "unavailable": None}
    assert seen["usage"][0]["used"] == D("0.2")
    world.manager.desk.portfolio_risk = StandInRisk(known=False)
    assert status(world)["risk"] == {**dict.fromkeys(figures), "unavailable": "nobody knows"}


# --- Positions ------------------------------------------------------------------------------------


def test_a_position_shows_what_it_is_and_what_it_could_become():
    world = World(keep={"BTC": D("0.5")})
    world.balance("BTC", "1.5", average_entry_price=D(60_000))
    world.fill("BUY", 1, 64000, fee=10)
    world.report("o1", base_size="0.25", leaves="0.25", limit_price=63000)
    world.ask(sell_order("0.5"))
    row = positions(world, "BTC")
    assert row["product_ids"] == ["BTC-EUR", "BTC-USD", "BTC-USDC"]
    assert part(row, "quantity", "average_cost", "mark", "marked_at") == (2, 62_000, 64_000, START)
    assert part(row, "realised", "fees", "funding") == (0, 10, 0)
    assert part(row, "open_buy", "open_sell") == (D("0.25"), D("0.5"))
    assert part(row, "worst_long", "worst_short", "worst_notional") == (D("2.25"), D("1.5"), 144_000)  # fmt: skip
    assert row["keep"] == D("0.5")


def test_one_that_is_closed_still_shows_what_it_earned():
    world = World()
    world.hold(1)
    world.fill("SELL", 1, 64100)
    row = positions(world, "BTC")
    assert part(row, "quantity", "average_cost", "unrealised", "realised") == (0, None, 0, 100)


def test_what_has_no_mark_and_no_product_is_shown_as_it_is():
    world = World(keep={"DOGE": None})
    world.balance("SHIB", 1000)
    row = positions(world, "SHIB")
    assert part(row, "quantity", "mark", "marked_at", "product_ids") == (1000, None, None, [])
    world.balance("DOGE", 5)
    wallets = {row["currency"]: row for row in positions(world)["wallets"]}
    assert part(wallets["DOGE"], "total", "free", "keep") == (5, 0, "all")


def test_wallets_show_what_is_bound_and_what_is_free():
    world = World()
    world.balance("EUR", 100, 20)
    world.ask(limit_order("0.1"))
    world.report("o1", base_size="0.1", leaves="0.1", limit_price=60000)
    wallets = {row["currency"]: row for row in positions(world)["wallets"]}
    assert list(wallets) == ["EUR", "USD"]
    assert part(wallets["EUR"], "total", "free", "held_elsewhere", "value") == (120, 100, 20, 150)
    usd = wallets["USD"]
    assert part(usd, "total", "held", "reserved") == (100_000, D("6072"), D("6476.8"))
    assert usd["free"] == 100_000 - D("6072") - D("6476.8")


def test_orders_and_approvals_are_listed():
    world = World()
    world.report(
        "o1", base_size="0.3", filled="0.1", average_price=60000, limit_price=60000, stop_price=59000,
        client_order_id="mine", strategy_id="s", created_at=START,
    )  # fmt: skip
    body = limit_order("0.1", name="next")
    approved = world.ask(body, strategy_id="s")
    seen = positions(world)
    assert seen["open_orders"] == [
        {
            "order_id": "o1", "client_order_id": "mine", "product_id": "BTC-USD", "side": "BUY", "size": D("0.3"),
            "filled": D("0.1"), "remaining": D("0.2"), "limit_price": 60_000, "stop_price": 59_000, "status": "OPEN",
            "strategy_id": "s", "created_at": START,
        }
    ]  # fmt: skip
    assert seen["reservations"] == [
        {
            "client_order_id": "next", "order_id": "", "product_id": "BTC-USD", "side": "BUY", "base_size": D("0.1"),
            "quote_size": None, "strategy_id": "s", "approved_at": START, "expires_at": approved.reserved_until,
        }
    ]  # fmt: skip


def test_futures_have_a_wallet_of_their_own():
    world = World()
    assert positions(world)["futures_wallet"] is None
    world = funded(world, buying_power=5000, buffer=800)
    world.fill("SELL", 10, 64000, product_id=FUTURE)
    assert positions(world)["futures_wallet"] == {
        "total": 0, "booked": 0, "funding_unpaid": 0, "buying_power": 5000,
        "liquidation_buffer_percentage": 800, "read_at": START,
    }  # fmt: skip
    row = positions(world, FUTURE)
    assert part(row, "quantity", "worst_short", "product_ids") == (D("-0.1"), D("-0.1"), [FUTURE])


# --- The rest -------------------------------------------------------------------------------------


def test_limits_are_as_written_without_what_is_not_set():
    written: dict[str, Any] = {"max_order_notional": "5000", "max_daily_loss": "500 USD", "product": {"BTC-USD": {"max_position_size": "0.5"}}}  # fmt: skip
    assert views.limits(World(**written).manager) == written
    assert Limits.model_validate(views.limits(World(**written).manager)) == Limits(**written)


def test_bots_are_listed_with_those_who_may_still_come_back():
    sessions = Sessions()
    sessions.handle(ev.BotConnected(at=START, name="maker", uid=1000, strategy_id="s"))
    sessions.handle(ev.BotDropped(at=START, name="maker", uid=1000))
    assert views.bots(sessions) == [
        {
            "name": "maker", "uid": 1000, "strategy_id": "s", "on_disconnect": "nothing", "since": START,
            "connections": 0, "dropped_at": START,
        }
    ]  # fmt: skip


def test_every_view_can_be_written_as_json_and_changes_nothing():
    world = funded(connected(held=1, max_daily_loss="0.1", max_order_rate={"count": 1, "window_s": 9}))  # fmt: skip
    world.ask(limit_order())
    before = memory(world)
    assert msgspec.json.encode([status(world), positions(world), views.limits(world.manager)])
    assert memory(world) == before


def test_a_rolling_window_is_shown_from_the_first_fact_on_that_it_counts_from():
    world = World(max_loss_in=[{"window": "4h", "limit": "0.1"}])
    world.hold(1)
    assert "in 4h" in status(world)["losses"]
    two = [{"window": "4h", "limit": "0.1"}, {"window": "8h", "limit": "0.2"}]
    world.manager.desk.use(Limits(max_loss_in=two))
    assert "in 8h" not in status(world)["losses"]
    world.wait(1)
    assert "in 8h" in status(world)["losses"]
