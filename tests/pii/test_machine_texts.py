"""What programs write, drawn anew: logs, tables, dumps and identifiers hold nothing that a policy acts on."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from guard.pii.resolve import STRONG
from guard.pii.scan import Scanner

Draw = Callable[[random.Random], str]


def _digits(draw: random.Random, count: int) -> str:
    return "".join(draw.choices("0123456789", k=count))


def _hex(draw: random.Random, count: int) -> str:
    return "".join(draw.choices("0123456789abcdef", k=count))


def _uuid(draw: random.Random) -> str:
    return "-".join(_hex(draw, count) for count in (8, 4, 4, 4, 12))


def _clock(draw: random.Random) -> str:
    day, hour, minute = draw.randrange(1, 29), draw.randrange(24), draw.randrange(60)
    return f"2026-11-{day:02}T{hour:02}:{minute:02}:{draw.randrange(60):02}.{_digits(draw, 6)}Z"


WRITTEN: dict[str, Draw] = {
    "application log": lambda d: f"{_clock(d)} INFO done in {d.randrange(9999)} ms trace={_hex(d, 32)}\n",
    "access log": lambda d: f'"GET /v1/{_digits(d, 6)} HTTP/1.1" {d.choice((200, 404, 500))} {d.randrange(99999)}\n',
    "floats": lambda d: f"{d.random():.8f}, {d.random() * 1e6:.4f}, ",
    "embedding": lambda d: f"{(d.random() - 0.5) / 10:.17f}, ",
    "metrics": lambda d: f'seconds_total{{code="200"}} {_digits(d, 7)} 17{_digits(d, 11)}\n',
    "hashes": lambda d: f"--hash=sha256:{_hex(d, 64)}\n",
    "commits": lambda d: f"commit {_hex(d, 40)}\n    fix the queue (#{_digits(d, 4)})\n",
    "uuids": lambda d: f"{_uuid(d)}\n",
    "orders": lambda d: f"| {_digits(d, 8)} | open | {d.randrange(99)} | ${d.randrange(9999)}.{_digits(d, 2)} |\n",
    "parcels": lambda d: f"快递单号 {d.choice(('SF', 'YT', 'JT'))}{_digits(d, 13)},状态 已发货。\n",
    "parts": lambda d: f"part no. {_digits(d, 3)}-{_digits(d, 3)}-{_digits(d, 4)} qty {_digits(d, 2)}\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    """Everything that is on by default."""
    return Scanner()


@pytest.mark.parametrize("name", WRITTEN)
def test_what_programs_write_is_nobodys(scanner: Scanner, name: str) -> None:
    """B41: numbers drawn anew, 30 KB of each."""
    draw = random.Random(f"machine {name}")
    for _ in range(3):
        text = "".join(WRITTEN[name](draw) for _ in range(400))[:10240]
        sure = [(f.kind, text[f.start - 20 : f.end + 8]) for f in scanner.scan(text) if f.score >= STRONG]
        assert sure == []


def test_a_dump_in_hex_is_hardly_ever_a_number_of_somebody(scanner: Scanner) -> None:
    """B41: five pairs of digits in a row may be a French telephone number; digits with half a pair beside them not."""
    draw = random.Random("machine dump")
    lines = (f"{_hex(draw, 8)}  {' '.join(_hex(draw, 2) for _ in range(16))}\n" for _ in range(2000))
    text = "".join(lines)
    sure = [text[f.start - 3 : f.end + 3] for f in scanner.scan(text) if f.score >= STRONG]
    assert len(sure) < 20
    assert not [one for one in sure if one[2].isalnum() or one[-3].isalnum()]
