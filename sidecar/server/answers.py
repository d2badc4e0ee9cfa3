"""What each method of the order socket does: a request becomes a fact, its answer a result. No I/O.

Source: docs of the order socket's contract; a method takes a row in `protocol.METHODS` and a method
of the same name here.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from sidecar.core import events as ev
from sidecar.core.actions import Action, Decided
from sidecar.server.protocol import (
    INVALID_PARAMS,
    Hello,
    Nothing,
    ReleaseOrder,
    Request,
    ValidateEdit,
    ValidateOrder,
    Wrong,
    params,
)

ON_DISCONNECT: Final = ("nothing",)  # what else may be done comes with liquidation


class Answers:
    """Answers requests. `handle` is the daemon's: it journals the fact and carries out the rest."""

    def __init__(
        self, handle: Callable[[ev.Event], list[Action]], now: Callable[[], datetime]
    ) -> None:
        self._handle = handle
        self._now = now
        self._methods: dict[str, Callable[[Any], Any]] = {
            "validate_order": self._validate_order,
            "validate_edit": self._validate_edit,
            "release_order": self._release_order,
            "hello": self._hello,
            "bye": self._nothing,
            "ping": self._nothing,
        }

    def __call__(self, _connection: object, request: Request) -> Any:
        """The result of one request. Raises Wrong."""
        asked = params(request)
        method = self._methods.get(request.method)
        if method is None:
            raise Wrong(INVALID_PARAMS, f"{request.method} is not served on this socket")
        return method(asked)

    def _validate_order(self, asked: ValidateOrder) -> Any:
        return self._decision(
            ev.OrderProposed(
                at=self._now(),
                body=bytes(asked.order),
                strategy_id=asked.strategy_id,
                dry_run=asked.dry_run,
            )
        )

    def _validate_edit(self, asked: ValidateEdit) -> Any:
        return self._decision(
            ev.EditProposed(
                at=self._now(),
                order_id=asked.order_id,
                client_order_id=asked.client_order_id,
                price=asked.price,
                size=asked.size,
                dry_run=asked.dry_run,
            )
        )

    def _decision(self, event: ev.Event) -> Any:
        decided = next(act for act in self._handle(event) if isinstance(act, Decided))
        return decided.decision.as_dict()

    def _release_order(self, asked: ReleaseOrder) -> Any:
        self._handle(ev.ReservationReleased(at=self._now(), client_order_id=asked.client_order_id))
        return {"released": asked.client_order_id}

    @staticmethod
    def _hello(asked: Hello) -> Any:
        if asked.on_disconnect not in ON_DISCONNECT:
            known = ", ".join(ON_DISCONNECT)
            raise Wrong(INVALID_PARAMS, f"on_disconnect may be {known} only, until there is more")
        return {"name": asked.name, "strategy_id": asked.strategy_id, "grace_s": 30}

    @staticmethod
    def _nothing(_asked: Nothing) -> Any:
        return {}
