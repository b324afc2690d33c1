"""Simulated inline moderation: what a request with `moderation=` is told beside its answer, by the table of phrases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guard.simulator.scores import MODEL, moderation
from guard.simulator.script import Script

Json = dict[str, Any]


def told(body: Json, texts: Sequence[str], script: Script, *, single: bool) -> Json:
    """The field `moderation` of an answer, where the request asks for it: `openai.types.chat` has a list of results,
    `openai.types.responses` (`single`) one. Nothing where the script's provider does not offer it."""
    if not body.get("moderation") or script.inline == "off":
        return {}
    if script.inline == "error":
        failure = {"type": "error", "code": "server_error", "message": "simulated failure"}
        return {"moderation": {"input": failure, "output": failure}}
    return {
        "moderation": {
            "input": _results([""], script, single=single),
            "output": _results(texts, script, single=single),
        }
    }


def _results(texts: Sequence[str], script: Script, *, single: bool) -> Json:
    shown = [" ".join(texts)] if single else list(texts)
    rows = moderation({"input": shown}, script.triggers, "")["results"]
    typed = [{**row, "type": "moderation_result", "model": MODEL} for row in rows]
    return typed[0] if single else {"type": "moderation_results", "model": MODEL, "results": typed}
