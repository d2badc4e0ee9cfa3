"""The key file, its tokens, and how often Coinbase may be asked."""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP384R1,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sidecar.coinbase.auth import KeyFault, load_key
from sidecar.coinbase.budget import RESERVE, Budget
from sidecar.coinbase.spare_token import SPARE_LIVES_S, Tokens
from sidecar.paper.service.keys import Scope, new_key

SCOPES = Scope.VIEW | Scope.TRADE


def written(directory, row, mode=0o600):
    path = directory / "key.json"
    path.write_text(row if isinstance(row, str) else json.dumps(row))
    path.chmod(mode)
    return path


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
@pytest.mark.parametrize("field", ["name", "id"])
def test_both_kinds_of_key_sign_for_one_method_and_path(tmp_path, algorithm, field):
    made = new_key(algorithm, SCOPES)
    key = load_key(written(tmp_path, {field: made.key.name, "privateKey": made.private_pem}))
    token = key.rest_token("GET", "https://api.coinbase.com/api/v3/brokerage/accounts?limit=5")
    assert made.key.public is not None
    claims = jwt.decode(token, made.key.public, algorithms=[algorithm])
    assert claims["uri"] == "GET api.coinbase.com/api/v3/brokerage/accounts"
    assert claims["sub"] == made.key.name
    assert "uri" not in jwt.decode(key.websocket_token(), made.key.public, algorithms=[algorithm])


CANCELS = "https://api.coinbase.com/api/v3/brokerage/orders/batch_cancel"


@pytest.fixture
def signer(tmp_path):
    """Signs at a time that the test sets; `claims` reads what it signed."""

    class Signer:
        def __init__(self):
            made, self.unix = new_key("ES256", SCOPES), 1_000.0
            assert isinstance(made.key.public, EllipticCurvePublicKey)
            self.public = made.key.public
            path = written(tmp_path, {"name": made.key.name, "privateKey": made.private_pem})
            self.tokens = Tokens(load_key(path), lambda: self.unix)

        def claims(self, token):
            return jwt.decode(token, self.public, algorithms=["ES256"])

    return Signer()


def test_a_token_that_was_signed_ahead_is_for_its_call_and_is_sent_once(signer):
    signer.tokens.sign_ahead("POST", CANCELS)
    signer.unix += SPARE_LIVES_S
    other = signer.tokens.token("POST", CANCELS.replace("batch_cancel", "edit"))
    first, second = signer.tokens.token("POST", CANCELS), signer.tokens.token("POST", CANCELS)
    assert (
        signer.claims(first)["uri"] == "POST api.coinbase.com/api/v3/brokerage/orders/batch_cancel"
    )
    assert signer.claims(other)["uri"] == "POST api.coinbase.com/api/v3/brokerage/orders/edit"
    assert first != second
    assert signer.claims(second)["uri"] == signer.claims(first)["uri"]


@pytest.mark.parametrize(
    ("later", "is_sent"),
    [(0, True), (SPARE_LIVES_S, True), (SPARE_LIVES_S + 1, False), (-1, False)],
    ids=["at once", "young", "too old", "the clock was set back"],
)
def test_a_token_that_waited_too_long_is_signed_anew(signer, later, is_sent):
    signer.tokens.sign_ahead("POST", CANCELS)
    (spare,) = signer.tokens._spares.values()
    signer.unix += later
    assert (signer.tokens.token("POST", CANCELS) == spare.token) is is_sent


def test_a_bare_ed25519_seed_and_escaped_newlines_are_keys_too(tmp_path):
    seed = base64.b64encode(b"s" * 32).decode()
    assert load_key(written(tmp_path, {"name": "n", "privateKey": seed})).websocket_token()
    pem = new_key("ES256", SCOPES).private_pem.replace("\n", "\\n")
    assert load_key(written(tmp_path, {"name": "n", "privateKey": pem})).websocket_token()


def test_nothing_of_a_key_is_shown(tmp_path):
    made = new_key("ES256", SCOPES)
    key = load_key(written(tmp_path, {"name": made.key.name, "privateKey": made.private_pem}))
    assert made.key.name not in repr(key)
    assert "PRIVATE" not in f"{key!r}{key}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_reach_is_refused_with_the_mend(tmp_path, mode):
    made = new_key("ES256", SCOPES)
    path = written(tmp_path, {"name": "n", "privateKey": made.private_pem}, mode)
    with pytest.raises(KeyFault, match="open to others; chmod 600 it"):
        load_key(path)


@pytest.mark.parametrize(
    "row",
    ["", "{", "[]", "5", "null", "[" * 50_000, {"name": "n"}, {"privateKey": "x"}, {"name": 5, "privateKey": "x"},
     {"name": "n", "privateKey": "secret-that-is-none"}, {"name": "n", "privateKey": "-----BEGIN EC PRIVATE KEY-----"},
     {"name": "n", "privateKey": base64.b64encode(b"short").decode()}, "x" * 20_000],
)  # fmt: skip
def test_what_is_no_key_file_is_refused_and_never_repeated(tmp_path, row):
    with pytest.raises(KeyFault) as caught:
        load_key(written(tmp_path, row))
    assert "key.json" in str(caught.value)
    assert "secret-that-is-none" not in str(caught.value)


def test_a_key_of_another_curve_is_refused_before_it_has_to_sign(tmp_path):
    key = generate_private_key(SECP384R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    with pytest.raises(KeyFault, match="P-256"):
        load_key(written(tmp_path, {"name": "n", "privateKey": pem}))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(KeyFault, match=r"no-such\.json: No such file"):
        load_key(tmp_path / "no-such.json")


def test_the_budget_keeps_a_reserve_for_what_must_not_wait():
    budget = Budget(per_second=10, per_hour=1_000)
    free = 0
    while budget.spend(0.0) == 0:
        free += 1
    assert free == 10 * (1 - RESERVE)
    assert budget.spend(0.0, urgent=True) == 0


def test_calls_that_wait_are_made_in_the_order_they_were_counted():
    budget = Budget(per_second=10, per_hour=1_000)
    waits = [budget.spend(0.0) for _ in range(20)]
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(1.3)  # thirteen beyond the free seven, ten a second


def test_an_urgent_call_goes_before_those_that_wait():
    budget = Budget(per_second=10, per_hour=1_000)
    assert [budget.spend(0.0) for _ in range(100)][-1] > 9
    assert budget.spend(0.0, urgent=True) == 0


def test_an_overdrawn_budget_recovers_with_time():
    budget = Budget(per_second=10, per_hour=1_000)
    for _ in range(90):  # Coinbase itself allows 30 a second
        budget.spend(0.0, urgent=True)
    assert budget.spend(0.0, urgent=True) > 2
    assert budget.spend(10.0) == 0


def test_the_hour_binds_after_the_second():
    budget = Budget(per_second=10, per_hour=100)
    free, wall = 0, 0.0
    while budget.spend(wall) == 0:
        free, wall = free + 1, wall + 0.2
    assert 70 <= free <= 73  # what is not reserved, and what came back meanwhile
