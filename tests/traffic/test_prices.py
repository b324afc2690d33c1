"""What a call costs, and how many tokens it may use: whole numbers, rounded up, never zero for want of knowledge."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.traffic.prices import Prices, surcharge, times
from guard.traffic.usage import Tokens, bound, choices, used

OPENAI = "api.openai.com"


@dataclass
class Row:
    input: float
    output: float = 0.0
    cached: float | None = None


@pytest.fixture(scope="module")
def prices() -> Prices:
    return Prices({"own": Row(1.0, 2.0, 0.5), "gpt-4o": Row(100.0, 100.0)})


def cost(prices: Prices, model: str, tokens: Tokens, host: str = OPENAI) -> int:
    price = prices.of(model, host)
    assert price is not None
    return price.micro(tokens)


def test_the_list_that_ships_is_asked_offline(prices: Prices) -> None:
    """A model of genai-prices: 0.15 USD a million in, 0.60 out; nothing is fetched."""
    assert cost(prices, "gpt-4o-mini", Tokens(1_000_000, 0)) == 150_000
    assert cost(prices, "gpt-4o-mini", Tokens(0, 1_000_000)) == 600_000
    assert cost(prices, "gpt-4o-mini-2024-07-18", Tokens(1_000_000, 0)) == 150_000
    assert cost(prices, "gpt-4o-mini", Tokens(1_000_000, 0), "llm.internal") == 150_000


def test_own_rows_come_first(prices: Prices) -> None:
    """What the policy writes counts, also where the list knows the model."""
    assert cost(prices, "own", Tokens(10, 10)) == 30
    assert cost(prices, "gpt-4o", Tokens(10, 10)) == 2000


@pytest.mark.parametrize("model", ["m", "", "qwen-max-of-nobody", "x" * 500, "../../etc", "ｍ"])
def test_an_unknown_price_is_none(prices: Prices, model: str) -> None:
    """C45: never zero: the policy says what follows."""
    assert prices.of(model, OPENAI) is None


def test_cached_tokens_are_cheaper(prices: Prices) -> None:
    """Of 1,000 tokens of input 400 came from the cache."""
    assert cost(prices, "own", Tokens(1000, 0, cached=400)) == 800
    assert cost(prices, "gpt-4o-mini", Tokens(1_000_000, 0, cached=1_000_000)) == 75_000


def test_a_long_context_makes_all_of_it_dearer(prices: Prices) -> None:
    """gemini-2.5-pro: 1.25 USD a million up to 200,000 tokens of input, 2.50 for all of them beyond; output too."""
    assert cost(prices, "gemini-2.5-pro", Tokens(200_000, 0)) == 250_000
    assert cost(prices, "gemini-2.5-pro", Tokens(200_001, 0)) == 500_003
    assert cost(prices, "gemini-2.5-pro", Tokens(200_001, 1_000_000)) == 15_500_003


def test_tier_and_region_cost_more(prices: Prices) -> None:
    """`service_tier: priority` counts twice, OpenAI's regional hosts 10 % more; `flex` is not counted cheaper."""
    price = prices.of("own", OPENAI)
    assert price is not None
    assert price.micro(Tokens(1000, 0), times=times("priority")) == 2000
    assert price.micro(Tokens(1000, 0), percent=surcharge("eu.api.openai.com")) == 1100
    assert (times("flex"), times(None), surcharge(OPENAI)) == (1, 1, 100)


@given(*[st.integers(0, 10**7)] * 4)
def test_what_is_reserved_covers_what_is_used(read: int, written: int, cached: int, stored: int) -> None:
    """C44: whatever part of the input came from a cache or went into one, the reservation is not smaller."""
    for model in ("own", "gpt-5.6-sol", "gpt-4o-mini"):
        price = Prices({"own": Row(1.0, 2.0, 0.5)}).of(model, OPENAI)
        assert price is not None
        tokens = Tokens(read, written, min(cached, read), min(stored, read - min(cached, read)))
        assert price.most(Tokens(read, written)) >= price.micro(tokens)


def chat(text: str, **more: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


@pytest.mark.parametrize(
    ("more", "answers"),
    [
        ({}, 4096),
        ({"max_tokens": 10}, 10),
        ({"max_completion_tokens": 20, "max_tokens": 10}, 20),
        ({"max_output_tokens": 30}, 30),
        ({"n": 128, "max_tokens": 10}, 1280),
        ({"best_of": 5, "n": 2, "max_tokens": 10}, 50),
        ({"max_tokens": -5}, 4096),
        ({"max_tokens": True}, 4096),
        ({"max_tokens": "10"}, 4096),
        ({"n": 0, "max_tokens": 10}, 10),
        ({"prompt": ["a", "b", "c"], "max_tokens": 10}, 30),
        ({"prompt": [1, 2, 3], "max_tokens": 10}, 10),
    ],
)
def test_the_answer_that_is_allowed(more: dict[str, object], answers: int) -> None:
    """C45: `n` multiplies it; a maximum that is none counts as absent."""
    body = chat("hi", **more)
    assert bound(body, orjson.dumps(body), 4096).output == answers


def test_an_embedding_has_no_answer() -> None:
    """Only its input costs."""
    body = {"model": "m", "input": "some text"}
    assert bound(body, orjson.dumps(body), 4096, answers=False).output == 0


@pytest.mark.parametrize(
    ("text", "least"), [("word ", 0.5), ("7", 1), ("#", 1), ("天", 2), ("é", 0.5), ("ж", 1), ("😀", 2)]
)
def test_the_prompt_is_bounded_by_script(text: str, least: float) -> None:
    """Twice what guard/text.py estimates for the script: two Latin letters a token, two tokens a Hanzi."""
    body = chat(text * 1000)
    short = bound(chat(""), orjson.dumps(chat("")), 1).input
    prompt = bound(body, orjson.dumps(body), 1).input - short
    assert prompt == pytest.approx(least * len(text) * 1000, abs=4)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}, Tokens(7, 3)),
        ({"input_tokens": 7, "output_tokens": 3}, Tokens(7, 3)),
        ({"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 5}}, Tokens(7, 0, 5)),
        ({"input_tokens": 7, "input_tokens_details": {"cached_tokens": 50}}, Tokens(7, 0, 7)),
        (
            {
                "prompt_tokens": 7,
                "completion_tokens": 9,
                "completion_tokens_details": {"reasoning_tokens": 8},
            },
            Tokens(7, 9),
        ),
        ({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 100}, Tokens(7, 93)),
        ({"prompt_tokens": -7, "completion_tokens": -3}, Tokens(0, 0)),
        ({"prompt_tokens": "7"}, None),
        ({}, None),
        (None, None),
        ([7], None),
    ],
)
def test_what_was_used(usage: object, tokens: Tokens | None) -> None:
    """Both APIs; tokens that only the total tells (some providers' reasoning) are output; nonsense is nothing."""
    assert used(usage) == tokens


NAMES = ["n", "best_of", "prompt", "max_tokens", "usage", "prompt_tokens", "total_tokens", "cached_tokens"]
SIMPLE = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(SIMPLE, lambda x: st.lists(x) | st.dictionaries(st.sampled_from(NAMES), x))


@given(JSON)
def test_no_body_breaks_the_count(value: object) -> None:
    """C45: whatever a caller or a provider writes, the counts are whole numbers of at least zero."""
    body = value if isinstance(value, dict) else {"n": value, "prompt": value, "max_tokens": value}
    most = bound(body, b"{}", 4096)
    assert most.input >= 0
    assert most.output >= 1
    assert choices(body) >= 1
    found = used(value)
    assert found is None or min(found.input, found.output, found.cached) >= 0


def test_prompts_that_are_no_list_of_texts() -> None:
    """An empty list of prompts asks for one answer at least."""
    assert choices({"prompt": []}) == 1
