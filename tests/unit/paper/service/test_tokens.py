"""Tokens: every variant that clients send is taken, and nothing that anybody else sends."""

import base64
import json
import math
import time

import ccxt
import pytest
from coinbase import jwt_generator
from coinbase.rest import RESTClient
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.paper.service.keys import KeyRing, Scope, new_key
from sidecar.paper.service.tokens import (
    LEEWAY_S,
    TOKEN_CHARS_MAX,
    Unauthorized,
    verify_rest,
    verify_websocket,
)

SHARE = settings(max_examples=settings().max_examples // 2)  # soak runs the long form

NOW = 1_767_225_600.0
PATH = "/api/v3/brokerage/orders"
URI = f"POST api.coinbase.com{PATH}"
ES256 = new_key("ES256", Scope.VIEW)
EDDSA = new_key("EdDSA", Scope.VIEW | Scope.TRADE)
RING = KeyRing([ES256.key, EDDSA.key])
OTHERS = new_key("ES256", Scope.VIEW)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(made, signed):
    private = load_pem_private_key(made.private_pem.encode(), None)
    if not isinstance(private, EllipticCurvePrivateKey):
        return private.sign(signed)  # type: ignore[union-attr,call-arg]  # Ed25519
    r, s = decode_dss_signature(private.sign(signed, ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def token(made=ES256, *, header=None, **changed):
    """A token as a client would make it, with some of its claims or its header changed."""
    claims = {"sub": made.key.name, "iss": "cdp", "nbf": NOW, "exp": NOW + 120, "uri": URI}
    claims |= changed
    claims = {name: value for name, value in claims.items() if value is not ...}
    head = {"alg": made.key.algorithm, "typ": "JWT", "kid": made.key.name, "nonce": "00"}
    head |= header or {}
    signed = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{signed}.{b64(sign(made, signed.encode()))}"


def verify(jwt, method="POST", path=PATH, now=NOW):
    return verify_rest(f"Bearer {jwt}", method, path, RING, now)


def refusal(jwt, **request):
    with pytest.raises(Unauthorized) as caught:
        verify(jwt, **request)
    return caught.value.why


# ------------------------------------------------------------------------------------ what is taken


@pytest.mark.parametrize("made", [ES256, EDDSA])
def test_a_known_key_speaks_with_its_own_scopes(made):
    assert verify(token(made)) is made.key


@pytest.mark.parametrize(
    "uri",
    [
        "POST api.coinbase.com/api/v3/brokerage/orders",
        "POST localhost:8443/api/v3/brokerage/orders",
        "POST https://api.coinbase.com/api/v3/brokerage/orders",
        "POST http://127.0.0.1:1234/api/v3/brokerage/orders",
        "POST [::1]:8443/api/v3/brokerage/orders",
        "POST /api/v3/brokerage/orders",
        "POST api.coinbase.com/api/v3/brokerage/orders?limit=1&next=http://x/y",
        "POST api.coinbase.com/api/v3/brokerage%2Forders",
    ],
)
def test_a_uri_names_method_and_path_and_its_host_does_not_matter(uri):
    assert verify(token(uri=uri)) is ES256.key
    assert verify(token(uri=..., uris=[uri])) is ES256.key


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "coinbase-cloud", "aud": ["retail_rest_api_proxy"], "iat": NOW},
        {"iss": ..., "aud": "cdp_service"},
        {"nbf": ...},
        {"nbf": NOW - 5},
        {"nbf": NOW + LEEWAY_S},
        {"exp": NOW - LEEWAY_S + 0.5},
        {"exp": int(NOW) + 1},
        {"uris": None},
    ],
)
def test_what_clients_differ_in_is_not_insisted_on(claims):
    assert verify(token(**claims)) is ES256.key


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_the_scheme_is_read_as_http_does(scheme):
    assert verify_rest(f"{scheme} {token()}", "POST", PATH, RING, NOW) is ES256.key


def test_a_key_of_the_bots_own_is_taken_as_it_stands():
    key = verify(token(OTHERS))
    assert (key.name, key.public) == (OTHERS.key.name, None)
    assert key.scopes == Scope.VIEW | Scope.TRADE


def test_a_query_of_the_request_does_not_matter():
    assert verify(token(), path=f"{PATH}?limit=1") is ES256.key


def test_a_websocket_token_has_no_uri():
    assert verify_websocket(token(uri=...), RING, NOW) is ES256.key
    with pytest.raises(Unauthorized, match="it is for a REST request"):
        verify_websocket(token(), RING, NOW)
    assert refusal(token(uri=...)) == "the token has no uri; it is for a websocket"


# ------------------------------------------------------------------------------------- real clients


@pytest.mark.parametrize("made", [ES256, EDDSA, OTHERS])
def test_the_sdk_is_understood(made):
    client = RESTClient(made.key.name, made.private_pem, base_url="localhost:8443")
    header = client.set_headers("POST", PATH)["Authorization"]
    assert verify_rest(header, "POST", PATH, RING, time.time()).name == made.key.name
    uri = jwt_generator.format_jwt_uri("POST", PATH)
    jwt = jwt_generator.build_rest_jwt(uri, made.key.name, made.private_pem)
    assert verify(jwt, now=time.time()).name == made.key.name
    jwt = jwt_generator.build_ws_jwt(made.key.name, made.private_pem)
    assert verify_websocket(jwt, RING, time.time()).name == made.key.name


@pytest.mark.parametrize("base", ["http://127.0.0.1:1234", "https://api.coinbase.com"])
@pytest.mark.parametrize(("method", "name"), [("POST", "brokerage/orders"), ("GET", "x/{id}")])
def test_ccxt_is_understood(base, method, name):
    exchange = ccxt.coinbase({"apiKey": ES256.key.name, "secret": ES256.private_pem})
    exchange.urls["api"]["rest"] = base
    request = exchange.sign(name, ["v3", "private"], method, {"id": "1", "limit": 2})
    path = "/api/v3/" + name.replace("{id}", "1")
    header = request["headers"]["Authorization"]
    assert verify_rest(header, method, path, RING, time.time()) is ES256.key
    jwt = exchange.create_auth_token(exchange.seconds())
    assert verify_websocket(jwt, RING, time.time()) is ES256.key


def test_ccxt_with_an_ed25519_key_is_understood():
    private = load_pem_private_key(EDDSA.private_pem.encode(), None)
    seed = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    secret = base64.b64encode(seed).decode()
    exchange = ccxt.coinbase({"apiKey": EDDSA.key.name, "secret": secret})
    url = f"https://api.coinbase.com{PATH}?limit=1"
    jwt = exchange.create_auth_token(int(NOW), "GET", url, useEddsa=True)
    assert verify(jwt, method="GET") is EDDSA.key


# ---------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"exp": NOW - LEEWAY_S}, "the token has expired"),
        ({"exp": (NOW + 120) * 1000}, "the token's exp is more than a day ahead"),
        ({"exp": 1e308}, "the token's exp is more than a day ahead"),
        ({"nbf": NOW + LEEWAY_S + 1}, "the token's nbf is yet to come"),
        ({"uri": f"GET api.coinbase.com{PATH}"}, "the token is for another method or path"),
        ({"uri": f"POST api.coinbase.com{PATH}/1"}, "the token is for another method or path"),
        ({"uri": f"POST{PATH}"}, "the token is for another method or path"),
        ({"uri": f"post x{PATH}"}, "the token is for another method or path"),
        ({"uri": ""}, "the token is for another method or path"),
        ({"uri": ..., "uris": []}, "the token has no uri; it is for a websocket"),
        ({"uri": ..., "uris": [URI, URI]}, "the token has more than one uri"),
        ({"sub": OTHERS.key.name}, "the token's kid and sub are not one key name"),
        ({"header": {"kid": OTHERS.key.name}}, "the token's kid and sub are not one key name"),
        ({"sub": "", "header": {"kid": ""}}, "the token's kid and sub are not one key name"),
        ({"sub": "a\nb", "header": {"kid": "a\nb"}}, "the token's kid and sub are not one key name"),
        ({"header": {"alg": "none"}}, "the token's alg is neither ES256 nor EdDSA"),
        ({"header": {"alg": "HS256"}}, "the token's alg is neither ES256 nor EdDSA"),
        ({"header": {"alg": "EdDSA"}}, "the token's alg is not its key's"),
    ],
)  # fmt: skip
def test_a_token_that_does_not_hold_is_refused(changes, why):
    assert refusal(token(**changes)) == why


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": ...},
        {"exp": None},
        {"exp": True},
        {"exp": str(NOW + 120)},
        {"exp": math.nan},
        {"exp": math.inf},
        {"exp": 10**400},
        {"exp": [NOW]},
        {"nbf": "now"},
        {"sub": ...},
        {"sub": 5},
        {"sub": {"a": 1}},
        {"uri": 5},
        {"uri": ..., "uris": URI},
        {"uri": ..., "uris": [5]},
        {"header": {"kid": None}},
        {"header": {"alg": ["ES256"]}},
    ],
)
def test_a_claim_of_another_type_is_refused(claims):
    assert refusal(token(**claims)) == "the token's header or claims are not as they should be"


def test_another_keys_signature_is_refused():
    forged = token(OTHERS, header={"kid": ES256.key.name}, sub=ES256.key.name)
    assert refusal(forged) == "the token's signature is not its key's"
    jwt = token(EDDSA)
    assert refusal(jwt[:-4] + ("AAAA" if jwt[-4:] != "AAAA" else "BBBB")).endswith("not its key's")


def test_every_byte_that_is_signed_matters():
    head, claims, signature = token().split(".")
    longer = b64(base64.urlsafe_b64decode(claims + "==") + b" ")
    assert refusal(f"{head}.{longer}.{signature}") == "the token's signature is not its key's"


@pytest.mark.parametrize("made", [ES256, OTHERS])
@pytest.mark.parametrize("signature", [b"x", b"x" * 63, b"x" * 65])
def test_a_signature_of_another_length_is_refused(made, signature):
    head = token(made).rpartition(".")[0]
    assert refusal(f"{head}.{b64(signature)}") == "the token's signature has the wrong length"


@pytest.mark.parametrize("signature", [bytes(64), b"\xff" * 64])
def test_a_signature_beyond_the_curve_is_refused(signature):
    for made in (ES256, EDDSA):
        head = token(made).rpartition(".")[0]
        assert refusal(f"{head}.{b64(signature)}") == "the token's signature is not its key's"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (None, "no Authorization header"),  # as with the legacy CB-ACCESS headers
        ("", "the Authorization header is not a bearer token"),
        ("Basic dXNlcjpwYXNz", "the Authorization header is not a bearer token"),
        ("Bearer", "the token is not three parts of base64url"),
        ("Bearer a.b", "the token is not three parts of base64url"),
        ("Bearer a.b.c.d", "the token is not three parts of base64url"),
        ("Bearer a.b.é", "the token is not three parts of base64url"),
        ("Bearer a.b.c\n", "the token is not three parts of base64url"),
        ("Bearer a.b.c", "a part of the token is not base64url"),
        ("Bearer " + "a" * 10_000_000, "the Authorization header is too long"),
    ],
)
def test_a_header_that_holds_no_token_is_refused(header, why):
    with pytest.raises(Unauthorized) as caught:
        verify_rest(header, "GET", "/", RING, NOW)
    assert caught.value.why == why


@pytest.mark.parametrize("jwt", [None, 5, b"a.b.c", {"a": 1}, ["x"], "", "x" * 10_000_000])
def test_a_jwt_of_a_message_may_be_anything(jwt):
    with pytest.raises(Unauthorized):
        verify_websocket(jwt, RING, NOW)


@pytest.mark.parametrize("open_with", [b"[", b'{"a":'])
@pytest.mark.parametrize("part", [0, 1])
def test_json_nested_as_deep_as_fits_is_refused(open_with, part):
    parts = token().split(".")
    parts[part] = b64(open_with * (TOKEN_CHARS_MAX // 2 // len(open_with)))
    assert refusal(".".join(parts)) == "the token's header or claims are not as they should be"


def test_a_refusal_holds_nothing_of_the_token():
    made = token(sub="hunter2hunter2")
    why = refusal(made)
    assert not any(part in why for part in ("hunter2", *made.split(".")))
    with pytest.raises(Unauthorized) as caught:
        verify(f"{b64(b'{hunter2')}.{b64(b'{}')}.x")
    assert caught.value.__suppress_context__


# --------------------------------------------------------------------------------------------- laws

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NAMES = st.sampled_from(["alg", "kid", "sub", "exp", "nbf", "uri", "uris", "x"])
OBJECTS = st.dictionaries(NAMES, JSON).map(lambda value: json.dumps(value).encode())


@given(st.none() | st.text() | st.text().map("Bearer {}".format), st.text(), st.text())
@example("Bearer \ud800.b.c", "GET", "/")
def test_whatever_a_header_is_it_is_refused_and_nothing_else_happens(header, method, path):
    with pytest.raises(Unauthorized):
        verify_rest(header, method, path, RING, NOW)


@SHARE
@given(OBJECTS | st.binary(), OBJECTS | st.binary(), st.binary(max_size=70))
def test_whatever_the_parts_are_they_are_refused_and_nothing_else_happens(head, claims, signature):
    with pytest.raises(Unauthorized):
        verify(".".join(map(b64, (head, claims, signature))))


@SHARE
@given(NAMES, JSON)
def test_whatever_one_claim_is_the_token_holds_or_is_refused(name, value):
    for jwt in (token(OTHERS, **{name: value}), token(OTHERS, header={name: value})):
        try:
            key = verify(jwt)
        except Unauthorized:
            continue
        assert key.name == OTHERS.key.name


@given(st.integers(0, 10**6), st.characters())
def test_no_character_of_a_known_keys_token_can_be_changed(at, character):
    """But for the last, whose lowest bits stand for nothing."""
    jwt = token(EDDSA)
    at %= len(jwt) - 1
    if jwt[at] == character:
        return
    with pytest.raises(Unauthorized):
        verify(jwt[:at] + character + jwt[at + 1 :])
