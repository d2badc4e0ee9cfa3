"""Settings of every test: Hypothesis profiles, and a decimal context that nobody has touched.

`default` explores anew each run, for a developer at the keyboard; `ci` draws the same examples
every time, so that a red main is somebody's change and never luck; `soak` looks as long as is
sensible. No profile has a deadline or minds slow examples: an example's time says more about the
machine than the law.
"""

import gc
import os
from collections.abc import Generator
from decimal import DefaultContext, setcontext
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)

settings.register_profile("default", UNTIMED, max_examples=100)
settings.register_profile("ci", UNTIMED, max_examples=25, derandomize=True, database=None)
settings.register_profile("soak", UNTIMED, max_examples=5_000, stateful_step_count=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

TRACED = Path(__file__).parent / "unit" / "core"
WAITING = {"e2e", "fault"}  # directories
STOPPED = pytest.StashKey[list[Coverage]]()
# They tell long histories, and tracing them takes as long as all others together.
LONG = {
    "test_every_attribute_is_saved.py",
    "test_memory_of_ended_orders.py",
    "test_recorded_histories.py",
}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nothing that is collected is garbage: looking for some takes as long as collecting, and again in
    every test that has garbage collected.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files whose tests wait most of the time among the files that compute, so that the test processes leave
    no core idle. The last files compute: a long wait at the end would hold up the whole run.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    waiting = [path for path in files if WAITING & {*path.parts}]
    computing = [path for path in files if path not in {*waiting}]
    share = len(waiting) / (0.7 * len(computing) or 1)
    ordered: list[Path] = []
    for place, path in enumerate(computing):
        ordered += [*waiting[int(place * share) : int((place + 1) * share)], path]
    ordered += [path for path in waiting if path not in {*ordered}]
    items[:] = [item for path in ordered for item in files[path]]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """The core's coverage is that of its own unit tests: what only a law, a command or a whole sidecar
    happens to run has no test that states it, and tracing takes as long as running. Where each line's
    tests are asked for (`--cov-context`), all are traced.
    """
    is_traced = TRACED in item.path.parents and item.path.name not in LONG
    stopped = item.config.stash.setdefault(STOPPED, [])
    if is_traced or item.config.getoption("cov_context", None):
        while stopped:
            stopped.pop().start()
    else:
        # A worker of pytest-xdist has two, and the first goes on where the second alone is stopped.
        while (tracer := Coverage.current()) is not None:
            tracer.stop()
            stopped.append(tracer)
    return (yield)


def pytest_runtest_setup() -> None:
    """Each test its own: ccxt leaves its rounding behind in the thread's context."""
    setcontext(DefaultContext.copy())
