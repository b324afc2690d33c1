"""`guard policy`: check, show, test and compare the files that say what is allowed."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.cli.backtest import backtest
from guard.cli.calibrate import calibrate
from guard.cli.language import problems as problem_lines
from guard.cli.language import speaker, told, value
from guard.cli.tables import cell, console
from guard.errors import PolicyError

if TYPE_CHECKING:
    from guard.policy.difference import Difference
    from guard.policy.resolve import Loaded

app = typer.Typer(
    no_args_is_help=True,
    help="Check, test, show and compare policies. A policy is a pack's name (default, strict, eu, …) or a YAML file.",
)

app.command(epilog="Example: guard policy backtest --policy new.yaml --traces exports/")(backtest)
app.command(epilog="Example: guard policy calibrate --data labelled.jsonl")(calibrate)

Source = Annotated[
    str, typer.Argument(metavar="FILE|PACK", help="a policy file, or the name of a shipped pack")
]
AsJson = Annotated[bool, typer.Option("--json", help="write one JSON object, for machines")]


@app.command(epilog="Example: guard policy check policies/acme.yaml")
def check(source: Source = "default", as_json: AsJson = False) -> None:
    """Say what is wrong with a policy, each with file:line:key, what it loosens, and what fails open.

    Exit code 0: it loads (warnings do not change that); 2: it does not.
    """
    from guard.detecting import idle_rules
    from guard.policy.check import warnings
    from guard.policy.load import load
    from guard.traffic.targets import ending, problems

    today = datetime.datetime.now(datetime.UTC).date()
    try:
        loaded = load(source)
        if found := [*problems(loaded.policy.traffic, today, loaded.policy.providers)]:
            raise PolicyError([_placed(loaded, *problem.split(": ", 1)) for problem in found])
    except PolicyError as error:
        _fail(error, as_json)
    ends = (f"traffic: {line}" for line in ending(loaded.policy.traffic, today, loaded.policy.providers))
    noted = [*warnings(loaded, today), *ends, *idle_rules(loaded.policy)]
    policy, loosened = loaded.policy, [str(loosening) for loosening in loaded.loosenings]
    if as_json:
        names = {"policy": policy.policy, "version": policy.version, "sha256": policy.sha256}
        return _print_json({"ok": True, **names, "problems": [], "loosenings": loosened, "warnings": noted})
    typer.echo(told(f"{policy.policy} {policy.version} loads, sha256 {policy.sha256[:16]}…"))
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
        return typer.echo(to_yaml(loaded, why=why, room=_room(), say=speaker()), nl=False)
    data: dict[str, Any] = {"sha256": loaded.policy.sha256, "resolved": canonical(loaded.policy)}
    return _print_json(data | {"origins": origins(loaded)} if why else data)


@app.command(epilog="Example: guard policy resolve acme.yaml --tenant acme --model gpt-5.6")
def resolve(
    source: Source = "default",
    tenant: Annotated[str, typer.Option(help="whose request; left out: of no known tenant")] = "",
    path: Annotated[str, typer.Option(help="its path, such as /v1/chat/completions; left out: any")] = "",
    model: Annotated[str, typer.Option(help="the model that it names; left out: any")] = "",
    header: Annotated[str, typer.Option(help="what it asks for by x-guard-policy")] = "",
    key: Annotated[
        str, typer.Option(help="name or id of its virtual key, with that key's tenant; left out: any")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say which attached policies hold for a request, with the line of each, and what they make tighter.

    What is left out is not known, and what is not known counts as met: the stricter holds.
    """
    from guard.cli import attachments
    from guard.policy.load import load

    try:
        said = attachments.explain(load(source), attachments.asked(tenant, path, model, header, key))
    except PolicyError as error:
        _fail(error, as_json)
    if as_json:
        return _print_json(said)
    return typer.echo("\n".join(map(cell, attachments.lines(said))))


@app.command("test", epilog="Example: guard policy test policies/acme.yaml --junit report.xml")
def run_cases(
    source: Source = "default",
    cases: Annotated[
        Path | None,
        typer.Option(help="a file of cases; else those in the policy, and FILE.tests.yaml beside it"),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="write a JUnit report there, for CI")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the cases of a policy: what must become of a text, a body or a destination.

    Moderation is not asked: a case says what the judge would score. Exit code 0: all came out as expected; 1: one
    did not; 2: the policy or its cases cannot be read, or there are none.
    """
    from guard.cli import casereport
    from guard.policy.load import load

    try:
        loaded = load(source)
        placed = casereport.placed(loaded, cases)
    except PolicyError as error:
        _fail(error, as_json)
    outcomes = casereport.run(loaded.policy, placed)
    if junit is not None:
        casereport.write_junit(junit, loaded.policy.policy, outcomes)
    (casereport.print_json if as_json else casereport.show)(loaded, outcomes)
    raise typer.Exit(any(outcome.problems for outcome in outcomes))


@app.command(epilog="Example: guard policy diff default policies/acme.yaml")
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="a policy file or a pack")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="the one that would follow it")],
    as_json: AsJson = False,
) -> None:
    """Say in words what one policy does otherwise than another, and which of the two is the stricter.

    Exit code 0: they mean the same; 1: they do not.
    """
    from guard.policy.difference import differences
    from guard.policy.load import load

    try:
        found = differences(load(before), load(after))
    except PolicyError as error:
        _fail(error, as_json)
    if as_json:
        _print_json([asdict(difference) for difference in found])
    else:
        _show_differences(found)
    raise typer.Exit(bool(found))


@app.command(epilog="Example: guard policy schema > policy.schema.json")
def schema() -> None:
    """Print the JSON Schema of policy files, for editors (`# yaml-language-server: $schema=…`)."""
    from guard.policy.schema import json_schema

    _print_json(json_schema())


def _room() -> int:
    """The cells of a line where a person looks; 0 for a pipe or a file, whose lines are as long as they are."""
    out = console()
    return out.width if out.is_terminal else 0


def _show_differences(found: Sequence[Difference]) -> None:
    from rich.text import Text

    out = console()
    if not found:
        out.print(told("no difference"))
        return
    for difference in found:
        out.print(Text(cell(difference.key), style="bold"), end="  ")
        out.print(Text(told(difference.trend), style=_TRENDS[difference.trend]))
        texts = (difference.before, difference.after)
        for mark, text, origin in zip("-+", texts, difference.origins, strict=True):
            out.print(Text(f"  {mark} {value(cell(text))}"), Text(told(origin), style="dim"), soft_wrap=True)
    counts = Counter(difference.trend for difference in found)
    out.print(Text(", ".join(told(f"{count} {trend}") for trend, count in counts.items())))


_TRENDS = {"tighter": "green", "looser": "red", "other": "yellow"}


def _placed(loaded: Loaded, key: str, text: str) -> str:
    """A problem of a value with the file and line that gave the value."""
    from guard.policy.source import Problem

    path = ("traffic", "fallbacks") if key.startswith("traffic.fallbacks") else ("traffic", "budget", "then")
    file, _, line = loaded.values[path][1].rpartition(":")
    return Problem.at(file, int(line), key, text)


def _fail(error: PolicyError, as_json: bool) -> Any:
    if as_json:
        _print_json({"ok": False, "problems": [_parts(problem) for problem in error.problems]})
    else:
        typer.echo(problem_lines(error), err=True)
    raise typer.Exit(2)


def _parts(problem: str) -> dict[str, Any]:
    return {key: getattr(problem, key, None) for key in ("file", "line", "key")} | {
        "message": getattr(problem, "message", problem)
    }


def _print_list(title: str, lines: list[str]) -> None:
    if lines:
        typer.echo(f"\n{told(title)}:")
    for line in lines:
        typer.echo(f"  {told(line)}")


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
