"""`guard serve --tls-cert`: https for clients, and one sentence for files that are not what they should be."""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from guard.cli.serve import _tls
from guard.errors import SetupError

NOW = datetime.datetime.now(datetime.UTC)


class Files(NamedTuple):
    """A certificate, its key, the key under a password, another key, certificate and key in one file, and certificates
    of this key that ended, that hold from tomorrow, and that end tomorrow.
    """

    cert: Path
    key: Path
    locked: Path
    other: Path
    both: Path
    ended: Path
    early: Path
    soon: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tls")
    made = Files(*(folder / f"{name}.pem" for name in Files._fields))
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "guard test")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.add_extension(here, critical=False)
    for path, days in (
        (made.cert, (-1, 30)),
        (made.ended, (-9, -1)),
        (made.early, (1, 9)),
        (made.soon, (-9, 1)),
    ):
        begin, end = (NOW + datetime.timedelta(day) for day in days)
        certificate = builder.not_valid_before(begin).not_valid_after(end).sign(key, hashes.SHA256())
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(_pem(key, serialization.NoEncryption()))
    made.locked.write_bytes(_pem(key, serialization.BestAvailableEncryption(b"secret")))
    made.other.write_bytes(_pem(other, serialization.NoEncryption()))
    made.both.write_bytes(made.cert.read_bytes() + made.key.read_bytes())
    for path in (made.key, made.both):
        path.chmod(0o600)
    return made


def _pem(key: ec.EllipticCurvePrivateKey, lock: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def test_without_options_there_is_no_tls(files: Files) -> None:
    """Certificate and key may stand in one file."""
    assert _tls(None, None) == {}
    assert _tls(files.both, None) == {"ssl_certfile": str(files.both), "ssl_keyfile": None}
    assert _tls(files.cert, files.key) == {"ssl_certfile": str(files.cert), "ssl_keyfile": str(files.key)}


@pytest.mark.parametrize(
    ("cert", "key", "sentence"),
    [
        ("", "key", "--tls-key goes with --tls-cert"),
        ("none", "key", "--tls-cert .* cannot be read"),
        ("cert", "none", "--tls-key .* cannot be read"),
        ("cert", "", "are no certificate and its own key"),
        ("cert", "other", "are no certificate and its own key"),
        ("cert", "locked", "the key without a password"),
        ("key", "cert", "are no certificate and its own key"),
        ("folder", "key", "are no certificate and its own key"),
        ("ended", "key", "the certificate .* ended .*: renew it"),
        ("early", "key", "the certificate .* holds from .*: set this machine's clock"),
    ],
)
def test_wrong_files_are_one_sentence(files: Files, cert: str, key: str, sentence: str) -> None:
    """A16: each says which option, and what to give; a key with a password is not asked for on a terminal."""
    known = {**files._asdict(), "": None, "folder": files.cert.parent}
    paths = [known.get(name, files.cert.with_name("none.pem")) for name in (cert, key)]
    with pytest.raises(SetupError, match=sentence):
        _tls(*paths)


def test_what_will_not_hold_long_is_told(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """A certificate that ends soon, a key that everyone can read: the gateway starts, and says so; else nothing."""
    _tls(files.cert, files.key)
    assert capsys.readouterr().err == ""
    assert _tls(files.soon, files.key)
    assert f"{files.soon} ends " in capsys.readouterr().err
    files.locked.write_bytes(files.key.read_bytes())
    files.locked.chmod(0o644)
    assert _tls(files.cert, files.locked)
    assert capsys.readouterr().err == f"guard: everyone can read the TLS key {files.locked}: chmod 600 it\n"


@pytest.mark.slow
def test_clients_are_served_over_tls_and_not_in_the_clear(
    files: Files, provider: Any, make_guard: Any, tmp_path: Path
) -> None:
    """The official SDK talks https to the gateway; plain http gets no answer at that port, and an old TLS none.

    As soon as it says that it listens it may be called, and told to load its policy anew.
    """
    (tmp_path / "quiet.yaml").write_text(make_guard.quiet)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GUARD_", "OPENAI_"))}
    home = {"GUARD_HOME": str(tmp_path / "home"), "GUARD_EXPORTS": str(tmp_path / "exports")}
    command = [
        sys.executable,
        "-m",
        "guard",
        "serve",
        "--port",
        str(port),
        "--policy",
        str(tmp_path / "quiet.yaml"),
    ]
    command += ["--upstream", provider.state.url, "--tls-cert", str(files.cert), "--tls-key", str(files.key)]
    process = subprocess.Popen(command, env=kept | home, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert f"https://127.0.0.1:{port}/v1" in process.stderr.readline()
        process.send_signal(signal.SIGHUP)
        trust = ssl.create_default_context(cafile=files.cert)
        with httpx2.Client(trust_env=False, verify=trust, timeout=60) as client:
            sdk = openai.OpenAI(base_url=f"https://127.0.0.1:{port}/v1", api_key="k", http_client=client)
            messages: Any = [{"role": "user", "content": "hello"}]
            answer = sdk.chat.completions.create(model="m", messages=messages)
            assert answer.choices[0].message.content == "You wrote: hello"
            with pytest.raises(httpx2.TransportError):
                client.get(f"http://127.0.0.1:{port}/healthz")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            trust.maximum_version = ssl.TLSVersion.TLSv1_1
        trust.set_ciphers("DEFAULT:@SECLEVEL=0")
        with httpx2.Client(trust_env=False, verify=trust) as old, pytest.raises(httpx2.ConnectError):
            old.get(f"https://127.0.0.1:{port}/healthz")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
