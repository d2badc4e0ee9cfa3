"""Settings of every test: Hypothesis profiles, and a decimal context that nobody has touched.

`default` explores anew each run, for a developer at the keyboard; `ci` draws the same examples
every time, so that a red main is somebody's change and never luck; `soak` looks as long as is
sensible. No profile has a deadline: an example's time says more about the machine than the law.
"""

import os
from decimal import DefaultContext, setcontext

from hypothesis import HealthCheck, settings

settings.register_profile("default", max_examples=100, deadline=None)
settings.register_profile(
    "ci", max_examples=25, deadline=None, derandomize=True, database=None, print_blob=True
)
settings.register_profile(
    "soak",
    max_examples=5_000,
    stateful_step_count=200,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_runtest_setup() -> None:
    """Each test its own: ccxt leaves its rounding behind in the thread's context."""
    setcontext(DefaultContext.copy())
