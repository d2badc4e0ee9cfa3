"""Tokens of REST requests and websocket subscriptions: JWTs as Coinbase's clients make them. Pure.

Every variant that clients of today send is taken (A.2 and A.3 of the API reference): ES256 and
EdDSA, `uri` or `uris`, any host. A token of a key the exchange made must bear that key's
signature; one of any other key is taken as it stands, so that a bot's own key works here too.
Every other token is `Unauthorized`, and cheaply so.
"""

import binascii
import re
from base64 import urlsafe_b64decode
from typing import Final
from urllib.parse import unquote

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from sidecar.core.vocabulary.errors import Untrusted
from sidecar.paper.service.keys import Key, KeyRing, PublicKey, Scope

TOKEN_CHARS_MAX: Final = 8 * 1024  # ten times the longest that a client sends
NAME_CHARS_MAX: Final = 256
# Coinbase documents none, but takes nbf a few seconds early, and ccxt sends tokens just expired.
LEEWAY_S: Final = 5
# Clients write 120 s. A life near a day is milliseconds by mistake.
LIFE_S_MAX: Final = 86_400
SIGNATURE_BYTES: Final = 64  # of both algorithms: r and s of P-256, or Ed25519's two halves
SCOPES_OF_UNKNOWN: Final = Scope.VIEW | Scope.TRADE

TOKEN: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
ES256: Final = ECDSA(SHA256())


class Unauthorized(Untrusted):
    """A request whose token does not hold. `why` is for our own log and holds no part of it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Header(msgspec.Struct):
    """The part of a JWT's header that matters; the nonce is not insisted on."""

    alg: str
    kid: str


class _Claims(msgspec.Struct):
    """The claims that matter; iss, aud and iat differ among clients and are not insisted on."""

    sub: str
    exp: float
    nbf: float | None = None
    uri: str | None = None
    uris: list[str] | None = None


HEADER: Final = msgspec.json.Decoder(_Header)
CLAIMS: Final = msgspec.json.Decoder(_Claims)


def verify_rest(
    header: str | None, method: str, path: str, keyring: KeyRing, wall_now: float
) -> Key:
    """The key that speaks in a request's `Authorization` header, its value given; UNIX seconds.

    The token must be for this method and path; neither its host nor a query string matters.

    Raises:
        Unauthorized: there is no token, or it does not hold for this request.
    """
    if header is None:  # legacy HMAC keys (CB-ACCESS-KEY …) have none, and are not served
        raise Unauthorized("no Authorization header")
    if len(header) > TOKEN_CHARS_MAX:
        raise Unauthorized("the Authorization header is too long")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("the Authorization header is not a bearer token")
    key, claims = _verify(token.strip(" "), keyring, wall_now)
    uri = _uri(claims)
    if uri is None:
        raise Unauthorized("the token has no uri; it is for a websocket")
    if not _is_for(uri, method, path):
        raise Unauthorized("the token is for another method or path")
    return key


def verify_websocket(jwt: object, keyring: KeyRing, wall_now: float) -> Key:
    """The key that speaks in the `jwt` of a websocket message, of any JSON type; UNIX seconds.

    Raises:
        Unauthorized: it is no token, it does not hold, or it is for a REST request.
    """
    if not isinstance(jwt, str):
        raise Unauthorized("the jwt is missing or not text")
    key, claims = _verify(jwt, keyring, wall_now)
    if _uri(claims) is not None:
        raise Unauthorized("the token has a uri; it is for a REST request")
    return key


def _verify(token: str, keyring: KeyRing, wall_now: float) -> tuple[Key, _Claims]:
    """Cheap refusals come first; the signature, which costs most, last."""
    if len(token) > TOKEN_CHARS_MAX:
        raise Unauthorized("the token is too long")
    parts = TOKEN.fullmatch(token)
    if parts is None:
        raise Unauthorized("the token is not three parts of base64url")
    header, claims, signature = _decode(parts)
    if header.alg not in {"ES256", "EdDSA"}:
        raise Unauthorized("the token's alg is neither ES256 nor EdDSA")
    if header.kid != claims.sub or not _is_name(header.kid):
        raise Unauthorized("the token's kid and sub are not one key name")
    if len(signature) != SIGNATURE_BYTES:
        raise Unauthorized("the token's signature has the wrong length")
    _check_times(claims, wall_now)
    key = keyring.get(header.kid)
    if key is None or key.public is None:
        return Key(header.kid, SCOPES_OF_UNKNOWN), claims
    if key.algorithm != header.alg:
        raise Unauthorized("the token's alg is not its key's")
    signed = token[: parts.end(2)].encode("ascii")
    if not _is_signed(key.public, signature, signed):
        raise Unauthorized("the token's signature is not its key's")
    return key, claims


def _decode(parts: re.Match[str]) -> tuple[_Header, _Claims, bytes]:
    try:
        header = HEADER.decode(_base64(parts[1]))
        claims = CLAIMS.decode(_base64(parts[2]))
        return header, claims, _base64(parts[3])
    except binascii.Error:
        raise Unauthorized("a part of the token is not base64url") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # The cause is dropped, for a decoder's message may hold the text that it could not read.
        raise Unauthorized("the token's header or claims are not as they should be") from None


def _base64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _is_name(text: str) -> bool:
    """A key's name goes into logs and tables: short, and one line of plain characters."""
    return 0 < len(text) <= NAME_CHARS_MAX and text.isascii() and text.isprintable()


def _check_times(claims: _Claims, wall_now: float) -> None:
    """Written so that a value that is not a time, as NaN, is refused."""
    if not claims.exp + LEEWAY_S > wall_now:
        raise Unauthorized("the token has expired")
    if not claims.exp - LIFE_S_MAX <= wall_now:
        raise Unauthorized("the token's exp is more than a day ahead")
    if claims.nbf is not None and not claims.nbf - LEEWAY_S <= wall_now:
        raise Unauthorized("the token's nbf is yet to come")


def _is_signed(public: PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        if isinstance(public, EllipticCurvePublicKey):
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            public.verify(encode_dss_signature(r, s), signed, ES256)
        else:
            public.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _uri(claims: _Claims) -> str | None:
    """The token's request; EdDSA clients write it as a list of one."""
    if claims.uri is not None:
        return claims.uri
    if not claims.uris:
        return None
    if len(claims.uris) > 1:
        raise Unauthorized("the token has more than one uri")
    return claims.uris[0]


def _is_for(uri: str, method: str, path: str) -> bool:
    """Whether `METHOD [scheme://]host/path[?query]` names this method and path."""
    claimed_method, _, address = uri.partition(" ")
    address = address.partition("?")[0]
    if "://" in address:  # ccxt leaves http:// in place when it is pointed at a local server
        address = address.partition("://")[2]
    claimed, wanted = "/" + address.partition("/")[2], path.partition("?")[0]
    same = claimed == wanted or unquote(claimed) == unquote(wanted)
    return claimed_method == method and same
