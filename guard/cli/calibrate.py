"""`guard policy calibrate`: what each threshold would do, counted on labelled texts with the live judge."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.cli.calibration import Kept, Labelled, judge_all, read_data
from guard.cli.language import told
from guard.cli.tables import cell, console, write_json
from guard.errors import SetupError
from guard.thresholds import Judged, Measured, cheapest, measured

if TYPE_CHECKING:
    from rich.table import Table

    from guard.guard import Guard


def calibrate(
    source: Annotated[
        str, typer.Argument(metavar="FILE|PACK", help="the policy whose judge and thresholds are measured")
    ] = "default",
    data: Annotated[
        Path, typer.Option(help='JSON lines: {"text": …, "expected": [categories], "labelled": [categories]}')
    ] = ...,  # type: ignore[assignment]
    scores: Annotated[
        Path | None, typer.Option(help="where scores are kept; DATA.scores.jsonl if left out")
    ] = None,
    miss: Annotated[float, typer.Option(min=0, help="what a missed text costs, in false alarms")] = 5.0,
    upstream: Annotated[
        str, typer.Option(help="base URL of the judge, where neither policy nor settings name one")
    ] = "",
    every: Annotated[
        bool, typer.Option("--every", help="show every threshold, not only the telling ones")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="write one JSON object, for machines")] = False,
) -> None:
    """Measure precision, recall and cost of each category and threshold, from labelled texts and the live judge.

    Texts are redacted before they are sent, as answers are. Scores are kept in a file, by keyed hash: a run that
    was stopped goes on where it was, and other thresholds or costs cost no request. Exit code 0: all texts are
    judged; 1: the judge could not be asked about some, which are left out; 2: the policy or the data cannot be read.

    Example:  guard policy calibrate default --data labelled.jsonl --miss 20
    """
    from guard.build import build

    guard = build(source)
    try:
        rows = read_data(data, guard.keys.memo)
        kept = Kept(scores or data.with_name(f"{data.name}.scores.jsonl"), guard.policy.moderation.model)
        whole = _ask(guard, upstream, rows, kept)
    finally:
        guard.close()
    judged = kept.judged(rows)
    report = _report(guard, judged, miss)
    labels = frozenset[str]().union(*(row.expected for row in rows))
    measured = {
        "texts": len(rows),
        "judged": len(judged),
        "miss": miss,
        "categories": report,
        "unjudged": sorted(labels - guard.policy.moderation.categories),
    }
    if as_json:
        write_json(measured)
    else:
        _print(measured, every)
    if not whole:
        raise typer.Exit(1)


def _ask(guard: Guard, upstream: str, rows: Sequence[Labelled], kept: Kept) -> bool:
    """Ask about what has no scores yet, behind a progress bar; Ctrl-C loses nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from guard.policy.decide import judges

    if not judges(guard.policy):
        raise SetupError("the policy has no judge: write rules for moderation.* and moderation.by")
    service = _service(guard, upstream)
    known = sum(row.name in kept.scores for row in rows)
    columns = ("judging", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(rows), completed=known)
        try:
            return asyncio.run(judge_all(guard, service, rows, kept, lambda: bar.advance(task)))
        except KeyboardInterrupt:
            typer.echo(
                told(f"stopped; the scores so far are in {kept.path}: run it again to go on"), err=True
            )
            raise


def _service(guard: Guard, upstream: str) -> Any:
    base, authorization = guard.default_moderation()
    if upstream:
        guard.name(upstream)
    return guard.moderation(upstream or base, authorization, sync=False)


def _report(guard: Guard, texts: Sequence[Judged], miss: float) -> list[dict[str, Any]]:
    """Each category of which some text is labelled: its thresholds, the policy's own, the cheapest."""
    labelled = frozenset[str]().union(*(text.expected for text in texts))
    found = []
    for category in sorted(labelled & guard.policy.moderation.categories):
        own = _own(guard, category)
        rows = measured(texts, category, own)
        best = cheapest(rows, miss)
        counted = [_row(row, miss, own, best) for row in rows]
        found.append(
            {"category": category, "of": rows[0].hits + rows[0].missed, "in": rows[0].texts, "at": counted}
        )
    return found


def _own(guard: Guard, category: str) -> dict[float, str]:
    """The policy's thresholds for a category, and what each does."""
    from guard.policy.decide import rule_for
    from guard.types import Stage

    steps = rule_for(guard.policy, Stage.OUTPUT, f"moderation.{category}").steps
    return {step.at or 0.0: step.action.word for step in steps}


def _row(row: Measured, miss: float, own: dict[float, str], best: Measured) -> dict[str, Any]:
    return {
        "at": row.at,
        "precision": row.precision,
        "recall": row.recall,
        "alarms": row.alarms,
        "missed": row.missed,
        "cost": row.cost(miss),
        "policy": own.get(row.at, ""),
        "cheapest": row is best,
    }


def _print(measured: dict[str, Any], every: bool) -> None:
    from rich.text import Text

    out = console()
    for number, found in enumerate(measured["categories"]):
        title = f"{found['category']} " + told(f"({found['of']} of {found['in']})")
        out.print(Text(title, style="bold"), soft_wrap=True)
        rows = [row for row in found["at"] if every or row["policy"] or row["cheapest"]]
        out.print(_table(rows, header=not number))
    out.print(
        told(
            f"{measured['judged']} of {measured['texts']} texts judged. Cost: false alarms per thousand texts,"
            f" a missed text counted as {measured['miss']:g}."
        )
    )
    if measured["unjudged"]:
        out.print(
            told(
                f"The judge gives no scores for these labels: {', '.join(map(cell, measured['unjudged']))}."
            ),
            markup=False,
        )


def _table(rows: Sequence[dict[str, Any]], *, header: bool) -> Table:
    """The thresholds of one category; the columns of all categories stand under the first one's headings."""
    from rich.cells import cell_len
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=header)
    table.add_column(width=0)
    for name in map(told, ("at", "precision", "recall", "alarms", "missed", "cost")):
        table.add_column(name, justify="right", no_wrap=True, min_width=max(cell_len(name), 6))
    table.add_column()
    for row in rows:
        table.add_row("", *_cells(row))
    return table


def _cells(row: dict[str, Any]) -> list[str]:
    share = ["–" if row[key] is None else f"{row[key]:.2f}" for key in ("precision", "recall")]
    marks = [told(f"the policy: {row['policy']}")] if row["policy"] else []
    marks += [told("cheapest")] if row["cheapest"] else []
    return [
        f"{row['at']:.2f}",
        *share,
        str(row["alarms"]),
        str(row["missed"]),
        f"{row['cost']:.0f}",
        ", ".join(marks),
    ]
