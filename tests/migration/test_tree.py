"""Other languages, files that cannot be read, and a code base as a whole."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from guard.migration import plain, tree
from guard.migration.habits import Calendar
from guard.wire.models import SHUTDOWNS

CALENDAR = Calendar(date(2026, 11, 26), SHUTDOWNS)

OLD = [
    ("openai.ChatCompletion.create(", "sdk-0"),
    ("const r = await openai.createChatCompletion({", "sdk-0"),
    ("openai==0.28.1", "sdk-0"),
    ("openai<1", "sdk-0"),
    ('"openai": "^0.27"', "sdk-0"),
    ("OPENAI_API_BASE=http://x", "sdk-0"),
    ("POST /v1/engines/davinci/completions", "engine"),
    ('{"engine": "davinci"}', "engine"),
    ("  function_call: 'auto',", "functions"),
    ("const f = message.function_call", "functions"),
    ("  functions: [weather],", "functions"),
    ("const call = m.tool_calls[0]", "parallel-tool-calls"),
    ("const call = m.tool_calls?.[0]", "parallel-tool-calls"),
    ("baseURL: 'https://api.openai.com/v1'", "base-url"),
    ("model: gpt-4", "model-gone"),
    ("model = 'o3'", "model-ends"),
    ('"gpt-4o-2024-08-06",', "model-ends"),
    ('"openai/gpt-4o"', "model-ends"),
]


@pytest.mark.parametrize(("line", "rule"), OLD)
def test_old_text_is_found(line: str, rule: str) -> None:
    """JavaScript, JSON, YAML, shell and requirement files say the same habits in other forms."""
    hits = plain.read(f"first\n{line}\n", CALENDAR)
    assert [(hit.line, hit.rule) for hit in hits] == [(2, rule)]
    assert hits[0].instead


@pytest.mark.parametrize(
    "line",
    [
        "openai>=3",
        "openai==3.57.0",
        "openai==1.40",
        '"type": "function_call",',
        "we used gpt-4 once",
        "for (const c of m.tool_calls) {} m.tool_calls[0]",
        "m.tool_calls.map(f); m.tool_calls[0]",
        "guard serve --upstream https://api.openai.com/v1",
        "https://example.org/v1",
        "engine: postgres",
        "[ada, o1]",
        "model: gpt-6-luna",
    ],
)
def test_text_of_today_is_left_alone(line: str) -> None:
    """Prose, other engines, handled calls."""
    assert plain.read(line, CALENDAR) == []


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A small code base with everything that may be in the way."""
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "x.js").write_text("model: 'gpt-4'")
    (tmp_path / "ok.py").write_text("x = 1")
    (tmp_path / "old.py").write_text("print 'gpt-4'\nmodel = 'gpt-4'")
    (tmp_path / "runs.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nc(model='gpt-4')")
    (tmp_path / "huge.json").write_bytes(b" " * (tree.MOST_BYTES + 1))
    (tmp_path / "binary.py").write_bytes(b"\x00model='gpt-4'")
    (tmp_path / "latin.py").write_bytes(b"# \xe9\nc(model='gpt-4')")
    (tmp_path / "bom.py").write_bytes(b"\xef\xbb\xbfc(model='gpt-4')")
    (tmp_path / "image.png").write_bytes(b"gpt-4")
    (tmp_path / "link.py").symlink_to(tmp_path / "runs.py")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.py")
    return tmp_path


def test_a_code_base_is_read_whole_and_nothing_is_run(code: Path) -> None:
    """Each file is read or says why not; links, pipes and folders of others are left out; no code runs."""
    files = {Path(f.path).name: f for f in (tree.read(p, CALENDAR) for p in tree.listed(str(code)))}
    assert {name: [hit.line for hit in file.hits] for name, file in files.items() if file.hits} == {
        "bom.py": [1],
        "latin.py": [2],
        "old.py": [1, 2],
        "runs.py": [2],
    }
    assert {name: file.left_out for name, file in files.items() if file.left_out} == {
        "binary.py": "binary",
        "gone.py": "no plain file",
        "huge.json": f"larger than {tree.MOST_BYTES} bytes",
        "link.py": "no plain file",
        "pipe.py": "no plain file",
    }
    assert "ok.py" in files
    assert not {"x.js", "image.png"} & set(files)
    assert not (code / "ran").exists()
