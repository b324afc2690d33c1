"""Answers on paper: a table or records for a terminal, JSON, CSV that no spreadsheet runs, Parquet."""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.audit.cells import cell as cell
from guard.audit.cells import csv_cell, plain
from guard.cli.language import told
from guard.errors import SetupError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

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
    from rich.text import Text

    columns = tuple(map(cell, table.columns))
    if table.rows:
        show_rows(columns, [[Text(cell(value)) for value in row] for row in table.rows], framed=True)
    else:
        console().print(told("no rows"))


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[Text]], *, framed: bool = False) -> None:
    """Print rows as a table, or where that is wider than the terminal, one record under the other."""
    out = console()
    if fits(out, columns, rows, framed=framed):
        _show_table(out, columns, rows, framed)
    else:
        _show_records(out, columns, rows)


def fits(
    out: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]], *, framed: bool = False
) -> bool:
    """Whether a table has room on the terminal with no cell broken; a Chinese character is two cells wide."""
    from rich.cells import cell_len

    widths = [cell_len(name) for name in columns]
    for row in rows:
        widths = [max(width, text.cell_len) for width, text in zip(widths, row, strict=True)]
    lines = 3 * len(widths) + 1 if framed else 2 * (len(widths) - 1)
    return sum(widths) + lines <= out.width


def _show_table(out: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]], framed: bool) -> None:
    from rich.box import HEAVY_HEAD
    from rich.table import Column
    from rich.table import Table as Grid
    from rich.text import Text

    names = (Column(Text(name), no_wrap=True) for name in columns)
    grid = Grid(*names, box=HEAVY_HEAD if framed else None, pad_edge=framed)
    for row in rows:
        grid.add_row(*row)
    out.print(grid)


def _show_records(out: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    from rich.cells import cell_len, set_cell_size
    from rich.text import Text

    width = max(map(cell_len, columns))
    for number, row in enumerate(rows, 1):
        out.rule(told(f"{number} of {len(rows)}"), align="left", style="dim")
        for column, text in zip(columns, row, strict=True):
            if text:
                hanging(out, Text(set_cell_size(column, width) + "  "), text)


_WIDE = "\u2e80-\u9fff\uf900-\uffef"
_OPENING, _CLOSING = "（《“「", "，。：；！？）》”」、"
_UNBROKEN = re.compile(rf"\s+|[{_OPENING}]*(?:[{_WIDE}]|[^\s{_WIDE}]+)[{_CLOSING}…]*")
"""What stays on one line: a word, a Chinese character, each with the marks that belong to it."""


def hanging(out: Console, head: Text, text: Text) -> None:
    """Print a text behind its head, further lines as far in; into a pipe or a file it goes in one line."""
    if not out.is_terminal:
        return out.print(head + text, soft_wrap=True)
    from rich.text import Text

    room = max(out.width - head.cell_len, 20)
    at, indent = 0, Text(" " * head.cell_len)
    for number, size in enumerate(_lines(text.plain, room)):
        line = text[at : at + size]
        line.rstrip()
        out.print((indent if number else head) + line, no_wrap=True, overflow="ignore", crop=False)
        at += size


def _lines(text: str, room: int) -> list[int]:
    """How many characters go on each line of so many cells; what is wider than a line is broken."""
    from rich.cells import cell_len, chop_cells

    sizes, taken = [0], 0
    for part in (piece for word in _UNBROKEN.findall(text) for piece in chop_cells(word, room)):
        if taken and taken + cell_len(part.rstrip()) > room:
            sizes.append(0)
            taken = 0
        sizes[-1] += len(part)
        taken += cell_len(part)
    return sizes


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
