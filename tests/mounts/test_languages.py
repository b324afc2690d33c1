"""Who is refused reads it in the language that they ask for, whole or streamed, at every mount."""

from __future__ import annotations

from typing import Any

import pytest

from guard import Gateway, GuardMiddleware

pytestmark = pytest.mark.anyio

JSON = (b"content-type", b"application/json")
ZH = (b"accept-language", b"zh-CN,zh;q=0.9")
WORDS = '\nmessages:\n  output: {en: "Let us talk of something else.", zh: "我们换个话题吧。"}\n'
CARD = "my card is 4929 1234 5678 9015"


@pytest.fixture
def strict(make_guard: Any, provider: Any) -> Any:
    """Cards block the request, violence the answer."""
    text = make_guard.judging + "input: {rules: {pii.card: block}}" + WORDS
    return make_guard(text, moderation_url=provider.state.url, moderation_key="sk-judge")


@pytest.fixture
def gateway(strict: Any, provider: Any) -> Gateway:
    return Gateway(strict, upstream=provider.state.url)


async def test_a_refusal_in_chinese(gateway: Gateway, kit: Any) -> None:
    """guard's own sentence; without a wish, and for languages that it has not, in English."""
    said = {}
    for name, headers in (("zh", [ZH]), ("fr", [(b"accept-language", b"fr")]), ("none", [])):
        answer = await kit.request(gateway, body=kit.chat(CARD), headers=[JSON, *headers])
        assert (answer.status, answer.code) == (403, "pii.card")
        said[name] = answer.json["error"]["message"]
    assert said["zh"] == "该请求被策略拒绝（pii.card）"
    assert said["fr"] == said["none"] == "the request was refused by the policy (pii.card)"


async def test_a_blocked_answer_in_the_policys_words(gateway: Gateway, provider: Any, kit: Any) -> None:
    """Whole and streamed: the policy's Chinese for who asks for it, its first language for all others."""
    for headers, words in (([ZH], "我们换个话题吧。"), ([], "Let us talk of something else.")):
        provider.state.script.reply = lambda body: "I will hurt you. "
        whole = await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, *headers])
        assert whole.json["choices"][0]["message"]["content"] == words
        streamed = await kit.request(gateway, body=kit.chat("hi", stream=True), headers=[JSON, *headers])
        assert kit.told(streamed.body).endswith(words)


async def test_on_an_own_application(strict: Any, kit: Any) -> None:
    """Mount (a): the person's browser says which language."""
    app = GuardMiddleware(kit.Echo(), guard=strict)
    answer = await kit.request(app, body=kit.chat(CARD), headers=[JSON, ZH])
    assert answer.json["error"]["message"] == "该请求被策略拒绝（pii.card）"
