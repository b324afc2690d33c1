"""Load policies: packs and files, what they extend, and every mistake with its file, line and key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guard.errors import PolicyError
from guard.policy import names
from guard.policy.lint import lint
from guard.policy.model import Policy
from guard.policy.ruleset import BUILT_IN, Table, built_in, extend, loosened, own_table, resolved, union
from guard.policy.source import Path_, Source, dotted, read_source
from guard.policy.values import VALUES
from guard.types import Stage

STAGES = (Stage.INPUT, Stage.OUTPUT, Stage.LOGS)
_OWN = ("policy", "version", "owner", "approved_by", "effective", "review_by")
_PACK = re.compile(r"[a-z][a-z0-9-]*")
_HERE = Path(__file__).resolve().parent.parent


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
    """A policy with how it came to be: the origin of each value, the table of each stage, every loosening."""

    policy: Policy
    values: Mapping[Path_, tuple[Any, str]]
    tables: Mapping[Stage, Table]
    loosenings: tuple[Loosening, ...] = ()
    files: tuple[Path, ...] = ()


def load_policy(source: str | Path | Policy) -> Policy:
    """Load a policy by a pack's name or a path; a Policy passes. Raises PolicyError with every problem."""
    return source if isinstance(source, Policy) else load(source).policy


def load(source: str | Path) -> Loaded:
    """Load a policy with the origin of everything in it; raises PolicyError."""
    return _Loader().load(_locate(source))


def pack_names() -> list[str]:
    """List the shipped packs."""
    return sorted(path.stem for path in _packs().glob("*.yaml"))


def pack_path(name: str) -> Path:
    """Return the file of a pack; raises PolicyError for an unknown name."""
    if name not in pack_names():
        raise PolicyError(
            [f"{name[:60]}:1:: there is no such pack: {names.did_you_mean(name, pack_names())}"]
        )
    return _packs() / f"{name}.yaml"


def _packs() -> Path:
    shipped = _HERE / "packs"
    return shipped if shipped.is_dir() else _HERE.parent / "policies"


def _locate(source: str | Path, beside: Path | None = None) -> Path:
    if (
        isinstance(source, str)
        and _PACK.fullmatch(source)
        and (source in pack_names() or not Path(source).is_file())
    ):
        return pack_path(source)
    path = Path(source).expanduser()
    return path if beside is None or path.is_absolute() else beside / path


class _Loader:
    """Loads one policy and all that it extends, each file once."""

    def __init__(self) -> None:
        self._loaded: dict[Path, Loaded] = {}
        self._open: list[Path] = []

    def load(self, path: Path) -> Loaded:
        key = path.resolve()
        if key not in self._loaded:
            self._open.append(key)
            self._loaded[key] = self._read(path)
            self._open.pop()
        return self._loaded[key]

    def _read(self, path: Path) -> Loaded:
        source = read_source(path)
        packs, problems = self._extended(source)
        known = frozenset(c.kind for pack in packs for c in pack.policy.recognizers.custom)
        policy = lint(source, known, complete=not problems)
        if policy is None or source.problems or problems:
            raise source.error(*problems)
        return _Resolution(source, policy, packs).finish()

    def _extended(self, source: Source) -> tuple[list[Loaded], list[str]]:
        packs: list[Loaded] = []
        problems: list[str] = []
        written = source.data.get("extends", ())
        for index, name in enumerate(written if isinstance(written, tuple) else ()):
            if isinstance(name, str):
                self._extend(source, ("extends", index), name, packs, problems)
        return packs, problems

    def _extend(
        self, source: Source, key: Path_, name: str, packs: list[Loaded], problems: list[str]
    ) -> None:
        try:
            path = _locate(name, source.path.parent)
        except PolicyError:
            hint = names.did_you_mean(name, pack_names())
            return source.problem(
                key,
                f"there is no pack {name[:60]!r}: {hint} (a file needs a path, such as ./{name[:60]}.yaml)",
            )
        if path.resolve() in self._open:
            return source.problem(key, f"{name} extends this file in turn: take one of the two out")
        if not path.is_file():
            return source.problem(
                key, f"there is no file {name[:60]!r} beside {source.path.name}: write its path from here"
            )
        try:
            packs.append(self.load(path))
        except PolicyError as error:
            problems += [problem for problem in error.problems if problem not in problems]
        return None


@dataclass
class _Resolution:
    """Lays one file over its packs."""

    source: Source
    own: Policy
    packs: list[Loaded]
    loosenings: list[Loosening] = field(default_factory=list)

    def finish(self) -> Loaded:
        values = {path: self._value(path) for path in VALUES}
        tables = {stage: self._table(stage) for stage in STAGES}
        if self.source.problems:
            raise self.source.error()
        policy = self._build(values, tables)
        earlier = [loosening for pack in self.packs for loosening in pack.loosenings]
        files = [file for pack in self.packs for file in pack.files]
        return Loaded(
            policy,
            values,
            tables,
            tuple(dict.fromkeys((*earlier, *self.loosenings))),
            (*dict.fromkeys(files), self.source.path),
        )

    def _value(self, path: Path_) -> tuple[Any, str]:
        rule = VALUES[path]
        written = path in self.source.lines
        own = (_get(self.own, path), self.source.origin(path) if written else BUILT_IN)
        if not self.packs:
            return own
        base = self._of_packs(path)
        if not written:
            return base
        value = rule.extend(base[0], own[0])
        if value == ():
            hint = f"{base[1]} asks for other places"
            self.source.problem(path, f"no place is left of both lists ({hint}): name places inside those")
        if rule.is_looser(value, base[0]):
            self._loosened(path, f"{_words(value)} is looser than {_words(base[0])} of {base[1]}")
        return value, own[1]

    def _of_packs(self, path: Path_) -> tuple[Any, str]:
        value, origin = self.packs[0].values[path]
        for pack in self.packs[1:]:
            other, where = pack.values[path]
            combined = VALUES[path].stricter(value, other)
            origin = origin if combined == value else where
            value = combined
        if value == () and path == ("egress", "jurisdictions"):
            self.source.problem(
                ("extends",), "no place is left of the packs' lists of jurisdictions: extend one of them"
            )
        return value, origin

    def _loosened(self, path: Path_, what: str) -> None:
        self.loosenings.append(Loosening(self.source.origin(path), dotted(path), what))

    def _table(self, stage: Stage) -> Table:
        base = union(pack.tables[stage] for pack in self.packs) if self.packs else built_in(stage)
        rules = getattr(self.own, stage).rules
        own = own_table(stage, rules, lambda pattern: self.source.origin((str(stage), "rules", pattern)))
        for rule, what in loosened(base, own) if self.packs else ():
            self._loosened((str(stage), "rules", rule.rule), what)
        return extend(base, own)

    def _build(self, values: Mapping[Path_, tuple[Any, str]], tables: Mapping[Stage, Table]) -> Policy:
        data: dict[str, Any] = {key: getattr(self.own, key) for key in _OWN}
        data["policy"] = data["policy"] or self.source.path.stem[:64]
        data["extends"] = self.own.extends
        for path, (value, _) in values.items():
            _set(data, path, value)
        for stage in STAGES:
            _set(data, (str(stage), "rules"), resolved(tables[stage]))
        return Policy.model_validate(data)


def _get(node: Any, path: Path_) -> Any:
    for key in path:
        node = getattr(node, {"except": "except_", "self-harm": "self_harm"}.get(str(key), str(key)))
    return node


def _set(data: dict[str, Any], path: Path_, value: Any) -> None:
    for key in path[:-1]:
        data = data.setdefault(str(key), {})
    data[str(path[-1])] = value


def _words(value: Any) -> str:
    if value is None:
        return "any"
    if isinstance(value, (tuple, dict)):
        return "[" + ", ".join(str(getattr(item, "name", item)) for item in value) + "]"
    return str(value)
