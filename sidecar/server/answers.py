"""The methods of the order socket: a request becomes a fact, its answer a result. No I/O.

A method takes a row in `protocol.METHODS` and a method of the same name here.
"""

from collections.abc import Callable, Container
from datetime import datetime
from typing import Any, Final, cast, get_args

from msgspec import Raw

from sidecar.core import views
from sidecar.core.context.settings import Settings
from sidecar.core.guards.sessions import Sessions
from sidecar.core.judging.verdict import Proposal
from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Answered
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.limit_settings import NAME_MAX
from sidecar.core.vocabulary.order_reading import parse_order, stated_id
from sidecar.core.vocabulary.orders import InvalidOrder, is_identifier
from sidecar.server.error_codes import INVALID_PARAMS, REFUSED
from sidecar.server.protocol import (
    Early,
    Hello,
    Nothing,
    OrderCall,
    ReleaseOrder,
    Request,
    RequestError,
    Subscribe,
    ValidateClose,
    ValidateEdit,
    ValidateOrder,
    params,
    plainly,
)
from sidecar.server.subscriptions import TOPICS, Peer, Publisher

KEPT_BYTES: Final = 1_024  # of an order that is none; nearly every order has a quarter of it
ON_DISCONNECT: Final = get_args(ev.OnDisconnect)


class Answers:
    """Answers requests of the order socket; a listener's `answer`, with `lost` for its `on_lost`.

    `handle` is the daemon's: it journals the fact and carries out the rest; `decide` gives the decision on a
    proposal, and the call that books it once the answer has left. `manager` and `sessions`
    are only looked at. `outside` gives what the daemon knows beside them for `status`: JSON's kinds.
    Set `stopping` before the listeners stop: the sidecar's own end is no bot's drop.
    """

    def __init__(  # noqa: PLR0913 - each of them answers other questions
        self,
        manager: RiskManager,
        handle: Callable[[ev.Event], list[Action]],
        now: Callable[[], datetime],
        *,
        decide: Callable[[Proposal], tuple[Decision, Callable[[], None]]],
        sessions: Sessions,
        publisher: Publisher,
        outside: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self.manager = manager
        self.handle = handle
        self.decide = decide
        self.now = now
        self.stopping = False
        self._sessions = sessions
        self._publisher = publisher
        self._outside = outside
        self._nameless: set[Peer] = set()  # clients that have asked without a name
        self._methods: dict[str, Callable[[Peer, Any], Any]] = {
            "validate_order": self._validate_order,
            "validate_edit": self._validate_edit,
            "validate_close": self._validate_close,
            "release_order": self._release_order,
            "hello": self._hello,
            "bye": self._bye,
            "ping": self._ping,
            "status": self._status,
            "positions": self._positions,
            "limits": self._limits,
            "subscribe": self._subscribe,
        }

    def __call__(self, peer: Peer, request: Request | OrderCall) -> Any:
        """The result of one request. Raises Wrong."""
        asked = params(request)
        return self._methods[request.method](peer, asked)

    def carry_out(self, peer: Peer, method: str, asked: Any) -> Any:
        """The result of a method whose parameters have been read. Raises Wrong."""
        return self._methods[method](peer, asked)

    def lost(self, peer: Peer) -> None:
        """The connection has ended."""
        self._publisher.forget(peer)
        self._nameless.discard(peer)
        hello: Hello | None = peer.context
        if hello is not None and not self.stopping:
            self.handle(ev.BotDropped(at=self.now(), name=hello.name, uid=peer.uid))

    # --- Orders -----------------------------------------------------------------------------------

    def _validate_order(self, peer: Peer, asked: ValidateOrder) -> Any:
        body = bytes(asked.order)
        unreadable = None if len(body) <= KEPT_BYTES else _shortened(body)
        event = ev.OrderProposed(
            at=self.now(),
            body=body if unreadable is None else b"",
            strategy_id=asked.strategy_id,
            dry_run=asked.dry_run,
            asker=self._asker(peer),
            unreadable=unreadable,
        )
        return self._decision(event)

    def _validate_edit(self, peer: Peer, asked: ValidateEdit) -> Any:
        event = ev.EditProposed(
            at=self.now(),
            order_id=asked.order_id,
            client_order_id=asked.client_order_id,
            price=asked.price,
            size=asked.size,
            dry_run=asked.dry_run,
            asker=self._asker(peer),
        )
        return self._decision(event)

    def _validate_close(self, peer: Peer, asked: ValidateClose) -> Any:
        event = ev.CloseProposed(
            at=self.now(),
            product_id=asked.product_id,
            client_order_id=asked.client_order_id,
            size=asked.size,
            strategy_id=asked.strategy_id,
            dry_run=asked.dry_run,
            asker=self._asker(peer),
        )
        return self._decision(event)

    def _decision(self, event: Proposal) -> Early:
        """Booking it and writing it down takes as long again: the answer leaves first."""
        decision, finish = self.decide(event)
        return Early(Raw(decision.as_json()), finish)

    def _asker(self, peer: Peer) -> ev.Asker:
        hello: Hello | None = peer.context
        if hello is None:
            self._nameless.add(peer)
        return ev.Asker(peer.uid, "" if hello is None else hello.name)

    def _release_order(self, peer: Peer, asked: ReleaseOrder) -> Any:
        """Its own approval only; one that it was given before it said hello is its own."""
        name, asker = asked.client_order_id, self._asker(peer)
        live = self.manager.desk.tracker.ledger.reservations.get(name)
        if live is not None and live.maker == ev.Asker(peer.uid) and peer in self._nameless:
            asker = live.maker
        event = ev.ReservationReleased(at=self.now(), client_order_id=name, asker=asker)
        self._carry_through(event)
        return {"released": asked.client_order_id}

    # --- Sessions ---------------------------------------------------------------------------------

    def _hello(self, peer: Peer, asked: Hello) -> Any:
        """One connection is one bot: the same hello again has no effect."""
        _check_hello(asked, self.manager.settings.may_flatten)
        _check_user(asked, peer.uid, self.manager.settings)
        known: Hello | None = peer.context
        if known is None:
            self._connect(peer, asked)
        elif known != asked:
            text = f"this connection is {known.name}'s, with what it said before; say bye first, or open another"
            raise RequestError(INVALID_PARAMS, text)
        return {
            "name": asked.name,
            "strategy_id": asked.strategy_id,
            "on_disconnect": asked.on_disconnect,
            "grace_s": self._sessions.grace.total_seconds(),
            "state": self.manager.state.account,
        }

    def _connect(self, peer: Peer, asked: Hello) -> None:
        event = ev.BotConnected(
            at=self.now(),
            name=asked.name,
            uid=peer.uid,
            strategy_id=asked.strategy_id,
            on_disconnect=cast("ev.OnDisconnect", asked.on_disconnect),
        )
        self._carry_through(event)
        peer.context = asked

    def _carry_through(self, event: ev.Event) -> None:
        """Raises Wrong where the core will not have it."""
        for action in self.handle(event):
            if isinstance(action, Answered) and not action.done:
                raise RequestError(REFUSED, action.text)

    def _bye(self, peer: Peer, _asked: Nothing) -> Any:
        hello: Hello | None = peer.context
        peer.context = None
        if hello is not None:
            self.handle(ev.BotLeft(at=self.now(), name=hello.name, uid=peer.uid))
        return {}

    @staticmethod
    def _ping(_peer: Peer, _asked: Nothing) -> Any:
        return {}

    # --- Views ------------------------------------------------------------------------------------

    def _status(self, _peer: Peer, _asked: Nothing) -> Any:
        return self._status_now()

    def _status_now(self) -> Any:
        bots = views.bots(self._sessions)
        status = views.status(self.manager, self.now())
        return plainly({**status, "bots": bots, "sidecar": self._outside()})

    def _positions(self, _peer: Peer, _asked: Nothing) -> Any:
        now = self.now()
        return plainly({"at": now, **views.positions(self.manager, now)})

    def _limits(self, _peer: Peer, _asked: Nothing) -> Any:
        return views.limits(self.manager)

    def _subscribe(self, peer: Peer, asked: Subscribe) -> Any:
        """The topics given take the place of those before; none ends it. How they stand is told
        right behind the answer, and before any other event.
        """
        unknown = [topic for topic in asked.topics if topic not in TOPICS]
        if unknown:
            known = ", ".join(TOPICS)
            raise RequestError(INVALID_PARAMS, f"no topic {unknown[0][:40]!r}; there are {known}")
        self._publisher.subscribe(peer, asked.topics)
        answer = {"topics": asked.topics}
        if not asked.snapshot:
            return answer
        tell, now = self._publisher.tell_how_it_stands, self.now()
        return Early(answer, lambda: tell(peer, asked.topics, now, self._status_now))


def _shortened(body: bytes) -> ev.Unreadable | None:
    """The part kept of a long body that is no order; None for an order."""
    try:
        parse_order(body)
    except InvalidOrder as invalid:
        begins = body[:KEPT_BYTES].decode(errors="replace")
        return ev.Unreadable(tuple(invalid.faults), stated_id(body), begins, len(body))
    return None


def _check_user(asked: Hello, uid: int, settings: Settings) -> None:
    """Raises Wrong where the name, or the strategy, is for other users."""
    name, strategy_id = asked.name, asked.strategy_id
    if uid not in settings.bot_uids.get(name, {uid}):
        raise RequestError(REFUSED, f"name: {name!r} is for the users of [server.bots.{name}]")
    if strategy_id is not None and uid not in settings.strategy_uids.get(strategy_id, {uid}):
        text = f"strategy_id: {strategy_id!r} is for the users that [server.bots] names for it"
        raise RequestError(REFUSED, text)


def _check_hello(asked: Hello, may_flatten: Container[str]) -> None:
    """Raises Wrong, naming the parameter."""
    if not is_identifier(asked.name, NAME_MAX):
        raise RequestError(INVALID_PARAMS, f"name: 1 to {NAME_MAX} printable characters are needed")
    if asked.strategy_id is not None and not is_identifier(asked.strategy_id, NAME_MAX):
        raise RequestError(
            INVALID_PARAMS, f"strategy_id: 1 to {NAME_MAX} printable characters are needed"
        )
    if asked.on_disconnect not in ON_DISCONNECT:
        known = ", ".join(ON_DISCONNECT)
        raise RequestError(INVALID_PARAMS, f"on_disconnect may be {known}")
    if asked.on_disconnect == "cancel_orders" and asked.strategy_id is None:
        text = (
            "on_disconnect: cancel_orders needs a strategy_id: it tells which orders are this bot's"
        )
        raise RequestError(INVALID_PARAMS, text)
    if asked.on_disconnect == "flatten" and asked.name not in may_flatten:
        text = "on_disconnect: flatten sells the whole account, and is for the names in [server] may_flatten"
        raise RequestError(REFUSED, f"{text}; add {asked.name!r} there, or choose cancel_orders")
