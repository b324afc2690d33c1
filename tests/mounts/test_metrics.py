"""Metrics of real calls: the official client and the gateway before a simulated provider."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette

from guard import Guard
from guard.mounts.gateway import Gateway
from guard.outside.stores.spend import Account
from guard.settings import Settings

MAIL = "alice@corp.com"


def numbers(guard: Guard) -> dict[str, float]:
    """The samples of the Prometheus text, by series."""
    rows = (
        line.rpartition(" ") for line in guard.metering.prometheus().decode().splitlines() if line[0] != "#"
    )
    return {series: float(value) for series, _, value in rows}


def total(guard: Guard, name: str, **labels: str) -> float:
    """The sum of the series of a name that have these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return sum(
        value
        for series, value in numbers(guard).items()
        if re.split(r"[{ ]", series)[0] == name and all(label in series for label in wanted)
    )


@pytest.fixture
def gateway(make_guard: Any, provider: Starlette) -> Gateway:
    return Gateway(make_guard(owner="metrics"), upstream=provider.state.url)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_counted(
    connect: Callable[..., Any], make_guard: Any, kit: Any, provider: Starlette, stream: bool
) -> None:
    """One call: its duration, its tokens, its verdicts, findings and checks, and the commit that it waited for."""
    guard = make_guard(kit.quiet, owner=f"counted-{stream}-{connect.__qualname__}-{id(connect)}")
    client = connect(guard)
    if stream:
        client.chat_stream(f"hi {MAIL}", stream_options={"include_usage": True})
    else:
        client.chat(f"hi {MAIL}")
    where = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai", "gen_ai_request_model": "m"}
    assert total(guard, "gen_ai_client_operation_duration_seconds_count", **where) == 1
    assert total(guard, "gen_ai_client_operation_time_to_first_chunk_seconds_count", **where) == stream
    for kind in ("input", "output"):
        assert total(guard, "gen_ai_client_token_usage_count", gen_ai_token_type=kind) == 1
        assert total(guard, "gen_ai_client_token_usage_sum", gen_ai_token_type=kind) > 0
    assert total(guard, "guard_verdicts_total", guard_stage="input", guard_action="redact") == 1
    assert total(guard, "guard_verdicts_total", guard_stage="output") == 1
    assert total(guard, "guard_findings_total", guard_kind="pii.email", guard_enforced="redact") == 1
    assert total(guard, "guard_checks_total", guard_check="detect", guard_outcome="ran") == 1
    assert total(guard, "guard_checks_total", guard_check="record", guard_outcome="ran") == 1
    assert total(guard, "guard_residency_total", guard_decision="admitted") == 1
    assert total(guard, "guard_ledger_commit_duration_seconds_count") == 1
    assert "alice" not in guard.metering.prometheus().decode()


@pytest.mark.anyio
async def test_a_fail_open_is_counted(make_guard: Any, kit: Any, provider: Starlette) -> None:
    """E11: a judge that is out while the policy lets that pass shows in checks and in findings; one that blocks too."""
    for rule, outcome in (("flag", "failed_open"), ("block", "failed_closed")):
        rules = make_guard.judging + f'output: {{rules: {{"guard.unavailable.*": {rule}}}}}\n'
        guard = make_guard(rules, owner="e11", moderation_url=provider.state.url, moderation_key="sk-judge")
        provider.state.script.fail("moderations", "500", forever=True)
        answer = await kit.request(Gateway(guard, upstream=provider.state.url), body=kit.chat("hi"))
        assert answer.status == (200 if rule == "flag" else 503)
        assert total(guard, "guard_checks_total", guard_check="moderation", guard_outcome=outcome) == 1
        assert (
            total(
                guard, "guard_findings_total", guard_kind="guard.unavailable.moderation", guard_enforced=rule
            )
            == 1
        )


@pytest.mark.anyio
async def test_a_destination_that_is_only_observed_is_counted(
    make_guard: Any, kit: Any, provider: Starlette
) -> None:
    """E11: under `egress.mode: observe` a call that left against the rules is counted as such."""
    guard = make_guard(f"{kit.quiet}egress: {{jurisdictions: [EEA], mode: observe}}\n")
    await kit.request(Gateway(guard, upstream=provider.state.url), body=kit.chat("hi"))
    assert total(guard, "guard_residency_total", guard_decision="observed") == 1


@pytest.mark.anyio
async def test_a_refused_request_is_counted(gateway: Gateway, kit: Any) -> None:
    """What never reaches a model has a verdict and a request's duration, and no model call."""
    body = kit.chat([{"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}}])
    assert (await kit.request(gateway, body=body)).status == 403
    guard = gateway.guard
    assert total(guard, "guard_verdicts_total", guard_stage="input", guard_enforced="block") == 1
    assert total(guard, "guard_findings_total", guard_kind="guard.opaque.image") == 1
    assert total(guard, "http_server_request_duration_seconds_count", http_response_status_code="403") == 1
    assert total(guard, "gen_ai_client_operation_duration_seconds_count") == 0


@pytest.mark.anyio
async def test_tries_circuits_and_budgets_are_told(tmp_path: Path, kit: Any, provider: Starlette) -> None:
    """Tries by how they ended, the circuit of each model, what is spent of which limit, and the cost by tenant."""
    file = tmp_path / "p.yaml"
    file.write_text(
        f"{kit.quiet}traffic:\n  retries: {{attempts: 2, max_wait_s: 0.01}}\n  dead_letters: true\n"
        "  budget: {usd_per_day: 100, tenant_usd_per_month: 7, prices: {m: {input: 1000, output: 1000}}}\n"
    )
    guard = Guard.from_policy(file, Settings(home=tmp_path / "home", exports=tmp_path / "exports"))
    provider.state.script.fail("chat", "503")
    answer = await kit.request(Gateway(guard, upstream=provider.state.url), body=kit.chat("hi", max_tokens=9))
    assert answer.status == 200
    usd = answer.json["usage"]["total_tokens"] / 1000
    assert total(guard, "guard_attempts_total", error_type="503") == 1
    assert total(guard, "guard_attempts_total", gen_ai_request_model="m") == 1
    assert total(guard, "guard_retries_total") == 1
    assert numbers(guard)['guard_breaker_state{server_address="127.0.0.1",gen_ai_request_model="m"}'] == 0
    day = {"guard_spend_scope": "total", "guard_spend_period": "day"}
    month = {"guard_spend_scope": "tenant:default", "guard_spend_period": "month"}
    assert total(guard, "guard_budget_spent_usd", **day) == pytest.approx(usd)
    assert total(guard, "guard_budget_limit_usd", **day) == 100
    assert total(guard, "guard_budget_spent_usd", **month) == pytest.approx(usd)
    assert total(guard, "guard_budget_limit_usd", **month) == 7
    assert total(guard, "guard_cost_usd_total", guard_tenant="default") == pytest.approx(usd)
    provider.state.script.fail("chat", "503", "503")
    await kit.request(Gateway(guard, upstream=provider.state.url), body=kit.chat("hi", max_tokens=9))
    assert total(guard, "guard_letters_total", error_type="retries_exhausted") == 1
    assert guard.dispatch is not None
    assert guard.dispatch.budget is not None
    store = guard.dispatch.budget._store
    store.reserve([Account("tenant:Jane Doe", guard.dispatch.budget._periods()[0])], 5).result(10)
    assert "Jane" not in guard.metering.prometheus().decode()
    guard.close()


def test_a_copy_goes_to_the_collector(tmp_path: Path, kit: Any) -> None:
    """C30: a Collector gets numbers at /v1/metrics; one that is out costs nothing, and dropped copies are counted."""
    (tmp_path / "p.yaml").write_text(kit.quiet)
    settings = Settings(home=tmp_path / "h", exports=tmp_path / "e", otlp_endpoint="http://127.0.0.1:9")
    guard = Guard.from_policy(tmp_path / "p.yaml", settings)
    posted: list[tuple[str, Any]] = []
    guard.metering._post = lambda url, body: posted.append((url, orjson.loads(body))) or 200  # type: ignore[func-returns-value]
    guard.ledger.commit_sync(b"{}")
    guard.close()
    [(url, body)] = posted
    assert url == "http://127.0.0.1:9/v1/metrics"
    names = {metric["name"] for metric in body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]}
    assert {"guard.trace.copies", "guard.info", "guard.queue.depth"} <= names
    assert total(guard, "guard_trace_copies_total", guard_outcome="dropped") >= 1
