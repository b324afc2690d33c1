"""`guard coverage`: every place where a known API carries text, and what becomes of it."""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby
from typing import Annotated

import typer

from guard.wire.coverage import Row
from guard.wire.coverage import coverage as rows

_OTHERS = (
    "Every other endpoint (files, batches, images, audio, …) is refused as guard.opaque.endpoint,"
    " unless the policy names it under endpoints.allow; then it passes unscreened, and the record says so."
)


def coverage(
    endpoint: Annotated[
        str, typer.Argument(help="One endpoint: chat, responses, completions, embeddings, …; all if left out.")
    ] = "",
    direction: Annotated[str, typer.Option(help="Only request, answer or stream.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="write one JSON array, for machines")] = False,
) -> None:
    """List every place of the known APIs and what becomes of what stands there: screened, refused, no text.

    Example:  guard coverage chat --direction request
    """
    found = [row for row in rows() if endpoint in ("", row.endpoint) and direction in ("", row.direction)]
    if not found:
        known = ", ".join(dict.fromkeys(row.endpoint for row in rows()))
        typer.echo(f"guard: nothing of that name; endpoints: {known}; directions: request, answer, stream", err=True)
        raise typer.Exit(2)
    if as_json:
        return typer.echo(json.dumps([row._asdict() for row in found]))
    _print(found)


def _print(found: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for (endpoint, direction), members in groupby(found, key=lambda row: (row.endpoint, row.direction)):
        table = Table(title=f"{endpoint}: {direction}", title_justify="left", title_style="bold", box=None)
        table.add_column("place", overflow="fold", ratio=3)
        table.add_column("what becomes of it", overflow="fold", ratio=2)
        for row in members:
            table.add_row(row.path, row.treatment)
        console.print(table)
        console.print()
    counted = Counter(_word(row.treatment) for row in found)
    console.print(", ".join(f"{count} {word}" for word, count in counted.most_common()))
    console.print(_OTHERS)


_WORDS = {
    "refused": "refused",
    "no text": "without text",
    "dropped": "dropped when their text changes",
    "ciphertext": "the provider's ciphertext",
    "as ": "listed in a table of their own",
}


def _word(treatment: str) -> str:
    """The outcome as a reader counts it."""
    return next((word for start, word in _WORDS.items() if treatment.startswith(start)), "screened")
