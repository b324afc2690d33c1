"""The detector: one answer from all sources, at any length, and a finding where a source failed."""

from __future__ import annotations

import asyncio
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import guard.pii.scan
import guard.services.detector
from guard.errors import SetupError
from guard.pii.scan import Scanner
from guard.pii.tables import columns
from guard.services.detector import Detector, shipped_patterns
from guard.services.memo import Memo
from guard.types import Finding

pytestmark = pytest.mark.anyio
ROOT = Path(guard.services.detector.__file__).parents[2]
ARGS: dict[str, Any] = {"kinds": None, "countries": None, "skip": ("reserved", "private")}
FILLER = "the quick brown fox jumps over the lazy dog, and again it does. "
CARD = "4111 1111 1111 1111"


class Own(NamedTuple):
    name: str
    pattern: str
    kind: str
    score: float


BADGE = Own("badge", r"工号\d{6}", "pii.acme.badge", 0.8)
TICKET = Own("ticket", r"\bACME-[0-9]{4}\b", "pii.acme.ticket", 0.7)


@pytest.fixture(scope="module")
def detector() -> Iterator[Detector]:
    """Everything at once, with deadlines that a busy machine keeps."""
    made = Detector(
        scanner_args=ARGS,
        presidio=("UsBankRecognizer", "MedicalLicenseRecognizer", "EmailRecognizer", "UrlRecognizer"),
        presidio_deadline_s=30,
        custom=(BADGE, TICKET),
        deadline_s=30,
    )
    made.start()
    made.wait()
    yield made
    made.close()


@pytest.fixture(scope="module")
def hurried() -> Iterator[Detector]:
    """Presidio under a short deadline."""
    made = Detector(scanner_args=ARGS, presidio=("UrlRecognizer",), presidio_deadline_s=0.5)
    made.start()
    made.wait()
    yield made
    made.close()


def named(text: str, findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(f.kind, text[f.start : f.end], f.source) for f in findings]


async def test_all_sources_are_settled_together(detector: Detector) -> None:
    """Law 7: find together; the longest and surest finding of a stretch stays."""
    text = f"card {CARD}, mail li@corp.internal, licence AB1234563, 工号123456, ACME-1234."
    found = named(text, (await detector.detect([text]))[0])
    assert ("pii.card", CARD, "pattern") in found
    assert ("pii.medical_license", "AB1234563", "presidio:MedicalLicenseRecognizer") in found
    assert ("pii.acme.badge", "工号123456", "custom:badge") in found
    assert ("pii.acme.ticket", "ACME-1234", "custom:ticket") in found
    assert [value for _, value, _ in found].count("li@corp.internal") == 1
    starts = [text.index(value) for _, value, _ in found]
    assert starts == sorted(starts)


async def test_each_text_gets_its_own_list(detector: Detector) -> None:
    texts = ["", "nothing here", f"one {CARD}", "", "ACME-1234", "account 945456787654"]
    found = await detector.detect(texts)
    kinds = [[finding.kind for finding in findings] for findings in found]
    assert kinds == [[], [], ["pii.card"], [], ["pii.acme.ticket"], ["pii.us.bank_number"]]
    assert all(finding.path == "" for findings in found for finding in findings)
    assert await detector.detect([]) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("工号１２３４５６。", "工号１２３４５６"),
        ("ＡＣＭＥ－１２３４", "ＡＣＭＥ－１２３４"),
        ("AC\u200bME-12\u200b34", "AC\u200bME-12\u200b34"),
        ("单ACME-1234号", "ACME-1234"),
    ],
)
async def test_own_patterns_see_the_text_and_its_projection(
    detector: Detector, text: str, value: str
) -> None:
    """B01, B02: a pattern may name Hanzi, and disguised digits are digits to it."""
    found = [
        v for kind, v, _ in named(text, (await detector.detect([text]))[0]) if kind.startswith("pii.acme")
    ]
    assert found == [value]


async def test_a_lone_surrogate_disturbs_no_source(detector: Detector) -> None:
    """A36: text from Python may hold one; nothing fails, offsets stay."""
    text = f"\ud83d ACME-1234 \udc00 {CARD} 945456787654"
    values = [value for _, value, _ in named(text, (await detector.detect([text]))[0])]
    assert values == ["ACME-1234", CARD, "945456787654"]


async def test_the_synchronous_and_the_asynchronous_way_agree(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"x {CARD}", "ACME-1234", FILLER * 600 + " 945456787654", "li@corp.internal"]
    blocking = detector.detect_sync(texts)
    monkeypatch.setattr(detector, "_memo", Memo())
    assert blocking == await detector.detect(texts)


async def test_a_text_that_comes_again_is_known(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a conversation only the new turn is searched; the findings are those of all its turns."""
    turns = [f"again {CARD}", "again ACME-1234", "again 945456787654", "again nothing", FILLER * 600]
    first = await detector.detect(turns)
    asked: list[Any] = []
    monkeypatch.setattr(detector._scanner, "everything", lambda text: asked.append(text) or [])
    monkeypatch.setattr(detector._pool, "submit", lambda request: pytest.fail("a worker is asked"))
    monkeypatch.setattr(detector._presidio, "submit", lambda request: pytest.fail("Presidio is asked"))
    assert await detector.detect([*turns, "a new turn, for 3 of us at 4 o'clock"]) == [*first, []]
    assert asked == ["a new turn, for 3 of us at 4 o'clock"]
    monkeypatch.undo()
    assert await detector.detect(turns, "another tenant") == first


def test_a_process_ends_only_once_it_is_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is stopped inside numpy's own code aborts the process: a clean answer would end with -6."""
    warming = threading.Event()
    made = Detector(scanner_args=ARGS, presidio=())
    monkeypatch.setattr(made._scanner, "warm", lambda: warming.wait(10))
    monkeypatch.setattr(made._pool, "start", lambda: None)
    made.start()
    [thread] = [thread for thread in threading.enumerate() if thread.name == "guard-warm-up"]
    warming.set()
    assert not thread.daemon
    made.close()


def test_what_the_first_numbers_need_is_made_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request that holds a number compiles nothing: a made-up text with the usual kinds was read before."""
    made = Detector(scanner_args=ARGS, presidio=())
    read: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()
    scan = made._scanner.scan
    monkeypatch.setattr(made._scanner, "scan", lambda text: read.put(scan(text)))
    monkeypatch.setattr(made._pool, "start", lambda: None)
    made.start()
    kinds = {finding.kind for finding in read.get(timeout=60)}
    made.close()
    assert {"pii.phone", "pii.card", "pii.iban", "pii.us.ssn", "pii.cn.resident_id"} <= kinds


def test_many_threads_get_what_one_gets(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    """B39: the same answers as in a row."""
    texts = [f"{'x' * n} ACME-{1000 + n} and 94545678{7000 + n}" for n in range(40)]
    with ThreadPoolExecutor(8) as threads:
        many = list(threads.map(lambda t: detector.detect_sync([t]), texts))
    monkeypatch.setattr(detector, "_memo", Memo())
    assert many == [detector.detect_sync([text]) for text in texts]


async def test_a_text_of_a_million_characters_is_searched_to_its_end(detector: Detector) -> None:
    """B37: 1,000,001 characters, values at the start, on every seam of the slices, and at the end."""
    text = list((FILLER * 16_000)[:1_000_001])
    places = [0, *range(16_384 - 10, 1_000_000, 49_152), 1_000_001 - 20]
    for place in places:
        text[place : place + 20] = f" {CARD}"
    whole = "".join(text)
    assert len(whole) == 1_000_001
    (found,) = await detector.detect([whole])
    cards = [finding.start for finding in found if finding.kind == "pii.card"]
    assert cards == [place + 1 for place in places]


@pytest.mark.parametrize("over", [0, 1])
async def test_the_way_a_text_takes_does_not_change_what_is_found(over: int, detector: Detector) -> None:
    """Inline and in the workers: the same findings on both sides of the limit."""
    parts = f"{CARD}, ACME-1234, 945456787654, 工号123456, li@corp.internal "
    text = (FILLER * 600)[: 32_768 - len(parts) + over - 1] + " " + parts
    assert len(text) == 32_768 + over
    short = (await detector.detect([parts]))[0]
    long = (await detector.detect([text]))[0]
    offset = len(text) - len(parts)
    assert [(f.kind, f.start - offset, f.end - offset, f.score, f.source) for f in long] == [
        (f.kind, f.start, f.end, f.score, f.source) for f in short
    ]


AMONG = [CARD, "li@corp.internal", "AKIAIOSFODNN7EXAMPLF"]  # the catalogue's
AMONG += ["ACME-1234", "ＡＣＭＥ－１２３４", "工号123456", "see https://host.io/x"]  # own and Presidio's


@pytest.mark.parametrize("value", AMONG)
def test_one_look_at_all_texts_hides_no_value_among_them(value: str) -> None:
    """The catalogue, own patterns and Presidio: what is found in a text alone is found between others."""
    made = Detector(scanner_args=ARGS, presidio=("UrlRecognizer",), custom=(BADGE, TICKET))
    found, jobs, _ = made._plan(["Hello", value, "Bye."])
    touched = {number for job in jobs for number in job.numbers} | {n for n, f in enumerate(found) if f}
    assert touched == {1}
    assert made._plan(["Hello", "Bye."]) == ([[], []], [], {})
    made.close()


@pytest.mark.parametrize("pattern", ["^ACME", "ACME$", r"\AACME", r"ACME\z", r"(?:^|[^x])ACME"])
def test_one_look_at_all_texts_hides_nothing_at_their_ends(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pattern with an anchor, an own one or Presidio's, may match a text and not the same text between others."""
    own = Detector(scanner_args=ARGS, custom=(Own("acme", pattern, "pii.acme", 0.7),))
    monkeypatch.setattr(guard.services.detector, "shipped_patterns", lambda names: ((pattern,),))
    theirs = Detector(scanner_args=ARGS, presidio=("UsBankRecognizer",))
    for made in (own, theirs):
        (job,) = made._plan(["Hello", "ACME", "Bye."]).jobs
        assert job.numbers == [1]
        made.close()


async def test_a_look_that_fails_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A20: the look at all texts is a saving, and no check: where it breaks, each text is looked at."""

    def broken(*_: object) -> bool:
        raise ValueError(CARD)

    made = Detector(scanner_args=ARGS)
    monkeypatch.setattr(made._scanner, "silent", broken)
    assert [[f.kind for f in found] for found in await made.detect(["Hello", CARD])] == [[], ["pii.card"]]
    made.close()


async def test_a_table_among_texts_of_one_line_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of one line are not looked through for tables; where one of several holds one, all are."""
    looks = list[str]()
    monkeypatch.setattr(
        guard.pii.scan, "columns", lambda text, *hinted: looks.append(text) or columns(text, *hinted)
    )
    table = "user,password\nbob,Tr0ub4dor&3\nmara,hunter-x!x\n"
    for texts in (["Hello", table], [table, "You are a careful assistant."], ["Hello", "Bye."]):
        made = Detector(scanner_args=ARGS)
        found = await made.detect(texts)
        assert [len(one) for one in found] == [2 * (text == table) for text in texts]
        made.close()
    assert looks
    assert not any("Bye." in text for text in looks)


async def test_an_earlier_turn_that_held_something_is_not_looked_at_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The look at all texts would see what is known, and come on top; it says nothing to another tenant."""
    made = Detector(scanner_args=ARGS)
    silent, looks = made._scanner.silent, list[str]()

    def counted(text: str, flat: bool) -> bool:
        looks.append(text)
        return silent(text, flat)

    monkeypatch.setattr(made._scanner, "silent", counted)
    first = await made.detect([CARD, "Hello"])
    assert [[f.kind for f in found] for found in first] == [["pii.card"], []]
    assert len(looks) == 1
    assert await made.detect([CARD, "Hello", "Bye."]) == [*first, []]
    assert len(looks) == 1
    assert await made.detect([CARD], "another") == first[:1]
    assert await made.detect(["Hello"]) == [[]]
    assert len(looks) == 3
    made.close()


async def test_many_short_texts_are_one_piece_of_work(detector: Detector) -> None:
    """B38: ten thousand messages cost no dispatch each."""
    texts = [f"message {n} from ACME-{1000 + n % 9000}" for n in range(10_000)]
    found = await detector.detect(texts)
    assert all([f.kind for f in findings] == ["pii.acme.ticket"] for findings in found)


async def test_a_hostile_text_ends_at_the_deadline_and_nobody_waits_for_it(hurried: Detector) -> None:
    """B34: Presidio's URL pattern needs seconds for this; it is killed, the text is unavailable, others go on."""
    hostile = "a." * 5000 + " www.corp.internal/x http://a.io"
    quiet = await longest_pause(asyncio.sleep(0.5))
    slow = asyncio.ensure_future(hurried.detect([hostile]))
    pause = asyncio.ensure_future(longest_pause(slow))
    others = [await hurried.detect([f"see https://host.io/{n}"]) for n in range(5)]
    (found,) = await slow
    assert [f.kind for f in found if f.kind.startswith("guard.")] == ["guard.unavailable.presidio"]
    assert all(f.source == "presidio:UrlRecognizer" for findings in others for f in findings[0])
    assert all(findings[0] for findings in others)
    assert await pause < quiet + 0.5  # the pattern would hold the loop for seconds
    assert (await hurried.detect(["see https://host.io"]))[0]


async def longest_pause(work: Any) -> float:
    task, longest, last = asyncio.ensure_future(work), 0.0, time.perf_counter()
    while not task.done():
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


async def test_a_text_that_holds_no_url_is_not_sent_at_all(hurried: Detector) -> None:
    """B34: the gate is linear, and sees that there is nothing for the slow pattern."""
    assert await hurried.detect(["a." * 5000]) == [[]]


def test_a_timeout_of_presidios_own_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """B35: set to nothing, it would skip every pattern and log a line."""
    monkeypatch.setenv("REGEX_TIMEOUT_SECONDS", "0")
    made = Detector(scanner_args=ARGS, presidio=("UsBankRecognizer",), presidio_deadline_s=30)
    text = "account 945456787654 " + "x" * 16_000
    assert [f.kind for f in made.detect_sync([text])[0]] == ["pii.us.bank_number"]
    made.close()


def test_work_that_overruns_is_unavailable_in_each_of_its_texts() -> None:
    made = Detector(scanner_args=ARGS, custom=(TICKET,), deadline_s=0.000_001, inline_chars=100)
    made.start()
    made.wait()
    long = [FILLER * 2000, f"{CARD}", ""]
    kinds = [[f.kind for f in findings] for findings in made.detect_sync(long)]
    assert kinds == [["guard.unavailable.detect"], ["guard.unavailable.detect"], []]
    short = made.detect_sync([f"{CARD} ACME-1234", f"{CARD}"])
    assert [sorted(f.kind for f in findings) for findings in short] == [
        ["guard.unavailable.detect", "pii.card"],
        ["pii.card"],
    ]
    made.close()


async def test_a_scanner_that_fails_is_a_finding(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A20: whatever goes wrong in a check, the text is not taken for clean, and nothing is quoted."""

    def broken(_: str) -> list[Finding]:
        raise ValueError(CARD)

    monkeypatch.setattr(detector._scanner, "everything", broken)
    (found,) = await detector.detect([f"text {CARD}"])
    assert [(f.kind, f.start, f.end, f.score) for f in found] == [("guard.unavailable.detect", 0, 0, 1.0)]


def test_a_recognizer_that_cannot_be_built_is_said_at_start() -> None:
    made = Detector(scanner_args=ARGS, presidio=("NoSuchRecognizer",))
    made.start()
    with pytest.raises(SetupError, match="NoSuchRecognizer"):
        made.wait()
    assert [f.kind for f in made.detect_sync(["any text"])[0]] == ["guard.unavailable.presidio"]
    made.close()


@pytest.mark.parametrize(("skip", "count"), [(("reserved", "private"), 0), ((), 1)])
def test_what_is_nobodys_is_nobodys_for_presidio_too(skip: tuple[str, ...], count: int) -> None:
    args = {"kinds": frozenset(), "countries": None, "skip": skip}
    made = Detector(scanner_args=args, presidio=("EmailRecognizer",), presidio_deadline_s=30)
    assert len(made.detect_sync(["write to jo@example.com"])[0]) == count
    made.close()


def test_the_gate_is_known_without_presidio_and_only_for_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("UsBankRecognizer", "IbanRecognizer")
    rows = shipped_patterns(names)
    assert rows is not None
    assert rows[0] is not None
    assert rows[1] is None
    assert shipped_patterns(("Unknown",)) is None
    monkeypatch.setattr(guard.services.detector, "_installed", lambda: "0.0.1")
    assert shipped_patterns(names) is None


def test_with_another_presidio_every_text_is_sent_until_it_has_said_its_patterns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard.services.detector, "_installed", lambda: "0.0.1")
    made = Detector(scanner_args=ARGS, presidio=("UsBankRecognizer",), presidio_deadline_s=30)
    text = "account 945456787654"
    assert made._analysis(["hello"], [()]).numbers == [0]
    assert [f.kind for f in made.detect_sync([text])[0]] == ["pii.us.bank_number"]
    assert made._analysis(["hello"], [()]).numbers == []
    assert made._analysis([text], [()]).numbers == [0]
    made.close()


def test_clean_text_needs_neither_presidio_nor_a_worker() -> None:
    """The common case: nothing is imported, started or sent for it."""
    script = (
        "import sys\n"
        "from guard.services.detector import Detector\n"
        f"d = Detector(scanner_args={ARGS!r}, presidio=('UsBankRecognizer',))\n"
        f"print(len(d.detect_sync(['hello', '{CARD}'])[1]))\n"
        "print([m for m in ('presidio_analyzer', 'spacy', 'tldextract') if m in sys.modules])\n"
        "print(d._pool.ready, d._presidio.ready, d._presidio._state)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    )
    assert done.stdout.split("\n")[:3] == ["1", "[]", "False False None"]


def test_a_scanner_says_after_each_piece_that_it_goes_on() -> None:
    """B37: a deadline is for a piece, so that names in a long Chinese text have the time they need."""
    beats: list[int] = []
    scanner = Scanner(names=0.0, beat=lambda: beats.append(1))
    for unit in (FILLER, "市教育局局长周敏华在发布会上回应了家长的关切。"):
        text = (unit * 8000)[:160_000]
        beats.clear()
        found = scanner.candidates(text)
        assert len(beats) >= len(text) // 32_768
        assert found == Scanner(names=0.0).candidates(text)
