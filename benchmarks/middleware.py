"""What GuardMiddleware adds to a request: a bare Starlette app and the same app guarded, one worker each.

    python benchmarks/middleware.py [--rounds N] [--seconds S] [--rate R]

Both apps parse the body and answer a prepared completion. Requests come at a fixed rate; rounds alternate between
the apps, so that a busy machine hits both. The record of intent is durable before the app is called, so the price
is a multiple of fdatasync, which is measured in the exports folder in the same rounds, at the same rate.

Target: the median of the guarded app is at most 2.5 × fdatasync + 0.5 ms above that of the bare one. Exit code 1 if
it is missed or any answer was not 200.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _load import (
    ANSWER,
    CLEAN,
    FINDINGS,
    POLICY,
    Load,
    child,
    closed_loop,
    fdatasync_ms,
    free_port,
    open_loop,
)


def bare() -> Any:
    """The application, as its owner wrote it."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def chat(request: Request) -> Response:
        await request.json()
        return Response(ANSWER, media_type="application/json")

    return Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])


def guarded() -> Any:
    """The same application with one line more; the policy is the file `policy.yaml` of the current folder."""
    from guard import GuardMiddleware

    app = bare()
    app.add_middleware(GuardMiddleware, policy=str(Path("policy.yaml").resolve()))
    return app


def serve(name: str, port: int) -> None:
    """Serve one of the two with one uvicorn worker."""
    import uvicorn

    app: Callable[[], Any] = {"bare": bare, "guarded": guarded}[name]
    uvicorn.run(app(), host="127.0.0.1", port=port, log_level="warning", access_log=False)


def rounds(ports: dict[str, int], exports: Path, options: argparse.Namespace) -> dict[str, list[float]]:
    """Measure medians in milliseconds, alternating; the first round warms up and is dropped."""
    medians: dict[str, list[float]] = {"fdatasync": [], "bare": [], "clean": [], "findings": []}
    for _ in range(options.rounds + 1):
        medians["fdatasync"].append(fdatasync_ms(exports, rate=options.rate))
        for row, app, body in (
            ("bare", "bare", CLEAN),
            ("clean", "guarded", CLEAN),
            ("findings", "guarded", FINDINGS),
        ):
            load = open_loop(ports[app], body, rate=options.rate, seconds=options.seconds)
            medians[row].append(load.p50 if not load.failures else float("inf"))
    return {row: values[1:] for row, values in medians.items()}


def throughput(ports: dict[str, int], seconds: float) -> dict[str, Load]:
    """How many requests a second each can take, with 16 connections."""
    return {
        "bare": closed_loop(ports["bare"], CLEAN, connections=16, seconds=seconds),
        "guarded, clean": closed_loop(ports["guarded"], CLEAN, connections=16, seconds=seconds),
        "guarded, 4 findings": closed_loop(ports["guarded"], FINDINGS, connections=16, seconds=seconds),
    }


def report(medians: dict[str, list[float]], loads: dict[str, Load], rate: float) -> bool:
    """Print what was measured; tells whether the target was met."""
    middle = {row: statistics.median(values) for row, values in medians.items()}
    bound = 2.5 * middle["fdatasync"] + 0.5
    print(f"1 KB chat body, everything but moderation on, {rate:.0f} requests a second,", end=" ")
    print(f"medians of {len(medians['bare'])} rounds")
    print(f"  fdatasync in the exports folder   {middle['fdatasync']:6.2f} ms")
    print(f"  bare app                          {middle['bare']:6.2f} ms")
    met = True
    for row, words in (("clean", "guarded, nothing found"), ("findings", "guarded, 4 findings")):
        added = middle[row] - middle["bare"]
        met = met and added <= bound
        verdict = "ok" if added <= bound else "MISSED"
        print(f"  {words:<33} {middle[row]:6.2f} ms   added {added:5.2f} ms, at most {bound:5.2f}: {verdict}")
    print("16 connections, as fast as they go")
    for words, load in loads.items():
        print(f"  {words:<24} {load}")
    return met and not any(load.failures for load in loads.values())


def main(options: argparse.Namespace) -> int:
    """Run both apps side by side and compare them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exports = folder / "exports"
        exports.mkdir()
        (folder / "policy.yaml").write_text(POLICY)
        env = {"GUARD_HOME": str(folder / "home"), "GUARD_EXPORTS": str(exports)}
        ports = {"bare": free_port(), "guarded": free_port()}
        command = [sys.executable, __file__, "--serve"]
        with (
            child([*command, "bare", "--port", str(ports["bare"])], ports["bare"], log=folder / "bare.log"),
            child(
                [*command, "guarded", "--port", str(ports["guarded"])],
                ports["guarded"],
                log=folder / "guarded.log",
                **env,
            ),
        ):
            medians = rounds(ports, exports, options)
            loads = throughput(ports, options.seconds)
    return 0 if report(medians, loads, options.rate) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second of the latency rounds")
    parser.add_argument("--serve", choices=["bare", "guarded"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    sys.exit(serve(chosen.serve, chosen.port) if chosen.serve else main(chosen))
