"""Receipts by types: no mount can let a body go on that was not screened."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import guard
from guard.clearance import Cleared, clear
from guard.engine import Screened
from guard.types import Action, Decision, Finding, Receipt, Receipts, Stage, Verdict

ROOT = Path(guard.__file__).parent

_WAYS = {
    "forward": "await forward(call, url, [], {body}, None)",
    "forward_sync": "forward_sync(call, request, [], {body})",
    "to_application": "to_application({body})",
}

_CODE = """
from typing import Any
from guard.clearance import Cleared, clear
from guard.forwarding import forward, forward_sync, to_application

async def send(call: Any, url: Any, request: Any, body: bytes, cleared: Cleared) -> None:
"""


def _checked(tmp_path: Path, lines: list[str]) -> dict[int, str]:
    """What mypy says of each of these lines in code that forwards; everything else of guard counts as unknown."""
    pytest.importorskip("mypy")
    file = tmp_path / "forwards.py"
    file.write_text(_CODE + "".join(f"    {line}\n" for line in lines))
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = true\nfollow_imports = skip\nmypy_path = " + str(ROOT.parent) + "\n")
    files = [*(str(ROOT / f"{name}.py") for name in ("engine", "clearance", "forwarding")), str(file)]
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), "--explicit-package-bases"]
    command += ["--cache-dir", str(tmp_path / "cache"), *files]
    told = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=tmp_path).stdout
    first = _CODE.count("\n")
    at = [line.split(":", 2) for line in told.splitlines() if "forwards.py:" in line]
    return {int(number) - first: text for _, number, text in at}


def test_code_that_forwards_without_a_receipt_does_not_type_check(tmp_path: Path) -> None:
    """Issue 6, 2: each of the three ways takes what was cleared and nothing else; nobody can clear by hand."""
    good = [way.format(body="cleared") for way in _WAYS.values()]
    bad = [way.format(body="body") for way in _WAYS.values()]
    bad += [
        "to_application(Cleared(body))",
        "to_application(clear(body, body))",
        "to_application(cleared.body)",
    ]
    told = _checked(tmp_path, good + bad)
    assert sorted(told) == list(range(len(good) + 1, len(good + bad) + 1)), told
    assert all("[arg-type]" in text for text in told.values()), told


def test_only_screening_clears() -> None:
    with pytest.raises(TypeError):
        Cleared(b"x")  # type: ignore[arg-type]


def _screened(stage: Stage = Stage.INPUT, *checks: str, block: bool = False) -> Screened:
    action = Action.BLOCK if block else Action.ALLOW
    row = Decision(Finding("pii.card", 0, 1, 1.0, "pattern"), action, action, "pii.*", "p.yaml:1")
    receipts = Receipts()
    for check in checks:
        receipts.note(check, Receipt.RAN)
    return Screened(Verdict(stage, action, action, (row,)), {}, receipts)


@pytest.mark.parametrize(
    "screened",
    [
        _screened(Stage.INPUT, "detect"),
        _screened(Stage.INPUT, "record"),
        _screened(Stage.OUTPUT, "detect", "record"),
        _screened(Stage.INPUT, "detect", "record", block=True),
    ],
)
def test_what_is_not_whole_is_not_cleared(screened: Screened) -> None:
    """No receipt of detection or of the record, an answer, a block: none of these gives a body that may go on."""
    with pytest.raises(RuntimeError):
        clear(screened, b"{}")


def test_what_was_screened_is_cleared_also_for_another_model() -> None:
    cleared = clear(_screened(Stage.INPUT, "detect", "record"), b'{"model":"a","n":1}')
    assert cleared.body == b'{"model":"a","n":1}'
    other = cleared.of("b")
    assert (other.body, other.receipts) == (b'{"model":"b","n":1}', cleared.receipts)


def _calls(path: Path) -> set[str]:
    """The methods that a file calls or takes, as `owner.method`."""
    return {
        f"{node.value.attr}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)
    }


def test_nothing_else_takes_a_request_through_the_gate() -> None:
    """The gate carries guard's own requests too: of callers' requests, only `guard.forwarding` gives it any."""
    users: dict[str, Any] = {
        str(path.relative_to(ROOT)): found
        for path in ROOT.rglob("*.py")
        if (found := _calls(path) & {"egress.forward", "blocking.handle_request", "_egress.forward"})
    }
    assert users.pop("forwarding.py") == {"egress.forward", "blocking.handle_request"}
    assert users.pop("judging.py") == {"egress.forward", "blocking.handle_request"}
    assert set(users) <= {"outside/egress.py"}
    asgi = [p.name for p in ROOT.rglob("*.py") if '"http.request", "body"' in p.read_text()]
    assert asgi == ["forwarding.py"]
