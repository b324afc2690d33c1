"""`guard serve`: the gateway."""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import signal
import socket
import ssl
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.cli.language import told
from guard.errors import SetupError

if TYPE_CHECKING:
    from guard.mounts.gateway import Gateway


def serve(
    policy: Annotated[
        str, typer.Option(help="A pack's name or a policy file; GUARD_POLICY, else default, if left out.")
    ] = "",
    host: Annotated[
        str, typer.Option(help="Address to bind; elsewhere than loopback needs GUARD_CLIENT_KEYS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to bind.", min=0, max=65535)] = 8080,
    upstream: Annotated[
        str,
        typer.Option(
            help="Base URL of the provider, e.g. https://api.openai.com/v1. Names its host, not its place."
        ),
    ] = "",
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1, max=64)] = 1,
    access_log: Annotated[
        str, typer.Option(help="File of the access log, one JSON line a request; - for standard output.")
    ] = "",
    tls_cert: Annotated[
        Path | None, typer.Option(help="Serve https: the certificate with its chain, PEM. TLS 1.2 or later.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Its private key, PEM, if it is not in the same file.")
    ] = None,
) -> None:
    """Run the OpenAI-compatible gateway.

    The upstream key is GUARD_UPSTREAM_KEY, else OPENAI_API_KEY, else (on loopback, without client keys) the
    caller's own bearer.

    Example:  guard serve --policy eu --port 8080
    """
    from guard.mounts.gateway import from_environment

    # One that comes before the policy is watched waits for that: it would end the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    tls = _tls(tls_cert, tls_key)
    os.environ["GUARD_SERVE_POLICY"] = policy
    os.environ["GUARD_SERVE_UPSTREAM"] = upstream
    os.environ["GUARD_WORKERS"] = str(workers)
    if access_log:
        os.environ["GUARD_ACCESS_LOG"] = access_log
    gateway = from_environment()
    gateway.check(host)
    asyncio.run(gateway.start())
    sockets = _listening(host, port)
    held = gateway.guard.policy
    line = (
        f"guard: policy {held.policy} {held.version} ({held.sha256[:12]}) → {gateway.upstream};"
        f" listening on {'https' if tls else 'http'}://{host}:{sockets[0].getsockname()[1]}/v1"
    )
    typer.echo(told(line), err=True)
    _run(gateway, workers, _options() | tls, sockets)


def _run(gateway: Gateway, workers: int, options: dict[str, Any], sockets: list[socket.socket]) -> None:
    """Serve until told to end: in this process, or in several that each make a gateway of their own."""
    import uvicorn

    from guard.cli.workers import run_workers

    if workers == 1:
        server = uvicorn.Server(uvicorn.Config(gateway, **options))
        server.run(sockets)
        if not server.started:
            raise SetupError("the gateway did not start (see the line above)")
        return
    gateway.operations.close()
    gateway.guard.close()
    with _shared_numbers():
        run_workers(workers, options, sockets)


_SOON = datetime.timedelta(14)
"""How long before its end a certificate is spoken of."""


class Quiet(logging.Filter):
    """Leaves out the server's advice on how to take websockets: guard screens none, and each refusal is on record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written."""
        return not record.getMessage().startswith(("Unsupported upgrade request", "No supported WebSocket"))


def _options() -> dict[str, Any]:
    from uvicorn.config import LOGGING_CONFIG

    handlers = LOGGING_CONFIG["handlers"]
    quiet = handlers | {"default": handlers["default"] | {"filters": ["quiet"]}}
    return {
        "log_config": LOGGING_CONFIG | {"filters": {"quiet": {"()": Quiet}}, "handlers": quiet},
        "log_level": "warning",
        "access_log": False,
        "proxy_headers": False,
        # The stricter of uvicorn's two parsers: it refuses what two servers could cut into two requests.
        "http": "httptools",
        # With a library that takes them or without: an upgrade is a request, which is refused and on record.
        "ws": "none",
        # What ran was waited for (`draining`); this is for connections that do not end.
        "timeout_graceful_shutdown": 5,
    }


def _tls(cert: Path | None, key: Path | None) -> dict[str, Any]:
    """What the server needs for https, tried once, so that a wrong file is said here and in one sentence."""
    if cert is None:
        if key is not None:
            raise SetupError("--tls-key goes with --tls-cert: name the certificate, too")
        return {}
    for option, path in (("--tls-cert", cert), ("--tls-key", key)):
        if path is not None and not os.access(path, os.R_OK):
            raise SetupError(f"{option} {path} cannot be read: write the path of a PEM file")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError):
        raise SetupError(
            "--tls-cert and --tls-key are no certificate and its own key: give both as PEM, the key without a password"
        ) from None
    _in_time(cert)
    if (key or cert).stat().st_mode & stat.S_IROTH:
        typer.echo(told(f"guard: everyone can read the TLS key {key or cert}: chmod 600 it"), err=True)
    return {"ssl_certfile": str(cert), "ssl_keyfile": str(key) if key else None}


def _in_time(cert: Path) -> None:
    """Refuse a certificate that every client would refuse today; say of one that soon will be so."""
    from cryptography import x509

    row, now = x509.load_pem_x509_certificates(cert.read_bytes())[0], datetime.datetime.now(datetime.UTC)
    if now < row.not_valid_before_utc:
        raise SetupError(
            f"the certificate {cert} holds from {row.not_valid_before_utc:%Y-%m-%d %H:%M} UTC:"
            " set this machine's clock, or wait for it"
        )
    if now > row.not_valid_after_utc:
        raise SetupError(
            f"the certificate {cert} ended {row.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: renew it, no client takes it"
        )
    if row.not_valid_after_utc - now < _SOON:
        line = f"guard: the certificate {cert} ends {row.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: renew it"
        typer.echo(told(line), err=True)


def _no_password() -> str:
    """A key that asks for a password would ask at each start of each worker, on a terminal that is not there."""
    raise ValueError


@contextmanager
def _shared_numbers() -> Iterator[None]:
    """A folder in which the workers leave their numbers, for as long as they live."""
    with tempfile.TemporaryDirectory(prefix="guard-metrics-") as folder:
        os.environ["GUARD_METRICS_FOLDER"] = folder
        yield


def _listening(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at each address of the host: who connects from now on is served, or waits to be.

    Raises SetupError in one sentence, where a server would need three.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return [socket.create_server(row[4], family=row[0]) for row in dict.fromkeys(found)]
    except OSError as failure:
        why = str(failure.strerror).partition(" (while")[0]  # the address is said already
        raise SetupError(f"cannot listen on {host}, port {port}: {why}") from None
