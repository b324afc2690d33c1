"""One finding a stretch, over all sources: the longest, surest and most specific of those that overlap."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from operator import itemgetter

from guard.types import Finding

_START = itemgetter(Finding._fields.index("start"))

STRONG = 0.5
"""A finding with less is a guess: it yields to any surer one it overlaps, however short."""


def _rank(finding: Finding) -> tuple[bool, int, float, int, str, int, str]:
    """Order for choosing: sure before guessed, then longer, surer, more specific, and by name to settle ties."""
    return (
        finding.score < STRONG,
        finding.start - finding.end,
        -finding.score,
        -finding.kind.count("."),
        finding.kind,
        finding.start,
        finding.source,
    )


def _within(inner: Finding, outer: Finding) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _joined(one: Finding, other: Finding) -> Finding:
    """The better of two overlapping findings, over the stretch of both."""
    best = min(one, other, key=_rank)
    start, end = min(one.start, other.start), max(one.end, other.end)
    return Finding(best.kind, start, end, best.score, best.source, best.path)


def _weight(finding: Finding) -> int:
    return 2 if finding.kind.startswith("secret.") else int(finding.source.startswith("list:"))


def _named(outer: Finding, inner: Finding) -> Finding:
    """The outer finding, under the kind of what weighs more in it: a key or a denied term in a URL is no mere URL."""
    if _weight(inner) <= _weight(outer):
        return outer
    return Finding(inner.kind, outer.start, outer.end, inner.score, inner.source, inner.path)


def _over(finding: Finding, rivals: list[Finding]) -> Finding:
    """What becomes of a sure finding and the better ones it overlaps, which do not overlap each other."""
    if _within(finding, rivals[0]):
        return _named(rivals[0], finding)
    for other in rivals:
        finding = _joined(finding, other)
    return finding


def _settle(cluster: list[Finding]) -> list[Finding]:
    """Choose among findings that overlap each other, directly or through a third."""
    if len(cluster) == 2:  # most are
        best, other = sorted(cluster, key=_rank)
        if other.score < STRONG:
            return [best]
        return [_named(best, other) if _within(other, best) else _joined(best, other)]
    # By their starts, each with its turn: what is kept never overlaps, so rivals stand side by side.
    kept: list[tuple[int, int, Finding]] = []
    for turn, finding in enumerate(sorted(cluster, key=_rank)):
        low = bisect_left(kept, (finding.start,))
        low -= low > 0 and kept[low - 1][2].end > finding.start
        high = bisect_left(kept, (finding.end,), low)
        if low == high:
            kept.insert(low, (finding.start, turn, finding))
        elif finding.score >= STRONG:
            rivals = [other for _, _, other in sorted(kept[low:high], key=itemgetter(1))]
            left = _over(finding, rivals)
            kept[low:high] = [(left.start, turn, left)]
    return [finding for _, _, finding in kept]


def _apart(ordered: list[Finding]) -> bool:
    """Whether none of some findings in order overlaps another, as most do not, and none is about a whole field."""
    reach = 0
    for finding in ordered:
        if finding[1] < reach or finding[2] <= finding[1]:
            return False
        reach = finding[2]
    return True


def resolve(findings: Iterable[Finding]) -> list[Finding]:
    """Settle overlaps: no two results overlap, in order of the text; a partial overlap of sure ones becomes one.

    Findings about a whole field (0, 0) stay as they are.
    """
    ordered = sorted(findings, key=_START)
    if _apart(ordered):
        return ordered
    fields: list[Finding] = []
    result: list[Finding] = []
    cluster: list[Finding] = []
    reach = 0
    for finding in ordered:
        _, start, end, _, _, _ = finding
        if end <= start:
            fields.append(finding)
        elif start < reach:
            if not cluster:
                cluster.append(result.pop())
            cluster.append(finding)
            reach = max(reach, end)
        else:
            if cluster:
                result += _settle(cluster)
                cluster = []
            result.append(finding)
            reach = end
    return fields + result + (_settle(cluster) if cluster else [])
