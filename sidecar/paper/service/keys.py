"""API keys of the paper exchange: made in memory, written as key files that Coinbase's SDK loads.

The public halves stay here to check tokens with; a private half exists only until its file has
been written. Sources: A.4 and A.5 of the API reference (names, PEM kinds, scopes).
"""

import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sidecar.core.vocabulary.errors import Misuse

Algorithm = Literal["ES256", "EdDSA"]
PublicKey = EllipticCurvePublicKey | Ed25519PublicKey


class KeyFileError(Misuse):
    """A key file cannot be written; the message names the path and the mend."""


class Scope(Flag):
    """The permissions of a key: read, trade, move money out of its portfolio."""

    VIEW = auto()
    TRADE = auto()
    TRANSFER = auto()


# The permissions of each key file, and how it signs. Bots of today use the first.
KEY_FILES: Final[Mapping[str, tuple[Algorithm, Scope]]] = {
    "key.json": ("ES256", Scope.VIEW | Scope.TRADE),
    "key-ed25519.json": ("EdDSA", Scope.VIEW | Scope.TRADE),
    "key-view.json": ("ES256", Scope.VIEW),
    "key-transfer.json": ("ES256", Scope.VIEW | Scope.TRADE | Scope.TRANSFER),
}


@dataclass(frozen=True, slots=True)
class Key:
    """An API key as the exchange knows it; `public` is None for one it does not know."""

    name: str
    scopes: Scope
    public: PublicKey | None = None

    @property
    def algorithm(self) -> Algorithm | None:
        """How tokens of this key must be signed; None: not known."""
        if self.public is None:
            return None
        return "ES256" if isinstance(self.public, EllipticCurvePublicKey) else "EdDSA"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made, with the private half in the PEM that its file holds."""

    key: Key
    private_pem: str = field(repr=False)


class KeyRing:
    """The keys whose tokens can be checked, by name."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = {key.name: key for key in keys}

    def get(self, name: str) -> Key | None:
        return self._keys.get(name)

    def __len__(self) -> int:
        return len(self._keys)


def new_key(algorithm: Algorithm, scopes: Scope, organization: str | None = None) -> NewKey:
    """Make a key pair, in an organization (a UUID) of its own if none is named."""
    name = f"organizations/{organization or uuid4()}/apiKeys/{uuid4()}"
    private: EllipticCurvePrivateKey | Ed25519PrivateKey
    if algorithm == "ES256":  # SEC1, "BEGIN EC PRIVATE KEY", is what Coinbase's portal gives out
        private, form = generate_private_key(SECP256R1()), PrivateFormat.TraditionalOpenSSL
    else:
        private, form = Ed25519PrivateKey.generate(), PrivateFormat.PKCS8
    pem = private.private_bytes(Encoding.PEM, form, NoEncryption()).decode("ascii")
    return NewKey(Key(name, scopes, private.public_key()), pem)


def write_key_files(directory: Path) -> KeyRing:
    """Make one key for each of `KEY_FILES`, write the files, and return the ring that knows them.

    The directory is made if it is missing. A file that exists is never replaced: it may be the
    only copy of a real key.

    Raises:
        KeyFileError: the directory is open to others, a file exists, or the disk refuses; then
            none of the files is left.
    """
    organization = str(uuid4())
    written: list[Path] = []
    keys: list[Key] = []
    try:
        _private_directory(directory)
        for filename, (algorithm, scopes) in KEY_FILES.items():
            made = new_key(algorithm, scopes, organization)
            _write(directory / filename, made, written)
            keys.append(made.key)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise KeyFileError(_sentence(directory, error)) from None
    return KeyRing(keys)


def _private_directory(directory: Path) -> None:
    """Make it, or see that it is ours alone: others could swap files in one that is not."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o700:
        raise KeyFileError(
            f"{directory} is not for this user alone; chmod 700 it, or name another directory"
        )


def _write(path: Path, made: NewKey, written: list[Path]) -> None:
    content = json.dumps({"name": made.key.name, "privateKey": made.private_pem}, indent=2) + "\n"
    # Private from its first moment: a chmod afterwards would leave a gap. O_EXCL follows no link.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    written.append(path)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(content)


def _sentence(directory: Path, error: OSError) -> str:
    path = error.filename or str(directory)
    if isinstance(error, FileExistsError) and path != str(directory):
        return f"{path} exists; remove it if it is an old paper key, or name another directory"
    return f"{path} cannot be written ({error.strerror}); name a directory of your own"
