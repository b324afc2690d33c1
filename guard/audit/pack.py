"""An evidence pack: one folder that answers a regime's questions for a period, and says how to check it.

The heads in it are those of the exports' own chains, in the form of GUARD_HEADS: who keeps a pack can later give
them to `guard audit verify --heads`, and what was cut since then shows.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from shutil import copyfile
from typing import Any

import duckdb
import orjson

from guard import __version__
from guard.audit import packpage
from guard.audit.cells import cell, csv_cell
from guard.audit.query import QUESTIONS, connect, rows_of
from guard.audit.regimes import Asked, Regime
from guard.audit.verify import Report, verify
from guard.trace.heads import SUFFIX
from guard.trace.signing import PRIVATE, load_signer

SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"

INSTALLATION = frozenset({"life", "log-reads", "reveals", "policy-changes", "gaps", "ended-badly"})
"""Questions about guard itself, which knows no tenant there: a pack for one tenant holds them whole."""

_PREVIEW = 8
_GUARD = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Order:
    """What a pack is to hold: which exports, for whom, of which period (texts, as `--since` takes them)."""

    exports: Path
    regime: Regime
    since: str
    until: str
    tenant: str
    public_key: bytes
    heads: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a pack: its file, how many rows that has, and the first few of them as text."""

    asked: Asked
    about: str
    file: str
    columns: tuple[str, ...]
    rows: int
    first: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """What was gathered: the answers, by name, and what verify said."""

    order: Order
    made: datetime
    answers: dict[str, Answer]
    report: Report


def gather(
    order: Order,
    into: Path,
    progress: Callable[[int], None] | None = None,
    page: Callable[[Pack], str] = packpage.page,
) -> Pack:
    """Write the answers, the verify result, the heads, the key and the means to check them into an empty folder.

    `page` writes the index. Raises QueryError or OSError where the exports cannot be read, SetupError for a key that
    is none.
    """
    report = verify(order.exports, order.public_key, progress, order.heads)
    _write(into / "verify.json", _json(told(report)))
    _write(into / "guard.pub.pem", order.public_key)
    for path in sorted(order.exports.glob("*.chain")):
        _write((into / "heads" / path.name).with_suffix(SUFFIX), b"".join(_heads(path)))
    copyfile(_alone(), into / "verify.py")
    copyfile(_GUARD / "audit" / "audit.sql", into / "audit.sql")
    with closing(connect(order.exports)) as connection:
        answers = {asked.name: _answer(connection, order, asked, into) for asked in order.regime.questions}
    pack = Pack(order, datetime.now(UTC), answers, report)
    _write(into / "report.json", _json(_summary(pack)))
    _write(into / "index.html", page(pack).encode())
    return pack


def seal(folder: Path, home: Path) -> bool:
    """Write the SHA-256 of every file, as `sha256sum` does, and sign them; False where this home holds no key."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths]
    sums = "".join(lines).encode()
    _write(folder / SUMS, sums)
    if not (home / PRIVATE).exists():
        return False
    _write(folder / SIGNATURE, load_signer(home).sign(sums))
    return True


def told(report: Report) -> dict[str, Any]:
    """What verify found, for machines."""
    return {
        "ok": report.ok,
        "files": report.files,
        "records": report.records,
        "signed": report.signed,
        "problems": [asdict(problem) for problem in report.problems],
        "notes": report.notes,
    }


def _answer(connection: duckdb.DuckDBPyConnection, order: Order, asked: Asked, into: Path) -> Answer:
    question, file = QUESTIONS[asked.question], f"answers/{asked.name}.csv"
    columns, rows = rows_of(connection, question, parameters(order, asked))
    (into / "answers").mkdir(mode=0o700, exist_ok=True)
    count = 0
    first: list[tuple[str, ...]] = []
    with (into / file).open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(map(csv_cell, columns))
        for row in rows:
            count += 1
            if len(first) < _PREVIEW:
                first.append(tuple(map(cell, row)))
            writer.writerow(map(csv_cell, row))
    return Answer(asked, question.about, file, columns, count, tuple(first))


def parameters(order: Order, asked: Asked) -> dict[str, str]:
    """What a question is asked with."""
    tenant = "" if asked.question in INSTALLATION else order.tenant
    region = {"region": asked.region} if asked.region else {}
    return {"since": order.since, "until": order.until, "tenant": tenant, **region}


def _summary(pack: Pack) -> dict[str, Any]:
    order = pack.order
    return {
        "guard": __version__,
        "regime": order.regime.name,
        "title": order.regime.title,
        "made": pack.made,
        "since": order.since,
        "until": order.until,
        "tenant": order.tenant,
        "verified": pack.report.ok,
        "articles": [asdict(article) for article in order.regime.articles],
        "answers": [
            {
                "question": one.asked.question,
                "parameters": parameters(order, one.asked),
                "file": one.file,
                "rows": one.rows,
            }
            for one in pack.answers.values()
        ],
    }


def _heads(chain: Path) -> Iterator[bytes]:
    """The header of a chain file and its signed heads: what GUARD_HEADS would have kept."""
    with chain.open("rb") as file:
        yield from islice(file, 1)
        yield from (line for line in file if line.startswith((b"head ", b"close ")) and line.endswith(b"\n"))


def _alone() -> Path:
    """docs/verify.py, which the wheel carries as data."""
    shipped = _GUARD / "data" / "verify.py"
    return shipped if shipped.exists() else _GUARD.parent / "docs" / "verify.py"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(data)


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)
