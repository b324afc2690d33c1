"""`guard scan` and `guard redact`: what would be found in a text, and the text without it."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from guard.errors import SetupError
from guard.types import Action, Decision, Stage, Verdict


def read_text(source: str) -> str:
    """Read a file or standard input as UTF-8; raises SetupError with what is wrong."""
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as failure:
        raise SetupError(f"{source}: {failure.strerror}") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as failure:
        raise SetupError(f"{source}: not UTF-8 (byte {failure.start}); convert it first") from None


def _stage(word: str) -> Stage:
    if word not in ("input", "output", "logs"):
        raise typer.BadParameter("use input, output or logs")
    return Stage(word)


def verdict_of(text: str, policy: str, stage: Stage) -> tuple[Verdict, int]:
    """Scan a text whole and decide by the rules of one stage; also the number of guard's own fakes in it."""
    from guard.guard import Guard
    from guard.policy.decide import decide

    guard = Guard.from_policy(policy)
    try:
        return decide(guard.policy, stage, guard.detect(text)), fakes_in(text)
    finally:
        guard.close()


def fakes_in(text: str) -> int:
    """Count the values that lie in the reserved ranges from which guard draws its fakes."""
    from guard.pii.fakes import is_fake
    from guard.pii.scan import Scanner

    return sum(is_fake(f.kind, text[f.start : f.end]) for f in Scanner(skip=()).scan(text))


class Lines:
    """Offsets of a text as line numbers and columns."""

    def __init__(self, text: str) -> None:
        self.starts = [0]
        for line in text.split("\n")[:-1]:
            self.starts.append(self.starts[-1] + len(line) + 1)
        if len(self.starts) > 1 and text.endswith("\n"):
            self.starts.pop()

    def at(self, offset: int) -> tuple[int, int]:
        """The line (from 0) and the offset within it."""
        line = bisect_right(self.starts, offset) - 1
        return line, offset - self.starts[line]


def as_rows(text: str, verdict: Verdict) -> list[dict[str, Any]]:
    """One object a line: the findings that start in it, with offsets within the line, and its action."""
    lines = Lines(text)
    rows: list[dict[str, Any]] = [{"findings": [], "action": "allow"} for _ in lines.starts]
    for decision in verdict.decisions:
        finding = decision.finding
        line, start = lines.at(finding.start)
        row = rows[line]
        row["findings"].append(
            {
                "kind": finding.kind,
                "start": start,
                "end": start + finding.end - finding.start,
                "score": round(finding.score, 4),
                "source": finding.source,
            }
        )
        row["action"] = max(Action.parse(row["action"]), decision.action).word
    return rows


def scan(
    file: Annotated[str, typer.Argument(help="A file, or - for standard input.")] = "-",
    policy: Annotated[str, typer.Option(help="A pack's name or a policy file.")] = "default",
    stage: Annotated[str, typer.Option(help="Whose rules decide: input, output or logs.")] = "input",
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line of the text (offsets within the line).")
    ] = False,
) -> None:
    """Show what the policy finds in a text. Exit code 1 where something is found.

    Example:  echo '我的手机号是13912345678' | guard scan -
    """
    text = read_text(file)
    verdict, fakes = verdict_of(text, policy, _stage(stage))
    if json:
        out = b"".join(orjson.dumps(row) + b"\n" for row in as_rows(text, verdict))
        sys.stdout.buffer.write(out)
        sys.stdout.flush()
    else:
        _table(text, verdict.decisions, fakes)
    raise typer.Exit(1 if verdict.action > Action.ALLOW else 0)


def _table(text: str, decisions: Sequence[Decision], fakes: int) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if fakes:
        console.print(f"{fakes} value(s) lie in reserved ranges, as guard's own fakes do: nobody's")
    if not decisions:
        console.print("nothing found")
        return
    lines = Lines(text)
    table = Table(box=None, pad_edge=False, header_style="bold cyan")
    for name in ("place", "kind", "score", "action", "rule", "found by"):
        table.add_column(name, no_wrap=name in ("place", "kind"), overflow="fold")
    for decision in decisions:
        finding = decision.finding
        line, column = lines.at(finding.start)
        table.add_row(
            f"{line + 1}:{column + 1}",
            finding.kind,
            f"{finding.score:.2f}",
            decision.action.word,
            f"{decision.rule} {decision.origin}".strip(),
            finding.source,
        )
    console.print(table)


def redact(
    file: Annotated[str, typer.Argument(help="A text file, or - for standard input.")] = "-",
    out: Annotated[
        str, typer.Option("--out", "-o", help="Where to write; standard output if left out.")
    ] = "",
    policy: Annotated[str, typer.Option(help="A pack's name or a policy file.")] = "default",
) -> None:
    """Write a text with everything redacted that the policy's input rules name.

    Exit code 1, and nothing written, where the policy blocks the text.

    Example:  guard redact notes.txt -o notes.clean.txt
    """
    from guard.guard import Guard

    text = read_text(file)
    guard = Guard.from_policy(policy)
    try:
        clean = guard.redact(text)
    finally:
        guard.close()
    write_text(clean, out)


def write_text(text: str, out: str, *, private: bool = False) -> None:
    """Write a whole text to a file (0600 if `private`), or to standard output; raises SetupError with what is wrong."""
    data = text.encode("utf-8", "surrogatepass")
    if not out:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    draft = Path(out).with_name(Path(out).name + ".part")
    try:
        draft.unlink(missing_ok=True)
        draft.touch(0o600 if private else 0o666)
        draft.write_bytes(data)
        draft.replace(out)
    except OSError as failure:
        raise SetupError(f"{out}: {failure.strerror}") from None
