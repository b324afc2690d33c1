"""Floor 6, the guards of the policies that one policy attaches: which of them holds for a request.

Each set of attached policies that requests can meet is combined with the policy and compiled once; a request
is then held to one guard of one policy, whose digest stands on its spans.
"""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from guard.errors import BadRequest
from guard.policy.attach import Asked, Attachment, bound, foreseen, names
from guard.policy.model import Policy
from guard.policy.providers import owner_of
from guard.policy.resolve import as_loaded, combine
from guard.policy.waivers import NEVER, ExceptionRow, Waiver, forbidden

if TYPE_CHECKING:
    from guard.guard import Guard

HEADER = b"x-guard-policy"
"""By which a request asks for a stricter policy."""

_LENGTH = len(HEADER)

_READY, _LOOKED_AT = 64, 4096
"""Sets that are compiled at start, of so many requests foreseen; others when a request first meets them."""

# Where a path names the model that answers.
_IN_PATH = re.compile(r"/(?:deployments|engines|models)/([^/]+)")


Key = tuple[frozenset[int], tuple[tuple[int, Waiver], ...], tuple[Waiver, ...]]
"""What holds: the numbers of the attachments, the exceptions with whose rules each loosens, what broken glass opens."""


class Broken(Protocol):
    """A rule that only flags until a time, in an emergency."""

    @property
    def waiver(self) -> Waiver:
        """What of the policy it opens."""

    @property
    def until(self) -> float:
        """When it ends, in seconds since 1970."""


class Combinations:
    """The policies that one policy means: with what it attaches, under what it excepts and what is broken meanwhile.

    Exceptions and broken glass hold for a while, by the wall clock `now`.
    """

    def __init__(
        self,
        policy: Policy,
        glass: Callable[[], Sequence[Broken]] = tuple,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._policy, self._glass, self._now = policy, glass, now
        self._rows: Sequence[Attachment] = policy.attach
        excepting = self._exceptions(range(len(self._rows)))
        self._excepting = bool(excepting)
        self._tenants = [row.tenant for _, row in excepting]

    def key(self, asked: Asked) -> Key:
        """What of it holds for a request."""
        held = bound(self._rows, asked)
        key: Key = (held, (), ())
        if self._excepting or self._glass():
            now = self._now()
            excepted = [(of, row) for of, row in self._exceptions(held) if row.holds(asked.tenant, now)]
            key = (held, tuple((of, row.waiver) for of, row in excepted), self._broken(now))
        return key

    def foreseen(self) -> Iterator[Key]:
        """What holds for requests that will come, each once."""
        asked = itertools.islice(foreseen(self._rows, self._tenants), _LOOKED_AT)
        return iter(dict.fromkeys(map(self.key, asked)))

    def _exceptions(self, held: Iterable[int]) -> list[tuple[int, ExceptionRow]]:
        """The exceptions of the policy (-1) and of what is attached, each with whose rules it loosens."""
        mine = [(-1, row) for row in self._policy.exceptions]
        return mine + [(n, row) for n in sorted(held) for row in self._rows[n].under.policy.exceptions]

    def _broken(self, now: float) -> tuple[Waiver, ...]:
        return tuple(glass.waiver for glass in self._glass() if now < glass.until)

    def policy(self, key: Key) -> Policy:
        """The policy with what is attached; an exception loosens the rules of the file that grants it alone."""
        held, excepted, broken = key
        unders = {n: self._rows[n].under for n in sorted(held)}
        approved = combine(self._policy, list(unders.values())).policy if held else self._policy
        if not excepted and not broken:
            return approved

        def of(number: int) -> list[Waiver]:
            return [waiver for n, waiver in excepted if n == number]

        lenient = self._policy.waive(of(-1))
        others = [as_loaded(under.policy.waive(of(n))) for n, under in unders.items()]
        made = combine(lenient, others).policy if held else lenient
        never = (*NEVER, *approved.break_glass.never)
        opened = [waiver for waiver in broken if not forbidden(waiver.kind, never)]
        return made.waive(opened).standing_for(approved, [*(waiver for _, waiver in excepted), *opened])

    def candidates(self, path: str, model: object) -> tuple[str, ...] | None:
        """The models that may answer a request, as its body and its path name them; None where nobody says."""
        named = [*_IN_PATH.findall(path), *([model] if isinstance(model, str) and model else [])]
        if not named:
            return None
        named = [spelling for name in named for spelling in self._spellings(name)]
        traffic = self._policy.traffic
        others = [other for name in named for other in traffic.fallbacks.get(name, ())]
        others += filter(None, [traffic.budget.then.use])
        return (*named, *(spelling for name in others for spelling in self._spellings(name)))

    def _spellings(self, name: str) -> tuple[str, ...]:
        """A model as named, and as its provider is asked for it: a policy for gpt-* holds for azure/gpt-5, too."""
        owner = owner_of(self._policy.providers, name) if self._policy.providers else None
        return (name,) if owner is None else tuple(dict.fromkeys((name, owner[1], "/".join(owner))))


class Attached:
    """The guards of a policy with what it attaches. Thread-safe; `make` compiles a policy beside the guard's own.

    Exceptions and broken glass make guards of their own.
    """

    def __init__(
        self, guard: Guard, make: Callable[[Policy], Guard], now: Callable[[], float] = time.time
    ) -> None:
        root = guard.root
        self._make, self._now = make, now
        self._means = Combinations(guard.policy, lambda: root.glass, lambda: self._now())
        self._names = frozenset(names(guard.policy.attach))
        self._lock = threading.Lock()
        self._guards: dict[Key, Guard] = {(frozenset(), (), ()): guard}
        for key in itertools.islice(self._means.foreseen(), _READY):
            self._guard(key)

    def choose(self, asked: Asked) -> Guard:
        """The guard of the policy that holds for a request: the policy with all that is attached for it."""
        key = self._means.key(asked)
        return self._guards.get(key) or self._guard(key)

    def candidates(self, path: str, model: object) -> tuple[str, ...] | None:
        """The models that may answer a request; None where nobody says."""
        return self._means.candidates(path, model)

    def _guard(self, key: Key) -> Guard:
        with self._lock:
            if key not in self._guards:
                self._guards[key] = self._make(self._means.policy(key))
            return self._guards[key]

    def check(self, wanted: Sequence[str]) -> None:
        """Refuse a name that the policy does not list (400)."""
        if unknown := set(wanted) - self._names:
            raise unlisted(self._names, len(unknown))


def wanted(headers: Sequence[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """The names that a request asks for: `x-guard-policy: strict, kids`."""
    values = [value for name, value in headers if len(name) == _LENGTH and name.lower() == HEADER]
    if not values:
        return ()
    return tuple(filter(None, (name.strip() for v in values for name in v.decode("latin-1").split(","))))


def unlisted(known: frozenset[str], count: int = 1) -> BadRequest:
    """What is said of a name that no attachment has; it quotes none."""
    ask = f"write {' or '.join(sorted(known))}" if known else "the policy lists none: leave it out"
    asked = "an unknown policy" if count == 1 else f"{count} unknown policies"
    return BadRequest(400, "unknown_policy", f"x-guard-policy asks for {asked}: {ask}")
