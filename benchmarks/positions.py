"""Plant a value in every position that the SDK's types have, one at a time, and look where it comes out.

    python benchmarks/positions.py [--show] [--traffic FILE]

Each position is a string of `openai.types.*` for chat completions, responses, completions, embeddings and moderations:
of a request, of an answer, of an event of a stream. An e-mail address of its own is put there, alone, and the body goes
through the gateway by the official client. Toward the model and toward the caller its bytes are searched for the
address (a leak), and what is left of the body is compared with what was sent (lost: anything else that changed).

Fidelity: with nothing to change (every kind allowed), recorded exchanges (`--traffic`) give the same JSON upstream
and equal objects in the client as without guard, streams event by event.

Target: at least 60 positions over 4 APIs and 2 directions, 0 leaks, 0 lost, every exchange equal; else exit code 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import openai
from _load import ROOT
from openai._streaming import Stream
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent

from guard import Guard
from guard.mounts.gateway import Gateway
from guard.settings import Settings
from guard.simulator.server import serve

_spec = importlib.util.spec_from_file_location("sdk_kit", ROOT / "tests" / "wire" / "sdk_kit.py")
assert _spec is not None
assert _spec.loader is not None
kit = sys.modules.setdefault("sdk_kit", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(kit)

_POLICY = """\
policy: positions
version: "1"
recognizers: {{presidio: {{recognizers: []}}}}
input: {{rules: {{pii.*: {found}, secret.*: {found}, guard.*: {unread}}}}}
output: {{rules: {{pii.*: {found}, secret.*: {found}, guard.*: {unread}}}}}
moderation: {{by: "off"}}
legacy: pass
"""
REDACTING = _POLICY.format(found="redact", unread="block")
ALLOWING = _POLICY.format(found="allow", unread="allow")

PATHS = {
    "chat": "/chat/completions",
    "responses": "/responses",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "moderations": "/moderations",
}
LEAST: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    "responses": {"model": "m", "input": "hi"},
    "completions": {"model": "m", "prompt": "hi"},
    "embeddings": {"model": "m", "input": "hi"},
    "moderations": {"input": "hi"},
}
# The pieces of a stream below these fields of a chunk or event come apart.
PIECES = ("content", "refusal", "arguments", "input", "transcript", "text", "delta", "stdout", "stderr")
Step = str | int
Path_ = tuple[Step, ...]


class Upstream:
    """The provider's side: keeps what it was sent, answers with what it was told."""

    def __init__(self) -> None:
        self.seen: bytes | None = None
        self.body: Any = b""
        self.answer = (200, b"{}", "application/json")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.body = body
        self.seen = (
            body
            + b"".join(k + v for k, v in scope["headers"])
            + scope["path"].encode()
            + scope["query_string"]
        )
        status, answer, kind = self.answer
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


# positions


def strings(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The paths of all planted strings of a sample; the last step of a key's path is `{key}`."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name.startswith("canary-"):
                yield (*path, f"{{{name}}}")
            yield from strings(item, (*path, name))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from strings(item, (*path, at))
    elif isinstance(value, str) and value.startswith("canary-"):
        yield path


def name(value: Any, path: Path_) -> str:
    """A path as the coverage table writes it: `messages[*](user).content`."""
    said = ""
    for step in path:
        said += _tag(value)
        if isinstance(step, int):
            said += "[*]"
        elif step.startswith("{"):
            return f"{said}{{*}}".lstrip(".")
        else:
            said += ".*" if step.startswith("canary-") else f".{step}"
        value = value[step]
    return said.lstrip(".")


def _tag(value: Any) -> str:
    """Which kind of object it says it is."""
    tag = (value.get("role") or value.get("type")) if isinstance(value, dict) else None
    return f"({tag})" if isinstance(tag, str) and not tag.startswith("canary-") else ""


def alone(value: Any, path: Path_, planted: str) -> Any:
    """The sample with nothing but the planted string, and the tags that say what it stands in."""
    if not path:
        return planted
    step, *rest = path
    if isinstance(value, list):
        return [alone(value[step], tuple(rest), planted)]  # type: ignore[call-overload]
    tags = {
        k: v for k, v in value.items() if k in ("type", "role", "object") and not str(v).startswith("canary-")
    }
    if str(step).startswith("{"):
        return {**tags, planted: "x"}
    return {**tags, step: alone(value[step], tuple(rest), planted)}


def reached(path: Path_, planted: str) -> Path_:
    """Where a planted string stands in a body that holds only it."""
    return tuple(0 if isinstance(s, int) else planted if s.startswith("{") else s for s in path)


def positions(kinds: Iterable[Any]) -> Iterator[tuple[str, Path_, Any]]:
    """Every string position of some types once: its name, its path in a sample, the sample."""
    seen = set()
    for kind in kinds:
        for sample in kit.Samples().of(kind):
            for path in strings(sample):
                said = name(sample, path)
                if said not in seen:
                    seen.add(said)
                    yield said, path, sample


# what came of them


@dataclass
class Count:
    """What came of the positions of one API in one direction."""

    outcomes: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    def note(self, said: str, outcome: str) -> None:
        """Count one position; a leak or a loss is kept by name."""
        self.outcomes[outcome] += 1
        if outcome in ("LEAKED", "LOST"):
            self.bad.append(f"{outcome} {said}")

    @property
    def total(self) -> int:
        """How many positions there were."""
        return sum(self.outcomes.values())


def put(value: Any, path: Path_, new: Any) -> Any:
    """The value with another one at a path; raises LookupError or TypeError where there is no such place."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[step] = put(copy[step], rest, new)  # type: ignore[index]
    return copy


def look(value: Any, path: Path_) -> Any:
    for step in path:
        value = value[step]
    return value


def judged(sent: Any, came: Any, path: Path_, planted: str) -> str:
    """Whether a body came through with nothing changed but the planted string."""
    if planted in path:  # a key: its object has another one now
        path = path[: path.index(planted)]
    try:
        return "redacted" if put(sent, path, look(came, path)) == came else "LOST"
    except (LookupError, TypeError):  # tokens spell a text again: they go where it changed
        return "dropped" if "logprobs" in path else "LOST"


class Bench:
    """The gateway between the official client and the upstream."""

    def __init__(self, client: openai.OpenAI, upstream: Upstream) -> None:
        self.client = client
        self.upstream = upstream
        self.number = 0

    def plant(self) -> str:
        """An address that stands nowhere else."""
        self.number += 1
        return f"kanari{self.number:05d}.vogel@zwitscher-post.org"

    def post(self, api: str, body: Any) -> httpx2.Response | None:
        """Send a body; None where it was refused."""
        self.upstream.seen = None
        try:
            return self.client.post(PATHS[api], cast_to=httpx2.Response, body=body)
        except openai.APIStatusError as refused:
            self.refusal = refused.response
            return None

    def request(self, api: str, path: Path_, sample: Any) -> str:
        """Plant in a request."""
        planted = self.plant()
        body = {**LEAST[api], **alone(sample, path, planted)}
        answer = self.post(api, body)
        said = answer.content if answer is not None else self.refusal.content
        if planted.encode() in (self.upstream.seen or b"") + said:
            return "LEAKED"
        if self.upstream.seen is None:
            return "refused"
        return judged(body, json.loads(self.upstream.body), reached(path, planted), planted)

    def answer(self, api: str, path: Path_, sample: Any) -> str:
        """Plant in an answer."""
        planted = self.plant()
        body = alone(sample, path, planted)
        self.upstream.answer = (200, json.dumps(body).encode(), "application/json")
        answer = self.post(api, LEAST[api])
        if answer is None:
            return "LEAKED" if planted in self.refusal.text else "refused"
        if planted in answer.text:
            return "LEAKED"
        if answer.headers["x-guard-action"] == "block":
            return "refused"
        return judged(body, answer.json(), reached(path, planted), planted)

    def stream(self, api: str, path: Path_, sample: Any) -> str:
        """Plant in an event of a stream; what comes in pieces is cut in two."""
        planted = self.plant()
        cuts = [planted]
        if path[-1] in PIECES and ("delta" in path or str(sample.get("type", "")).endswith(".delta")):
            cuts = [planted[:9], planted[9:]]
        events = [alone(sample, path, piece) for piece in cuts]
        rows = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        self.upstream.answer = (200, f"{rows}data: [DONE]\n\n".encode(), "text/event-stream")
        answer = self.post(api, {**LEAST[api], "stream": True})
        said = answer.text if answer is not None else self.refusal.text
        told = [json.loads(row[6:]) for row in said.split("\n") if row.startswith("data: {")]
        if planted in said or planted in "".join(_texts(told, path[-1])):
            return "LEAKED"
        if answer is None or "content_filter" in said or any("error" in event for event in told):
            return "refused"
        if "<EMAIL_" in "".join(_texts(told, None)):
            return "redacted"
        return "dropped" if "logprobs" in path else "LOST"


def _texts(value: Any, last: Step | None) -> Iterator[str]:
    """The strings of a value below fields of one name (None: any)."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                if last in (None, key) or isinstance(last, int):
                    yield item
            else:
                yield from _texts(item, last)
            yield key if last is None else ""
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield item
            else:
                yield from _texts(item, last)


def run(bench: Bench) -> dict[tuple[str, str], Count]:
    """Plant everywhere."""
    counts: dict[tuple[str, str], Count] = {}
    streams = {
        "chat": [ChatCompletionChunk],
        "completions": [Completion],
        "responses": list(kit.STREAM_EVENTS.values()),
    }
    rounds = (
        ("request", kit.REQUESTS, bench.request),
        ("answer", kit.ANSWERS, bench.answer),
        ("stream", streams, bench.stream),
    )
    for direction, kinds, plant in rounds:
        for api in PATHS:
            count = counts[api, direction] = Count()
            for said, path, sample in positions(kinds.get(api, ())):
                count.note(said, plant(api, path, sample))
            bench.upstream.answer = (200, b"{}", "application/json")
    return counts


# fidelity

MODELS: dict[str, tuple[Any, Any]] = {
    "/chat/completions": (ChatCompletion, Stream[ChatCompletionChunk]),
    "/responses": (Response, Stream[ResponseStreamEvent]),
    "/completions": (Completion, Stream[Completion]),
    "/embeddings": (CreateEmbeddingResponse, None),
}


def exchanges(file: Path) -> Iterator[dict[str, Any]]:
    """The recorded exchanges with endpoints that guard reads."""
    for line in file.read_text(encoding="utf-8").split("\n"):
        row = json.loads(line) if line else {}
        asked = row.get("method") == "POST" and isinstance(row["request"], dict)
        if asked and any(row["path"].split("?")[0].endswith(end) for end in MODELS):
            yield row


def ask(client: openai.OpenAI, row: dict[str, Any]) -> Any:
    """What the official client makes of an exchange: an object, its events, or an error's status and body."""
    path = row["path"].split("?")[0].removeprefix("/v1")
    model, streamed = next(both for end, both in MODELS.items() if path.endswith(end))
    options: dict[str, Any] = {"cast_to": model, "body": row["request"]}
    try:
        if row["stream"]:
            return list(client.post(path, **options, stream=True, stream_cls=streamed))
        return client.post(path, **options)
    except openai.APIStatusError as failure:
        return failure.status_code, failure.body


def fidelity(
    direct: openai.OpenAI, guarded: openai.OpenAI, upstream: Upstream, file: Path
) -> tuple[int, list[str]]:
    """Send every exchange twice; how many there were, and which differed."""
    count, differing = 0, []
    for row in exchanges(file):
        upstream.answer = (row["status"], row["response"].encode(), row["content_type"])
        count += 1
        plain, sent = ask(direct, row), json.loads(upstream.body)
        upstream.body = b"null"
        screened, forwarded = ask(guarded, row), json.loads(upstream.body)
        if plain != screened or sent != forwarded:
            differing.append(row["id"])
    return count, differing


def gateway(stack: ExitStack, folder: Path, policy: str, upstream: str) -> openai.OpenAI:
    """A client of a gateway with one policy."""
    file = folder / "policy.yaml"
    folder.mkdir()
    file.write_text(policy)
    settings = Settings(home=folder / "home", exports=folder / "exports", _env_file=None)
    guard = Guard.from_policy(file, settings)
    stack.callback(guard.close)
    url = stack.enter_context(serve(Gateway(guard, upstream=f"{upstream}/v1")))
    return openai.OpenAI(base_url=f"{url}/v1", api_key="sk-none", max_retries=0)


def main() -> int:
    """Run both parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--show", action="store_true", help="name every leak, loss and difference")
    recorded = ROOT.parent / "shared" / "data" / "openai_traffic.jsonl"
    parser.add_argument("--traffic", type=Path, default=recorded, help="recorded exchanges, one a line")
    chosen = parser.parse_args()
    upstream = Upstream()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(serve(upstream))
        counts = run(Bench(gateway(stack, folder / "redacting", REDACTING, url), upstream))
        good = report(counts, chosen.show)
        if not chosen.traffic.exists():
            print("fidelity: not measured, there are no recorded exchanges")
            return 0 if good else 1
        direct = openai.OpenAI(base_url=f"{url}/v1", api_key="sk-none", max_retries=0)
        guarded = gateway(stack, folder / "allowing", ALLOWING, url)
        count, differing = fidelity(direct, guarded, upstream, chosen.traffic)
    print(f"fidelity: {count - len(differing)} of {count} recorded exchanges equal in the SDK")
    if chosen.show:
        print("\n".join(differing))
    return 0 if good and count and not differing else 1


def report(counts: dict[tuple[str, str], Count], show: bool) -> bool:
    """Print the table; whether the target is met."""
    outcomes = ("redacted", "refused", "dropped", "LEAKED", "LOST")
    print(f"{'api':<12} {'direction':<9} {'positions':>9} " + " ".join(f"{word:>9}" for word in outcomes))
    for (api, direction), count in counts.items():
        if count.total:
            cells = " ".join(f"{count.outcomes[word]:9d}" for word in outcomes)
            print(f"{api:<12} {direction:<9} {count.total:9d} {cells}")
    total = sum(count.total for count in counts.values())
    bad = [f"{api} {direction} {name}" for (api, direction), count in counts.items() for name in count.bad]
    apis = {api for (api, _), count in counts.items() if count.total}
    leaks = sum(count.outcomes["LEAKED"] for count in counts.values())
    lost = sum(count.outcomes["LOST"] for count in counts.values())
    print(
        f"{total} positions over {len(apis)} APIs: {leaks} leaks, {lost} lost elsewhere (target 60, 4, 0, 0)"
    )
    if show:
        print("\n".join(bad))
    return total >= 60 and len(apis) >= 4 and not bad


if __name__ == "__main__":
    sys.exit(main())
