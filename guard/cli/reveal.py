"""`guard reveal`: originals for those with the key; every use of it is on record before anything is shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.language import told
from guard.cli.sources import read_text, write_text
from guard.cli.who import identified, login

if TYPE_CHECKING:
    from guard.guard import Guard
    from guard.pii.sealing import Revealed


def reveal(
    source: Annotated[
        str, typer.Argument(help="A file, - for standard input, or a text that holds sealed placeholders.")
    ] = "-",
    out: Annotated[
        str, typer.Option("--out", "-o", help="Where to write; standard output if left out.")
    ] = "",
    by: Annotated[str, typer.Option(help="Who asks; the login name if left out. It is recorded.")] = "",
    ticket: Annotated[str, typer.Option(help="Why: the number of a case. It is recorded.")] = "",
    policy: Annotated[str, typer.Option(help="The policy under which it is recorded.")] = "",
) -> None:
    """Put the originals back where `as: encrypt` left `<EMAIL~…>`, with the keys of this installation.

    Who, when, how many and under which keys is recorded first, never a value; where the record cannot be
    written nothing is shown. Exit code 1 where a placeholder stayed closed: it is of another key, or was changed.

    Example:  guard reveal answer.txt --ticket CASE-4711
    """
    from guard.build import build
    from guard.pii.sealing import SEALED
    from guard.pii.sealing import reveal as opened
    from guard.settings import Settings

    who = identified(by or login(), "--by", "a login name such as jo.weber")
    case = identified(ticket, "--ticket", "the number of a case such as CASE-4711")
    text = source if SEALED.search(source) else read_text(source)
    guard = build(policy or Settings().policy, detecting=False)
    try:
        found = opened(guard.keys, text)
        _record(guard, found, who, case)
    finally:
        guard.close()
    write_text(found.text, out, private=True)
    _tell(found)
    raise typer.Exit(1 if found.closed else 0)


def _record(guard: Guard, found: Revealed, who: str, case: str) -> None:
    """Make the use of the key durable; raises Unavailable, and then nothing is shown."""
    from guard.trace import records

    if found.opened or found.closed:
        line = records.reveal(
            guard.recorder,
            by=who,
            ticket=case,
            opened=found.opened,
            closed=found.closed,
            key_ids=found.key_ids,
        )
        guard.ledger.commit_sync(line)


def _tell(found: Revealed) -> None:
    under = told(f" under {', '.join(found.key_ids)}") if found.key_ids else ""
    closed = told(f", {found.closed} stayed closed: of another key, or changed") if found.closed else ""
    print(told(f"guard: {found.opened} placeholders opened") + under + closed, file=sys.stderr)
