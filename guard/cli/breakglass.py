"""`guard break-glass`: in an emergency a rule only flags for some minutes; who, why and how long is on record first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.language import told
from guard.cli.who import identified, login
from guard.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from guard.glass import Glass
    from guard.keys import Keys
    from guard.policy.model import Policy


def break_glass(
    kind: Annotated[
        str, typer.Option(help="The kind, or kinds, that are only flagged; left out: list what is broken.")
    ] = "",
    minutes: Annotated[int, typer.Option(help="For how long.", min=1, max=480)] = 30,
    ticket: Annotated[str, typer.Option(help="Why: the number of an incident. It is recorded.")] = "",
    by: Annotated[str, typer.Option(help="Who does it; the login name if left out. It is recorded.")] = "",
    policy: Annotated[str, typer.Option(help="The policy that says what stays closed.")] = "",
    end: Annotated[bool, typer.Option("--end", help="End at once what is broken.")] = False,
) -> None:
    """Let the rules of a kind flag instead of act, for some minutes, in every guard of this installation.

    It ends by itself. Running guards take it up within two seconds, say so in their log, and name the ticket on
    every span where it changed something. Never for egress, for the record, or for what the policy keeps closed
    (break_glass.never). Exit code 1 where it is refused.

    Example:  guard break-glass --kind pii.phone --minutes 30 --ticket INC-42
    """
    from guard.build import build
    from guard.glass import FILE, Glass, record, write
    from guard.keyring import home_of
    from guard.settings import Settings

    settings = Settings()
    guard = build(policy or settings.policy, settings, detecting=False)
    try:
        path, now = home_of(settings) / FILE, time.time()
        before = _holding(path, guard.keys, now, forgive=end)
        if kind:
            _check(kind, ticket, guard.policy)
        broken = [Glass(kind, ticket, now + 60 * minutes)] if kind else []
        ended = [row._replace(until=now) for row in before] if end else []
        rows = [*([] if end else before), *broken]
        if kind or end:
            who = identified(by or login(), "--by", "a login name such as jo.weber")
            for row in (*ended, *broken):
                record(guard, row, who)
            write(path, guard.keys, rows)
    finally:
        guard.close()
    _show(rows, now)


def _holding(path: Path, keys: Keys, now: float, forgive: bool) -> list[Glass]:
    """What is broken now; raises SetupError for a file that this installation did not write."""
    from guard.glass import read

    try:
        return [row for row in read(path, keys) if now < row.until]
    except (ValueError, KeyError, TypeError):
        if forgive:
            return []
        raise SetupError(f"{path} was not written by this installation: --end writes it anew") from None


def _check(kind: str, ticket: str, policy: Policy) -> None:
    from guard.errors import Refused
    from guard.kinds import KINDS, matches
    from guard.policy.waivers import NEVER, forbidden

    if not ticket:
        raise typer.BadParameter("--ticket: write the number of an incident such as INC-42")
    identified(ticket, "--ticket", "the number of an incident such as INC-42")
    if closed := forbidden(kind, (*NEVER, *policy.break_glass.never)):
        raise Refused("break_glass.never", f"{kind} stays closed: nobody breaks the glass before {closed}")
    if not any(matches(kind, known) for known in KINDS | policy.own_kinds):
        raise typer.BadParameter(f"--kind: {kind[:60]} names no known kind: docs/policy.md lists them")


def _show(rows: list[Glass], now: float) -> None:
    for row in rows:
        left = max(round((row.until - now) / 60), 1)
        one = f"{row.kind} is only flagged for {left} more minute ({row.ticket})"
        typer.echo(
            told(one if left == 1 else f"{row.kind} is only flagged for {left} more minutes ({row.ticket})")
        )
    if not rows:
        typer.echo(told("nothing is broken"))
