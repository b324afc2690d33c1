"""The words of guard as frozen values: every other floor speaks in these types."""

from __future__ import annotations

import enum
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

_T = TypeVar("_T")


class Action(enum.IntEnum):
    """What a rule asks for, ordered: a verdict is the maximum over its findings."""

    ALLOW = 0
    FLAG = 1
    REDACT = 2
    BLOCK = 3

    word: str
    """The lower-case word used in YAML, spans and errors."""

    @classmethod
    def parse(cls, word: str) -> Action:
        """Read the YAML word; raises KeyError for any other text."""
        return _ACTIONS[word]


for _action in Action:
    _action.word = _action.name.lower()
_ACTIONS = {action.word: action for action in Action}


class Stage(enum.StrEnum):
    """Where text is screened: toward the model, toward the caller, at a connection, in logs."""

    INPUT = "input"
    OUTPUT = "output"
    EGRESS = "egress"
    LOGS = "logs"


class Change(enum.Enum):
    """What may be done to a segment: rewritten, or only refused (ids, names, schema keys)."""

    TEXT = "text"
    FIXED = "fixed"


class Receipt(enum.StrEnum):
    """What became of one check of one exchange (`guard.check.<name>` on the span)."""

    RAN = "ran"
    NOT_APPLICABLE = "not_applicable"
    FAILED_CLOSED = "failed_closed"
    FAILED_OPEN = "failed_open"
    SKIPPED = "skipped"


_FAILED = (Receipt.FAILED_CLOSED, Receipt.FAILED_OPEN)


class Finding(NamedTuple):
    """One thing found: its kind and place, never the matched text.

    `start` and `end` are code-point offsets into the original text of the segment at `path`
    (end exclusive); a finding about a whole field (`guard.*`, `moderation.*`) has 0, 0.
    `source` says who found it: `pattern`, `names`, `presidio:<Recognizer>`, `custom:<name>`,
    `list:<name>`, `moderation:<model>`, `guard`. A tuple, because a text full of findings makes thousands of them.
    """

    kind: str
    start: int
    end: int
    score: float
    source: str
    path: str = ""


class Segment(NamedTuple):
    """One piece of human text in a body, and where it stands.

    Segments of one non-empty `group` are neighbours whose texts follow each other (content parts
    of one message): a value split over them must be found. A tuple, as all that each request makes several of.
    """

    path: str
    text: str
    change: Change = Change.TEXT
    group: str = ""

    def __repr__(self) -> str:
        return f"Segment(path={self.path!r}, change={self.change!r}, group={self.group!r})"


@dataclass(frozen=True, slots=True)
class Redaction:
    """How a span is replaced: `form` is token, faker, mask, hash, generalise or encrypt."""

    form: str = "token"
    restore: bool = False


class Decision(NamedTuple):
    """What one finding led to, and which rule of which file said so."""

    finding: Finding
    action: Action
    enforced: Action
    rule: str
    origin: str = ""
    redaction: Redaction = Redaction()


class Verdict(NamedTuple):
    """The decision of one stage: the maximum action, what was enforced, and every finding's share."""

    stage: Stage
    action: Action
    enforced: Action
    decisions: tuple[Decision, ...] = ()
    policy: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings behind the verdict, in the order of the text."""
        return tuple(decision.finding for decision in self.decisions)

    @property
    def blocking(self) -> Decision | None:
        """The first decision that is enforced as a block, if any."""
        if self.enforced is not Action.BLOCK:
            return None
        return next((d for d in self.decisions if d.enforced is Action.BLOCK), None)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose policy applies and who calls; `user` is hashed before it is recorded anywhere, `key` an id.

    `keys` are what a policy may call the caller's key by (its id, its name); None: nobody knows by which key it calls.
    """

    tenant: str = "default"
    user: str = ""
    key: str = field(default="", compare=False)
    keys: tuple[str, ...] | None = field(default=None, compare=False)

    @property
    def called(self) -> tuple[str, ...] | None:
        """What a policy may call the caller's key by, as far as anybody knows."""
        return (self.key,) if self.keys is None and self.key else self.keys


# Effects: what the sans-I/O engine asks of its driver. Each is a value; the driver sends the result back.


@dataclass(frozen=True, slots=True)
class Detect:
    """Find spans in each text; the answer is `list[list[Finding]]`, one list a text."""

    texts: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Score:
    """Ask the moderation service; the answer is `list[dict[str, float]]`, category to score, one a text."""

    texts: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Commit:
    """Make one trace record durable; the answer is None, or Unavailable is thrown in."""

    record: bytes = field(repr=False)


Effect = Detect | Score | Commit
Flow = Generator[Effect, Any, _T]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a destination processes and stores data, as ISO country codes or jurisdiction names.

    With an Azure `region`, its `deployments` (name and type) say where each of them processes.
    """

    processing: tuple[str, ...]
    storage: tuple[str, ...]
    region: str = ""
    deployments: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy through which a destination is reached (http, by CONNECT), where it is, and who said so."""

    host: str
    port: int
    place: Place | None = None
    source: str = ""

    @property
    def origin(self) -> str:
        """It as a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a destination may be reached, where it is, and why.

    `code` is the kind of a refusal (`egress.host`, `egress.jurisdiction`); `source` says who knows the
    place or named the host: `table`, `declared` or `named`. `rules` are the patterns of `egress.rules` that what was
    found called on, and `within` the places that they left. `proxy` carries the connection, where the policy has one.
    """

    allowed: bool
    host: str
    jurisdiction: str
    reason: str = ""
    place: Place | None = None
    resident_host: str = ""
    code: str = ""
    source: str = ""
    within: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    proxy: Proxy | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one request body; each has its own setting."""

    body_bytes: int = 4 * 1024 * 1024
    depth: int = 64
    messages: int = 2048
    tools: int = 512
    parts: int = 4096


@dataclass(slots=True)
class Receipts:
    """The receipts of one exchange, by check name."""

    by_name: dict[str, Receipt] = field(default_factory=dict)
    _new: dict[str, Receipt] = field(default_factory=dict)

    def news(self) -> dict[str, Receipt]:
        """What was noted since this was asked last."""
        new = self._new
        if new:
            self._new = {}
        return new

    def note(self, name: str, receipt: Receipt) -> None:
        """Record the outcome of a check; a failure is never overwritten by a later success."""
        noted = self.by_name.get(name)
        if noted is not receipt and noted not in _FAILED:
            self.by_name[name] = self._new[name] = receipt

    def attributes(self) -> Mapping[str, str]:
        """The span attributes `guard.check.<name>`."""
        return {f"guard.check.{name}": receipt._value_ for name, receipt in self.by_name.items()}


@dataclass(slots=True)
class Tally:
    """How many placeholders that may come back were sent, and how they did in the answer.

    Placeholders put back, withheld from links and tools, and mangled by the model are counted as often as they
    stand there; `seen` are the different ones that the model used.
    """

    sent: int = 0
    restored: int = 0
    withheld: int = 0
    mangled: int = 0
    seen: set[str] = field(default_factory=set, repr=False)
