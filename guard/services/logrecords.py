"""Redact one record of `logging`, or one event of structlog, in place."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from guard.services.logwalk import WITHHELD, Redactor, Walk, current, exception_text, stand_in

REENTERED = "[guard: message withheld, logged while redacting]"
_MISFIT = "[guard: arguments withheld, they do not fit the message]"
_NO_PATH = "[guard: path withheld]"

_ACCESS = "uvicorn.access"  # its formatter unpacks five arguments
_ACCESS_LINE = '%s - "%s %s HTTP/%s" %d'
_TEXTS = ("name", "threadName", "processName", "taskName", "message", "stack_info", "exc_text")
_OF_LOGGING = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def redact_record(record: logging.LogRecord, redactor: Redactor) -> None:
    """Redact message, arguments, extras, exception and stack of a record in place; raises nothing.

    The exception itself becomes a stand-in without frames, whose traceback is already text (`exc_text`).
    """
    try:
        with _once() as free:
            _redact_record(record, redactor) if free else _withhold(record, REENTERED)
    except Exception:
        _withhold(record, WITHHELD)


def redact_event(event: Any, redactor: Redactor) -> Any:
    """Redact an event of structlog, a dictionary or what a renderer made of it; raises nothing."""
    try:
        with _once() as free:
            return _redacted_event(event, redactor) if free else {"event": REENTERED}
    except Exception:
        return {"event": WITHHELD}


class _Busy(threading.local):
    """Whether this thread is redacting: what is logged meanwhile cannot be redacted in turn."""

    now = False


_busy = _Busy()


@contextmanager
def _once() -> Iterator[bool]:
    if _busy.now:
        yield False
        return
    _busy.now = True
    try:
        yield True
    finally:
        _busy.now = False


def _redact_record(record: logging.LogRecord, redactor: Redactor) -> None:
    walk = Walk(redactor)
    _redact_exception(record, redactor)
    _redact_message(record, redactor, walk)
    for name in _TEXTS:
        text = record.__dict__.get(name)
        if isinstance(text, str):
            record.__dict__[name] = redactor(text)
    for name in record.__dict__.keys() - _OF_LOGGING:
        record.__dict__[name] = walk.keyed(name, record.__dict__[name])


def _redact_exception(record: logging.LogRecord, redactor: Redactor) -> None:
    error = current(record.exc_info)
    if error is None:
        record.exc_info = None
        return
    if not record.exc_text:
        record.exc_text = exception_text(error, redactor)
    shown = stand_in(error, redactor)
    record.exc_info = (type(shown), shown, None)


def _redact_message(record: logging.LogRecord, redactor: Redactor, walk: Walk) -> None:
    if not isinstance(record.msg, str) and _redact_object(record, redactor, walk):
        return
    try:
        whole = record.getMessage()
    except Exception:
        # logging would print the arguments to stderr.
        record.msg, record.args = f"{redactor(record.msg)} {_MISFIT}", ()
        return
    shown, args = redactor(whole), walk.value(record.args)
    if shown == whole and args is record.args:
        return
    template = redactor(record.msg)
    if _fits(record, template, args, redactor):
        record.msg, record.args = template, args
    else:
        _flatten(record, args, shown)


def _redact_object(record: logging.LogRecord, redactor: Redactor, walk: Walk) -> bool:
    """Redact a message that is no text; whether that is all there is to do. structlog hands over dictionaries."""
    held: Any = record.msg
    shown = _event(held, redactor, walk) if isinstance(held, dict) else walk.value(held)
    line = str(shown)
    if not record.args and redactor(line) == line and (shown is held or isinstance(shown, dict)):
        record.msg = shown
        return True
    record.msg = str(held)
    return False


def _fits(record: logging.LogRecord, template: str, args: Any, redactor: Redactor) -> bool:
    """Whether template and arguments, redacted apart, hold nothing more when they come together."""
    trial = copy.copy(record)
    trial.msg, trial.args = template, args
    try:
        line = trial.getMessage()
    except Exception:
        return False
    return redactor(line) == line


def _flatten(record: logging.LogRecord, args: Any, shown: str) -> None:
    record.msg, record.args = shown, ()
    if record.name == _ACCESS and isinstance(args, tuple) and len(args) == 5:
        record.msg, record.args = _ACCESS_LINE, (*args[:2], _NO_PATH, *args[3:])


def _withhold(record: logging.LogRecord, why: str) -> None:
    record.msg, record.args = why, ()
    if record.name == _ACCESS:
        record.msg, record.args = _ACCESS_LINE, ("-", "-", why, "-", 0)
    record.exc_info = record.exc_text = record.stack_info = None
    record.__dict__.pop("message", None)
    for name in record.__dict__.keys() - _OF_LOGGING:
        record.__dict__[name] = WITHHELD


def _redacted_event(event: Any, redactor: Redactor) -> Any:
    walk = Walk(redactor)
    if not isinstance(event, dict):
        return walk.value(event)
    record = event.get("_record")  # structlog's ProcessorFormatter carries the record along
    if isinstance(record, logging.LogRecord):
        _redact_record(record, redactor)
    return _event(event, redactor, walk)


def _event(event: dict[Any, Any], redactor: Redactor, walk: Walk) -> Any:
    error = current(event.get("exc_info"))
    if error is not None:
        event = {key: value for key, value in event.items() if key != "exc_info"}
        event.setdefault("exception", exception_text(error, redactor))
    shown = walk.value(event)
    return shown if isinstance(shown, dict) else {"event": shown}
