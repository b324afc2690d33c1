"""`guard policy`: check, show and explain the files that say what is allowed."""

from __future__ import annotations

import datetime
import json
from typing import Annotated, Any

import typer

from guard.errors import PolicyError

app = typer.Typer(
    no_args_is_help=True,
    help="Check, show and describe policies. A policy is a pack's name (default, strict, eu, …) or a YAML file.",
)

Source = Annotated[
    str, typer.Argument(metavar="FILE|PACK", help="a policy file, or the name of a shipped pack")
]
AsJson = Annotated[bool, typer.Option("--json", help="write one JSON object, for machines")]


@app.command(epilog="Example: guard policy check policies/acme.yaml")
def check(source: Source = "default", as_json: AsJson = False) -> None:
    """Say what is wrong with a policy, each with file:line:key, what it loosens, and what fails open.

    Exit code 0: it loads (warnings do not change that); 2: it does not.
    """
    from guard.policy.check import warnings
    from guard.policy.load import load

    try:
        loaded = load(source)
    except PolicyError as error:
        _fail(error, as_json)
    noted = warnings(loaded, datetime.datetime.now(datetime.UTC).date())
    policy, loosened = loaded.policy, [str(loosening) for loosening in loaded.loosenings]
    if as_json:
        names = {"policy": policy.policy, "version": policy.version, "sha256": policy.sha256}
        return _print_json({"ok": True, **names, "problems": [], "loosenings": loosened, "warnings": noted})
    typer.echo(f"{policy.policy} {policy.version} loads, sha256 {policy.sha256[:16]}…")
    for title, lines in (("Looser than what it extends", loosened), ("Worth a look", noted)):
        _print_list(title, lines)


@app.command(epilog="Example: guard policy show eu --why")
def show(
    source: Source = "default",
    why: Annotated[
        bool, typer.Option("--why", help="add the file and line that each line comes from")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the resolved policy: what is in force once everything that it extends is laid together."""
    from guard.policy.digest import canonical
    from guard.policy.load import load
    from guard.policy.show import origins, to_yaml

    try:
        loaded = load(source)
    except PolicyError as error:
        _fail(error, as_json)
    if not as_json:
        return typer.echo(to_yaml(loaded, why=why), nl=False)
    data: dict[str, Any] = {"sha256": loaded.policy.sha256, "resolved": canonical(loaded.policy)}
    return _print_json(data | {"origins": origins(loaded)} if why else data)


@app.command(epilog="Example: guard policy schema > policy.schema.json")
def schema() -> None:
    """Print the JSON Schema of policy files, for editors (`# yaml-language-server: $schema=…`)."""
    from guard.policy.schema import json_schema

    _print_json(json_schema())


def _fail(error: PolicyError, as_json: bool) -> Any:
    if as_json:
        _print_json({"ok": False, "problems": [_parts(problem) for problem in error.problems]})
    else:
        typer.echo("\n".join(error.problems), err=True)
    raise typer.Exit(2)


def _parts(problem: str) -> dict[str, Any]:
    return {key: getattr(problem, key) for key in ("file", "line", "key", "message")}


def _print_list(title: str, lines: list[str]) -> None:
    if lines:
        typer.echo(f"\n{title}:")
    for line in lines:
        typer.echo(f"  {line}")


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
