"""Words for tests of the sockets' methods: a peer that keeps what it is told, and a desk that answers."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec import Raw

from sidecar.core.guards.sessions import Sessions
from sidecar.core.judging.verdict import Proposal
from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action
from sidecar.core.vocabulary.decision import Decision
from sidecar.server.answers import Answers
from sidecar.server.protocol import Early, read
from sidecar.server.subscriptions import Publisher
from tests.scenario import World

Take = Callable[[], list[Action]]  # books a verdict, in place of handling its proposal


class Listening:
    """A connection without a socket."""

    def __init__(self, uid: int = 1000) -> None:
        self.uid = uid
        self.context: Any = None
        self.told: list[dict[str, Any]] = []

    def tell(self, line: bytes) -> None:
        event = json.loads(line)
        assert (event["jsonrpc"], event["method"]) == ("2.0", "event")
        self.told.append(event["params"])

    def topics(self) -> list[str]:
        return [event["topic"] for event in self.told]


def joined(
    manager: RiskManager, sessions: Sessions, publisher: Publisher
) -> Callable[..., list[Action]]:
    """What a daemon's `handle` does, but for the disk."""

    def handle(event: ev.Event, take: Take | None = None) -> list[Action]:
        actions = sessions.handle(event)
        if actions is None:
            actions = manager.handle(event) if take is None else take()
        publisher.tell(event, actions)
        return actions

    return handle


def deciding(
    manager: RiskManager, handle: Callable[..., Any]
) -> Callable[[Proposal], tuple[Decision, Callable[[], Any]]]:
    """A decision, and the call that takes it in, as the engine gives them: what is due comes first."""

    def decide(event: Proposal) -> tuple[Decision, Callable[[], Any]]:
        verdict = manager.decide(event)
        if verdict is None:
            handle(ev.ClockAdvanced(at=event.at))
            verdict = manager.decide(event)
        assert verdict is not None
        return verdict.decision, lambda: handle(event, lambda: manager.commit(verdict))

    return decide


class Desk:
    """A world whose answers are asked for by name, each over a connection."""

    def __init__(self, world: World | None = None, **options: Any) -> None:
        self.world = world or World()
        self.sessions = Sessions(timedelta(seconds=20))
        self.publisher = Publisher(self.world.manager)
        self.facts: list[ev.Event] = []
        inner = joined(self.world.manager, self.sessions, self.publisher)

        def handle(event: ev.Event, take: Take | None = None) -> list[Action]:
            self.facts.append(event)
            return inner(event, take)

        self.handle = handle
        self.answers = Answers(
            self.world.manager,
            handle,
            lambda: self.world.now,
            decide=deciding(self.world.manager, handle),
            sessions=self.sessions,
            publisher=self.publisher,
            **options,
        )

    def ask(self, method: str, peer: Listening | None = None, **given: Any) -> Any:
        return told(self.answers(peer or Listening(), asked(method, **given)))


def told(result: Any) -> Any:
    """What a client gets of it."""
    if isinstance(result, Early):
        result.finish()
        result = result.result
    return json.loads(bytes(result)) if isinstance(result, Raw) else result


def asked(method: str, **given: Any) -> Any:
    """A request as it is read from the wire."""
    return read(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": given}).encode())
