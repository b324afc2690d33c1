"""Floor 3, clearance: a body goes on only as `Cleared`, and only what screening gives makes one."""

from __future__ import annotations

from typing import Any, Never

import orjson

from guard.engine import Screened
from guard.types import Receipts, Stage
from guard.wire import dialects, jsonbody


class Cleared:
    """A body that may go on, with the receipts of its checks: made by `clear` alone, demanded by `guard.forwarding`.

    No value is a `Never`: code that makes one by itself does not type-check, and fails.
    """

    __slots__ = ("body", "receipts")

    body: bytes
    receipts: Receipts

    def __init__(self, never: Never) -> None:
        raise TypeError("only what was screened is cleared")

    def of(self, model: str, api: str = "", *, forget: bool = False) -> Cleared:
        """The same request to another model, as its provider's API wants it; `forget`: nothing is to be stored."""
        body = {**orjson.loads(self.body), "model": model, **({"store": False} if forget else {})}
        return _made(jsonbody.dump(dialects.spoken(api, body)), self.receipts)


def clear(screened: Screened, body: bytes) -> Cleared:
    """Clear the body that a screened request became.

    Raises RuntimeError for one that is blocked, for an answer, and for one whose detection or record left no receipt.
    """
    receipts = screened.receipts
    if screened.verdict.stage is not Stage.INPUT or screened.verdict.blocking is not None:
        raise RuntimeError("this was not screened as a request that may go on")
    if not receipts.by_name.keys() >= _NEEDED:
        raise RuntimeError("a check left no receipt")
    return _made(body, receipts)


_NEEDED = {"detect", "record"}


def _made(body: bytes, receipts: Receipts) -> Cleared:
    cleared: Any = object.__new__(Cleared)
    cleared.body, cleared.receipts = body, receipts
    made: Cleared = cleared
    return made
