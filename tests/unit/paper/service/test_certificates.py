"""TLS as clients meet it: whoever trusts the authority is served, and trusts nothing else by it."""

import asyncio
import os
import ssl
import tempfile
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.x509.oid import ExtensionOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from sidecar.paper.service.certificates import BACKDATED, LIFE, make_authority

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


@pytest.fixture(scope="module")
def authority():
    return make_authority(datetime.now(UTC))


@pytest.fixture
def ca_file(authority, tmp_path):
    (path := tmp_path / "ca.pem").write_bytes(authority.ca_pem)
    return str(path)


def certificate(pem):
    return x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE") :])


async def answer(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER)
    await writer.drain()
    writer.close()


@asynccontextmanager
async def serving(authority, host="127.0.0.1"):
    server = await asyncio.start_server(answer, host, 0, ssl=authority.server_context())
    async with server:
        yield server.sockets[0].getsockname()[1]


def get(url, ca_file):
    with requests.Session() as session:
        session.trust_env = False  # the machine may have a proxy or a bundle of its own
        return session.get(url, verify=ca_file or True, timeout=10).text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_requests_is_served_when_it_trusts_the_authority(authority, ca_file, host):
    async with serving(authority) as port:
        assert await asyncio.to_thread(get, f"https://{host}:{port}/", ca_file) == "ok"


async def test_requests_refuses_when_it_does_not(authority):
    async with serving(authority) as port:
        with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            await asyncio.to_thread(get, f"https://localhost:{port}/", None)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
async def test_openssl_is_content_in_its_strictest_mode(authority, host):
    context = ssl.create_default_context(cadata=authority.ca_pem.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    async with serving(authority) as port:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=host
        )
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == ANSWER
        writer.close()


@pytest.mark.parametrize("host", ["api.coinbase.com", "127.0.0.2", "x.localhost"])
async def test_no_other_host_is_answered_for(authority, host):
    context = ssl.create_default_context(cadata=authority.ca_pem.decode())
    async with serving(authority) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)


def test_tls_before_1_2_is_refused(authority):
    assert authority.server_context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_authority_could_not_answer_for_coinbase_even_with_its_key(monkeypatch):
    """Law: whoever trusts the paper exchange's authority does not thereby trust it with money."""
    monkeypatch.setattr(
        "sidecar.paper.service.certificates.HOSTS", (x509.DNSName("api.coinbase.com"),)
    )
    now = datetime.now(UTC)
    forged = make_authority(now)
    store = Store([certificate(forged.ca_pem)])
    verifier = (
        PolicyBuilder()
        .store(store)
        .time(now.replace(tzinfo=None))
        .build_server_verifier(x509.DNSName("api.coinbase.com"))
    )
    with pytest.raises(VerificationError, match="permitted"):
        verifier.verify(certificate(forged.leaf_pem), [])


def test_an_independent_verifier_is_content(authority):
    store = Store([certificate(authority.ca_pem)])
    policy = PolicyBuilder().store(store).time(datetime.now(UTC).replace(tzinfo=None))
    for host in (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))):
        assert policy.build_server_verifier(host).verify(certificate(authority.leaf_pem), [])


def test_the_certificates_live_from_some_hours_ago_for_a_month(authority):
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for pem in (made := make_authority(now)).ca_pem, made.leaf_pem:
        assert certificate(pem).not_valid_before_utc == now - BACKDATED
        assert certificate(pem).not_valid_after_utc == now + LIFE
    assert timedelta(hours=1) <= BACKDATED <= timedelta(days=1)


def test_the_constraints_are_critical(authority):
    extensions = certificate(authority.ca_pem).extensions
    assert extensions.get_extension_for_oid(ExtensionOID.NAME_CONSTRAINTS).critical
    assert extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS).critical


def test_every_authority_is_another(authority):
    other = make_authority(datetime.now(UTC))
    assert certificate(other.ca_pem).public_key() != certificate(authority.ca_pem).public_key()


def test_the_private_key_is_not_shown(authority):
    assert b"BEGIN PRIVATE KEY" not in authority.ca_pem
    assert "PRIVATE KEY" not in repr(authority)


def test_no_file_is_left_where_memory_cannot_be_named(authority, monkeypatch, tmp_path):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert authority.server_context().get_ca_certs() == []
    assert not list(tmp_path.iterdir())


def test_no_descriptor_is_left_open(authority):
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("needs /proc")
    before = len(list(descriptors.iterdir()))
    authority.server_context()
    assert len(list(descriptors.iterdir())) == before
