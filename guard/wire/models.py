"""What is known of models by their names, from one dated table: context windows, shutdowns, parameters."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

_DATA: dict[str, Any] = json.loads(files("guard").joinpath("data/models.json").read_text("utf-8"))

TABLE_DATE: str = _DATA["date"]
"""The day on which the providers' documentation said so."""

_WINDOWS: dict[str, int] = _DATA["windows"]
_ROUTED = re.compile(r"\A(?:openrouter/)?(?:openai|azure)/")
_DATED = re.compile(r"(?:-\d{4}-\d{2}-\d{2}|-\d{4}|-latest)\Z")


@dataclass(frozen=True, slots=True)
class Shutdown:
    """When a model stops answering, and what the provider recommends instead ("" where nothing)."""

    model: str
    date: date
    instead: str = ""


SHUTDOWNS: dict[str, Shutdown] = {
    model: Shutdown(model, date.fromisoformat(row["date"]), row["instead"])
    for row in _DATA["shutdowns"]
    for model in row["models"]
}
"""Every model of the table that has a date of shutdown, past ones included."""


def base(model: str) -> str:
    """The model that a name stands for: without a router's `openai/`, and what a fine-tuned `ft:` was made from."""
    name = _ROUTED.sub("", model.strip().lower())
    return name.split(":")[1] if name.startswith("ft:") and ":" in name[3:] else name


@lru_cache(maxsize=1024)
def window(model: str) -> int | None:
    """The context window in tokens, or None for a model that the table does not know."""
    name = base(model)
    known = _WINDOWS.get(name)
    return known if known is not None else _WINDOWS.get(_DATED.sub("", name))


def wants_max_completion_tokens(model: str) -> bool:
    """Whether the model refuses `max_tokens` (the reasoning models; their chat variants take both)."""
    return _of_family(model, _DATA["max_completion_tokens"]) and "-chat" not in model


def takes_parallel_switch(model: str) -> bool:
    """Whether the model takes `parallel_tool_calls` (the o-series refuses it)."""
    return not _of_family(model, _DATA["without_parallel_tool_calls"])


def _of_family(model: str, families: list[str]) -> bool:
    name = base(model)
    return any(name == f or name.startswith((f"{f}-", f"{f}.")) for f in families)
