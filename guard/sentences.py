"""What a refused person or engineer reads when the policy has no words of its own, in English or Chinese.

Nothing is quoted. Which language is asked for is the request's `Accept-Language`; without one it is English.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from guard.policy.model import Policy
from guard.types import Decision, Stage

Languages = tuple[str, ...]
"""Tags of languages in lower case, the most wanted first."""

ENGLISH: Mapping[str, str] = {
    "encoding": "guard cannot read this encoding; a rule `guard.opaque.encoding: allow` lets it pass unscreened",
    "opaque": "guard cannot read the {what}{place}; a rule `{kind}: allow` under {stage}.rules lets it pass",
    "place": " at {path}",
    "endpoint": "guard does not screen this endpoint; `endpoints: {{allow: [{path}]}}` in the policy lets it pass",
    "sockets": "guard does not screen this endpoint, and lets none of its websockets pass; "
    "`endpoints: {{allow: [{path}]}}` in the policy lets its plain requests pass",
    "endpoints": "guard does not screen this endpoint; a rule `guard.opaque.endpoint: allow` under {stage}.rules"
    " lets all such endpoints pass",
    "history": "what {path} goes on from is not known here (any more), so its placeholders cannot come back; send the"
    " history in the request, or let the policy redact `as: encrypt`",
    "unavailable": "a check could not run ({what}), so nothing was let through; try again later",
    "hidden": "text at {path} is hidden from people; a rule `guard.hidden: flag` under {stage}.rules lets it pass",
    "tool": "the model called a tool that the policy does not name under `output.tools`",
    "request": "the request was refused by the policy ({kind})",
    "answer": "the answer was refused by the policy ({kind})",
}
CHINESE: Mapping[str, str] = {
    "encoding": "guard 无法读取此编码；规则 `guard.opaque.encoding: allow` 可让其不经检查通过",
    "opaque": "guard 无法读取{place}内容（{what}）；在 {stage}.rules 中加入规则 `{kind}: allow` 可让其通过",
    "place": " {path} 处的",
    "endpoint": "guard 不检查此接口；在策略中写入 `endpoints: {{allow: [{path}]}}` 可让其通过",
    "sockets": "guard 不检查此接口，其 websocket 一律不通过；"
    "在策略中写入 `endpoints: {{allow: [{path}]}}` 可让其普通请求通过",
    "endpoints": "guard 不检查此接口；在 {stage}.rules 中加入规则 `guard.opaque.endpoint: allow` 可让所有此类接口通过",
    "history": "{path} 所接续的内容在此处已无记录，其占位符无法还原；请在请求中附上历史，或让策略以 `as: encrypt` 脱敏",
    "unavailable": "有一项检查未能运行（{what}），因此未放行任何内容；请稍后再试",
    "hidden": "{path} 处含有人看不见的文字；在 {stage}.rules 中加入规则 `guard.hidden: flag` 可让其通过",
    "tool": "模型调用了策略的 `output.tools` 中未列出的工具",
    "request": "该请求被策略拒绝（{kind}）",
    "answer": "该回答被策略拒绝（{kind}）",
}

SOCKETS = ("realtime", "live")
"""Endpoints of the API that speak by websockets (openai.resources.realtime, live)."""

HISTORY = ("previous_response_id", "conversation")
"""The fields of a request that say what it goes on from."""

_SPOKEN = {"en": ENGLISH, "zh": CHINESE}
_MOST = 8
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?")


_LANGUAGE = b"accept-language"
_LANGUAGE_LENGTH = len(_LANGUAGE)


def spoken(headers: Iterable[tuple[bytes, bytes]]) -> Languages:
    """The languages that a request asks for in `Accept-Language` (RFC 9110, 12.5.4), the most wanted first."""
    for name, value in headers:
        if len(name) == _LANGUAGE_LENGTH and name.lower() == _LANGUAGE:
            return _ranked(value)
    return ()


@lru_cache(256)
def _ranked(value: bytes) -> Languages:
    found = [_RANGE.fullmatch(part) for part in value.decode("latin-1").split(",")[:_MOST]]
    wanted = [(float(one[2] or 1), one[1].lower()) for one in found if one]
    return tuple(tag for weight, tag in sorted(wanted, key=lambda row: -row[0]) if weight > 0)


def lookup(known: Iterable[str], languages: Languages) -> str:
    """The known tag that suits best (RFC 4647, 3.4: `zh-CN`, else `zh`); empty where none does."""
    tags = {tag.lower(): tag for tag in known}
    for wanted in languages:
        parts = wanted.split("-")
        for length in range(len(parts), 0, -1):
            if found := tags.get("-".join(parts[:length])):
                return found
    return ""


def sentence(kind: str, path: str = "", stage: Stage = Stage.INPUT, languages: Languages = ()) -> str:
    """Say why something was refused, and for what cannot be read, which rule would allow it."""
    said = _SPOKEN[lookup(_SPOKEN, languages) or "en"]
    place = said["place"].format(path=path) if path else ""
    what = kind.rpartition(".")[2]
    return said[_which(kind, path, stage)].format(kind=kind, what=what, place=place, path=path, stage=stage)


def _which(kind: str, path: str, stage: Stage) -> str:
    """Which of the sentences a kind has."""
    if kind.startswith("guard.opaque."):
        what = kind.rpartition(".")[2]
        if what == "endpoint":
            return "sockets" if path in SOCKETS else "endpoint" if path else "endpoints"
        return "encoding" if what == "encoding" else "opaque"
    if kind == "guard.unavailable.store" and path in HISTORY:
        return "history"
    if kind.startswith("guard.unavailable."):
        return "unavailable"
    own = {"guard.hidden": "hidden", "guard.tool": "tool"}
    return own.get(kind) or ("answer" if stage is Stage.OUTPUT else "request")


def message_for(policy: Policy, blocking: Decision, stage: Stage, languages: Languages = ()) -> str:
    """The words for a refusal: the policy's own for its stage (and for self-harm), else a plain sentence.

    Of a policy's words in several languages those that are asked for are said, else the first that it has.
    """
    messages, finding = policy.messages, blocking.finding
    own: str | Mapping[str, str] = messages.output if stage is Stage.OUTPUT else messages.input
    if finding.kind.startswith("moderation.self-harm") and messages.self_harm:
        own = messages.self_harm
    if finding.kind.startswith("guard.") or not own:
        return sentence(finding.kind, finding.path, stage, languages)
    return own if isinstance(own, str) else own[lookup(own, languages) or next(iter(own))]
