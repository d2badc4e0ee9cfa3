"""The facts that subscribers are told of, and when. No I/O: connections are told through
`Peer.tell`.

State, decisions and limits go out with the fact that moved them. Positions go out whole, at most
once in `POSITIONS_EVERY` of the facts' own time: a burst of fills is told once, and its end always.
"""

from collections.abc import Callable, Container, Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol, get_args

from msgspec import to_builtins

from sidecar.core import views
from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.server import protocol

Topic = Literal["state", "decisions", "positions", "limits"]
TOPICS: Final[tuple[str, ...]] = get_args(Topic)

POSITIONS_EVERY: Final = timedelta(milliseconds=250)  # as fast as an eye follows figures
MOVES_POSITIONS: Final = (
    ev.OrderReported,
    ev.FillReported,
    ev.BalancesRead,
    ev.FuturesRead,
    ev.ReservationReleased,
)


class Peer(Protocol):
    """A connection as those who answer it see it. `context` is theirs to use."""

    uid: int
    context: Any

    def tell(self, line: bytes) -> None:
        """Send a line; a client that does not read is dropped."""
        ...


class Publisher:
    """Tells subscribers. Costs almost no time while there are none."""

    def __init__(self, manager: RiskManager) -> None:
        self._manager = manager
        self._peers: dict[str, dict[Peer, None]] = {}  # by topic; a topic without peers is absent
        self._told_at: datetime | None = None  # when positions were last told
        self._moved = False  # and whether they have moved since

    def subscribe(self, peer: Peer, topics: Iterable[str]) -> None:
        """Tell the peer of these topics from now on, and of no others."""
        self.forget(peer)
        for topic in topics:
            self._peers.setdefault(topic, {})[peer] = None

    def tell_how_it_stands(
        self, peer: Peer, topics: Container[str], now: datetime, status: Callable[[], Any]
    ) -> None:
        """Tell the peer the present state of each of these topics: later changes are told from here
        on. Decisions are single facts, without a present state.
        """
        stands: dict[Topic, Callable[[], dict[str, Any]]] = {
            "state": lambda: {"type": "Snapshot", "status": status()},
            "limits": lambda: {"limits": views.limits(self._manager)},
            "positions": lambda: protocol.plainly(views.positions(self._manager, now)),
        }
        for topic, content in stands.items():
            if topic in topics:
                told = {"topic": topic, "at": now, "snapshot": True, **content()}
                peer.tell(protocol.event(told))

    def forget(self, peer: Peer) -> None:
        """The peer listens no more."""
        for topic, peers in list(self._peers.items()):
            peers.pop(peer, None)
            if not peers:
                del self._peers[topic]
        self._moved = self._moved and "positions" in self._peers

    def tell(self, event: ev.Event, actions: Iterable[ac.Action]) -> None:
        """Call it after every fact, with the actions that followed."""
        if not self._peers:
            return
        changed = False  # limits, or those that are queued
        for action in actions:
            match action:
                case ac.Decided():
                    self._decided(event, action)
                case ac.Answered() if isinstance(event, ev.LimitsReplaced):
                    changed = action.done
                case ac.LimitsChanged():
                    changed = True
                case ac.StateChanged() | ac.CauseRaised() | ac.CauseCleared() | ac.Alert():
                    self._send("state", event.at, to_builtins(action))
        if changed:
            self._send("limits", event.at, {"limits": views.limits(self._manager)})
        if isinstance(event, MOVES_POSITIONS):
            self._positions_moved()
        self.flush(event.at)

    def due(self) -> datetime | None:
        """When `flush` has positions to tell, on the clock of the facts."""
        if not self._moved or self._told_at is None:
            return None
        return self._told_at + POSITIONS_EVERY

    def flush(self, now: datetime) -> None:
        """Tell of positions that have moved, if they were not told of just before."""
        last = self._told_at
        if not self._moved or (last is not None and last <= now < last + POSITIONS_EVERY):
            return
        self._told_at, self._moved = now, False
        self._send("positions", now, protocol.plainly(views.positions(self._manager, now)))

    def _decided(self, event: ev.Event, action: ac.Decided) -> None:
        decision = action.decision
        self._send("decisions", event.at, {"decision": decision.as_dict()})
        if decision.reserved_until is not None and not decision.replayed:
            self._positions_moved()

    def _positions_moved(self) -> None:
        self._moved = "positions" in self._peers

    def _send(self, topic: Topic, at: datetime, content: dict[str, Any]) -> None:
        peers = self._peers.get(topic)
        if peers:
            line = protocol.event({"topic": topic, "at": at, **content})
            for peer in tuple(peers):
                peer.tell(line)
