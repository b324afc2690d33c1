"""How metrics leave: the text that Prometheus reads, and OTLP JSON for a Collector.

prometheus.io/docs/instrumenting/exposition_formats (0.0.4); names as OpenTelemetry's compatibility page maps them:
dots to underscores, the unit and `_total` at the end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from guard.trace import otlpjson
from guard.trace.instruments import BY_NAME, Instrument
from guard.trace.meter import Labels, Numbers, Snapshot

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

_UNITS = {"s": "_seconds", "USD": "_usd"}
_CUMULATIVE = 2
"""AGGREGATION_TEMPORALITY_CUMULATIVE of metrics.proto."""


def prometheus(snapshot: Snapshot) -> bytes:
    """Write a snapshot as Prometheus reads it."""
    return "".join(line + "\n" for line in _lines(snapshot)).encode()


def _lines(snapshot: Snapshot) -> Iterator[str]:
    for name, rows in snapshot.items():
        what = BY_NAME[name]
        shown = prometheus_name(what)
        yield f"# HELP {shown} {what.about}"
        yield f"# TYPE {shown} {what.kind}"
        for labels, numbers in rows.items():
            yield from _series(shown, what, labels, numbers)


def _series(shown: str, what: Instrument, labels: Labels, numbers: Numbers) -> Iterator[str]:
    pairs = _pairs(what, labels)
    if what.kind != "histogram":
        yield f"{shown}{_braced(pairs)} {_number(numbers[0])}"
        return
    for bound, count in zip((*what.bounds, math.inf), accumulate(numbers[1:]), strict=True):
        yield f"{shown}_bucket{_braced([*pairs, _pair('le', _number(bound))])} {_number(count)}"
    yield f"{shown}_sum{_braced(pairs)} {_number(numbers[0])}"
    yield f"{shown}_count{_braced(pairs)} {_number(sum(numbers[1:]))}"


def prometheus_name(what: Instrument) -> str:
    """The name of a metric in Prometheus."""
    name = what.name.replace(".", "_") + _UNITS.get(what.unit, "")
    return f"{name}_total" if what.kind == "counter" else name


def _pairs(what: Instrument, labels: Labels) -> list[str]:
    return [_pair(name, value) for name, value in zip(what.labels, labels, strict=True) if value]


def _pair(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{re.sub("[^a-zA-Z0-9_]", "_", name)}="{escaped}"'


def _braced(pairs: list[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)


def otlp(snapshot: Snapshot, resource: Mapping[str, Any], since_ns: int, now_ns: int) -> bytes:
    """Write a snapshot as the JSON of one ExportMetricsServiceRequest, cumulative since `since_ns`."""
    times = {"startTimeUnixNano": str(since_ns), "timeUnixNano": str(now_ns)}
    metrics = [_metric(BY_NAME[name], rows, times) for name, rows in snapshot.items()]
    scopes = [{"scope": {"name": "guard"}, "metrics": metrics}]
    told = {"attributes": otlpjson.key_values(resource)}
    return otlpjson.dumps({"resourceMetrics": [{"resource": told, "scopeMetrics": scopes}]})


def _metric(what: Instrument, rows: Mapping[Labels, Numbers], times: Mapping[str, str]) -> dict[str, Any]:
    head = {"name": what.name, "description": what.about, "unit": what.unit}
    points = [_point(what, labels, numbers, times) for labels, numbers in rows.items()]
    if what.kind == "gauge":
        return {**head, "gauge": {"dataPoints": points}}
    if what.kind == "counter":
        told = {"dataPoints": points, "aggregationTemporality": _CUMULATIVE, "isMonotonic": True}
        return {**head, "sum": told}
    return {**head, "histogram": {"dataPoints": points, "aggregationTemporality": _CUMULATIVE}}


def _point(what: Instrument, labels: Labels, numbers: Numbers, times: Mapping[str, str]) -> dict[str, Any]:
    named = {name: value for name, value in zip(what.labels, labels, strict=True) if value}
    head = {"attributes": otlpjson.key_values(named), **times}
    if what.kind != "histogram":
        return {**head, "asDouble": numbers[0]}
    counts = [str(int(count)) for count in numbers[1:]]
    return {
        **head,
        "count": str(int(sum(numbers[1:]))),
        "sum": numbers[0],
        "bucketCounts": counts,
        "explicitBounds": list(what.bounds),
    }
