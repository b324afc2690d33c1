"""One canary test over all sinks: planted values go everywhere, and must be found nowhere.

The second half plants a leak in each sink in turn: the same search must then find it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guard import call, engine
from guard.pii import redact as redacting
from guard.services.logs import LogRedactor
from guard.trace import spans
from guard.types import Segment
from guard.wire import refusal

_spec = importlib.util.spec_from_file_location("canary_world", Path(__file__).with_name("world.py"))
assert _spec is not None
assert _spec.loader is not None
world = importlib.util.module_from_spec(_spec)
sys.modules["canary_world"] = world
_spec.loader.exec_module(world)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_planted_values_are_left_nowhere(tmp_path: Path) -> None:
    """D06, D07, C14, C31, D21: provider, errors, reprs, exports, keys folder and log hold no original and no key.

    Texts are kept for the auditor meanwhile: the private key opens every planted value, and nothing else shows a word.
    """
    after = world.run(tmp_path)
    assert after.leaks() == set()
    assert after.words() == set()
    planted = {name for name, value in world.CANARIES.items() if any(value in text for text in after.opened)}
    assert planted == set(world.CANARIES) - {"bearer"}
    assert all(after.sinks().values()), "a sink that holds nothing proves nothing"


def _leaky_upstream(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(engine, "redact", lambda text, decisions, placeholders: text)


def _leaky_exports(patch: pytest.MonkeyPatch) -> None:
    told = spans.finding_events
    patch.setattr(
        spans, "finding_events", lambda verdict, subject: [*told(verdict, subject), ("leak", _everything())]
    )


def _leaky_answers(patch: pytest.MonkeyPatch) -> None:
    told = spans.finding_events
    kind = world.CANARIES["email"]
    patch.setattr(
        spans,
        "finding_events",
        lambda verdict, subject: [(name, {**row, spans.KIND: kind}) for name, row in told(verdict, subject)],
    )


def _everything() -> dict[str, Any]:
    return {f"v{i}": value for i, value in enumerate(world.CANARIES.values())}


def _leaky_errors(patch: pytest.MonkeyPatch) -> None:
    told = refusal.error_body
    patch.setattr(
        refusal, "error_body", lambda code, message, *rest: told(code, message + str(_everything()), *rest)
    )


def _leaky_log(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LogRedactor, "redact", lambda self, text: text)


def _leaky_reprs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(engine.Exchange, "__repr__", lambda self: str(self.placeholders._original))


def _leaky_letters(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(call.Call, "lasting", lambda self: call.jsonbody.dump(self.body))


def _leaky_home(patch: pytest.MonkeyPatch) -> None:
    real = world._reprs

    def write(after: Any, guard: Any) -> None:
        real(after, guard)
        (after.folder / "home" / "cache").write_text(str(_everything()))

    patch.setattr(world, "_reprs", write)


@pytest.mark.parametrize(
    ("sink", "leak"),
    [
        ("upstream", _leaky_upstream),
        ("exports", _leaky_exports),
        ("answers", _leaky_answers),
        ("errors", _leaky_errors),
        ("log", _leaky_log),
        ("reprs", _leaky_reprs),
        ("home", _leaky_home),
        ("letters", _leaky_letters),
    ],
)
def test_a_leak_in_a_sink_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: str, leak: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """The search is not blind: with its protection taken away, each sink shows the planted values."""
    leak(monkeypatch)
    after = world.run(tmp_path, desk=sink == "answers")
    assert sink in {where for where, _ in after.leaks()}


def test_a_segment_never_shows_its_text() -> None:
    """Law 3: reprs carry kinds, offsets and placeholders, never text."""
    assert "secret" not in repr(Segment("messages[0].content", "secret"))


def test_the_redactor_is_the_one_that_the_engine_uses() -> None:
    """The leak above takes away what really protects: the engine calls this very function."""
    assert engine.redact is redacting.redact
