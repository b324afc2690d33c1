"""`guard demo`: every promise of guard on real requests, offline, with a simulated provider."""

from __future__ import annotations

import sys
from typing import Annotated

import orjson
import typer


def demo(
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object for machines instead of the pages.")
    ] = False,
    folder: Annotated[
        str, typer.Option(help="Where to put the exports; a new temporary folder if left out.")
    ] = "",
    seed: Annotated[int | None, typer.Option(help="Draw the invented values from this seed.")] = None,
) -> None:
    """Show guard at work, offline and self-contained, in under a minute.

    A simulated provider runs on loopback; the real openai SDK sends it requests through all three mounts.
    Every value shown is read back from the provider's bytes, the ledger or the log. Exit code 1 if any
    promise was not kept.

    Example:  guard demo --json
    """
    from guard.cli.language import speaker
    from guard.demo.run import Demo
    from guard.demo.show import show

    demonstration = Demo(folder=folder, seed=seed)
    if json:
        report = demonstration.run(lambda step: None)
        sys.stdout.buffer.write(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    else:
        report = show(demonstration, speaker())
    raise typer.Exit(0 if report["ok"] else 1)
