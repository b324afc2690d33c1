"""Old habits in Python code: each is found at its line with what to write instead; today's code is left alone."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.migration.habits import Calendar
from guard.migration.python import read
from guard.wire.models import SHUTDOWNS

CALENDAR = Calendar(date(2026, 11, 26), SHUTDOWNS)


def found(code: str) -> list[tuple[int, str, str]]:
    return [(hit.line, hit.rule, hit.what) for hit in read(dedent(code), CALENDAR)]


OLD = [
    ("import openai\nopenai.ChatCompletion.create(x)", (2, "sdk-0", "openai.ChatCompletion")),
    ("import openai as ai\nai.Embedding.acreate(x)", (2, "sdk-0", "openai.Embedding")),
    ("from openai import Completion", (1, "sdk-0", "openai.Completion")),
    ("from openai.error import RateLimitError", (1, "sdk-0", "openai.error")),
    ("import openai.error", (1, "sdk-0", "openai.error")),
    ("import openai\nopenai.api_base = x", (2, "sdk-0", "openai.api_base")),
    ("client.completions.create(\n  engine='d',\n  prompt=p)", (2, "engine", "engine=")),
    ("C.ChatCompletion.create(deployment_id='d')", (1, "engine", "deployment_id=")),
    ("c.chat.completions.create(request_timeout=3)", (1, "sdk-0", "request_timeout=")),
    ("body = {'engine': 'd', 'prompt': p}", (1, "engine", "engine=")),
    ("c.chat.completions.create(functions=fs)", (1, "functions", "functions=")),
    ("c.chat.completions.create(function_call='auto')", (1, "functions", "function_call=")),
    ("body = {'model': m, 'messages': [], 'functions': fs}", (1, "functions", "functions=")),
    ("name = r.choices[0].message.function_call.name", (1, "functions", ".function_call")),
    ("name = message['function_call']['name']", (1, "functions", '["function_call"]')),
    ("c.chat.completions.create(model='o3', messages=m, max_tokens=5)", (1, "max-tokens", "max_tokens=")),
    ("call = r.choices[0].message.tool_calls[0]", (1, "parallel-tool-calls", "tool_calls[0]")),
    ("call = message['tool_calls'][0]", (1, "parallel-tool-calls", "tool_calls[0]")),
    (
        "def a(m):\n  for c in m.tool_calls: f(c)\ndef b(m):\n  return m.tool_calls[0]",
        (4, "parallel-tool-calls", "tool_calls[0]"),
    ),
    ("OpenAI(base_url='https://api.openai.com/v1')", (1, "base-url", "https://api.openai.com")),
    (
        "import openai\nopenai.base_url = 'https://eu.api.openai.com/v1'",
        (2, "base-url", "https://eu.api.openai.com"),
    ),
    ("c(model='gpt-4')", (1, "model-gone", "gpt-4: shut down on 2026-10-23")),
    (
        "MODELS = [\n 'gpt-4o-mini-2024-07-18']",
        (2, "model-ends", "gpt-4o-mini-2024-07-18: shuts down on 2027-01-14, in 49 days"),
    ),
    (
        "c(model='ft:gpt-3.5-turbo:me::1')",
        (1, "model-gone", "ft:gpt-3.5-turbo:me::1: shut down on 2026-10-23"),
    ),
    ("c(model='davinci')", (1, "model-gone", "davinci: shut down on 2024-01-04")),
    ("MODEL: str = 'o1'", (1, "model-gone", "o1: shut down on 2026-10-23")),
    ("self.model_name = 'ada'", (1, "model-gone", "ada: shut down on 2024-01-04")),
    ("{'model': 'o3'}", (1, "model-ends", "o3: shuts down on 2026-12-11, in 15 days")),
]


@pytest.mark.parametrize(("code", "expected"), OLD, ids=[row[0][:60] for row in OLD])
def test_old_code_is_found_where_it_stands(code: str, expected: tuple[int, str, str]) -> None:
    """Line, rule, what; and every rule has words to write instead."""
    assert expected in found(code)
    assert all(hit.instead for hit in read(code, CALENDAR))


TODAY = [
    "import openai\nc = openai.OpenAI()\nc.chat.completions.create(model='gpt-6-luna', max_completion_tokens=5)",
    "import openai\nopenai.api_key = k\nopenai.OpenAI()",
    "db.create(engine=e)\nsession.execute(functions=f)\nsqlalchemy.create_engine(url)",
    "settings = {'engine': 'postgres', 'functions': []}",
    "c.chat.completions.create(model='gpt-4x', messages=m, max_tokens=5)",
    "def f(m):\n  if len(m.tool_calls) == 1: return m.tool_calls[0]\n  return [g(c) for c in m.tool_calls]",
    "c.chat.completions.create(parallel_tool_calls=False)\nx = m.tool_calls[0]",
    "x = m.tool_calls[1]",
    "OpenAI(base_url='http://127.0.0.1:8080/v1')",
    "OpenAI(base_url='https://guard.corp.internal/v1')",
    "OpenAI(base_url='https://api.openai.com/v1', http_client=guarded_client())",
    "OpenAI(base_url='https://api.openai.com/v1', http_client=http)",
    "import guard\nguard.install(app)\nOpenAI(base_url='https://api.openai.com/v1')",
    "names = ['ada', 'o1', 'curie', 'azure/o1', 'docs/gpt-4']",
    "item = {'type': 'function_call', 'name': 'f'}",
    "c(model='gpt-5.1')",  # ends in April, more than 90 days ahead
    "from .openai import ChatCompletion",
    '"""Speaks to gpt-4."""',
]


@pytest.mark.parametrize("code", TODAY)
def test_code_of_today_is_left_alone(code: str) -> None:
    """Words that other libraries use too, and models that live on, are nothing to report."""
    assert found(code) == []


def test_how_near_is_the_callers_choice() -> None:
    """`within` days ahead, the day itself included; after that day the model is gone."""
    code = "c(model='gpt-5.1')"
    days = (date(2027, 4, 1) - date(2026, 11, 26)).days
    rules = [
        [hit.rule for hit in read(code, Calendar(day, SHUTDOWNS, within))]
        for day, within in [
            (date(2026, 11, 26), days - 1),
            (date(2026, 11, 26), days),
            (date(2027, 4, 1), 0),
        ]
    ]
    assert rules == [[], ["model-ends"], ["model-gone"]]


@pytest.mark.parametrize(
    "code", ["print 'Python 2'", "(" * 500, "a" + ".a" * 200_000, "x = \0", "1" + "+1" * 100_000]
)
def test_what_is_no_python_of_today_is_said(code: str) -> None:
    """Never a crash: a parser that gives up is a ValueError, or the code is read."""
    with suppress(ValueError):
        assert read(code, CALENDAR) == []


@given(st.text(alphabet="openai.ChatCompletion(=)[]{}'\n :,0tool_calls model", max_size=80))
def test_any_text_is_read_or_refused(code: str) -> None:
    """Whatever stands in a file: hits in the order of lines, or ValueError."""
    try:
        hits = read(code, CALENDAR)
    except ValueError:
        return
    assert hits == sorted(hits)
