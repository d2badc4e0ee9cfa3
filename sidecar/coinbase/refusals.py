"""Refusals: which of them mean that the thing asked for does not exist. No I/O.

A proxy or a firewall in front of Coinbase refuses too, and of the key Coinbase says no in the same
form.
"""

from typing import Final

from sidecar.coinbase.rest import CallFailed, Refused
from sidecar.core.vocabulary.errors import Untrusted

BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404
NO_SUCH_ACCOUNT: Final = frozenset({403, 404})
SCOPES: Final = "scope"  # in a refusal that is about the key, and not about the account
ABOUT_FUTURES: Final = ("futur", "fcm", "cfm", "onboard")  # in one that is about the account's


def is_of_no_order(error: Refused) -> bool:
    """An order that no listing has: every 404 is right that there is none, and so is Coinbase where
    it calls the id wrong.
    """
    return error.status == NOT_FOUND or (error.status == BAD_REQUEST and error.is_worded)


def is_of_no_product(error: Refused) -> bool:
    """Coinbase's own word that it lists no such product."""
    return error.status == NOT_FOUND and error.is_worded


def is_of_no_futures(error: CallFailed | Untrusted) -> bool:
    """Coinbase's own word that the account has no futures: it speaks of them, beyond naming the
    address that was asked. A gateway's "Forbidden" or "Not Found" is no word on the account, in any
    form.
    """
    if not isinstance(error, Refused) or error.status not in NO_SUCH_ACCOUNT:
        return False
    said = " ".join(word for word in error.words.lower().split() if "/" not in word)
    return error.is_worded and SCOPES not in said and any(word in said for word in ABOUT_FUTURES)
