"""Own rules that raise: in the log at most once a minute each, and in `check` on sample orders."""

import structlog

from sidecar.core.context.custom_rule import CustomRule
from sidecar.daemon.own_rules import RuleFaults, Trials, sample_orders
from tests.scenario import PRODUCTS, World, product


def careless(order, account, now):
    return None if order.limit_price > 0 else "no"


def log_into(lines):
    def keep(_logger, _name, event):
        lines.append(event)
        raise structlog.DropEvent

    return structlog.wrap_logger(structlog.ReturnLogger(), processors=[keep])


def test_a_rule_that_raises_is_logged_at_most_once_a_minute_by_itself():
    lines: list[dict[str, object]] = []
    now = [0.0]
    faults = RuleFaults(log_into(lines), lambda: now[0])
    one, other = CustomRule("one", careless), CustomRule("other", careless)
    for at, rule in ((0.0, one), (1.0, one), (2.0, other), (59.0, one), (60.0, one), (61.0, one)):
        now[0] = at
        faults(rule, TypeError("x"))
    assert [(line["rule"], line["more"]) for line in lines] == [
        ("one", 0),
        ("other", 0),
        ("one", 2),
    ]
    assert lines[0]["fault"] == "TypeError: x"
    assert str(lines[0]["at"]).startswith(__file__)


def tried(function, follow=("BTC-USD",), **options):
    trials, world = Trials(), World(**options)
    world.manager.desk.custom = (CustomRule("mine", function, on_raise=trials.note),)
    before = world.tracker.version
    found = trials.run(world.manager, follow)
    assert not world.tracker.ledger.reservations
    return found, before


def test_check_tells_on_which_orders_a_rule_raises_and_where():
    (finding,), _ = tried(careless)
    assert (finding.severity, finding.code) == ("critical", "CUSTOM_RULE")
    assert "mine raises TypeError: " in finding.text
    line = careless.__code__.co_firstlineno + 1
    assert (
        f"{__file__}:{line}, on a market buy, a market sell, a quote-sized buy of BTC-USD"
        in finding.text
    )


def test_a_rule_that_judges_every_order_is_no_finding():
    seen = []
    found, _ = tried(lambda order, account, now: seen.append(order), follow=("ETH-USD",))
    assert found == []
    assert {order.product_id for order in seen} == {"ETH-USD"}
    assert [order.is_market for order in seen] == [True, True, False, True]
    assert [order.quote_size is not None for order in seen] == [False, False, False, True]


def test_faults_of_a_rule_are_told_apart():
    def odd(order, account, now):
        if order.side == "SELL":
            raise ValueError("sells")
        raise KeyError("buys")

    found, _ = tried(odd)
    assert len(found) == 2


def test_where_no_product_is_listed_no_rule_is_tried():
    assert tried(careless, products=())[0] == []
    assert tried(careless, follow=("NO-USD",), products=(product("ETH-USD"),))[0] == []


def test_sample_orders_can_be_read_for_every_product():
    for one in PRODUCTS:
        assert len(sample_orders(one, "100")) == 4
