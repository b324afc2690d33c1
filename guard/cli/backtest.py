"""`guard policy backtest`: what another policy would have done to the traffic on record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.desk import Since, Tenant, Until, exports_of, given, on_record
from guard.cli.language import told
from guard.cli.tables import AsJson, console, form_of, present, write_json

if TYPE_CHECKING:
    from guard.audit.backtest import Backtest
    from guard.audit.query import Table

_UNKNOWN = (
    "Not to be known from traces: texts in which nothing was found, kinds that nobody looked for, what another form"
    " of redaction would have left, and what callers would have done after a refusal."
)
_ATTACHED = (
    "Each call is judged by what the policy attaches to its tenant, virtual key, path and model. What the record"
    " does not know counts as met: the model of a refused request, the path of an application's own route."
)


def backtest(
    policy: Annotated[str, typer.Option(help="The new policy: a file, or the name of a pack.")],
    traces: Annotated[
        Path | None, typer.Option(help="The folder of exports; GUARD_EXPORTS if left out.")
    ] = None,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    json: AsJson = False,
) -> None:
    """Decide what is on record anew under another policy, from kinds, scores and hosts: no text is needed.

    Each call is judged by what the policy attaches to its tenant, virtual key, path and model. Shows which
    verdicts would change for whom, by which rule, which destinations, and for each moderation category how
    many exchanges reach which score.
    """
    from guard.audit.backtest import backtest as run
    from guard.policy.load import load_policy

    exports = exports_of(traces)
    found = run(exports, load_policy(policy), given(since, until, tenant))
    on_record(exports, "backtest", form=form_of(json, False))
    (_json if json else _show)(found)


def _json(found: Backtest) -> None:
    tables = {
        name: getattr(found, name) for name in ("policies", "verdicts", "findings", "destinations", "curve")
    }
    rows = {name: [dict(zip(t.columns, row, strict=True)) for row in t.rows] for name, t in tables.items()}
    counts = {"newly_blocked": found.count("", "block"), "newly_passed": found.count("block", "")}
    write_json({"decisions": found.decisions, **counts, **rows, "unseen": found.unseen, "unknown": _UNKNOWN})


def _show(found: Backtest) -> None:
    out = console()
    blocked, passed = found.count("", "block"), found.count("block", "")
    out.print(
        told(f"{found.decisions} decisions on record: {blocked} newly blocked, {passed} newly passed"),
        style="bold",
    )
    if len(found.policies.rows) > 1:
        out.print(f"\n{told(_ATTACHED)}")
        _titled("Decisions, by the policy that would decide", found.policies)
    _titled("Verdicts that would change", found.verdicts)
    _titled("Findings that another rule would decide", found.findings)
    _titled("Destinations that would be treated otherwise", found.destinations)
    _titled("Exchanges that reach a score, by category", found.curve)
    if found.unseen:
        out.print()
        out.print(told(f"Acted on, and nothing of it on record: {', '.join(found.unseen)}"), markup=False)
    out.print(f"\n{told(_UNKNOWN)}", style="dim")


def _titled(title: str, table: Table) -> None:
    if table.rows:
        console().print(f"\n{told(title)}")
        present(table, "table")
