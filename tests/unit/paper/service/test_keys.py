"""Keys of the paper exchange: what a key file holds, and who may read it."""

import json
import stat
import time

import pytest
from coinbase.rest import RESTClient

from sidecar.paper.service.keys import (
    KEY_FILES,
    Key,
    KeyFileError,
    KeyRing,
    Scope,
    new_key,
    write_key_files,
)
from sidecar.paper.service.tokens import verify_rest


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "keys"


def content(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("filename", KEY_FILES)
def test_a_key_file_is_for_its_owner_alone(directory, filename):
    write_key_files(directory)
    assert stat.S_IMODE((directory / filename).stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("filename", "scopes"),
    [
        ("key.json", Scope.VIEW | Scope.TRADE),
        ("key-ed25519.json", Scope.VIEW | Scope.TRADE),
        ("key-view.json", Scope.VIEW),
        ("key-transfer.json", Scope.VIEW | Scope.TRADE | Scope.TRANSFER),
    ],
)
def test_the_sdk_signs_with_every_key_file(directory, filename, scopes):
    keyring = write_key_files(directory)
    path = "/api/v3/brokerage/accounts"
    client = RESTClient(key_file=str(directory / filename), base_url="localhost:8443")
    header = client.set_headers("GET", path)["Authorization"]
    key = verify_rest(header, "GET", path, keyring, time.time())
    assert key.name == content(directory / filename)["name"]
    assert key.scopes == scopes
    assert key is keyring.get(key.name)


def test_a_key_is_named_and_written_as_coinbase_does(directory):
    write_key_files(directory)
    es256, ed25519 = content(directory / "key.json"), content(directory / "key-ed25519.json")
    assert es256["privateKey"].startswith("-----BEGIN EC PRIVATE KEY-----\n")
    assert ed25519["privateKey"].startswith("-----BEGIN PRIVATE KEY-----\n")
    empty, organization, kind, _ = es256["name"].split("/")
    assert (empty, kind) == ("organizations", "apiKeys")
    assert ed25519["name"].startswith(f"organizations/{organization}/apiKeys/")


def test_every_key_is_another():
    one, other = new_key("ES256", Scope.VIEW), new_key("ES256", Scope.VIEW)
    assert one.key.name != other.key.name
    assert one.private_pem != other.private_pem


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_a_key_shows_no_secret(algorithm):
    made = new_key(algorithm, Scope.VIEW)
    assert made.key.algorithm == algorithm
    secret = "".join(made.private_pem.splitlines()[1:-1])
    assert not any(secret[at : at + 8] in repr(made) for at in range(len(secret) - 8))


def test_a_ring_finds_a_key_by_its_name():
    made = new_key("ES256", Scope.VIEW)
    assert KeyRing([made.key]).get(made.key.name) is made.key
    assert KeyRing().get(made.key.name) is None
    assert Key("unknown", Scope.VIEW).algorithm is None


def test_a_file_that_exists_is_never_replaced(directory):
    """It may be the only copy of a real key."""
    directory.mkdir(mode=0o700)
    (directory / "key-view.json").write_text("real")
    with pytest.raises(KeyFileError, match=r"key-view\.json exists; remove it if"):
        write_key_files(directory)
    assert [path.name for path in directory.iterdir()] == ["key-view.json"]
    assert (directory / "key-view.json").read_text() == "real"


def test_a_link_is_not_followed(directory, tmp_path):
    directory.mkdir(mode=0o700)
    (directory / "key.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError, match="exists"):
        write_key_files(directory)
    assert not (tmp_path / "elsewhere").exists()


def test_a_directory_open_to_others_is_refused(directory):
    directory.mkdir()
    directory.chmod(0o750)
    with pytest.raises(KeyFileError, match="is not for this user alone; chmod 700 it"):
        write_key_files(directory)
    assert not list(directory.iterdir())


def test_what_is_no_directory_is_refused(directory):
    directory.touch(mode=0o600)
    with pytest.raises(KeyFileError, match="name a directory of your own"):
        write_key_files(directory)
