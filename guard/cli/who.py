"""Who sits at the keyboard, and what they give as a reason: identifiers that may stand in the record."""

from __future__ import annotations

import os

import typer

from guard.errors import SetupError


def identified(text: str, option: str, example: str) -> str:
    """A text that may stand in the record; raises BadParameter for one that is no identifier."""
    from guard.trace.records import OTHER, identifier

    if identifier(text) == OTHER:
        raise typer.BadParameter(f"{option}: write {example}, without blanks")
    return text


def login() -> str:
    """The name of the account that runs this, not what its environment says."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        raise SetupError("this account has no login name: say who asks with --by") from None
