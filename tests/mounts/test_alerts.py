"""Alerts of real calls: to the log, the record, the metrics and a webhook that is a real server."""

from __future__ import annotations

import http.server
import multiprocessing
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette

from guard import Gateway, Guard
from guard.alerting import Lookout
from guard.errors import SetupError
from guard.settings import Settings

pytestmark = pytest.mark.anyio

MAIL = "alice@corp.com"


@pytest.fixture
def hook() -> Iterator[Any]:
    """A server that takes messages: its URL, and what it got."""

    class Taker(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.got.append(orjson.loads(self.rfile.read(int(self.headers["content-length"]))))  # type: ignore[attr-defined]
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Taker)
    server.got = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(hook: Any) -> str:
    return f"http://127.0.0.1:{hook.server_port}/guard"


def made(tmp_path: Path, kit: Any, traffic: str, **settings: Any) -> Guard:
    (tmp_path / "p.yaml").write_text(f"{kit.quiet}traffic: {{{traffic}}}\n")
    home = {"home": tmp_path / "home", "exports": tmp_path / "exports"}
    return Guard.from_policy(tmp_path / "p.yaml", Settings(**home, **settings))


async def test_slow_calls_are_told_everywhere(
    tmp_path: Path, kit: Any, provider: Starlette, hook: Any, spans: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls over the line: one message in the log, the record and the webhook, and a metric while it fires; no text."""
    guard = made(tmp_path, kit, f"alerts: {{p50_s: 0.000001, webhook: '{url(hook)}'}}")
    gateway = Gateway(guard, upstream=provider.state.url)
    alerting = guard.alerting
    assert alerting is not None
    assert guard.ledger.ready
    alerting.look()
    for _ in range(20):
        await kit.request(gateway, body=kit.chat(f"hi {MAIL}"))
    for _ in range(5):
        alerting.look()
    assert 'guard_alert_firing{guard_alert_name="latency_p50",gen_ai_request_model="m"} 1' in text(guard)
    guard.close()
    [message] = hook.got
    assert (message["alert"], message["state"], message["model"]) == ("latency_p50", "firing", "m")
    assert message["runbook"] == "docs/runbook.md#latency_p50"
    assert (message["value"], message["line"], message["policy"]) == (1.0, 0.000001, "quiet")
    assert caplog.text.count("alert latency_p50 firing: 100 % of 20 calls of m") == 1
    [span] = [span for span in await spans(guard, "") if span["name"] == "guard.alert"]
    assert (span["guard.alert.name"], span["guard.alert.state"]) == ("latency_p50", "firing")
    assert "alice" not in f"{hook.got}{span}{caplog.text}"
    assert 'guard_alert_messages_total{guard_outcome="sent"} 1' in text(guard)


def text(guard: Guard) -> str:
    return guard.metering.prometheus().decode()


async def test_a_stream_is_measured_to_its_first_bytes(tmp_path: Path, kit: Any, provider: Starlette) -> None:
    """A stream that takes long because it is long is not slow; whole answers are no part of the first token's line."""
    guard = made(tmp_path, kit, "alerts: {p99_s: 60, first_token_ms: 0.001}")
    gateway = Gateway(guard, upstream=provider.state.url)
    await kit.request(gateway, body=kit.chat("hi", stream=True))
    await kit.request(gateway, body=kit.chat("hi"))
    where = 'gen_ai_request_model="m",guard_alert_name'
    assert f'guard_alert_calls_total{{{where}="latency_p99"}} 2' in text(guard)
    assert f'guard_alert_calls_total{{{where}="first_token"}} 1' in text(guard)
    assert f'guard_alert_calls_over_total{{{where}="first_token"}} 1' in text(guard)
    assert "latency_p99" not in "".join(line for line in text(guard).splitlines() if "_over_" in line)
    guard.close()


async def test_a_budget_s_line_is_told(tmp_path: Path, kit: Any, provider: Starlette, hook: Any) -> None:
    """The lines that the policy asks for reach the webhook, once a period; others stay in the log and the record."""
    prices = "prices: {m: {input: 1000, output: 1000}}"
    guard = made(
        tmp_path,
        kit,
        f"budget: {{usd_per_day: 0.12, {prices}}}, alerts: {{budget: [50, 100]}}",
        alert_webhook=url(hook),
    )
    gateway = Gateway(guard, upstream=provider.state.url)
    answers = [await kit.request(gateway, body=kit.chat("hi", max_tokens=20)) for _ in range(12)]
    assert answers[-1].status == 429
    guard.close()
    told = [(row["alert"], row["percent"], row["scope"], row["line"]) for row in hook.got]
    assert sorted(told) == [("budget", 50, "total", 0.12), ("budget", 100, "total", 0.12)]


def test_a_webhook_outside_the_residency_stops_the_start(tmp_path: Path, kit: Any) -> None:
    """C30: alerts leave through the same gate as calls: where the host is, the table or the policy must say."""
    alerts = "alerts: {p99_s: 2, webhook: 'https://hooks.example.org/x'}"
    (tmp_path / "p.yaml").write_text(f"{kit.quiet}egress: {{jurisdictions: [EEA]}}\ntraffic: {{{alerts}}}\n")
    folders = {"home": tmp_path / "home", "exports": tmp_path / "e"}
    with pytest.raises(SetupError, match=r"webhook .* may not be reached"):
        Guard.from_policy(tmp_path / "p.yaml", Settings(**folders))
    hidden = Settings(**folders, alert_webhook="https://hooks.example.org/s3cret")
    with pytest.raises(SetupError, match="GUARD_ALERT_WEBHOOK") as caught:
        Guard.from_policy(tmp_path / "p.yaml", hidden)
    assert "s3cret" not in str(caught.value)


def test_one_of_several_looks(tmp_path: Path) -> None:
    """Of the processes that share a folder one looks at the numbers of all, so that each change is told once."""
    first, second = Lookout(tmp_path), Lookout(tmp_path)
    assert [first.holds(), second.holds(), first.holds()] == [True, False, True]
    child = multiprocessing.get_context("fork").Process(target=lambda: os._exit(first.holds()))
    child.start()
    child.join(10)
    assert child.exitcode == 0  # a forked child has the handle, and not the lock
    first.release()
    assert second.holds()
    second.release()
    assert Lookout(None).holds()


def test_without_lines_nothing_watches(tmp_path: Path, kit: Any) -> None:
    """A policy without alerts has no thread, no line and no webhook."""
    guard = made(tmp_path, kit, "retries: {attempts: 2}")
    assert guard.alerting is None
    assert guard.metrics.lines == ()
    guard.ledger.commit_sync(b"{}")
    assert not {t.name for t in threading.enumerate()} & {"guard-alerts", "guard-webhook", "guard-metrics"}
    guard.close()


async def test_the_lines_follow_the_policy_in_force(
    tmp_path: Path, kit: Any, provider: Starlette, hook: Any
) -> None:
    """A policy that is loaded anew: its lines are watched from then on; where it cannot be loaded, those before it."""
    guard = made(tmp_path, kit, "alerts: {p50_s: 60}")
    assert guard.ledger.ready
    assert [line.alert for line in guard.metrics.lines] == ["latency_p50"]
    policy = f"{kit.quiet}traffic: {{alerts: {{p99_s: 3, webhook: '{url(hook)}'}}}}\n"
    (tmp_path / "p.yaml").write_text(policy)
    guard.reload()
    assert [line.alert for line in guard.metrics.lines] == ["latency_p99"]
    (tmp_path / "p.yaml").write_text(
        f"{policy}egress: {{jurisdictions: [EEA]}}\n".replace("127.0.0.1", "hooks.example.org")
    )
    with pytest.raises(SetupError, match=r"webhook .* may not be reached"):
        guard.reload()
    assert [line.alert for line in guard.metrics.lines] == ["latency_p99"]
    (tmp_path / "p.yaml").write_text(kit.quiet)
    guard.reload()
    assert guard.metrics.lines == ()
    guard.close()
