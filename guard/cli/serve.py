"""`guard serve`: the gateway."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
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

    tls = _tls(tls_cert, tls_key)
    os.environ["GUARD_SERVE_POLICY"] = policy
    os.environ["GUARD_SERVE_UPSTREAM"] = upstream
    os.environ["GUARD_WORKERS"] = str(workers)
    if access_log:
        os.environ["GUARD_ACCESS_LOG"] = access_log
    gateway = from_environment()
    gateway.check(host)
    asyncio.run(gateway.start())
    _check_port(host, port)
    held = gateway.guard.policy
    line = (
        f"guard: policy {held.policy} {held.version} ({held.sha256[:12]}) → {gateway.upstream};"
        f" listening on {'https' if tls else 'http'}://{host}:{port}/v1"
    )
    typer.echo(told(line), err=True)
    _run(gateway, workers, _options(host, port) | tls)


def _run(gateway: Gateway, workers: int, options: dict[str, Any]) -> None:
    """Serve until told to end: in this process, or in several that each make a gateway of their own."""
    import uvicorn

    from guard.cli.workers import run_workers

    if workers == 1:
        server = uvicorn.Server(uvicorn.Config(gateway, **options))
        server.run()
        if not server.started:
            raise SetupError("the gateway did not start (see the line above)")
        return
    gateway.operations.close()
    gateway.guard.close()
    with _shared_numbers():
        run_workers(workers, options)


def _options(host: str, port: int) -> dict[str, Any]:
    return {
        "host": host,
        "port": port,
        "log_level": "warning",
        "access_log": False,
        "proxy_headers": False,
        # The stricter of uvicorn's two parsers: it refuses what two servers could cut into two requests.
        "http": "httptools",
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
    except (ssl.SSLError, ValueError):
        raise SetupError(
            "--tls-cert and --tls-key are no certificate and its own key: give both as PEM, the key without a password"
        ) from None
    return {"ssl_certfile": str(cert), "ssl_keyfile": str(key) if key else None}


def _no_password() -> str:
    """A key that asks for a password would ask at each start of each worker, on a terminal that is not there."""
    raise ValueError


@contextmanager
def _shared_numbers() -> Iterator[None]:
    """A folder in which the workers leave their numbers, for as long as they live."""
    with tempfile.TemporaryDirectory(prefix="guard-metrics-") as folder:
        os.environ["GUARD_METRICS_FOLDER"] = folder
        yield


def _check_port(host: str, port: int) -> None:
    """Say in one sentence what a server would say in three."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as failure:
        raise SetupError(f"cannot listen on {host}, port {port}: {failure.strerror}") from None
