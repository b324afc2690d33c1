"""The rules of one stage: most specific wins inside a file, the stricter among packs, loosening only by name.

A `Table` maps patterns, spread over the families of the stage, to the shares that decide there. A share is
one file's rule with the exactness with which that file named the kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from guard.kinds import exactness
from guard.policy.names import STAGE_FAMILIES, covers, default_at, most_exact
from guard.policy.rules import Rule, Step, combine, is_looser
from guard.types import Action

BUILT_IN = "built-in"
_UNNAMED = (-1, -1)


@dataclass(frozen=True, slots=True)
class Share:
    """What one file says about a pattern, and how exactly it named it."""

    exactness: tuple[int, int]
    rule: Rule


Table = Mapping[str, tuple[Share, ...]]


def built_in(stage: str) -> Table:
    """What holds where no rule matches: guard.* blocks, at egress egress.* too, the rest is allowed."""
    families = ("guard", "egress") if stage == "egress" else ("guard",)
    return {f"{family}.*": (Share(_UNNAMED, _block(f"{family}.*")),) for family in families}


def _block(pattern: str) -> Rule:
    return Rule((Step(None, Action.BLOCK, Action.BLOCK),)).placed(0.0, pattern, BUILT_IN)


def own_table(stage: str, rules: Mapping[str, Rule], origin: Callable[[str], str]) -> Table:
    """Spread one file's rules over the stage's families, each with its origin and default least score."""
    table: dict[str, tuple[Share, ...]] = {}
    for pattern in sorted(rules, key=exactness):
        for spread in _spread(pattern, stage):
            rule = rules[pattern]
            placed = rule if rule.rule else rule.placed(default_at(spread), pattern, origin(pattern))
            table[spread] = (Share(exactness(pattern), placed),)
    return table


def _spread(pattern: str, stage: str) -> list[str]:
    families = [f"{family}.*" for family in STAGE_FAMILIES[stage]]
    return [family for family in families if covers(pattern, family)] or [pattern]


def shares(table: Table, pattern: str) -> tuple[Share, ...]:
    """What a table says about a pattern or kind: its most specific entry, or nothing."""
    found = most_exact(table, pattern)
    return table[found] if found is not None else ()


def union(tables: Iterable[Table]) -> Table:
    """Join the tables of packs: every pack keeps its say."""
    found = list(tables)
    patterns = dict.fromkeys(pattern for table in found for pattern in table)
    return {pattern: _joined(found, pattern) for pattern in patterns}


def _joined(tables: list[Table], pattern: str) -> tuple[Share, ...]:
    return tuple(dict.fromkeys(share for table in tables for share in shares(table, pattern)))


def extend(base: Table, own: Table) -> Table:
    """Lay a file's rules over its packs': it always tightens, and silences only what it names as exactly."""
    return {pattern: _over(shares(base, pattern), shares(own, pattern)) for pattern in {**base, **own}}


def _over(base: tuple[Share, ...], own: tuple[Share, ...]) -> tuple[Share, ...]:
    level = max((share.exactness for share in own), default=_UNNAMED)
    return (*(share for share in base if not own or share.exactness > level), *own)


def resolved(table: Table) -> dict[str, Rule]:
    """Combine the shares of every pattern into the one rule that decides."""
    return {pattern: combine(share.rule for share in table[pattern]) for pattern in sorted(table)}


def loosened(base: Table, own: Table) -> Iterator[tuple[str, str]]:
    """Name each rule of a file that loosens its packs, with what it was and what it is."""
    table = extend(base, own)
    for pattern in sorted(table):
        before = combine(share.rule for share in shares(base, pattern))
        after = combine(share.rule for share in table[pattern])
        if is_looser(after, before):
            yield shares(own, pattern)[0].rule.rule, f"{after} is looser than {before} ({before.origin})"
