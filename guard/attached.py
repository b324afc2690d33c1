"""Floor 6, the guards of the policies that one policy attaches: which of them holds for a request.

Each set of attached policies that requests can meet is combined with the policy and compiled once; a request
is then held to one guard of one policy, whose digest stands on its spans.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from guard.errors import BadRequest
from guard.policy.attach import Asked, Attachment, bound, foreseen, names
from guard.policy.model import Policy
from guard.policy.resolve import combine

if TYPE_CHECKING:
    from guard.guard import Guard

HEADER = b"x-guard-policy"
"""By which a request asks for a stricter policy."""

_READY = 64
"""Sets that are compiled at start; further ones are when a request first meets them."""

# Where a path names the model that answers.
_IN_PATH = re.compile(r"/(?:deployments|engines|models)/([^/]+)")


class Attached:
    """The guards of a policy with what it attaches. Thread-safe; `make` compiles a policy beside the guard's own."""

    def __init__(self, guard: Guard, make: Callable[[Policy], Guard]) -> None:
        self._policy, self._make = guard.policy, make
        self._rows: Sequence[Attachment] = guard.policy.attach
        self._names = frozenset(names(self._rows))
        self._lock = threading.Lock()
        self._guards = {frozenset[int](): guard}
        for held in list(foreseen(self._rows))[:_READY]:
            self._guard(held)

    def choose(self, asked: Asked) -> Guard:
        """The guard of the policy that holds for a request: the policy with all that is attached for it."""
        held = bound(self._rows, asked)
        return self._guards.get(held) or self._guard(held)

    def _guard(self, held: frozenset[int]) -> Guard:
        with self._lock:
            if held not in self._guards:
                others = [self._rows[number].under for number in sorted(held)]
                self._guards[held] = self._make(combine(self._policy, others).policy)
            return self._guards[held]

    def candidates(self, path: str, model: object) -> tuple[str, ...] | None:
        """The models that may answer a request, as its body and its path name them; None where nobody says."""
        named = [*_IN_PATH.findall(path), *([model] if isinstance(model, str) and model else [])]
        if not named:
            return None
        traffic = self._policy.traffic
        others = [other for name in named for other in traffic.fallbacks.get(name, ())]
        return (*named, *others, *filter(None, [traffic.budget.then.use]))

    def check(self, wanted: Sequence[str]) -> None:
        """Refuse a name that the policy does not list (400)."""
        if unknown := set(wanted) - self._names:
            raise unlisted(self._names, len(unknown))


def wanted(headers: Sequence[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """The names that a request asks for: `x-guard-policy: strict, kids`."""
    values = [value for name, value in headers if name.lower() == HEADER]
    return tuple(filter(None, (name.strip() for v in values for name in v.decode("latin-1").split(","))))


def unlisted(known: frozenset[str], count: int = 1) -> BadRequest:
    """What is said of a name that no attachment has; it quotes none."""
    ask = f"write {' or '.join(sorted(known))}" if known else "the policy lists none: leave it out"
    return BadRequest(400, "unknown_policy", f"x-guard-policy asks for {count} unknown policies: {ask}")
