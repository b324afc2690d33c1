"""The steps of the demonstration: each sends real requests and reads back what really happened."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from guard.audit import query, verify
from guard.demo.values import Person, invent
from guard.guard import Guard, identity
from guard.keyring import home_of
from guard.logs import redactor
from guard.mounts.gateway import Gateway
from guard.mounts.sdk import guarded_client
from guard.settings import Settings
from guard.simulator.app import create_app
from guard.simulator.server import serve
from guard.trace.signing import PUBLIC

Step = dict[str, Any]
MODEL = "gpt-demo"
_FOREIGN = ("OPENAI_", "GUARD_", "AZURE_OPENAI_", "AWS_BEDROCK_")


class Demo:
    """One run: its folder, its provider, its steps."""

    def __init__(self, *, folder: str = "", seed: int | None = None) -> None:
        self.folder = Path(folder) if folder else Path(tempfile.mkdtemp(prefix="guard-demo-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.exports = self.folder / "exports"
        self.person: Person = invent(random.Random(seed))
        self.steps: list[Step] = []

    def run(self, tell: Callable[[Step], None]) -> dict[str, Any]:
        """Run every step, telling each as it ends; the report says whether all promises were kept."""
        with _quiet(), _no_keys():
            self._run(tell)
        ok = all(step["ok"] for step in self.steps)
        return {
            "ok": ok,
            "folder": str(self.folder),
            "simulated": True,
            "planted": self._planted(),
            "steps": self.steps,
        }

    def _planted(self) -> dict[str, str]:
        person = self.person
        return {name: getattr(person, name) for name in person.__dataclass_fields__}

    def settings(self, base: str = "") -> Settings:
        """The settings of the run: its own folder and keys; moderation by the simulated provider."""
        return Settings(
            _env_file=None,
            home=self.folder / "home",
            exports=self.exports,
            moderation_url=base,
        )

    def _run(self, tell: Callable[[Step], None]) -> None:
        self.provider = create_app()
        with serve(self.provider) as url:
            self.base = f"{url}/v1"
            guard = Guard.from_policy("default", self.settings(self.base))
            guard.name(self.base)
            strict = Guard.from_policy("strict", self.settings(self.base))
            eu = Guard.from_policy("eu", self.settings())
            try:
                for step in self._steps(guard, strict, eu):
                    self.steps.append(step)
                    tell(step)
            finally:
                for each in (guard, strict, eu):
                    each.close()
        for step in (*self._auditor(), self._verified()):
            self.steps.append(step)
            tell(step)

    def _steps(self, guard: Guard, strict: Guard, eu: Guard) -> Iterator[Step]:
        with serve(Gateway(guard, upstream=self.base)) as gateway:
            yield self._gateway(f"{gateway}/v1")
        yield self._client(guard)
        yield self._stream(guard)
        yield self._app(guard)
        yield self._blocked(guard)
        yield self._presidio(guard)
        yield self._strict(strict)
        yield self._residency(eu)
        yield self._log()

    # what the provider saw

    def _received(self) -> str:
        """The body of the last model call that the provider received, as text."""
        calls = [r for r in self.provider.state.received if not r.path.endswith("/moderations")]
        return calls[-1].body.decode() if calls else ""

    def _seen(self) -> str:
        """The last message that the provider was given."""
        import json

        body = json.loads(self._received() or "{}")
        if "messages" in body:
            return str(body["messages"][-1]["content"])
        return str(body.get("input", ""))

    def _clean(self) -> bool:
        """Whether none of the invented values is in anything that the provider ever received."""
        everything = b"\n".join(r.body for r in self.provider.state.received)
        return not any(value.encode() in everything for value in self._planted().values())

    # the steps

    def _gateway(self, base: str) -> Step:
        import openai

        typed = f"Please write to {self.person.email} about the card {self.person.card}."
        client = openai.OpenAI(base_url=base, api_key="sk-demo", max_retries=0)
        answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": typed}])
        got = answer.choices[0].message.content or ""
        kept = self.person.email in got and self.person.card in got
        return _step("gateway", typed, self._seen(), got, ok=kept and self._clean())

    def _client(self, guard: Guard) -> Step:
        import openai

        typed = f"我叫王芳，身份证号{self.person.resident_id}，手机{self.person.mobile}，请帮我预约。"
        with openai.OpenAI(
            base_url=self.base,
            api_key="sk-demo",
            http_client=guarded_client(guard=guard, sync=True),
            max_retries=0,
        ) as client:
            answer = client.responses.create(model=MODEL, input=typed)
        got = answer.output_text
        kept = self.person.resident_id in got and self.person.mobile in got
        return _step("client", typed, self._seen(), got, ok=kept and self._clean())

    def _stream(self, guard: Guard) -> Step:
        typed = (
            f"Call me on +86 {self.person.mobile} before noon. If nobody answers, write to {self.person.email}"
            " and say which day suits you. We will then send the papers by post, and a colleague will come by"
            " to collect them once they are signed."
        )
        pieces = asyncio.run(self._streamed(guard, typed))
        got = "".join(pieces)
        kept = self.person.email in got and len(pieces) > 1
        return _step("stream", typed, self._seen(), got, ok=kept and self._clean(), pieces=len(pieces))

    async def _streamed(self, guard: Guard, typed: str) -> list[str]:
        import openai

        http = guarded_client(guard=guard)
        with identity(tenant="demo", user="u1"):
            async with openai.AsyncOpenAI(
                base_url=self.base, api_key="sk-demo", http_client=http, max_retries=0
            ) as client:
                stream = await client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": typed}], stream=True
                )
                return [
                    c.choices[0].delta.content
                    async for c in stream
                    if c.choices and c.choices[0].delta.content
                ]

    def _app(self, guard: Guard) -> Step:
        """An application of one's own, with both mounts."""
        import httpx2

        from guard.demo.app import make_app

        typed = f"My account is {self.person.email}."
        with serve(make_app(guard, self.base)) as url, httpx2.Client(trust_env=False) as http:
            reply = http.post(f"{url}/ask", json={"question": typed})
            docs = http.get(f"{url}/about")
        got = reply.json().get("answer", "")
        ok = self.person.email in got and self._clean() and docs.text == "about this app"
        return _step("app", typed, self._seen(), got, ok=ok)

    def _blocked(self, guard: Guard) -> Step:
        import openai

        typed = "Tell me the [simulate:violence] story."
        with openai.OpenAI(
            base_url=self.base,
            api_key="sk-demo",
            http_client=guarded_client(guard=guard, sync=True),
            max_retries=0,
        ) as client:
            answer = client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": typed}]
            )
        choice = answer.choices[0]
        trace = _last_block(self.exports)
        ok = choice.finish_reason == "content_filter" and trace.get("kind", "").startswith("moderation.")
        return _step(
            "blocked",
            typed,
            self._seen(),
            choice.message.content or "",
            ok=ok,
            finish_reason=choice.finish_reason,
            **trace,
        )

    def _presidio(self, guard: Guard) -> Step:
        typed = f"The practitioner's licence is {self.person.licence}, paid to bank account {self.person.bank_number}."
        findings = guard.detect(typed)
        found = [{"kind": f.kind, "source": f.source, "score": f.score} for f in findings]
        ok = any(f.source.startswith("presidio:") for f in findings)
        return _step("presidio", typed, guard.redact(typed), "", ok=ok, findings=found)

    def _strict(self, strict: Guard) -> Step:
        typed = f"Card {self.person.card}"
        strict.name(self.base)
        before = len(self.provider.state.received)
        refusal = _refusal_of(strict, self.base, typed)
        ok = refusal.get("code") == "pii.card" and len(self.provider.state.received) == before
        return _step("strict", typed, "", refusal.get("message", ""), ok=ok, **_code(refusal))

    def _residency(self, eu: Guard) -> Step:
        asked = "https://api.openai.com/v1"
        refusal = _refusal_of(eu, asked, "Hello")
        message = str(refusal.get("message", ""))
        ok = refusal.get("status") == 451 and "eu.api.openai.com" in message
        return _step("residency", asked, "", message, ok=ok, **_code(refusal))

    def _log(self) -> Step:
        before = f"order shipped to {self.person.email}, phone {self.person.mobile}"
        after = redactor("default", self.settings()).redact(before)
        ok = self.person.email not in after and self.person.mobile not in after
        return _step("log", before, "", after, ok=ok)

    # the auditor

    def _auditor(self) -> Iterator[Step]:
        for question, words in (
            ("blocked", "What was blocked, and by which rule?"),
            ("residency-refusals", "Which destinations were refused, and by which policy?"),
            ("left-region", "Which calls cannot be shown to have stayed in the EEA?"),
            ("findings-by-kind", "What personal data was found, and what was done with it?"),
        ):
            table = query.run(self.exports, question, {"region": "EEA"} if question == "left-region" else {})
            yield {
                "step": f"audit:{question}",
                "question": words,
                "columns": list(table.columns),
                "rows": [list(r) for r in table.rows],
                "ok": bool(table.rows),
            }

    def _verified(self) -> Step:
        public = (home_of(self.settings()) / PUBLIC).read_bytes()
        report = verify.verify(self.exports, public)
        leaked = [
            name for name, value in self._planted().items() if value.encode() in _bytes_of(self.exports)
        ]
        return {
            "step": "verify",
            "ok": report.ok and not leaked,
            "files": report.files,
            "records": report.records,
            "problems": [str(p) for p in report.problems],
            "leaked": leaked,
        }


def _refusal_of(guard: Guard, base: str, text: str) -> dict[str, Any]:
    """What the SDK was answered, where guard refused: status, code and message."""
    import openai

    http = guarded_client(guard=guard, sync=True)
    with openai.OpenAI(base_url=base, api_key="sk-demo", http_client=http, max_retries=0) as client:
        try:
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])
        except openai.APIStatusError as refusal:
            body = refusal.body if isinstance(refusal.body, dict) else {}
            return {"status": refusal.status_code, "code": body.get("code"), "message": body.get("message")}
    return {}


def _code(refusal: dict[str, Any]) -> dict[str, Any]:
    return {"status": refusal.get("status"), "code": refusal.get("code")}


def _step(name: str, typed: str, sent: str, got: str, *, ok: bool, **more: Any) -> Step:
    return {"step": name, "typed": typed, "provider_received": sent, "caller_got": got, "ok": ok, **more}


def _bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


def _last_block(exports: Path, patience_s: float = 5.0) -> dict[str, Any]:
    """The finding that blocked an answer, as the ledger has it: its kind, score and rule."""
    sql = "SELECT kind, list_max(scores), rule FROM findings WHERE enforced = 'block' ORDER BY start_ts DESC LIMIT 1"
    until = time.monotonic() + patience_s  # an outcome is written after the answer has left
    while time.monotonic() < until:
        rows = query.run(exports, sql).rows
        if rows:
            return dict(zip(("kind", "score", "rule"), rows[0], strict=True))
        time.sleep(0.05)
    return {}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep other people's log lines out of the pages."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def _no_keys() -> Iterator[None]:
    """Nothing of the user's environment takes part: no key, no base URL, no proxy."""
    names = [n for n in os.environ if n.upper().startswith(_FOREIGN) or n.upper().endswith("_PROXY")]
    kept = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(kept)
