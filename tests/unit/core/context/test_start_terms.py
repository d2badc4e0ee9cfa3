"""Terms that bind from a start: other ones wait where limits bind their owner, but for one more custom rule."""

from datetime import timedelta

from msgspec.structs import replace

from sidecar.core.context.start_terms import QueuedTerms, StartTerms, decided

WAIT = timedelta(hours=24)
OLD = StartTerms(keep={"BTC": "1"}, bots={"grid": {"uids": [7]}}, custom=("a:b",))
NEW = StartTerms(keep={"BTC": "2"}, bots={"grid": {"uids": [7]}}, custom=("a:b",))
WAITS = QueuedTerms(terms=NEW, wait=WAIT, uid=7, owners=(0,))


def read(terms):
    return replace(WAITS, terms=terms)


def test_the_same_terms_wait_for_nothing_and_take_back_those_that_did():
    assert decided(OLD, WAITS, read(OLD)) == (OLD, None)


def test_other_terms_are_queued_and_the_old_ones_go_on():
    assert decided(OLD, None, read(NEW)) == (OLD, WAITS)


def test_the_same_ones_keep_their_time_until_they_have_stood():
    waits = replace(WAITS, uid=8, owners=(0, 9))
    assert decided(OLD, waits, read(NEW)) == (OLD, waits)
    assert decided(OLD, replace(waits, stood=True), read(NEW)) == (NEW, None)


def test_the_same_ones_stay_those_of_every_owner_of_their_file():
    waits = replace(WAITS, owners=(8,))
    assert decided(OLD, waits, read(NEW)) == (OLD, replace(WAITS, owners=(0, 8)))


def test_those_that_have_stood_are_no_leave_for_others():
    other = replace(NEW, keep={})
    stood = replace(WAITS, stood=True)
    assert decided(OLD, stood, read(other)) == (OLD, replace(WAITS, terms=other))


def test_one_more_custom_rule_binds_at_once_and_one_less_waits():
    more = replace(OLD, custom=("c:d", "a:b"))
    assert decided(OLD, None, read(more)) == (more, None)
    less = replace(OLD, custom=("c:d",))
    both = replace(OLD, custom=("a:b", "c:d"))
    assert decided(OLD, None, read(less)) == (both, replace(WAITS, terms=less))


def test_the_keys_that_differ_are_named():
    other = StartTerms(strategies="any")
    assert OLD.differing(other) == ("positions.keep", "server.bots", "server.strategies", "limits.custom")  # fmt: skip
    assert OLD.differing(NEW) == ("positions.keep",)
