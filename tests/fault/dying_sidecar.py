"""A sidecar that is killed (−9, by itself) at a step of its flattening: `DIE_AT` counts the facts of it.

Each fact has two such steps: `DIE` is "before" it is taken in, when what the fact before it asked for
may have left, or "after", when what it asks for is on disk and has not left. Prices do not count.
"""

import os
import signal

from sidecar.console.app import main
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action
from sidecar.daemon.engine import Engine

take_in, set_in_motion = Engine._take_in, Engine._set_in_motion
doomed: list[ev.Event] = []
left = int(os.environ["DIE_AT"])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(engine: Engine, event: ev.Event) -> list[Action]:
    global left  # noqa: PLW0603 - one process, one count
    counts = not isinstance(event, ev.Quotes) and (
        engine.manager.liquidator.is_busy or isinstance(event, ev.FlattenRequested)
    )
    left -= counts
    if counts and not left and os.environ["DIE"] == "before":
        die()
    if counts and not left:
        doomed.append(event)
    return take_in(engine, event)


def dying_before_it_leaves(engine: Engine, event: ev.Event, actions: list[Action]) -> None:
    """What it asks for is on disk now."""
    if event in doomed:
        die()
    set_in_motion(engine, event, actions)


Engine._take_in = dying  # type: ignore[method-assign,assignment]
Engine._set_in_motion = dying_before_it_leaves  # type: ignore[method-assign,assignment]

if __name__ == "__main__":
    main()
