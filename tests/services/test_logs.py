"""Log redaction: whatever a log call carries, no handler of this process ever writes an original."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import queue
import re
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn.logging

from guard.keys import Keys
from guard.services import logs
from guard.services.logs import LogRedactor, RedactingFilter, install_log_redaction, uninstall_log_redaction
from guard.types import Action, Decision, Finding, Redaction

KEYS = Keys(b"a master key for tests")
PATTERNS = {
    "pii.email": re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w"),
    "pii.card": re.compile(r"\b\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}\b"),
    "pii.passport": re.compile(r"(?<=passport: )[A-Z]\d{8}"),
    "secret.openai_key": re.compile(r"sk-[A-Za-z0-9]{8,}"),
    "pii.person": re.compile(r"王小明|Ada Lovelace|Nora Moore"),
}


def detect(text: str) -> list[Finding]:
    """Every match of the patterns above."""
    found = [
        Finding(kind, *m.span(), 1.0, "test")
        for kind, pattern in PATTERNS.items()
        for m in pattern.finditer(text)
    ]
    return sorted(found, key=lambda finding: finding.start)


def decide(findings: list[Finding]) -> Sequence[Decision]:
    """Personal data as Faker values, secrets masked, `guard.*` blocked: the default policy's log rules."""
    return [_decision(finding) for finding in findings]


def _decision(finding: Finding) -> Decision:
    action = Action.BLOCK if finding.kind.startswith("guard.") else Action.REDACT
    form = "mask" if finding.kind.startswith("secret.") else "faker"
    return Decision(finding, action, action, "test", redaction=Redaction(form))


def redactor(**more: int) -> LogRedactor:
    """A LogRedactor over the finders above."""
    return LogRedactor(detect, decide, KEYS, **more)


EMAIL, CARD, PERSON, KEY = "canary.jane@corp.de", "4111 1111 1111 1111", "王小明", "sk-canary12345678"
CANARIES = (EMAIL, CARD, CARD.replace(" ", ""), PERSON, KEY, "E12345678", "canary")


def dug_up(value: object) -> object:
    """What a curious serializer finds in an object: frames, attributes, slots, or its repr."""
    if isinstance(value, BaseException):
        return "".join(traceback.TracebackException.from_exception(value, capture_locals=True).format())
    names = getattr(type(value), "__slots__", None)
    held = {name: getattr(value, name) for name in names} if names else getattr(value, "__dict__", {})
    return [repr(value), {str(k): v for k, v in held.items()}]


class AsJson(logging.Formatter):
    """Write all that a record holds and what can be dug out of it, as structured formatters do."""

    def format(self, record: logging.LogRecord) -> str:
        held = {k: v for k, v in record.__dict__.items() if k != "exc_info"}
        return json.dumps([super().format(record), held], default=dug_up, ensure_ascii=False)


class WithLocals(logging.Formatter):
    """Render exceptions with the values of each frame's variables, from `exc_info`, as rich tracebacks do."""

    def format(self, record: logging.LogRecord) -> str:
        line = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            shown = traceback.TracebackException.from_exception(record.exc_info[1], capture_locals=True)
            line += "".join(shown.format())
        return line


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger of its own, below the root's handlers."""
    made = logging.getLogger("tests.redacted")
    made.setLevel(logging.DEBUG)
    yield made
    made.handlers.clear()


@pytest.fixture
def written(log: logging.Logger) -> Iterator[io.StringIO]:
    """What three kinds of handlers write while redaction is installed."""
    out = io.StringIO()
    for formatter in (logging.Formatter("%(name)s %(message)s"), AsJson(), WithLocals()):
        handler = logging.StreamHandler(out)
        handler.setFormatter(formatter)
        log.addHandler(handler)
    install_log_redaction(redactor())
    yield out
    uninstall_log_redaction()


def clean(out: io.StringIO) -> str:
    text = out.getvalue()
    assert text
    for canary in CANARIES:
        assert canary not in text
    return text


class Person:
    def __init__(self, mail: str) -> None:
        self.mail = mail

    def __str__(self) -> str:
        return f"Person {self.mail}"


class Opaque:
    """Says nothing when written, holds an original."""

    def __init__(self, mail: str) -> None:
        self.mail = mail


class Shy:
    """Says nothing as a text, everything as a repr."""

    def __init__(self, mail: str) -> None:
        Shy.mail = mail

    def __str__(self) -> str:
        return "shy"

    def __repr__(self) -> str:
        return f"Shy({Shy.mail!r})"


class Slotted:
    __slots__ = ("mail",)

    def __init__(self, mail: str) -> None:
        self.mail = mail


@dataclass
class Order:
    buyer: str
    count: int


class Point(NamedTuple):
    mail: str
    rank: int


def test_the_message(log: logging.Logger, written: io.StringIO) -> None:
    """Text written into the message itself is redacted, and the line is still there."""
    log.info(f"sent to {EMAIL} with {CARD} by {PERSON} using {KEY}")  # noqa: G004
    text = clean(written)
    assert "sent to" in text
    assert "@de.example" in text


@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("sent to %s", (EMAIL,)),
        ("sent to %s and %r", (CARD, EMAIL)),
        ("sent to %(who)s", ({"who": EMAIL},)),
        ("sent to %(who)s", ({"who": EMAIL, "n": 3},)),
        ("sent to %s", (Person(EMAIL),)),
        ("sent to %s", (Order(EMAIL, 2),)),
        ("sent to %s", ([EMAIL, {"card": CARD}],)),
        ("sent to %s", (ValueError(EMAIL),)),
        ("sent to %s", (EMAIL.encode(),)),
        ("sent to %s", (Path("/home") / EMAIL,)),
        ("sent to %d", (4111111111111111,)),
        ("sent to %s@%s", ("canary.jane", "corp.de")),  # nothing in any part, all in the line
        ("sent passport: %s", ("E12345678",)),  # the cue stands in the message
        ("sent to %s %s", (EMAIL,)),  # does not fit: logging would write the arguments to stderr
        ("sent to %d", (EMAIL,)),
        (Person(EMAIL), ()),
        ({"event": EMAIL, "passport": "E12345678"}, ()),
        (ValueError(f"sent {EMAIL}"), ()),
    ],
)
def test_arguments_of_any_type(
    log: logging.Logger,
    written: io.StringIO,
    message: Any,
    args: tuple[Any, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """%-arguments, dictionaries, objects and texts that come together only in the line are redacted."""
    log.info(message, *args)
    clean(written)
    assert capsys.readouterr() == ("", "")


def test_clean_records_stay_as_they_are(log: logging.Logger, written: io.StringIO) -> None:
    """A record without a finding keeps its template, its arguments and its extras, as the same objects."""
    seen: list[logging.LogRecord] = []
    keep = logging.Handler()
    keep.emit = seen.append  # type: ignore[method-assign]
    log.addHandler(keep)
    thing, mapping = Opaque("nothing here"), {"a": [1, 2.5, None, True]}
    log.info("%s made %d", thing, 3, extra={"thing": thing, "mapping": mapping})
    record = seen[0]
    assert (record.msg, record.args) == ("%s made %d", (thing, 3))
    assert record.__dict__["thing"] is thing
    assert record.__dict__["mapping"] is mapping


def test_templates_survive_where_the_arguments_carried_it(log: logging.Logger, written: io.StringIO) -> None:
    """A redacted argument leaves the template in place, so that records still group by it."""
    seen: list[logging.LogRecord] = []
    keep = logging.Handler()
    keep.emit = seen.append  # type: ignore[method-assign]
    log.addHandler(keep)
    log.info("sent to %s, %d bytes", EMAIL, 12)
    assert seen[0].msg == "sent to %s, %d bytes"
    assert isinstance(seen[0].args, tuple)
    assert seen[0].args[1] == 12


@pytest.mark.parametrize(
    "extra",
    [
        EMAIL,
        {"deep": [{"er": ({EMAIL},)}]},
        {EMAIL: "as a key"},
        [CARD] * 3,
        Point(EMAIL, 1),
        4111111111111111,
        EMAIL.encode(),
        Person(EMAIL),
        Opaque(EMAIL),
        Slotted(EMAIL),
        Order(EMAIL, 1),
        Opaque(Opaque(EMAIL)),  # type: ignore[arg-type]
        RuntimeError(EMAIL),
        Shy(EMAIL),
        frozenset({EMAIL}),
    ],
)
def test_extras_of_any_type(log: logging.Logger, written: io.StringIO, extra: Any) -> None:
    """Attributes that a caller adds to a record are walked."""
    log.info("an extra", extra={"customer": extra})
    clean(written)


def test_an_exception_as_an_extra(log: logging.Logger, written: io.StringIO) -> None:
    """An exception whose text says nothing, with frames and attributes that do, becomes a stand-in."""
    try:
        fail_quietly(EMAIL)
    except RuntimeError as error:
        log.info("an extra", extra={"error": error})
    assert "RuntimeError" in clean(written)


def fail_quietly(mail: str) -> None:
    error = RuntimeError("failed")
    error.request = {"body": mail}  # type: ignore[attr-defined]
    raise error


def test_the_name_of_an_extra_is_a_cue(log: logging.Logger, written: io.StringIO) -> None:
    """A value that only its key tells for what it is: extra={"passport": …}."""
    log.info("an extra", extra={"passport": "E12345678", "more": {"passport": "E12345678"}})
    clean(written)


def test_extras_are_walked_within_a_bound(log: logging.Logger, written: io.StringIO) -> None:
    """What lies too deep, too wide, or in a circle is withheld, and the record is written."""
    deep: Any = EMAIL
    for _ in range(50):
        deep = [deep]
    circle: list[Any] = [EMAIL]
    circle.append(circle)
    wide = {n: f"{n}{EMAIL}" for n in range(20_000)}
    log.info("bounded", extra={"deep": deep, "circle": circle, "wide": wide, "long": [EMAIL * 1000] * 1000})
    assert "bounded" in clean(written)


def test_a_large_extra_costs_no_more_than_the_bound() -> None:
    """Of twenty thousand values some two thousand are looked at, of a hundred levels eight."""
    calls: list[str] = []

    def counted(text: str) -> str:
        calls.append(text)
        return text

    deep: Any = "bottom"
    for _ in range(100):
        deep = [deep]
    record = logging.makeLogRecord({"msg": "x", "wide": [f"value {n}" for n in range(20_000)], "deep": deep})
    RedactingFilter(counted).filter(record)
    assert len(calls) < 2_100
    assert "bottom" not in calls
    assert "bottom" not in str(record.__dict__["deep"])


def fail(mail: str) -> None:
    secret_local = f"{mail} in a local"  # noqa: F841
    try:
        raise KeyError(mail)
    except KeyError as error:
        error.add_note(f"a note on {CARD}")
        raise ExceptionGroup(f"group of {PERSON}", [ValueError(mail), OSError(CARD)]) from error


def test_exceptions_with_causes_notes_groups_and_locals(log: logging.Logger, written: io.StringIO) -> None:
    """Exception text, chained, noted and grouped, is redacted; frames and their locals never reach a formatter."""
    try:
        fail(EMAIL)
    except ExceptionGroup:
        log.exception("it failed for %s", EMAIL)
    text = clean(written)
    assert "ExceptionGroup" in text
    assert "KeyError" in text
    assert "direct cause" in text


def test_the_exception_itself_is_left_alone(log: logging.Logger, written: io.StringIO) -> None:
    """Only the record gets a stand-in of the same name; the caller's exception keeps what it holds."""
    error = ValueError(EMAIL)
    seen: list[logging.LogRecord] = []
    keep = logging.Handler()
    keep.emit = seen.append  # type: ignore[method-assign]
    log.addHandler(keep)
    log.error("it failed", exc_info=error)
    assert error.args == (EMAIL,)
    assert seen[0].exc_info is not None
    shown = seen[0].exc_info[1]
    assert type(shown).__name__ == "ValueError"
    assert shown is not error
    assert shown is not None
    assert shown.__traceback__ is None


def test_exception_text_that_another_handler_cached(written: io.StringIO, log: logging.Logger) -> None:
    """`exc_text` written before guard saw the record is redacted too."""
    record = log.makeRecord("x", logging.ERROR, "f", 1, "cached", (), None)
    record.exc_text = f"Traceback … {EMAIL}"
    record.stack_info = f"Stack … {CARD}"
    record.message = f"formatted before: {EMAIL}"
    log.handle(record)
    clean(written)


def test_stack_info_and_names(log: logging.Logger, written: io.StringIO) -> None:
    """The stack, and names of loggers and threads that were made from data, are redacted."""
    child = logging.getLogger(f"tests.redacted.{EMAIL}")

    def speak() -> None:
        child.info("from a thread", stack_info=True)

    thread = threading.Thread(target=speak, name=f"worker of {CARD}")
    thread.start()
    thread.join()
    clean(written)
    del logging.Logger.manager.loggerDict[child.name]


def test_every_handler_new_or_old(log: logging.Logger) -> None:
    """One line covers loggers and handlers made later, queues, listeners, and logging's handler of last resort."""
    install_log_redaction(redactor())
    try:
        out = io.StringIO()
        later = logging.getLogger("tests.redacted.later")
        pipe: queue.SimpleQueue[Any] = queue.SimpleQueue()
        later.addHandler(logging.handlers.QueueHandler(pipe))
        listener = logging.handlers.QueueListener(pipe, logging.StreamHandler(out))
        listener.start()
        later.warning("queued %s", EMAIL)
        listener.stop()
        foreign = logging.makeLogRecord({"msg": f"from another process: {CARD}"})
        logging.StreamHandler(out).handle(foreign)
        clean(out)
        later.handlers.clear()
    finally:
        uninstall_log_redaction()


def test_what_a_handlers_own_filter_adds(log: logging.Logger) -> None:
    """A context filter that puts the user on the record stands before guard, wherever it was added."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(message)s %(user)s"))
    install_log_redaction(redactor())
    try:
        handler.addFilter(lambda record: bool(setattr(record, "user", EMAIL) or True))
        log.addHandler(handler)
        log.warning("who")
        assert "who" in clean(out)
    finally:
        uninstall_log_redaction()


def test_filters_still_filter(log: logging.Logger, written: io.StringIO) -> None:
    """A record that a handler's filter drops stays dropped."""
    for handler in log.handlers:
        handler.addFilter(lambda record: False)
    log.warning("dropped")
    assert written.getvalue() == ""


@pytest.mark.parametrize(
    "path",
    [
        f"/users?email={EMAIL}&x=1",
        "/users?email=canary.jane%40corp.de",
        "/users?email=canary%252Ejane%2540corp.de",
        "/users?card=4111+1111+1111+1111",
        "/users?card=4111%201111%201111%201111",
        "/users/%E7%8E%8B%E5%B0%8F%E6%98%8E",
        "/users?passport: E12345678",
    ],
)
def test_uvicorns_access_log(path: str) -> None:
    """The access line of uvicorn's own formatter, query string and percent-encoding included."""
    out, access = io.StringIO(), logging.getLogger("uvicorn.access")
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        uvicorn.logging.AccessFormatter('%(client_addr)s "%(request_line)s" %(status_code)s')
    )
    access.addHandler(handler)
    install_log_redaction(redactor())
    try:
        access.warning('%s - "%s %s HTTP/%s" %d', "198.51.100.7:5000", "GET", path, "1.1", 200)
        access.warning('%s - "%s %s HTTP/%s" %d', "198.51.100.7:5000", "passport:", "E12345678", "1.1", 201)
        text = clean(out)
        assert '"GET /users' in text
        assert "200 OK" in text
        assert "201 Created" in text
        assert "%E7%8E%8B" not in text
    finally:
        uninstall_log_redaction()
        access.removeHandler(handler)


def test_uvicorns_access_log_when_redaction_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that is withheld still has the five arguments that uvicorn's formatter unpacks."""
    out, access = io.StringIO(), logging.getLogger("uvicorn.access")
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        uvicorn.logging.AccessFormatter('%(client_addr)s "%(request_line)s" %(status_code)s')
    )
    access.addHandler(handler)

    def broken(text: str) -> str:
        raise RuntimeError(text)

    install_log_redaction(broken)
    try:
        access.warning('%s - "%s %s HTTP/%s" %d', "198.51.100.7:5000", "GET", f"/{EMAIL}", "1.1", 200)
        assert "[guard: message withheld, redaction failed]" in clean(out)
    finally:
        uninstall_log_redaction()
        access.removeHandler(handler)


def test_a_failure_withholds_the_message_and_keeps_the_record(
    log: logging.Logger, written: io.StringIO
) -> None:
    """Nothing that goes wrong while redacting loses the record or lets it through."""

    def broken(text: str) -> str:
        raise RuntimeError(text)

    install_log_redaction(broken)
    try:
        raise ValueError(EMAIL)
    except ValueError:
        log.exception("failed %s", EMAIL, extra={"customer": EMAIL}, stack_info=True)
    assert "[guard: message withheld, redaction failed]" in clean(written)


def test_a_detector_that_fails_is_counted() -> None:
    """LogRedactor never raises: the text is withheld and `failures` says how often."""

    def broken(text: str) -> list[Any]:
        raise RuntimeError(text)

    made = LogRedactor(broken, lambda findings: [], KEYS)
    assert made.redact(EMAIL) == "[guard: message withheld, redaction failed]"
    assert made.failures == 1


class Chatty:
    """Logs while it is written."""

    def __str__(self) -> str:
        logging.getLogger("tests.redacted").warning("inside %s", EMAIL)
        return f"chatty {CARD}"


def test_logging_while_redacting_ends(log: logging.Logger, written: io.StringIO) -> None:
    """A record logged from inside the redaction is withheld instead of redacting without end."""
    log.info("outside %s", Chatty())
    text = clean(written)
    assert "outside chatty 4000 00" in text
    assert "[guard: message withheld, logged while redacting]" in text


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError(EMAIL)

    __repr__ = __str__


def test_objects_that_cannot_be_written(log: logging.Logger, written: io.StringIO) -> None:
    """An object whose text raises costs its own place, not the record."""
    log.info("an extra", extra={"thing": Hostile()})
    log.info("an argument %s", Hostile())
    text = clean(written)
    assert "an extra" in text
    assert "an argument" in text


def test_a_filter_for_one_handler(log: logging.Logger) -> None:
    """RedactingFilter does the same for a single handler, without installing anything."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(RedactingFilter(redactor()))
    log.addHandler(handler)
    log.warning("sent to %s", EMAIL)
    assert "sent to" in clean(out)


def test_installing_is_undone_and_does_not_stack() -> None:
    """Installing twice replaces the redactor; uninstalling leaves `logging` as it was."""
    first, second = redactor(), redactor()
    install_log_redaction(first)
    install_log_redaction(second)
    assert logs._installed == [second]
    uninstall_log_redaction()
    assert "filter" not in vars(logging.Handler)
    uninstall_log_redaction()


def test_another_library_may_wrap_it(log: logging.Logger) -> None:
    """Uninstalling beneath another wrapper leaves no redaction, and installing again no loop."""
    target: Any = logging.Handler
    install_log_redaction(redactor())
    ours = target.filter
    target.filter = lambda handler, record: ours(handler, record)
    try:
        uninstall_log_redaction()
        install_log_redaction(redactor())
        out = io.StringIO()
        log.addHandler(logging.StreamHandler(out))
        log.warning("sent to %s", EMAIL)
        clean(out)
    finally:
        target.filter = ours
        uninstall_log_redaction()
    assert "filter" not in vars(logging.Handler)
