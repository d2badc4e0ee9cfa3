"""How much each user may send."""

from sidecar.server.byte_rate import BURST_BYTES, BYTES_PER_S, ByteRate


def test_a_burst_is_free_and_what_follows_waits_until_it_is_paid_for():
    rate = ByteRate()
    assert rate.spend(1, BURST_BYTES, 100.0) == 0
    assert rate.spend(1, BYTES_PER_S, 100.0) == 1
    assert rate.spend(1, BYTES_PER_S, 100.5) == 1.5
    assert rate.spend(1, 0, 102.0) == 0


def test_each_user_has_its_own_and_no_more_than_a_burst_is_saved_up():
    rate = ByteRate()
    rate.spend(1, BURST_BYTES, 0.0)
    assert rate.spend(1, 1, 0.0) > 0
    assert rate.spend(2, BURST_BYTES, 0.0) == 0
    assert rate.spend(2, BURST_BYTES + BYTES_PER_S, 1_000_000.0) == 1


def test_nobody_waits_longer_than_a_burst_takes_to_fill_again():
    rate = ByteRate()
    rate.spend(1, 100 * BURST_BYTES, 0.0)
    assert rate.spend(1, 1, 0.0) == BURST_BYTES / BYTES_PER_S
    assert rate.spend(1, 0, BURST_BYTES / BYTES_PER_S) == 0
