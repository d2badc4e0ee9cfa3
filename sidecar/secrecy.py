"""Text with all that resembles a key or a token struck out, from any source."""

import re
from itertools import pairwise
from typing import Final

STRUCK: Final = "[secret]"
WRITTEN: Final = re.compile(
    r"-----BEGIN[^-]*PRIVATE KEY-----.*?(-----END[^-]*-----|$)"  # a PEM
    r"|eyJ[\w-]{10,}\.[\w-]{10,}(\.[\w-]*)?",  # a JWT
    re.DOTALL,
)
# The bare base64 of a key: an Ed25519 seed has 44 characters, a line of a PEM 64.
BASE64: Final = re.compile(r"[A-Za-z0-9+/]{32,}={0,2}")
# Of base64 some 0.63 of the neighbours are of another class, of words and of names in paths up to 0.35.
TURNS_MIN: Final = 0.38
CLASSES: Final = (str.isupper, str.islower, str.isdigit)


def without_tokens(text: str) -> str:
    """Without PEM keys and tokens. A text that is only long and random may be the id of an order."""
    return WRITTEN.sub(STRUCK, text)


def struck(text: str) -> str:
    """Without all that resembles a key."""
    return BASE64.sub(
        lambda found: STRUCK if _is_random(found[0]) else found[0], without_tokens(text)
    )


def looks_secret(text: str) -> bool:
    """Whether a key or a token is in it."""
    return struck(text) != text


def _is_random(text: str) -> bool:
    """Whether letters of both cases and digits follow each other as in no word and no path. A slash
    divides the names of a path, and is no part of them.
    """
    kinds = [next((n for n, is_one in enumerate(CLASSES) if is_one(char)), 3) for char in text]
    beside = [
        before != after
        for (before, after), chars in zip(pairwise(kinds), pairwise(text), strict=True)
        if "/" not in chars
    ]
    return {0, 1, 2} <= set(kinds) and sum(beside) >= TURNS_MIN * len(beside)
