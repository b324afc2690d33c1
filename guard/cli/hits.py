"""What `guard scan` shows of its hits: in colour in their lines, as a table, explained, and counted."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from guard.cli.language import told
from guard.cli.sources import Piece
from guard.cli.tables import fits, hanging
from guard.pii.explain import Explanation, explain
from guard.types import Action, Decision

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_STYLES = {
    Action.ALLOW: "dim",
    Action.FLAG: "bold cyan",
    Action.REDACT: "bold black on yellow",
    Action.BLOCK: "bold white on red",
}
_BESIDE = 60
_PATTERN = 200


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


@dataclass(frozen=True)
class Hit:
    """One decision and where it stands: line (from 0) of its source, offset within the line or JSON string."""

    piece: Piece
    decision: Decision
    line: int
    start: int

    @property
    def place(self) -> str:
        """`file:line:column`, or `file:line:path:column` in a JSON line."""
        path = f"{self.piece.path}:" if self.piece.path else ""
        source = "" if self.piece.source == "-" else f"{self.piece.source}:"
        return f"{source}{self.line + 1}:{path}{self.start + 1}"

    @cached_property
    def explanation(self) -> Explanation | None:
        """Which row of the catalogue gives it."""
        return explain(self.piece.text, self.decision.finding)

    def as_json(self, explained: bool) -> dict[str, Any]:
        """What machines read of it: the design's keys, the place in a JSON line, and why where it is asked for."""
        finding = self.decision.finding
        row: dict[str, Any] = {
            "kind": finding.kind,
            "start": self.start,
            "end": self.start + finding.end - finding.start,
            "score": round(finding.score, 4),
            "source": finding.source,
        }
        if self.piece.path:
            row["path"] = self.piece.path
        return row | ({"explain": self._why()} if explained else {})

    def _why(self) -> dict[str, Any]:
        decision, why = self.decision, self.explanation
        words = {"action": decision.action.word, "rule": decision.rule, "origin": decision.origin}
        if why is None:
            return words
        row = why.row
        return words | {
            "pattern": why.pattern,
            "row": why.number,
            "validator": row.check,
            "standard": why.standard,
            "cue": row.cue,
            "cues": list(why.cues),
            "score": row.score,
            "cued": row.cued,
            "laws": list(row.laws),
            "country": row.country,
        }


def hits(piece: Piece, decisions: Iterable[Decision]) -> Iterator[Hit]:
    """Place decisions in their piece; what lies in the key before a JSON string belongs to the key's own piece."""
    lines = Lines(piece.text)
    for decision in decisions:
        start = decision.finding.start
        if start < piece.lead and decision.finding.end > decision.finding.start:
            continue
        line, offset = (0, start - piece.lead) if piece.path else lines.at(start)
        yield Hit(piece, decision, piece.line + line, max(0, offset))


def show(console: Console, found: Sequence[Hit], *, text: bool, explained: bool) -> None:
    """Print the hits of one source: their lines in colour if `text`, then the table or each hit explained."""
    if text:
        for line in _marked_lines(found):
            console.print(line, soft_wrap=True)
    if explained:
        for hit in found:
            _explain(console, hit)
    else:
        _table(console, found)


def _table(console: Console, found: Sequence[Hit]) -> None:
    """One row a hit; where a row is wider than the terminal, each hit under its place."""
    from rich.table import Table
    from rich.text import Text

    names = [*map(told, ("place", "kind", "score", "action", "rule", "found by"))]
    rows = [[Text(printable(text)) for text in _cells(hit)] for hit in found]
    if not fits(console, names, rows):
        for place, *others in rows:
            console.print(place, style="bold", soft_wrap=True)
            console.print(Text("    ") + Text("  ").join(others), soft_wrap=True)
        return
    table = Table(*names, box=None, pad_edge=False, header_style="bold cyan")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _cells(hit: Hit) -> tuple[str, ...]:
    finding, decision = hit.decision.finding, hit.decision
    rule = f"{decision.rule} {decision.origin}".strip()
    score, action = f"{finding.score:.2f}", told(decision.action.word)
    return hit.place, finding.kind, score, action, rule, finding.source


def _explain(console: Console, hit: Hit) -> None:
    from rich.cells import set_cell_size
    from rich.text import Text

    finding, decision, why = hit.decision.finding, hit.decision, hit.explanation
    head = Text.assemble((printable(hit.place), "bold"), "  ", (finding.kind, "bold cyan"))
    head.append(f"  {finding.score:.2f}  ")
    head.append(told(decision.action.word), style=_STYLES[decision.action])
    console.print(head, soft_wrap=True)
    for name, said in _reasons(decision, why):
        label = set_cell_size(told(name), 10)
        hanging(console, Text(f"    {label}", style="dim"), Text(printable(said)))


def _reasons(decision: Decision, why: Explanation | None) -> Iterator[tuple[str, str]]:
    yield "found by", decision.finding.source
    if why is not None:
        pattern = why.pattern
        yield (
            "pattern",
            pattern
            if len(pattern) <= _PATTERN
            else pattern[:_PATTERN] + told(f"… ({len(pattern)} characters)"),
        )
        yield "validator", f"{why.row.check}: {told(why.standard)}" if why.row.check else told("none")
        yield "cues", f"{', '.join(why.cues) or told('none')} ({told(why.weight)})"
        if why.row.laws:
            yield "laws", ", ".join(why.row.laws)
    origin = decision.origin or told("built-in")
    yield "rule", f"{decision.rule} → {told(decision.action.word)} ({origin})"


def _marked_lines(found: Sequence[Hit]) -> Iterator[Text]:
    """The lines that hold hits, each once, the hits in the colour of what is done to them."""
    by_line: dict[tuple[str, int, str], list[Hit]] = {}
    for hit in found:
        if hit.decision.finding.end > hit.decision.finding.start:
            by_line.setdefault((hit.piece.source, hit.line, hit.piece.path), []).append(hit)
    for (_, number, _), here in by_line.items():
        yield _marked(number, here)


def _marked(number: int, here: Sequence[Hit]) -> Text:
    from rich.text import Text

    piece, first = here[0].piece, here[0].decision.finding
    low = max(piece.text.rfind("\n", 0, first.start) + 1, piece.lead if piece.path else 0)
    shown, at = Text(f"{number + 1:>5} │ ", style="dim"), max(low, first.start - _BESIDE)
    shown.append("…" if at > low else "", style="dim")
    for hit in here:
        finding = hit.decision.finding
        shown.append(_between(piece.text[at : finding.start]), style="default")
        value = piece.text[max(at, finding.start) : finding.end]
        shown.append(printable(value), style=_STYLES[hit.decision.action])
        at = max(at, finding.end)
    rest = piece.text[at : at + _BESIDE + 1].split("\n")[0]
    shown.append(printable(rest[:_BESIDE]), style="default")
    shown.append("…" if len(rest) > _BESIDE else "", style="dim")
    return shown


def _between(text: str) -> str:
    if len(text) <= 2 * _BESIDE:
        return printable(text)
    return f"{printable(text[:_BESIDE])} … {printable(text[-_BESIDE:])}"


def printable(text: str) -> str:
    """A text that cannot steer a terminal: what does not print is written as its code."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def counted(console: Console, kinds: Counter[tuple[str, str]], files: int) -> None:
    """Print how many of each kind there were, and what is done to them."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for (kind, action), count in sorted(kinds.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(f"{count:>6}", kind, told(action))
    console.print(table)
    total = kinds.total()
    console.print(told(f"{total} found in {files} files" if files > 1 else f"{total} found"), style="bold")
