"""`guard scan` and `guard redact`: what would be found in a text, and the text without it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from guard.cli.language import told
from guard.cli.sources import JSON_LINES, Piece, is_binary, listed, pieces, read_text, write_text
from guard.errors import SetupError
from guard.types import Action, Decision, Finding, Stage

if TYPE_CHECKING:
    from guard.cli.hits import Hit
    from guard.guard import Guard

_WINDOW = 1 << 17
_BATCH = 1 << 15
"""Characters of small texts that are looked at in one call."""

_TENANT = "Whose deny lists and allow lists hold."

Advance = Callable[[], None]


def _stage(word: str) -> Stage:
    if word not in ("input", "output", "logs"):
        raise typer.BadParameter("use input, output or logs")
    return Stage(word)


def found_in(guard: Guard, text: str, tenant: str = "default") -> list[Finding]:
    """Find in a tenant's text of any length: in pieces between safe cuts, which gives the findings of the whole."""
    found: list[Finding] = []
    at = 0
    while at < len(text):
        end = _piece_end(guard, text, at, tenant)
        base = max(0, at - guard.detector.context)
        (here,) = guard.detector.detect_sync([text[base:end]], tenant)
        found += (
            f._replace(start=f.start + base, end=f.end + base) if f.start < f.end else f
            for f in here
            if f.start >= at - base or f.start == f.end
        )
        at = end
    return found


def _piece_end(guard: Guard, text: str, at: int, tenant: str) -> int:
    """Where the piece that begins at a cut ends: at the last safe cut of a window, or at the end."""
    size = _WINDOW
    while at + size < len(text):
        low = max(0, at - _WINDOW // 64)
        cuts = guard.detector.cuts(tenant)(text[low : at + size], at - low, False)
        if cuts:
            return low + cuts[-1]
        size *= 2
    return len(text)


def _batches(parts: Sequence[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    size = 0
    for piece in parts:
        if batch and size + len(piece.text) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += len(piece.text)
    if batch:
        yield batch


def fakes_in(text: str) -> int:
    """Count the values that lie in the reserved ranges from which guard draws its fakes."""
    from guard.pii.fakes import is_fake
    from guard.pii.scan import Scanner

    return sum(is_fake(f.kind, text[f.start : f.end]) for f in Scanner(skip=()).scan(text))


@dataclass
class _Scan:
    """One run: what is decided by, how it is shown, and what was counted so far."""

    guard: Guard
    stage: Stage
    tenant: str
    json: bool
    explained: bool
    text: bool
    several: bool
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    action: Action = Action.ALLOW
    files: int = 0
    fakes: int = 0
    unread: int = 0

    def file(self, source: str, text: str, json_lines: bool) -> None:
        """Scan one source and print what was found in it."""
        from guard.cli.hits import hits

        found: list[Hit] = []
        for piece, decisions in self._decided(list(pieces(source, text, json_lines=json_lines))):
            found += hits(piece, decisions)
        self.files += 1
        self.action = max([self.action, *(hit.decision.action for hit in found)])
        self.kinds.update((hit.decision.finding.kind, hit.decision.action.word) for hit in found)
        if self.json:
            self._rows(source, text, found)
        else:
            self.fakes += fakes_in(text)
            self._shown(source, found)

    def _decided(self, parts: Sequence[Piece]) -> Iterator[tuple[Piece, Sequence[Decision]]]:
        from guard.policy.decide import decide

        for batch in _batches(parts):
            lists = (
                [found_in(self.guard, batch[0].text, self.tenant)]
                if len(batch) == 1
                else self.guard.detector.detect_sync([piece.text for piece in batch], self.tenant)
            )
            for piece, findings in zip(batch, lists, strict=True):
                yield piece, decide(self.guard.policy, self.stage, findings).decisions

    def _rows(self, source: str, text: str, found: Sequence[Hit]) -> None:
        """One object a line of the text; of several sources only lines with hits, each with its file and line."""
        count = 0 if self.several else max(1, text.count("\n") + (not text.endswith("\n")))
        by_line: dict[int, list[Hit]] = {line: [] for line in range(count)}
        for hit in found:
            by_line.setdefault(hit.line, []).append(hit)
        for line, here in sorted(by_line.items()):
            row: dict[str, Any] = {"file": source, "line": line + 1} if self.several else {}
            action = max((hit.decision.action for hit in here), default=Action.ALLOW)
            row |= {"findings": [hit.as_json(self.explained) for hit in here], "action": action.word}
            sys.stdout.buffer.write(orjson.dumps(row) + b"\n")
        sys.stdout.buffer.flush()

    def _shown(self, source: str, found: Sequence[Hit]) -> None:
        from rich.console import Console

        from guard.cli.hits import printable, show

        console = Console(highlight=False)
        if self.several and found:
            console.rule(printable(source), align="left", style="dim")
        if found:
            show(console, found, text=self.text and console.is_terminal, explained=self.explained)

    def summary(self) -> None:
        """Print the counts of each kind, for people."""
        if self.json:
            return
        from rich.console import Console

        from guard.cli.hits import counted

        console = Console(highlight=False)
        if self.fakes:
            console.print(
                told(f"{self.fakes} value(s) lie in reserved ranges, as guard's own fakes do: nobody's")
            )
        if not self.kinds:
            console.print(told("nothing found"))
        else:
            console.print()
            counted(console, self.kinds, self.files)


def scan(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE|FOLDER|-]...", help="Files, folders, or - for standard input."),
    ] = None,
    policy: Annotated[str, typer.Option(help="A pack's name or a policy file.")] = "default",
    stage: Annotated[str, typer.Option(help="Whose rules decide: input, output or logs.")] = "input",
    tenant: Annotated[str, typer.Option(help=_TENANT)] = "default",
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line of the text (offsets within the line).")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Why: pattern, validator, cue words, score, rule, file and line."),
    ] = False,
    jsonl: Annotated[
        bool,
        typer.Option("--jsonl", help="Read JSON lines, string by string; *.jsonl and *.ndjson are anyway."),
    ] = False,
    text: Annotated[
        bool, typer.Option("--text/--no-text", help="On a terminal, show the hits in colour in their lines.")
    ] = True,
) -> None:
    """Show what the policy finds in a text. Exit code 1 where something is found.

    Folders are read to the bottom; what is no text is passed over, with a note. Of several files --json gives the lines
    with hits, each with its file and line; of JSON lines offsets are within the string at `path`.

    Example:  echo '我的手机号是13912345678' | guard scan -
    """
    from guard.guard import Guard

    given = sources or ["-"]
    files = listed(given)
    several = len(given) > 1 or files != given
    guard = Guard.from_policy(policy)
    run = _Scan(guard, _stage(stage), tenant, json, explain, text, several)
    try:
        with _progress(len(files)) as advance:
            _each(run, files, jsonl, advance)
    except KeyboardInterrupt:
        run.summary()
        print(told(f"stopped after {run.files} of {len(files)} files"), file=sys.stderr)
        raise
    finally:
        guard.close()
    run.summary()
    raise typer.Exit(1 if run.action > Action.ALLOW else 2 if run.unread else 0)


def _each(run: _Scan, files: Sequence[str], jsonl: bool, advance: Advance) -> None:
    """Scan file by file; of several, one that cannot be read is named and passed over."""
    for path in files:
        try:
            if run.several and path != "-" and is_binary(path):
                print(told(f"{path}: passed over, it is no text"), file=sys.stderr)
            else:
                run.file(path, read_text(path), jsonl or path.endswith(JSON_LINES))
        except SetupError as failure:
            if not run.several:
                raise
            run.unread += 1
            print(told(f"guard: {failure}"), file=sys.stderr)
        advance()


@contextmanager
def _progress(files: int) -> Iterator[Advance]:
    """A bar on the terminal where there is more than one file."""
    if files < 2 or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("scan", total=files)
        yield lambda: bar.advance(task)


def redact(
    file: Annotated[str, typer.Argument(help="A text file, or - for standard input.")] = "-",
    out: Annotated[
        str, typer.Option("--out", "-o", help="Where to write; standard output if left out.")
    ] = "",
    policy: Annotated[str, typer.Option(help="A pack's name or a policy file.")] = "default",
    tenant: Annotated[str, typer.Option(help=_TENANT)] = "default",
) -> None:
    """Write a text with everything redacted that the policy's input rules name.

    Exit code 1, and nothing written, where the policy blocks the text.

    Example:  guard redact notes.txt -o notes.clean.txt
    """
    from guard.guard import Guard

    text = read_text(file)
    guard = Guard.from_policy(policy)
    try:
        with guard.exchange(tenant) as exchange:
            clean = exchange.redact(text)
    finally:
        guard.close()
    write_text(clean, out)
