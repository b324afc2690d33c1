"""Requests in the style of the API's first years: said clearly, or translated, and their answers back again.

`engine` is `model`, `functions` are `tools`, `max_tokens` is `max_completion_tokens` where the model wants that;
`/v1/engines/NAME/completions`, shut down on 2022-12-03, is `/v1/completions`. What no provider would accept
(a bias outside -100 and 100, a prompt twice as long as the model's window) is refused before it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from guard.errors import BadRequest
from guard.text import QUARTERS, weigh
from guard.types import Limits, Segment
from guard.wire import models, sse
from guard.wire.openai import Endpoint
from guard.wire.strictjson import dump, parse

Body = dict[str, Any]
How = Literal["refuse", "translate"]

_ENGINE = re.compile(r"/engines/([^/]+)(?=/(?:chat/completions|completions|embeddings)\Z)")
_WRITE = " (a policy with `legacy: translate` writes it so for you)"
# The SDK's own type (`openai.types.chat.chat_completion.Choice.finish_reason`).
FINISH_REASONS = frozenset(("stop", "length", "tool_calls", "content_filter", "function_call"))
"""The reasons that the API documents for the end of a choice."""


class Modern(NamedTuple):
    """A request in today's style: what was translated, and whether its answer must call functions the old way."""

    body: Body
    translated: tuple[str, ...] = ()
    functions: bool = False

    def __repr__(self) -> str:
        return object.__repr__(self)  # it holds texts


def without_engine(path: str) -> str:
    """The path of today: `/v1/engines/NAME/completions` is `/v1/completions`."""
    return _ENGINE.sub("", path)


def modern(endpoint: Endpoint, path: str, body: Body, how: How) -> Modern:
    """Bring a request into today's style, or refuse it. Raises BadRequest 400, which names what to write instead."""
    if _SHAPES.isdisjoint(body) and "/engines/" not in path:
        return Modern(body)
    _check_bias(body)
    translated: list[str] = []
    for step in _STEPS:
        after = step(endpoint, path, body)
        if after is None:
            continue
        if how == "refuse":
            raise BadRequest(400, f"legacy.{step.name}", step.message + _WRITE, param=step.param)
        body = after
        translated.append(step.name)
    return Modern(body, tuple(translated), "functions" in translated)


_SHAPES = frozenset(("engine", "max_tokens", "functions", "function_call", "logit_bias"))
"""Fields of a request that the steps look at; without any of them, and with today's path, it is of today."""


def _check_bias(body: Body) -> None:
    bias = body.get("logit_bias")
    for value in bias.values() if isinstance(bias, dict) else ():
        if isinstance(value, int | float) and not -100 <= value <= 100:
            message = "a bias must lie between -100 and 100: write a number inside"
            raise BadRequest(400, "invalid_value", message, param="logit_bias")


@dataclass(frozen=True, slots=True)
class _Step:
    """One old habit: `translate` gives the body without it, or None where the body does not have it."""

    name: str
    param: str
    message: str
    translate: Callable[[Endpoint, str, Body], Body | None]

    def __call__(self, endpoint: Endpoint, path: str, body: Body) -> Body | None:
        return self.translate(endpoint, path, body)


def _from_path(endpoint: Endpoint, path: str, body: Body) -> Body | None:
    found = _ENGINE.search(path)
    return None if found is None else _with_model(body, found.group(1), "the path")


def _from_engine(endpoint: Endpoint, path: str, body: Body) -> Body | None:
    if "engine" not in body:
        return None
    left = {name: value for name, value in body.items() if name != "engine"}
    return _with_model(left, body["engine"], "`engine`")


def _with_model(body: Body, name: Any, where: str) -> Body:
    if body.get("model", name) != name:
        raise BadRequest(
            400, "legacy.engine", f"{where} and `model` name two models: keep `model`", param="model"
        )
    return {"model": name, **body}


def _limit(endpoint: Endpoint, path: str, body: Body) -> Body | None:
    model = body.get("model")
    if endpoint.name != "chat" or "max_tokens" not in body or not isinstance(model, str):
        return None
    if not models.wants_max_completion_tokens(model):
        return None
    if "max_completion_tokens" in body:
        message = "`max_tokens` and `max_completion_tokens` are one limit: keep `max_completion_tokens`"
        raise BadRequest(400, "legacy.max_tokens", message, param="max_tokens")
    return {_RENAMED.get(name, name): value for name, value in body.items()}


_RENAMED = {"max_tokens": "max_completion_tokens", "functions": "tools", "function_call": "tool_choice"}


def _functions(endpoint: Endpoint, path: str, body: Body) -> Body | None:
    if endpoint.name != "chat" or not ("functions" in body or "function_call" in body):
        return None
    if "tools" in body or "tool_choice" in body:
        message = "`functions` and `tools` together: keep `tools` and `tool_choice`"
        raise BadRequest(400, "legacy.functions", message, param="functions")
    left = {name: value for name, value in body.items() if name not in ("functions", "function_call")}
    if "functions" in body:
        left["tools"] = _tools(body["functions"])
        left |= {"parallel_tool_calls": False} if models.takes_parallel_switch(str(body.get("model"))) else {}
    if "function_call" in body:
        left["tool_choice"] = _tool_choice(body["function_call"])
    if isinstance(body.get("messages"), list):
        left["messages"] = list(_messages(body["messages"]))
    return left


def _tools(functions: Any) -> Any:
    if not isinstance(functions, list):
        return functions
    return [{"type": "function", "function": function} for function in functions]


def _tool_choice(choice: Any) -> Any:
    return {"type": "function", "function": choice} if isinstance(choice, dict) else choice


def _messages(messages: Iterable[Any]) -> Iterator[Any]:
    """The history: each call gets an id by its place, and the result that follows it answers to that id."""
    open_calls: list[tuple[Any, str]] = []
    for place, message in enumerate(messages):
        if not isinstance(message, dict):
            yield message
        elif message.get("role") == "function":
            yield _result(place, message, open_calls)
        elif isinstance(call := message.get("function_call"), dict):
            ident = f"call_{place}"
            open_calls.append((call.get("name"), ident))
            left = {name: value for name, value in message.items() if name != "function_call"}
            yield {
                "content": None,
                **left,
                "tool_calls": [{"id": ident, "type": "function", "function": call}],
            }
        else:
            yield message


def _result(place: int, message: Body, open_calls: list[tuple[Any, str]]) -> Body:
    call = next((known for known in reversed(open_calls) if known[0] == message.get("name")), None)
    if call is None:
        text = "a function's result must follow the message whose `function_call` it answers"
        raise BadRequest(400, "legacy.functions", text, param=f"messages[{place}]")
    open_calls.remove(call)
    return {"role": "tool", "tool_call_id": call[1], "content": message.get("content")}


_STEPS = (
    _Step(
        "engine_path",
        "",
        "the path /engines/NAME/… was shut down on 2022-12-03: call /v1/completions with `model`",
        _from_path,
    ),
    _Step("engine", "engine", "`engine` is no parameter any more: write `model`", _from_engine),
    _Step(
        "max_tokens",
        "max_tokens",
        "this model does not take `max_tokens`: write `max_completion_tokens`",
        _limit,
    ),
    _Step(
        "functions",
        "functions",
        "`functions` and `function_call` are deprecated: write `tools` and `tool_choice`",
        _functions,
    ),
)


# prompts beyond the window


def check_window(endpoint: Endpoint, body: Body, size: int, segments: Sequence[Segment]) -> None:
    """Refuse a prompt that cannot fit. Raises BadRequest 400 with the API's own code, `context_length_exceeded`.

    `size` is the body's in bytes: no text has more tokens than bytes. Estimates err, so a prompt is refused only
    if half of its estimate, white space left out, is beyond the window.
    """
    model = body.get("model")
    window = models.window(model) if isinstance(model, str) else None
    if window is None or size <= window:
        return
    weights = [weigh("".join(segment.text.split())) for segment in segments]
    heaviest = max(weights, default=0) if endpoint.name in ("completions", "embeddings") else sum(weights)
    if (least := heaviest // (2 * QUARTERS)) > window:
        message = (
            f"the prompt has at least {least} tokens, the model's window is {window}: "
            "shorten it, or split it (guard.text.split)"
        )
        raise BadRequest(400, "context_length_exceeded", message, param=_PROMPT[endpoint.name])


_PROMPT = {"chat": "messages", "completions": "prompt", "embeddings": "input", "responses": "input"}


def unknown_ends(endpoint: Endpoint, reasons: Iterable[Any]) -> bool:
    """Whether a choice ended for a reason that the API does not document."""
    chosen = endpoint.name in ("chat", "completions")
    return chosen and any(reason is not None and reason not in FINISH_REASONS for reason in reasons)


# answers, for a caller who speaks of functions


def old_answer(answer: Any) -> Any:
    """An answer or a chunk whose first tool call is a `function_call`: the old style knows one a message."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list):
        return answer
    return {**answer, "choices": [_old_choice(c) if isinstance(c, dict) else c for c in choices]}


def _old_choice(choice: Mapping[str, Any]) -> Body:
    old = {name: _old_message(v) if name in ("message", "delta") else v for name, v in choice.items()}
    if old.get("finish_reason") == "tool_calls":
        old["finish_reason"] = "function_call"
    return old


def _old_message(message: Any) -> Any:
    if not isinstance(message, dict) or "tool_calls" not in message:
        return message
    left = {name: value for name, value in message.items() if name != "tool_calls"}
    calls = message["tool_calls"] if isinstance(message["tool_calls"], list) else []
    first = [c.get("function") for c in calls if isinstance(c, dict) and c.get("index", 0) == 0]
    return {**left, "function_call": first[0]} if first and isinstance(first[0], dict) else left


class OldStream:
    """A stream in today's style, told in the old one, event by event."""

    def __init__(self, limits: Limits) -> None:
        self._decoder = sse.Decoder()
        self._limits = limits

    def feed(self, data: bytes) -> bytes:
        """Take released bytes; return what the caller gets for them."""
        return b"".join(map(self._event, self._decoder.feed(data)))

    def _event(self, event: sse.Event) -> bytes:
        if event.data is None or event.done:
            return event.raw
        data = parse(event.data.encode(), self._limits)
        old = old_answer(data)
        return event.raw if old == data else event.with_data(dump(old).decode())
