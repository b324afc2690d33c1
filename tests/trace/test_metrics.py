"""Metrics as numbers: what is counted, how it is bounded, added up over workers, and written for two readers."""

from __future__ import annotations

import json
import multiprocessing
import re
import threading
from itertools import accumulate
from pathlib import Path

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from guard.trace import instruments as all_
from guard.trace.exposition import otlp, prometheus, prometheus_name
from guard.trace.instruments import INSTRUMENTS
from guard.trace.meter import SERIES, Meter, merged
from guard.trace.metrics import NAMES, Called, Metrics
from guard.trace.records import OTHER
from guard.trace.snapshots import Shared
from guard.trace.ticker import Ticker
from guard.types import Action, Decision, Finding, Receipt, Receipts, Stage, Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
FORK = multiprocessing.get_context("fork")


def called(model: str = "m", error: str = "", answered: bool = True, seconds: float = 0.5) -> Called:
    return Called("chat", "openai", model, "api.test", 443, seconds, 0.1, error, 12, 34, answered)


@pytest.mark.parametrize(
    "name", sorted({label for one in INSTRUMENTS for label in one.labels if "guard." in label})
)
def test_every_label_of_guard_s_is_explained(name: str) -> None:
    """The page names each label that is no attribute of OpenTelemetry's."""
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("what", INSTRUMENTS, ids=lambda what: what.name)
def test_every_metric_is_explained(what: all_.Instrument) -> None:
    """Each stands in the page's tables with its kind, and the page names none that is gone."""
    [row] = [
        line for line in PAGE.splitlines() if line.startswith("|") and f"`{what.name}`" in line.split("|")[1]
    ]
    assert what.kind in row
    told = set(re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE))
    assert set(re.findall(r"`([a-z0-9_.]+)`", " ".join(told))) == {one.name for one in INSTRUMENTS}


@given(st.lists(st.floats(min_value=0, max_value=200), min_size=1, max_size=60))
def test_a_bucket_holds_what_is_at_most_its_bound(values: list[float]) -> None:
    """Up to each bound as many are counted as are not above it, and all of them in the end (Prometheus' `le`)."""
    meter = Meter()
    for value in values:
        meter.observe(all_.COMMIT, ("",), value)
    total, *counts = meter.snapshot()[all_.COMMIT.name]["",]
    assert total == pytest.approx(sum(values))
    for bound, count in zip(all_.COMMIT.bounds, accumulate(counts), strict=False):
        assert count == sum(value <= bound for value in values)
    assert sum(counts) == len(values)


def test_names_that_callers_choose_are_bounded() -> None:
    """A model is named once it answered, a tenant if it is an identifier, a hundred each; a text is never a label."""
    metrics = Metrics()
    metrics.called(called("made-up", error="404", answered=False))
    metrics.called(called("my card is 4111 1111 1111 1111"))
    for number in range(NAMES + 50):
        metrics.called(called(f"m{number}"))
        metrics.cost(f"t{number}", "m1", 5)
    metrics.cost("Jane Doe, +1 202 555 0143", "made-up", 5)
    text = prometheus(metrics.meter.snapshot()).decode()
    assert set(re.findall(r'model="([^"]+)"', text)) == {OTHER, *(f"m{n}" for n in range(NAMES))}
    assert set(re.findall(r'tenant="([^"]+)"', text)) == {OTHER, *(f"t{n}" for n in range(NAMES))}


def test_a_model_has_its_name_from_its_first_answer_on() -> None:
    """What failed before counts as `_OTHER`, what fails afterwards under the model: labels are not fixed too early."""
    metrics = Metrics()
    for answered in (False, False, True, False):
        metrics.called(called("m", error="" if answered else "503", answered=answered))
    counted = metrics.meter.snapshot()[all_.DURATION.name]
    assert {labels[2:]: sum(row[1:]) for labels, row in counted.items()} == {
        (OTHER, "api.test", "443", "503"): 2,
        ("m", "api.test", "443", ""): 1,
        ("m", "api.test", "443", "503"): 1,
    }


def test_a_provider_s_odd_numbers_do_no_harm() -> None:
    """A count below zero is none: a sum that goes down would read as a process that began anew."""
    metrics = Metrics()
    metrics.called(called()._replace(input=-5, output=None))
    [row] = metrics.meter.snapshot()[all_.USAGE.name].values()
    assert (row[0], sum(row[1:])) == (0, 1)


def test_the_series_of_an_instrument_are_bounded() -> None:
    """What comes beyond a thousand label sets is counted together, and nothing is lost."""
    meter = Meter()
    for number in range(SERIES + 100):
        meter.add(all_.RETRIES, (f"m{number}",))
    rows = meter.snapshot()[all_.RETRIES.name]
    assert len(rows) == SERIES + 1
    assert rows[OTHER,] == (100,)


def test_a_check_that_failed_open_is_counted_once() -> None:
    """E11: each exchange counts what became of its checks, whatever stage tells it, and a failure beside a success."""
    metrics, receipts = Metrics(), Receipts()
    receipts.note("detect", Receipt.RAN)
    metrics.checked(receipts)
    receipts.note("detect", Receipt.RAN)
    receipts.note("moderation", Receipt.FAILED_OPEN)
    for _ in range(3):
        metrics.checked(receipts)
    assert metrics.meter.snapshot()[all_.CHECKS.name] == {
        ("detect", "ran"): (1,),
        ("moderation", "failed_open"): (1,),
    }


def test_verdicts_and_findings_tell_what_was_enforced() -> None:
    """What the rules said and what was done are two labels: observing shows as the difference."""
    metrics = Metrics()
    cards = tuple(
        Decision(Finding("pii.card", n, n + 1, 1.0, "pattern"), Action.BLOCK, Action.ALLOW, "pii.*")
        for n in range(3)
    )
    metrics.decided(Verdict(Stage.INPUT, Action.BLOCK, Action.ALLOW, cards), "acme")
    counted = metrics.meter.snapshot()
    assert counted[all_.VERDICTS.name] == {("input", "block", "allow", "acme"): (1,)}
    assert counted[all_.FINDINGS.name] == {("input", "pii.card", "allow"): (3,)}


def test_workers_are_added_up_and_the_dead_keep_what_they_counted(tmp_path: Path) -> None:
    """Counters and histograms add, of gauges the sum or the highest; a worker that is gone leaves its counters only."""
    now = [1000.0]
    first, second = (Shared(tmp_path, clock=lambda: now[0]) for _ in range(2))
    one, other = Metrics(), Metrics()
    for metrics, depth, state in ((one, 2, 1), (other, 3, 2)):
        metrics.called(called())
        metrics.put({all_.DEPTH: [(("ledger",), depth)], all_.BREAKER: [(("api.test", "m"), state)]})
    second.write(other.meter.snapshot())
    both = first.with_others(one.meter.snapshot())
    assert sum(both[all_.DURATION.name]["chat", "openai", "m", "api.test", "443", ""][1:]) == 2
    assert (both[all_.DEPTH.name]["ledger",], both[all_.BREAKER.name]["api.test", "m"]) == ((5,), (2,))
    now[0] += 60
    left = first.with_others(one.meter.snapshot())
    assert sum(left[all_.DURATION.name]["chat", "openai", "m", "api.test", "443", ""][1:]) == 2
    assert (left[all_.DEPTH.name]["ledger",], left[all_.BREAKER.name]["api.test", "m"]) == ((2,), (1,))


@pytest.mark.parametrize("left", [b"", b"{", b"[1,[[", b'[1,[["no.such",[],[1]]]]', b"null", b"[1]"])
def test_a_file_that_cannot_be_read_is_passed_over(tmp_path: Path, left: bytes) -> None:
    """Half a file, or one of another version, takes nothing from the others' numbers."""
    (tmp_path / "9.json").write_bytes(left)
    meter = Meter()
    meter.add(all_.RETRIES, ("m",))
    assert Shared(tmp_path).with_others(meter.snapshot()) == meter.snapshot()


@given(st.lists(st.lists(st.floats(min_value=0, max_value=99), max_size=9), min_size=1, max_size=4))
def test_it_does_not_matter_which_worker_counted(split: list[list[float]]) -> None:
    """The sum over workers is what one worker would have counted."""
    meters = [Meter() for _ in split]
    alone = Meter()
    for meter, values in zip(meters, split, strict=True):
        for value in values:
            meter.observe(all_.COMMIT, ("",), value)
            alone.observe(all_.COMMIT, ("",), value)
    together, one = merged(meter.snapshot() for meter in meters), alone.snapshot()
    assert together.keys() == one.keys()
    for name, rows in one.items():
        assert together[name]["",][1:] == rows["",][1:]
        assert together[name]["",][0] == pytest.approx(rows["",][0])


def _retry(model: str) -> tuple[all_.Instrument, tuple[str, ...]]:
    return all_.RETRIES, (model,)


def test_what_is_told_is_counted_before_the_numbers_are_read() -> None:
    """Events of many threads are added up together: none is lost, none is counted twice, few wait."""
    meter, waiting = Meter(), []

    def tell() -> None:
        for _ in range(1500):
            meter.tell([(_retry, "m"), (_retry, "n")])
            waiting.append(len(meter._told))

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    meter.add(all_.RETRIES, ("m",))
    assert meter.snapshot()[all_.RETRIES.name] == {("m",): (6001,), ("n",): (6000,)}
    assert meter.snapshot()[all_.RETRIES.name] == {("m",): (6001,), ("n",): (6000,)}
    assert max(waiting) < 2000


def test_a_forked_child_begins_at_zero() -> None:
    """What the parent counted is the parent's: a pre-forking server would tell it once a child."""
    meter = Meter()
    meter.add(all_.RETRIES, ("m",))
    meter.tell([(_retry, "m")])
    out, into = FORK.Pipe(False)
    child = FORK.Process(target=lambda: into.send(meter.snapshot()))
    child.start()
    assert out.recv() == {}
    child.join(10)
    assert meter.snapshot() != {}


def test_a_forked_child_leaves_a_file_of_its_own(tmp_path: Path) -> None:
    """Numbers of parent and child are two files: neither writes over the other's."""
    shared, meter = Shared(tmp_path), Meter()
    meter.add(all_.RETRIES, ("m",))
    shared.write(meter.snapshot())
    child = FORK.Process(target=lambda: (meter.add(all_.RETRIES, ("m",), 2), shared.write(meter.snapshot())))
    child.start()
    child.join(10)
    assert shared.with_others(meter.snapshot())[all_.RETRIES.name] == {("m",): (3,)}


def filled() -> Metrics:
    metrics = Metrics()
    metrics.called(called())
    metrics.called(called(error="timeout", answered=False, seconds=7))
    metrics.put({all_.DEPTH: [(("ledger",), 2)]})
    metrics.cost("acme", "m", 1_500)
    return metrics


def test_prometheus_reads_it() -> None:
    """Each line is a comment or a sample of the text format; buckets are cumulative and end in all."""
    text = prometheus(filled().meter.snapshot()).decode()
    sample = re.compile(r'[a-z_]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? [0-9.e+-]+')
    for line in text.splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or sample.fullmatch(line), line
    where = 'gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="m"'
    head = f'gen_ai_client_operation_duration_seconds_bucket{{{where},server_address="api.test",server_port="443"'
    assert f'{head},le="0.32"}} 0\n' in text
    assert f'{head},le="0.64"}} 1\n' in text
    assert f'{head},error_type="timeout",le="+Inf"}} 1\n' in text
    assert 'guard_cost_usd_total{guard_tenant="acme",gen_ai_request_model="m"} 0.0015\n' in text
    assert len({prometheus_name(what) for what in INSTRUMENTS}) == len(INSTRUMENTS)


def test_a_collector_reads_it() -> None:
    """The JSON is an ExportMetricsServiceRequest: cumulative, with explicit buckets that count every value."""
    body = otlp(filled().meter.snapshot(), {"service.name": "guard"}, 1, 2)
    request = json_format.Parse(body, ExportMetricsServiceRequest())
    metrics = {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}
    [done, failed] = metrics["gen_ai.client.operation.duration"].histogram.data_points
    assert list(done.explicit_bounds) == list(all_.TIMES)
    assert (sum(done.bucket_counts), done.count, done.sum) == (1, 1, 0.5)
    assert {a.key: a.value.string_value for a in failed.attributes}["error.type"] == "timeout"
    assert metrics["guard.cost"].sum.is_monotonic
    assert metrics["guard.queue.depth"].gauge.data_points[0].as_double == 2
    assert json.loads(body)["resourceMetrics"][0]["resource"]["attributes"][0]["key"] == "service.name"


def test_no_variable_of_the_environment_silences_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SDK_DISABLED, a metric reader that is none, an exemplar filter that does not exist: nothing changes."""
    for name, value in (
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "nonsense"),
    ):
        monkeypatch.setenv(name, value)
    assert filled().meter.snapshot()[all_.COST.name] == {("acme", "m"): (0.0015,)}


def test_a_ticker_goes_on_after_a_failure_and_acts_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """What fails is logged by its class; closing acts once more."""
    done, twice = [0], threading.Event()

    def act() -> None:
        done[0] += 1
        if done[0] == 2:
            twice.set()
        raise OSError("secret")

    ticker = Ticker("guard-test", 0.001, act)
    ticker.start()
    ticker.start()
    assert twice.wait(10)
    before = done[0]
    ticker.close()
    assert done[0] > before
    assert "guard-test: OSError" in caplog.text
    assert "secret" not in caplog.text
