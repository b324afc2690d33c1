"""Check one file against the tree and its rules against the known kinds: every problem with line and hint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from guard.kinds import KINDS, ON_REQUEST, PRESIDIO, matches
from guard.policy import names
from guard.policy.cases import Case, CaseFile
from guard.policy.lists import beside
from guard.policy.model import Policy
from guard.policy.rules import Rule
from guard.policy.schema import follow, json_schema
from guard.policy.source import KeyPath, Source, shown
from guard.types import Action

_RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
_MARKS = ("[key]", "[rule]", "[steps]")  # of pydantic's places, what is no key of the file
_STAGES = ("input", "output", "logs")


def lint(source: Source, more_kinds: frozenset[str], *, complete: bool = True) -> Policy | None:
    """Read a file's data as a policy, or note in `source` what is wrong with it.

    `more_kinds` are the own kinds of the packs; they are not all known unless `complete`.
    """
    known = KINDS | more_kinds | _own_kinds(source.data)
    for stage in _STAGES:
        _check_rules(source, stage, known, complete)
    _check_kept(source, known, complete)
    policy = _validate(source)
    if policy is not None:
        _check_judge(source, policy)
        _check_excepted(source, policy, known, complete)
        if complete:
            _check_cases(source, policy.tests, known)
    return policy


def lint_cases(source: Source, more_kinds: frozenset[str]) -> tuple[Case, ...]:
    """Read a file of cases, or note in `source` what is wrong with it; `more_kinds` are the policy's own."""
    try:
        cases = CaseFile.model_validate(source.data).tests
    except ValidationError as error:
        note(source, error)
        return ()
    _check_cases(source, cases, KINDS | more_kinds)
    return cases


def _check_cases(source: Source, cases: Sequence[Case], known: frozenset[str]) -> None:
    for number, case in enumerate(cases):
        for position, kind in enumerate(case.expect.kinds or ()):
            if kind not in known:
                place = ("tests", number, "expect", "kinds", position)
                source.problem(place, f"{shown(kind)!r} is no known kind: {names.did_you_mean(kind, known)}")


def _check_rules(source: Source, stage: str, known: frozenset[str], complete: bool) -> None:
    for pattern, raw in _raw_rules(source.data, stage).items():
        covered = [kind for kind in known if matches(pattern, kind)]
        text = _rule_problem(stage, raw, covered)
        if not covered and complete and not source.full:
            text = _unknown_kind(pattern, known)
        if text:
            source.problem((stage, "rules", pattern), text)


def _check_kept(source: Source, known: frozenset[str], complete: bool) -> None:
    """The patterns of `egress.rules`: kinds that can be found in a request."""
    for pattern in _raw_rules(source.data, "egress"):
        covered = [kind for kind in known if matches(pattern, kind)]
        text = ""
        if covered and not any(_family(kind) in names.STAGE_FAMILIES["input"] for kind in covered):
            text = f"{_family(covered[0])}.* kinds are never found in a request: name pii.*, secret.* or guard.* kinds"
        elif not covered and complete and not source.full:
            text = _unknown_kind(pattern, known)
        if text:
            source.problem(("egress", "rules", pattern), text)


def _validate(source: Source) -> Policy | None:
    try:
        return Policy.model_validate(source.data, context=beside(source.path))
    except ValidationError as error:
        note(source, error)
        return None


def note(source: Source, error: ValidationError) -> None:
    """Note each error of the tree with its line, in words."""
    for details in error.errors(include_url=False):
        if source.full:
            return
        path = _path(details["loc"])
        source.problem(path, _translate(details, path))


def _path(loc: tuple[str | int, ...]) -> KeyPath:
    return tuple(part for part in loc if part not in _MARKS)


def _own_kinds(data: Mapping[str, Any]) -> frozenset[str]:
    recognizers = data.get("recognizers")
    found = frozenset[str]()
    for key, kind in (("custom", "kind"), ("lists", "deny")):
        items = recognizers.get(key, ()) if isinstance(recognizers, dict) else ()
        rows = items if isinstance(items, tuple) else ()
        found |= {str(row[kind]) for row in rows if isinstance(row, dict) and kind in row}
    return found


def _raw_rules(data: Mapping[str, Any], stage: str) -> dict[str, Any]:
    section = data.get(stage)
    rules = section.get("rules") if isinstance(section, dict) else None
    return rules if isinstance(rules, dict) else {}


# Rules.


def _rule_problem(stage: str, raw: Any, covered: list[str]) -> str:
    if covered and not any(_family(kind) in names.STAGE_FAMILIES[stage] for kind in covered):
        return _misplaced(stage, _family(covered[0]))
    try:
        rule = _RULE.validate_python(raw)
    except ValidationError:
        return ""  # the tree says so
    return _illegal(stage, rule, covered)


def _family(kind: str) -> str:
    return kind.partition(".")[0]


def _unknown_kind(pattern: str, known: frozenset[str]) -> str:
    if "*" in pattern[:-1]:
        return "names no known kind, since * stands at the end only: write one such as pii.*"
    if pattern.endswith("*"):
        asked = sorted(kind for kind in ON_REQUEST if kind.startswith(pattern[:-1]))
        if asked:
            return (
                f"names no known kind, since {', '.join(asked)} is found only by its full name: write it out"
            )
        near = f"{_family(pattern)}.*" if _family(pattern) in names.FAMILIES else pattern
        return f"names no known kind: {names.did_you_mean(near, {f'{f}.*' for f in names.FAMILIES})}"
    entity = next(iter(difflib.get_close_matches(pattern[:60], PRESIDIO, 1, 0.8)), pattern)
    return f"names no known kind: {names.did_you_mean(PRESIDIO.get(entity, pattern.lower()), known)}"


def _misplaced(stage: str, family: str) -> str:
    if family == "egress":
        return "egress.* kinds are decided by egress.jurisdictions, egress.hosts and egress.mode: write those"
    if stage == "input":
        return "judging what goes in is not built yet: write the rule under output.rules"
    return f"{family}.* kinds are never found in {stage}: take the rule out"


def _illegal(stage: str, rule: Rule, covered: Iterable[str]) -> str:
    actions = {step.action for step in rule.steps}
    spanless = sorted({_family(kind) for kind in covered} - {"pii", "secret"})
    if Action.REDACT in actions and spanless:
        which = " and ".join(f"{family}.*" for family in spanless)
        return f"covers {which}, which are no spans to redact: write block, or name pii.* and secret.*"
    if stage == "logs" and Action.BLOCK in actions and spanless != ["guard"]:
        return "a log line is not refused: write redact"
    if stage == "logs" and any(step.enforced is not step.action for step in rule.steps):
        return "a log line is not kept to be observed: take mode out"
    return ""


def _check_judge(source: Source, policy: Policy) -> None:
    acting = [p for p, rule in policy.output.rules.items() if p.startswith("moderation.") and rule.steps]
    if policy.moderation.by == "off" and acting:
        source.problem(
            ("moderation", "by"),
            f"off leaves output.rules.{acting[0]} without a judge: take one of the two out",
        )


def _check_excepted(source: Source, policy: Policy, known: frozenset[str], complete: bool) -> None:
    """An exception names kinds that are there, and so does what break-glass never opens."""
    named: list[tuple[KeyPath, str]]
    named = [(("exceptions", n, "kind"), row.kind) for n, row in enumerate(policy.exceptions)]
    named += [(("break_glass", "never", n), kind) for n, kind in enumerate(policy.break_glass.never)]
    for path, kind in named:
        if complete and not any(matches(kind, each) for each in known):
            source.problem(path, _unknown_kind(kind, known))


# Sentences.

_SENTENCES = {
    "string_type": "is not text: write text, in quotes if it looks like a number or a word such as true",
    "int_type": "is not a whole number: write one without quotes, such as 12",
    "int_from_float": "is not a whole number: write one without quotes, such as 12",
    "float_type": "is not a number: write one without quotes, such as 0.5",
    "finite_number": "is not a finite number: write one such as 0.5",
    "bool_type": "is neither true nor false: write one of them without quotes",
    "tuple_type": "is not a list: write it in brackets, such as [a, b]",
    "dict_type": "is not a mapping: write `key: value` pairs",
    "mapping_type": "is not a mapping: write `key: value` pairs",
    "model_type": "is not a mapping: write `key: value` pairs",
    "missing": "is missing: write it",
    "greater_than": "is out of range: write a number above {gt}",
    "greater_than_equal": "is out of range: write a number of at least {ge}",
    "less_than": "is out of range: write a number below {lt}",
    "less_than_equal": "is out of range: write a number of at most {le}",
    "string_too_long": "is too long: write at most {max_length} characters",
    "string_too_short": "is empty: write at least {min_length} character",
    "too_short": "is an empty list: name at least {min_length}",
    "too_long": "is too long: write at most {max_length} characters",
}


def _translate(details: ErrorDetails, path: KeyPath) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "policy":
            return str(context["text"])
        case "extra_forbidden":
            return f"is an unknown key: {names.did_you_mean(str(path[-1]), _siblings(path[:-1]))}"
        case "literal_error":
            return _not_one_of(details["input"], str(context["expected"]))
        case kind if kind in _SENTENCES:
            return _SENTENCES[kind].format(**context)
    return f"cannot be read ({details['type']}): see docs/policy.md"


def _not_one_of(value: Any, expected: str) -> str:
    words = expected.replace("'", "").replace(" or ", ", ").split(", ")
    if isinstance(value, str):
        return f"{shown(value)!r} is not known here: {names.did_you_mean(value, words)}"
    return f"is not one word: write one of {', '.join(words)}"


def _siblings(path: KeyPath) -> list[str]:
    """The keys that are known where an unknown one stands."""
    node: dict[str, Any] = json_schema()
    defs = node["$defs"]
    for part in path:
        node = _child(follow(node, defs), part)
    return list(follow(node, defs).get("properties", {}))


def _child(node: dict[str, Any], part: str | int) -> dict[str, Any]:
    child = node.get("properties", {}).get(part) or node.get("additionalProperties") or node.get("items")
    return child if isinstance(child, dict) else {}
