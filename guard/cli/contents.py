"""`guard audit keygen` and `guard audit open`: the auditor's own pair, and the texts that only it opens."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.desk import Folder, exports_of, on_record, read_file
from guard.cli.language import told
from guard.cli.tables import AsJson, cell, console, write_json
from guard.cli.who import identified
from guard.errors import SetupError

if TYPE_CHECKING:
    from guard.audit.contents import Opened


def keygen(
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the private key goes: a new file, 0600.")],
    json: AsJson = False,
) -> None:
    """Make the auditor's pair for `trace.content: encrypted`; the public half is printed as a policy has it.

    Run it where the auditor works: guard needs the public half alone, and keeps no copy of the other.
    """
    from guard.trace.content import Auditor, make_pair

    private, public = make_pair()
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
    except OSError as error:
        raise SetupError(f"{out}: {error.strerror}") from None
    if json:
        return write_json({"key_id": Auditor(public).key_id, "auditor_key": public})
    typer.echo(f"# key {Auditor(public).key_id}\ntrace: {{content: encrypted, auditor_key: {public}}}")


def open_(
    trace: Annotated[str, typer.Argument(help="A trace id, as in x-guard-trace.")],
    key: Annotated[Path, typer.Option(help="The auditor's private key (PEM).")],
    folder: Folder = None,
    erased: Annotated[
        str,
        typer.Option(help="Open even if a person in it was erased: the number of the case. It is recorded."),
    ] = "",
    json: AsJson = False,
) -> None:
    """Show the texts that were kept of one exchange, with the auditor's private key. That it was read is on record.

    Where a person in it was erased nothing is shown without --erased. Exit code 1 where some of it stays closed.
    """
    from guard.audit.contents import contents
    from guard.trace.content import Opener

    exports = exports_of(folder)
    case = identified(erased, "--erased", "the number of a case such as LIT-7") if erased else ""
    if not case:
        _refuse_erased(exports, trace)
    found = contents(exports, trace, Opener(read_file(key)))
    on_record(exports, "open", form="json" if json else "table", question=f"erased {case}" if case else None)
    if json:
        write_json([{name: getattr(one, name) for name in _FIELDS} for one in found])
    else:
        for one in found:
            _show(one)
    raise typer.Exit(1 if any(one.closed for one in found) else 0)


def _refuse_erased(exports: Path, trace: str) -> None:
    from guard.audit.contents import erased

    if found := erased(exports, trace):
        print(
            told(
                f"a person in this exchange was erased on {found.when:%Y-%m-%d}, ticket {cell(found.ticket)}:"
                " its texts stay closed; --erased CASE opens them, and is on record"
            ),
            file=sys.stderr,
        )
        raise typer.Exit(1)


_FIELDS = ("stage", "span_id", "form", "cut", "file", "texts", "closed")


def _show(one: Opened) -> None:
    out = console()
    form = told(f"{one.form}, cut" if one.cut else one.form)
    out.print(f"{told(one.stage or 'span')} {one.span_id} ({form})", style="bold", markup=False)
    if one.closed:
        out.print("  " + told(f"stays closed: {one.closed}"), markup=False)
    for path, text in one.texts:
        out.print(f"  {cell(path) or told('text')}", style="dim", markup=False)
        for line in text.splitlines():
            out.print(f"    {cell(line)}", markup=False, soft_wrap=True)
