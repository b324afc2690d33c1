"""Write a resolved policy as YAML, with the file and line behind each line where wanted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from guard.policy.fields import written_place
from guard.policy.lists import TermFile
from guard.policy.model import Policy
from guard.policy.resolve import STAGES, Loaded
from guard.policy.rules import Rule, Step, observed
from guard.policy.ruleset import BUILT_IN
from guard.policy.source import KeyPath, dotted
from guard.policy.values import VALUES
from guard.types import Action, Place

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./*-]*")
# Words that some YAML readers take for true, false or nothing: Norway's code among them.
_READ_OTHERWISE = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_HEAD = ("policy", "version", "owner", "approved_by", "effective", "review_by")

Entry = tuple[KeyPath, str, str]


def to_yaml(loaded: Loaded, *, why: bool = False, room: int = 0, say: Callable[[str], str] = str) -> str:
    """Write the resolved policy as YAML; `why` adds to each line the file and line that it comes from.

    Where a line is over `room` cells with that (0: any is well), it stands above. `say` has it in words.

    The text loads again with the same digest. Rules of several files whose steps differ in how they redact or
    observe are written as a list of steps.
    """
    lines = list(_lay_out(_entries(loaded)))
    longest = max((len(who) for _, who in lines), default=0)
    most = min(90, max(room - longest - 4, 40)) if room else 90
    width = max(len(text) for text, _ in lines if len(text) <= most)
    return "".join(
        _line(text, who.replace(BUILT_IN, say(BUILT_IN)) if why else "", width, room) for text, who in lines
    )


def _line(text: str, who: str, width: int, room: int) -> str:
    line = f"{text:<{width}}  # {who}" if who else text
    if not who or not room or len(line) <= room:
        return f"{line}\n"
    return f"{' ' * (len(text) - len(text.lstrip()))}# {who}\n{text}\n"


def _entries(loaded: Loaded) -> Iterator[Entry]:
    for key in Policy.model_fields:
        if key in _HEAD and getattr(loaded.policy, key):
            yield (key,), _flow(getattr(loaded.policy, key)), ""
        if key in STAGES:
            yield from _rules(getattr(loaded.policy, key).rules, key)
        for path in (path for path in VALUES if path[0] == key):
            value, origin = loaded.values[path]
            yield path, _value(path, value), origin


def _value(path: KeyPath, value: Any) -> str:
    return _flow(value, everything="all" if path[-1] == "countries" else "any")


def value_text(path: KeyPath, value: Any) -> str:
    """Write a value as a file would, on one line; of lists of terms the names and sizes only."""
    if path != ("recognizers", "lists"):
        return _value(path, value)
    return f"[{', '.join(f'{terms.name} ({len(terms.words)} terms)' for terms in value)}]"


def _rules(rules: Mapping[str, Rule], stage: str) -> Iterator[Entry]:
    for pattern, rule in rules.items():
        who = dict.fromkeys(
            (step.origin, step.rule) for step in (*rule.steps, *(() if rule.steps else (rule,)))
        )
        yield (stage, "rules", pattern), rule_text(rule), ", ".join(f"{o} {r}" for o, r in who)


def origins(loaded: Loaded) -> dict[str, str]:
    """Name the file and line behind every rule and value, by its dotted key."""
    return {dotted(path): origin for path, _, origin in _entries(loaded) if origin}


def _lay_out(entries: Iterator[Entry]) -> Iterator[tuple[str, str]]:
    above: KeyPath = ()
    for path, text, origin in entries:
        for depth in range(len(path) - 1):
            if above[: depth + 1] != path[: depth + 1]:
                yield f"{'  ' * depth}{path[depth]}:", ""
        yield f"{'  ' * (len(path) - 1)}{_flow(path[-1])}: {text}", origin
        above = path


def _flow(value: Any, everything: str = "any") -> str:
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in _READ_OTHERWISE else _quoted(value)
    if value is None:
        return everything
    if isinstance(value, tuple):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, TermFile):
        return _flow(value.path)
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return _flow_mapping(value)


def _flow_mapping(value: Any) -> str:
    if isinstance(value, Place):
        value = written_place(value)
    elif isinstance(value, BaseModel):
        value = {info.alias or key: getattr(value, key) for key, info in type(value).model_fields.items()}
    return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())


def rule_text(rule: Rule) -> str:
    """Write a rule as a file would."""
    if not rule.steps:
        return "allow"
    if not _is_one_rule(rule.steps):
        return f"[{', '.join(_flow_mapping(_step(step)) for step in rule.steps)}]"
    first = rule.steps[0]
    if len(rule.steps) == 1:
        return _flow_mapping({"action": first.action.word, "at": first.at, **_details(rule.steps)})
    return _flow_mapping({**{s.action.word: s.at for s in rule.steps}, **_details(rule.steps)})


def _step(step: Step) -> dict[str, Any]:
    words: dict[str, Any] = {"action": step.action.word, "at": step.at}
    if Action.REDACT in (step.action, step.enforced):
        words |= _redaction(step)
    return words | ({"enforced": step.enforced.word} if step.enforced is not step.action else {})


def _redaction(step: Step) -> dict[str, Any]:
    return {"as": step.redaction.form, **({"restore": True} if step.redaction.restore else {})}


def _details(steps: tuple[Step, ...]) -> dict[str, Any]:
    words: dict[str, Any] = {}
    for step in steps:
        words |= _redaction(step) if step.action is Action.REDACT else {}
    observes = any(step.enforced is not step.action for step in steps)
    return words | ({"mode": "observe"} if observes else {})


def _is_one_rule(steps: tuple[Step, ...]) -> bool:
    """Whether one rule of a file can say it: each action once, all of it enforced or all observed."""
    once = len({step.action for step in steps}) == len(steps)
    enforced = all(step.enforced is step.action for step in steps)
    return once and (enforced or all(step.enforced is observed(step.action) for step in steps))
