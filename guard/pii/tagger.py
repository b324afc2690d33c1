"""Decode a linear-chain CRF: weights per feature and label, transitions, the best path and how sure it is.

`tools/names/train.py` makes the weights (crfsuite); this is all that is needed of it at run time.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEPT = 4096


class Tagged(NamedTuple):
    """A labelled stretch of one chain: its tokens from `first` to before `last`, and how sure it is (0 to 1)."""

    label: str
    first: int
    last: int
    surety: float


class Tagger:
    """A CRF: `labels` (O, B-X, I-X), and for each feature the weight that it gives to each of them."""

    __slots__ = (
        "_every",
        "_index",
        "_into",
        "_kept",
        "_marks",
        "_moves",
        "_outside",
        "_rows",
        "_weights",
        "labels",
    )

    def __init__(
        self, labels: Sequence[str], features: Sequence[str], weights: NDArray[Any], moves: NDArray[Any]
    ) -> None:
        self.labels = tuple(labels)
        self._index = {feature: number for number, feature in enumerate(features)}
        self._weights = weights
        self._rows = array("f", weights.astype("f4").tobytes())
        self._every: list[float] = weights[0].tolist()  # what the feature says that every token has
        self._kept: dict[tuple[str, ...], list[float]] = {}
        self._moves: list[list[float]] = moves.tolist()
        self._into: list[list[float]] = moves.T.tolist()
        self._marks = [label.partition("-")[::2] for label in self.labels]
        self._outside = self.labels.index("O")

    def scores(self, chain: Sequence[Sequence[str]]) -> list[list[float]]:
        """What the features of each token say for each label; made for many tokens at once."""
        import numpy as np

        known = self._index.get
        found: list[int] = []
        starts: list[int] = []
        for features in chain:
            starts.append(len(found))
            found.append(0)  # the feature that every token has
            found += [number for number in map(known, features) if number is not None]
        scores: list[list[float]] = np.add.reduceat(self._weights.take(found, axis=0), starts).tolist()
        return scores

    def score(self, groups: Iterable[tuple[str, ...]], rare: Iterable[str] = ()) -> list[float]:
        """The same of one token, whose features come in groups: what these say is kept, not so what the rare ones say.

        The weights are short binary fractions, so that their sums are exact in any order.
        """
        kept = self._kept.get
        told = [kept(group) or self._told(group) for group in groups]
        return list(map(sum, zip(self._every, *told, *self._weighed(rare), strict=True)))

    def _weighed(self, features: Iterable[str]) -> list[array[float]]:
        """The weights of the features that are known."""
        size, rows = len(self.labels), self._rows
        found = [number * size for number in map(self._index.get, features) if number is not None]
        return [rows[start : start + size] for start in found]

    def _told(self, group: tuple[str, ...]) -> list[float]:
        """What a group of features says for each label."""
        told: list[float] = list(map(sum, zip(*self._weighed(group), strict=True))) or [0.0] * len(
            self.labels
        )
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[group] = told
        return told

    def tag(self, rows: Sequence[list[float]], lean: float = 0.0) -> list[Tagged]:
        """The stretches of a chain's best path; `lean` is taken from O, so that more is found."""
        if lean:
            rows = [row.copy() for row in rows]
            for row in rows:
                row[self._outside] -= lean
        if len(rows) == 1:
            return self._alone(rows[0], lean)
        path = self._best(rows)
        return [self._judged(rows, path, *stretch, lean) for stretch in self._stretches(path)]

    def _alone(self, row: list[float], lean: float) -> list[Tagged]:
        """As for longer chains: most are of one token, and there is no path to seek."""
        best = row.index(max(row))
        if best == self._outside:
            return []
        return [Tagged(self._marks[best][1], 0, 1, _surety(row[best] - row[self._outside], lean))]

    def _best(self, rows: Sequence[list[float]]) -> list[int]:
        """The path with the highest sum (Viterbi)."""
        best = rows[0]
        back = []
        for row in rows[1:]:
            paths = [list(map(add, best, moves)) for moves in self._into]
            tops = list(map(max, paths))
            back.append([sums.index(top) for sums, top in zip(paths, tops, strict=True)])
            best = list(map(add, tops, row))
        path = [best.index(max(best))]
        for choice in reversed(back):
            path.append(choice[path[-1]])
        return path[::-1]

    def _stretches(self, path: list[int]) -> list[tuple[str, int, int]]:
        """Label, first token and end of each stretch; one that begins inside begins all the same."""
        found: list[tuple[str, int, int]] = []
        for place, number in enumerate(path):
            if number == self._outside:
                continue
            mark, label = self._marks[number]
            if mark in "IE" and found and found[-1][2] == place and found[-1][0] == label:
                found[-1] = (label, found[-1][1], place + 1)
            else:
                found.append((label, place, place + 1))
        return found

    def _judged(
        self, rows: Sequence[list[float]], path: list[int], label: str, first: int, last: int, lean: float
    ) -> Tagged:
        """How much better the stretch is than the same tokens outside, all else as it is, as a probability."""
        outside = path[:first] + [self._outside] * (last - first) + path[last:]
        gain = self._sum(rows, path, first, last) - self._sum(rows, outside, first, last)
        return Tagged(label, first, last, _surety(gain, lean * (last - first)))

    def _sum(self, rows: Sequence[list[float]], path: list[int], first: int, last: int) -> float:
        total = sum(rows[place][path[place]] for place in range(first, last))
        for place in range(max(1, first), min(len(path), last + 1)):
            total += self._moves[path[place - 1]][path[place]]
        return total


def _surety(gain: float, spare: float) -> float:
    """What a stretch gains over the same tokens outside, less what was lent to it, as a probability."""
    return 1.0 / (1.0 + math.exp(min(50.0, spare - gain)))


def pack(labels: Sequence[str], features: Sequence[str], weights: NDArray[Any], moves: NDArray[Any]) -> bytes:
    """The file of a tagger: names, then weights as 16-bit floats, compressed."""
    head = "\n".join((" ".join(labels), *features)).encode("utf-8")
    body = moves.astype("<f2").tobytes() + weights.astype("<f2").tobytes()
    return zlib.compress(len(head).to_bytes(4, "little") + head + body, 9)


def unpack(data: bytes) -> Tagger:
    """Read what `pack` wrote."""
    import numpy as np

    raw = zlib.decompress(data)
    size = int.from_bytes(raw[:4], "little")
    first, *features = raw[4 : 4 + size].decode("utf-8").split("\n")
    labels = first.split(" ")
    numbers = np.frombuffer(raw, "<f2", offset=4 + size).astype(np.float32).reshape(-1, len(labels))
    return Tagger(labels, features, numbers[len(labels) :], numbers[: len(labels)])


@cache
def tagger(name: str) -> Tagger:
    """Read a shipped tagger, once a process."""
    return unpack(files("guard").joinpath(f"data/{name}.bin").read_bytes())
