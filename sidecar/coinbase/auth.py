"""The key that speaks for the account, and the tokens it signs. Reads one file.

Source: Coinbase Advanced Trade API, "Authentication". The key file is the one that Coinbase's portal
gives out: JSON with `name` (or `id`) and `privateKey`, ECDSA P-256 or Ed25519. Tokens are made by
Coinbase's own SDK, fresh for every call: each is for one method and path, and for two minutes.
"""

import base64
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from coinbase import jwt_generator
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sidecar.core.vocabulary.errors import Misuse

KEY_BYTES_MAX: Final = 16 * 1024
RAW_BYTES: Final = (32, 64)  # an Ed25519 seed, with or without its public key
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class KeyFault(Misuse):
    """A key file that cannot be used. The message names the file and the mend, never the key."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key's name and its secret, which is never printed."""

    name: str = field(repr=False)
    secret: str = field(repr=False)

    def rest_token(self, method: str, url: str) -> str:
        """The bearer token of one call. `url` may have a query; it is not signed."""
        parts = urlsplit(url)
        uri = f"{method} {parts.netloc}{parts.path}"
        return str(jwt_generator.build_rest_jwt(uri, self.name, self.secret))

    def websocket_token(self) -> str:
        """The token of one subscription."""
        return str(jwt_generator.build_ws_jwt(self.name, self.secret))


def load_key(path: Path) -> ApiKey:
    """Read a key file, and see that no other user can.

    Raises:
        KeyFault: missing, readable by others, not of Coinbase's shape, or not a key that signs.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(KEY_BYTES_MAX + 1)
    except OSError as error:
        raise KeyFault(f"{path}: {error.strerror}; name the key file Coinbase gave you") from None
    if mode & OTHERS:
        raise KeyFault(f"{path} is open to others; chmod 600 it")
    if len(content) > KEY_BYTES_MAX:
        raise KeyFault(f"{path} is no key file: it is too large; name the one Coinbase gave you")
    return _parse(path, content)


def _parse(path: Path, content: bytes) -> ApiKey:
    try:
        row = json.loads(content)
        name, secret = row.get("name") or row.get("id"), row.get("privateKey")
    except (ValueError, AttributeError, RecursionError):
        name = secret = None
    if not (isinstance(name, str) and isinstance(secret, str) and name and secret):
        raise KeyFault(f"{path} is not a key file: JSON with name and privateKey is expected")
    secret = secret.replace("\\n", "\n")  # written with escapes by some shells
    if not _signs(secret):
        raise KeyFault(
            f"{path}: privateKey is no ECDSA P-256 or Ed25519 key; download the key file anew"
        )
    return ApiKey(name, secret)


def _signs(secret: str) -> bool:
    """Whether the SDK will be able to sign with it: PEM, or the bare base64 of an Ed25519 key."""
    try:
        if secret.lstrip().startswith("-----BEGIN"):
            key = load_pem_private_key(secret.encode(), password=None)
            if isinstance(key, EllipticCurvePrivateKey):
                return isinstance(key.curve, SECP256R1)
            return isinstance(key, Ed25519PrivateKey)
        return len(base64.b64decode("".join(secret.split()), validate=True)) in RAW_BYTES
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
