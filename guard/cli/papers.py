"""`guard audit sample`, `reconcile`: what goes into work papers."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from guard.cli.desk import Folder, Since, Tenant, Until, exports_of, given, on_record
from guard.cli.language import told
from guard.cli.tables import AsCsv, AsJson, console, form_of, present, write_json


def sample(
    size: Annotated[int, typer.Option("-n", "--size", help="How many calls.")] = 25,
    seed: Annotated[str, typer.Option(help="Any text; the same seed draws the same sample.")] = "",
    folder: Folder = None,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Draw calls for work papers: in the order of SHA-256(seed, trace, span), so that nobody chose them.

    The column `content` says of which calls texts are kept, sealed to the auditor; `guard audit open` opens them.
    """
    from guard.audit.sample import draw

    exports, form = exports_of(folder), form_of(json, as_csv)
    drawn = draw(exports, size, seed, given(since, until, tenant))
    on_record(exports, "sample", form=form)
    present(drawn.table, form)
    print(told(f"{len(drawn.table.rows)} of {drawn.population} calls, seed {seed!r}"), file=sys.stderr)
    if drawn.keys:
        keys = ", ".join(drawn.keys)
        print(
            told(
                f"of {drawn.kept} of them texts are kept, sealed to the auditor's key {keys}:"
                " guard audit open TRACE_ID --key auditor.pem"
            ),
            file=sys.stderr,
        )


def reconcile(
    usage: Annotated[Path, typer.Option(help="The provider's usage export: CSV, JSON or JSON lines.")],
    folder: Folder = None,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare the record with the provider's own account. Exit code 1 where they differ.

    With ids of answers in the export, call by call; else calls and tokens for each day and model.
    """
    from guard.audit.reconcile import reconcile as compare

    exports, form = exports_of(folder), form_of(json, as_csv)
    found = compare(exports, usage, given(since, until, tenant))
    on_record(exports, "reconcile", form=form)
    if form == "json":
        rows = [dict(zip(found.table.columns, row, strict=True)) for row in found.table.rows]
        counts = {"provider_calls": found.provider_calls, "record_calls": found.record_calls}
        write_json({"ok": found.ok, "by_id": found.by_id, **counts, "differences": rows})
    elif form == "csv":
        present(found.table, form)
    elif not found.ok:
        present(replace(found.table, rows=[(told(row[0]), *row[1:]) for row in found.table.rows]), form)
    how = told("by the ids of answers" if found.by_id else "by sums: the export has no ids")
    same, differ = told("the same"), told(f"{len(found.table.rows)} differences")
    verdict = f"[green]✓ {same}[/green]" if found.ok else f"[red]✗ {differ}[/red]"
    if form == "table":
        counts_ = told(
            f"{found.provider_calls} calls at the provider, {found.record_calls} on record, compared {how}"
        )
        console().print(f"{verdict}  {counts_}")
    raise typer.Exit(0 if found.ok else 1)
