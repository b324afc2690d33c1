"""`guard serve`: the gateway."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Annotated

import typer

from guard.errors import SetupError


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
) -> None:
    """Run the OpenAI-compatible gateway.

    The upstream key is GUARD_UPSTREAM_KEY, else OPENAI_API_KEY, else (on loopback, without client keys) the
    caller's own bearer.

    Example:  guard serve --policy eu --port 8080
    """
    import uvicorn

    from guard.mounts.gateway import from_environment

    os.environ["GUARD_SERVE_POLICY"] = policy
    os.environ["GUARD_SERVE_UPSTREAM"] = upstream
    os.environ["GUARD_WORKERS"] = str(workers)
    gateway = from_environment()
    gateway.check(host)
    asyncio.run(gateway.start())
    _check_port(host, port)
    told = gateway.guard.policy
    typer.echo(
        f"guard: policy {told.policy} {told.version} ({told.sha256[:12]}) → {gateway.upstream};"
        f" listening on http://{host}:{port}/v1",
        err=True,
    )
    options = {
        "host": host,
        "port": port,
        "log_level": "warning",
        "access_log": False,
        "proxy_headers": False,
        # The stricter of uvicorn's two parsers: it refuses what two servers could cut into two requests.
        "http": "httptools",
    }
    if workers == 1:
        server = uvicorn.Server(uvicorn.Config(gateway, **options))  # type: ignore[arg-type]
        server.run()
        if not server.started:
            raise SetupError("the gateway did not start (see the line above)")
        return
    gateway.guard.close()
    uvicorn.run("guard.mounts.gateway:from_environment", factory=True, workers=workers, **options)  # type: ignore[arg-type]


def _check_port(host: str, port: int) -> None:
    """Say in one sentence what a server would say in three."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as failure:
        raise SetupError(f"cannot listen on {host}, port {port}: {failure.strerror}") from None
