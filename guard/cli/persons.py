"""`guard audit find` and `guard audit erase`: one person's rights, by the key and without their data in the record."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.desk import Folder, Since, Tenant, Until, exports_of, given, on_record
from guard.cli.language import told
from guard.cli.tables import AsCsv, AsJson, cell, form_of, present, write_json
from guard.cli.who import identified, login
from guard.errors import SetupError

if TYPE_CHECKING:
    from guard.audit.subjects import Found, Unlinking
    from guard.keys import Keys
    from guard.outside.stores.subjectkeys import SubjectKey, SubjectKeys

Subject = Annotated[
    str, typer.Option(help="The person's value: an e-mail address, a number; - reads it from stdin.")
]
Key = Annotated[Path | None, typer.Option(help="The master key's file; this installation's key if left out.")]
SubjectFolders = Annotated[
    list[Path] | None,
    typer.Option(
        "--subject-keys",
        help="A folder of sealed subject keys, several times for several; beside the master key if left out.",
    ),
]

_COPY = "only an installation with its signing key can erase: this is a copy"
_PERIOD = re.compile(r"\d{4}(?:-(?:\d\d|Q[1-4]))?", re.ASCII)


def find(
    subject: Subject,
    key: Key = None,
    subject_keys: SubjectFolders = None,
    folder: Folder = None,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List every record about one person. The record holds keyed hashes only; the keys find them again.

    Exit code 1 where there is none. What cannot be searched, for want of a key, is said on standard error.
    """
    from guard.audit.subjects import find as look

    exports, form = exports_of(folder), form_of(json, as_csv)
    keys, opened = _keys(key, subject_keys)
    found = look(exports, keys, _value(subject), given(since, until, tenant), opened)
    on_record(exports, "find", form=form)
    present(found.table, form)
    if found.erased is not None:
        print(told(f"erased on {found.erased:%Y-%m-%d}, ticket {found.ticket}"), file=sys.stderr)
    _tell_unsearched(found)
    raise typer.Exit(0 if found.table.rows else 1)


def erase(
    ticket: Annotated[str, typer.Option(help="Why: the number of the request. It is recorded.")],
    subject: Annotated[
        str | None, typer.Option(help="One person's value, by a tombstone; - reads it from stdin.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="With --period: everyone of this tenant, by destroying its keys.")
    ] = None,
    period: Annotated[
        list[str] | None,
        typer.Option(help="Whose key is destroyed: 2026-10, 2026-Q4 or 2026; several times for several."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Destroy keys without asking.")] = False,
    key: Key = None,
    subject_keys: SubjectFolders = None,
    folder: Folder = None,
    by: Annotated[str, typer.Option(help="Who erases; the login name if left out. It is recorded.")] = "",
    json: AsJson = False,
) -> None:
    """Forget one person, by a tombstone, or everyone of a tenant's period, by destroying its key.

    After a tombstone views and `find` no longer know the person; after a destroyed key nobody finds anyone in that
    period. The sealed lines keep the keyed hashes, which say nothing without the key. Exit code 1 where nothing was
    found.
    """
    exports = exports_of(folder)
    case = identified(ticket, "--ticket", "the number of a request such as DSR-12")
    who = identified(by or login(), "--by", "a login name such as jo.weber")
    keys, opened = _keys(key, subject_keys)
    if subject is not None and not (tenant or period):
        return _bury(exports, keys, opened, _value(subject), case, who, json)
    if subject is not None or not tenant or not period:
        raise typer.BadParameter("write --subject, or --tenant and --period")
    for one in period:
        if not _PERIOD.fullmatch(one):
            raise typer.BadParameter("--period: write one such as 2026-10, 2026-Q4 or 2026")
    _unlink(exports, tenant, period, case, who, yes=yes, json=json)


def _bury(
    exports: Path, keys: Keys, opened: list[SubjectKey], value: str, ticket: str, by: str, json: bool
) -> None:
    from guard.audit.subjects import erase as bury
    from guard.audit.subjects import find as look
    from guard.settings import Settings

    found = look(exports, keys, value, {}, opened)
    if found.table.rows and not bury(exports, Settings().home.expanduser(), found, ticket, by):
        raise SetupError(_COPY)
    if json:
        write_json({"erased": len(found.table.rows), "ticket": ticket})
    else:
        print(told(f"{len(found.table.rows)} findings are no longer linked to this person"))
    _tell_sealed(exports, found)
    _tell_unsearched(found)
    raise typer.Exit(0 if found.table.rows else 1)


def _tell_sealed(exports: Path, found: Found) -> None:
    """Say what a tombstone does not reach: texts that are sealed to an auditor's key."""
    from guard.audit.contents import kept

    at = found.table.columns.index("trace_id")
    sealed = kept(exports, sorted({row[at] for row in found.table.rows}))
    if sealed:
        keys = ", ".join(sorted({one.key for one in sealed.values()}))
        print(
            told(
                f"of {len(sealed)} exchanges with this person texts are kept, sealed to the auditor's key {keys}:"
                " guard audit open refuses them from now on, and they stay in the lines until their exports are deleted"
            ),
            file=sys.stderr,
        )


def _unlink(
    exports: Path, tenant: str, periods: list[str], ticket: str, by: str, *, yes: bool, json: bool
) -> None:
    from guard.audit.contents import kept_under
    from guard.audit.subjects import unlink, unlinking
    from guard.settings import Settings

    store = _store()
    planned = unlinking(exports, store, tenant, periods)
    named = ", ".join(key.period for key in planned.keys)
    sealed = kept_under(exports, [key.id for key in planned.keys])
    if planned.keys:
        print(
            told(
                f"This destroys the key of {cell(tenant)} for {named}: nobody is found in its {planned.records}"
                " records any more, whoever asks. It cannot be undone."
            ),
            file=sys.stderr,
        )
        if sealed:
            print(
                told(
                    f"Of {sealed} exchanges among them texts are kept, sealed to the auditor's key: guard audit open"
                    " refuses them then, and they stay in the lines until their exports are deleted"
                ),
                file=sys.stderr,
            )
        if not yes and not typer.confirm(told("Destroy?"), err=True):
            raise typer.Exit(1)
        try:
            if not unlink(exports, Settings().home.expanduser(), store, planned, ticket, by):
                raise SetupError(_COPY)
        except OSError as error:
            raise SetupError(f"{error.filename}: {error.strerror}: erase again") from None
    _tell_rest(planned)
    destroyed = [key.id for key in planned.keys]
    if json:
        write_json({"destroyed": destroyed, "records": planned.records, "sealed": sealed, "ticket": ticket})
    else:
        print(told(f"{len(destroyed)} keys were destroyed"))
    raise typer.Exit(0 if destroyed else 1)


def _tell_rest(planned: Unlinking) -> None:
    """Say what is still linked."""
    for one in planned.elsewhere:
        text = f"{one.records} records of {one.period} have the key {one.id}, which lies elsewhere: erase there too"
        print(told(text), file=sys.stderr)
    if planned.derived:
        text = f"{planned.derived} records are older than such keys: erase persons from them with --subject"
        print(told(text), file=sys.stderr)


def _tell_unsearched(found: Found) -> None:
    for one in found.unsearched:
        print(told(cell(one)), file=sys.stderr)


def _value(subject: str) -> str:
    return sys.stdin.read().strip() if subject == "-" else subject


def _keys(key: Path | None, folders: list[Path] | None) -> tuple[Keys, list[SubjectKey]]:
    """The master key, and the subject keys that it opens."""
    from guard.keyring import has_key, load_keys
    from guard.keys import Keys
    from guard.outside.stores.subjectkeys import FOLDER, SubjectKeys
    from guard.settings import Settings

    settings = Settings()
    if key is None:
        if not has_key(settings):
            raise SetupError("there is no master key here: name its file with --key")
        stores = [SubjectKeys(folder, load_keys(settings)) for folder in folders or ()] or [_store()]
        return load_keys(settings), [one for store in stores for one in store.stored()]
    try:
        keys = Keys(key.read_bytes())
    except OSError as error:
        raise SetupError(f"{key}: {error.strerror}") from None
    stores = [SubjectKeys(folder, keys) for folder in folders or [key.parent / FOLDER]]
    return keys, [one for store in stores for one in store.stored()]


def _store() -> SubjectKeys:
    """The subject keys of this installation."""
    from guard.keyring import load_keys
    from guard.keyring import subject_keys as store
    from guard.settings import Settings

    settings = Settings()
    return store(settings, load_keys(settings))
