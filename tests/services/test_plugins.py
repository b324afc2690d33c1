"""D15: nothing that is merely installed takes part: guard asks for no plug-ins, and fetches none."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import guard

ROOT = Path(guard.__file__).parent
PLUGIN = "raise SystemExit('a plug-in that nobody named was imported')\n"
GROUPS = ("guard", "guard.plugins", "guard.recognizers", "guard_middleware", "presidio", "pytest11x")


def test_a_package_that_offers_itself_is_not_imported(tmp_path: Path) -> None:
    """A distribution with entry points of guard's name stays what it is: a file on the disk."""
    (tmp_path / "uninvited.py").write_text(PLUGIN)
    info = tmp_path / "uninvited-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: uninvited\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(f"[{group}]\nx = uninvited\n" for group in GROUPS))
    code = (
        "from guard import Guard\n"
        "with Guard.from_policy('default').exchange() as exchange:\n"
        "    assert 'a@corp.com' not in exchange.redact('write to a@corp.com')\n"
    )
    path = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT.parent)!r}]\n"
    done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_code_looks_for_plug_ins_or_installs_anything() -> None:
    """Neither `entry_points` nor an installer is called anywhere in the package."""
    called = {
        name
        for file in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        for name in [getattr(node.func, "attr", getattr(node.func, "id", ""))]
    }
    assert len(called) > 500
    assert called.isdisjoint(
        {"entry_points", "iter_entry_points", "download", "snapshot_download", "run_module"}
    )
