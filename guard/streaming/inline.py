"""Questions that the provider answers itself, at the end of its stream (`moderation.by: inline`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from guard.errors import Unavailable
from guard.moderation import highest
from guard.streaming.ops import Ask, Op

Answers = list[Mapping[str, float]] | Unavailable


class Inline:
    """Keep the questions until the stream says what its provider's own moderation found.

    A provider that says nothing does not offer it: then the questions are asked of the moderation service.
    """

    def __init__(self) -> None:
        self._asks: list[Ask] = []
        self._told: Mapping[str, float] | Unavailable | None = None

    @property
    def open(self) -> int:
        """How many questions wait."""
        return len(self._asks)

    @property
    def told(self) -> bool:
        """Whether the provider has said it."""
        return self._told is not None

    def tell(self, results: Sequence[Mapping[str, float]] | Unavailable) -> None:
        """Take what the provider says; of several results each category counts with its highest."""
        self._told = results if isinstance(results, Unavailable) else highest(results)

    def keep(self, ops: Sequence[Op]) -> list[Op]:
        """Keep the questions among operations; the others go on."""
        self._asks += [op for op in ops if isinstance(op, Ask)]
        return [op for op in ops if not isinstance(op, Ask)]

    def answers(self) -> list[tuple[Ask, Answers]]:
        """Hand out the questions that can be answered now."""
        if self._told is None:
            return []
        told, asks = self._told, self.give_up()
        return [(ask, told if isinstance(told, Unavailable) else [told] * len(ask.texts)) for ask in asks]

    def give_up(self) -> list[Ask]:
        """Hand out all questions that wait."""
        asks, self._asks = self._asks, []
        return asks
