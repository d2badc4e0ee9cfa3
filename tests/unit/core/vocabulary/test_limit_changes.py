"""Each key that differs between two files of limits: where, which way, from what to what."""

from sidecar.core.vocabulary.limit_changes import LimitChange, changes
from sidecar.core.vocabulary.limits import Limits

BEFORE = Limits(
    max_order_notional=5000,
    max_daily_loss="0.05",
    max_drawdown="500 USD",
    max_order_rate={"count": 3, "window_s": 10},
    product={"BTC-USD": {"max_order_size": 1}, "GONE-USD": {"no_adding": True}},
    strategy={"grid": {"budget": 100}},
    shadow={"max_leverage": 2},
    loosen_after="24h",
)
AFTER = Limits(
    max_order_notional="7000",
    max_daily_loss="0.02",
    max_order_rate={"count": 2, "window_s": 5},
    product={"BTC-USD": {"max_order_size": "0.5"}},
    strategy={"grid": {"budget": 100}, "my own": {"budget": 1}},
    shadow={"max_leverage": 3},
    loosen_after="1d",
    block_products=["XRP-USD"],
)
FOUND = [
    ("looser", "max_order_notional 5000 → 7000"),
    ("other", 'max_order_rate {"count":3,"window_s":"10"} → {"count":2,"window_s":"5"}'),
    ("tighter", "max_daily_loss 0.05 → 0.02"),
    ("looser", "max_drawdown 500 USD → not set"),
    ("tighter", 'block_products [] → ["XRP-USD"]'),
    ("tighter", 'product."BTC-USD".max_order_size 1 → 0.5'),
    ("looser", 'product."GONE-USD" {"no_adding":true} → not set'),
    ("tighter", 'strategy."my own" not set → {"budget":"1"}'),
    ("looser", "shadow.max_leverage 2 → 3"),
]


def test_each_key_that_differs_is_told_with_its_way():
    assert [(one.way, str(one)) for one in changes(BEFORE, AFTER)] == FOUND


def test_the_other_way_round_each_way_is_the_other():
    turned = {"tighter": "looser", "looser": "tighter", "other": "other"}
    back = [one.way for one in changes(AFTER, BEFORE)]
    assert sorted(back) == sorted(turned[way] for way, _ in FOUND)


def test_the_same_limits_written_otherwise_do_not_differ():
    assert changes(BEFORE, Limits.model_validate(BEFORE.model_dump())) == ()


def test_a_whole_table_of_shadow_limits_is_one_change():
    (found,) = changes(Limits(), Limits(shadow={"max_var": "0.1"}))
    expected = LimitChange(path="shadow", way="tighter", before="not set", after='{"max_var":"0.1"}')  # fmt: skip
    assert found == expected


def test_one_more_name_where_only_listed_names_may_add_is_looser():
    new = Limits(strategy={"grid": {}, "more": {}})
    (found,) = changes(Limits(strategy={"grid": {}}), new, lambda name: name == "grid")
    assert (found.path, found.way) == ("strategy.more", "looser")
