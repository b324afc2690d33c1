"""Old habits in text that is no Python: other languages, notebooks, configuration, by line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.migration import habits
from guard.migration.habits import Calendar, Hit

_RESOURCES = "|".join(map(re.escape, habits.RESOURCES))
_SDK = re.compile(rf"\bopenai\.({_RESOURCES})\b")
_NODE = re.compile(r"\.(createChatCompletion|createCompletion|createEmbedding|createEdit|createModeration)\(")
_PIN = re.compile(
    r"""\bopenai(?:\[[\w,]+\])?\s*["']?\s*(?:[:=]\s*["']?\s*\^?|==|~=|<=?)\s*(?:0\.\d|1(?:\.0)*(?=["',;\s]|\Z))"""
)
_PATH = re.compile(r"/v1/engines/")
_BASE = re.compile(r"\bOPENAI_API_BASE\b")
_FUNCTIONS = re.compile(r"""["']?\bfunction_call\b["']?\s*:|\bfunctions["']?\s*:\s*\[|\.function_call\b""")
_ENGINE = re.compile(r"""["']engine["']\s*:\s*["']""")
_FIRST = re.compile(r"tool_calls(?:\?\.)?\[0\]")
_ALL = re.compile(
    r"\b(?:of|in|range)\b[^\n]{0,80}\btool_calls\b|tool_calls\??\.(?:map|forEach|each|filter|for_each|iter)\b|parallel_tool_calls"
)
_URL = re.compile(r"https://[\w.-]+")
_NAME = re.compile(r"""(\bmodel(?:_name|_id)?["']?\s*[:=]\s*)?(["'`]?)([A-Za-z][\w.:/-]*\w)(?!\w)""")
_LONGEST = 4000

_RULES = (
    (_NODE, "sdk-0", "client.chat.completions.create(…) and its like"),
    (_PIN, "sdk-0", "openai>=3"),
    (_BASE, "sdk-0", "OPENAI_BASE_URL"),
    (_PATH, "engine", "/v1/completions with `model`: engines were shut down on 2022-12-03"),
    (_ENGINE, "engine", "`model`"),
    (_FUNCTIONS, "functions", "`tools` and `tool_choice`; answers have `tool_calls`"),
)  # fmt: skip


def read(text: str, calendar: Calendar) -> list[Hit]:
    """Find old habits in a text; of a line that is longer than 4,000 characters only the beginning is looked at."""
    every = _ALL.search(text) is not None
    lines = (line[:_LONGEST] for line in text.split("\n"))
    return sorted({hit for n, line in enumerate(lines, 1) for hit in _line(n, line, every, calendar)})


def _line(number: int, line: str, every: bool, calendar: Calendar) -> Iterator[Hit]:
    if found := _SDK.search(line):
        yield Hit(number, "sdk-0", found.group(), habits.RESOURCES[found.group(1)])
    for pattern, rule, instead in _RULES:
        if found := pattern.search(line):
            yield Hit(number, rule, found.group().strip(), instead)
    if not every and (found := _FIRST.search(line)):
        yield Hit(number, habits.FIRST_ONLY[0], found.group(), habits.FIRST_ONLY[1])
    for found in (
        () if "upstream" in line else _URL.finditer(line)
    ):  # guard's own: where it sends what it screened
        if (hit := habits.past_guard(number, found.group())) is not None:
            yield hit
    for found in _NAME.finditer(line):
        key, quote, name = found.groups()
        if (key or quote) and (hit := calendar.hit(number, name, sure=bool(key))) is not None:
            yield hit
