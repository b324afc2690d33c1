"""`guard scan` and `guard redact`, as their user calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from guard.logs import redactor

QUICK = """
policy: quick
version: "1"
extends: [default]
recognizers:
  presidio: {recognizers: []}
"""


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A policy that starts no worker for Presidio."""
    path = tmp_path_factory.mktemp("policy") / "quick.yaml"
    path.write_text(QUICK)
    return str(path)


def guard(*arguments: str, text: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command line in a process of its own."""
    environment = {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [sys.executable, "-m", "guard", *arguments],
        input=text.encode("utf-8", "surrogatepass"),
        capture_output=True,
        cwd=cwd,
        env=environment,
        check=False,
        timeout=60,
    )


TEXT = "nothing here\nmail jo.weber@kontor-nord.org today\n身份证110105198403077734，手机13398765421\n"


def test_json_has_one_object_a_line_with_offsets_within_it(policy: str) -> None:
    """Object i holds the findings that start in line i, as code-point offsets of that line."""
    done = guard("scan", "-", "--json", "--policy", policy, text=TEXT)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    lines = TEXT.splitlines()
    found = [[(f["kind"], lines[i][f["start"] : f["end"]]) for f in row["findings"]] for i, row in enumerate(rows)]
    assert found == [
        [],
        [("pii.email", "jo.weber@kontor-nord.org")],
        [("pii.cn.resident_id", "110105198403077734"), ("pii.phone", "13398765421")],
    ]
    assert [row["action"] for row in rows] == ["allow", "redact", "redact"]
    assert set(rows[1]["findings"][0]) == {"kind", "start", "end", "score", "source"}
    assert done.returncode == 1


def test_the_text_is_scanned_whole(policy: str) -> None:
    """A card number whose groups stand on two lines is found, in the line where it starts."""
    done = guard("scan", "-", "--json", "--policy", policy, text="card 49291234\n56789015\n")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [f["kind"] for f in rows[0]["findings"]] == ["pii.card"]
    assert rows[1]["findings"] == []


def test_nothing_found_is_exit_code_0(policy: str) -> None:
    """Exit codes: 0 where nothing is found."""
    done = guard("scan", "-", "--policy", policy, text="the weather in Paris\n")
    assert (done.returncode, done.stdout.strip()) == (0, b"nothing found")


def test_the_table_names_place_kind_and_rule_and_never_the_text(policy: str) -> None:
    """People see line:column, kind, score, action, rule with file and line; the value itself is not repeated."""
    done = guard("scan", "-", "--policy", policy, text=TEXT)
    shown = done.stdout.decode()
    assert "2:6" in shown
    assert "pii.cn.resident_id" in shown
    assert "default.yaml:" in shown
    assert "jo.weber" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_scan_says_what_is_a_fake(policy: str) -> None:
    """guard's own log placeholders lie in reserved ranges, and a scan says that they are nobody's."""
    fake = redactor().redact("mail jo.weber@kontor-nord.org\n")
    done = guard("scan", "-", "--policy", policy, text=fake)
    assert b"1 value(s) lie in reserved ranges" in done.stdout
    assert done.returncode == 0


def test_redact_writes_the_text_without_its_values(policy: str, tmp_path: Path) -> None:
    """A file in, a clean file out; nothing half-written is left beside it."""
    source = tmp_path / "notes.txt"
    source.write_text(TEXT)
    done = guard("redact", str(source), "-o", str(tmp_path / "clean.txt"), "--policy", policy)
    assert done.returncode == 0
    clean = (tmp_path / "clean.txt").read_text()
    assert clean == "nothing here\nmail <EMAIL_1> today\n身份证<CN_RESIDENT_ID_1>，手机<PHONE_1>\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clean.txt", "notes.txt"]


def test_redact_reads_standard_input(policy: str) -> None:
    """`-` and no argument read standard input."""
    assert guard("redact", "--policy", policy, text="a@kontor-nord.org").stdout == b"<EMAIL_1>"


def test_what_the_policy_blocks_is_not_written() -> None:
    """Exit code 1 and the kind on standard error; nothing on standard output."""
    done = guard("redact", "--policy", "strict", text="card 4929 1234 5678 9015")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"guard: pii.card: the request was refused by the policy (pii.card)\n"


@pytest.mark.parametrize(
    ("arguments", "text", "says"),
    [
        (("scan", "no-such-file"), "", "no-such-file: No such file or directory"),
        (("scan", "-", "--policy", "no-such-pack"), "", "there is no pack or file of this name"),
        (("scan", "-"), "\udcff", "not UTF-8"),
        (("scan", "-", "--stage", "soup"), "", "use input, output or logs"),
        (("redact", "-", "-o", "no/such/folder/file"), "x", "No such file or directory"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(
    arguments: tuple[str, ...], text: str, says: str, policy: str, tmp_path: Path
) -> None:
    """A mistake of the user is named in one place, with no traceback."""
    extra = () if "--policy" in arguments else ("--policy", policy)
    if "\udcff" in text:
        (tmp_path / "bytes").write_bytes(b"\xff\xfe")
        arguments = ("scan", str(tmp_path / "bytes"))
    done = guard(*arguments, *extra, text="" if "\udcff" in text else text, cwd=tmp_path)
    said = done.stderr.decode()
    assert done.returncode == 2
    assert says in said
    assert "Traceback" not in said


@pytest.mark.parametrize("verb", ["demo", "serve", "scan", "redact", "policy check", "audit query", "audit verify"])
def test_help_teaches_with_an_example(verb: str) -> None:
    """Every verb's --help shows how it is called."""
    done = guard(*verb.split(), "--help")
    assert done.returncode == 0
    assert b"Example" in done.stdout or b"example" in done.stdout


def test_no_arguments_show_the_verbs() -> None:
    """The bare command names its verbs and where to start."""
    shown = guard("--help").stdout.decode()
    assert "guard demo" in shown
    for verb in ("demo", "serve", "scan", "redact", "policy", "audit"):
        assert f" {verb} " in shown


def test_scanning_leaves_no_trace(policy: str, tmp_path: Path) -> None:
    """A scan is no exchange: it writes no export."""
    environment = os.environ.get("GUARD_EXPORTS")
    assert environment
    before = sorted(Path(environment).rglob("*")) if Path(environment).exists() else []
    guard("scan", "-", "--policy", policy, text=TEXT, cwd=tmp_path)
    after = sorted(Path(environment).rglob("*")) if Path(environment).exists() else []
    assert before == after
    assert list(tmp_path.iterdir()) == []
