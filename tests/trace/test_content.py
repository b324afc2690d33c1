"""Texts for the auditor alone: sealed by a standard, bounded, opened by the private key for its own span only."""

from __future__ import annotations

import base64
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import SetupError
from guard.pii.kept import LIMIT, Kept
from guard.trace import spans
from guard.trace.content import Auditor, Opener, Sealed, make_pair
from guard.trace.spans import Recorder, Span
from guard.types import Action, Decision, Finding

PRIVATE, PUBLIC = make_pair()
RECORDER = Recorder()


def sealed(texts: list[tuple[str, str]]) -> Span:
    span = RECORDER.start(spans.SCREEN)
    Auditor(PUBLIC).seal(span, texts, original=True, cut=False)
    return span


def decided(start: int, end: int, action: Action, kind: str = "pii.email") -> Decision:
    return Decision(Finding(kind, start, end, 1.0, "pattern", "p"), action, Action.ALLOW, "pii.*", "x:1")


@given(
    st.lists(st.tuples(st.text(max_size=20), st.text(st.characters(), max_size=200)), min_size=1, max_size=4)
)
def test_what_is_sealed_opens(texts: list[tuple[str, str]]) -> None:
    """Any text in any order; a lone surrogate comes back as a question mark."""
    span = sealed(texts)
    opened = Opener(PRIVATE).open(span._attributes[spans.CONTENT], span.trace_id, span.span_id)
    assert opened == [tuple(t.encode("utf-8", "replace").decode() for t in one) for one in texts]


def test_the_longest_text_opens_from_the_line_on_record() -> None:
    """The line cuts texts at 8,192 characters, but not this one: nothing would open what is left."""
    draw = random.Random(5)
    text = "".join(
        chr(draw.choice((draw.randint(32, 126), draw.randint(0x4E00, 0x9FFF)))) for _ in range(LIMIT)
    )
    span = sealed([("p", text)])
    (line,) = json.loads(span.end())["resourceSpans"][0]["scopeSpans"][0]["spans"]
    told = {row["key"]: row["value"] for row in line["attributes"]}[spans.CONTENT]["stringValue"]
    assert len(told) > 100_000
    assert Opener(PRIVATE).open(told, span.trace_id, span.span_id) == [("p", text)]


def test_nothing_else_opens_it() -> None:
    """Another key, another span, one bit: closed. The public key alone seals, and each time differently."""
    span = sealed([("p", "canary")])
    told = span._attributes[spans.CONTENT]
    data = base64.b64decode(told)
    changed = base64.b64encode(data[:-1] + bytes([data[-1] ^ 1])).decode()
    for opener, text, trace, own in (
        (Opener(make_pair()[0]), told, span.trace_id, span.span_id),
        (Opener(PRIVATE), told, span.trace_id, "0" * 16),
        (Opener(PRIVATE), told, "0" * 32, span.span_id),
        (Opener(PRIVATE), changed, span.trace_id, span.span_id),
        (Opener(PRIVATE), "", span.trace_id, span.span_id),
        (Opener(PRIVATE), "no base64!", span.trace_id, span.span_id),
    ):
        with pytest.raises(Sealed):
            opener.open(text, trace, own)
    assert b"canary" not in data
    assert sealed([("p", "canary")])._attributes[spans.CONTENT] != told


def test_a_key_of_another_kind_is_refused() -> None:
    """Bad input: no key, a public one, one of another curve; the error quotes none of it."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    other = Ed25519PrivateKey.generate().private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    )
    for pem in (b"", PUBLIC.encode(), other):
        with pytest.raises(SetupError, match="key"):
            Opener(pem)


def test_redacted_is_without_all_that_a_rule_takes_out() -> None:
    """Done or only observed, blocked too; what a rule lets pass stays; the caller's own values go as well."""
    kept = Kept(original=False)
    text = "a@x.org b@x.org c@x.org own"
    rows = [
        decided(0, 7, Action.REDACT),
        decided(8, 15, Action.FLAG),
        decided(16, 23, Action.BLOCK, "pii.card"),
    ]
    kept.note("p", text, rows, [(24, 27, "own")])
    assert kept.take() == ([("p", "<pii.email> b@x.org <pii.card> <own>")], False)
    kept.note(
        "p",
        text,
        [decided(0, 7, Action.REDACT), decided(2, 9, Action.REDACT), decided(9, 9, Action.BLOCK)],
        [],
    )
    assert kept.take() == ([("p", "<pii.email>@x.org c@x.org own")], False)
    whole = Kept(original=True)
    whole.note("p", text, rows, [(24, 27, "own")])
    assert whole.take() == ([("p", text)], False)


def test_what_is_kept_is_bounded_and_says_so() -> None:
    """Pieces of one path are joined; beyond the limit is cut; each record begins anew."""
    kept = Kept(original=True)
    for piece in ("one ", "two"):
        kept.note("p", piece, [], [])
    kept.note("q", "x" * LIMIT, [], [])
    kept.note("r", "more", [], [])
    texts, cut = kept.take()
    assert (texts[0], [path for path, _ in texts], cut) == (("p", "one two"), ["p", "q"], True)
    assert sum(len(text) for _, text in texts) == LIMIT
    assert kept.take() == ([], False)
