"""What is kept of orders that ended: of those without a fill a few bytes, once a thousand others have ended."""

import gc
import tracemalloc

from sidecar.core.account.closed_orders import RECENT_MAX
from tests.decisions import connected
from tests.unit.core.test_ended_orders import opened_and_cancelled


def test_memory_is_flat_after_the_first_thousand():
    """Opened and cancelled, as a maker does all day: some kilobytes each, and a few bytes from then on."""
    world, many = connected(), 2_000
    tracemalloc.start()
    try:
        opened_and_cancelled(world, range(RECENT_MAX + 100))
        gc.collect()
        first, _ = tracemalloc.get_traced_memory()
        opened_and_cancelled(world, range(RECENT_MAX + 100, RECENT_MAX + 100 + many))
        gc.collect()
        then, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert then - first < many * 300
    assert not world.tracker.ledger.working
    assert world.tracker.books.doubts == {}
