"""`guard audit`: ask the exports, prove them, show the public key."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.errors import SetupError

if TYPE_CHECKING:
    from rich.console import Console

    from guard.audit.query import Table
    from guard.audit.verify import Report

app = typer.Typer(help="Ask, prove and hand over the record of what guard did.", no_args_is_help=True)

_LARGE = 64 * 1024 * 1024

Folder = Annotated[Path | None, typer.Option(help="The folder of exports; GUARD_EXPORTS if left out.")]
Json = Annotated[bool, typer.Option("--json", help="JSON for machines.")]


@app.command(epilog="Example: guard audit query left-region --region EU --since 7d")
def query(
    question: Annotated[str, typer.Argument(help="A named question (see --list), or one SELECT.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="Show the named questions and the views.")] = False,
    folder: Folder = None,
    region: Annotated[str | None, typer.Option(help="A country or group: EU, EEA, US, CN.")] = None,
    since: Annotated[str | None, typer.Option(help="From when on: 7d, 24h, or a date.")] = None,
    until: Annotated[str | None, typer.Option(help="Until when: 7d, 24h, or a date.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only this rule, as the policy writes it.")] = None,
    subject: Annotated[str | None, typer.Option(help="The keyed hash of a value, as in findings.")] = None,
    trace: Annotated[str | None, typer.Option(help="A trace id, as in x-guard-trace.")] = None,
    json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV for spreadsheets.")] = False,
) -> None:
    """Answer a named question, or one SELECT over the views spans, calls, decisions, findings, checks."""
    from guard.audit.query import run

    if listed or not question:
        return _list(json)
    given = {
        "region": region,
        "since": since,
        "until": until,
        "tenant": tenant,
        "rule": rule,
        "subject": subject,
        "trace": trace,
    }
    table = run(_exports(folder), question, {name: text for name, text in given.items() if text is not None})
    (_json if json else _csv if as_csv else _show)(table)
    if table.more:
        print("there are more rows: narrow the question", file=sys.stderr)


@app.command(epilog="Example: guard audit verify exports/ --key guard.pub.pem")
def verify(
    path: Annotated[Path | None, typer.Argument(help="A folder of exports or one file.")] = None,
    folder: Folder = None,
    key: Annotated[Path | None, typer.Option(help="The public key (PEM); GUARD_HOME's if left out.")] = None,
    json: Json = False,
) -> None:
    """Prove that no record was changed, removed, moved or cut. Exit code 1 where one was."""
    from guard.audit.verify import verify as check

    exports = path or _exports(folder)
    public = _read(key) if key else _public_key()[1]
    try:
        with _progress(exports) as progress:
            report = check(exports, public, progress)
    except OSError as error:
        raise SetupError(f"{exports}: {error.strerror or 'cannot be read'}") from None
    (_report_json if json else _report)(report)
    raise typer.Exit(0 if report.ok else 1)


@app.command("key", epilog="Example: guard audit key > guard.pub.pem")
def show_key(json: Json = False) -> None:
    """Print the public key with which an auditor verifies exports."""
    key_id, public = _public_key()
    if json:
        _write_json({"key_id": key_id, "public_pem": public.decode()})
    else:
        typer.echo(f"# guard, key {key_id}\n{public.decode()}", nl=False)


def _exports(folder: Path | None) -> Path:
    from guard.settings import Settings

    return folder or Settings().exports.expanduser()


def _public_key() -> tuple[str, bytes]:
    """The id and PEM of this installation's public key; the private half is not needed where it is."""
    from guard.settings import Settings
    from guard.trace.signing import PRIVATE, PUBLIC, load_signer, load_verifiers

    home = Settings().home.expanduser()
    if (home / PUBLIC).exists():
        [first, *_] = load_verifiers(_read(home / PUBLIC))
    elif (home / PRIVATE).exists():
        first = load_signer(home)
    else:
        raise SetupError(
            f"there is no signing key in {home} yet: it is made when guard first records; or --key FILE"
        )
    return first.key_id, first.public_pem


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}") from None


def _list(json: bool) -> None:
    from guard.audit.query import QUESTIONS, VIEWS

    if json:
        return _write_json(
            [
                {"name": q.name, "about": q.about, "parameters": [p.name for p in q.parameters]}
                for q in QUESTIONS.values()
            ]
        )
    console = _console()
    for question in QUESTIONS.values():
        own = [f"--{p.name}" if p.default is None else f"[--{p.name}]" for p in question.parameters]
        console.print(f"[bold]{question.name}[/bold]  ", end="")
        console.print(" ".join(own), style="dim", markup=False)
        console.print(f"  {question.about}", markup=False)
    console.print(f"\nSQL is asked of the views {', '.join(VIEWS)}.", markup=False)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _cell(value: Any) -> str:
    """A value as text that cannot steer a terminal: what does not print is written as its code."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ", "milliseconds")
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _show(table: Table) -> None:
    """Print a table, or where it is wider than the terminal, one record under the other."""
    console = _console()
    rows = [[_cell(value) for value in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(table.columns, *rows, strict=True)]
    if not rows:
        console.print("no rows")
    elif sum(widths) + 3 * len(widths) + 1 <= console.width:
        _show_table(console, table.columns, rows)
    else:
        _show_records(console, table.columns, rows)


def _show_table(console: Console, columns: tuple[str, ...], rows: list[list[str]]) -> None:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(*columns)
    for row in rows:
        grid.add_row(*map(Text, row))
    console.print(grid)


def _show_records(console: Console, columns: tuple[str, ...], rows: list[list[str]]) -> None:
    width = max(map(len, columns))
    for number, row in enumerate(rows, 1):
        console.rule(f"{number} of {len(rows)}", align="left", style="dim")
        for column, cell in zip(columns, row, strict=True):
            if cell:
                console.print(f"{column:{width}}  {cell}", markup=False, soft_wrap=True)


def _json(table: Table) -> None:
    _write_json([dict(zip(table.columns, row, strict=True)) for row in table.rows])


def _write_json(value: Any) -> None:
    import orjson

    options = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z | orjson.OPT_INDENT_2
    sys.stdout.buffer.write(orjson.dumps(value, default=str, option=options) + b"\n")
    sys.stdout.flush()


def _csv(table: Table) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(table.columns)
    writer.writerows([_csv_cell(value) for value in row] for row in table.rows)


def _csv_cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    if value is None or isinstance(value, int | float):
        return value
    text = _cell(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


@contextmanager
def _progress(exports: Path) -> Iterator[Callable[[int], None] | None]:
    """A bar on the terminal where there is much to read."""
    paths = [exports] if exports.is_file() else exports.glob("*.jsonl")
    total = sum(path.stat().st_size for path in paths)
    if total < _LARGE or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verify", total=total)
        yield lambda size: bar.advance(task, size)


def _report(report: Report) -> None:
    console = _console()
    for problem in report.problems:
        console.print(f"[red]✗[/red] [bold]{problem.what}[/bold]  ", end="")
        console.print(_cell(problem), markup=False, soft_wrap=True)
    for note in report.notes:
        console.print(_cell(f"· {note}"), style="dim", markup=False, soft_wrap=True)
    counts = f"{report.records} records in {report.files} files, {report.signed} proved by a signature"
    verdict = "[green]✓ intact[/green]" if report.ok else f"[red]✗ {len(report.problems)} problems[/red]"
    console.print(f"{verdict}  {counts}")


def _report_json(report: Report) -> None:
    fields = ("what", "file", "line", "record", "text")
    _write_json(
        {
            "ok": report.ok,
            "files": report.files,
            "records": report.records,
            "signed": report.signed,
            "problems": [{field: getattr(problem, field) for field in fields} for problem in report.problems],
            "notes": report.notes,
        }
    )
