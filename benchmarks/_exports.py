"""Exports as a busy installation leaves them: real lines of the recorder, with other ids, times and counts."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

from guard.trace import records, spans
from guard.trace.exportfile import Disk, ExportFile, Origin
from guard.trace.signing import Signer
from guard.trace.spans import Recorder, finding_events
from guard.types import Action, Admission, Decision, Finding, Place, Receipt, Receipts, Stage, Verdict

DAYS = 30
BEGIN = 1_790_000_000_000_000_000
ROTATE = 64 * 1024 * 1024

_PLACES = [
    Admission(True, "eu.api.openai.com", "EEA+CH", place=Place(("EEA", "CH"), ("EEA", "CH")), source="table"),
    Admission(True, "api.openai.com", "GLOBAL", place=Place(("GLOBAL",), ("GLOBAL",)), source="table"),
    Admission(True, "us.api.openai.com", "US", place=Place(("US",), ("US",)), source="table"),
]
_MODELS = ["gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.6-luna"]
_KINDS = ["pii.email", "pii.phone", "pii.card", "pii.person", "pii.cn.resident_id", "secret.openai_key"]
_TENANTS = [f"tenant-{n:02d}" for n in range(20)]
_SUBJECT, _USER, _RESPONSE = "5" * 16, "7" * 32, "chatcmpl-" + "R" * 29
_IN, _OUT = 70_000_001, 30_000_001


class _Template:
    """The lines of one kind of call, in pieces between what differs from call to call."""

    def __init__(self, recorder: Recorder, draw: random.Random) -> None:
        self.lines: list[tuple[bytes, bytes, list[bytes]]] = []
        self.tenant = draw.choice(_TENANTS)
        place, model = draw.choice(_PLACES), draw.choice(_MODELS)
        found = draw.sample(_KINDS, draw.choice([0, 0, 1, 1, 2, 3]))
        action = Action.BLOCK if draw.random() < 0.03 else Action.REDACT if found else Action.ALLOW
        policy = {
            spans.POLICY_NAME: "default",
            spans.POLICY_VERSION: draw.choice(["2026.1", "2026.2"]),
            spans.POLICY_SHA256: "ab" * 32,
            spans.POLICY_MODE: "enforce",
        }
        intent = recorder.start(spans.SCREEN, attributes=policy)
        decisions = tuple(
            Decision(
                Finding(kind, 3, 9, 0.9, "pattern", f"messages[{at}].content"),
                action,
                action,
                "pii.*",
                "d.yaml:7",
            )
            for at, kind in enumerate(found)
        )
        receipts = Receipts()
        receipts.note("detect", Receipt.RAN)
        receipts.note("moderation", Receipt.NOT_APPLICABLE)
        verdict = Verdict(Stage.INPUT, action, action, decisions)
        forwarded = 0 if action is Action.BLOCK else draw.randint(200, 5000)
        intent.set_all(
            records.screen_attributes(
                verdict,
                endpoint="chat",
                screened_bytes=draw.randint(50, 4000),
                forwarded_bytes=forwarded,
                receipts=receipts,
                admission=place,
            )
        )
        who = {
            spans.TENANT: self.tenant,
            spans.USER: _USER,
            spans.EXCHANGE: intent.span_id,
            spans.MOUNT: "gateway",
        }
        intent.set_all(who)
        for name, attributes in finding_events(verdict, lambda _: _SUBJECT):
            intent.event(name, attributes)
        if action is Action.BLOCK:
            intent.error(found[0] if found else "pii.email")
        self._add(intent.end(), intent)
        if action is not Action.BLOCK and draw.random() > 0.001:
            self._add_call(recorder, intent, place, model, {**policy, **who}, draw)
        self.ids = (intent.trace_id.encode(), intent.span_id.encode())

    def _add_call(
        self,
        recorder: Recorder,
        intent: spans.Span,
        place: Admission,
        model: str,
        attributes: dict[str, str],
        draw: random.Random,
    ) -> None:
        span = recorder.start(f"chat {model}", kind="client", parent=intent, attributes=attributes)
        span.set_all(records.request_attributes(None, {"model": model}, place.host, 443))
        span.set(spans.OPERATION, "chat")
        failed = draw.random() < 0.01
        answer = {
            "id": _RESPONSE,
            "model": model,
            "choices": [{"finish_reason": "stop"}],
            "usage": {"prompt_tokens": _IN, "completion_tokens": _OUT},
        }
        receipts = Receipts()
        receipts.note("detect", Receipt.RAN)
        receipts.note("moderation", Receipt.RAN)
        verdict = None if failed else Verdict(Stage.OUTPUT, Action.ALLOW, Action.ALLOW)
        span.set_all(records.outcome_attributes(verdict, {} if failed else answer, receipts))
        if failed:
            span.error("APITimeoutError")
        self._add(span.end(), span)

    def _add(self, line: bytes, span: spans.Span) -> None:
        self.lines.append((line, span.span_id.encode(), _times(line)))


def _times(line: bytes) -> list[bytes]:
    """The moments in a line, in order."""
    return sorted(set(re.findall(rb'UnixNano":"(\d{19})"', line)))


def calls(count: int, seed: int = 1) -> Iterator[list[bytes]]:
    """The lines of `count` calls over 30 days, in order of time."""
    draw = random.Random(seed)
    recorder = Recorder()
    templates = [_Template(recorder, draw) for _ in range(300)]
    step = DAYS * 86_400 * 10**9 // max(count, 1)
    for number in range(count):
        template = draw.choice(templates)
        yield list(_lines(template, BEGIN + number * step, draw))


def _lines(template: _Template, at: int, draw: random.Random) -> Iterator[bytes]:
    trace, intent = template.ids
    new_trace, new_intent = b"%032x" % draw.getrandbits(128), b"%016x" % draw.getrandbits(64)
    user, subject = b"%032x" % draw.randrange(2000), b"%016x" % draw.randrange(50_000)
    for line, span, times in template.lines:
        line = line.replace(trace, new_trace).replace(intent, new_intent)
        if span != intent:
            line = line.replace(span, b"%016x" % draw.getrandbits(64))
            line = line.replace(_RESPONSE.encode(), b"chatcmpl-%029x" % draw.getrandbits(116))
            line = line.replace(b"%d" % _IN, b"%d" % draw.randrange(5, 4000))
            line = line.replace(b"%d" % _OUT, b"%d" % draw.randrange(1, 1500))
        line = line.replace(_USER.encode(), user).replace(_SUBJECT.encode(), subject)
        for moment in times:
            line = line.replace(moment, b"%d" % at)
            at += draw.randrange(100_000, 2_000_000 if span == intent else 2_000_000_000)
        yield line


def write(folder: Path, count: int, signer: Signer, *, seed: int = 1) -> int:
    """Write exports of `count` calls with their chains, as one writer that rotates; gives the bytes of the lines.

    Nothing is synced: what is measured is reading.
    """
    origin = Origin(folder, f"bench-{seed}", signer, 256, 1e9, Disk(sync=lambda descriptor: None))
    file, size = ExportFile(origin, None), 0
    batch: list[bytes] = []
    for lines in calls(count, seed):
        batch += lines
        if len(batch) >= 512:
            file.append(batch)
            batch = []
        if file.size >= ROTATE:
            size += file.size
            file.close()
            time.sleep(0.001)  # the name of a file is its moment
            file = ExportFile(origin, file.end)
    file.append(batch)
    file.close()
    return size + file.size
