"""Find in texts with everything that a policy names: the catalogue, own patterns, and Presidio.

A failure of any of them is a finding (`guard.unavailable.detect`, `guard.unavailable.presidio`) in the list of
each text that it concerned, never a shorter list.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.resources import files
from typing import Any, NamedTuple, Protocol

from guard.errors import Unavailable
from guard.kinds import presidio_kind
from guard.outside.workers import WorkerPool
from guard.pii.evasion import Projection, project, readable, undisguised
from guard.pii.nobody import NOBODY
from guard.pii.resolve import STRONG, resolve
from guard.pii.scan import Scanner, is_flat
from guard.services.detection import Own, Wanted
from guard.services.gate import Gate
from guard.services.lists import ListOfTerms, Lists, TenantLists
from guard.services.memo import Memo
from guard.services.outages import OUTAGES
from guard.services.seams import Cuts, Seams, TermSeams
from guard.types import Finding

_ONE_SLICE = 8192  # a text that Presidio certainly reads in one piece
_ONE_LOOK = 8192  # characters of texts that are looked at together
_CONTEXT_WORDS = 96  # five words before a match, which Presidio looks at


class OwnRecognizer(Protocol):
    """What a policy says about one recognizer of its own (`recognizers.custom`)."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def pattern(self) -> str:
        """Its RE2 pattern."""

    @property
    def kind(self) -> str:
        """The kind of its findings."""

    @property
    def score(self) -> float:
        """Their score."""


@dataclass(slots=True)
class _Job:
    """Work for one pool: a request, the numbers of the texts in it, and how to read the answer for one text."""

    pool: WorkerPool
    request: list[Any]
    numbers: list[int]
    read: Callable[[str, list[Any]], list[Finding]]


class _Plan(NamedTuple):
    """What is found of each text so far, what is still asked, and the names of new texts in the memo."""

    found: list[list[Finding]]
    jobs: list[_Job]
    new: Mapping[int, bytes]


class Detector:
    """Detects in lists of texts, from any thread or event loop.

    Texts that were searched lately are known (`memo`). Of the others up to `inline_chars` in one call are scanned
    at once; more, own patterns that could match, and Presidio recognizers that could match go to worker processes,
    each kind of work under its own deadline (seconds).
    """

    def __init__(
        self,
        *,
        scanner_args: Mapping[str, Any],
        presidio: Sequence[str] = (),
        presidio_deadline_s: float = 1.0,
        engine: str = "none",
        models: Sequence[tuple[str, str]] = (),
        custom: Sequence[OwnRecognizer] = (),
        lists: Sequence[ListOfTerms] = (),
        workers: int = 1,
        deadline_s: float = 2.0,
        inline_chars: int = 32_768,
    ) -> None:
        self._scanner = Scanner(**scanner_args)
        self._kinds: frozenset[str] | None = scanner_args.get("kinds")
        self._skip = frozenset(scanner_args.get("skip", ()))
        self._inline = inline_chars
        self._own = [Own(row.name, row.pattern, row.kind, row.score) for row in custom]
        self._own_gate = Gate([[row.pattern] for row in self._own])
        self._lists = Lists(lists)
        self._memo = Memo()
        by_model = () if engine == "none" else (engine,)
        self._model = f"presidio:{engine}"
        self._names = (*presidio, *by_model)
        shipped = shipped_patterns(presidio)
        if shipped is not None:
            shipped += (None,) * len(by_model)
        patterns = shipped or (None,) * len(self._names)
        self._gate = Gate(patterns)
        self._gate_is_theirs = shipped is not None
        own = [tuple(row) for row in self._own]
        self._pool = WorkerPool(
            "guard.services.detection:build",
            (dict(scanner_args), own),
            workers=workers,
            deadline_s=deadline_s,
        )
        self._presidio = WorkerPool(
            "guard.services.presidio:build",
            (tuple(presidio), shipped, engine, tuple(models)),
            what="presidio",
            workers=workers,
            deadline_s=presidio_deadline_s,
        )
        spanning = [row.pattern for row in self._own] + [p for row in patterns for p in row or ()]
        # A model may find any name: what may be one is held together, whoever looks for names.
        holding = Scanner(**{**scanner_args, "names": 0.0}) if by_model else self._scanner
        seams = Seams(holding.cuts, spanning)
        self._cutter = (lambda: seams.cuts) if seams.holding else holding.cutter
        self.context = max(self._scanner.context, _CONTEXT_WORDS if self._names else 0)

    def start(self) -> None:
        """Start the worker processes and warm what is lazy, without waiting for either."""
        self._pool.start()
        if self._names:
            self._presidio.start()
        # No daemon: one that the end of the process stops inside numpy takes the process down with it (SIGABRT).
        threading.Thread(target=self._scanner.warm, name="guard-warm-up").start()

    def wait(self) -> None:
        """Wait until all workers are ready; raises SetupError if one cannot be built."""
        self._pool.hello()
        if self._names:
            self._presidio.hello()

    def close(self) -> None:
        """End the worker processes."""
        self._pool.close()
        self._presidio.close()

    def cuts(self, tenant: str = "default") -> Cuts:
        """Where a streamed text of a tenant may be cut: no finding spans such a place, whatever follows.

        Made for one stream: it remembers the texts that it was asked about last.
        """
        denying = self._lists.of(tenant).denying
        return TermSeams(self._cutter(), denying).cuts if denying else self._cutter()

    def quiet(self, tenant: str = "default") -> Callable[[str], bool] | None:
        """What tells by one look at a text that `detect` finds nothing in it, nor in any stretch of it between cuts.

        None where a deny list must see all.
        """
        if self._lists.of(tenant).denying:
            return None
        return self._quiet

    def _quiet(self, text: str) -> bool:
        if text.isascii():
            return self._silent(text)
        return not self._names and not self._own and not self._scan(text)

    async def detect(self, texts: Sequence[str], tenant: str = "default") -> list[list[Finding]]:
        """Find in each text: one list a text, in its order, no two overlapping; paths are empty."""
        plan = self._plan(texts, tenant)
        answers = await asyncio.gather(*(_asked(job) for job in plan.jobs)) if plan.jobs else ()
        return self._settled(plan, texts, answers, tenant)

    def detect_sync(self, texts: Sequence[str], tenant: str = "default") -> list[list[Finding]]:
        """Find in each text as `detect` does, blocking this thread where a worker is needed."""
        plan = self._plan(texts, tenant)
        return self._settled(plan, texts, [_asked_sync(job) for job in plan.jobs], tenant)

    def _plan(self, texts: Sequence[str], tenant: str = "default") -> _Plan:
        if sum(map(len, texts)) <= _ONE_LOOK:
            lines = "\n\n".join(texts)
            # Where an `@` stands there is an address as a rule, and what was found in an earlier turn is there again:
            # the look would only come on top of the scan.
            flat = all(map(is_flat, texts))
            if "@" not in lines and not self._memo.noted(texts, tenant) and self._silent(lines, flat):
                return _Plan([[] for _ in texts], [], {})
        names = [self._memo.name(text, tenant) for text in texts]
        known = [self._memo.recall(name) for name in names]
        new = {number: name for number, name in enumerate(names) if known[number] is None}
        asked = [text if number in new else "" for number, text in enumerate(texts)]
        short = sum(map(len, asked)) <= self._inline
        found = [
            row if row is not None else self._scan(text) if short else []
            for row, text in zip(known, asked, strict=True)
        ]
        return _Plan(found, self._jobs(asked, found if short else None) if new else [], new)

    def _jobs(self, texts: Sequence[str], found: list[list[Finding]] | None) -> list[_Job]:
        """What worker processes are asked: of long texts everything, of others what is not `found` here."""
        jobs = [self._detection(texts, found is not None)]
        if self._names:
            jobs.append(self._analysis(texts, found))
        return [job for job in jobs if job.numbers]

    def _settled(
        self, plan: _Plan, texts: Sequence[str], answers: Sequence[list[Any] | Unavailable], tenant: str
    ) -> list[list[Finding]]:
        if plan.jobs:
            _read(plan, texts, answers)
        for number, name in plan.new.items():
            self._memo.keep(name, plan.found[number])
            if plan.found[number] and "@" not in texts[number]:
                self._memo.note(texts[number], tenant)
        lists = self._lists.of(tenant)
        denies = lists.denies
        if not denies and not any(plan.found):
            return [[] for _ in plan.found]
        return [
            _ruled(lists, text, found) if found or denies else []
            for text, found in zip(texts, plan.found, strict=True)
        ]

    def _silent(self, lines: str, flat: bool = False) -> bool:
        """Whether one look at all texts shows that there is nothing in any: most bodies hold nothing."""
        if not lines.isascii():
            return False
        try:
            return self._scanner.silent(lines, flat) and not (
                (self._names and _opens(self._gate, lines)) or (self._own and _opens(self._own_gate, lines))
            )
        except Exception:
            return False

    def _scan(self, text: str) -> list[Finding]:
        try:
            return self._scanner.everything(text)
        except Exception:
            return [_unavailable("detect")]

    def _detection(self, texts: Sequence[str], short: bool) -> _Job:
        job = _Job(self._pool, [], [], lambda _, answer: answer)
        if short and not self._own:  # all was found here
            return job
        everything = tuple(range(len(self._own)))
        for number, text in enumerate(texts):
            own = self._own_hits(text) if short else everything
            if text and (own or not short):
                job.request.append(Wanted(text, not short, own))
                job.numbers.append(number)
        return job

    def _own_hits(self, text: str) -> tuple[int, ...]:
        hits = self._own_gate.open(readable(text))
        if not text.isascii():
            hits = tuple(sorted({*hits, *self._own_gate.open(undisguised(text)[0])}))
        return hits

    def _analysis(self, texts: Sequence[str], known: Sequence[Sequence[Finding]] | None) -> _Job:
        job = _Job(self._presidio, [], [], self._analysed)
        if not self._gate_is_theirs and self._presidio.ready:
            self._gate, self._gate_is_theirs = Gate(self._presidio.hello()), True
        for number, text in enumerate(texts):
            if not text:
                continue
            chosen = None if known is None else self._choose(text, known[number])
            if chosen != ():
                job.request.append((text, chosen))
                job.numbers.append(number)
        return job

    def _choose(self, text: str, known: Sequence[Finding]) -> tuple[int, ...]:
        """The recognizers that could add to what the catalogue has found in a text.

        A match that lies inside a longer, sure finding is dropped whatever it scores (pii/resolve.py), so a
        recognizer that has only such matches need not be asked.
        """
        projection = project(text)
        chosen = self._gate.open(projection.text)
        if not chosen or not known or len(text) > _ONE_SLICE:
            return chosen
        sure = [(f.start, f.end) for f in known if f.score >= STRONG]
        return tuple(index for index in chosen if self._adds(index, projection, sure))

    def _adds(self, index: int, projection: Projection, sure: Sequence[tuple[int, int]]) -> bool:
        spans = self._gate.spans(index, projection.text)
        if spans is None:
            return True
        for span in spans:
            start, end = projection.to_original(*span)
            for low, high in sure:
                if low <= start and end <= high and end - start < high - low:
                    break
            else:
                return True
        return False

    def _analysed(self, text: str, answer: list[tuple[int, str, int, int, float]]) -> list[Finding]:
        findings = [
            Finding(presidio_kind(entity), start, end, score, f"presidio:{self._names[index]}")
            for index, entity, start, end, score in answer
        ]
        return [f for f in findings if self._is_wanted(f) and not self._nobodys(text, f)]

    def _is_wanted(self, finding: Finding) -> bool:
        """Whether a rule acts on what a model found: else a long finding would take the place of what is in it."""
        return self._kinds is None or finding.kind in self._kinds or finding.source != self._model

    def _nobodys(self, text: str, finding: Finding) -> bool:
        judge = NOBODY.get(finding.kind.removeprefix("pii."))
        value = text[finding.start : finding.end]
        return judge is not None and bool(self._skip) and judge(project(value).text) in self._skip


def _opens(gate: Gate, lines: str) -> bool:
    """Whether a gate is open for a text or may be for one of its lines."""
    return not gate.lines or bool(gate.open(lines.encode()))


async def _asked(job: _Job) -> list[Any] | Unavailable:
    try:
        return list(await job.pool.submit(job.request))
    except Unavailable as failure:
        OUTAGES.tell(failure)
        return failure


def _asked_sync(job: _Job) -> list[Any] | Unavailable:
    try:
        return list(job.pool.submit_sync(job.request))
    except Unavailable as failure:
        OUTAGES.tell(failure)
        return failure


def _read(plan: _Plan, texts: Sequence[str], answers: Sequence[list[Any] | Unavailable]) -> None:
    """Add to what was found what the worker processes say, or that they could not."""
    for job, answer in zip(plan.jobs, answers, strict=True):
        for place, number in enumerate(job.numbers):
            if isinstance(answer, Unavailable):
                plan.found[number].append(_unavailable(answer.what))
            else:
                plan.found[number] += job.read(texts[number], answer[place])


def _ruled(lists: TenantLists, text: str, findings: list[Finding]) -> list[Finding]:
    """One finding a stretch, with what is denied and without what is allowed."""
    every = findings + _denied(lists, text) if lists.denies else findings
    return lists.spared(text, resolve(every)) if every else []


def _denied(lists: TenantLists, text: str) -> list[Finding]:
    try:
        return lists.denied(text)
    except Exception:
        return [_unavailable("detect")]


def _unavailable(what: str) -> Finding:
    return Finding(f"guard.unavailable.{what}", 0, 0, 1.0, "guard")


@cache
def _shipped() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(files("guard").joinpath("data/presidio.json").read_text("utf-8"))
    return table


def shipped_patterns(names: Sequence[str]) -> tuple[tuple[str, ...] | None, ...] | None:
    """The gate's patterns of Presidio's recognizers, without the seconds that its import takes.

    The shipped table holds for one version of Presidio. With another one there is None: all texts are sent to
    the worker until that has said which patterns it has.
    """
    table = _shipped()
    if table["version"] != _installed() or not table["patterns"].keys() >= set(names):
        return None
    rows = [table["patterns"][name] for name in names]
    return tuple(None if row is None else tuple(row) for row in rows)


def _installed() -> str:
    try:
        return metadata.version("presidio-analyzer")
    except metadata.PackageNotFoundError:
        return ""
