"""`guard audit retain` and `guard audit hold`: how long the record is kept, and what must stay."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from guard.cli.desk import Folder, exports_of, public_key
from guard.cli.language import told
from guard.cli.tables import AsJson, cell, console, write_json
from guard.cli.who import identified, login
from guard.errors import SetupError

_AT_LEAST = "180d"
_COPY = "only an installation with its signing key can do this: here is a copy"


def retain(
    keep: Annotated[
        str, typer.Option(help="Delete what is older: 400d, 60w; the policy's trace.keep if left out.")
    ] = "",
    at_least: Annotated[
        str,
        typer.Option(help="Refuse to keep for less; the policy's trace.at_least, else 180d, if left out."),
    ] = "",
    policy: Annotated[
        str, typer.Option(help="A pack's name or a policy file; GUARD_POLICY if left out.")
    ] = "",
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete; without it only what would go is shown.")
    ] = False,
    folder: Folder = None,
    by: Annotated[str, typer.Option(help="Who deletes; the login name if left out. It is recorded.")] = "",
    json: AsJson = False,
) -> None:
    """Delete whole export files that are old enough, verified and not on hold; the deletion is on record first.

    180 days are the least that the EU AI Act asks (Art. 19, 26(6)); PCI DSS 10.5.1 asks 365. Options can ask for
    more than the policy's trace.at_least, never for less.
    """
    from guard.audit import retention
    from guard.settings import Settings

    exports, home = exports_of(folder), Settings().home.expanduser()
    who = identified(by or login(), "--by", "a login name such as jo.weber")
    planned = retention.plan(exports, _public(), *_periods(keep, at_least, policy))
    if delete and not retention.delete(exports, home, planned, who):
        raise SetupError(_COPY)
    names = [path.name for path in planned.files]
    if json:
        return write_json({"deleted": delete, "files": names, "kept": dict(planned.kept)})
    for name, reason in planned.kept:
        console().print(cell(told(f"{name} stays: {reason}")), markup=False, soft_wrap=True)
    count = len(names)
    done = told(f"{count} exports were deleted" if delete else f"{count} exports would go (--delete)")
    console().print(done, markup=False)


def _public() -> bytes:
    try:
        return public_key()[1]
    except SetupError:
        raise SetupError(_COPY) from None


def _periods(keep: str, at_least: str, policy: str) -> tuple[timedelta, timedelta]:
    """How long to keep, and how long at least: by the options, and by the policy's own words."""
    from guard.audit.retention import period
    from guard.policy.load import load_policy
    from guard.settings import Settings

    written = load_policy(policy or Settings().policy).trace
    if not (keep or written.keep):
        raise typer.BadParameter("--keep: say how long, such as 400d, or write trace.keep into the policy")
    asked = [period(text) for text in (at_least, written.at_least) if text] or [period(_AT_LEAST)]
    return period(keep or written.keep), max(asked)


def hold(
    ticket: Annotated[str, typer.Option(help="The number of the case; empty lists the holds in force.")] = "",
    since: Annotated[str, typer.Option(help="From when on: a date.")] = "1970-01-01",
    until: Annotated[str, typer.Option(help="Until when: a date.")] = "9999-01-01",
    release: Annotated[bool, typer.Option("--release", help="End the hold of this ticket.")] = False,
    folder: Folder = None,
    by: Annotated[str, typer.Option(help="Who holds; the login name if left out. It is recorded.")] = "",
    json: AsJson = False,
) -> None:
    """Put records of some time on legal hold: `guard audit retain` deletes none of them until it is released."""
    from guard.audit import retention
    from guard.audit.questions import moment
    from guard.settings import Settings

    exports = exports_of(folder)
    if not ticket:
        return _list(exports, json)
    case = identified(ticket, "--ticket", "the number of a case such as LIT-7")
    what = retention.Hold(case, moment(since), moment(until))
    who = identified(by or login(), "--by", "a login name such as jo.weber")
    if not retention.hold(exports, Settings().home.expanduser(), what, who, release=release):
        raise SetupError(_COPY)
    print(told(f"{case} is released" if release else f"{case} is on hold"))


def _list(exports: Path, json: bool) -> None:
    from guard.audit.retention import holds

    found = [{"ticket": one.ticket, "since": one.since, "until": one.until} for one in holds(exports)]
    if json:
        return write_json(found)
    for one in found:
        print(f"{one['ticket']}  " + told(f"{one['since']:%Y-%m-%d} to {one['until']:%Y-%m-%d}"))
    if not found:
        print(told("no holds"))
