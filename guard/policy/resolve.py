"""Lay one file over what it extends: the resolved policy, the origin of each value, every loosening."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from guard.policy.cases import Placed
from guard.policy.fields import days
from guard.policy.lint import note
from guard.policy.model import Policy
from guard.policy.names import intersect
from guard.policy.ruleset import BUILT_IN, Table, built_in, extend, loosened, own_table, resolved, union
from guard.policy.source import KeyPath, Source, dotted
from guard.policy.values import VALUES
from guard.types import Stage

STAGES = (Stage.INPUT, Stage.OUTPUT, Stage.LOGS)
_OWN = ("policy", "version", "owner", "approved_by", "effective", "review_by", "tests")
_JURISDICTIONS, _KEPT = ("egress", "jurisdictions"), ("egress", "rules")
_KEEP, _AT_LEAST = ("trace", "keep"), ("trace", "at_least")
_BY = ("moderation", "by")
_JUDGE = frozenset(("moderation", key) for key in ("url", "model", "dialect", "labels"))


@dataclass(frozen=True)
class Loosening:
    """One place where a file allows more than what it extends."""

    origin: str
    key: str
    what: str

    def __str__(self) -> str:
        return f"{self.origin}:{self.key}: {self.what}"


@dataclass(frozen=True)
class Loaded:
    """A policy with how it came to be: origins of values, tables of stages, every loosening; and its own cases."""

    policy: Policy
    values: Mapping[KeyPath, tuple[Any, str]]
    tables: Mapping[Stage, Table]
    loosenings: tuple[Loosening, ...]
    files: tuple[Path, ...]
    cases: tuple[Placed, ...] = ()


def resolve(source: Source, own: Policy, packs: Sequence[Loaded]) -> Loaded:
    """Resolve a file's own policy over its packs; raises PolicyError where nothing is left of both."""
    return _Resolution(source, own, packs).finish()


def combine(base: Policy, others: Sequence[Loaded]) -> Loaded:
    """Combine a policy with others as a file combines what it extends: the stricter of all, at every score.

    Where the places of two have nothing in common, no place is left. Raises PolicyError where they do not go
    together otherwise.
    """
    packs = [as_loaded(base), *others]
    own = Policy(**{key: getattr(base, key) for key in _OWN if key != "tests"})
    found = _Resolution(Source(Path(base.policy)), own, packs, somewhere=False).finish()
    name = "+".join(pack.policy.policy for pack in packs)
    made = {"policy": name, "attach": (), "exceptions": ()}
    return replace(found, policy=found.policy.model_copy(update=made))


def as_loaded(policy: Policy) -> Loaded:
    """Take a resolved policy as if it were loaded: what is as when nobody writes it was written by nobody."""
    default = Policy()
    written = {path: _get(policy, path) for path in VALUES}
    values = {
        path: (value, BUILT_IN if value == _get(default, path) else policy.policy)
        for path, value in written.items()
    }
    tables = {
        stage: own_table(stage, getattr(policy, stage).rules, lambda pattern: policy.policy)
        for stage in STAGES
    }
    return Loaded(policy, values, tables, (), ())


@dataclass
class _Resolution:
    source: Source
    own: Policy
    packs: Sequence[Loaded]
    loosenings: list[Loosening] = field(default_factory=list)
    somewhere: bool = True  # whether some place must be left

    def finish(self) -> Loaded:
        values = {path: self._value(path) for path in VALUES}
        self._keep_long_enough(values)
        tables = {stage: self._table(stage) for stage in STAGES}
        if self.somewhere:
            self._check_kept(values[_JURISDICTIONS][0], values[_KEPT][0])
        policy = self._build(values, tables)
        earlier = [loosening for pack in self.packs for loosening in pack.loosenings]
        files = [file for pack in self.packs for file in pack.files]
        cases = (Placed(case, self.source.origin(("tests", n))) for n, case in enumerate(self.own.tests))
        return Loaded(
            policy,
            values,
            tables,
            _unique([*earlier, *self.loosenings]),
            _unique([*files, self.source.path]),
            tuple(cases),
        )

    def _value(self, path: KeyPath) -> tuple[Any, str]:
        if not self.packs:
            return self._own_value(path)
        base = self._of_packs(path)
        return self._over(path, base) if path in self.source.lines else base

    def _own_value(self, path: KeyPath) -> tuple[Any, str]:
        return _get(self.own, path), self.source.origin(path) if path in self.source.lines else BUILT_IN

    def _over(self, path: KeyPath, base: tuple[Any, str]) -> tuple[Any, str]:
        own, origin = self._own_value(path)
        value = VALUES[path].extend(base[0], own)
        if _is_empty(path, value):
            self.source.problem(
                path, f"leaves no place of those in {base[1]}: name places inside {_words(base[0])}"
            )
        if VALUES[path].is_looser(value, base[0]):
            self._loosened(path, f"{_words(value)} is looser than {_words(base[0])} ({base[1]})")
        return value, origin

    def _of_packs(self, path: KeyPath) -> tuple[Any, str]:
        packs = self._judging() if path in _JUDGE else self.packs
        value, origin = packs[0].values[path]
        for other, where in (pack.values[path] for pack in packs[1:]):
            if where == BUILT_IN and not VALUES[path].ordered:
                continue
            combined = VALUES[path].stricter(value, other)
            if self.somewhere and _is_empty(path, combined):
                what = f"{_words(value)} ({origin}) and {_words(other)} ({where})"
                self.source.problem(
                    ("extends",),
                    f"no place is in both {what}: extend one of them, or attach each to its own tenants",
                )
            value, origin = combined, origin if combined == value else where
        return value, origin

    def _keep_long_enough(self, values: dict[KeyPath, tuple[Any, str]]) -> None:
        """Let what one asks for at least prolong what another keeps; a file that writes both for itself is told."""
        keep, least = values[_KEEP][0], values[_AT_LEAST][0]
        if keep and days(keep) < days(least) and _KEEP not in self.source.lines:
            values[_KEEP] = values[_AT_LEAST]

    def _check_kept(self, places: tuple[str, ...] | None, rules: Mapping[str, Any]) -> None:
        """Refuse rules for what was found that leave no place inside the jurisdictions."""
        for pattern, kept in rules.items():
            if places is not None and kept.jurisdictions and not intersect(places, kept.jurisdictions):
                self.source.problem(
                    (*_KEPT, pattern),
                    f"leaves no place inside {_words(places)}: name places inside, or block the kind under input.rules",
                )

    def _judging(self) -> Sequence[Loaded]:
        """The packs whose judge it is: where it is asked, its model and its labels are of one hand."""
        judge = self._of_packs(_BY)[0]
        return [pack for pack in self.packs if pack.values[_BY][0] == judge]

    def _loosened(self, path: KeyPath, what: str) -> None:
        self.loosenings.append(Loosening(self.source.origin(path), dotted(path), what))

    def _table(self, stage: Stage) -> Table:
        base = union(pack.tables[stage] for pack in self.packs) if self.packs else built_in(stage)
        rules = getattr(self.own, stage).rules
        own = own_table(stage, rules, lambda pattern: self.source.origin((str(stage), "rules", pattern)))
        for pattern, what in loosened(base, own) if self.packs else ():
            self._loosened((str(stage), "rules", pattern), what)
        return extend(base, own)

    def _build(self, values: Mapping[KeyPath, tuple[Any, str]], tables: Mapping[Stage, Table]) -> Policy:
        data: dict[str, Any] = {key: getattr(self.own, key) for key in _OWN}
        data |= {"policy": data["policy"] or _name(self.source.path), "extends": self.own.extends}
        for path, (value, _) in values.items():
            _set(data, path, value)
        for stage in STAGES:
            _set(data, (str(stage), "rules"), resolved(tables[stage]))
        return self._validated(data)

    def _validated(self, data: dict[str, Any]) -> Policy:
        if self.source.problems:
            raise self.source.error()
        egress = data["egress"]
        nowhere = egress["jurisdictions"] == ()  # which no file can say
        try:
            policy = Policy.model_validate(
                data | {"egress": egress | {"jurisdictions": None}} if nowhere else data
            )
            return _nowhere(policy) if nowhere else policy
        except ValidationError as error:
            # What the file and its packs say is well written, but does not go together (first over step).
            note(self.source, error)
            raise self.source.error() from None


def _nowhere(policy: Policy) -> Policy:
    """The policy under which no place is left."""
    return policy.model_copy(update={"egress": policy.egress.model_copy(update={"jurisdictions": ()})})


def _is_empty(path: KeyPath, value: Any) -> bool:
    """Whether nothing is left of lists of places that were intersected."""
    return (
        value == ()
        if path == _JURISDICTIONS
        else path == _KEPT and not all(k.jurisdictions for k in value.values())
    )


def _unique(items: list[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(items))


def _name(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-._")[:64] or "policy"


def _get(node: Any, path: KeyPath) -> Any:
    for key in path:
        node = getattr(node, {"except": "except_", "self-harm": "self_harm"}.get(str(key), str(key)))
    return node


def _set(data: dict[str, Any], path: KeyPath, value: Any) -> None:
    for key in path[:-1]:
        data = data.setdefault(str(key), {})
    data[str(path[-1])] = value


def _words(value: Any) -> str:
    if value is None:
        return "any"
    if isinstance(value, (tuple, dict)):
        return "[" + ", ".join(str(getattr(item, "name", item)) for item in value) + "]"
    return str(value)
