"""How many files, and so connections, a long-running command asks the system for."""

import resource
import sys

import pytest

from sidecar.console import process

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("now", "most", "asked"),
    [
        (1024, 4096, [(4096, 4096)]),
        (1024, 1_048_576, [(65_536, 1_048_576)]),
        (1024, INFINITE, [(65_536, INFINITE)]),
        (4096, 4096, []),
        (100_000, 1_048_576, []),
        (INFINITE, INFINITE, []),
    ],
)
def test_the_limit_is_raised_within_reason_and_never_lowered(monkeypatch, now, most, asked):
    calls = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (now, most))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: calls.append(limits))
    process._raise_file_limit()
    assert calls == asked


@pytest.mark.parametrize("error", [ValueError, OSError])
def test_a_system_that_says_no_is_taken_at_its_word(monkeypatch, error):
    tried = []

    def refuse(_, limits):
        tried.append(limits)
        raise error

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1, 2))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    process._raise_file_limit()
    assert tried == [(2, 2)]


def test_a_platform_without_such_limits_is_left_alone(monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setitem(sys.modules, "resource", None)
    process._raise_file_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
