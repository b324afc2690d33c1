"""What a guarded client leaves on record: who, what was decided, and never what was said."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from starlette.applications import Starlette

from guard import Guard, guarded_client, identity
from guard.audit.query import connect as audit
from guard.keys import keyed_hash
from guard.simulator.server import serve

ROOT = Path(__file__).parents[2]
MAIL, CARD = "canary.alice@corp.com", "4111 1111 1111 1111"
Connect = Callable[..., Any]


@pytest.fixture
def fresh(make_guard: Any, request: pytest.FixtureRequest) -> Guard:
    """A judging guard whose exports are this test's own."""
    text = make_guard.judging + "input: {rules: {pii.card: block}}\nmoderation: {cache_s: 0}\n"
    guard: Guard = make_guard(text, f"'{request.node.name}'")
    return guard


def spans(guard: Guard, *names: str) -> list[dict[str, Any]]:
    """The spans of the guard's export in their order, once there is one that begins with each of the names."""
    found: list[dict[str, Any]] = []
    for _ in range(1500):
        files = sorted(guard.settings.exports.glob("*.jsonl"))
        lines = [line for file in files for line in file.read_bytes().split(b"\n")[:-1]]
        found = [s for line in lines for s in json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]]
        told = [s["name"] for s in found]
        if all(sum(t.startswith(name) for t in told) >= names.count(name) for name in names):
            break
        time.sleep(0.02)
    return [
        {a["key"]: next(iter(a["value"].values())) for a in s["attributes"]}
        | {"name": s["name"], "trace": s["traceId"], "events": s.get("events", [])}
        for s in found
        if s["name"] not in ("guard.start", "guard.policy.loaded")
    ]


def named(found: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [span for span in found if span["name"].startswith(name)]


# one call


def test_a_call_is_an_intent_and_an_outcome(connect: Connect, fresh: Guard) -> None:
    """Law 5: the intent with its destination, the judge's call with its scores, the outcome: one trace."""
    answer = connect(fresh).chat(f"Ask {MAIL}")
    found = spans(fresh, "guard.screen", "moderation", "chat")
    (screen,), (judge,), (model,) = (named(found, name) for name in ("guard.screen", "moderation", "chat"))
    assert {s["trace"] for s in (screen, judge, model)} == {screen["trace"]}
    assert screen["guard.mount"] == "client"
    assert (screen["guard.stage"], screen["guard.enforced"]) == ("input", "redact")
    assert (screen["guard.residency.host"], screen["guard.residency.decision"]) == ("127.0.0.1", "admitted")
    assert float(judge["guard.moderation.score.violence"]["values"][0]["doubleValue"]) >= 0
    assert (model["guard.stage"], model["gen_ai.request.model"]) == ("output", "m")
    assert model["gen_ai.response.id"] == answer.id
    assert model["guard.check.moderation"] == "ran"


def test_the_trace_of_an_answer_is_named_in_its_headers(connect: Connect, fresh: Guard) -> None:
    """`x-guard-trace` is the trace id of the record, of answers and of refusals."""
    messages = [{"role": "user", "content": CARD}]
    sdk = connect(fresh)
    with pytest.raises(openai.PermissionDeniedError) as caught:
        sdk(lambda c: c.chat.completions.create(model="m", messages=messages))
    (screen,) = spans(fresh, "guard.screen")
    assert caught.value.response.headers["x-guard-trace"] == screen["trace"]
    assert (screen["guard.enforced"], screen["error.type"]) == ("block", "pii.card")


def test_nothing_that_was_said_is_on_record(connect: Connect, provider: Starlette, fresh: Guard) -> None:
    """C31 D06: no original and no key in spans, events or errors: answers, streams, blocks, failures, retries."""
    sdk = connect(fresh, max_retries=1)
    provider.state.script.reply = lambda body: f"It is <EMAIL_1>, or {CARD}, or canary.bob@corp.com."
    with identity(tenant="acme", user=MAIL):
        sdk.chat(f"Ask {MAIL}", user=MAIL, metadata={"who": MAIL})
        sdk.chat_stream(f"Ask {MAIL}")
    for trouble in ("echo", "500", "bad_json", "disconnect", "redirect"):
        provider.state.script.fail("chat", trouble, trouble)
        with pytest.raises(openai.APIError):
            sdk.chat(f"Ask {MAIL}")
    with pytest.raises(openai.PermissionDeniedError):
        sdk.chat(f"{MAIL} {CARD}")
    with pytest.raises(openai.APIStatusError):
        sdk(lambda c: c.post(f"https://canary.example/{MAIL}", body={"messages": [MAIL]}, cast_to=object))
    provider.state.script.fail("moderations", "500", forever=True)
    with pytest.raises(openai.APIError):
        sdk.chat(f"Ask {MAIL}")
    assert len(named(spans(fresh, *["guard.screen"] * 12, *["chat"] * 10), "chat")) >= 8
    for file in fresh.settings.exports.rglob("*"):
        text = file.read_text(errors="replace")
        canaries = ("canary.alice", "canary.bob", "4111 1111", "41111111", "sk-app")
        assert not [canary for canary in canaries if canary in text]


def test_the_outcome_of_a_stream_is_on_record(connect: Connect, provider: Starlette, fresh: Guard) -> None:
    """Usage, finish reason and screened bytes of a stream; its judge's calls beside it."""
    provider.state.script.reply = lambda body: "A fine day it is, they say. " * 6
    connect(fresh).chat_stream("hi", stream_options={"include_usage": True})
    (chat,) = named(spans(fresh, "chat"), "chat")
    assert chat["gen_ai.request.stream"] is True
    assert chat["gen_ai.response.finish_reasons"]["values"] == [{"stringValue": "stop"}]
    assert int(chat["gen_ai.usage.output_tokens"]) > 0
    assert int(chat["guard.bytes.screened"]) == len("A fine day it is, they say. " * 6)
    assert chat["guard.action"] == "allow"


def test_findings_are_events(connect: Connect, fresh: Guard) -> None:
    """One event a kind, rule and path: offsets, scores and hashed subjects, never the value."""
    connect(fresh).chat(f"{MAIL}, again {MAIL}")
    (event,) = spans(fresh, "guard.screen")[0]["events"]
    found = {a["key"]: a["value"] for a in event["attributes"]}
    assert found["kind"] == {"stringValue": "pii.email"}
    assert found["count"] == {"intValue": "2"}
    subjects = [v["stringValue"] for v in found["subjects"]["arrayValue"]["values"]]
    assert len(set(subjects)) == 1
    assert [v["intValue"] for v in found["starts"]["arrayValue"]["values"]] == ["0", "29"]


# who calls


def test_the_identity_is_on_record_as_a_hash(connect: Connect, fresh: Guard) -> None:
    """`guard.identity(...)` names tenant and user of a guarded client's calls; the user is hashed."""
    sdk = connect(fresh)
    with identity(tenant="acme", user="u1"):
        sdk.chat("hi")
    sdk.chat("hi")
    screens = named(spans(fresh, "guard.screen", "guard.screen"), "guard.screen")
    assert [s["guard.tenant"] for s in screens] == ["acme", "default"]
    assert [s.get("guard.user") for s in screens] == [keyed_hash(fresh.keys.users, "u1"), None]


def test_the_body_names_the_user_before_the_identity(connect: Connect, fresh: Guard) -> None:
    """`safety_identifier`, else `user`, else the identity; the tenant never comes from the body."""
    sdk = connect(fresh)
    with identity(tenant="acme", user="u1"):
        sdk.chat("hi", user="u2", safety_identifier="u3", metadata={"tenant": "other"})
        sdk.chat("hi", user="u2")
    screens = named(spans(fresh, "guard.screen", "guard.screen"), "guard.screen")
    assert [s["guard.user"] for s in screens] == [keyed_hash(fresh.keys.users, u) for u in ("u3", "u2")]
    assert {s["guard.tenant"] for s in screens} == {"acme"}


def test_identities_do_not_mix_between_tasks(provider: Starlette, fresh: Guard) -> None:
    """A17: each task has its own identity, also where they run at once."""

    async def run() -> None:
        http = guarded_client(guard=fresh, base_url=provider.state.url)
        async with openai.AsyncOpenAI(api_key="k", base_url=provider.state.url, http_client=http) as client:

            async def ask(user: str) -> None:
                with identity(tenant=f"tenant-{user}", user=user):
                    await asyncio.sleep(0)
                    await client.chat.completions.create(
                        model="m", messages=[{"role": "user", "content": user}]
                    )

            await asyncio.gather(*(ask(f"u{i}") for i in range(20)))

    asyncio.run(run())
    screens = named(spans(fresh, *["guard.screen"] * 20), "guard.screen")
    assert {s["guard.tenant"]: s["guard.user"] for s in screens} == {
        f"tenant-u{i}": keyed_hash(fresh.keys.users, f"u{i}") for i in range(20)
    }


# many at once


def test_exchanges_never_see_each_others_placeholders(provider: Starlette, quiet: Guard) -> None:
    """B30: 200 calls at once, in tasks and in threads: `<EMAIL_1>` of each is its own caller's address."""
    url = provider.state.url
    expected = {f"person{i}@corp{i}.com" for i in range(200)}

    async def tasks() -> list[str]:
        http = guarded_client(guard=quiet, base_url=url)
        async with openai.AsyncOpenAI(api_key="k", base_url=url, http_client=http, max_retries=0) as client:
            calls = [
                client.chat.completions.create(model="m", messages=[{"role": "user", "content": mail}])
                for mail in sorted(expected)
            ]
            return [a.choices[0].message.content or "" for a in await asyncio.gather(*calls)]

    def threads() -> list[str]:
        http = guarded_client(guard=quiet, sync=True, base_url=url)
        with openai.OpenAI(api_key="k", base_url=url, http_client=http, max_retries=0) as client:

            def ask(mail: str) -> str:
                messages: Any = [{"role": "user", "content": mail}]
                stream = client.chat.completions.create(model="m", messages=messages, stream=True)
                return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)

            with ThreadPoolExecutor(16) as pool:
                return list(pool.map(ask, sorted(expected)))

    for answers in (asyncio.run(tasks()), threads()):
        assert answers == [f"You wrote: {mail}" for mail in sorted(expected)]
    sent = [row.body.decode() for row in provider.state.received]
    assert len(sent) == 400
    assert all("<EMAIL_1>" in body and "@corp" not in body for body in sent)


# a process that dies

CHILD = """
import sys, openai
from guard import guarded_client
policy, url, sync = sys.argv[1:]
messages = [{"role": "user", "content": "Ask canary.alice@corp.com"}]
if sync == "True":
    client = openai.OpenAI(api_key="k", base_url=url, http_client=guarded_client(policy, sync=True, base_url=url))
    while True:
        client.chat.completions.create(model="m", messages=messages)
else:
    import asyncio
    async def main():
        client = openai.AsyncOpenAI(api_key="k", base_url=url, http_client=guarded_client(policy, base_url=url))
        while True:
            await asyncio.gather(*(client.chat.completions.create(model="m", messages=messages) for _ in range(3)))
    asyncio.run(main())
"""


class Deadly:
    """A provider that answers some calls and then kills its client in the middle of one."""

    def __init__(self, exports: Path, answers: int) -> None:
        self.exports = exports
        self.answers = answers
        self.child: subprocess.Popen[bytes] | None = None
        self.calls = 0
        self.unrecorded = 0
        self.dead = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        self.calls += 1
        self.unrecorded += intents(self.exports) < self.calls
        if self.calls > self.answers and self.child is not None:
            os.kill(self.child.pid, signal.SIGKILL)
            self.dead.set()
            return
        message = {"role": "assistant", "content": "fine"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = json.dumps(
            {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        )
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})


def intents(exports: Path) -> int:
    """How many intents are on record, whole lines only."""
    lines = [line for f in exports.glob("*.jsonl") for line in f.read_bytes().split(b"\n")[:-1]]
    names = [json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for line in lines]
    return names.count("guard.screen")


@pytest.mark.slow
@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("answers", [0, 4])
def test_no_call_without_an_intent_on_record(
    tmp_path: Path, make_guard: Any, sync: bool, answers: int
) -> None:
    """C39: kill -9 around the call: the provider never saw a call whose intent was not on disk before it."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(make_guard.quiet)
    exports = tmp_path / "exports"
    app = Deadly(exports, answers)
    with serve(app) as url:
        env = {**os.environ, "GUARD_HOME": str(tmp_path / "home"), "GUARD_EXPORTS": str(exports)}
        command = [sys.executable, "-c", CHILD, str(policy), f"{url}/v1", str(sync)]
        app.child = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
        assert app.dead.wait(timeout=90)
        assert app.child.wait(timeout=30) == -signal.SIGKILL
    assert app.calls > answers
    assert app.unrecorded == 0
    assert intents(exports) >= app.calls
    rows = audit(exports).execute("SELECT outcome, count(*) FROM calls GROUP BY 1").fetchall()
    assert dict(rows)["unknown"] >= 1
    assert b"canary.alice" not in b"".join(f.read_bytes() for f in exports.iterdir())
