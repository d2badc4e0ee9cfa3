"""Aligned returns: the same periods for every key, and what stands in where a history is short."""

import numpy as np
import pytest
from msgspec.structs import replace

from sidecar.core.value_at_risk.model import Unavailable
from sidecar.core.value_at_risk.returns import _on_grid, align
from sidecar.core.value_at_risk.settings import ReturnsPolicy
from tests.unit.core.value_at_risk.samples import sample

NOW = 20_000
REFUSE = ReturnsPolicy(length=50, minimum=20)
PROXY = replace(REFUSE, short_history="proxy")
FLOOR = replace(REFUSE, short_history="floor")
KEYS = sample(50, 3)
NONE = dict[str, tuple[int, np.ndarray] | None]()


def logs(returns, end=NOW):
    """A history with these returns that ends with the period before `end`."""
    values = np.concatenate([[5.0], 5.0 + np.cumsum(returns)])
    return end - len(values), values


def aligned(own, proxies=NONE, policy=REFUSE, period=NOW):
    return align(own, proxies, policy, period)


def same(found, *columns):
    return found.shape == (len(columns[0]), len(columns)) and np.allclose(
        found, np.column_stack(columns), rtol=0, atol=1e-12
    )


# --- Without a stand-in ---------------------------------------------------------------------------


def test_keys_stand_in_their_order_and_the_newest_is_last():
    own = {name: logs(KEYS[:, i]) for i, name in enumerate(("SOL", "BTC", "ETH"))}
    assert same(aligned(own), *KEYS.T)


def test_one_key_is_a_matrix_of_one_column():
    assert aligned({"BTC": logs(KEYS[:, 0])}).shape == (50, 1)


def test_no_keys_are_a_matrix_of_none():
    assert aligned({}).shape == (0, 0)


def test_no_more_returns_are_used_than_the_policy_says():
    longer = sample(200, 1)[:, 0]
    assert same(aligned({"BTC": logs(longer)}), longer[-50:])


@pytest.mark.parametrize("end", [NOW - 60, NOW - 51, NOW - 50])
def test_a_history_that_begins_later_tells_nothing(end):
    assert np.isnan(_on_grid(logs(KEYS[:, 0]), 0, 50, end)).all()


def test_as_many_periods_are_used_as_all_keys_share():
    own = {"BTC": logs(KEYS[:, 0]), "NEW": logs(KEYS[-30:, 1])}
    assert same(aligned(own), KEYS[-30:, 0], KEYS[-30:, 1])


def test_the_last_period_may_be_lacking():
    """Yesterday's close of one book is read, of the other not yet."""
    own = {"BTC": logs(KEYS[:, 0]), "ETH": logs(KEYS[:-1, 1], NOW - 1)}
    assert same(aligned(own), KEYS[:-1, 0], KEYS[:-1, 1])


def test_a_key_that_lags_cuts_nobody_s_last_days_off():
    """Else a crash of BTC would not count while ETH's candles cannot be read."""
    own = {"BTC": logs(KEYS[:, 0]), "ETH": logs(KEYS[:-6, 1], NOW - 6)}
    expected = np.concatenate([KEYS[:-6, 1], KEYS[-6:, 0]])
    assert same(aligned(own, {"ETH": own["BTC"]}), KEYS[:, 0], expected)
    with pytest.raises(Unavailable, match="the history of ETH ends 6 periods ago"):
        aligned(own)


def test_a_proxy_that_lags_stands_in_for_nothing_newer():
    own = {"BTC": logs(KEYS[:-2, 0], NOW - 2), "ETH": logs(KEYS[:, 1])}
    with pytest.raises(Unavailable, match="the history of BTC ends 2 periods ago"):
        aligned(own, {"BTC": own["BTC"], "ETH": own["BTC"]})


@pytest.mark.parametrize(("own", "count"), [(None, 0), (logs([]), 0), (logs(KEYS[:19, 0]), 19)])
def test_a_key_with_fewer_returns_than_the_minimum_has_no_figure_and_is_named(own, count):
    with pytest.raises(
        Unavailable, match=f"NEW has {count} returns that move, 20 are needed; trade"
    ):
        aligned({"BTC": logs(KEYS[:, 0]), "NEW": own})


@pytest.mark.parametrize("policy", [REFUSE, PROXY, FLOOR])
@pytest.mark.parametrize("count", [20, 50])
def test_closes_that_never_move_are_a_history_of_zero_returns_where_there_are_enough(policy, count):
    """A stablecoin at its peg is the calmest coin there is, and not one that nobody knows."""
    found = aligned({"PEG": logs(np.zeros(count))}, policy=policy)
    assert same(found, np.zeros(count))
    known = {"BTC": logs(KEYS[:, 0]), "PEG": logs(np.zeros(50))}
    assert same(aligned(known, {"PEG": known["BTC"]}, policy), KEYS[:, 0], np.zeros(50))


def test_a_few_closes_that_never_move_are_no_history():
    """Of a coin that nobody has traded yet; and where another stands in for it, it does so whole."""
    new = logs(np.zeros(19))
    with pytest.raises(Unavailable, match="NEW has 0 returns that move, 20 are needed"):
        aligned({"NEW": new})
    assert same(aligned({"NEW": new}, {"NEW": logs(KEYS[:, 0])}, PROXY), KEYS[:, 0])


def test_a_future_that_never_moves_moves_like_its_underlying():
    """Nobody trades the contract, and what it is a contract of moves every day."""
    own, proxy = {"FUT": logs(np.zeros(50))}, {"FUT": logs(KEYS[:, 0])}
    found = align(own, proxy, REFUSE, NOW, underlying={"FUT": "BTC"})
    assert same(found, KEYS[:, 0])


@pytest.mark.parametrize("policy", [REFUSE, PROXY, FLOOR])
@pytest.mark.parametrize("count", [0, 3, 30, 50])
def test_cash_did_not_move_but_as_its_own_history_says(policy, count):
    """Nothing stands in for it, it cuts no history, and it keeps no figure from being told."""
    own = logs(KEYS[50 - count :, 1]) if count else None
    proxy = {"EUR": logs(KEYS[:, 2])}
    expected = np.concatenate([np.zeros(50 - count), KEYS[50 - count :, 1]])
    found = align({"BTC": logs(KEYS[:, 0]), "EUR": own}, proxy, policy, NOW, cash={"EUR"})
    assert same(found, KEYS[:, 0], expected)
    assert same(align({"EUR": own}, proxy, policy, NOW, cash={"EUR"}), expected)


def test_cash_without_a_history_of_these_days_sets_no_end_to_that_of_the_others():
    """BTC is not read for a few days, which by itself is no fault."""
    btc = logs(KEYS[:-3, 0], NOW - 3)
    for own in (None, logs(KEYS[:-12, 1], NOW - 12)):
        found = align({"EUR": own, "BTC": btc}, NONE, REFUSE, NOW, cash={"EUR"})
        assert same(found[:, 1:], KEYS[:-3, 0])


def test_a_coin_that_stood_still_and_then_moves_has_a_history():
    moved = np.zeros(50)
    moved[-1] = 0.5
    assert same(aligned({"COIN": logs(moved)}), moved)


def test_a_key_without_any_history_is_named_where_nothing_else_is_known():
    with pytest.raises(Unavailable, match="NEW has 0 returns"):
        aligned({"NEW": None})


def test_a_history_that_ended_a_week_ago_still_counts_and_one_day_older_does_not():
    assert same(aligned({"BTC": logs(KEYS[:, 0], NOW - 7)}), KEYS[:, 0])
    with pytest.raises(
        Unavailable, match="the history of BTC ends 8 periods ago: Coinbase has not answered"
    ):
        aligned({"ETH": logs(KEYS[:, 1]), "BTC": logs(KEYS[:, 0], NOW - 8)})


def test_a_proxy_that_ended_long_ago_is_no_help():
    with pytest.raises(Unavailable, match="the history of NEW ends 9 periods ago"):
        aligned({"NEW": None}, {"NEW": logs(KEYS[:, 0], NOW - 9)}, PROXY)


# --- Stand-ins ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "underlying"), [(REFUSE, {"NEW": "BTC"}), (PROXY, {})])
def test_a_stand_in_gives_what_the_key_lacks_and_nothing_else(policy, underlying):
    """With `refuse` only futures are given one: their underlying."""
    own = {"BTC": logs(KEYS[:, 0]), "NEW": logs(KEYS[-5:, 1])}
    expected = np.concatenate([KEYS[:-5, 0], KEYS[-5:, 1]])
    found = align(own, {"NEW": own["BTC"]}, policy, NOW, underlying=underlying)
    assert same(found, KEYS[:, 0], expected)


def test_a_history_that_suffices_takes_what_came_before_from_its_proxy_whatever_the_policy():
    """Else a little of a young coin would cut the history of everything beside it."""
    own = {"BTC": logs(KEYS[:, 0]), "NEW": logs(KEYS[-25:, 1])}
    expected = np.concatenate([KEYS[:-25, 0], KEYS[-25:, 1]])
    assert same(aligned(own, {"NEW": own["BTC"]}, REFUSE), KEYS[:, 0], expected)


def test_a_history_that_ceased_goes_on_as_its_proxy_does_where_one_may():
    dead = logs(KEYS[:-10, 1], NOW - 10)
    expected = np.concatenate([KEYS[:-10, 1], KEYS[-10:, 0]])
    assert same(aligned({"OLD": dead}, {"OLD": logs(KEYS[:, 0])}, PROXY), expected)
    with pytest.raises(Unavailable, match=r'keep.OLD = "all"'):
        aligned({"OLD": dead}, {"OLD": logs(KEYS[:, 0])}, REFUSE)


def test_a_stand_in_gives_the_same_periods_although_it_is_known_further():
    own = {"ETH": logs(KEYS[:-1, 1], NOW - 1), "NEW": None}
    found = aligned(own, {"NEW": logs(KEYS[:, 0])}, PROXY)
    assert same(found, KEYS[:-1, 1], KEYS[:-1, 0])


def test_a_key_without_a_history_of_its_own_moves_like_its_stand_in():
    found = aligned({"NEW": None}, {"NEW": logs(KEYS[:, 0])}, PROXY)
    assert same(found, KEYS[:, 0])


def test_a_few_closes_that_never_move_do_not_run_ahead_of_their_stand_in():
    """At the turn of a day one book is read before the other."""
    own, proxy = {"STILL": logs(np.zeros(9))}, {"STILL": logs(KEYS[:-1, 0], NOW - 1)}
    assert same(aligned(own, proxy, PROXY), KEYS[:-1, 0])


@pytest.mark.parametrize("policy", [PROXY, FLOOR])
@pytest.mark.parametrize("proxy", [logs(np.zeros(50)), None])
def test_a_stand_in_that_never_moves_stands_for_nothing(policy, proxy):
    """Else a coin that nobody knows would have no risk at all."""
    with pytest.raises(Unavailable, match="NEW has 0 returns that move"):
        aligned({"NEW": None}, {"NEW": proxy}, policy)


def test_a_hole_between_own_history_and_stand_in_ends_what_is_shared_and_is_told_so():
    """The stand-in ended six days before the key's own five days begin."""
    own, proxy = {"NEW": logs(KEYS[-5:, 1])}, {"NEW": logs(KEYS[:-12, 0], NOW - 12)}
    with pytest.raises(Unavailable, match="NEW has 5 returns that move"):
        aligned(own, proxy, PROXY)


@pytest.mark.parametrize("behind", [48, 49, 50, 60])
def test_a_stand_in_that_ended_before_all_that_is_wanted_gives_nothing(behind):
    """One return of it may be left, or none."""
    policy = replace(PROXY, minimum=1)
    own = {"NEW": logs(KEYS[-5:, 1])}
    found = aligned(own, {"NEW": logs(KEYS[:, 0], NOW - behind)}, policy)
    assert same(found, KEYS[-5:, 1])


# --- Floors ---------------------------------------------------------------------------------------


def test_a_stand_in_calmer_than_the_floor_is_made_as_loud_as_it():
    calm = KEYS[:, 0] * 0.01
    (column,) = aligned({"NEW": None}, {"NEW": logs(calm)}, FLOOR).T
    assert column.std() == pytest.approx(FLOOR.floor)
    assert column / column[0] == pytest.approx(calm / calm[0])


def test_a_stand_in_louder_than_the_floor_stays_as_it_is():
    loud = KEYS[:, 0] * 100
    assert same(aligned({"NEW": None}, {"NEW": logs(loud)}, FLOOR), loud)


def test_the_floor_makes_own_returns_no_larger():
    own = {"NEW": logs(KEYS[-5:, 1])}
    (column,) = aligned(own, {"NEW": logs(KEYS[:, 0])}, FLOOR).T
    assert column[-5:] == pytest.approx(KEYS[-5:, 1])
    assert np.abs(column[:-5]).max() > np.abs(KEYS[:-5, 0]).max()


def test_a_stand_in_of_one_return_has_no_deviation_to_be_made_larger():
    policy = replace(FLOOR, minimum=1)
    assert same(aligned({"NEW": None}, {"NEW": logs([0.01])}, policy), [0.01])


def test_a_proxy_that_is_told_of_later_than_any_key_stands_in_up_to_the_keys_end():
    """Each return stays with its own period."""
    own = {"NEW": logs(KEYS[20:-1, 1], NOW - 1)}
    stand_in = np.concatenate([KEYS[:20, 0], KEYS[20:-1, 1]])
    assert same(aligned(own, {"NEW": logs(KEYS[:, 0])}), stand_in)


def test_where_the_keys_share_too_little_the_shortest_is_named():
    own = {"BTC": logs(KEYS[:, 0]), "NEW": logs(KEYS[-10:, 1])}
    with pytest.raises(Unavailable, match="NEW has 10 returns that move, 20 are needed"):
        aligned(own, policy=PROXY)
