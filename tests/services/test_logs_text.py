"""LogRedactor on texts: stable, idempotent, bounded, with guard's own scanner."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.keys import Keys
from guard.pii.fakes import is_fake_at
from guard.pii.scan import Scanner
from guard.services.logs import LogRedactor
from guard.types import Action, Decision, Finding, Redaction

KEYS = Keys(b"a master key for tests")
SCANNER = Scanner()
VALUES = [
    "jane.doe@corp.de",
    "+1 (415) 626-2671",
    "13812345678",
    "010-62751234",
    "+44 20 7946 0958",
    "4111 1111 1111 1111",
    "6222021234567890128",
    "DE89 3704 0044 0532 0130 00",
    "8.8.8.8",
    "2a00:1450:4001:81b::200e",
    "AC:DE:48:00:11:22",
    "536-22-8421",
    "NHS number 943 476 5919",
    "AB 12 34 56 C",
    "11010519491231002X",
    "京A12345",
    "护照E12345678",
    "91350100M000100Y43",
    "https://bob:hunter2@corp.de/x",
    "postgres://u:pw123456@db.corp/x",
    "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH",
    "password: hunter2secret",
    "Authorization: Bearer abcdef1234567890abcdef",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "imei 490154203237518",
    "我叫王小明，",
]


def decide(findings: list[Finding]) -> Sequence[Decision]:
    return [_decided(finding) for finding in findings]


def _decided(finding: Finding, form: str = "") -> Decision:
    action = Action.BLOCK if finding.kind.startswith("guard.") else Action.REDACT
    form = form or ("mask" if finding.kind.startswith("secret.") else "faker")
    return Decision(finding, action, action, "test", redaction=Redaction(form))


def every_fake(findings: list[Finding]) -> Sequence[Decision]:
    return [_decided(finding, "faker") for finding in findings]


def redactor(**more: int) -> LogRedactor:
    return LogRedactor(SCANNER.scan, decide, KEYS, **more)


lines = st.lists(
    st.one_of(
        st.sampled_from(VALUES), st.sampled_from(["mail", "卡号", "tel:", "=", "\n"]), st.text(max_size=8)
    )
)


@settings(max_examples=300)
@given(lines.map(" ".join))
def test_redacting_twice_changes_nothing(text: str) -> None:
    """Whatever stands beside it, a placeholder is left alone, by another process too (one without memory)."""
    once = LogRedactor(SCANNER.scan, every_fake, KEYS).redact(text)
    assert LogRedactor(SCANNER.scan, every_fake, KEYS).redact(once) == once


@pytest.mark.parametrize("cue", ["tel: ", "电话", "卡号 "])
@pytest.mark.parametrize("value", ["4111 1111 1111 1111", "6222-0212-3456-7890-128", "138 0013 8000"])
@pytest.mark.parametrize("times", [2, 3, 6])
@pytest.mark.parametrize("between", [" ", "  ", "-", ", "])
def test_a_row_of_numbers_taken_as_one_is_known_again(cue: str, value: str, times: int, between: str) -> None:
    """A number that runs on into the next makes one stretch of them, longer than any of its kind; its fake, too."""
    once = LogRedactor(SCANNER.scan, every_fake, KEYS).redact(cue + between.join([value] * times))
    assert LogRedactor(SCANNER.scan, every_fake, KEYS).redact(once) == once


@settings(max_examples=300)
@given(lines.map(" ".join))
def test_nothing_found_is_left(text: str) -> None:
    """What the scanner still finds after redacting are fakes."""
    once = redactor().redact(text)
    assert all(is_fake_at(f.kind, once, f.start, f.end) for f in SCANNER.scan(once))


@pytest.mark.parametrize("value", [v for v in VALUES if SCANNER.scan(v)])
def test_one_value_has_one_placeholder_in_every_line(value: str) -> None:
    """Line after line, redactor after redactor, the same value reads the same; another key reads otherwise."""
    one = redactor().redact(f"{value} came")
    assert redactor().redact(f"{value} went") == one.replace("came", "went")
    assert LogRedactor(SCANNER.scan, every_fake, Keys(b"other")).redact(value) != LogRedactor(
        SCANNER.scan, every_fake, KEYS
    ).redact(value)


def test_b31_eight_threads_write_what_one_writes() -> None:
    """B31: one redactor, eight threads, the lines of a serial run."""
    texts = [f"{n} {value} and {VALUES[(n * 7) % len(VALUES)]}" for n in range(20) for value in VALUES]
    serial = [redactor().redact(text) for text in texts]
    shared = redactor(remembered=16)
    barrier = threading.Barrier(8)

    def work(offset: int) -> list[str]:
        barrier.wait()
        return [shared.redact(text) for text in texts[offset:] + texts[:offset]]

    with ThreadPoolExecutor(8) as pool:
        for offset, shown in zip(range(0, 160, 20), pool.map(work, range(0, 160, 20)), strict=True):
            assert shown == serial[offset:] + serial[:offset]
    assert shared.failures == 0


def test_what_a_changed_neighbour_lets_be_seen_is_redacted_too() -> None:
    """A recognizer that misses a value beside another finds it once that other is replaced."""

    def shy(text: str) -> list[Finding]:
        value = "ann@corp.de" if "bob@corp.de" not in text else "bob@corp.de"
        return (
            [Finding("pii.email", text.index(value), text.index(value) + 11, 1.0, "test")]
            if value in text
            else []
        )

    shown = LogRedactor(shy, decide, KEYS).redact("ann@corp.de, bob@corp.de")
    assert "corp.de" not in shown


def test_what_is_remembered_is_bounded_and_holds_no_text() -> None:
    """The memory keeps hashes of what went in and only what may be shown."""
    made = redactor(remembered=10)
    for n in range(50):
        made.redact(f"user{n}@corp.de")
    assert len(made._memory._shown) <= 10
    assert "corp.de" not in repr(vars(made._memory))


def test_a_known_line_is_not_scanned_again() -> None:
    """A text that comes again, or that is already redacted, costs one look-up."""
    calls: list[str] = []

    def counted(text: str) -> list[Finding]:
        calls.append(text)
        return SCANNER.scan(text)

    made = LogRedactor(counted, decide, KEYS)
    shown = made.redact("jane@corp.de")
    scans = len(calls)
    assert made.redact("jane@corp.de") == made.redact(shown) == shown
    assert len(calls) == scans


@given(st.integers(min_value=0, max_value=60), st.sampled_from(VALUES[:8]))
def test_long_texts_are_shortened_without_cutting_a_value(before: int, value: str) -> None:
    """Above the limit half of it is kept, a value across the cut is withheld whole, and it stays as it is."""
    made = redactor(limit=100)
    text = "x" * before + f" {value} " + "y " * 200
    shown = made.redact(text)
    assert len(shown) <= 4 * 100
    assert "more characters withheld]" in shown
    assert not any(part in shown for part in (value, value[:-1], value[: len(value) // 2 + 3]))
    assert redactor(limit=100).redact(shown) == shown


def test_a_block_withholds_the_text() -> None:
    """Where the rules block, the check that could not run among them, the text is withheld and the kind named."""
    made = LogRedactor(lambda text: [Finding("guard.unavailable.detect", 0, 0, 1.0, "guard")], decide, KEYS)
    assert made.redact("jane@corp.de") == "[guard: message withheld, guard.unavailable.detect]"


def test_observed_decisions_change_nothing() -> None:
    """In observe mode nothing is enforced, and the text stays."""

    def observed(findings: list[Finding]) -> Sequence[Decision]:
        return [Decision(f, Action.REDACT, Action.ALLOW, "test") for f in findings]

    assert LogRedactor(SCANNER.scan, observed, KEYS).redact("jane@corp.de") == "jane@corp.de"


@pytest.mark.parametrize(
    "text",
    [
        "GET /x?mail=jane.doe%40corp.de",
        "GET /x?mail=jane.doe%2540corp.de",
        "GET /x?card=4111+1111+1111+1111&y=1",
        "GET /x?card=4111%201111%201111%201111",
        "to=https%3A%2F%2Fbob%3Ahunter2%40corp.de%2Fx",
    ],
)
def test_percent_encoding_hides_nothing(text: str) -> None:
    """A query string is looked at decoded, once and twice, and written encoded again."""
    shown = redactor().redact(text)
    assert shown != text
    assert not any(part in shown for part in ("jane", "4111", "hunter2"))
    assert " " not in shown.removeprefix("GET ")
    assert redactor().redact(shown) == shown


def test_clean_encoding_stays() -> None:
    """A query string without a finding is written as it came."""
    for text in ("GET /x?q=a%20b+c%2Fd", "100% sure", "50%25 + 3"):
        assert redactor().redact(text) == text


def test_a_detector_may_hang_on_no_long_word() -> None:
    """Hostile words, without blanks and full of signs that begin an encoding, cost linear work."""
    made = LogRedactor(lambda text: [], decide, KEYS)
    for word in ("%" * 60_000, "?&=" * 20_000, "%2" * 30_000, "a+" * 30_000, "?" + "+%" * 30_000):
        assert made.redact(word) == word
