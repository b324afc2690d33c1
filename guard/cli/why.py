"""`guard why`: one exchange's story, from the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.desk import Folder, exports_of, on_record, tell_outdated
from guard.cli.language import speaker, told
from guard.cli.tables import AsJson, cell, console, hanging, write_json

if TYPE_CHECKING:
    from guard.audit.story import Story


def why(
    trace_id: Annotated[str, typer.Argument(help="The trace id: the header x-guard-trace of the answer.")],
    folder: Folder = None,
    json: AsJson = False,
) -> None:
    """Tell one exchange in plain words: what was asked, found, decided by which rule, sent where, answered.

    Example:  guard why 4bf92f3577b34da6a3ce929d0e0e4736
    """
    from guard.audit.story import why as tell

    exports = exports_of(folder)
    tell_outdated(exports)
    story = tell(exports, trace_id, str if json else speaker())
    on_record(exports, "why", form="json" if json else "table")
    (_json if json else _show)(story)


def _json(story: Story) -> None:
    steps = [
        {"at_ms": step.at_ms, "sentences": step.sentences, "file": step.file, "record": step.record}
        for step in story.steps
    ]
    whose = {"tenant": story.tenant, "user": story.user}
    write_json({"trace_id": story.trace_id, "began": story.began, **whose, "steps": steps})


def _show(story: Story) -> None:
    from rich.text import Text

    out = console()
    whose = told(f"tenant {story.tenant or '-'}, user {story.user or '-'}")
    out.print(
        cell(f"{story.trace_id}  {cell(story.began)} UTC  {whose}"),
        style="bold",
        markup=False,
        soft_wrap=True,
    )
    for number, step in enumerate(story.steps, 1):
        first, *others = map(cell, step.sentences)
        hanging(out, Text(f"{number}. "), Text(f"{step.at_ms:+.1f} ms  {first}"))
        for sentence in others:
            hanging(out, Text("   "), Text(sentence))
        record = told(f", record {step.record}") if step.record is not None else ""
        out.print(f"   {cell(step.file)}{record}", style="dim", markup=False, soft_wrap=True)
