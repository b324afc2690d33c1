"""`guard migrate check`: what of the API's past a code base still says, and what to write instead."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from guard.cli.language import told
from guard.cli.tables import fits, hanging
from guard.errors import SetupError
from guard.migration import tree
from guard.migration.habits import Calendar
from guard.wire.models import SHUTDOWNS, TABLE_DATE, Shutdown

if TYPE_CHECKING:
    from rich.console import Console

    from guard.migration.tree import File

app = typer.Typer(no_args_is_help=True, help="Move old code to today's API.")

_MANY = 200
"""Files from which on a bar shows how far it is."""


@app.callback()
def root() -> None:
    """Move old code to today's API."""


@app.command("check")
def check(
    paths: Annotated[list[str], typer.Argument(help="Folders and files of the code.")],
    as_json: Annotated[bool, typer.Option("--json", help="write one JSON object, for machines")] = False,
    within: Annotated[
        int, typer.Option(min=0, help="A model that shuts down in at most so many days is near its end.")
    ] = 90,
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Ask GET /v1/models for dates of shutdown (needs OPENAI_API_KEY)."),
    ] = False,
    base_url: Annotated[str, typer.Option(help="With --refresh: the API's base URL, if not OpenAI's.")] = "",
    policy: Annotated[str, typer.Option(help="With --refresh: the policy that admits the host.")] = "default",
) -> None:
    """Find SDK 0.x calls, `engine`, functions, models past or near their end, tool calls of which only the first
    is read, and URLs that lead past guard. Nothing is run. Exit code 1 where something was found.

    Example:  guard migrate check src
    """
    for path in paths:
        if not os.path.exists(path):
            raise SetupError(f"{path}: No such file or directory")
    shutdowns = {**SHUTDOWNS, **_announced(policy, base_url)} if refresh else SHUTDOWNS
    calendar = Calendar(date.today(), shutdowns, within)
    files = _read([name for path in paths for name in tree.listed(path)], calendar)
    if as_json:
        print(_json(files, refresh))
    else:
        _print(files, refresh)
    raise typer.Exit(1 if any(file.hits for file in files) else 0)


def _announced(policy: str, base_url: str) -> Mapping[str, Shutdown]:
    """The dates that the provider itself tells, asked through guard: its egress rules hold, and it is on record."""
    import openai

    from guard.mounts.sdk import guarded_client

    with guarded_client(policy, sync=True, base_url=base_url or None) as http:
        try:
            client = openai.OpenAI(http_client=http, base_url=base_url or None, max_retries=0)
            models = list(client.models.list())
        except openai.OpenAIError as failure:
            raise SetupError(f"the models cannot be listed: {_reason(failure)}") from None
    return dict(_dated((model.id, model.shutdown_date) for model in models))


def _reason(failure: Exception) -> str:
    code = getattr(failure, "code", None) or getattr(failure, "status_code", None)
    return f"{type(failure).__name__} {code or ''}".strip()


def _dated(models: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, Shutdown]]:
    for name, said in models:
        try:
            day = date.fromisoformat(said or "")
        except (TypeError, ValueError):
            continue
        known = SHUTDOWNS.get(name)
        yield name, Shutdown(name, day, known.instead if known else "")


def _read(names: list[str], calendar: Calendar) -> list[File]:
    if len(names) < _MANY or not sys.stderr.isatty():
        return [tree.read(name, calendar) for name in names]
    with _bar(names) as shown:
        return [tree.read(name, calendar) for name in shown]


@contextmanager
def _bar(names: list[str]) -> Iterator[Iterable[str]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield bar.track(names, description="read")


def _json(files: list[File], refreshed: bool) -> str:
    found = [{"file": file.path, **hit._asdict()} for file in files for hit in file.hits]
    left_out = {file.path: file.left_out for file in files if file.left_out}
    table = {"date": TABLE_DATE, "refreshed": refreshed}
    rows = {"found": found, "files": len(files), "left_out": left_out, "models": table}
    return orjson.dumps(rows, default=os.fsencode).decode(errors="replace")


def _print_rows(console: Console, rows: list[tuple[str, str, str]]) -> None:
    """A table; where it is too wide by its places, more than a third of the terminal, each finding under its place."""
    from rich.table import Table
    from rich.text import Text

    names = [*map(told, ("where", "what", "write instead"))]
    texts = [[*map(Text, row)] for row in rows]
    longest = max(place.cell_len for place, *_ in texts)
    if longest > console.width // 3 and not fits(console, names, texts):
        for place, what, instead in rows:
            console.print(Text(place, style="cyan"), soft_wrap=True)
            hanging(console, Text("    "), Text(what))
            hanging(console, Text("    → "), Text(instead))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column(names[0], style="cyan", min_width=longest)
    for name in names[1:]:
        table.add_column(name, overflow="fold")
    for row in texts:
        table.add_row(*row)
    console.print(table)


def _print(files: list[File], refreshed: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    rows = [
        (f"{file.path}:{hit.line}", f"{told(hit.what)}  ({hit.rule})", told(hit.instead))
        for file in files
        for hit in file.hits
    ]
    if rows:
        _print_rows(console, rows)
        console.print()
    counted = Counter(hit.rule for file in files for hit in file.hits)
    found = ", ".join(f"{count} {rule}" for rule, count in counted.most_common())
    console.print(Text(told(f"{len(files)} files") + f": {found or told('nothing old')}"))
    for file in files:
        if file.left_out:
            console.print(Text(told(f"not read: {file.path}: {file.left_out}"), style="yellow"))
    asked = told(" and the API's own answer" if refreshed else "; --refresh asks the API")
    console.print(Text(told(f"models: the table of {TABLE_DATE}") + asked, style="dim"))
