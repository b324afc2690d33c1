"""`guard audit find` and `guard audit erase`: one person's rights, by the key and without their data in the record."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.desk import Folder, Since, Tenant, Until, exports_of, given, on_record
from guard.cli.tables import AsCsv, AsJson, form_of, present, write_json
from guard.cli.who import identified, login
from guard.errors import SetupError

if TYPE_CHECKING:
    from guard.keys import Keys

Subject = Annotated[
    str, typer.Option(help="The person's value: an e-mail address, a number; - reads it from stdin.")
]
Key = Annotated[Path | None, typer.Option(help="The master key's file; this installation's key if left out.")]


def find(
    subject: Subject,
    key: Key = None,
    folder: Folder = None,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List every record about one person. The record holds keyed hashes only; the key finds them again.

    Exit code 1 where there is none.
    """
    from guard.audit.subjects import find as look

    exports, form = exports_of(folder), form_of(json, as_csv)
    found = look(exports, _keys(key), _value(subject), given(since, until, tenant))
    on_record(exports, "find", form=form)
    present(found.table, form)
    if found.erased is not None:
        print(f"erased on {found.erased:%Y-%m-%d}, ticket {found.ticket}", file=sys.stderr)
    raise typer.Exit(0 if found.table.rows else 1)


def erase(
    subject: Subject,
    ticket: Annotated[str, typer.Option(help="Why: the number of the request. It is recorded.")],
    key: Key = None,
    folder: Folder = None,
    by: Annotated[str, typer.Option(help="Who erases; the login name if left out. It is recorded.")] = "",
    json: AsJson = False,
) -> None:
    """Write a tombstone for one person: views and `find` no longer know them, and the chain stays whole.

    The sealed lines keep the keyed hash, which says nothing without the key. Exit code 1 where nothing was found.
    """
    from guard.audit.subjects import erase as bury
    from guard.audit.subjects import find as look
    from guard.settings import Settings

    exports = exports_of(folder)
    case = identified(ticket, "--ticket", "the number of a request such as DSR-12")
    who = identified(by or login(), "--by", "a login name such as jo.weber")
    found = look(exports, _keys(key), _value(subject), {})
    if found.table.rows and not bury(exports, Settings().home.expanduser(), found, case, who):
        raise SetupError("only an installation with its signing key can erase: this is a copy")
    if json:
        write_json({"erased": len(found.table.rows), "ticket": case})
    else:
        print(f"{len(found.table.rows)} findings are no longer linked to this person")
    raise typer.Exit(0 if found.table.rows else 1)


def _value(subject: str) -> str:
    return sys.stdin.read().strip() if subject == "-" else subject


def _keys(key: Path | None) -> Keys:
    from guard.keyring import has_key, load_keys
    from guard.keys import Keys
    from guard.settings import Settings

    settings = Settings()
    if key is None:
        if not has_key(settings):
            raise SetupError("there is no master key here: name its file with --key")
        return load_keys(settings)
    try:
        return Keys(key.read_bytes())
    except OSError as error:
        raise SetupError(f"{key}: {error.strerror}") from None
