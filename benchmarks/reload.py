"""Case C47: a policy that changes while requests run as fast as they can: two versions, and a file that is broken.

    python benchmarks/reload.py [--seconds S] [--clients N] [--every S]

The middleware around an application in one process: no socket, so that as many requests as possible fall into each
change. One version replaces an address by a token, the other masks it; a broken file comes after each. For every
request the form that the application saw, and the digest on each of its spans, must be those of one and the same
version; a broken file must keep the one before. Exit code 1 where one request says otherwise, or none met a change.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from guard import Guard, GuardMiddleware
from guard.audit.query import run
from guard.errors import PolicyError
from guard.settings import Settings

POLICY = """\
recognizers: {countries: [US]}
moderation: {by: 'off'}
output: {rules: {moderation.*: allow}}
"""
FORMS = {"token": b"<EMAIL_1>", "mask": b"****"}
BODY = json.dumps(
    {"model": "m", "messages": [{"role": "user", "content": "write to jo.weber@kontor-nord.org"}]}
).encode()
ANSWER = b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[]}'
SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/v1/chat/completions",
    "raw_path": b"/v1/chat/completions",
    "query_string": b"",
    "root_path": "",
    "headers": [
        (b"host", b"app"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(BODY)),
    ],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 80),
}


class House:
    """A policy file that is written again and again, the application behind it, and what it saw."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "house.yaml"
        self.write("token")
        self.guard = Guard.from_policy(self.file, Settings(home=folder / "home", exports=folder / "exports"))
        self.app = GuardMiddleware(self.answer, guard=self.guard)
        self.digests = {self.guard.policy.sha256: "token"}
        self.kept = 0

    def write(self, form: str, more: str = "") -> None:
        """Write the file whole, in the place of the one before."""
        draft = self.file.with_suffix(".new")
        rule = f"input: {{rules: {{pii.email: {{action: redact, as: {form}}}}}}}\n"
        draft.write_text(POLICY + rule + more)
        draft.replace(self.file)

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as a model would, and say which form of the address arrived."""
        body = (await receive())["body"]
        seen = next((form for form, word in FORMS.items() if word in body), "none")
        headers = [(b"content-type", b"application/json"), (b"x-seen", seen.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": ANSWER, "more_body": False})

    async def change(self, form: str) -> None:
        """Load a version, then a broken file, which must leave it."""
        self.write(form)
        policy = await asyncio.to_thread(self.guard.reload)
        self.digests[policy.sha256] = form
        self.write(form, "modus: observe\n")
        try:
            await asyncio.to_thread(self.guard.reload)
        except PolicyError:
            self.kept += self.guard.current.policy.sha256 == policy.sha256


async def ask(app: Any) -> tuple[int, str, str]:
    """Send one request; gives its status, the form that arrived, and its trace."""
    sent: dict[bytes, bytes] = {}
    status = 0
    messages = iter([{"type": "http.request", "body": BODY, "more_body": False}])

    async def receive() -> Any:
        return next(messages, None) or await asyncio.Event().wait()

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            sent.update(message["headers"])

    await app(dict(SCOPE), receive, send)
    return status, sent.get(b"x-seen", b"").decode(), sent[b"x-guard-trace"].decode()


async def load(house: House, options: argparse.Namespace) -> tuple[list[tuple[int, str, str]], float, int]:
    """Ask as fast as it goes while the policy changes; gives the answers, the seconds and the changes."""
    answers: list[tuple[int, str, str]] = []
    ended = asyncio.Event()

    async def client() -> None:
        while not ended.is_set():
            answers.append(await ask(house.app))

    clients = [asyncio.ensure_future(client()) for _ in range(options.clients)]
    begun, changes = time.monotonic(), 0
    for form in itertools.cycle(("mask", "token")):
        await asyncio.sleep(options.every)
        await house.change(form)
        changes += 1
        if time.monotonic() - begun > options.seconds:
            break
    ended.set()
    await asyncio.gather(*clients)
    return answers, time.monotonic() - begun, changes


def verdict(house: House, exports: Path, answers: list[tuple[int, str, str]]) -> list[str]:
    """What is wrong: an answer that failed, or one whose form and digests are not of one version."""
    rows = run(
        exports,
        "SELECT trace_id, list(DISTINCT attrs['guard.policy.sha256']) FROM spans"
        " WHERE attrs['guard.stage'] IS NOT NULL GROUP BY trace_id LIMIT 100000000",
    ).rows
    digests = {trace: {house.digests.get(sha, "unknown") for sha in found} for trace, found in rows}
    return [
        f"{status} {seen} {digests.get(trace)} {trace}"
        for status, seen, trace in answers
        if status != 200 or digests.get(trace) != {seen}
    ]


def main(options: argparse.Namespace) -> int:
    """Run it and say what came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        house = House(folder)
        answers, seconds, changes = asyncio.run(load(house, options))
        house.guard.close()
        wrong = verdict(house, folder / "exports", answers)
    seen = Counter(form for _, form, _ in answers)
    rate = len(answers) / seconds
    print(f"{len(answers)} requests in {seconds:.1f} s: {rate:.0f} a second, {options.clients} at once")
    print(f"{changes} changes, {house.kept} broken files that kept the version before; seen: {dict(seen)}")
    print("each saw one version, and its record has that digest" if not wrong else f"WRONG: {len(wrong)}")
    for line in wrong[:5]:
        print(f"  {line}")
    return int(bool(wrong) or len(seen) != len(FORMS) or house.kept != changes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=64, help="requests at once")
    parser.add_argument("--every", type=float, default=0.1, help="seconds between two changes")
    sys.exit(main(parser.parse_args()))
