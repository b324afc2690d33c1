"""The structlog processor: events, nested values, exceptions, on its own and over `logging`."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import structlog

from guard.keys import Keys
from guard.services.logs import (
    LogRedactor,
    install_log_redaction,
    structlog_processor,
    uninstall_log_redaction,
)
from guard.types import Action, Decision, Finding, Redaction

EMAIL = "canary.jane@corp.de"
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w")


def detect(text: str) -> list[Finding]:
    return [Finding("pii.email", *m.span(), 1.0, "test") for m in _EMAIL.finditer(text)]


def decide(findings: list[Finding]) -> Sequence[Decision]:
    return [Decision(f, Action.REDACT, Action.REDACT, "test", redaction=Redaction("faker")) for f in findings]


REDACTOR = LogRedactor(detect, decide, Keys(b"a master key for tests"))


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    yield io.StringIO()
    structlog.reset_defaults()


def logger(out: io.StringIO, *processors: Any) -> Any:
    return structlog.wrap_logger(structlog.PrintLogger(out), processors=list(processors))


def test_events_and_everything_bound_to_them(out: io.StringIO) -> None:
    """Event text, keys and values at any depth are redacted; what is clean keeps its type."""
    log = logger(out, structlog_processor(REDACTOR), structlog.processors.JSONRenderer())
    log.bind(user=EMAIL).info(f"sent to {EMAIL}", deep={"a": [{EMAIL: (EMAIL,)}]}, n=3, ok=True)
    line = json.loads(out.getvalue())
    assert "canary" not in out.getvalue()
    assert (line["n"], line["ok"]) == (3, True)


@pytest.mark.parametrize("exc_info", [True, "error", "triple"])
@pytest.mark.parametrize(
    "renderer", [structlog.processors.JSONRenderer(), structlog.dev.ConsoleRenderer(colors=False)]
)
def test_exceptions_in_each_form(out: io.StringIO, exc_info: Any, renderer: Any) -> None:
    """`exc_info` becomes redacted text before a renderer can show frames and their locals."""
    log = logger(out, structlog_processor(REDACTOR), structlog.processors.format_exc_info, renderer)
    try:
        raise ValueError(f"failed for {EMAIL}")
    except ValueError as error:
        forms = {True: True, "error": error, "triple": sys.exc_info()}
        log.error("boom", exc_info=forms[exc_info])
    assert "canary" not in out.getvalue()
    assert "ValueError: failed for" in out.getvalue()


def test_tracebacks_as_dictionaries_with_locals(out: io.StringIO) -> None:
    """Behind `dict_tracebacks`, which writes down every local variable, the processor walks them all."""
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=True)
    )
    log = logger(out, tracebacks, structlog_processor(REDACTOR), structlog.processors.JSONRenderer())
    secret_local = {"mail": EMAIL}
    try:
        raise ValueError(str(secret_local))
    except ValueError:
        log.exception("boom")
    assert "canary" not in out.getvalue()
    assert "boom" in out.getvalue()


def test_behind_the_renderer(out: io.StringIO) -> None:
    """A rendered line, text or bytes, is redacted as text."""
    log = logger(out, structlog.processors.JSONRenderer(), structlog_processor(REDACTOR))
    log.info("sent", to=EMAIL)
    assert "canary" not in out.getvalue()
    shown = structlog_processor(REDACTOR)(None, "info", f"line {EMAIL}".encode())
    assert shown.startswith(b"line ")
    assert b"canary" not in shown


def test_over_logging_with_structlogs_own_formatter(out: io.StringIO) -> None:
    """An event handed to `logging` keeps its keys, and its exception is text before the formatter sees it."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    under = logging.getLogger("tests.structlog")
    under.addHandler(handler)
    log = structlog.wrap_logger(
        under,
        processors=[structlog.stdlib.add_log_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    install_log_redaction(REDACTOR)
    try:
        try:
            raise ValueError(EMAIL)
        except ValueError:
            log.exception("boom", user=EMAIL, n=3)
        under.warning("foreign %s", EMAIL)
    finally:
        uninstall_log_redaction()
        under.removeHandler(handler)
    first, second = map(json.loads, out.getvalue().splitlines())
    assert "canary" not in out.getvalue()
    assert (first["event"], first["n"], first["level"]) == ("boom", 3, "error")
    assert "ValueError" in first["exception"]
    assert second["event"].startswith("foreign ")


def test_as_a_processor_of_the_formatter(out: io.StringIO) -> None:
    """In the formatter's chain the record travels inside the event, and is redacted there too."""
    record = logging.makeLogRecord({"msg": "to %s", "args": (EMAIL,), "user": EMAIL})
    event = structlog_processor(REDACTOR)(
        None, "info", {"event": "x", "_record": record, "_from_structlog": False}
    )
    assert event["_record"] is record
    assert "canary" not in record.getMessage() + record.__dict__["user"]


def test_a_failure_withholds_the_event() -> None:
    """An event that cannot be redacted is withheld; the line is still written."""

    class Broken(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError(EMAIL)

    def broken(text: str) -> str:
        raise RuntimeError(text)

    shown = structlog_processor(broken)(None, "info", {"event": EMAIL})
    assert shown == {"event": "[guard: message withheld, redaction failed]"}
    assert "canary" not in str(structlog_processor(REDACTOR)(None, "info", Broken(event=EMAIL)))
