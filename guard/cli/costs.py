"""`guard audit report --cost`: what calls cost by tenant, route and model, for the weekly look at what they return."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from guard.cli.desk import on_record
from guard.cli.language import told
from guard.cli.tables import present

if TYPE_CHECKING:
    from guard.audit.query import Table

QUESTION = "cost-by-route"


def show_costs(exports: Path, asked: dict[str, str], form: str) -> None:
    """Answer for the period (a week where none is given), put the reading on record, and only then show it."""
    from guard.audit.query import run

    table = run(exports, QUESTION, {"since": "7d", **asked})
    on_record(exports, "report", question=QUESTION, form=form)
    present(table, form)
    if form == "table" and table.rows:
        print(_sum(table), file=sys.stderr)


def _sum(table: Table) -> str:
    """One line under the table; calls without a price are said, not taken for free."""
    columns = dict(zip(table.columns, zip(*table.rows, strict=True), strict=True))
    calls, priced = sum(columns["calls"]), sum(columns["priced"])
    usd = sum(cost or 0.0 for cost in columns["usd"])
    said = told(f"{usd:.2f} USD for {priced} of {calls} calls")
    if priced == calls:
        return said
    return said + told(f"; {calls - priced} without a price: it is counted where a policy has a budget")
