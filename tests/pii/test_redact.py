"""Redacting and restoring a text: exact offsets, one pass, nothing but this exchange's own values."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from guard.keys import Keys
from guard.pii.mapping import Mapping
from guard.pii.redact import answer, redact
from guard.types import Action, Decision, Finding, Redaction

KEYS = Keys(b"test master key")
TOKEN = Redaction("token", restore=True)
SEALED = Redaction("encrypt", restore=True)
EMAIL = re.compile(r"[a-z0-9.]+@[a-z0-9.]+[a-z0-9]")


def decision(
    start: int,
    end: int,
    kind: str = "pii.email",
    redaction: Redaction = TOKEN,
    enforced: Action = Action.REDACT,
) -> Decision:
    return Decision(
        Finding(kind, start, end, 1.0, "test"), Action.REDACT, enforced, kind, redaction=redaction
    )


def found(text: str, redaction: Redaction = TOKEN) -> list[Decision]:
    return [decision(*match.span(), redaction=redaction) for match in EMAIL.finditer(text)]


def test_b28_every_neighbour_is_replaced() -> None:
    """B28: three values of one kind with only blanks between are three placeholders."""
    text = "a@x.com b@y.org c@z.net"
    assert redact(text, found(text), Mapping(KEYS)) == "<EMAIL_1> <EMAIL_2> <EMAIL_3>"


def test_only_enforced_redactions_change_the_text() -> None:
    """A decision that is only recorded, or that blocks, replaces nothing here."""
    text = "a@x.com b@y.org c@z.net"
    decisions = [
        decision(0, 7, enforced=Action.ALLOW),
        decision(8, 15),
        decision(16, 23, enforced=Action.BLOCK),
    ]
    assert redact(text, decisions, Mapping(KEYS)) == "a@x.com <EMAIL_1> c@z.net"


def test_b27_overlapping_spans_are_never_spliced() -> None:
    """B27: spans that overlap give disjoint placeholders and leave nothing of either span."""
    text = "see bob@corp.com/x now"
    decisions = [decision(4, 16), decision(8, 18, "pii.url"), decision(4, 16, "pii.person")]
    made = redact(text, decisions, Mapping(KEYS))
    assert made == "see <EMAIL_1><URL_1> now"
    assert "corp" not in made


def test_numbering_is_left_to_right_and_skips_what_the_caller_typed() -> None:
    """Numbers follow the text, one sequence a name; literals in any tolerated spelling are left out."""
    text = "<EMAIL_1> a@x.com \\<email\\_3\\> b@y.org a@x.com"
    made = redact(text, found(text), Mapping(KEYS))
    assert made == "<EMAIL_1> <EMAIL_2> \\<email\\_3\\> <EMAIL_4> <EMAIL_2>"


words = st.one_of(
    st.sampled_from(
        ["a@x.com", "bob@y.org", "<EMAIL_1>", "<email_2>", "\\", "<", ">", "&lt;EMAIL_3&gt;", "_1>", "<EM"]
    ),
    st.sampled_from(
        ["\\<EMAIL_1\\>", "< EMAIL_1 >", "＜EMAIL_2＞", "<EMAIL~x>", " ", "\\>", "&gt;", "EMAIL_1"]
    ),
    st.text(max_size=6),
)


@given(st.lists(words, max_size=12).map("".join))
def test_restoring_undoes_redacting(text: str) -> None:
    """restore(redact(t)) == t for any text without links, those that hold `<EMAIL_1>` already included."""
    mapping = Mapping(KEYS)
    assume(not set(text) & set("/:="))
    assert mapping.restore(redact(text, found(text), mapping)) == text


@given(st.lists(words, max_size=12).map("".join))
def test_redacting_changes_only_the_spans(text: str) -> None:
    """Between the spans every character stays, in its order, whatever stands there."""
    decisions = found(text, Redaction("hash"))
    made = redact(text, decisions, Mapping(KEYS))
    pieces = EMAIL.split(text)
    pattern = "<EMAIL:[a-p]{10}>".join(map(re.escape, pieces))
    assert re.fullmatch(pattern, made)


@given(st.lists(words, max_size=12).map("".join), st.lists(words, max_size=12).map("".join))
def test_an_answer_is_rewritten_in_one_pass(asked: str, told: str) -> None:
    """What comes back holds originals only where the provider wrote placeholders, and no finding of its own."""
    mapping = Mapping(KEYS)
    redact(asked, found(asked), mapping)
    before = dict(mapping.restorable)
    released, judged, restored, withheld, *_ = answer(told, found(told, Redaction("token")), mapping)
    assert restored + withheld == sum(1 for *_, p in mapping.spans(told) if p in before)
    for original in before.values():
        assert original not in judged
    if not restored:
        assert not EMAIL.search(released)


def test_a_restored_original_is_no_finding() -> None:
    """Findings are located on the provider's text, so what is put back is not redacted again."""
    mapping = Mapping(KEYS)
    redact("a@x.com", found("a@x.com"), mapping)
    told = "Write to <EMAIL_1>, not to spam@evil.org."
    assert answer(told, found(told, Redaction("token")), mapping)[:3] == (
        "Write to a@x.com, not to <EMAIL_2>.",
        "Write to <EMAIL_1>, not to <EMAIL_2>.",
        1,
    )


@pytest.mark.parametrize(
    ("told", "span", "released"),
    [
        ("see <EMAIL_1> there", (4, 13), "see a@x.com there"),  # the same span
        ("see <EMAIL_1> there", (5, 12), "see a@x.com there"),  # inside
        ("see <EMAIL_1> there", (3, 14), "see a@x.com there"),  # brackets and blanks only
        ("see <EMAIL_1>.uk now", (5, 16), "see a@x.com<URL_1> now"),  # reaching over
        ("q=<EMAIL_1>&x=1", (0, 15), "<URL_1>a@x.com<URL_2>"),  # around
    ],
)
def test_a_placeholder_is_never_a_finding(told: str, span: tuple[int, int], released: str) -> None:
    """A finding that touches a placeholder redacts what it covers beyond it, and never the placeholder."""
    mapping = Mapping(KEYS)
    redact("a@x.com", found("a@x.com"), mapping)
    assert answer(told, [decision(*span, kind="pii.url")], mapping)[0] == released


def test_judged_text_never_holds_an_original() -> None:
    """An original that the provider wrote itself is taken out of the text for moderation, though no rule redacts it."""
    mapping = Mapping(KEYS)
    redact("a@x.com", found("a@x.com"), mapping)
    assert answer("It is a@x.com!", [], mapping)[:3] == ("It is a@x.com!", "It is <EMAIL_1>!", 0)
    assert answer("a@x.com is <EMAIL_1>.", [], mapping)[:3] == (
        "a@x.com is a@x.com.",
        "<EMAIL_1> is <EMAIL_1>.",
        1,
    )


def test_sealed_placeholders_restore_too() -> None:
    """`encrypt` with restore comes back like a token."""
    mapping = Mapping(KEYS)
    text = "a@x.com and b@y.org"
    sent = redact(text, found(text, SEALED), mapping)
    assert "@" not in sent
    assert mapping.restore(f"[{sent}]") == f"[{text}]"
