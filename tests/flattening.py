"""Words of the scenario language for a flattening: what is asked for, and Coinbase's answers to it."""

from collections.abc import Sequence
from typing import Any

from sidecar.core.liquidation.episode import Episode
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Alert, PlaceOrder, ReadAccount
from tests.decisions import CONNECTED, connected, names, of_kind
from tests.scenario import D, World

USD = 100_000


class Flattening:
    """A connected world that is being flattened, and the answers it gets."""

    def __init__(self, world: World | None = None, **held: object) -> None:
        bitcoin = held.pop("BTC", 1)
        self.world = world or connected(held=bitcoin, also=held, settings=CONNECTED)
        self.actions: list[Action] = []
        self.reading = 0

    @property
    def episode(self) -> Episode:
        (episode,) = self.world.manager.liquidator.memory.episodes.values()
        return episode

    @property
    def is_done(self) -> bool:
        return not self.world.manager.liquidator.memory.episodes

    def take(self, actions: list[Action]) -> list[Action]:
        for action in of_kind(actions, ReadAccount):
            self.reading = action.reading
        self.actions = actions
        return actions

    def begin(self) -> list[Action]:
        return self.take(self.world.send(ev.FlattenRequested, reason="enough"))

    def wait(self, seconds: float) -> list[Action]:
        return self.take(self.world.wait(seconds))

    def report(self, order_id: str, **fields: Any) -> list[Action]:
        return self.take(self.world.report(order_id, **fields))

    def read(
        self,
        balances: dict[str, object] | None = None,
        *,
        orders: Sequence[str] = (),
        hold: dict[str, object] | None = None,
        lists_all: bool = True,
        **fields: Any,
    ) -> list[Action]:
        """The account is read: what it holds, what is open. What comes of it."""
        world, holds = self.world, hold or {}
        listed = {"order_ids": tuple(orders), "is_complete": lists_all}
        self.take(world.send(ev.OpenOrdersListed, began_at=world.now, **listed))
        known = {"USD": USD} | (balances or {})
        read = tuple(
            ev.Balance(name, D(known.get(name, 0)), D(holds.get(name, 0)))
            for name in sorted({*known, *holds})
        )
        self.take(world.send(ev.BalancesRead, balances=read, fills_until=world.now))
        fields = {"reading": self.reading, "began_at": world.now} | fields
        return self.take(world.send(ev.AccountRead, **fields))

    @property
    def placed(self) -> list[PlaceOrder]:
        """What the last actions send."""
        return of_kind(self.actions, PlaceOrder)

    def answer(self, name: str, outcome: str, **fields: Any) -> list[Action]:
        return self.take(
            self.world.send(ev.AttemptAnswered, client_order_id=name, outcome=outcome, **fields)
        )

    def fills(self, placed: PlaceOrder, *, price: object = 64000, **fields: Any) -> list[Action]:
        """The order is accepted and filled, whole unless `filled` says less."""
        name, body = placed.client_order_id, placed.body
        (configuration,) = body["order_configuration"].values()
        size = configuration["base_size"]
        self.answer(name, "accepted", order_id=f"id-{name}")
        known = {
            "product_id": body["product_id"], "side": body["side"], "status": "FILLED",
            "client_order_id": name, "filled": size, "average_price": price, "base_size": size,
            "created_at": self.world.now,
        } | fields  # fmt: skip
        return self.report(f"id-{name}", **known)


OPEN: dict[str, Any] = {"side": "BUY", "leaves": "0.1", "base_size": "0.1", "limit_price": 60000}


def begun(BTC: object = 1, **others: object) -> Flattening:  # noqa: N803 - an asset
    """A flattening whose first reading is asked for."""
    flat = Flattening(None, BTC=BTC, **others)
    flat.begin()
    assert names(flat.actions).count("ReadAccount") == 1
    return flat


def selling(btc: object = 1, **changes: Any) -> tuple[Flattening, PlaceOrder]:
    """A flattening that has just sent its one sale."""
    flat = begun(BTC=btc)
    flat.read({"BTC": btc}, **changes)
    (sale,) = flat.placed
    return flat, sale


def size_of(placed: PlaceOrder) -> str:
    (configuration,) = placed.body["order_configuration"].values()
    return str(configuration["base_size"])


def codes(flat: Flattening) -> list[str]:
    return [alert.code for alert in of_kind(flat.actions, Alert)]


def idle(flat: Flattening, rounds: int, balances: dict[str, object], **fields: Any) -> list[float]:
    """So many readings that find the same; the seconds waited before each."""
    waits = []
    for _ in range(rounds):
        flat.read(balances, **fields)
        if of_kind(flat.actions, ReadAccount):
            waits.append(0.0)
            continue
        due = flat.episode.due
        assert due is not None
        waits.append((due - flat.world.now).total_seconds())
        flat.wait(waits[-1])
    return waits
