"""Sessions: which bots are there, and which have gone without a word. No I/O.

A session is a name and a user id. It lives while any connection of that name and user is up, and for
a grace period after the last one dropped: a bot that is back within it was never gone. `bye` ends
it at once. An order that its user asks about for its strategy, on a connection that gave no name,
shows that the bot lives, and begins its grace anew.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Alert, Answered

GRACE: Final = timedelta(seconds=30)
# The end of a grace wakes the process, which is late by less than this, or the same share of a longer one.
LATE: Final = timedelta(seconds=5)
# A desk has tens of bots, each with a lasting name. One that invents a name for every connection
# must not swell the process nor its snapshot; nor may one user's bots take all the room.
SESSIONS_MAX: Final = 1_000
SESSIONS_PER_UID_MAX: Final = 200


class BotSession(Struct, frozen=True, kw_only=True):
    """One bot. `dropped_at` is when its last connection ended without `bye`; None while one is up."""

    name: str
    uid: int
    since: datetime
    strategy_id: str | None = None
    on_disconnect: ev.OnDisconnect = "nothing"
    connections: int = 1
    dropped_at: datetime | None = None


# Called with each bot that is gone, the time, and the list to add the resulting actions to.
Gone = Callable[[BotSession, datetime, list[Action]], None]


class Sessions:
    """Every bot's session, at most `SESSIONS_MAX`, and of one user `SESSIONS_PER_UID_MAX`. `gone` is told
    of each that went without a word. Past that a new one is refused: a grace is never cut short.
    """

    def __init__(self, grace: timedelta = GRACE, gone: Gone = lambda *_: None) -> None:
        self.grace = grace
        self._on_gone = gone
        self.known: dict[tuple[str, int], BotSession] = {}
        self._due: datetime | None = None

    def handle(self, event: ev.Event) -> list[Action] | None:
        """The actions that follow from the event; None if it is not about a bot's session.

        A hello is answered with `Answered`: not done when there is no room for one more session.
        """
        actions: list[Action] = []
        match event:
            case ev.BotConnected():
                self._connected(event, actions)
            case ev.BotDropped():
                self._disconnected((event.name, event.uid), event.at)
            case ev.BotLeft():
                self._disconnected((event.name, event.uid), None)
            case _:
                return None
        self._note_due()
        return actions

    def heard(self, event: ev.Event) -> None:
        """A bot that asks is not gone. Who gave a name of its own is that bot, and no other."""
        if self._due is None or not isinstance(event, ev.OrderProposed | ev.CloseProposed):
            return
        asker = event.asker
        if asker is None or asker.name or event.strategy_id is None:
            return
        for session in self._dropped():
            if (session.uid, session.strategy_id) == (asker.uid, event.strategy_id):
                self.known[session.name, session.uid] = replace(session, dropped_at=event.at)
        self._note_due()

    def next_due(self) -> datetime | None:
        """When the next grace period ends."""
        return self._due

    def lapse(self, now: datetime) -> list[Action]:
        """End the sessions whose bots were not back within the grace period. One that is found to
        be over for long was none: the clock was set, or the process stood still and could not
        listen. It begins anew.
        """
        actions: list[Action] = []
        grace_s, late = self.grace.total_seconds(), max(LATE, self.grace * (LATE / GRACE))
        for session in self._dropped():
            assert session.dropped_at is not None
            passed = now - session.dropped_at
            if timedelta() <= passed < self.grace:
                continue
            if timedelta() <= passed < self.grace + late:
                self._give_up(session, f"was not back within {grace_s:g} s", now, actions)
            else:
                self.known[session.name, session.uid] = replace(session, dropped_at=now)
        self._note_due()
        return actions

    def restarted(self, now: datetime) -> None:
        """A new process has begun. No connection outlived the old one, and that is no bot's fault:
        every session known gets a whole grace period from now to come back.
        """
        for place, session in self.known.items():
            self.known[place] = replace(session, connections=0, dropped_at=now)
        self._note_due()

    def saved(self) -> list[BotSession]:
        """The sessions that are to survive a restart."""
        return list(self.known.values())

    def restore(self, sessions: Iterable[BotSession]) -> None:
        """Take up the saved sessions, in place of those known."""
        self.known = {(session.name, session.uid): session for session in sessions}
        self._note_due()

    def _connected(self, event: ev.BotConnected, actions: list[Action]) -> None:
        place = (event.name, event.uid)
        known = self.known.get(place)
        if known is None and (full := self._is_full(event.uid)):
            actions.append(Answered(done=False, text=f"{full}; use few and lasting names"))
            return
        self.known[place] = BotSession(
            name=event.name,
            uid=event.uid,
            since=event.at if known is None else known.since,
            strategy_id=event.strategy_id,
            on_disconnect=event.on_disconnect,
            connections=1 if known is None else known.connections + 1,
        )
        way = "is connected" if known is None else "is connected again"
        actions.append(Answered(done=True, text=f"{event.name} {way}"))

    def _is_full(self, uid: int) -> str:
        """Why there is no room for one more bot of this user; empty where there is."""
        if len(self.known) >= SESSIONS_MAX:
            return f"{SESSIONS_MAX} bots have a session already"
        if sum(session.uid == uid for session in self.known.values()) >= SESSIONS_PER_UID_MAX:
            return f"{SESSIONS_PER_UID_MAX} bots of user {uid} have a session already"
        return ""

    def _give_up(self, session: BotSession, why: str, now: datetime, actions: list[Action]) -> None:
        del self.known[session.name, session.uid]
        text = f"bot {session.name!r} of user {session.uid} {why}"
        actions.append(Alert(severity="warning", code="BOT_GONE", text=text))
        self._on_gone(session, now, actions)

    def _disconnected(self, place: tuple[str, int], dropped_at: datetime | None) -> None:
        """One connection less: dropped then, or ended with `bye`."""
        session = self.known.get(place)
        if session is None:
            return
        if session.connections > 1:
            self.known[place] = replace(session, connections=session.connections - 1)
        elif dropped_at is None:
            del self.known[place]
        else:
            self.known[place] = replace(session, connections=0, dropped_at=dropped_at)

    def _dropped(self) -> list[BotSession]:
        return [session for session in self.known.values() if session.dropped_at is not None]

    def _ends_at(self, session: BotSession) -> datetime:
        assert session.dropped_at is not None
        return session.dropped_at + self.grace

    def _note_due(self) -> None:
        self._due = min(map(self._ends_at, self._dropped()), default=None)
