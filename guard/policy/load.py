"""Load policies: packs and files and what they extend, with every mistake by its file, line and key."""

from __future__ import annotations

import re
from pathlib import Path

from guard.errors import PolicyError
from guard.policy import names
from guard.policy.attach import Attachment
from guard.policy.cases import Placed
from guard.policy.idle import without_effect
from guard.policy.lint import lint, lint_cases
from guard.policy.model import Policy
from guard.policy.resolve import Loaded, combine, resolve
from guard.policy.source import KeyPath, Problem, Source, place, read_source

_PACK = re.compile(r"[a-z][a-z0-9-]*")
_PACKAGE = Path(__file__).resolve().parent.parent


def load_policy(source: str | Path | Policy) -> Policy:
    """Load a policy by a pack's name or a path; a Policy passes. Raises PolicyError with every problem."""
    return source if isinstance(source, Policy) else load(source).policy


def load(source: str | Path) -> Loaded:
    """Load a policy with the origin of everything in it; raises PolicyError.

    A key without effect is refused in what all its files say together: a file that others extend may say half of it.
    """
    loaded = _Loader().load(_locate(source, Path()) or pack_path(str(source)))
    if idle := without_effect(loaded):
        raise PolicyError([*idle])
    return loaded


def load_cases(path: Path, policy: Policy) -> tuple[Placed, ...]:
    """Load a file of cases for a policy; raises PolicyError with every problem."""
    source = read_source(path)
    cases = lint_cases(source, policy.own_kinds)
    if source.problems:
        raise source.error()
    return tuple(Placed(case, source.origin(("tests", number))) for number, case in enumerate(cases))


def pack_names() -> list[str]:
    """List the shipped packs."""
    return sorted(path.stem for path in _packs().glob("*.yaml"))


def pack_path(name: str) -> Path:
    """Return the file of a pack; raises PolicyError for an unknown name."""
    if name not in pack_names():
        raise PolicyError([Problem.at(name[:60], 1, "", _no_pack(name))])
    return _packs() / f"{name}.yaml"


def _no_pack(name: str) -> str:
    return f"there is no pack or file of this name: {names.did_you_mean(name, pack_names())}"


def _packs() -> Path:
    shipped = _PACKAGE / "packs"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "policies"


def _locate(source: str | Path, folder: Path) -> Path | None:
    """Find a pack by its name, else a file by its path from a folder; None for what looks like a pack and is none."""
    path = place(folder, source)
    if not isinstance(source, str) or not _PACK.fullmatch(source):
        return path
    if source in pack_names():
        return pack_path(source)
    return path if path.is_file() else None


def _placed(row: Attachment, under: Loaded, origin: str) -> Attachment:
    """The attachment with its policy; a file's path is the same from wherever it is read again."""
    path = under.files[-1]
    called = row.policy if path.parent == _packs() else str(path.absolute())
    placed = row.model_copy(update={"policy": called})
    placed.placed(under, origin)
    return placed


def _check_together(source: Source, policy: Policy) -> None:
    """Combine each attached policy with the policy once; raises PolicyError where one does not go with it."""
    for number, row in enumerate(policy.attach):
        try:
            combined = combine(policy, [row.under]).policy
            if (
                combined.routes != policy.routes
            ):  # which routes are read is decided before whose request it is
                source.problem(
                    ("attach", number, "policy"), "reads routes that this policy does not: write them here"
                )
        except PolicyError as error:
            why = str(error.problems[0]).split(": ", 1)[-1]
            source.problem(("attach", number, "policy"), f"does not go together with this policy: {why}")
    if source.problems:
        raise source.error()


class _Loader:
    """Loads one policy and all that it extends, each file once."""

    def __init__(self) -> None:
        self._loaded: dict[Path, Loaded] = {}
        self._open: list[Path] = []

    def load(self, path: Path) -> Loaded:
        key = path.resolve()
        if key not in self._loaded:
            self._open.append(key)
            try:
                self._loaded[key] = self._read(path)
            finally:
                self._open.pop()
        return self._loaded[key]

    def _read(self, path: Path) -> Loaded:
        source = read_source(path)
        packs, problems = self._extended(source)
        kinds = frozenset[str]().union(*(pack.policy.own_kinds for pack in packs))
        policy = lint(source, kinds, complete=not problems)
        if policy is None or source.problems or problems:
            raise source.error(*problems)
        rows, problems = self._attached(source, policy)
        if source.problems or problems:
            raise source.error(*problems)
        excepted = tuple(
            row.placed(source.origin(("exceptions", number))) for number, row in enumerate(policy.exceptions)
        )
        loaded = resolve(source, policy.model_copy(update={"attach": rows, "exceptions": excepted}), packs)
        _check_together(source, loaded.policy)
        return loaded

    def _attached(self, source: Source, policy: Policy) -> tuple[tuple[Attachment, ...], list[str]]:
        """The file's own attachments with their policies, and what is wrong with those."""
        rows: list[Attachment] = []
        problems: list[str] = []
        for number, row in enumerate(policy.attach):
            key = ("attach", number, "policy")
            try:
                for under in self._extend(source, key, row.policy):
                    rows.append(_placed(row, under, source.origin(("attach", number))))
                    if under.policy.attach:
                        source.problem(key, "attaches policies in turn: attach each of them here")
            except PolicyError as error:
                problems += error.problems
        return tuple(rows), list(dict.fromkeys(problems))

    def _extended(self, source: Source) -> tuple[list[Loaded], list[str]]:
        packs: list[Loaded] = []
        problems: list[str] = []
        written = source.data.get("extends")
        for index, name in enumerate(written if isinstance(written, tuple) else ()):
            try:
                packs += self._extend(source, ("extends", index), name)
            except PolicyError as error:
                problems += error.problems
        return packs, list(dict.fromkeys(problems))

    def _extend(self, source: Source, key: KeyPath, name: object) -> list[Loaded]:
        if not isinstance(name, str):
            return []  # the tree says so
        path = _locate(name, source.path.parent)
        if path is None:
            source.problem(key, _no_pack(name))
        elif path.resolve() in self._open:
            source.problem(key, f"{path.name} extends this file in turn: take one of the two out")
        elif not path.is_file():
            source.problem(key, f"there is no file {path.name} there: write its path from {source.path.name}")
        else:
            return [self.load(path)]
        return []
