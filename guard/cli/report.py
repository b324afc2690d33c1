"""`guard audit report`: the evidence pack of a regime and a period; with --cost a table of what calls cost."""

from __future__ import annotations

import os
import shutil
import zipfile
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.desk import (
    Folder,
    Since,
    Tenant,
    Until,
    bar,
    exports_of,
    given,
    heads_of,
    on_record,
    public_key,
    read_file,
)
from guard.cli.language import speaker, tag, told
from guard.cli.tables import AsCsv, AsJson, console, form_of, write_json
from guard.errors import SetupError

if TYPE_CHECKING:
    from guard.audit.pack import Order, Pack


class RegimeName(StrEnum):
    """The regimes that a pack can be made for."""

    GDPR = "gdpr"
    HIPAA = "hipaa"
    PCI = "pci"
    PIPL = "pipl"
    EU_AI_ACT = "eu-ai-act"


def report(
    regime: Annotated[
        RegimeName | None, typer.Option(help="Whose questions; every question if left out.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="The folder to make; with .zip at its end, the archive."),
    ] = None,
    folder: Folder = None,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    key: Annotated[Path | None, typer.Option(help="The public key (PEM); GUARD_HOME's if left out.")] = None,
    json: AsJson = False,
    as_csv: AsCsv = False,
    cost: Annotated[
        bool,
        typer.Option(
            "--cost", help="No pack: what calls cost by tenant, route and model; of 7 days if no --since."
        ),
    ] = False,
) -> None:
    """Make the evidence pack: answers by article, the proof that the record is whole, and how to check both.

    It holds no originals. Exit code 1 where the record is not whole: the pack says what is wrong.
    """
    if cost:
        return _costs(folder, given(since, until, tenant), form_of(json, as_csv), regime or out or key)
    if as_csv:
        raise typer.BadParameter("--csv goes with --cost: a pack holds its answers as CSV")
    from guard.audit.pack import Order
    from guard.audit.questions import moment
    from guard.audit.regimes import EVERY, REGIMES

    now = datetime.now(UTC)
    chosen = REGIMES[regime.value] if regime else EVERY
    target = out or Path(f"guard-evidence-{chosen.name}-{now:%Y%m%d}")
    began, ended = (
        f"{moment(text):%Y-%m-%dT%H:%M:%S.%f}" for text in (since or "1970-01-01", until or now.isoformat())
    )
    public = read_file(key) if key else public_key()[1]
    order = Order(exports_of(folder), chosen, began, ended, tenant or "", public, heads_of())
    pack, signed = _make(order, target)
    if json:
        verified = {"verified": pack.report.ok, "signed": signed}
        write_json({"pack": str(target), "answers": {n: a.rows for n, a in pack.answers.items()}, **verified})
    else:
        _say(pack, target, signed)
    raise typer.Exit(0 if pack.report.ok else 1)


def _costs(folder: Path | None, asked: dict[str, str], form: str, other: object) -> None:
    from guard.cli.costs import show_costs

    if other:
        raise typer.BadParameter("--cost is a table: it takes --since, --until, --tenant, --json or --csv")
    show_costs(exports_of(folder), asked, form)


def _make(order: Order, target: Path) -> tuple[Pack, bool]:
    """Gather beside the target, put the reading on record, and only then let it be seen."""
    from guard.audit.pack import gather, seal
    from guard.audit.packpage import page
    from guard.settings import Settings

    part = _draft(target)
    try:
        with bar("report", order.exports) as progress:
            pack = gather(order, part, progress, partial(page, say=speaker(), language=tag()))
        signed = seal(part, Settings().home.expanduser())
        for path in part.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        form = "zip" if target.suffix == ".zip" else "folder"
        on_record(order.exports, "report", question=order.regime.name, form=form)
        _zip(part, target) if form == "zip" else part.rename(target)
    except OSError as error:
        raise SetupError(f"{error.filename or target}: {error.strerror or 'cannot be used'}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return pack, signed


def _draft(target: Path) -> Path:
    if target.exists():
        raise SetupError(f"{target} is there already: name another with -o")
    part = target.absolute().with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.mkdir(mode=0o700)
    except OSError as error:
        raise SetupError(f"{target}: {error.strerror}") from None
    return part


def _zip(folder: Path, target: Path) -> None:
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, f"{target.stem}/{path.relative_to(folder).as_posix()}")


def _say(pack: Pack, target: Path, signed: bool) -> None:
    out = console()
    answers = pack.answers.values()
    whole, problems = told("intact"), told(f"{len(pack.report.problems)} problems")
    verdict = f"[green]✓ {whole}[/green]" if pack.report.ok else f"[red]✗ {problems}[/red]"
    out.print(f"{verdict}  " + told(f"{pack.report.records} records in {pack.report.files} files"))
    out.print(told(f"{len(answers)} answers, {sum(one.rows for one in answers):,} rows"))
    how = "signed" if signed else "not signed: this installation holds no signing key"
    out.print(f"{target}  ({told(how)}); {told('read index.html first')}", markup=False, soft_wrap=True)
