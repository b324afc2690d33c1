"""Keep originals out of logs: one line for `logging` in this process, a filter, and a structlog processor."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, unquote_plus

from guard.keys import Keys
from guard.pii.fakes import is_fake_at
from guard.pii.mapping import Mapping
from guard.pii.redact import redact
from guard.services.logrecords import redact_event, redact_record
from guard.services.logwalk import WITHHELD, Redactor
from guard.types import Action, Decision, Finding

_MARGIN = 4096
_PASSES = 3
_WORD = re.compile(r"[^\s\"'<>]+")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_QUERY = re.compile(r"[?&=]")
_SHORTENED = re.compile(r" \[guard: \d+ more characters withheld\]\Z")
_URL_SIGNS = "/:?#[]@!$&'()*+,;=-._~"


class LogRedactor:
    """Redact one text of a log: the same value has the same placeholder in every line, under one key.

    Stateless from line to line but for a memory of `remembered` texts, kept by keyed hash. A text of more than
    `limit` characters is shortened to half of it. Fakes are left as they are, so that redacting twice changes
    nothing. Whatever fails, the text is withheld and `failures` counts it. Safe in any thread.
    """

    def __init__(
        self,
        detect: Callable[[str], list[Finding]],
        decide: Callable[[list[Finding]], Sequence[Decision]],
        keys: Keys,
        locale: Sequence[str] = ("en_US", "zh_CN"),
        *,
        limit: int = 65_536,
        remembered: int = 2048,
    ) -> None:
        self._detect, self._decide, self._keys, self._locale = detect, decide, keys, tuple(locale)
        self._limit = limit
        self._memory = _Memory(keys.memo, remembered)
        self.failures = 0

    def __call__(self, text: str) -> str:
        """The same as `redact`."""
        return self.redact(text)

    def redact(self, text: str) -> str:
        """Put placeholders in place of what the rules redact; raises nothing."""
        known = self._memory.get(text)
        if known is not None:
            return known
        try:
            shown = self._decoded(self._bounded(text))
        except Exception:
            self.failures += 1
            return WITHHELD
        self._memory.put(text, shown)
        self._memory.put(shown, shown)
        return shown

    def _bounded(self, text: str) -> str:
        if len(text) <= self._limit or (len(text) <= 4 * self._limit and _SHORTENED.search(text)):
            return self._passed(text)
        cut = self._limit // 2
        across = (f.start for f in self._findings(text[: cut + _MARGIN]) if f.start < cut < f.end)
        cut = min(across, default=cut)
        return f"{self._passed(text[:cut])} {_more(len(text) - cut)}"

    def _passed(self, text: str) -> str:
        # Again, until what is found are fakes only: a neighbour that changed may let a value be seen.
        for _ in range(_PASSES):
            findings = self._findings(text)
            shown = self._changed(text, findings) if findings else text
            if shown == text:
                break
            text = shown
        return text

    def _findings(self, text: str) -> list[Finding]:
        return [f for f in self._detect(text) if not _is_fake(f, text)]

    def _changed(self, text: str, findings: list[Finding]) -> str:
        decisions = self._decide(findings)
        blocking = next((d for d in decisions if d.enforced is Action.BLOCK), None)
        if blocking:
            return f"[guard: message withheld, {blocking.finding.kind}]"
        return redact(text, decisions, Mapping(self._keys, locale=self._locale, year=time.gmtime().tm_year))

    def _decoded(self, text: str) -> str:
        return _WORD.sub(self._decoded_word, text) if "%" in text or "+" in text else text

    def _decoded_word(self, word: re.Match[str]) -> str:
        if not _encoded(word.group()):
            return word.group()
        once = unquote_plus(word.group())
        for plain in dict.fromkeys((once, unquote_plus(once))):
            shown = self._passed(plain)
            if shown != plain:
                return quote(shown, safe=_URL_SIGNS)
        return word.group()


def _is_fake(finding: Finding, text: str) -> bool:
    """Whether a finding is a fake, as it stands or as it was written encoded again."""
    if is_fake_at(finding.kind, text, finding.start, finding.end):
        return True
    value = text[finding.start : finding.end]
    plain = unquote_plus(value) if "%" in value else value
    return plain != value and is_fake_at(finding.kind, plain, 0, len(plain))


class _Memory:
    """The last texts that were redacted, by keyed hash: no text that went in is held, only what may be shown."""

    def __init__(self, key: bytes, size: int) -> None:
        self._key, self._size = key, size
        self._shown: dict[bytes, str | None] = {}
        self._lock = threading.Lock()

    def get(self, text: str) -> str | None:
        """What is shown for a text, if remembered."""
        shown = self._shown.get(self._hash(text), "")
        return text if shown is None else shown or None

    def put(self, text: str, shown: str) -> None:
        """Remember what is shown for a text; the oldest is forgotten."""
        with self._lock:
            self._shown[self._hash(text)] = None if shown == text else shown
            if len(self._shown) > self._size:
                del self._shown[next(iter(self._shown))]

    def _hash(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()


def _encoded(word: str) -> bool:
    return _ENCODED.search(word) is not None or ("+" in word and _QUERY.search(word) is not None)


def _more(count: int) -> str:
    return f"[guard: {count} more characters withheld]"


class RedactingFilter(logging.Filter):
    """A filter for one handler or logger; it lets every record pass, redacted."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record."""
        redact_record(record, self._redactor)
        return True


def structlog_processor(redactor: Redactor) -> Callable[[Any, str, Any], Any]:
    """Make a structlog processor; it belongs right before the renderer, or behind it."""

    def processor(logger: Any, method: str, event: Any) -> Any:
        return redact_event(event, redactor)

    return processor


# Behind the filters of every handler: a record factory would see no extras, filters on today's handlers would
# miss tomorrow's, and a filter of the application's own may still add what it knows.
_handlers: Any = logging.Handler
_installed: list[Redactor] = []
_before: list[Any] = []


def install_log_redaction(redactor: Redactor) -> None:
    """Redact every record of every handler of this process, those of later loggers and handlers too.

    Installing again replaces the redactor.
    """
    _installed[:] = [redactor]
    if not _before:
        _before.append(_handlers.__dict__.get("filter"))
        _handlers.filter = _filter_and_redact


def uninstall_log_redaction() -> None:
    """Undo `install_log_redaction`; where another library wrapped it since, it stays and does nothing."""
    _installed.clear()
    if _handlers.__dict__.get("filter") is not _filter_and_redact:
        return
    del _handlers.filter
    if before := _before.pop():
        _handlers.filter = before


def _filter_and_redact(handler: logging.Handler, record: logging.LogRecord) -> Any:
    before = _before[0] if _before else None
    passed = (before or logging.Filterer.filter)(handler, record)
    if passed:
        for redactor in _installed:
            redact_record(passed if isinstance(passed, logging.LogRecord) else record, redactor)
    return passed
