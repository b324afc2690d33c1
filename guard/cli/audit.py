"""`guard audit`: ask the exports, prove them, show the public key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli import contents, papers, persons, report, retention
from guard.cli.desk import (
    Folder,
    Since,
    Tenant,
    Until,
    bar,
    exports_of,
    given,
    on_record,
    public_key,
    read_file,
    tell_outdated,
)
from guard.cli.heads import heads_folder
from guard.cli.language import speaker, told
from guard.cli.tables import (
    AsCsv,
    AsJson,
    AsParquet,
    cell,
    console,
    draft,
    form_of,
    hanging,
    present,
    write_json,
)
from guard.errors import SetupError

if TYPE_CHECKING:
    from guard.audit.verify import Report

app = typer.Typer(help="Ask, prove and hand over the record of what guard did.", no_args_is_help=True)
app.command(epilog="Example: guard audit sample -n 25 --seed 2026-Q4")(papers.sample)
app.command(epilog="Example: guard audit reconcile --usage usage.csv --since 2026-11-01")(papers.reconcile)
app.command(epilog='Example: guard audit find --subject "zhang.san@example.com"')(persons.find)
app.command(epilog="Example: guard audit erase --subject - --ticket DSR-12 < address.txt")(persons.erase)
app.command(epilog="Example: guard audit retain --keep 400d --delete")(retention.retain)
app.command(epilog="Example: guard audit hold --ticket LIT-7 --since 2026-01-01")(retention.hold)
app.command(epilog="Example: guard audit keygen -o auditor.pem")(contents.keygen)
app.command("open", epilog="Example: guard audit open TRACE_ID --key auditor.pem")(contents.open_)
app.command(epilog="Example: guard audit report --regime gdpr --since 2026-01-01 -o evidence")(report.report)


@app.command(epilog="Example: guard audit query left-region --region EU --since 7d")
def query(
    question: Annotated[str, typer.Argument(help="A named question (see --list), or one SELECT.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="Show the named questions and the views.")] = False,
    folder: Folder = None,
    region: Annotated[str | None, typer.Option(help="A country or group: EU, EEA, US, CN.")] = None,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    rule: Annotated[str | None, typer.Option(help="Only this rule, as the policy writes it.")] = None,
    subject: Annotated[str | None, typer.Option(help="The keyed hash of a value, as in findings.")] = None,
    trace: Annotated[str | None, typer.Option(help="A trace id, as in x-guard-trace.")] = None,
    top: Annotated[str | None, typer.Option(help="How many rows.")] = None,
    sensitive: Annotated[
        str | None, typer.Option(help="Which kinds are sensitive: pii.card,pii.medical*.")
    ] = None,
    json: AsJson = False,
    as_csv: AsCsv = False,
    parquet: AsParquet = None,
) -> None:
    """Answer a named question, or one SELECT over the views spans, calls, decisions, findings, checks."""
    if listed or not question:
        return _list(json)
    more = {
        "region": region,
        "rule": rule,
        "subject": subject,
        "trace": trace,
        "top": top,
        "sensitive": sensitive,
    }
    asked = given(since, until, tenant, **more)
    _ask(exports_of(folder), question, asked, form_of(json, as_csv, parquet), parquet)


def _ask(exports: Path, question: str, asked: dict[str, str], form: str, parquet: Path | None) -> None:
    """Answer, put the reading on record, and only then show or leave the answer."""
    from guard.audit.query import QUESTIONS, run

    tell_outdated(exports)
    part = draft(parquet) if parquet else None
    try:
        table = run(exports, question, asked, part)
        on_record(exports, "query", question=question if question in QUESTIONS else "SQL", form=form)
        if part is None or parquet is None:
            return present(table, form)
        part.replace(parquet)
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


@app.command(epilog="Example: guard audit verify exports/ --key guard.pub.pem")
def verify(
    path: Annotated[Path | None, typer.Argument(help="A folder of exports or one file.")] = None,
    folder: Folder = None,
    key: Annotated[Path | None, typer.Option(help="The public key (PEM); GUARD_HOME's if left out.")] = None,
    heads: Annotated[
        str | None,
        typer.Option(
            help="Heads kept elsewhere: a folder, a webhook's file, or a bucket as s3+https://HOST/BUCKET; "
            "the folder of GUARD_HEADS if left out."
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Prove that no record was changed, removed, moved or cut. Exit code 1 where one was."""
    from guard.audit.verify import verify as check

    exports = path or exports_of(folder)
    public = read_file(key) if key else public_key()[1]
    try:
        with heads_folder(heads) as kept, bar("verify", exports) as progress:
            found = check(exports, public, progress, kept)
    except OSError as error:
        raise SetupError(f"{error.filename or exports}: {error.strerror or 'cannot be read'}") from None
    (_report_json if json else _report)(found)
    raise typer.Exit(0 if found.ok else 1)


@app.command(epilog="Example: guard audit compact --folder exports/")
def compact(folder: Folder = None, json: AsJson = False) -> None:
    """Read what is sealed into Parquet by day, so that questions about a year take a second.

    The Parquet is derived and can be deleted at any time; the evidence stays the lines.
    """
    from dataclasses import asdict

    from guard.audit.compact import compact as bring

    exports = exports_of(folder)
    with bar("compact", exports) as progress:
        done = bring(exports, progress)
    if json:
        return write_json(asdict(done))
    read = told(f"{done.files} exports read ({done.bytes:,} bytes)")
    still = told(f", {done.open} are still written to") if done.open else ""
    console().print(read + still + told(f"; Parquet: {done.size:,} bytes"))


@app.command("key", epilog="Example: guard audit key > guard.pub.pem")
def show_key(
    json: AsJson = False,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make a new pair first; the old public key stays.")
    ] = False,
) -> None:
    """Print the public key with which an auditor verifies exports; after rotations all, the present one first."""
    if rotate:
        _rotate()
    key_id, public = public_key()
    if json:
        write_json({"key_id": key_id, "public_pem": public.decode()})
    else:
        typer.echo(f"# guard, key {key_id}\n{public.decode()}", nl=False)


def _rotate() -> None:
    """Replace the signing pair, which the old one records first."""
    from guard.audit.desk import note
    from guard.cli.who import login
    from guard.settings import Settings
    from guard.trace import signing, spans

    settings = Settings()
    home, exports = settings.home.expanduser(), settings.exports.expanduser()

    def record(old: signing.Signer, new: signing.Signer) -> None:
        ids = {spans.KEY_OLD: old.key_id, spans.KEY_NEW: new.key_id, spans.AUDIT_BY: login()}
        note(home, exports, spans.KEY_ROTATED, ids)

    if not (home / signing.PRIVATE).exists():
        raise SetupError(f"there is no signing key in {home} to replace")
    signing.rotate(home, record)


def _list(json: bool) -> None:
    from rich.text import Text

    from guard.audit.query import QUESTIONS, VIEWS

    if json:
        return write_json(
            [
                {"name": q.name, "about": q.about, "parameters": [p.name for p in q.parameters]}
                for q in QUESTIONS.values()
            ]
        )
    out = console()
    for question in QUESTIONS.values():
        own = [f"--{p.name}" if p.default is None else f"[--{p.name}]" for p in question.parameters]
        out.print(f"[bold]{question.name}[/bold]  ", end="")
        out.print(" ".join(own), style="dim", markup=False)
        hanging(out, Text("  "), Text(told(question.about)))
    out.print()
    out.print(told(f"SQL is asked of the views {', '.join(VIEWS)}."), markup=False)


def _report(found: Report) -> None:
    out = console()
    for problem in found.problems:
        out.print(f"[red]✗[/red] [bold]{told(problem.what)}[/bold]  ", end="")
        out.print(cell(problem.said(speaker())), markup=False, soft_wrap=True)
    for note in found.notes:
        out.print(cell(f"· {told(note)}"), style="dim", markup=False, soft_wrap=True)
    counts = told(f"{found.records} records in {found.files} files, {found.signed} proved by a signature")
    whole, problems = told("intact"), told(f"{len(found.problems)} problems")
    verdict = f"[green]✓ {whole}[/green]" if found.ok else f"[red]✗ {problems}[/red]"
    out.print(f"{verdict}  {counts}")


def _report_json(found: Report) -> None:
    from guard.audit.pack import told as facts

    write_json(facts(found))
