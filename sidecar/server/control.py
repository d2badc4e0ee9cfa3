"""The operators' verbs of the control socket, beside all methods of the order socket. No I/O.

Each takes a reason, kept with who gave it and when. A verb that takes longer than a moment is
answered when it is done, while others go on.
"""

import asyncio
import pwd
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Answered
from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.limit_settings import NAME_MAX
from sidecar.core.vocabulary.orders import is_identifier
from sidecar.server.answers import Answers
from sidecar.server.error_codes import INVALID_PARAMS
from sidecar.server.protocol import (
    CONTROL_METHODS,
    Halt,
    OrderCall,
    Reasoned,
    ReduceOnly,
    Request,
    RequestError,
    ResetLoss,
    params,
)
from sidecar.server.subscriptions import Peer

REASON_CHARACTERS_MAX: Final = 500

# Each is given the reason and who gave it, `reload` the user as well. Either may raise Misuse, whose text is then the
# answer.
Reload = Callable[[str, str, int], dict[str, Any]]
CancelAll = Callable[[str, str], Awaitable[dict[str, Any]]]
# A task group's `create_task`: it owns the work still under way when the client has gone.
Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Control:
    """Answers requests of the control socket; a listener's `answer`. Its `on_lost` is
    `answers.lost`.
    """

    def __init__(
        self,
        answers: Answers,
        *,
        reload: Reload,
        cancel_all: CancelAll,
        spawn: Spawn,
        settled: Callable[[], asyncio.Future[None] | None] = lambda: None,
    ) -> None:
        """`settled`: done when the facts told are on disk and set in motion; None where they are."""
        self._answers = answers
        self._read_anew = reload
        self._cancel = cancel_all
        self._spawn = spawn
        self._settled = settled
        self._verbs: dict[str, Callable[[int, Any], Any]] = {
            "halt": self._halt,
            "flatten": self._flatten,
            "reduce_only": self._reduce_only,
            "resume": self._resume,
            "reset_loss": self._reset_loss,
            "cancel_all": self._cancel_all,
            "reload": self._reload,
            "confirm_loosening": self._confirm_loosening,
        }

    def __call__(self, peer: Peer, request: Request | OrderCall) -> Any:
        """The result of one request, or the future of one. Raises Wrong, or Misuse where the
        request cannot be met.
        """
        asked = params(request, CONTROL_METHODS)
        verb = self._verbs.get(request.method)
        if verb is None:
            return self._answers.carry_out(peer, request.method, asked)
        if not is_identifier(asked.reason.strip(), REASON_CHARACTERS_MAX):
            text = f"reason: say why, in 1 to {REASON_CHARACTERS_MAX} printable characters"
            raise RequestError(INVALID_PARAMS, text)
        answer = verb(peer.uid, asked)
        settled = None if isinstance(answer, asyncio.Future) else self._settled()
        if settled is None:
            return answer
        later: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def tell(_: object) -> None:
            if not later.done():
                later.set_result(answer)

        settled.add_done_callback(tell)
        return later

    # --- The core's -------------------------------------------------------------------------------

    def _halt(self, uid: int, asked: Halt) -> Any:
        return self._answered(
            ev.HaltRequested(
                at=self._answers.now(),
                reason=asked.reason,
                by=_by(uid),
                abort_liquidation=asked.abort_liquidation,
                cancel_adding=asked.cancel_adding,
            )
        )

    def _flatten(self, uid: int, asked: Reasoned) -> Any:
        now = self._answers.now()
        return self._answered(ev.FlattenRequested(at=now, reason=asked.reason, by=_by(uid)))

    def _reduce_only(self, uid: int, asked: ReduceOnly) -> Any:
        _check_scope(asked.product_id, asked.strategy_id)
        return self._answered(
            ev.ReduceOnlyRequested(
                at=self._answers.now(),
                reason=asked.reason,
                by=_by(uid),
                product_id=asked.product_id,
                strategy_id=asked.strategy_id,
                cancel_adding=asked.cancel_adding,
            )
        )

    def _resume(self, uid: int, asked: Reasoned) -> Any:
        now = self._answers.now()
        return self._answered(ev.ResumeRequested(at=now, reason=asked.reason, by=_by(uid)))

    def _reset_loss(self, uid: int, asked: ResetLoss) -> Any:
        _check_scope(asked.product_id, asked.strategy_id)
        return self._answered(
            ev.LossReset(
                at=self._answers.now(),
                window=asked.window,
                reason=asked.reason,
                by=_by(uid),
                product_id=asked.product_id,
                strategy_id=asked.strategy_id,
            )
        )

    def _confirm_loosening(self, uid: int, asked: Reasoned) -> Any:
        now, by = self._answers.now(), _by(uid)
        return self._answered(ev.LooseningConfirmed(at=now, uid=uid, reason=asked.reason, by=by))

    def _answered(self, event: ev.Event) -> Any:
        actions = self._answers.handle(event)
        answer = next(action for action in actions if isinstance(action, Answered))
        return {
            "done": answer.done,
            "text": answer.text,
            "remaining": answer.remaining,
            "state": self._answers.manager.state.account,
        }

    # --- The daemon's -----------------------------------------------------------------------------

    def _reload(self, uid: int, asked: Reasoned) -> Any:
        return self._read_anew(asked.reason, _by(uid), uid)

    def _cancel_all(self, uid: int, asked: Reasoned) -> Any:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._spawn(_settle(self._cancel(asked.reason, _by(uid)), answer))
        return answer


def _check_scope(product_id: str | None, strategy_id: str | None) -> None:
    """Raises RequestError for two scopes, and for a name that no strategy can have."""
    if product_id is not None and strategy_id is not None:
        raise RequestError(INVALID_PARAMS, "give product_id or strategy_id, not both; or ask twice")
    if strategy_id is not None and not is_identifier(strategy_id, NAME_MAX):
        text = f"strategy_id: 1 to {NAME_MAX} printable characters are needed"
        raise RequestError(INVALID_PARAMS, text)


def _by(uid: int) -> str:
    """The user's name, or the number of one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


async def _settle(work: Awaitable[dict[str, Any]], answer: asyncio.Future[dict[str, Any]]) -> None:
    """Hand over the outcome of the work; a refusal by it is an answer, not a fault."""
    try:
        answer.set_result(await work)
    except (Misuse, RequestError) as refusal:
        answer.set_exception(refusal)
    finally:
        answer.cancel()  # the work was cut off; no effect on an answer that is there
