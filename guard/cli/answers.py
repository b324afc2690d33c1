"""Where the answers of replayed letters go: a folder, a file of JSON lines, or standard output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from guard.cli.tables import cell, draft
from guard.errors import SetupError

if TYPE_CHECKING:
    from guard.mounts.replay import Answer, Replayed
    from guard.outside.stores.letters import Row


class Answers:
    """Takes screened answers; each is on the disk, or written out, when `deliver` returns."""

    def __init__(self, out: Path | None, as_json: bool) -> None:
        self._out, self._json = out, as_json
        self._folder = out is not None and (out.is_dir() or not out.suffix)
        if out is not None:
            self._prepare(out)

    def _prepare(self, out: Path) -> None:
        """Find out before anything is sent whether answers can be kept."""
        try:
            if self._folder:
                out.mkdir(mode=0o700, parents=True, exist_ok=True)
                draft(out / "answer").unlink()
            else:
                os.close(_appending(out))
        except OSError as failure:
            raise SetupError(f"{out}: {failure.strerror}") from None

    def deliver(self, row: Row, answer: Answer) -> None:
        """Keep one answer; raises OSError where it cannot be."""
        line = {"letter": row.id, "status": answer.status, "answer": _said(answer)}
        if self._out is None:
            print(orjson.dumps(line).decode() if self._json else cell(_text(answer)), flush=True)
        elif self._folder:
            _put(self._out / f"{row.id}.{_ending(answer)}", answer.body)
        else:
            _append(self._out, orjson.dumps(line) + b"\n")

    def tell(self, done: Replayed) -> None:
        """Say what became of one letter."""
        if self._json:
            line = {"letter": done.id, "state": done.state, "outcome": done.outcome, "trace": done.trace}
            print(orjson.dumps(line).decode(), flush=True)
        else:
            print(f"{done.id}  {done.state:9}  {cell(done.outcome)}  {done.trace}".rstrip(), flush=True)


def _said(answer: Answer) -> Any:
    """The answer as JSON: parsed, or a stream as its text."""
    return orjson.loads(answer.body) if _ending(answer) == "json" else _text(answer)


def _text(answer: Answer) -> str:
    return answer.body.decode("utf-8", "replace")


def _ending(answer: Answer) -> str:
    return "sse" if answer.content_type.startswith("text/event-stream") else "json"


def _put(path: Path, data: bytes) -> None:
    part = draft(path)
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _appending(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _append(path: Path, data: bytes) -> None:
    handle = _appending(path)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
