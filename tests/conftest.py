"""Settings of every test: Hypothesis profiles, and a decimal context that nobody has touched.

`default` explores anew each run, for a developer at the keyboard; `ci` draws the same examples
every time, so that a red main is somebody's change and never luck; `soak` looks as long as is
sensible. No profile has a deadline or minds slow examples: an example's time says more about the
machine than the law.
"""

import os
from collections.abc import Iterable
from decimal import DefaultContext, setcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)

settings.register_profile("default", UNTIMED, max_examples=100)
settings.register_profile("ci", UNTIMED, max_examples=25, derandomize=True, database=None)
settings.register_profile("soak", UNTIMED, max_examples=5_000, stateful_step_count=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

UNTRACED = ("property", "fault", "e2e")  # directories whose tests run more than they are about


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """The core's coverage is that of its unit tests: what only a law or a whole sidecar happens to run
    has no test that states it, and tracing them takes as long as running them.
    """
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] in UNTRACED:
            item.add_marker(pytest.mark.no_cover)


def pytest_runtest_setup() -> None:
    """Each test its own: ccxt leaves its rounding behind in the thread's context."""
    setcontext(DefaultContext.copy())
