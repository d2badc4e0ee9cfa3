"""Every rule's worked example in docs/rules.md is run: it breaks as it says, and what it says passes, passes."""

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.context.settings import Settings
from sidecar.core.judging.rules import RULES
from sidecar.core.value_at_risk.portfolio_risk import RiskFigure
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Decided
from sidecar.core.vocabulary.decision import Decision
from tests.decisions import NoRoom, funded, reloaded
from tests.scenario import D, World, order

EXAMPLES = tomllib.loads((Path(__file__).parents[5] / "docs" / "rule-examples.toml").read_text())[
    "example"
]


class FixedRisk(NoRoom):
    def __init__(self, before: str, after: str) -> None:
        self.known = RiskFigure(D(before), D(after))

    def figure(self, measure, tracker, added, warn_usd):
        return self.known


def no_sundays(order, tracker, now):
    return "not on Sundays" if now.weekday() == 6 else None


def body(text: str) -> Any:
    """An order from its sentence: BUY 0.1 BTC-USD limit 64000 [as NAME]."""
    if text.startswith("{"):
        return json.loads(text)
    words, _, name = text.partition(" as ")
    side, size, product_id, kind, *price = words.split()
    if kind == "market":
        return order("market_market_ioc", side, product_id, name or None, base_size=size)
    return order(
        "limit_limit_gtc", side, product_id, name or None, base_size=size, limit_price=price[0]
    )


def asked(world: World, text: str) -> Decision:
    """The decision on an order from its sentence; with `for NAME` at its end it is that strategy's, with
    `by user UID` that user asks.
    """
    sentence, _, user = text.partition(" by user ")
    sentence, _, strategy = sentence.partition(" for ")
    if not user:
        return world.ask(body(sentence), strategy_id=strategy or None)
    asker = ev.Asker(int(user))
    actions = world.send(ev.OrderProposed, body=body(sentence), asker=asker)
    return next(action.decision for action in actions if isinstance(action, Decided))


def _levels(text: str) -> list[tuple[str, str]]:
    """0.1 at 63990 and 10 at 63900: sizes at prices."""
    return [(price, size) for size, _, price in (one.split() for one in text.split(" and "))]


def tell(world: World, text: str) -> None:  # noqa: C901, PLR0912 - one line a sentence
    """Let a given sentence happen."""
    match text.split():
        case ["quote", product_id, price]:
            before = world.tracker.marks.quotes[product_id].bid
            if world.tracker.marks.confirmed(world.tracker.products[product_id].key) != before:
                world.stand(product_id, before)  # until then: it was no passing tick
            world.quote(product_id, price)
        case ["stand", product_id, price]:
            world.stand(product_id, price)
        case ["hold", size, product_id, "at", price]:
            world.fill("BUY", size, price, product_id=product_id)
        case ["hold", size, product_id, "at", price, "for", strategy]:
            world.fill("BUY", size, price, product_id=product_id, strategy_id=strategy)
        case ["open", side, size, product_id, "limit", price, *whose]:
            terms = {"side": side, "product_id": product_id, "leaves": size, "limit_price": price}
            world.report(f"open {price}", strategy_id=whose[1] if whose else None, **terms)
        case ["sell", size, product_id, "at", price]:
            world.fill("SELL", size, price, product_id=product_id)
        case ["approve", *rest]:
            assert asked(world, " ".join(rest))
        case ["depth", product_id, *levels]:
            bids, asks = " ".join(levels).split(" bid, ")
            world.depth(product_id, bids=_levels(bids), asks=_levels(asks.removesuffix(" offered")))
        case ["wait", seconds, "s"]:
            world.wait(float(seconds))
        case ["product", product_id, flag]:
            changed = msgspec.structs.replace(world.tracker.products[product_id], **{flag: True})
            world.send(ev.ProductsListed, products=(changed,))
        case ["lose", "the", feed, "feed"]:
            world.send(ev.FeedChanged, feed=feed, signal="lost")
        case ["liquidation", "buffer", percent, "%"]:
            world.send(
                ev.FuturesSummaryRead,
                wallet=D(50000),
                buying_power=D(50000),
                liquidation_buffer_percentage=D(percent),
            )
        case ["margin", margin, "USD"]:
            funded(world, margin=margin)
        case ["risk", "from", before, "to", after, "USD"]:
            world.manager.desk.portfolio_risk = FixedRisk(before, after)
        case ["custom", "rule", name]:
            world.manager.desk.custom = (CustomRule(name, no_sundays),)
        case ["halt"]:
            world.send(ev.HaltRequested, reason="the example says so")
        case ["reduce-only"]:
            world.send(ev.ReduceOnlyRequested, reason="the example says so")
        case ["flatten"]:
            world.send(ev.FlattenRequested, reason="the example says so")
        case _:
            raise AssertionError(text)


def world_of(example: dict[str, Any]) -> World:
    given = example.get("given", [])
    settings = Settings(connected="starting" in given)
    limits = tomllib.loads(example.get("limits", ""), parse_float=Decimal)
    world = World(settings=settings, **limits)
    for sentence in given:
        if sentence != "starting":
            tell(world, sentence)
    return world


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["code"])
def test_an_example_breaks_as_it_says(example):
    decision = asked(world_of(example), example["order"])
    found = next(v for v in decision.violations if v.code == example["code"])
    assert found.limit == example.get("limit", found.limit)
    assert found.observed == example.get("observed", found.observed)
    assert found.message


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if "passes" in e], ids=lambda example: example["code"]
)
def test_what_an_example_says_passes_passes(example):
    decision = asked(world_of(example), example["passes"])
    assert example["code"] not in decision.codes
    assert decision, decision.violations


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if "limits" in e], ids=lambda example: example["code"]
)
def test_an_example_of_a_limit_is_judged_the_same_after_a_restart(example):
    """With the reason, when it clears, and the largest size that keeps the limit."""
    world = world_of(example)
    again = reloaded(world)
    again.manager.desk.custom = world.manager.desk.custom
    if isinstance(world.manager.desk.portfolio_risk, FixedRisk):
        again.manager.desk.portfolio_risk = world.manager.desk.portfolio_risk
    for text in (example["order"], example.get("passes", example["order"])):
        one, other = asked(world, text), asked(again, text)
        assert (one.violations, one.warnings, one.max_base_size) == (
            other.violations,
            other.warnings,
            other.max_base_size,
        )


def test_every_rule_has_an_example():
    elsewhere = {
        "UNSUPPORTED_ORDER_TYPE",
        "UNKNOWN_PRODUCT",
        "CUSTOM",
    }  # found before the rules run, or the user's
    codes = {rule.code for rule in RULES} | elsewhere
    assert {e["code"] for e in EXAMPLES} == codes, "it goes into docs/rule-examples.toml"
