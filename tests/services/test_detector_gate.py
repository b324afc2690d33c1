"""The gate in front of Presidio and of own patterns: it saves a dispatch and hides nothing."""

from __future__ import annotations

import re
import warnings
from functools import cache

import pytest
import re2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.policy.names import PRESIDIO_RECOGNIZERS
from guard.services.gate import Gate
from guard.services.presidio import gate_patterns, recognizer

ASCII = st.characters(max_codepoint=127)
GATED = [name for name in PRESIDIO_RECOGNIZERS if gate_patterns(name) is not None]


@cache
def gate(name: str) -> Gate:
    return Gate([gate_patterns(name)])


def samples(name: str) -> st.SearchStrategy[str]:
    if name == "UrlRecognizer":  # its lists of top-level domains are too long to draw from
        return st.from_regex(r"\A(https?://|www\.)?[a-z0-9-]{1,5}(\.[a-z]{1,4}){1,2}(/[a-z?=]{0,3})?\Z")
    made = recognizer(name)
    strategies = []
    for pattern in made.patterns:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                strategies.append(
                    st.from_regex(re.compile(pattern.regex, made.global_regex_flags), alphabet=ASCII)
                )
        except re.error:
            continue
    return st.one_of(*strategies) if strategies else st.text(ASCII)


@pytest.mark.parametrize("name", GATED)
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_presidio_finds_passes_the_gate(name: str, data: st.DataObject) -> None:
    """Texts made of the recognizer's own pattern, in any surroundings; whatever it reports, the gate let in."""
    edge = st.text(st.sampled_from(" \t\n\x0b\x1c\x1aab1-_.@:/"), max_size=4)
    text = data.draw(edge) + data.draw(samples(name)) + data.draw(edge)
    made = recognizer(name)
    if made.analyze(text=text, entities=made.supported_entities, nlp_artifacts=None):
        assert gate(name).open(text.encode("ascii")) == (0,)


@settings(max_examples=100)
@given(st.text(st.sampled_from("0123456789abcXYZ -./:@\n\x0b\x1a"), max_size=60))
def test_what_presidio_finds_in_any_text_passes_the_gate(text: str) -> None:
    names = GATED[::7]
    opened = Gate([gate_patterns(name) for name in names]).open(text.encode("ascii"))
    for index, name in enumerate(names):
        made = recognizer(name)
        found = made.analyze(text=text, entities=made.supported_entities, nlp_artifacts=None)
        assert not found or index in opened


def test_most_recognizers_have_a_gate() -> None:
    assert len(GATED) > 60
    assert "IbanRecognizer" not in GATED  # it searches by code of its own
    assert "PhoneRecognizer" not in GATED
    assert gate_patterns("InPanRecognizer") is None  # RE2 has no look-ahead


def test_a_text_without_the_digits_that_all_need_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """RE2 is asked only where as many digits stand in a row as every pattern needs, in a text of any length."""
    made = Gate([[r"\b[0-9]{8,17}\b"], None, [r"[a-z]\d{7}"]])
    assert made.open("x1234567") == (1, 2)
    assert made.open(b"12345678") == (0, 1)
    monkeypatch.setattr(made, "_set", None)
    for text in ("", "123456", "1234 5678", "12345.67\x0b", "\uff11" * 9, "１２３４５６７ 号" * 999):
        assert made.open(text) == (1,)


def test_what_re2_reads_in_its_own_way_is_not_counted() -> None:
    """`\\Q5+5\\E` is `5+5`, `5{,7}` is itself."""
    for pattern, text in ((r"\Q5+5\E", "5+5"), ("1{,7}1", "1{,7}1"), (r"[[:digit:]]{2}|\d{9}", "12")):
        assert Gate([[pattern]]).open(text) == (0,)


def test_a_recognizer_without_patterns_always_runs() -> None:
    assert Gate([["b"], None, ["c"]]).open("aaa") == (1,)
    assert Gate([["b"], None, ["c"]]).open("abc") == (0, 1, 2)


@pytest.mark.parametrize("blank", ["\x0b", "\x1c", "\x1d", "\x1e", "\x1f"])
def test_a_blank_that_only_python_knows_lets_everything_in(blank: str) -> None:
    """`\\s` has these in Python and not in RE2."""
    opened = Gate([Gate.translated([r"a\sb"], re.MULTILINE)]).open(f"a{blank}b")
    assert re.search(r"a\sb", f"a{blank}b")
    assert opened == (0,)


@pytest.mark.parametrize(
    "pattern", [r"(?=a)b", r"(a)\1", r"a{,3}b", r"a\Z", r"a++", r"(?>a)", r"\Qa.c\E", r"[[a]b]", r"a{1,2000}"]
)
def test_what_re2_reads_otherwise_or_not_at_all_gets_no_gate(pattern: str) -> None:
    assert Gate.translated([pattern], re.MULTILINE) is None


def test_an_end_without_multiline_gets_no_gate() -> None:
    """Python's `$` also stands before a last line feed."""
    assert Gate.translated(["a$"], 0) is None
    assert Gate.translated(["a$"], re.MULTILINE) == ("(?m:a$)",)


def test_re2s_set_reads_bytes_and_text_alike() -> None:
    chosen = re2.Set.SearchSet()
    chosen.Add("b")
    chosen.Compile()
    assert list(chosen.Match("abc")) == list(chosen.Match(b"abc")) == [0]
