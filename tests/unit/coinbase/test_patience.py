"""What is met again and again is waited for so often, and for so long, and no longer."""

from sidecar.coinbase.patience import KNOWN_MAX, Patience


def test_it_takes_three_looks_and_thirty_seconds() -> None:
    patience = Patience()
    steps = [patience.look("x", wall) for wall in (0, 1, 2, 29.9, 30, 31)]
    assert steps == ["wait"] * 4 + ["give up", "given up"]
    late = Patience()
    assert [late.look("x", wall) for wall in (0, 60, 61)] == ["wait", "wait", "give up"]


def test_what_is_forgotten_or_not_met_any_more_begins_anew() -> None:
    patience = Patience()
    for name in ("x", "y"):
        patience.look(name, 0)
        patience.look(name, 1)
    patience.forget("x")
    assert patience.look("x", 40) == "wait"
    assert patience.look("y", 40) == "give up"
    patience.keep({"x"})
    assert patience.look("y", 50) == "wait"


def test_it_does_not_remember_without_bound() -> None:
    patience = Patience()
    for number in range(KNOWN_MAX + 2):
        patience.look(f"x{number}", 0)
    assert len(patience._looks) == KNOWN_MAX
