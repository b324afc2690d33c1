"""Spans: OTLP JSON as the protocol's own decoder reads it, recorded whatever the environment says."""

from __future__ import annotations

import base64
import gc
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from guard.trace import columns, otlpjson, spans
from guard.trace.columns import Columns, encode
from guard.trace.provider import IDS, Ids
from guard.trace.spans import Recorder, finding_events, remote_parent
from guard.types import Action, Decision, Finding, Stage, Verdict

REMOTE = SpanContext(2**127 + 5, 2**63 + 1, is_remote=True, trace_flags=TraceFlags(0))


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


def decode(line: bytes) -> ExportTraceServiceRequest:
    """Decode a line with protobuf's own JSON reader, after OTLP's one exception (ids are hex, not base64)."""

    def ids(value: Any) -> Any:
        if isinstance(value, list):
            return [ids(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode()
            if key in ("traceId", "spanId", "parentSpanId")
            else ids(item)
            for key, item in value.items()
        }

    return json_format.ParseDict(ids(json.loads(line)), ExportTraceServiceRequest())


def only(line: bytes) -> dict[str, Any]:
    """The one span of a line."""
    [resource] = json.loads(line)["resourceSpans"]
    [scope] = resource["scopeSpans"]
    [span] = scope["spans"]
    return span


def attributes(encoded: list[dict[str, Any]]) -> dict[str, Any]:
    """Attributes as a plain mapping of key to AnyValue."""
    return {item["key"]: item["value"] for item in encoded}


SCALARS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
)
VALUES = SCALARS | st.lists(st.text(max_size=4)) | st.lists(st.integers(0, 9)) | st.lists(st.floats(0, 1))
ATTRIBUTES = st.dictionaries(st.text(min_size=1, max_size=10), VALUES, max_size=6)


@given(
    given_=ATTRIBUTES, prepared=ATTRIBUTES, on_event=ATTRIBUTES, failed=st.booleans(), linked=st.booleans()
)
def test_a_line_is_what_the_sdk_would_have_exported(
    recorder: Recorder,
    given_: dict[str, Any],
    prepared: dict[str, Any],
    on_event: dict[str, Any],
    failed: bool,
    linked: bool,
) -> None:
    """Decoded officially, a line equals, field by field, the official encoding of the same SDK span.

    But for the order of attributes: what questions are asked of stands in columns, and first.
    """
    own = {f"a.{key}": value for key, value in given_.items()}
    fixed = {f"p.{key}": value for key, value in prepared.items()}
    parent = None if linked else REMOTE
    span = recorder.start(
        "chat gpt-x",
        kind="client",
        parent=parent,
        links=[REMOTE] if linked else [],
        attributes=own,
        prepared=encode(fixed) if fixed else None,
    )
    span.event("guard.finding", on_event)
    if failed:
        span.error("pii.email")
    line = span.end()
    written = only(line)
    expected = ReadableSpan(
        name="chat gpt-x",
        context=span.context,
        parent=parent,
        resource=Resource({"service.name": "guard", "service.version": spans._version()}),
        attributes={**own, **({"error.type": "pii.email"} if failed else {}), **fixed},
        events=[Event("guard.finding", on_event, int(written["events"][0]["timeUnixNano"]))],
        links=[Link(REMOTE)] if linked else [],
        kind=SpanKind.CLIENT,
        status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
        start_time=int(written["startTimeUnixNano"]),
        end_time=int(written["endTimeUnixNano"]),
        instrumentation_scope=InstrumentationScope("guard", spans._version()),
    )
    decoded, encoded = decode(line), encode_spans([expected])
    for request in (decoded, encoded):
        [span_] = request.resource_spans[0].scope_spans[0].spans
        for owner in (span_, *span_.events):
            owner.attributes.sort(key=lambda one: one.key)
    assert decoded == encoded


@given(st.text(), ATTRIBUTES)
def test_a_line_is_one_line_for_every_reader(recorder: Recorder, text: str, given_: dict[str, Any]) -> None:
    """D05: CR, LF, ANSI, U+2028 and the like in a value leave one line of JSON, for any notion of a line."""
    hostile = text + '\r\n\x1b[31m\x85\u2028\u2029\x9b{"fake":1}'
    span = recorder.start("x", attributes={**given_, "model": hostile})
    span.event("e", {"list": [hostile]})
    line = span.end()
    assert len(line.decode().splitlines()) == 1
    assert "\x9b" not in line.decode()
    found = attributes(only(line)["attributes"])["model"]["stringValue"]
    assert found == hostile or "model" in given_


class Digits(float):
    """A number as the body reader gives it: a subclass that remembers how it was written."""


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (2**63, {"stringValue": str(2**63)}),
        (float("nan"), {"doubleValue": "NaN"}),
        (float("-inf"), {"doubleValue": "-Infinity"}),
        (True, {"boolValue": True}),
        (Stage.INPUT, {"stringValue": "input"}),
        (Action.BLOCK, {"intValue": "3"}),
        (Digits("0.30"), {"doubleValue": 0.3}),
        ("\ud800", {"stringValue": "?"}),
        ("x" * 9000, {"stringValue": "x" * 8192 + "…"}),
        (None, None),
    ],
    ids=str,
)
def test_no_value_makes_a_line_unreadable(recorder: Recorder, value: object, encoded: object) -> None:
    """What int64, JSON or UTF-8 cannot hold is written as something they can; None is absent."""
    line = recorder.start("x", attributes={"v": value}).end()
    assert attributes(only(line)["attributes"]).get("v") == encoded
    decode(line)


def test_an_object_is_no_attribute(recorder: Recorder) -> None:
    """What has no place in OTLP is a programming error, and its text is not quoted."""
    with pytest.raises(TypeError, match="can hold a dict"):
        recorder.start("x", attributes={"v": {"secret": "text"}}).end()


CHILD = """
import json, random
random.seed(7)
from opentelemetry.trace import SpanContext, TraceFlags
from guard.trace.spans import Recorder, remote_parent
caller = remote_parent({"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-00"})
recorder = Recorder()
span = recorder.start("guard.screen", parent=caller, links=[caller] * 3,
                      attributes={f"k{n}": "value" * 100 for n in range(500)})
for n in range(300):
    span.event("guard.finding", {f"e{n}": "text" for n in range(200)})
print(span.end().decode())
print(recorder.start("guard.screen").end().decode())
"""

SWITCHES = {
    "OTEL_SDK_DISABLED": "true",
    "OTEL_TRACES_SAMPLER": "always_off",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_PYTHON_TRACER_PROVIDER": "none",
    "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,leak=1",
    "OTEL_SERVICE_NAME": "other",
    "OTEL_SPAN_EVENT_COUNT_LIMIT": "not a number",
    **{
        f"OTEL_{what}_LIMIT": "1"
        for what in (
            "ATTRIBUTE_COUNT",
            "ATTRIBUTE_VALUE_LENGTH",
            "SPAN_ATTRIBUTE_COUNT",
            "SPAN_ATTRIBUTE_VALUE_LENGTH",
            "SPAN_LINK_COUNT",
            "EVENT_ATTRIBUTE_COUNT",
            "LINK_ATTRIBUTE_COUNT",
        )
    },
}


def test_no_environment_variable_silences_or_cuts_the_record() -> None:
    """Law 5: kill switch, sampler, limits and a caller's `traceparent …-00` change nothing of what is recorded."""
    environment = {**os.environ, **SWITCHES}
    run = subprocess.run([sys.executable, "-c", CHILD], env=environment, capture_output=True, check=True)
    first, second = map(only, run.stdout.splitlines())
    assert first["traceId"] == "a" * 32
    assert first["parentSpanId"] == "b" * 16
    assert len(attributes(first["attributes"])) == 500
    assert attributes(first["attributes"])["k0"] == {"stringValue": "value" * 100}
    assert len(first["events"]) == 300
    assert len(first["events"][0]["attributes"]) == 200
    assert len(first["links"]) == 3
    assert second["traceId"] not in ("0" * 32, "a" * 32)
    assert b"other" not in run.stdout
    assert b"leak" not in run.stdout


def test_who_listens_is_given_model_calls_as_spans_of_the_sdk() -> None:
    """A processor on guard's own provider, not on the global one, hears a recording span of the ids on record."""
    recorder, heard = Recorder(), InMemorySpanExporter()
    above = recorder.start("above")
    unheard = recorder.start("x", kind="client", parent=above)
    recorder.listeners.add_span_processor(SimpleSpanProcessor(heard))
    span = recorder.start("x", kind="client", parent=above)
    line, silent = only(span.end()), only(unheard.end())
    [told] = heard.get_finished_spans()
    assert f"{told.context.span_id:016x}" == line["spanId"] == span.span_id
    assert f"{told.context.trace_id:032x}" == line["traceId"] == above.trace_id
    assert f"{told.parent.span_id:016x}" == line["parentSpanId"] == silent["parentSpanId"] == above.span_id
    assert told.end_time == int(line["endTimeUnixNano"])
    assert span.context.trace_flags.sampled
    assert told.context == span.context
    assert line.keys() == silent.keys()
    assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"


def test_no_provider_of_the_sdk_outlives_its_making() -> None:
    """After a fork the SDK has each provider that lives ask for its resource in threads: a child hangs there."""
    before = [one for one in gc.get_objects() if isinstance(one, TracerProvider)]
    recorder = Recorder()
    recorder.start("x", kind="client").end()
    gc.collect()
    assert [one for one in gc.get_objects() if isinstance(one, TracerProvider) and one not in before] == []


def test_ids_do_not_come_from_the_random_module(recorder: Recorder) -> None:
    """An application that seeds `random` gets no trace id twice."""
    import random

    seen = set()
    for _ in range(2):
        random.seed(1)
        IDS.forget()
        seen.add(recorder.start("x").trace_id)
    assert len(seen) == 2


def test_threads_draw_no_id_twice() -> None:
    """However the threads take turns (here at each line of `draw`), each byte of a page goes to one of them."""
    ids = Ids()

    def pause(frame: FrameType, event: str, argument: Any) -> Any:
        time.sleep(1e-6)
        return pause if frame.f_code is Ids.draw.__code__ else None

    before = threading.gettrace()
    threading.settrace(pause)
    try:
        with ThreadPoolExecutor(4) as pool:
            drawn = list(pool.map(lambda _: [ids.draw(8) for _ in range(200)], range(4)))
    finally:
        threading.settrace(before)  # type: ignore[arg-type]
    seen = [one for row in drawn for one in row]
    assert len(set(seen)) == len(seen) == 800
    assert {len(one) for one in seen} == {8}


def test_ids_are_drawn_whole_and_never_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """W3C Trace Context: an id of zeros is none; the rest of a page is no id either."""
    pages = [bytes(4096), b"a" * 4096, b"b" * 4096]
    monkeypatch.setattr(os, "urandom", lambda size: pages.pop(0)[:size])
    ids = Ids()
    assert [ids.draw(size) for size in (16, 4000, 81)] == [b"a" * 16, b"a" * 4000, b"b" * 81]


def test_a_forked_child_draws_ids_of_its_own() -> None:
    """A server that forks its workers: none of them has the rest of the parent's page."""
    script = """
import os, warnings
warnings.simplefilter("ignore")
from guard.trace.provider import IDS
IDS.draw(8)
child = os.fork()
if child:
    os.waitpid(child, 0)
print(IDS.draw(8).hex(), flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert len(set(done.stdout.split())) == 2


def test_kinship(recorder: Recorder) -> None:
    """In-process the current span is the parent, else the one given; an invalid context makes a root."""
    outer = recorder.start("outer")
    with outer.current():
        inner = recorder.start("inner")
        root = recorder.start("root", parent=trace.INVALID_SPAN_CONTEXT)
        assert spans.current_parent() == outer.context
    given_ = recorder.start("given", parent=outer)
    assert spans.current_parent() is None
    assert only(inner.end())["parentSpanId"] == only(given_.end())["parentSpanId"] == outer.span_id
    assert inner.trace_id == outer.trace_id != root.trace_id
    assert "parentSpanId" not in only(root.end())


def test_an_exception_leaves_its_class_and_no_word(recorder: Recorder) -> None:
    """C31: neither `error` nor a span that was current when it passed records the text of an exception."""
    span = recorder.start("x")

    def fail() -> None:
        with span.current():
            raise ConnectionError("sk-CANARY zhang.san@example.com")

    with pytest.raises(ConnectionError) as caught:
        fail()
    span.error(caught.value)
    line = span.end()
    assert b"CANARY" not in line
    assert only(line)["status"] == {"code": 2}
    assert attributes(only(line)["attributes"])["error.type"] == {"stringValue": "ConnectionError"}


def test_an_error_code_with_spaces_is_not_recorded(recorder: Recorder) -> None:
    """C31: a sentence given as an error type may quote someone; it becomes `_OTHER`."""
    span = recorder.start("x")
    span.error("cannot reach zhang.san@example.com")
    assert attributes(only(span.end())["attributes"])["error.type"] == {"stringValue": "_OTHER"}


def test_a_span_ends_once(recorder: Recorder) -> None:
    """A second end gives the same bytes; what is set in between changes nothing."""
    span = recorder.start("x")
    line = span.end()
    span.set("late", 1)
    assert span.end() == line


def test_a_clock_that_jumps_back_makes_no_negative_span(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C36: the length of a span comes from a monotonic clock."""
    span = recorder.start("x")
    monkeypatch.setattr("time.time_ns", lambda: 0)
    span.event("e")
    written = only(span.end())
    times = [written["startTimeUnixNano"], written["events"][0]["timeUnixNano"], written["endTimeUnixNano"]]
    assert times == sorted(times, key=int)


@pytest.mark.parametrize(
    ("value", "trace_id"),
    [
        ("00-" + "a" * 32 + "-" + "b" * 16 + "-01", "a" * 32),
        ("00-" + "a" * 32 + "-" + "b" * 16 + "-00", "a" * 32),
        ("cc-" + "a" * 32 + "-" + "b" * 16 + "-01-what the future will be like", "a" * 32),
        ("ff-" + "a" * 32 + "-" + "b" * 16 + "-01", None),
        ("00-" + "0" * 32 + "-" + "b" * 16 + "-01", None),
        ("00-" + "a" * 32 + "-" + "0" * 16 + "-01", None),
        ("00-" + "A" * 32 + "-" + "b" * 16 + "-01", None),
        ("00-" + "a" * 31 + "-" + "b" * 16 + "-01", None),
        ("", None),
        ("中" * 9, None),
    ],
)
def test_traceparent(value: str, trace_id: str | None) -> None:
    """W3C Trace Context: a valid header gives a remote context, anything else none."""
    found = remote_parent({"TraceParent": value, "tracestate": "a=b"})
    assert (found and f"{found.trace_id:032x}") == trace_id
    assert found is None or found.is_remote
    assert remote_parent([(b"traceparent", value.encode()), (b"x", b"")]) == found
    assert remote_parent([(b"traceparent", value.encode()), (b"traceparent", value.encode())]) is None


def test_tracestate_of_the_caller_is_not_exported(recorder: Recorder) -> None:
    """Law 3: `tracestate` is free text; a context that carries it leaves none of it in the line."""
    state = trace.TraceState([("vendor", "zhang.san@example.com")])
    parent = SpanContext(1, 2, is_remote=True, trace_state=state)
    assert b"zhang" not in recorder.start("x", parent=parent, links=[parent]).end()


def verdict(count: int) -> Verdict:
    """Findings of one rule in one path, the last of which blocks, and one of another kind."""
    found = [
        Decision(
            Finding("pii.email", n, n + 5, 0.4 + 0.001 * n, f"source{n % 2}", "messages[0].content"),
            Action.BLOCK if n == count - 1 else Action.FLAG,
            Action.FLAG,
            "pii.*",
            "strict.yaml:7",
        )
        for n in range(count)
    ]
    other = Decision(
        Finding("pii.phone", 1, 9, 1.0, "pattern", "messages[1].content"), Action.ALLOW, Action.ALLOW, ""
    )
    return Verdict(Stage.INPUT, Action.BLOCK, Action.FLAG, (*found, other))


def test_findings_are_grouped_and_allowed_ones_are_told_too() -> None:
    """One event for each kind, rule and path, with the highest action and every place."""
    events = finding_events(verdict(3), lambda finding: f"hash{finding.start}")
    assert [(name, attributes["kind"], attributes["action"]) for name, attributes in events] == [
        ("guard.finding", "pii.email", "block"),
        ("guard.finding", "pii.phone", "allow"),
    ]
    assert events[0][1] == {
        "kind": "pii.email",
        "source": "source0,source1",
        "rule": "pii.*",
        "origin": "strict.yaml:7",
        "action": "block",
        "enforced": "flag",
        "path": "messages[0].content",
        "count": 3,
        "scores": [0.4, 0.401, 0.402],
        "starts": [0, 1, 2],
        "ends": [5, 6, 7],
        "subjects": ["hash0", "hash1", "hash2"],
        "truncated": None,
    }


TEXTS = st.text(max_size=70)


RECURRING = (
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "%", "%b", "100 %d", "x" * 70])
)
OWN = (
    RECURRING
    | st.text(max_size=9)
    | st.just("x" * 9000)
    | st.floats()
    | st.integers()
    | st.lists(st.text(max_size=3), max_size=2)
)
KEYS = ["tenant", "model", "check.one", "check.two", "id", "tokens", "last", "policy"]


@given(st.data(), st.lists(st.sampled_from(KEYS), unique=True), st.booleans())
def test_a_record_that_is_like_one_before_is_written_as_if_it_were_not(
    data: st.DataObject, keys: list[str], more: bool
) -> None:
    """Whatever recurs, in whatever order and with whatever type, and whatever only one record has."""
    made = Columns(("policy", "id", "tenant"), together="check.", recurring=("tenant", "model"))
    prepared = encode({"policy": "50 %", "mode": "x"}) if more else None
    for _ in range(4):
        kinds = {key: RECURRING if key[:6] in ("tenant", "model", "check.") else OWN for key in keys}
        told = {key: data.draw(kind) for key, kind in kinds.items()}
        encoded = encode(told) if prepared is None else encode(told).and_then(prepared)
        assert made.row(told, prepared) == made.row(told, prepared) == made.spread(encoded)


def test_what_recurs_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what one record has alone is encoded again; forms are as many as may be kept."""
    made = Columns(("id", "tenant"), together="check.", recurring=("tenant",))
    first, second = encode({"policy": "first"}), encode({"policy": "second"})
    told = {"check.one": "ran", "tenant": "acme", "tokens": 7, "id": "a"}
    one = made.row(told, first)
    assert list(made._shape(tuple(told)).forms.values()) == [None]  # what comes once has no form
    assert made.row(told, first) == one
    assert (b"first" in one, b"second" in made.row(told, second)) == (True, True)
    asked: list[str] = []
    monkeypatch.setattr(columns, "_piece", lambda key, value: asked.append(key))
    assert made.row({**told, "id": "b"}, first) == one.replace(b'"a"', b'"b"')
    assert not asked
    monkeypatch.undo()
    assert made.row({**told, "tokens": 2**70}, first) == made.spread(
        encode({**told, "tokens": 2**70}).and_then(first)
    )
    listed = {**told, "tenant": ["a"]}
    assert made.row(listed, first) == made.spread(encode(listed).and_then(first))
    for number in range(1000):
        made.row({**told, "tenant": f"t{number}"}, first)
    assert len(made._shape(tuple(told)).forms) <= 256


@given(st.lists(TEXTS, min_size=6, max_size=6), st.floats(0, 1), st.integers(0, 9**18), st.integers(0, 9**18))
def test_a_lone_finding_is_written_as_any_event(texts: list[str], score: float, start: int, end: int) -> None:
    """The quick way of the events that nearly all are gives the bytes of the long one."""
    recorder = Recorder()
    kind, source, path, rule, origin, subject = texts
    found = Finding(kind, start, end, score, source, path)
    decision = Decision(found, Action.REDACT, Action.FLAG, rule, origin)
    verdict_ = Verdict(Stage.INPUT, Action.REDACT, Action.FLAG, (decision,))
    [(name, attributes)] = finding_events(verdict_, lambda _: subject)
    one, other = recorder.start("x"), recorder.start("x")
    one.event(name, attributes)
    other.event(name, {**attributes})
    quick, long = (span.end().split(b"\t")[-15:] for span in (one, other))
    assert quick == long
    assert b'"kind"' in quick[0]


def test_arrays_of_a_finding_are_capped_and_say_so() -> None:
    """A hostile text with thousands of values makes no gigabyte line; the count is kept."""
    _, attributes_ = finding_events(verdict(5000), lambda finding: "")[0]
    assert attributes_["count"] == 5000
    assert attributes_["truncated"] is True
    assert {len(attributes_[name]) for name in ("scores", "starts", "ends", "subjects")} == {64}


def test_a_body_of_thousands_of_paths_makes_no_gigabyte_line() -> None:
    """Beyond the limit findings are told once a kind and rule; none is uncounted, no action is lost."""
    allow = Action.ALLOW
    found = [
        Decision(Finding("pii.email", 0, 5, 1.0, "pattern", f"input[{n}]"), allow, allow, "pii.*")
        for n in range(5000)
    ]
    last = Decision(Finding("pii.email", 0, 5, 1.0, "pattern", "x"), Action.BLOCK, Action.BLOCK, "pii.*")
    events = finding_events(Verdict(Stage.INPUT, Action.BLOCK, Action.BLOCK, (*found, last)), lambda _: "")
    assert len(events) == spans.EVENT_LIMIT + 1
    assert sum(attributes["count"] for _, attributes in events) == 5001
    rest = events[-1][1]
    assert (rest["path"], rest["action"], rest["truncated"]) == ("*", "block", True)


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_lines_join_into_one_request(texts: list[str]) -> None:
    """The copy for a Collector holds exactly the spans of the lines."""
    recorder = Recorder()
    lines = [recorder.start("x", attributes={"t": text}).end() for text in texts]
    joined = decode(otlpjson.request(lines))
    assert list(joined.resource_spans) == [decode(line).resource_spans[0] for line in lines]
