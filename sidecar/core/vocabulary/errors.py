"""Every error the sidecar raises on purpose. No I/O.

    SidecarError
    ├── Misuse              the caller's fault: a wrong argument, an impossible request, a faulty file
    │   └── ConfigFault, StateFileError … (raised by the edges)
    └── Untrusted           the outside's fault: Coinbase, a socket or a disk told an impossible fact
        └── UnknownProduct  a fact about a product that was never listed

An order that breaks a rule is not an error: it is a `Decision` with violations.
"""

from collections.abc import Iterator


class SidecarError(Exception):
    """Root of the tree; never raised itself."""


class Misuse(SidecarError):
    """The caller's request cannot be met; the message names the mend."""


class Untrusted(SidecarError):
    """A fact from outside that cannot be true; it was not applied and left every figure as it was."""


class UnknownProduct(Untrusted):
    """A fact names a product that was never listed."""

    def __init__(self, product_id: str) -> None:
        super().__init__(
            f"product {product_id!r} is not listed; write it as Coinbase lists it, as BTC-USD (a library: list it"
            " before facts about it)"
        )
        self.product_id = product_id


def each_of(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Every exception in a group, those in groups within it too."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from each_of(error)
        else:
            yield error
