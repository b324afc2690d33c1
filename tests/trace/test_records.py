"""What is recorded of each step: the conventions' attributes, and of foreign texts identifiers only."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from guard.trace import records, spans
from guard.types import Action, Admission, Place, Receipt, Receipts, Stage, Verdict

CHAT = SimpleNamespace(name="chat", operation="chat")
VERDICT = Verdict(Stage.INPUT, Action.BLOCK, Action.FLAG)


def present(attributes: dict[str, Any]) -> dict[str, Any]:
    """Without what is absent."""
    return {key: value for key, value in attributes.items() if value is not None}


def test_the_intent_says_what_was_decided_checked_and_sent_where() -> None:
    """Design, Trace export: every attribute of the record of intent, by its name."""
    receipts = Receipts()
    receipts.note("detect", Receipt.RAN)
    receipts.note("presidio", Receipt.FAILED_CLOSED)
    place = Place(("EEA", "CH"), ("EEA",))
    attributes = records.screen_attributes(
        VERDICT,
        endpoint="chat",
        screened_bytes=10,
        forwarded_bytes=8,
        receipts=receipts,
        admission=Admission(True, "eu.api.openai.com", "EEA+CH", place=place, source="table"),
    )
    assert present(attributes) == {
        "guard.stage": "input",
        "guard.action": "block",
        "guard.enforced": "flag",
        "guard.residency.host": "eu.api.openai.com",
        "guard.residency.jurisdiction": "EEA+CH",
        "guard.residency.decision": "admitted",
        "guard.residency.source": "table",
        "guard.residency.processing": ["EEA", "CH"],
        "guard.residency.storage": ["EEA"],
        "guard.check.detect": "ran",
        "guard.check.presidio": "failed_closed",
        "guard.endpoint": "chat",
        "guard.bytes.screened": 10,
        "guard.bytes.forwarded": 8,
    }


def test_a_refused_destination_is_recorded_as_such() -> None:
    """The code says which rule refused; the jurisdiction is named even where there is no place."""
    refused = Admission(False, "", "UNKNOWN", "free text", code="egress.host")
    assert present(records.residency_attributes(refused)) == {
        "guard.residency.host": "",
        "guard.residency.jurisdiction": "UNKNOWN",
        "guard.residency.decision": "refused",
        "guard.residency.code": "egress.host",
    }
    assert records.residency_attributes(None) == {}


def test_a_model_request_has_the_conventions_attributes() -> None:
    """gen_ai.* of the inference span; neither texts nor stop sequences among them."""
    body = {
        "model": "gpt-5.6-sol",
        "stream": True,
        "n": 2,
        "temperature": 0,
        "max_completion_tokens": 99,
        "reasoning_effort": "low",
        "stop": ["zhang.san@example.com"],
        "messages": [{"content": "zhang.san@example.com"}],
        "seed": "not a number",
    }
    assert present(records.request_attributes(CHAT, body, "myres.openai.azure.com", 8443)) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "azure.ai.openai",
        "server.address": "myres.openai.azure.com",
        "server.port": 8443,
        "openai.api.type": "chat_completions",
        "gen_ai.request.model": "gpt-5.6-sol",
        "gen_ai.request.stream": True,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.temperature": 0,
    }
    assert records.model_span_name(CHAT, "gpt-5.6-sol") == "chat gpt-5.6-sol"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.openai.com", "openai"),
        ("127.0.0.1", "openai"),
        ("api.eu.mistral.ai", "mistral_ai"),
        ("evilmistral.ai", "openai"),
        ("bedrock-runtime.eu-west-1.amazonaws.com", "aws.bedrock"),
    ],
)
def test_the_provider_is_known_by_its_host(host: str, name: str) -> None:
    """Well-known values of gen_ai.provider.name, by whole labels of the host."""
    assert records.provider(host) == name


def test_an_answer_of_chat_completions() -> None:
    """Tokens, ids and one finish reason a choice."""
    answer = {
        "id": "chatcmpl-1",
        "model": "gpt-5.6-sol-2026",
        "system_fingerprint": "fp_1",
        "service_tier": "default",
        "choices": [{"finish_reason": "stop"}, {"finish_reason": None}, {"finish_reason": "length"}],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    }
    assert present(records.usage_attributes(answer)) == {
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-5.6-sol-2026",
        "gen_ai.response.finish_reasons": ["stop", "length"],
        "openai.response.system_fingerprint": "fp_1",
        "openai.response.service_tier": "default",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 1,
    }


def test_an_answer_of_responses() -> None:
    """An incomplete response ends for the reason it gives."""
    answer = {
        "id": "resp_1",
        "status": "incomplete",
        "incomplete_details": {"reason": "content_filter"},
        "usage": {"input_tokens": 5, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 0}},
    }
    found = present(records.usage_attributes(answer))
    assert found[spans.FINISH_REASONS] == ["content_filter"]
    assert (found[spans.INPUT_TOKENS], found[spans.OUTPUT_TOKENS], found[spans.REASONING_TOKENS]) == (5, 4, 0)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "text",
        {},
        {"usage": 7, "choices": 1},
        {"choices": [7, {"finish_reason": 3}], "usage": {"prompt_tokens": "9"}},
    ],
    ids=str,
)
def test_a_malformed_answer_is_recorded_as_little(answer: Any) -> None:
    """What is not there is absent; nothing raises."""
    assert present(records.usage_attributes(answer)) == {}


CANARY = "zhang.san@example.com"


def test_foreign_texts_are_recorded_only_as_identifiers() -> None:
    """D05, D06: a canary in a model, an id, a finish reason or a tier never reaches a span."""
    answer = {
        "id": CANARY,
        "model": CANARY,
        "system_fingerprint": "a\r\nb",
        "service_tier": "x" * 200,
        "choices": [{"finish_reason": f"said {CANARY}"}],
    }
    body = {"model": CANARY, "reasoning_effort": CANARY}
    recorded = [
        records.usage_attributes(answer),
        records.request_attributes(CHAT, body, "api.openai.com"),
        records.model_span_name(CHAT, CANARY),
        records.moderation_span_name(CANARY),
        records.score_attributes([{CANARY: 0.5}]),
    ]
    assert CANARY not in str(recorded)
    assert recorded[2] == "chat _OTHER"
    assert records.identifier("ft:gpt-4o-mini:acme::7p4lURel") == "ft:gpt-4o-mini:acme::7p4lURel"


def test_all_scores_of_a_moderation_call_are_recorded() -> None:
    """Every category, one number a text; a score that is missing is -1, which no category gives."""
    assert records.score_attributes([{"hate": 0.25, "violence/graphic": 0.5}, {"hate": 1}]) == {
        "guard.moderation.texts": 2,
        "guard.moderation.score.hate": [0.25, 1.0],
        "guard.moderation.score.violence/graphic": [0.5, -1.0],
    }
    policy = SimpleNamespace(moderation=SimpleNamespace(model="omni-moderation-latest"))
    found = records.moderation_attributes(policy, Admission(True, "us.api.openai.com", "US"))
    assert found["gen_ai.operation.name"] == "moderation"
    assert found["guard.residency.jurisdiction"] == "US"
    assert records.moderation_span_name("omni-moderation-latest") == "moderation omni-moderation-latest"


def test_an_outcome_without_a_verdict_has_a_stage_and_no_action() -> None:
    """A client that left, an upstream that broke: there was nothing to judge."""
    receipts = Receipts()
    assert present(records.outcome_attributes(None, None, receipts)) == {"guard.stage": "output"}
    decided = present(records.outcome_attributes(VERDICT, {"id": "x"}, receipts, 12))
    assert decided["guard.action"] == "block"
    assert (decided["gen_ai.response.id"], decided["guard.bytes.screened"]) == ("x", 12)


def test_the_policy_version_and_guards_own_life_are_records_too() -> None:
    """Start, stop and a loaded policy are spans that name the policy by its digest."""
    policy = SimpleNamespace(policy="eu", version="2026.1", sha256="ab" * 32, mode="enforce")
    attributes = records.policy_attributes(policy)
    assert attributes == {
        "guard.policy.name": "eu",
        "guard.policy.version": "2026.1",
        "guard.policy.sha256": "ab" * 32,
        "guard.policy.mode": "enforce",
    }
    line = records.lifecycle(spans.Recorder(), spans.START, attributes)
    assert b'"name":"guard.start"' in line
    assert b'"guard.version"' in line
    assert b"ab" * 32 in line
