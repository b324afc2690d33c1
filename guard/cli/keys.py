"""`guard keys`: virtual keys of the gateway's clients: made, listed, revoked; each of it on record."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.language import told
from guard.cli.tables import AsJson, show_rows, write_json
from guard.cli.who import identified, login
from guard.errors import SetupError

if TYPE_CHECKING:
    from guard.outside.stores.clientkeys import KeyFile, VirtualKey

app = typer.Typer(help="Virtual keys of the gateway's clients.", no_args_is_help=True)

By = Annotated[str, typer.Option(help="Who does it; the login name if left out. It is recorded.")]


class Role(StrEnum):
    """What a key may do."""

    CALLER = "caller"
    READER = "reader"


@app.command(epilog="Example: guard keys create --tenant acme --expires 90d")
def create(
    tenant: Annotated[str, typer.Option(help="Whose calls these are: an identifier.")],
    role: Annotated[
        Role, typer.Option(help="caller: everything that passes; reader: only GET.")
    ] = Role.CALLER,
    expires: Annotated[str, typer.Option(help="When it ends: 90d, 26w, or a date; never if left out.")] = "",
    name: Annotated[
        str, typer.Option(help="What it is called, in lists, on record and by policies: an identifier.")
    ] = "",
    by: By = "",
    json: AsJson = False,
) -> None:
    """Make a key and print it: only now, it is kept as a hash. Running gateways know it within seconds."""
    from guard.trace import spans

    whose = identified(tenant, "--tenant", "an identifier such as acme")
    called = identified(name, "--name", "an identifier such as partner-a") if name else ""
    who, ends, file = (
        identified(by or login(), "--by", "a login name such as jo.weber"),
        _end(expires),
        _file(),
    )
    first = not file.path.exists()
    made, text = file.create(whose, role.value, ends, called)
    try:
        _note(spans.CLIENT_KEY_CREATED, made, who)
    except Exception:
        file.revoke(made.id)
        raise
    if json:
        return write_json({"key": text, **_told(made)})
    print(text)
    print(
        told(
            f"key {' '.join(made.called)} of {made.tenant}, {made.role}, ends {_day(made.expires) or 'never'}"
        ),
        file=sys.stderr,
    )
    if first:
        print(
            told("the first virtual key: gateways that run without any keys must be started again"),
            file=sys.stderr,
        )


@app.command("list", epilog="Example: guard keys list --json")
def list_keys(json: AsJson = False) -> None:
    """List the keys: ids, tenants, roles, ends. The keys themselves are nowhere."""
    rows = sorted(_file().read().values(), key=lambda row: (row.created, row.id))
    if json:
        return write_json([_told(row) for row in rows])
    if not rows:
        return print(told("no virtual keys"))
    from rich.text import Text

    names = ("id", "name", "tenant", "role", "created", "ends", "state")
    show_rows([*map(told, names)], [[*map(Text, _cells(row))] for row in rows])


@app.command(epilog="Example: guard keys revoke 1a2b3c4d5e6f")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The id, as `guard keys list` shows it.")],
    by: By = "",
    json: AsJson = False,
) -> None:
    """End a key now. Running gateways refuse it within seconds."""
    from guard.trace import spans

    who = identified(by or login(), "--by", "a login name such as jo.weber")
    ended = _file().revoke(key_id)
    _note(spans.CLIENT_KEY_REVOKED, ended, who)
    if json:
        return write_json(_told(ended))
    print(told(f"key {ended.id} of {ended.tenant} is revoked"))


def _cells(row: VirtualKey) -> tuple[str, ...]:
    """What a person reads of a key."""
    ends = _minute(row.revoked or row.expires) or told("never")
    state = told(row.state(time.time()))
    return row.id, row.name, row.tenant, row.role, _minute(row.created), ends, state


def _file() -> KeyFile:
    from guard.keyring import key_file
    from guard.settings import Settings

    return key_file(Settings())


def _note(name: str, key: VirtualKey, by: str) -> None:
    """Put it on record; an installation that has never recorded makes its signing pair for it."""
    from guard.audit.desk import note
    from guard.keyring import home_of
    from guard.settings import Settings
    from guard.trace import spans
    from guard.trace.signing import load_signer

    settings = Settings()
    home = home_of(settings)
    load_signer(home)
    noted = {
        spans.CLIENT_KEY: key.id,
        spans.CLIENT_KEY_NAME: key.name or None,
        spans.CLIENT_KEY_ROLE: key.role,
        spans.TENANT: key.tenant,
        spans.AUDIT_BY: by,
    }
    note(home, settings.exports.expanduser(), name, noted)


def _end(text: str) -> float:
    """When a key ends, by days or weeks from now or by a date (UTC); raises SetupError for a time that is past."""
    from guard.policy.fields import days

    if not text:
        return 0.0
    if period := days(text):
        return round(time.time() + period * 86400)
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        raise SetupError("--expires is no time: write 90d, 26w, or a date such as 2027-01-31") from None
    ends = (day if day.tzinfo else day.replace(tzinfo=UTC)).timestamp()
    if ends <= time.time():
        raise SetupError("--expires is past: write a later date, or 90d")
    return ends


def _told(row: VirtualKey) -> dict[str, str | None]:
    return {
        "id": row.id,
        "name": row.name,
        "tenant": row.tenant,
        "role": row.role,
        "created": _day(row.created),
        "expires": _day(row.expires) or None,
        "revoked": _day(row.revoked) or None,
        "state": row.state(time.time()),
    }


def _minute(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%MZ}" if seconds else ""


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}" if seconds else ""
