"""A small world in which planted values go through every mount and every failure, and all that it leaves behind."""

from __future__ import annotations

import base64
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import openai

from guard import Guard, Refused
from guard.audit.compact import compact
from guard.audit.contents import contents
from guard.audit.pack import Order, gather
from guard.audit.query import QUESTIONS, VIEWS, bound, connect
from guard.audit.query import run as ask_sql
from guard.audit.regimes import EVERY
from guard.audit.story import why
from guard.logs import redactor
from guard.mounts.gateway import Gateway
from guard.mounts.sdk import guarded_client
from guard.services import logs
from guard.settings import Settings
from guard.simulator.app import create_app
from guard.simulator.server import serve
from guard.trace.content import Opener, make_pair
from guard.trace.signing import PUBLIC

CANARIES = {
    "email": "kanari.vogel@zwitscher-post.org",
    "card": "4929 1234 5678 9015",
    "resident_id": "110105198403077734",
    "mobile": "13398765421",
    "key": "sk-proj-" + "cAnArY0123456789" * 3,
    "bearer": "sk-BEARER-" + "q7Zk" * 6,
}
"""Values of every class that must never be left anywhere; the last is the caller's own key."""

POLICY = """
policy: canary
version: "1"
extends: [default]
recognizers:
  presidio: {recognizers: []}
traffic: {dead_letters: true, idempotency: true}
trace: {content: encrypted, auditor_key: AUDITOR, what: original}
"""

WORDS = [b"The key is", "卡号".encode(), "身份证".encode(), "手机".encode(), b"and key", b"Answer "]
"""What stands around the planted values: redacted texts hold it, and no sink but those that carry them may."""

_TEXTS = ("upstream", "reprs", "letters", "errors", "log")
"""Sinks that hold screened texts, as they must: a provider's error quotes what it got, and its caller logs that."""


def spellings(value: str) -> list[bytes]:
    """The value as it may hide: as it is, without separators, in base64 and in hex."""
    raw = value.encode()
    return [raw, raw.replace(b" ", b""), base64.b64encode(raw)[:-4], raw.hex().encode()]


def chat_body() -> dict[str, Any]:
    """A chat request with a planted value in every position that a policy may rewrite."""
    c = CANARIES
    return {
        "model": "gpt-simulated",
        "user": c["email"],
        "metadata": {"note": c["card"]},
        "stop": [c["email"]],
        "prediction": {"type": "content", "content": f"mail {c['email']}"},
        "messages": [
            {"role": "system", "content": f"The key is {c['key']}."},
            {"role": "developer", "content": [{"type": "text", "text": f"卡号{c['card']}"}]},
            {"role": "user", "content": f"I am {c['email']}, 身份证{c['resident_id']}"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {
                            "name": "look_up",
                            "arguments": f'{{"who": {{"mail": "{c["email"]}"}}}}',
                        },
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": f"found 手机{c['mobile']}"},
            {"role": "user", "content": [{"type": "text", "text": f"Card {c['card']} and key {c['key']}"}]},
        ],
    }


def responses_body() -> dict[str, Any]:
    """A Responses request with a planted value in every position that a policy may rewrite."""
    c = CANARIES
    return {
        "model": "gpt-simulated",
        "instructions": f"Answer {c['email']}.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": f"Card {c['card']}"}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": f'{{"a": "{c["mobile"]}"}}'},
            {"type": "function_call_output", "call_id": "c1", "output": f"id {c['resident_id']}"},
        ],
        "metadata": {"note": c["key"]},
    }


@dataclass
class World:
    """The sinks: what each holds after the scenario, as bytes."""

    folder: Path
    upstream: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)
    reprs: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    letters: list[bytes] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    def sinks(self) -> dict[str, bytes]:
        """Everything that anyone could read afterwards, but for the screened answers."""
        return {
            "upstream": b"\n".join(self.upstream),
            "errors": b"\n".join(self.errors),
            "reprs": b"\n".join(self.reprs),
            "answers": b"\n".join(self.answers),
            "letters": b"\n".join(self.letters),
            "exports": _files(self.folder / "exports"),
            "home": _files(self.folder / "home"),
            "log": (self.folder / "app.log").read_bytes(),
        }

    def leaks(self) -> set[tuple[str, str]]:
        """Each (sink, canary) that was found; the caller's bearer may reach the provider, nothing else."""
        found = set()
        for sink, held in self.sinks().items():
            for name, value in CANARIES.items():
                allowed = sink == "upstream" and name == "bearer"
                if not allowed and any(spelling in held for spelling in spellings(value)):
                    found.add((sink, name))
        return found

    def words(self) -> set[tuple[str, bytes]]:
        """Each (sink, word) of the texts, original or redacted, that stands in the clear where it must not."""
        held = {sink: bytes_ for sink, bytes_ in self.sinks().items() if sink not in _TEXTS}
        return {(sink, word) for sink, bytes_ in held.items() for word in WORDS if word in bytes_}


def _files(folder: Path) -> bytes:
    return b"\n".join(p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file())


def run(folder: Path, *, desk: bool = True) -> World:
    """Send planted values through both SDK clients and the gateway, in success and in every failure.

    Without `desk` nothing is asked of the auditor's desk: the sink `answers` stays empty, all others are as with it.
    """
    private, public = make_pair()
    (folder / "policy.yaml").write_text(POLICY.replace("AUDITOR", public))
    world = World(folder)
    with _logging(folder), serve(app := create_app()) as url:
        settings = Settings(
            home=folder / "home", exports=folder / "exports", moderation_url=f"{url}/v1", commit_timeout_s=20
        )
        guard = Guard.from_policy(str(folder / "policy.yaml"), settings)
        strict = Guard.from_policy("strict", settings)
        try:
            for each in (guard, strict):
                each.name(url)
            _scenario(world, app, url, guard, strict)
            _letters(world, guard)
        finally:
            guard.close()
            strict.close()
        world.upstream += [row.body + repr(row.headers).encode() for row in app.state.received]
    if desk:
        _desk(world)
    _open(world, Opener(private))
    return world


def _open(world: World, opener: Opener) -> None:
    """Every text that is kept for the auditor, opened with the auditor's key."""
    exports = world.folder / "exports"
    kept = "SELECT DISTINCT trace_id FROM spans WHERE attrs['guard.content.key'] IS NOT NULL"
    for (trace,) in ask_sql(exports, kept).rows:
        world.opened += [str(one.texts) for one in contents(exports, trace, opener)]


def _letters(world: World, guard: Guard) -> None:
    """Every dead letter, opened with the key."""
    letters = guard.dispatch.letters  # type: ignore[union-attr]
    for row in letters.store.rows().result(10):  # type: ignore[union-attr]
        opened = letters.open(letters.store.find(row.id).result(10)[0])  # type: ignore[union-attr]
        world.letters.append(opened.body + repr(opened.headers).encode())


def _desk(world: World) -> None:
    """Everything that the auditor's desk answers: every view and question, a story, over lines and over Parquet."""
    exports, asked = world.folder / "exports", {"region": "EU", "subject": "0" * 16, "trace": "0" * 32}
    for _ in range(2):
        with contextlib.closing(connect(exports)) as desk:
            for view in VIEWS:
                world.answers.append(str(desk.execute(f"SELECT * FROM {view}").fetchall()).encode())
            for question in QUESTIONS.values():
                given = {p.name: asked[p.name] for p in question.parameters if p.name in asked}
                world.answers.append(
                    str(desk.execute(question.sql, bound(question, given)).fetchall()).encode()
                )
            traces = desk.execute("SELECT DISTINCT trace_id FROM calls LIMIT 10").fetchall()
        world.answers += [str(why(exports, trace)).encode() for (trace,) in traces]
        compact(exports)
    public = (world.folder / "home" / PUBLIC).read_bytes()
    (world.folder / "pack").mkdir()
    gather(Order(exports, EVERY, "1970-01-01", "9999-01-01", "", public), world.folder / "pack")
    world.answers.append(_files(world.folder / "pack"))


def _scenario(world: World, app: Any, url: str, guard: Guard, strict: Guard) -> None:
    with serve(Gateway(guard, upstream=f"{url}/v1")) as gateway:
        for base, http in ((f"{gateway}/v1", None), (f"{url}/v1", guarded_client(guard=guard, sync=True))):
            client = openai.OpenAI(
                base_url=base, api_key=CANARIES["bearer"], http_client=http, max_retries=0, timeout=30
            )
            _calls(world, app, client)
            client.close()
        _malformed(world, gateway)
    _refusals(world, guard, strict, url)
    _reprs(world, guard)


def _calls(world: World, app: Any, client: openai.OpenAI) -> None:
    script = app.state.script
    client.chat.completions.create(**chat_body())
    list(client.chat.completions.create(**chat_body(), stream=True))
    for _ in range(2):
        client.chat.completions.create(**chat_body(), extra_headers={"Idempotency-Key": "order-7"})
    client.responses.create(**responses_body())
    list(client.responses.create(**responses_body(), stream=True))
    client.embeddings.create(model="e", input=[CANARIES["email"], CANARIES["card"]])
    for fault in ("500", "echo", "html", "bad_json", "disconnect", "redirect"):
        script.fail("chat", fault)
        _failing(world, lambda: client.chat.completions.create(**chat_body()))
    for fault in ("500", "bad_json", "missing_category"):
        script.fail("moderations", *([fault, fault] if fault == "500" else [fault]))
        _failing(world, lambda: client.chat.completions.create(**_fresh()))
    script.fail("chat", "disconnect")
    _failing(world, lambda: list(client.chat.completions.create(**chat_body(), stream=True)))
    broken = {**chat_body(), "messages": "x" + CANARIES["email"]}
    _failing(world, lambda: client.chat.completions.create(**broken))
    unknown = {**chat_body(), "extra_body": {"api_base": CANARIES["email"], CANARIES["email"]: 1}}
    _failing(world, lambda: client.chat.completions.create(**unknown))
    _failing(
        world,
        lambda: client.post(f"/{CANARIES['email']}/files", body={"a": CANARIES["card"]}, cast_to=object),
    )


def _malformed(world: World, gateway: str) -> None:
    """A body that is no JSON, with planted values in it."""
    raw = httpx2.post(
        f"{gateway}/v1/chat/completions",
        content=b'{"messages": "' + CANARIES["email"].encode() + b'", ',
        headers={"authorization": f"Bearer {CANARIES['bearer']}"},
        trust_env=False,
    )
    assert raw.status_code == 400
    world.errors.append(raw.content)


def _fresh() -> dict[str, Any]:
    """A text that no cache of scores has seen."""
    _fresh.count += 1  # type: ignore[attr-defined]
    body = chat_body()
    body["messages"].append({"role": "user", "content": f"{CANARIES['email']} again {_fresh.count}"})  # type: ignore[attr-defined]
    return body


_fresh.count = 0  # type: ignore[attr-defined]


def _failing(world: World, call: Any) -> None:
    """Run a call that must fail, keep what the caller's log would hold of it, and log it as an app would."""
    try:
        call()
    except Exception as failure:
        body = getattr(getattr(failure, "response", None), "content", b"")
        world.errors.append(body + str(failure).encode())
        logging.getLogger("app").exception(
            "call failed for %s", CANARIES["email"], extra={"who": CANARIES["card"]}
        )
    else:
        raise AssertionError("this call was expected to fail")


def _refusals(world: World, guard: Guard, strict: Guard, url: str) -> None:
    for text in (CANARIES["card"], f"我的邮箱是{CANARIES['email']}"):
        try:
            strict.redact(text)
        except Refused as refusal:
            world.errors.append(f"{refusal} {refusal!r} {refusal.verdict!r} {refusal.param}".encode())
    http = guarded_client(guard=strict, sync=True)
    with openai.OpenAI(
        base_url=f"{url}/v1", api_key=CANARIES["bearer"], http_client=http, max_retries=0
    ) as client:
        _failing(world, lambda: client.chat.completions.create(**chat_body()))


def _reprs(world: World, guard: Guard) -> None:
    with guard.exchange(user=CANARIES["email"]) as exchange:
        redacted = exchange.redact(f"{CANARIES['email']} {CANARIES['card']}")
        held = (guard, guard.settings, guard.keys, exchange, guard.detect(CANARIES["email"]), redacted)
        inner = exchange._exchange
        world.reprs += [repr(thing).encode() for thing in (*held, inner, inner.placeholders, guard.policy)]


@contextlib.contextmanager
def _logging(folder: Path) -> Iterator[None]:
    """An application's log file, redacted by guard's one line."""
    handler = logging.FileHandler(folder / "app.log")
    handler.setFormatter(
        logging.Formatter("%(levelname)s %(name)s %(message)s %(who)s", defaults={"who": ""})
    )
    root = logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)
    logs.install_log_redaction(redactor("default", Settings(home=folder / "home")))
    try:
        yield
    finally:
        logs.uninstall_log_redaction()
        root.setLevel(level)
        root.removeHandler(handler)
        handler.close()
