"""Laws of orders nobody asked about, over stories that nobody thought of."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Action,
    Alert,
    CancelOrders,
    CauseRaised,
    FindOrder,
    OrderUnapproved,
)
from tests.decisions import connected, of_kind, pictured, reloaded, restarted
from tests.scenario import D, limit_order, market_order, order

PRICES = {"BTC-USD": 64000, "ETH-USD": 2000}
TOLD = (OrderUnapproved, Alert, CancelOrders, CauseRaised)
ENDED = ("FILLED", "CANCELLED")


class Exchange:
    """What Coinbase knows of each order, and every way it has of saying so."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.said: list[tuple[type[ev.Event], dict[str, Any]]] = []

    def fact(self, order_id: str, how: str) -> tuple[type[ev.Event], dict[str, Any]]:
        one = self.orders[order_id]
        known = {name: one[name] for name in ("order_id", "product_id", "side")}
        name = {"client_order_id": one["client_order_id"]}
        paid = {"filled": one["filled"], "average_price": one["paid_at"]}
        if how == "fill" and one["filled"]:
            told: tuple[type[ev.Event], dict[str, Any]] = (
                ev.FillReported,
                known | {"entry_id": order_id, "size": one["filled"], "price": one["paid_at"]},
            )
        elif how == "sparse":
            told = (ev.OrderReported, known | name | paid | {"status": one["status"]})
        elif how == "row":
            terms = {"base_size": one["size"], "limit_price": one["price"], "created_at": one["at"]}
            told = (ev.OrderReported, known | name | paid | terms | {"status": one["status"]})
        else:
            ended = one["status"] in ENDED
            # Of an order sized in quote currency, what remains is an estimate: here a bad one.
            leaves = D(0) if ended else (one["size"] or D("0.05")) - one["filled"]
            terms = {"leaves": max(D(0), leaves), "limit_price": one["price"]}
            terms |= {"created_at": one["at"], "is_market": one["price"] is None}
            terms["rests"] = one["price"] is not None
            told = (ev.OrderReported, known | name | paid | terms | {"status": one["status"]})
        self.said.append(told)
        return told


class Story:
    """A bot that trades, an exchange that talks, and the sidecar between them."""

    def __init__(self, settings: Settings, *, is_lawful: bool) -> None:
        self.world = connected(settings=settings, held=2)
        self.exchange = Exchange()
        self.is_lawful = is_lawful
        self.heard: list[Action] = []

    def tell(self, kind: type[ev.Event], fields: dict[str, Any]) -> None:
        self.heard += of_kind(self.world.send(kind, **fields), *TOLD, FindOrder)
        self.look_up()

    def look_up(self) -> None:
        """Every look-up is answered truthfully, a moment later."""
        sought = of_kind(self.world.actions, FindOrder)
        self.world.now += timedelta(milliseconds=len(sought))
        for find in sought:
            names = [o for o, one in self.exchange.orders.items() if one["client_order_id"] == find.client_order_id]  # fmt: skip
            answer: tuple[type[ev.Event], dict[str, Any]] = (
                self.exchange.fact(names[0], "row")
                if names
                else (ev.ReservationReleased, {"client_order_id": find.client_order_id, "decision_id": find.decision_id, "reason": "never_arrived"})
            )  # fmt: skip
            self.heard += of_kind(self.world.send(answer[0], **answer[1]), *TOLD, FindOrder)

    def do(self, step: dict[str, Any]) -> None:
        getattr(self, step["do"])(step)

    # --- What may happen ------------------------------------------------------------------------

    def order(self, step: dict[str, Any]) -> None:
        """Ask, and send what was approved, or something smaller and better priced, or nothing."""
        name, price = f"bot-{step['number']}", D(PRICES[step["product_id"]]) * step["near"]
        common = {"product_id": step["product_id"], "side": step["side"], "name": name}
        quote_size = None
        if step["kind"] == "market":
            body, price = market_order(step["size"], **common), None
        elif step["kind"] == "quote":
            quote_size, price = D(PRICES[step["product_id"]]) * step["size"], None
            body = order(
                "market_market_ioc", **common | {"side": "BUY"}, quote_size=str(quote_size)
            )
        else:
            body = limit_order(step["size"], price, **common)
        for product_id, at in PRICES.items():
            self.world.quote(product_id, at)
        approved = self.world.ask(body).approved
        if not (approved or not self.is_lawful) or name in self.names():
            return
        if step["drop"]:
            if approved:
                self.tell(ev.ReservationReleased, {"client_order_id": name})
            if self.is_lawful:
                return
        better = step["better"] if body["side"] == "BUY" else 1 / step["better"]
        self.exchange.orders[f"o{step['number']}"] = {
            "order_id": f"o{step['number']}", "client_order_id": name, "product_id": step["product_id"],
            "side": body["side"], "status": "PENDING", "filled": D(0),
            "size": None if quote_size else step["size"] * step["part"],
            "most": step["size"], "paid_at": D(PRICES[step["product_id"]]) * (1 if price is None else D("0.9") if body["side"] == "BUY" else D("1.1")),
            "price": None if price is None else price * better, "at": self.world.now,
        }  # fmt: skip

    def names(self) -> set[str]:
        return {one["client_order_id"] for one in self.exchange.orders.values()}

    def edit(self, step: dict[str, Any]) -> None:
        """Ask for an edit of what is open, and make it, in part."""
        one = self.exchange.orders.get(f"o{step['number'] % 2}")
        if one is None or one["price"] is None or one["status"] in ENDED:
            return
        size, price = step["size"], D(PRICES[one["product_id"]]) * step["near"]
        decision = self.world.manager.validate_edit(
            order_id=one["order_id"], price=f"{price:f}", size=f"{size:f}"
        )
        if step["drop"] or not (decision.approved or not self.is_lawful):
            return
        better = step["better"] if one["side"] == "BUY" else 1 / step["better"]
        one["size"] = max(one["filled"], size * step["part"])
        one["price"] = price * better

    def trade(self, step: dict[str, Any]) -> None:
        """Something happens at the exchange; nobody is told yet."""
        one = self.exchange.orders.get(f"o{step['number'] % 2}")
        if one is None or one["status"] in ENDED:
            return
        most = one["size"] or one["most"] * D("0.98")
        one["status"] = "OPEN"
        one["filled"] = max(one["filled"], most * step["part"])
        if step["ends"]:
            one["status"] = "FILLED" if one["filled"] == most else "CANCELLED"

    def say(self, step: dict[str, Any]) -> None:
        """Coinbase says something of an order, in one of its ways."""
        order_id = f"o{step['number'] % 2}"
        if order_id in self.exchange.orders:
            self.tell(*self.exchange.fact(order_id, step["how"]))

    def repeat(self, step: dict[str, Any]) -> None:
        """Something said before is said again, late."""
        if self.exchange.said:
            self.tell(*self.exchange.said[step["number"] % len(self.exchange.said)])

    def wait(self, step: dict[str, Any]) -> None:
        self.heard += of_kind(self.world.wait(step["seconds"]), *TOLD, FindOrder)
        self.look_up()

    def restart(self, _step: dict[str, Any]) -> None:
        self.world = pictured(restarted(self.world), held=2)
        self.wait({"seconds": 1})

    def reload(self, _step: dict[str, Any]) -> None:
        self.world = reloaded(self.world)


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def steps(*verbs: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({
        "do": one_of(*verbs), "number": st.integers(0, 3), "product_id": one_of(*PRICES),
        "side": one_of("BUY", "SELL"), "kind": one_of("limit", "limit", "market", "quote"),
        "size": one_of(D("0.01"), D("0.02"), D("0.03")), "near": one_of(D("0.98"), D("0.99"), D("1")),
        "better": one_of(D(1), D("0.999")), "part": one_of(D(1), D("0.75")), "drop": one_of(False, False, False, True),
        "ends": st.booleans(), "how": one_of("frame", "frame", "row", "sparse", "fill"),
        "seconds": one_of(0, 1, 5, 11),
    })  # fmt: skip


ALL = ("order", "order", "edit", "edit", "trade", "say", "say", "say", "repeat", "wait", "restart")
# A story begins with an order and what is said of it, so that the rest has something to befall.
stories = st.builds(
    lambda first, second, rest: [first | {"number": 0}, second | {"number": 0}, *rest],
    steps("order"),
    steps("say"),
    st.lists(steps(*ALL), max_size=40),
)


@given(stories)
def test_what_was_asked_about_and_sent_as_approved_is_never_unapproved(story):
    told = Story(Settings(connected=True, unapproved="cancel"), is_lawful=True)
    for step in story:
        told.do(step)
        assert of_kind(told.heard, OrderUnapproved, CancelOrders) == []


@given(stories, st.sets(st.integers(0, 40)), one_of("alert", "cancel", "reduce_only"))
def test_a_world_saved_and_taken_up_again_says_the_same_as_one_never_stopped(story, stops, answer):
    settings = Settings(connected=True, unapproved=answer)
    never, stopped = Story(settings, is_lawful=False), Story(settings, is_lawful=False)
    for place, step in enumerate(story):
        if place in stops:
            stopped.reload(step)
        never.do(step)
        stopped.do(step)
    assert stopped.heard == never.heard


def test_the_stories_reach_what_they_are_about():
    """Else the laws would hold for want of anything to say."""
    number = dict.fromkeys(("number",), 0)
    base = {"product_id": "BTC-USD", "side": "BUY", "kind": "limit", "size": D("0.01"), "near": D(1), "better": D(1), "part": D(1), "drop": False}  # fmt: skip
    lawful = Story(Settings(connected=True), is_lawful=True)
    lawful.order(base | number)
    lawful.say(number | {"how": "frame"})
    lawful.edit(base | number | {"size": D("0.02")})
    lawful.say(number | {"how": "frame"})
    working = lawful.world.tracker.ledger.working["o0"]
    assert (working.size, working.standing) == (D("0.02"), "judged")
    free = Story(Settings(connected=True), is_lawful=False)
    free.order(base | number | {"drop": True})
    free.say(number | {"how": "row"})
    assert [told.reason for told in of_kind(free.heard, OrderUnapproved)] == [
        "its approval was released"
    ]
