"""What the auditor's verbs share: which folder, and that looking into the record is on record."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from guard.errors import SetupError

Folder = Annotated[Path | None, typer.Option(help="The folder of exports; GUARD_EXPORTS if left out.")]
Since = Annotated[str | None, typer.Option(help="From when on: 7d, 24h, or a date.")]
Until = Annotated[str | None, typer.Option(help="Until when: 7d, 24h, or a date.")]
Tenant = Annotated[str | None, typer.Option(help="Only this tenant.")]

_LARGE = 64 * 1024 * 1024


def exports_of(folder: Path | None) -> Path:
    """The folder that was named, or this installation's."""
    from guard.settings import Settings

    return folder or Settings().exports.expanduser()


def tell_outdated(exports: Path) -> None:
    """Say on standard error that the Parquet of a folder is of no use any more, and what to do."""
    from guard.audit.parquet import outdated
    from guard.cli.language import told

    if outdated(exports):
        typer.echo(told(_OUTDATED), err=True)


_OUTDATED = (
    "The Parquet here was made by another version of guard: this answer comes from the lines and takes longer. "
    "Make it anew: guard audit compact"
)


def heads_of() -> Path | None:
    """The folder of heads kept elsewhere that this installation names; what a webhook got is not here."""
    from guard.settings import Settings

    heads = Settings().heads
    return heads.expanduser() if isinstance(heads, Path) else None


def given(since: str | None, until: str | None, tenant: str | None, **more: str | None) -> dict[str, str]:
    """The parameters of a question that were given."""
    every = {"since": since, "until": until, "tenant": tenant, **more}
    return {name: text for name, text in every.items() if text is not None}


def on_record(exports: Path, verb: str, *, form: str, question: str | None = None) -> None:
    """Record that this installation's own exports were read: who, by which verb and question, in which form.

    A copy elsewhere is an auditor's own, and nobody could write its record. Raises Unavailable where the
    record cannot be written; then nothing may be shown.
    """
    from guard.audit.desk import note
    from guard.cli.who import login
    from guard.settings import Settings
    from guard.trace import spans

    settings = Settings()
    if exports.resolve() != settings.exports.expanduser().resolve():
        return
    asked = {spans.AUDIT_FORM: form, spans.AUDIT_QUESTION: question}
    note(
        settings.home.expanduser(),
        exports,
        spans.AUDIT_READ,
        {spans.AUDIT_BY: login(), spans.AUDIT_VERB: verb, **asked},
    )


@contextmanager
def bar(what: str, exports: Path) -> Iterator[Callable[[int], None] | None]:
    """A bar on the terminal where there is much to read; it is told the bytes."""
    paths = [exports] if exports.is_file() else exports.glob("*.jsonl")
    total = sum(path.stat().st_size for path in paths)
    if total < _LARGE or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda size: shown.advance(task, size)


def public_key() -> tuple[str, bytes]:
    """The id of this installation's key and the PEM of it and those it replaced; the private half is not needed."""
    from guard.settings import Settings
    from guard.trace.signing import PRIVATE, PUBLIC, load_signer, load_verifiers

    home = Settings().home.expanduser()
    if (home / PUBLIC).exists():
        keys = load_verifiers(read_file(home / PUBLIC))
    elif (home / PRIVATE).exists():
        keys = [load_signer(home)]
    else:
        raise SetupError(
            f"there is no signing key in {home} yet: it is made when guard first records; or --key FILE"
        )
    return keys[0].key_id, b"".join(key.public_pem for key in keys)


def read_file(path: Path) -> bytes:
    """The bytes of a file that was named; raises SetupError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}") from None
