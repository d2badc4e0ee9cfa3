"""Errors: what was raised together can be told apart."""

from sidecar.core.vocabulary.errors import Misuse, Untrusted, each_of


def test_every_error_of_a_group_is_found_however_deep():
    one, two, three = Misuse("one"), Untrusted("two"), ValueError("three")
    group = ExceptionGroup("all", [one, ExceptionGroup("some", [two, three])])
    assert list(each_of(group)) == [one, two, three]
