"""`trace.content: encrypted` in a policy: whole or refused, a loosening that is listed, undone by a pack without it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guard.policy.check import warnings
from guard.policy.load import load
from guard.trace.content import make_pair

PRIVATE, PUBLIC = make_pair()
PEM = f"-----BEGIN PUBLIC KEY-----\n{PUBLIC}\n-----END PUBLIC KEY-----\n"
WHOLE = f"trace: {{content: encrypted, auditor_key: {PUBLIC}}}\n"
Write = Callable[[str, str], Path]


@pytest.mark.parametrize(
    ("text", "place", "sentence"),
    [
        ("trace: {content: encrypted}\n", "trace", "write auditor_key"),
        (
            "trace:\n  content: encrypted\n  auditor_key: secret-canary\n",
            "3:trace.auditor_key",
            "is no public X25519 key",
        ),
        (f"trace:\n  content: encrypted\n  auditor_key: {PUBLIC[:-3]}=\n", "3:trace.auditor_key", "X25519"),
        (
            f"trace:\n  content: encrypted\n  auditor_key: {PRIVATE.decode().split()[4]}\n",
            "3:trace",
            "X25519",
        ),
        (f"trace:\n  auditor_key: {PUBLIC}\n  what: all\n", "3:trace.what", "redacted"),
    ],
    ids=["no reader", "no key", "a short one", "the private one", "another word"],
)
def test_half_a_content_does_not_load(
    problems: Callable[[str], list[str]], text: str, place: str, sentence: str
) -> None:
    """Without a reader, with a key that is none or the private one: refused by line, and no key is quoted."""
    [problem] = problems(text)
    assert place in problem
    assert sentence in problem
    assert "canary" not in problem
    assert PRIVATE.decode().split()[4] not in problem


def test_a_key_is_read_as_pem_too(load_text: Callable[[str], Any]) -> None:
    """The file that openssl writes, and the line that keygen prints, are one key."""
    indented = PEM.replace("\n", "\n    ")
    pem = load_text(f"trace:\n  content: encrypted\n  auditor_key: |\n    {indented}\n")
    assert pem.trace.auditor_key == load_text(WHOLE).trace.auditor_key == PUBLIC


def test_it_is_listed_and_no_pack_has_it(write: Write) -> None:
    """To keep texts is looser than not to: `policy check` lists it, and says what is kept for whom."""
    loaded = load(write("p.yaml", "extends: [default]\n" + WHOLE))
    assert [one for one in loaded.loosenings if "trace.content" in str(one)]
    assert "trace.content: encrypted: redacted texts of every call" in str(
        warnings(loaded, datetime.date(2026, 11, 1))
    )
    idle = load(write("q.yaml", f"trace: {{auditor_key: {PUBLIC}}}\n"))
    assert "without effect: content is none" in str(warnings(idle, datetime.date(2026, 11, 1)))
    packs = Path(__file__).parents[2] / "policies"
    assert {load(path).policy.trace.content for path in packs.glob("*.yaml")} == {"none"}


def test_among_packs_less_is_kept(write: Write) -> None:
    """A pack that keeps nothing wins, and one that keeps redacted texts over one that keeps originals."""
    write("a.yaml", WHOLE)
    write("b.yaml", WHOLE.replace("}", ", what: original}"))
    write("c.yaml", "trace: {content: none}\n")
    both = load(write("p.yaml", "extends: [a.yaml, b.yaml]\n")).policy.trace
    assert (both.content, both.what) == ("encrypted", "redacted")
    assert load(write("q.yaml", "extends: [b.yaml, c.yaml]\n")).policy.trace.content == "none"


def test_a_shorter_period_of_keys_wins(write: Write) -> None:
    """Of two packs the one under whose keys less can be joined."""
    write("a.yaml", "trace: {subjects: {period: quarter}}\n")
    write("b.yaml", "trace: {subjects: {period: month}}\n")
    assert load(write("p.yaml", "extends: [a.yaml, b.yaml]\n")).policy.trace.subjects.period == "month"
    assert load(write("q.yaml", "extends: [a.yaml]\n")).policy.trace.subjects.period == "quarter"
    looser = load(write("r.yaml", "extends: [b.yaml]\ntrace: {subjects: {period: year}}\n"))
    assert [one for one in looser.loosenings if "trace.subjects.period" in str(one)]
