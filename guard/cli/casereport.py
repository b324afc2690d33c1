"""How `guard policy test` runs cases and shows what became of them: on a terminal, as JSON, as JUnit."""

from __future__ import annotations

import xml.etree.ElementTree as xml
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from guard.cli.language import told
from guard.cli.tables import cell, console, write_json
from guard.errors import PolicyError, SetupError
from guard.policy.cases import Placed, beside
from guard.policy.load import load_cases
from guard.policy.source import Problem

if TYPE_CHECKING:
    from rich.console import Console

    from guard.cases import Outcome, Rule
    from guard.policy.model import Policy
    from guard.policy.resolve import Loaded

_SEVERAL = 20


def placed(loaded: Loaded, cases: Path | None) -> list[Placed]:
    """The cases of a policy: its own, and those of a file named or beside it; raises PolicyError if there are none."""
    file = loaded.files[-1]
    other = cases or beside(file)
    found = [*loaded.cases, *(load_cases(other, loaded.policy) if cases or other.is_file() else ())]
    if not found:
        hint = f"has no cases: write them under `tests:`, or in {other.name} beside it"
        raise PolicyError([Problem.at(str(file), 1, "tests", hint)])
    return found


def run(policy: Policy, cases: Sequence[Placed]) -> list[Outcome]:
    """Run cases one by one, with a bar on the terminal where there are many."""
    from rich.console import Console
    from rich.progress import track

    from guard.cases import Cases

    with Cases(policy) as runner:
        console = Console(stderr=True)
        quiet = len(cases) < _SEVERAL or not console.is_terminal
        rows = track(cases, "cases", console=console, transient=True, disable=quiet)
        return [runner.run(case) for case in rows]


def show(loaded: Loaded, outcomes: Sequence[Outcome]) -> None:
    """Print each case, what differs, and which rules no case exercises."""
    from rich.text import Text

    out = console()
    for outcome in outcomes:
        mark = Text("✗ ", style="red") if outcome.problems else Text("✓ ", style="green")
        out.print(mark + Text(cell(outcome.name)), Text(outcome.placed.origin, style="dim"), soft_wrap=True)
        for problem in outcome.problems:
            out.print(Text(f"    {told(cell(problem))}", style="red"), soft_wrap=True)
    failed = sum(bool(outcome.problems) for outcome in outcomes)
    if failed:
        out.print(Text(told(f"{failed} of {len(outcomes)} failed"), "red"))
    else:
        out.print(Text(told(f"{len(outcomes)} passed"), "green"))
    _show_coverage(out, loaded, outcomes)


def _show_coverage(out: Console, loaded: Loaded, outcomes: Sequence[Outcome]) -> None:
    from rich.text import Text

    every, idle = _rules(loaded, outcomes)
    own = [rule for rule in every if rule in idle and rule[2].startswith(f"{loaded.files[-1].name}:")]
    out.print(Text(told(f"{len(every) - len(idle)} of {len(every)} rules decided a case")))
    for stage, pattern, origin in own:
        missed = told(f"no case for {stage}.rules.{cell(pattern)}")
        out.print(Text(f"  {missed}"), Text(origin, style="dim"), soft_wrap=True)
    if len(idle) > len(own):
        others = told(f"inherited or built in, without a case: {len(idle) - len(own)} (--json lists them)")
        out.print(Text(f"  {others}"))


def _rules(loaded: Loaded, outcomes: Sequence[Outcome]) -> tuple[list[Rule], list[Rule]]:
    from guard.cases import acting_rules, unexercised

    return acting_rules(loaded.policy), unexercised(loaded.policy, outcomes)


def print_json(loaded: Loaded, outcomes: Sequence[Outcome]) -> None:
    """Print one JSON object: the cases and the coverage."""
    every, idle = _rules(loaded, outcomes)
    rows = [
        {
            "name": outcome.name,
            "origin": outcome.placed.origin,
            "ok": not outcome.problems,
            "action": outcome.action.word,
            "kinds": list(outcome.kinds),
            "text": outcome.text,
            "problems": list(outcome.problems),
        }
        for outcome in outcomes
    ]
    uncovered = [{"stage": str(stage), "rule": rule, "origin": origin} for stage, rule, origin in idle]
    ok = not any(outcome.problems for outcome in outcomes)
    coverage = {"rules": len(every), "exercised": len(every) - len(idle), "unexercised": uncovered}
    write_json({"ok": ok, "cases": rows, "coverage": coverage})


def write_junit(path: Path, name: str, outcomes: Sequence[Outcome]) -> None:
    """Write a JUnit report (the form that CI servers read): one test case a case."""
    failed = sum(bool(outcome.problems) for outcome in outcomes)
    suite = xml.Element(
        "testsuite", name=f"guard policy {name}", tests=str(len(outcomes)), failures=str(failed)
    )
    for outcome in outcomes:
        case = xml.SubElement(suite, "testcase", name=cell(outcome.name), classname=name)
        if outcome.problems:
            failure = xml.SubElement(case, "failure", message=cell(outcome.problems[0]))
            failure.text = "\n".join(map(cell, (outcome.placed.origin, *outcome.problems)))
    try:
        xml.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from None
