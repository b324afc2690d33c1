"""`guard serve` as a process: how it starts, what it says where it cannot, two workers, and its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import orjson
import pytest

pytestmark = pytest.mark.slow

CARD = "4111 1111 1111 1111"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    foreign = ("GUARD_", "OPENAI_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    return {**kept, "GUARD_HOME": str(tmp_path / "home"), "GUARD_EXPORTS": str(tmp_path / "exports")}


@pytest.fixture
def quiet_policy(tmp_path: Path, make_guard: Any) -> str:
    (tmp_path / "quiet.yaml").write_text(make_guard.quiet)
    return str(tmp_path / "quiet.yaml")


def run(environment: dict[str, str], *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "guard", "serve", *arguments]
    return subprocess.run(
        command, env={**environment, **more}, capture_output=True, text=True, timeout=60, check=False
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(environment: dict[str, str], *arguments: str, **more: str) -> Iterator[tuple[Any, str]]:
    port = free_port()
    command = [sys.executable, "-m", "guard", "serve", "--port", str(port), *arguments]
    said = Path(environment["GUARD_HOME"]).with_name("said")
    with said.open("w") as output:
        process = subprocess.Popen(command, env={**environment, **more}, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}/v1"
    try:
        with httpx2.Client(trust_env=False) as client:
            for _ in range(600):
                try:
                    client.get(f"{url}/models")
                    break
                except httpx2.TransportError:
                    assert process.poll() is None, said.read_text()
                    time.sleep(0.05)
        yield process, url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def assert_counted_by_all(client: httpx2.Client, url: str, sent: int) -> None:
    """Each new connection may meet either worker: all of them come to tell the same, within a snapshot's second."""
    counted: list[float] = []
    for _ in range(200):
        text = client.get(url.replace("/v1", "/metrics"), headers={"connection": "close"}).text
        rows = [
            row for row in text.splitlines() if row.startswith("http_server_request_duration_seconds_count")
        ]
        rows = [row for row in rows if 'guard_endpoint="chat"' in row]
        counted.append(sum(float(row.rpartition(" ")[2]) for row in rows))
        if counted[-12:] == [sent] * 12:
            return
        time.sleep(0.05)
    raise AssertionError(f"{sent} calls were made, and these were told: {counted[-12:]}")


def assert_whole(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "guard", "audit", "verify"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_it_serves_with_the_caller_s_key(environment: dict[str, str], provider: Any, tmp_path: Path) -> None:
    """D16: no key in the environment: on loopback the caller's own bearer is used; one start line; a clean end.

    A15: a websocket is refused in words, and no advice in the log on how to let it in.
    """
    ask: Any = [{"role": "user", "content": f"my card is {CARD}"}]
    with (
        running(environment, "--upstream", provider.state.url) as (process, url),
        openai.OpenAI(base_url=url, api_key="sk-mine", max_retries=0) as client,
    ):
        said = client.chat.completions.create(model="m", messages=ask).choices[0].message.content
        upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
        socket_ = httpx2.get(f"{url}/realtime", headers=upgrade | {"sec-websocket-key": "aGVsbG93b3JsZA=="})
    assert socket_.status_code == 403
    assert "lets none of its websockets pass" in socket_.json()["error"]["message"]
    assert said == f"You wrote: my card is {CARD}"
    chats = [row for row in provider.state.received if row.path.endswith("/chat/completions")]
    assert [dict(row.headers)[b"authorization"] for row in chats] == [b"Bearer sk-mine"]
    assert process.returncode in (0, -signal.SIGTERM)
    assert_whole(environment)
    (line,) = (tmp_path / "said").read_text().splitlines()
    assert line.startswith("guard: policy default ")
    assert f"→ {provider.state.url}; listening on {url}" in line


def test_two_workers_serve_and_leave_whole_records(
    environment: dict[str, str], provider: Any, quiet_policy: str, tmp_path: Path
) -> None:
    """C39 C47: `--workers 2`: both serve, share one key, write files of their own, and end with whole chains.

    Whichever of them is asked for `/metrics`, it tells what both did. SIGHUP reaches each: it says in its own file
    which policy it has now. One that is killed is replaced; while the policy's file is bad, what takes its place
    waits, says why in one line, and the other one serves.
    """
    arguments = ("--upstream", provider.state.url, "--policy", quiet_policy, "--workers", "2")
    exports = tmp_path / "exports"
    sent = 0
    with (
        running(environment, *arguments, GUARD_RELOAD_S="0") as (process, url),
        httpx2.Client(trust_env=False) as client,
    ):
        for _ in range(400):
            body = {"model": "m", "messages": [{"role": "user", "content": CARD}]}
            answer = client.post(f"{url}/chat/completions", json=body, headers={"connection": "close"})
            assert answer.json()["choices"][0]["message"]["content"] == f"You wrote: {CARD}"
            sent += 1
            if len(list(exports.glob("*.jsonl"))) > 1:
                break
        assert_counted_by_all(client, url, sent)
        policy = Path(quiet_policy)
        policy.write_text(policy.read_text().replace('version: "1"', 'version: "2"'))
        process.send_signal(signal.SIGHUP)
        for _ in range(600):
            acknowledged = [b"guard.policy.before" in file.read_bytes() for file in exports.glob("*.jsonl")]
            if all(acknowledged):
                break
            time.sleep(0.05)
        good = policy.read_text()
        policy.write_text("policy: [")
        written = min(exports.glob("*.jsonl"))
        os.kill(int(written.name.split("-")[2]), signal.SIGKILL)
        assert_told(tmp_path / "said", "cannot start yet, the others go on: ")
        policy.write_text(good)
        for _ in range(600):
            assert client.post(
                f"{url}/chat/completions", json=body, headers={"connection": "close"}
            ).is_success
            if len(list(exports.glob("*.jsonl"))) == 3:
                break
            time.sleep(0.05)
    assert acknowledged == [True, True]
    assert process.returncode == 0
    assert len(list(exports.glob("*.jsonl"))) == 3
    assert_whole(environment)
    said = (tmp_path / "said").read_text()
    assert "ended (signal 9): another takes its place" in said
    assert "Traceback" not in said


def assert_told(said: Path, sentence: str) -> None:
    for _ in range(600):
        if sentence in said.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(said.read_text())


@pytest.mark.parametrize(
    ("arguments", "more", "sentence"),
    [
        (["--host", "0.0.0.0"], {}, "GUARD_CLIENT_KEYS"),
        (["--host", "0.0.0.0"], {"GUARD_CLIENT_KEYS": "acme:k"}, "GUARD_UPSTREAM_KEY"),
        ([], {"GUARD_CLIENT_KEYS": "acme"}, "tenant:key"),
        ([], {"GUARD_KEY": "short"}, "GUARD_KEY is shorter"),
        (["--policy", "no-such-pack"], {}, "no-such-pack:1:"),
        (["--policy", "eu", "--upstream", "https://api.openai.com/v1"], {}, "use eu.api.openai.com"),
        (["--upstream", "ftp://x/v1"], {}, "not an http or https host"),
        (["--upstream", "http://127.0.0.1:9/v1"], {}, "GUARD_MODERATION_URL"),
    ],
)
def test_what_cannot_start_says_so_in_one_line(
    environment: dict[str, str], arguments: list[str], more: dict[str, str], sentence: str
) -> None:
    """A16: exit code 2 and one line on stderr that says what to do; no traceback, no key."""
    ran = run(environment, "--port", "0", *arguments, **more)
    assert ran.returncode == 2, ran.stderr
    assert sentence in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stdout == ""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_missing_judge_is_one_sentence(environment: dict[str, str], provider: Any, workers: str) -> None:
    """A16: an upstream without a moderation endpoint stops the start before any worker is started."""
    provider.state.script.fail("moderations", "404", forever=True)
    ran = run(environment, "--upstream", provider.state.url, "--port", "0", "--workers", workers)
    assert ran.returncode == 2, ran.stderr
    assert "has no moderation endpoint" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_one_sentence(
    environment: dict[str, str], provider: Any, quiet_policy: str
) -> None:
    """A16: the port of somebody else stops the start with exit code 2."""
    port = provider.state.url.rsplit(":", 1)[1].removesuffix("/v1")
    ran = run(environment, "--upstream", provider.state.url, "--port", port, "--policy", quiet_policy)
    assert ran.returncode == 2, ran.stderr
    assert f"cannot listen on 127.0.0.1, port {port}" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_it_drains_when_it_is_stopped(
    environment: dict[str, str], provider: Any, quiet_policy: str, tmp_path: Path
) -> None:
    """C48: after SIGTERM a new request is refused with 503 and Retry-After, the open stream goes on to its end, and the
    record and the access log are whole when the process is gone.
    """
    log = tmp_path / "access.jsonl"
    provider.state.script.reply = lambda body: "some words more " * 100
    provider.state.script.pause_s = 0.005
    arguments = ("--upstream", provider.state.url, "--policy", quiet_policy, "--access-log", str(log))
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    with (
        running(environment, *arguments) as (process, url),
        httpx2.Client(trust_env=False, timeout=60) as client,
        client.stream("POST", f"{url}/chat/completions", json=body) as stream,
    ):
        chunks = stream.iter_bytes()
        answer = next(chunks)
        process.send_signal(signal.SIGTERM)
        for _ in range(400):
            late = client.post(f"{url}/chat/completions", json=body | {"stream": False})
            if late.status_code == 503:
                break
        assert (late.json()["error"]["code"], late.headers["retry-after"]) == ("guard.draining", "1")
        assert client.get(url.replace("/v1", "/readyz")).status_code == 503
        answer += b"".join(chunks)
        process.wait(20)
    assert answer.endswith(b"data: [DONE]\n\n")
    assert process.returncode in (0, -signal.SIGTERM)
    assert_whole(environment)
    statuses = [orjson.loads(line)["status"] for line in log.read_bytes().splitlines()]
    assert 503 in statuses
    assert statuses[-1] == 200
