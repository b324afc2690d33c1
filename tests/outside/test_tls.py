"""C27: a server that does not prove who it is, is not talked to; nothing is sent to it in the clear either."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from guard.outside.egress import AsyncAdmittingTransport, Egress, SyncAdmittingTransport, admitter
from guard.outside.sessions import tls

pytestmark = pytest.mark.anyio
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Papers(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def write(self, folder: Path) -> tuple[Path, Path]:
        pem, key = folder / f"{self.certificate.serial_number}.pem", folder / "key.pem"
        pem.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        key.write_bytes(
            self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        )
        return pem, key


def issue(
    address: str,
    issuer: Papers | None = None,
    *,
    since: datetime.datetime = NOW - DAY,
    until: Any = NOW + DAY,
) -> Papers:
    """A certificate for an address or name; by itself where there is no issuer, and then an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{address} {id(key)}")])
    by = issuer.certificate if issuer else None
    constraints = x509.BasicConstraints(ca=issuer is None, path_length=None)
    alternative = x509.SubjectAlternativeName([_whose(address)])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(
        issuer.key.public_key() if issuer else key.public_key()
    )
    usage = x509.KeyUsage(True, False, False, False, False, issuer is None, issuer is None, False, False)
    builder = (
        x509.CertificateBuilder(by.subject if by else name, name, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(constraints, critical=True)
        .add_extension(alternative, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(usage, critical=True)
    )
    return Papers(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _whose(address: str) -> x509.GeneralName:
    if address[0].isdigit():
        return x509.IPAddress(ipaddress.ip_address(address))
    return x509.DNSName(address)


HERE = "127.0.0.1"
PROMPT = b"a prompt"
ENDS = (PROMPT, b"}")
ROOT = issue(HERE)
GOOD = issue(HERE, ROOT)
BAD = {
    "expired": issue(HERE, ROOT, since=NOW - 2 * DAY, until=NOW - DAY),
    "not yet valid": issue(HERE, ROOT, since=NOW + DAY, until=NOW + 2 * DAY),
    "another host's": issue("127.0.0.2", ROOT),
    "self-signed": issue(HERE),
    "of an authority that nobody knows": issue(HERE, issue(HERE)),
}


@contextlib.contextmanager
def serving(
    papers: Papers, folder: Path, newest: ssl.TLSVersion | None = None, answer: bytes = b"ok"
) -> Iterator[tuple[str, list[bytes]]]:
    """A TLS server that answers every request, and the first bytes of each connection."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*papers.write(folder))
    if newest is not None:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = newest
    server = socket.create_server((HERE, 0))
    begun: list[bytes] = []

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(5)
                begun.append(client.recv(3, socket.MSG_PEEK))
                with context.wrap_socket(client, server_side=True) as wrapped:
                    asked = b""
                    while not asked.endswith(ENDS) and (more := wrapped.recv(65536)):
                        asked += more  # what is not read would cut the answer off
                    wrapped.sendall(head % len(answer) + answer)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"https://{HERE}:{server.getsockname()[1]}/", begun
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def trusting(folder: Path) -> ssl.SSLContext:
    """What guard connects with, and one more authority."""
    context: ssl.SSLContext = tls.__wrapped__()
    context.load_verify_locations(ROOT.write(folder)[0])
    return context


def posted(url: str, context: ssl.SSLContext) -> int:
    admit = admitter(jurisdictions=None, declared={}, named=[url])
    with httpx2.Client(transport=SyncAdmittingTransport(admit, context=context)) as client:
        return client.post(url, content=PROMPT).status_code


async def apost(url: str, context: ssl.SSLContext) -> int:
    admit = admitter(jurisdictions=None, declared={}, named=[url])
    transport = AsyncAdmittingTransport(Egress(admit, context=context), owns=True)
    async with httpx2.AsyncClient(transport=transport) as client:
        return (await client.post(url, content=PROMPT)).status_code


async def post(kind: str, url: str, context: ssl.SSLContext) -> int:
    return await (apost(url, context) if kind == "async" else asyncio.to_thread(posted, url, context))


both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
async def test_a_server_that_proves_who_it_is_is_talked_to(tmp_path: Path, kind: str) -> None:
    """C27, the control: the same server with a good certificate answers."""
    with serving(GOOD, tmp_path) as (url, _):
        assert await post(kind, url, trusting(tmp_path)) == 200


@both
@pytest.mark.parametrize("papers", BAD)
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    tmp_path: Path, kind: str, papers: str
) -> None:
    """C27: whatever is wrong with it; and there is no way back to http: each connection began with TLS."""
    with serving(BAD[papers], tmp_path) as (url, begun), pytest.raises(httpx2.ConnectError):
        await post(kind, url, trusting(tmp_path))
    assert begun
    assert all(first[:2] == b"\x16\x03" for first in begun)


@both
async def test_an_old_protocol_is_refused(tmp_path: Path, kind: str) -> None:
    """C27: TLS 1.1 and older (RFC 8996), though the certificate is good."""
    with (
        pytest.warns(DeprecationWarning, match="TLSv1_1"),
        serving(GOOD, tmp_path, ssl.TLSVersion.TLSv1_1) as (url, _),
        pytest.raises(httpx2.ConnectError),
    ):
        await post(kind, url, trusting(tmp_path))


def test_nothing_of_the_environment_weakens_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """C27: certificates and names are always checked, from TLS 1.2 on; SSLKEYLOGFILE and SSL_CERT_FILE are not read."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    monkeypatch.setenv("SSL_CERT_FILE", str(ROOT.write(tmp_path)[0]))
    context: ssl.SSLContext = tls.__wrapped__()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert not context.keylog_filename
    known = {certificate["serialNumber"] for certificate in context.get_ca_certs()}
    assert f"{ROOT.certificate.serial_number:X}" not in {serial.lstrip("0") for serial in known}  # type: ignore[union-attr]
