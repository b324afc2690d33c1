"""Answers on paper: a table or records for a terminal, JSON, CSV that no spreadsheet runs, Parquet."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.audit.cells import cell as cell
from guard.audit.cells import csv_cell, plain
from guard.cli.language import told
from guard.errors import SetupError

if TYPE_CHECKING:
    from rich.console import Console

    from guard.audit.query import Table

AsJson = Annotated[bool, typer.Option("--json", help="JSON for machines.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV for spreadsheets.")]
AsParquet = Annotated[Path | None, typer.Option("--parquet", help="Write all rows into this Parquet file.")]


def form_of(json: bool, as_csv: bool, parquet: Path | None = None) -> str:
    """The one form that was asked for; raises BadParameter for two."""
    asked = [name for name, given in (("json", json), ("csv", as_csv), ("parquet", parquet)) if given]
    if len(asked) > 1:
        raise typer.BadParameter(f"--{asked[0]} and --{asked[1]} exclude each other")
    return asked[0] if asked else "table"


def present(table: Table, form: str) -> None:
    """Write an answer to standard output as a table, JSON or CSV."""
    {"json": _json, "csv": _csv, "table": _show}[form](table)
    if table.more:
        print(told("there are more rows: narrow the question, or write them with --parquet"), file=sys.stderr)


def draft(path: Path) -> Path:
    """Where to write before `settle`: a file beside the target, 0600, that is not there yet."""
    part = path.resolve().with_name(f".{path.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}") from None
    return part


def console() -> Console:
    """Standard output as a rich console that colours no numbers."""
    from rich.console import Console

    return Console(highlight=False)


def _show(table: Table) -> None:
    """Print a table, or where it is wider than the terminal, one record under the other."""
    out = console()
    columns = tuple(map(cell, table.columns))
    rows = [[cell(value) for value in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    if not rows:
        out.print(told("no rows"))
    elif sum(widths) + 3 * len(widths) + 1 <= out.width:
        _show_table(out, columns, rows)
    else:
        _show_records(out, columns, rows)


def _show_table(out: Console, columns: tuple[str, ...], rows: list[list[str]]) -> None:
    from rich.table import Column
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(*(Column(Text(name)) for name in columns))
    for row in rows:
        grid.add_row(*map(Text, row))
    out.print(grid)


def _show_records(out: Console, columns: tuple[str, ...], rows: list[list[str]]) -> None:
    width = max(map(len, columns))
    for number, row in enumerate(rows, 1):
        out.rule(told(f"{number} of {len(rows)}"), align="left", style="dim")
        for column, text in zip(columns, row, strict=True):
            if text:
                out.print(f"{column:{width}}  {text}", markup=False, soft_wrap=True)


def _json(table: Table) -> None:
    write_json([dict(zip(table.columns, row, strict=True)) for row in table.rows])


def write_json(value: Any) -> None:
    """Write one JSON value to standard output; times say that they are UTC."""
    import orjson

    options = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z | orjson.OPT_INDENT_2
    text = orjson.dumps(value, default=str, option=options).decode()
    sys.stdout.buffer.write((text if text.isascii() and "\x7f" not in text else plain(text)).encode() + b"\n")
    sys.stdout.flush()


def _csv(table: Table) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(map(csv_cell, table.columns))
    writer.writerows([csv_cell(value) for value in row] for row in table.rows)
