"""What is let through, counted by the second and the hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.paper.service import rate_limit
from sidecar.paper.service.rate_limit import Allowance, RateLimits, TokenBuckets


def passed(admit, count, now):
    """How many of `count` requests at one moment are let through."""
    return sum(admit("source", now).allowed for _ in range(count))


def test_a_key_has_its_requests_each_second():
    limits = RateLimits()
    assert [passed(limits.private, 100, now) for now in (0, 0.5, 1, 10)] == [30, 15, 15, 30]


def test_an_address_has_a_burst_over_its_requests_each_second():
    limits = RateLimits()
    assert [passed(limits.public, 100, now) for now in (0, 1, 2)] == [15, 10, 10]


def test_an_hour_has_its_own_limit():
    limits = RateLimits(private_per_s=0, per_hour=100)
    assert [passed(limits.private, 200, now) for now in (0, 36, 360)] == [100, 1, 9]


def test_a_request_refused_by_one_limit_costs_nothing_of_the_other():
    limits = RateLimits(private_per_s=2, per_hour=5)
    assert [passed(limits.private, 10, now) for now in (0, 1, 2)] == [2, 2, 1]


def test_each_source_has_its_own():
    limits = RateLimits(private_per_s=1)
    assert limits.private("one", 0).allowed
    assert limits.private("two", 0).allowed
    assert not limits.private("one", 0).allowed


def test_websockets_and_their_messages_are_counted_apart():
    limits = RateLimits()
    assert sum(limits.connection("127.0.0.1", 0) for _ in range(20)) == 8
    assert sum(limits.message("127.0.0.1", 0) for _ in range(20)) == 8
    assert limits.connection("127.0.0.1", 0.125)
    assert not limits.message("127.0.0.1", 0.124)


def test_the_headers_say_what_is_left_and_when_all_is():
    limits = RateLimits(private_per_s=2)
    assert limits.private("key", 0).headers() == {
        "x-ratelimit-limit": "2",
        "x-ratelimit-remaining": "1",
        "x-ratelimit-reset": "1",
    }
    limits.private("key", 0)
    assert limits.private("key", 0) == Allowance(allowed=False, limit=2, remaining=0, reset_s=1)


def test_the_tighter_of_two_limits_is_told():
    limits = RateLimits(private_per_s=3, per_hour=4)
    told = [limits.private("key", now) for now in (0, 1, 2, 3, 4)]
    assert [(taken.limit, taken.remaining) for taken in told] == [
        (3, 2),
        (3, 2),
        (4, 1),
        (4, 0),
        (4, 0),
    ]
    assert [taken.allowed for taken in told] == [True, True, True, True, False]


@pytest.mark.parametrize("count", [1, 100_000])
def test_zero_switches_a_limit_off(count):
    limits = RateLimits(private_per_s=0, public_per_s=0, per_hour=0)
    assert passed(limits.private, count, 0) == passed(limits.public, count, 0) == count
    assert limits.private("key", 0).headers() == {}


def test_the_memory_is_bounded_and_forgets_who_was_longest_silent(monkeypatch):
    monkeypatch.setattr(rate_limit, "SOURCES_MAX", 2)
    buckets = TokenBuckets(1, 0.001)
    assert [buckets.admit(source, 0).allowed for source in "abc"] == [True, True, True]
    assert len(buckets) == 2
    assert not buckets.admit("b", 0).allowed
    assert buckets.admit("a", 0).allowed


def test_a_clock_that_goes_back_gives_nothing_away():
    buckets = TokenBuckets(2, 1)
    assert passed(buckets.admit, 5, 100) == 2
    assert passed(buckets.admit, 5, 99) == 0
    assert passed(buckets.admit, 5, 101) == 1


@given(
    limit=st.integers(1, 50),
    per_s=st.sampled_from([0.1, 1, 8, 10, 30, 10_000 / 3600]),
    waits=st.lists(st.floats(0, 2), min_size=1, max_size=200),
    start=st.floats(0, 1e6),
)
def test_no_stretch_of_time_lets_more_through_than_the_limit_and_what_came_back(
    limit, per_s, waits, start
):
    buckets = TokenBuckets(limit, per_s)
    now, through = start, []
    for wait in waits:
        now += wait
        taken = buckets.admit("source", now)
        assert 0 <= taken.remaining < limit
        assert 0 <= taken.reset_s <= limit / per_s + 1
        if taken.allowed:
            through.append(now)
    for first in range(len(through)):
        for last in range(first, len(through)):
            came_back = (through[last] - through[first]) * per_s
            assert last - first + 1 <= limit + came_back + 0.001
