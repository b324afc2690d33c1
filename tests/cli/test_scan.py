"""`guard scan` and `guard redact`, as their user calls them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from guard.logs import redactor
from tests.cli.command import guard

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


TEXT = "nothing here\nmail jo.weber@kontor-nord.org today\n身份证110105198403077734，手机13398765421\n"


def test_json_has_one_object_a_line_with_offsets_within_it(policy: str) -> None:
    """Object i holds the findings that start in line i, as code-point offsets of that line."""
    done = guard("scan", "-", "--json", "--policy", policy, text=TEXT)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    lines = TEXT.splitlines()
    found = [
        [(f["kind"], lines[i][f["start"] : f["end"]]) for f in row["findings"]] for i, row in enumerate(rows)
    ]
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


@pytest.mark.parametrize(
    "verb", ["demo", "serve", "scan", "redact", "policy check", "audit query", "audit verify"]
)
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


# what people see


def test_a_terminal_shows_the_hits_in_colour_in_their_lines(policy: str) -> None:
    """Each line with a hit once, the hit in the colour of what is done to it; control characters do not steer it."""
    text = "calm\nmail jo.weber@kontor-nord.org\x1b]0;x\x07 today\n"
    shown = guard(
        "scan", "-", "--policy", policy, text=text, FORCE_COLOR="1", TERM="xterm-256color"
    ).stdout.decode()
    [line] = [line for line in shown.splitlines() if "today" in line]
    assert re.search(r"\x1b\[[0-9;]*43mjo\.weber@kontor-nord\.org\x1b\[0m", line)
    assert "\x1b]" not in shown
    assert "\\u001b]0;x\\u0007" in line
    assert "calm" not in shown
    bare = guard("scan", "-", "--no-text", "--policy", policy, text=text, FORCE_COLOR="1").stdout.decode()
    assert "jo.weber" not in bare


def test_a_scan_counts_its_kinds(policy: str) -> None:
    """How many of each kind, and what is done to them."""
    shown = guard("scan", "-", "--policy", policy, text=TEXT + TEXT.splitlines()[1]).stdout.decode()
    assert re.search(r"^ +2 +pii\.email +redact$", shown, re.MULTILINE)
    assert re.search(r"^ +1 +pii\.cn\.resident_id +redact$", shown, re.MULTILINE)
    assert "4 found" in shown


def test_explain_says_why(policy: str) -> None:
    """Pattern, validator with its standard, cue words and what they did, laws, and the rule with its file and line."""
    text = "my phone is 415-626-1234, 身份证11010519491231002X"
    shown = " ".join(guard("scan", "-", "--explain", "--policy", policy, text=text).stdout.decode().split())
    assert "1:13 pii.phone 0.90 redact" in shown
    assert "cues phone (raises 0.6 to 0.9)" in shown
    assert "validator cn_resident_id: " in shown
    assert "GB 11643" in shown
    assert "laws pipl" in shown
    assert re.search(r"rule pii\.\* → redact \(default\.yaml:\d+\)", shown)
    assert "415-626-1234" not in shown


def test_explain_for_machines(policy: str) -> None:
    """With --json each finding has its reasons under `explain`; without --explain the design's keys only."""
    done = guard("scan", "-", "--explain", "--json", "--policy", policy, text="电话 13398765421")
    [row] = [json.loads(line) for line in done.stdout.splitlines()]
    why = row["findings"][0]["explain"]
    assert why["validator"] == "phone_cn_mobile"
    assert why["cues"] == ["电话"]
    assert (why["action"], why["rule"]) == ("redact", "pii.*")
    assert re.fullmatch(r"default\.yaml:\d+", why["origin"])
    assert (why["score"], why["cued"]) == (0.75, 0.95)


# what is read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with text, a hidden file, a picture, JSON lines, a repository and a link."""
    root = tmp_path / "data"
    (root / "deep" / ".git").mkdir(parents=True)
    (root / "calm.txt").write_text("nothing here\n")
    (root / "deep" / "notes.txt").write_text("first\nmail jo.weber@kontor-nord.org\n")
    (root / ".env").write_text('ADMIN="jo.weber@kontor-nord.org"\n')
    (root / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0jo.weber@kontor-nord.org")
    (root / "latin.txt").write_bytes(b"caf\xe9 jo.weber@kontor-nord.org")
    (root / "deep" / ".git" / "config").write_text("jo.weber@kontor-nord.org")
    (root / "link.txt").symlink_to(root / "deep" / "notes.txt")
    return root


def test_a_folder_is_read_to_the_bottom(policy: str, folder: Path) -> None:
    """Every text once, with its file and line; what is no text is passed over with a note; links are not followed."""
    done = guard("scan", str(folder), "--json", "--policy", policy)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["file"], row["line"]) for row in rows] == [
        (str(folder / ".env"), 1),
        (str(folder / "deep" / "notes.txt"), 2),
    ]
    said = done.stderr.decode().splitlines()
    assert said == [f"{folder / name}: passed over, it is no text" for name in ("latin.txt", "photo.png")]
    assert done.returncode == 1


def test_people_see_which_file(policy: str, folder: Path) -> None:
    """The place names file, line and column, and the count how many files were read."""
    shown = guard(
        "scan", str(folder / "deep"), str(folder / ".env"), "--policy", policy, COLUMNS="200"
    ).stdout.decode()
    assert f"{folder / 'deep' / 'notes.txt'}:2:6" in shown
    assert f"{folder / '.env'}:1:8" in shown
    assert "2 found in 2 files" in shown


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_named_and_passed_over(policy: str, folder: Path) -> None:
    """The others are scanned; where nothing is found the exit code still says that not everything was seen."""
    (folder / "calm.txt").chmod(0)
    done = guard("scan", str(folder / "calm.txt"), str(folder / "calm.txt"), "--policy", policy)
    assert done.returncode == 2
    assert "calm.txt: Permission denied" in done.stderr.decode()


def test_json_lines_are_read_string_by_string(policy: str, tmp_path: Path) -> None:
    """Offsets are within the string at `path`, in the line where it stands; escapes are undone, keys are cue words."""
    file = tmp_path / "chat.jsonl"
    lines = [
        {"id": 7, "note": "calm"},
        {"messages": [{"role": "user", "content": 'say "hi"\nto jo.weber@kontor-nord.org'}]},
        {"ssn": "536-22-8421", "jo.weber@kontor-nord.org": 1},
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = guard("scan", str(file), "--json", "--policy", policy)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    found = [[(f["kind"], f["path"], f["start"], f["end"]) for f in row["findings"]] for row in rows]
    assert found[0] == []
    assert found[1] == [("pii.email", "$.messages[0].content", 12, 36)]
    assert sorted(found[2]) == [("pii.email", "$ (key)", 0, 24), ("pii.us.ssn", "$.ssn", 0, 11)]
    assert (
        guard("scan", "-", "--jsonl", "--json", "--policy", policy, text=file.read_text()).stdout
        == done.stdout
    )
    shown = guard("scan", str(file), "--policy", policy, COLUMNS="200").stdout.decode()
    assert f"{file}:2:$.messages[0].content:13" in shown


def test_a_line_that_is_no_json_is_one_clear_error(policy: str, tmp_path: Path) -> None:
    """File and line, and not what stands there."""
    file = tmp_path / "bad.jsonl"
    file.write_text('{"a": 1}\n{"mail": jo.weber@kontor-nord.org}\n')
    done = guard("scan", str(file), "--policy", policy)
    assert (done.returncode, done.stderr.decode()) == (2, f"guard: {file}:2: this line is not JSON\n")


def test_a_long_text_is_found_whole_and_in_its_lines(policy: str) -> None:
    """B37: scanned in pieces between safe cuts, it gives what the whole gives: values at every seam included."""
    line = "a word and jo.weber@kontor-nord.org and card 4929 1234 5678 9015 again\n"
    text = line * 6000
    done = guard("scan", "-", "--json", "--policy", policy, text=text)
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    assert len(rows) == 6000
    places = {tuple((f["kind"], f["start"], f["end"]) for f in row["findings"]) for row in rows}
    assert places == {(("pii.email", 11, 35), ("pii.card", 45, 64))}


def test_ctrl_c_keeps_what_was_printed(policy: str, tmp_path: Path) -> None:
    """An interrupted run has shown what it found so far, counts it, and ends with 130."""
    (tmp_path / "a.txt").write_text("mail jo.weber@kontor-nord.org")
    os.mkfifo(tmp_path / "b")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"}
    arguments = [sys.executable, "-u", "-m", "guard", "scan", str(tmp_path / "a.txt"), str(tmp_path / "b")]
    with subprocess.Popen(
        [*arguments, "--policy", policy], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as run:
        assert run.stdout is not None
        seen = b""
        while b"pii.email" not in seen:
            seen += run.stdout.readline()
        run.send_signal(signal.SIGINT)
        rest, said = run.communicate(timeout=60)
    assert b"1 found" in seen + rest
    assert said.decode() == "stopped after 1 of 2 files\n"
    assert run.returncode == 130


TENANTS = """
policy: tenants
version: "1"
extends: [default]
recognizers:
  presidio: {recognizers: []}
  lists:
  - {name: birds, deny: pii.project, terms: [Blue Heron], tenants: [acme]}
  - {name: desk, allow: true, terms: [help@kontor-nord.org], tenants: [acme]}
input:
  rules:
    pii.project: {action: redact, as: mask}
"""


def test_the_lists_of_a_tenant_hold_where_it_is_named(tmp_path: Path) -> None:
    """`--tenant`: what acme denies is found and redacted for acme, what it allows stays; for nobody else."""
    rules = tmp_path / "tenants.yaml"
    rules.write_text(TENANTS)
    text = "Blue Heron, ask help@kontor-nord.org\n"
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "rows.jsonl").write_text(json.dumps({"a": text, "b": text}) + "\n")

    def kinds(*arguments: str) -> set[str]:
        done = guard("scan", "--json", "--policy", str(rules), *arguments, text=text)
        return {f["kind"] for line in done.stdout.splitlines() for f in json.loads(line)["findings"]}

    for source in ("-", str(folder)):
        assert kinds(source, "--tenant", "acme") == {"pii.project"}
        assert kinds(source) == kinds(source, "--tenant", "beta") == {"pii.email"}
    clean = guard("redact", "--policy", str(rules), "--tenant", "acme", text=text).stdout.decode()
    assert "Heron" not in clean
    assert "help@kontor-nord.org" in clean
    assert "Blue Heron, ask <EMAIL_1>" in guard("redact", "--policy", str(rules), text=text).stdout.decode()
