"""guard inside a real Presidio: its recognizer in an AnalyzerEngine, its operators in an AnonymizerEngine; no model."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NoOpNlpEngine
from presidio_anonymizer.entities import OperatorConfig, OperatorResult

from guard.guard import Guard
from guard.integrations.presidio import (
    OPERATOR,
    RESTORE,
    GuardRecognizer,
    anonymize,
    anonymizer,
    deanonymizer,
    entity_of,
    kind_of,
    new_mapping,
    operators,
)
from guard.kinds import KINDS, PRESIDIO
from guard.policy.load import load_policy

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "presidio.md").read_text("utf-8")
TEXT = "Mail jo.weber@kontor-nord.org or 13398765421, card 4929 1234 5678 9015."


@cache
def analyzer(language: str = "en", beside: bool = False) -> AnalyzerEngine:
    """An engine with guard alone, or beside Presidio's own recognizers."""
    nlp = NoOpNlpEngine(models=[{"lang_code": language, "model_name": "none"}])
    registry = RecognizerRegistry(supported_languages=[language])
    if beside:
        registry.load_predefined_recognizers(languages=[language], nlp_engine=nlp)
    registry.add_recognizer(GuardRecognizer(supported_language=language))
    return AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=[language])


def found(text: str, language: str = "en", **more: Any) -> list[tuple[str, str]]:
    results = analyzer(language).analyze(text, language=language, **more)
    return [(r.entity_type, text[r.start : r.end]) for r in sorted(results, key=lambda r: r.start)]


def test_the_engine_finds_what_guard_finds() -> None:
    """Presidio's names for Presidio's kinds, guard's own for the others; scores and offsets are guard's."""
    assert found(TEXT) == [
        ("EMAIL_ADDRESS", "jo.weber@kontor-nord.org"),
        ("PHONE_NUMBER", "13398765421"),
        ("CREDIT_CARD", "4929 1234 5678 9015"),
    ]
    policy = load_policy("default")
    bare = policy.recognizers.model_copy(update={"presidio": type(policy.recognizers.presidio)()})
    guard = Guard.from_policy(policy.model_copy(update={"recognizers": bare}))
    try:
        theirs = {(r.entity_type, r.start, r.end, r.score) for r in analyzer().analyze(TEXT, language="en")}
        assert theirs == {(entity_of(f.kind), f.start, f.end, f.score) for f in guard.detect(TEXT)}
    finally:
        guard.close()


@pytest.mark.parametrize(
    ("text", "entity", "value"),
    [
        ("卡号4929123456789015", "CREDIT_CARD", "4929123456789015"),
        ("邮箱wang@kontor-nord.cn是", "EMAIL_ADDRESS", "wang@kontor-nord.cn"),
        ("身份证110105198403077734，谢谢", "CN_RESIDENT_ID", "110105198403077734"),
        ("手机１３３９８７６５４２１", "PHONE_NUMBER", "１３３９８７６５４２１"),
    ],
)
def test_chinese_text_does_not_leak(text: str, entity: str, value: str) -> None:
    """Presidio's trap 1: its word borders are Unicode's, so values that touch Hanzi are lost; guard's are not."""
    assert (entity, value) in found(text, "zh")
    assert (entity, value) in found(text, "en")


def test_addresses_at_private_names_need_no_network() -> None:
    """Presidio's trap 4 (B07, B40): no look-up of a public suffix list, and a@corp.internal is an address."""
    assert found("write to a.b@corp.internal now") == [("EMAIL_ADDRESS", "a.b@corp.internal")]


def test_a_long_text_is_found_whole() -> None:
    """B37: a million characters and a value at the end."""
    text = "word " * 200_001 + "jo.weber@kontor-nord.org"
    assert found(text)[-1] == ("EMAIL_ADDRESS", "jo.weber@kontor-nord.org")


def test_only_what_is_asked_for_is_returned() -> None:
    """`entities=` narrows, in the call and at construction; a threshold drops by guard's own score."""
    assert [e for e, _ in found(TEXT, entities=["CREDIT_CARD"])] == ["CREDIT_CARD"]
    assert found(TEXT, score_threshold=0.99) == []
    only = GuardRecognizer(entities=["CN_PLATE", "URL"])
    assert only.supported_entities == ["CN_PLATE", "URL"]
    [url] = only.analyze("see https://kontor-nord.org/x", [])
    assert (url.entity_type, url.analysis_explanation.recognizer) == ("URL", "guard")


def test_guard_stands_beside_presidios_own_recognizers(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one engine with Presidio's seventeen: nothing of guard's is lost, and the text is replaced once.

    Presidio's own e-mail check downloads the public suffix list; here it reads the list that its library ships.
    """
    monkeypatch.setattr(tldextract, "extract", tldextract.TLDExtract(cache_dir=None, suffix_list_urls=()))
    results = analyzer(beside=True).analyze(TEXT, language="en")
    assert {(e, v) for e, v in found(TEXT)} <= {(r.entity_type, TEXT[r.start : r.end]) for r in results}
    mapping = new_mapping()
    clean = anonymize(TEXT, results, mapping, restore=True).text
    assert clean == "Mail <EMAIL_1> or <PHONE_1>, card <CARD_1>."
    assert mapping.restore(clean) == TEXT


def test_neighbours_are_replaced_one_by_one() -> None:
    """B28: Presidio's engine takes `a@x b@y c@z` for one value; numbered from left to right they stay three."""
    text = "a.b@kontor-nord.org b.c@kontor-sued.org c.d@kontor-west.org <EMAIL_2>"
    results = analyzer().analyze(text, language="en")
    mapping = new_mapping()
    clean = anonymize(text, results, mapping, restore=True).text
    assert clean == "<EMAIL_1> <EMAIL_3> <EMAIL_4> <EMAIL_2>"
    assert mapping.restore(clean) == text


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        ("faker", r"Mail [a-z]+\.[a-z]+\d\d@\S+ or 1611\d{7}, card 4\d{3} \d{4} \d{4} \d{4}\."),
        ("mask", r"Mail \*\*\.\*+@\S+ or \*{11}, card 4929 12\*\* \*{4} 9015\."),
        ("hash", r"Mail <EMAIL:[a-p]{10}> or <PHONE:[a-p]{10}>, card <CARD:[a-p]{10}>\."),
        ("encrypt", r"Mail <EMAIL~\S+> or <PHONE~\S+>, card <CARD~\S+>\."),
        ("generalise", r"Mail <EMAIL_1> or <PHONE_1>, card <CARD_1>\."),
    ],
)
def test_every_form_is_an_operator(form: str, shape: str) -> None:
    """In an engine of the caller's own, by Presidio's own call."""
    results = analyzer().analyze(TEXT, language="en")
    configured = operators(new_mapping(), TEXT, results, form=form)
    clean = anonymizer().anonymize(TEXT, results, configured, merge_entities_with_spaces=False)
    assert re.fullmatch(shape, clean.text), clean.text
    assert {item.operator for item in clean.items} == {OPERATOR}


def test_presidios_other_engine_puts_originals_back() -> None:
    """The way back as a deanonymizer operator, by the places that the anonymizer returned."""
    mapping = new_mapping()
    clean = anonymize(TEXT, analyzer().analyze(TEXT, language="en"), mapping, restore=True)
    places = [OperatorResult(i.start, i.end, i.entity_type, i.text, i.operator) for i in clean.items]
    back = {"DEFAULT": OperatorConfig(RESTORE, {"mapping": mapping})}
    assert deanonymizer().deanonymize(clean.text, places, back).text == TEXT


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({}, TypeError),
        ({"mapping": "x"}, TypeError),
        ({"as": "shred"}, ValueError),
        ({"as": "faker", "restore": True}, ValueError),
    ],
)
def test_a_wrong_configuration_is_refused(params: dict[str, Any], error: type[Exception]) -> None:
    """B32: what a policy would refuse is refused here too, before any text is touched."""
    given = {"mapping": new_mapping(), **params} if params.get("as") else params
    config = {"DEFAULT": OperatorConfig(OPERATOR, given)}
    results = analyzer().analyze(TEXT, language="en")
    with pytest.raises(error) as caught:
        anonymizer().anonymize(TEXT, results, config)
    assert "jo.weber" not in str(caught.value)


def test_names_go_both_ways() -> None:
    """Every kind of a span has one entity, two kinds never share one, and Presidio's entities are guard's kinds."""
    spans = {kind for kind in KINDS if kind.startswith(("pii.", "secret."))}
    assert {kind_of(entity_of(kind)) for kind in spans} == spans
    assert {entity: kind_of(entity) for entity in PRESIDIO} == PRESIDIO
    assert kind_of("ACME_BADGE") == "pii.acme_badge"


def test_a_policys_own_kinds_come_along(tmp_path: Path) -> None:
    """A recognizer made of a policy finds the policy's custom kinds, and none that no rule acts on."""
    file = tmp_path / "p.yaml"
    file.write_text(
        "recognizers: {custom: [{name: badge, pattern: 'ACME-[0-9]{4}', kind: pii.acme.badge}]}\n"
        "input: {rules: {pii.acme.badge: flag, pii.email: allow}}\n"
    )
    recognizer = GuardRecognizer(file)
    [result] = recognizer.analyze("badge ACME-1234 of jo.weber@kontor-nord.org", [])
    assert (result.entity_type, result.start, result.end) == ("ACME_BADGE", 6, 15)


def test_only_this_module_imports_presidio() -> None:
    """Nobody who imports guard waits for Presidio."""
    code = "import guard, guard.guard, guard.build, sys; print('presidio_analyzer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/presidio.md shows what really happens."""
    [block] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "docs/presidio.md", "exec"), {})
    told = capsys.readouterr().out.splitlines()
    assert told == re.findall(r"# → (.*)", block)
