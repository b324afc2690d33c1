"""The pages of the demonstration, for a terminal of 80 columns and more."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from guard.demo.run import Demo, Step

Say = Callable[[str], str]
"""A sentence in the reader's language."""

_INTRO = (
    "Real requests by the real openai SDK, offline, to a simulated provider on this machine."
    " People and values are invented anew for this run; moderation scores are simulated."
)
_TITLES = {
    "gateway": "The gateway: any OpenAI client, one base URL",
    "client": "The guarded client: the official SDK, Chinese, Responses API",
    "stream": "A stream: restored while it flows",
    "app": "The middleware on an application of one's own",
    "blocked": "An answer is judged, and blocked",
    "presidio": "Presidio beside the catalogue",
    "strict": "The pack `strict` blocks where `default` redacts",
    "residency": "The pack `eu` refuses a destination outside",
    "log": "A log line, before and after",
    "verify": "The chain of the export",
}


def show(demo: Demo, say: Say = str) -> dict[str, Any]:
    """Run the demonstration and print each step as it ends, each sentence as `say` has it; returns the report."""
    console = Console(highlight=False)
    width = min(console.width, 100)
    console.print(Panel(Text(say(_INTRO)), title="guard demo", width=width, border_style="cyan"))

    def tell(step: Step) -> None:
        console.print(page(step, width, say))

    with console.status(say("starting")):
        report = demo.run(tell)
    console.print(Panel(_outro(report, say), title=say("what next"), width=width, border_style="cyan"))
    return report


def page(step: Step, width: int, say: Say = str) -> Panel:
    """One step as a panel: green where its promise was kept, red where not."""
    name = step["step"]
    title = say(_TITLES.get(name) or f"The auditor asks: {step.get('question', name)}")
    mark = f"[green]{say('kept')}[/]" if step["ok"] else f"[red]{say('NOT KEPT')}[/]"
    body = _table(step, say) if name.startswith("audit:") else _lines(step, say)
    return Panel(
        body,
        title=f"[bold]{title}[/]",
        title_align="left",
        subtitle=mark,
        subtitle_align="right",
        width=width,
    )


def _lines(step: Step, say: Say) -> Group:
    rows = []
    labels = [
        ("typed", "you typed"),
        ("provider_received", "the provider received"),
        ("caller_got", "you got"),
    ]
    if step["step"] == "residency":
        labels = [("typed", "asked for"), ("caller_got", "answer")]
    if step["step"] == "presidio":
        labels = [("typed", "text"), ("provider_received", "redacted")]
    if step["step"] == "log":
        labels = [("typed", "the app logged"), ("caller_got", "the log holds")]
    for key, label in labels:
        if step.get(key):
            rows.append(Text.assemble((f"{say(label)}: ", "bold cyan"), str(step[key])))
    extra = _extra(step)
    if extra:
        rows.append(Text(say(extra), style="yellow"))
    return Group(*rows)


def _extra(step: Step) -> str:
    if step["step"] == "blocked":
        scored = f"{step.get('kind')} scored {step.get('score')} (simulated)"
        return f"finish_reason {step['finish_reason']}: {scored}, rule {step.get('rule')}"
    if step["step"] == "stream":
        return f"{step['pieces']} pieces"
    if step["step"] == "presidio":
        return ", ".join(f"{f['kind']} ({f['source']}, {f['score']:.2f})" for f in step["findings"])
    if step["step"] in ("strict", "residency"):
        return f"HTTP {step.get('status')}, code {step.get('code')}"
    if step["step"] == "verify":
        return f"{step['records']} records in {step['files']} files, chained and signed; " + (
            "no original in any of them" if not step["leaked"] else f"LEAKED: {', '.join(step['leaked'])}"
        )
    return ""


# What of each answer fits a page; `guard audit query` prints every column.
_SHOWN = {
    "audit:blocked": ("stage", "kind", "rule", "origin", "count"),
    "audit:residency-refusals": ("host", "jurisdiction", "code", "policy", "policy_version"),
    "audit:left-region": ("purpose", "model", "host", "jurisdiction", "outcome"),
    "audit:findings-by-kind": ("stage", "kind", "enforced", "values", "exchanges"),
}
_ROWS = 6


def _table(step: Step, say: Say) -> Group:
    wanted = _SHOWN.get(step["step"]) or tuple(step["columns"])
    shown = [name for name in wanted if name in step["columns"]]
    places = [step["columns"].index(name) for name in shown]
    table = Table(box=None, pad_edge=False, header_style="bold cyan")
    for name in shown:
        table.add_column(name, overflow="fold")
    rows = _telling(step)
    for row in rows[:_ROWS]:
        table.add_row(*("" if row[place] is None else str(row[place]) for place in places))
    more = len(step["rows"]) - len(rows[:_ROWS])
    return Group(table, Text(say(f"… and {more} more"), style="dim")) if more > 0 else Group(table)


def _telling(step: Step) -> list[list[Any]]:
    """The rows that say most: what was enforced before what was only seen."""
    if "enforced" not in step["columns"]:
        return list(step["rows"])
    place = step["columns"].index("enforced")
    return sorted(step["rows"], key=lambda row: row[place] == "allow")


def _command() -> str:
    """How this program is called here."""
    if shutil.which("guard"):
        return "guard"
    return "python -m guard" if sys.argv[0].endswith("__main__.py") else os.path.relpath(sys.argv[0])


def _outro(report: dict[str, Any], say: Say) -> Text:
    folder = report["folder"]
    command = _command()
    kept = "Every promise was kept." if report["ok"] else "A promise was not kept: see the red panel."
    return Text.assemble(
        (say(kept) + "\n\n", "bold green" if report["ok"] else "bold red"),
        say("Look at the record yourself:") + "\n",
        (f"  {command} audit query blocked --folder \\\n    {folder}/exports\n", "cyan"),
        say("Guard your own client, with one base URL:") + "\n",
        (f"  OPENAI_API_KEY=… {command} serve --policy default\n", "cyan"),
        say("or in Python:") + "\n",
        ('  client = openai.OpenAI(http_client=guarded_client("default", sync=True))\n', "cyan"),
        say("or on your app:") + "\n",
        ('  guard.install(app, policy="default")', "cyan"),
    )
