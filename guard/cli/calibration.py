"""Scores of labelled texts from the live judge, kept as they come: a run that was stopped goes on where it was."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from guard.errors import SetupError
from guard.keys import keyed_hash
from guard.services.hedge import together
from guard.thresholds import Judged

if TYPE_CHECKING:
    from guard.guard import Guard

SIDE_BY_SIDE = 64
"""Texts that are judged at the same time: two full requests."""

PAUSES_S = (1.0, 2.0, 5.0, 15.0, 60.0)
"""How long a judge that cannot answer is waited for, before one gives up."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One text of the data, under a keyed hash; `labelled` are the categories that its label speaks of."""

    name: str
    text: str = field(repr=False)
    expected: frozenset[str]
    labelled: frozenset[str] | None


def read_data(path: Path, key: bytes) -> list[Labelled]:
    """Read JSON lines {text, expected, labelled?}; equal texts once. Raises SetupError with the line that is wrong."""
    found: dict[str, Labelled] = {}
    for number, line in _lines(path):
        row = _json(line, f"{path}:{number}")
        text, expected, labelled = row.get("text"), row.get("expected"), row.get("labelled")
        if not isinstance(text, str) or not _names(expected) or not (labelled is None or _names(labelled)):
            raise SetupError(
                f'{path}:{number}: write {{"text": "…", "expected": ["violence"]}}, with "labelled": […] where the'
                " label speaks of some categories only"
            )
        name = keyed_hash(key, text)
        known = None if labelled is None else frozenset(labelled)
        found.setdefault(name, Labelled(name, text, frozenset(expected or ()), known))
    if not found:
        raise SetupError(f"{path}: there is no text in it")
    return list(found.values())


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as failure:
        raise SetupError(f"{path}: {failure.strerror}") from None
    yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _json(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise SetupError(f"{where}: this line is not JSON") from None
    if not isinstance(row, dict):
        raise SetupError(f"{where}: this line is no JSON object")
    return row


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


class Kept:
    """A file of scores by text, one JSON line each; the texts do not stand in it. It is of one judge only."""

    def __init__(self, path: Path, judge: str) -> None:
        self.path = path
        self._judge = judge
        self.scores: dict[str, Mapping[str, float]] = {}
        if path.exists():
            self._read()

    def _read(self) -> None:
        whole = self.path.read_bytes()
        end = whole.rfind(b"\n") + 1
        for number, line in enumerate(whole[:end].splitlines(), 1):
            row = _json(line, f"{self.path}:{number}")
            if row.get("judge") != self._judge:
                raise SetupError(
                    f"{self.path} holds the scores of another judge: name another file with --scores"
                )
            self.scores[row["text"]] = row["scores"]
        if end < len(whole):  # a line that was cut when the machine stopped
            with self.path.open("r+b") as file:
                file.truncate(end)

    def add(self, name: str, scores: Mapping[str, float]) -> None:
        """Keep the scores of a text, in the file before anything else."""
        line = orjson.dumps(
            {"text": name, "judge": self._judge, "scores": scores}, option=orjson.OPT_APPEND_NEWLINE
        )
        with self.path.open("ab") as file:
            file.write(line)
        self.scores[name] = scores

    def judged(self, rows: Sequence[Labelled]) -> list[Judged]:
        """The rows that have scores."""
        return [
            Judged(self.scores[row.name], row.expected, row.labelled)
            for row in rows
            if row.name in self.scores
        ]


async def judge_all(
    guard: Guard, service: Any, rows: Sequence[Labelled], kept: Kept, advance: Callable[[], None]
) -> bool:
    """Have every row judged that is not yet, by the road that answers take; whether all of them were."""
    left = [row for row in rows if row.name not in kept.scores]
    try:
        for at in range(0, len(left), SIDE_BY_SIDE):  # texts of one round share requests
            batch = left[at : at + SIDE_BY_SIDE]
            if not all(await together(_judge(guard, service, row, kept, advance) for row in batch)):
                return False
    finally:
        with contextlib.suppress(Exception):
            await guard.egress.aclose()
    return True


async def _judge(guard: Guard, service: Any, row: Labelled, kept: Kept, advance: Callable[[], None]) -> bool:
    for pause in (0.0, *PAUSES_S):
        await asyncio.sleep(pause)
        scores = await _scores(guard, service, row.text)
        if scores is not None:
            kept.add(row.name, scores)
            advance()
            return True
    return False


async def _scores(guard: Guard, service: Any, text: str) -> Mapping[str, float] | None:
    """The scores of a text as of an answer's: redacted before it is shown to the judge. None: it could not be asked."""
    from guard.doors import CallDoors, To
    from guard.engine import screen_output
    from guard.services.drivers import drive
    from guard.types import Identity, Segment

    exchange = guard.unrecorded(Identity())
    doors = CallDoors(To(guard), lambda _: service, None, "default")
    screened = await drive(screen_output(guard.policy, exchange, [Segment("text", text)], ()), doors)
    if any(d.finding.kind == "guard.unavailable.moderation" for d in screened.verdict.decisions):
        return None
    return screened.scores.get("text", dict.fromkeys(guard.policy.moderation.categories, 0.0))
