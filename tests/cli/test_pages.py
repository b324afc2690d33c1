"""What verbs print at 80 and 140 columns, long names and Chinese among it: whole dates and paths, no line too long."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner

from guard.cli import keys, main, migrate
from guard.cli.calibrate import _print
from guard.cli.tables import hanging
from guard.keyring import key_file
from guard.policy.load import load
from guard.policy.show import to_yaml
from guard.settings import Settings

WIDTHS = [80, 140]
LONG = "deep/folder/of/a/project/with/long/names"


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A terminal of so many cells, of somebody who reads Chinese."""
    for name, value in (("COLUMNS", str(request.param)), ("GUARD_LANG", "zh"), ("FORCE_COLOR", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return int(request.param)


def page(app: object, *arguments: str) -> list[str]:
    """The lines of a verb without colours."""
    out = CliRunner().invoke(app, [*arguments]).output  # type: ignore[arg-type]
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", out).splitlines()]


def too_long(lines: list[str], width: int) -> list[str]:
    return [line for line in lines if cell_len(line) > width]


def test_keys_at_any_width(width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dates, names and tenants stand whole on one line: in a table where it has room, else one key under the other."""
    monkeypatch.setenv("GUARD_HOME", str(tmp_path))
    file = key_file(Settings())
    name, tenant = "the-long-name-of-one-of-our-partners", "internal-research"
    made, _ = file.create(tenant, "reader", 4_000_000_000.0, name)
    file.create("acme", "caller", 0.0, "")
    lines = page(keys.app, "list")
    assert too_long(lines, width) == []
    assert len([line for line in lines if name in line or tenant in line]) == (2 if width == 80 else 1)
    assert sum("2096-10-02 07:06Z" in line for line in lines) == 1
    assert {"永不", "有效"} <= set(re.findall("[\u4e00-\u9fff]+", "\n".join(lines)))
    if width == 140:  # columns begin where their headings do, counted in cells
        [head, *rows] = lines
        ends = cell_len(head[: head.index("失效时间")])
        assert {cell_len(row[: row.index("2096" if made.id in row else "永不")]) for row in rows} == {ends}


def test_hits_stand_under_long_paths(width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`guard scan`: a path is never broken."""
    monkeypatch.chdir(tmp_path)
    note = Path(LONG) / "客户说明文件的第一份草稿.txt"
    note.parent.mkdir(parents=True)
    note.write_text("write to jo.weber@kontor-nord.org", "utf-8")
    if not main.app.registered_groups:
        main._verbs()
    lines = page(main.app, "scan", "--no-text", LONG)
    assert too_long(lines, width) == []
    [place] = [line for line in lines if f"{note}:1:10" in line]
    assert place.endswith("pattern") == (width == 140)


def test_each_reason_is_folded_behind_its_label(width: int, tmp_path: Path) -> None:
    """`guard scan --explain`: patterns and standards go on where they began."""
    (tmp_path / "a.txt").write_text("write to jo.weber@kontor-nord.org")
    if not main.app.registered_groups:
        main._verbs()
    lines = page(main.app, "scan", "--no-text", "--explain", str(tmp_path / "a.txt"))
    begins = next(n for n, line in enumerate(lines) if line.startswith("    校验"))
    end = next(n for n, line in enumerate(lines) if line.startswith("    提示词"))
    assert too_long(lines[1:], width) == []
    assert all(line.startswith(" " * 14) for line in lines[begins + 1 : end])
    assert end - begins == (3 if width == 80 else 2)


def test_old_habits_stand_under_long_paths(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`guard migrate check`: a place is whole, what to write instead is folded."""
    monkeypatch.chdir(tmp_path)
    for folder in (LONG, "src"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "old.py").write_text("first = answer.message.tool_calls[0]\n")
        lines = page(migrate.app, "check", folder)
        assert too_long(lines, width) == []
        assert sum(f"{folder}/old.py:1" in line for line in lines) == 1
        assert any("遍历全部" in line for line in lines)


@pytest.mark.parametrize("pack", ["gdpr-eu", "hipaa"])
def test_reasons_of_a_policy_stand_above_long_lines(pack: str) -> None:
    """`guard policy show --why`: no line grows over the terminal by its comment, and the text loads the same."""
    loaded = load(pack)
    bare = to_yaml(loaded).splitlines()
    for width in (60, *WIDTHS):
        lines = to_yaml(loaded, why=True, room=width).splitlines()
        assert [line for line in lines if not line.lstrip().startswith("#") and "  # " not in line] != []
        assert [
            line for line in too_long(lines, width) if line not in bare and "# " in line.lstrip()[2:]
        ] == []
        assert [line.split("  # ")[0].rstrip() for line in lines if not line.lstrip().startswith("#")] == bare


def test_thresholds_at_any_width(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    """`guard policy calibrate`: no number is cut, however long the name of the category."""
    row = {"precision": 0.9, "recall": 0.5, "alarms": 1234, "missed": 56, "cost": 789.0, "cheapest": True}
    found = {
        "category": "harassment/threatening",
        "of": 1200,
        "in": 23456,
        "at": [row | {"at": 0.85, "policy": "block"}],
    }
    _print({"categories": [found], "judged": 1, "texts": 1, "miss": 5.0, "unjudged": []}, False)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert too_long(lines, width) == []
    assert lines[0] == "harassment/threatening （23456 条中 1200 条）"
    assert lines[2].split() == ["0.85", "0.90", "0.50", "1234", "56", "789", "策略：拦截,", "成本最低"]


WORDS = st.text(st.sampled_from("ab. 中文，（）《》。\u3000x"), max_size=60)


def folded(text: str, width: int, *, terminal: bool) -> list[str]:
    out = Console(width=width, force_terminal=terminal, color_system=None, file=io.StringIO())
    hanging(out, Text("ab: "), Text(text))
    return str(out.file.getvalue()).splitlines()  # type: ignore[attr-defined]


@settings(max_examples=60)
@given(WORDS, st.integers(24, 60))
@example("真正的 openai SDK 离线向本机的模拟服务商发送真实请求。", 24)
@example("a" * 70, 30)
@example("a" + "中" * 30, 24)
def test_a_text_is_folded_by_cells(text: str, width: int) -> None:
    """Nothing is lost but blanks at the ends of lines, and no line is too long: a Chinese character takes two cells."""
    first, *others = folded(text, width, terminal=True) or [""]
    assert too_long([first.rstrip(), *others], width) == []
    assert [line for line in others if not line.startswith("    ")] == []
    shown = first.removeprefix("ab: ") + "".join(others)
    assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", text)


def test_where_a_chinese_text_is_broken() -> None:
    """Between characters, never before a mark that ends something or after one that opens it; lines are full."""
    lines = folded("离线向本机的模拟服（人物和数值均为新编），不联网。", 24, terminal=True)
    assert lines == ["ab: 离线向本机的模拟服", "    （人物和数值均为新", "    编），不联网。"]


def test_a_pipe_gets_whole_lines() -> None:
    """Who reads by lines is not disturbed: nothing is folded."""
    assert len(folded("word " * 20, 24, terminal=False)) == 1
