"""`guard coverage`: every place where a known API carries text, and what becomes of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.language import told
from guard.wire.coverage import WHOLE, Row
from guard.wire.coverage import coverage as rows

if TYPE_CHECKING:
    from rich.console import Console

_OTHERS = (
    "Every other endpoint is refused as guard.opaque.endpoint. One that the policy names under endpoints.allow"
    " passes unscreened, and the record says so; a rule guard.opaque.endpoint: allow lets all of them pass."
)


def coverage(
    endpoint: Annotated[
        str,
        typer.Argument(help="One endpoint: chat, responses, completions, embeddings, …; all if left out."),
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
        typer.echo(
            told(f"guard: nothing of that name; endpoints: {known}; directions: request, answer, stream"),
            err=True,
        )
        raise typer.Exit(2)
    if as_json:
        return typer.echo(json.dumps([row._asdict() for row in found]))
    _print(found)


def _print(found: list[Row]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    refused = [row for row in found if row.path == WHOLE]
    for (endpoint, direction), members in groupby(
        (row for row in found if row.path != WHOLE), key=lambda row: (row.endpoint, row.direction)
    ):
        _table(console, f"{endpoint}: {direction}", "place", [(row.path, row.treatment) for row in members])
    if refused:
        _table(console, "refused endpoints", "endpoint", [(row.endpoint, row.treatment) for row in refused])
    counted = Counter(_word(row.treatment) for row in found)
    console.print(", ".join(f"{count} {told(word)}" for word, count in counted.most_common()))
    console.print(told(_OTHERS))


def _table(console: Console, title: str, what: str, rows: list[tuple[str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=told(title), title_justify="left", title_style="bold", box=None)
    width = min(max(len(place) for place in (what, *dict(rows))), console.width * 3 // 5)
    table.add_column(told(what), no_wrap=True, width=width)
    table.add_column(told("what becomes of it"), overflow="fold")
    for place, treatment in rows:
        style = _STYLES.get(_word(treatment), "")
        table.add_row(Text("\n  ".join(_lines(place, width))), Text(told(treatment)), style=style)
    console.print(table)
    console.print()


def _lines(place: str, width: int) -> list[str]:
    """A path in lines of at most a width, broken before a step of it."""
    lines = [""]
    for step in _STEP.findall(place):
        indent = 2 if len(lines) > 1 else 0
        if lines[-1] and indent + len(lines[-1]) + len(step) > width:
            lines.append("")
        lines[-1] += step
    return lines


_STEP = re.compile(r"[.(\[{<|]?[^.(\[{<|]+|.")
_STYLES = {"refused": "red", "without text": "dim"}
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
