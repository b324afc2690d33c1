"""D22: an edit, a removal, a move, a cut: verify names the record, the line and the file."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.audit.verify import Report, verify
from guard.trace import chain
from guard.trace.ledger import Ledger
from guard.trace.signing import Signer, load_signer

Write = Callable[..., list[Path]]


@pytest.fixture
def check(folder: Path, signer: Signer) -> Callable[[], Report]:
    return lambda: verify(folder, signer.public_pem)


Check = Callable[[], Report]


def found(report: Report) -> list[tuple[str, int | None, int | None]]:
    """What, at which line, which record."""
    return [(problem.what, problem.line, problem.record) for problem in report.problems]


def edit(path: Path, change: Callable[[list[bytes]], None]) -> None:
    """Change the lines of a file in place."""
    lines = path.read_bytes().splitlines(keepends=True)
    change(lines)
    path.write_bytes(b"".join(lines))


def rechain(path: Path, *, heads: bool, close: bool = True) -> None:
    """Do what an attacker without the key can do: compute the chain anew over the lines that are there."""
    sidecar = path.with_suffix(".chain")
    header, *entries = sidecar.read_bytes().splitlines()
    signed = {entry.split()[1]: entry for entry in entries if entry.startswith(b"head")}
    closing = [entry for entry in entries if entry.startswith(b"close")]
    digest = chain.start(header)
    made = [header, signed[b"0"]]
    for seq, line in enumerate(path.read_bytes().splitlines(), chain.read_header(header).first):
        digest = chain.follow(digest, seq, line)
        made.append(chain.record_entry(seq, digest)[:-1])
        if heads and b"%d" % seq in signed:
            made.append(signed[b"%d" % seq])
    sidecar.write_bytes(b"\n".join([*made, *(closing if close else [])]) + b"\n")


def test_an_untouched_folder_is_proved_to_the_last_record(write: Write, check: Check) -> None:
    """Two writers with several files each: no problem, and everything is signed."""
    write(30, rotate_bytes=100)
    write(7)
    report = check()
    assert report.ok
    assert report.records == report.signed == 37
    assert [note for note in report.notes if "newer files" in note] == list(report.notes)


CHANGES: dict[str, tuple[Callable[[list[bytes]], None], list[tuple[str, int | None, int | None]]]] = {
    "edited": (lambda lines: lines.__setitem__(9, b'{"n":1000}\n'), [("changed", 10, 10)]),
    "edited twice": (
        lambda lines: (lines.__setitem__(3, b"x\n"), lines.__setitem__(200, b"y\n"))[0],
        [("changed", 4, 4), ("changed", 201, 201)],
    ),
    "one bit": (lambda lines: lines.__setitem__(0, b'{"n":3}\n'), [("changed", 1, 1)]),
    "last edited": (lambda lines: lines.__setitem__(-1, b"{}\n"), [("changed", 300, 300)]),
    "all spaces": (lambda lines: lines.__setitem__(5, b'{"n": 6}\n'), [("changed", 6, 6)]),
    "CRLF": (lambda lines: lines.__setitem__(5, b'{"n":6}\r\n'), [("changed", 6, 6)]),
    "removed": (lambda lines: lines.pop(9), [("removed", 10, 10)]),
    "first removed": (lambda lines: lines.pop(0), [("removed", 1, 1)]),
    "five removed": (lambda lines: lines.__delitem__(slice(9, 14)), [("removed", 10, 10)]),
    "two hundred removed": (lambda lines: lines.__delitem__(slice(9, 209)), [("removed", 10, 10)]),
    "cut": (lambda lines: lines.__delitem__(slice(297, None)), [("cut", 298, 298)]),
    "all cut": (lambda lines: lines.clear(), [("cut", 1, 1)]),
    "inserted": (lambda lines: lines.insert(9, b'{"n":9}\n'), [("inserted", 10, None)]),
    "a copy inserted": (lambda lines: lines.insert(9, lines[100]), [("inserted", 10, None)]),
    "a hundred inserted": (
        lambda lines: lines.__setitem__(slice(9, 9), [b"{}\n"] * 100),
        [("inserted", 10, None)],
    ),
    "added": (lambda lines: lines.append(b"{}\n"), [("inserted", 301, None)]),
    "swapped": (
        lambda lines: lines.__setitem__(slice(9, 11), [lines[10], lines[9]]),
        [("reordered", 10, 11)],
    ),
    "moved down": (lambda lines: lines.insert(30, lines.pop(9)), [("reordered", 31, 10)]),
    "torn": (lambda lines: lines.__setitem__(-1, b'{"n":30'), [("cut", 300, 300)]),
    "edited and removed": (
        lambda lines: (lines.__setitem__(50, b"{}\n"), lines.pop(20))[0],
        [("removed", 21, 21), ("changed", 50, 51)],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_done_to_a_line_is_named_exactly(write: Write, check: Check, name: str) -> None:
    """D22: the record and the line, once, and nothing else is blamed."""
    change, expected = CHANGES[name]
    [path] = write(300)
    edit(path, change)
    report = check()
    assert found(report) == expected
    assert {problem.file for problem in report.problems} == {path.name}
    assert all(path.name in str(problem) for problem in report.problems)


@pytest.mark.parametrize(
    ("change", "proved"),
    [
        (lambda lines: lines.__setitem__(9, b"{}\n"), 299),
        (lambda lines: lines.__delitem__(slice(9, 20)), 289),
        (lambda lines: lines.__delitem__(slice(280, 300)), 280),
        (lambda lines: lines.insert(9, b"{}\n"), 300),
        (lambda lines: lines.insert(30, lines.pop(9)), 300),
        (lambda lines: lines.__setitem__(slice(0, 300), [b"{}\n"] * 300), 0),
        (lambda lines: lines.__setitem__(slice(0, 300, 2), [b"{}\n"] * 150), 99),
    ],
)
def test_a_record_that_is_not_as_it_was_signed_is_not_counted_as_proved(
    write: Write, check: Check, change: Callable[[list[bytes]], None], proved: int
) -> None:
    """What was changed or is gone; after a hundred problems nobody looks on, and the rest is not proved either."""
    [path] = write(300)
    edit(path, change)
    report = check()
    assert (report.records, report.signed) == (300, proved)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_any_byte_goes_unseen(
    write: Write, folder: Path, signer: Signer, data: st.DataObject
) -> None:
    """Any byte of any file, changed, dropped or added: verify finds a problem."""
    shutil.rmtree(folder, ignore_errors=True)
    write(10, rotate_bytes=40)
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    before = path.read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    byte = bytes([data.draw(st.integers(0, 255).filter(lambda value: value != before[at]))])
    path.write_bytes(
        data.draw(
            st.sampled_from(
                [
                    before[:at] + byte + before[at + 1 :],
                    before[:at] + before[at + 1 :],
                    before[:at] + byte + before[at:],
                    before[:at],
                ]
            )
        )
    )
    report = verify(folder, signer.public_pem)
    # What looks like a killed process is not called a problem, but the file is named.
    assert not report.ok or path.stem in " ".join(report.notes)


@pytest.mark.parametrize("at", [3, 10])
def test_an_entry_changed_in_the_chain_is_not_blamed_on_the_record(
    write: Write, check: Check, at: int
) -> None:
    """The line is as it was; the chain's entry is not."""
    [path] = write(30)
    edit(path.with_suffix(".chain"), lambda lines: lines.__setitem__(at, lines[at][:-6] + b"00000\n"))
    assert [problem.what for problem in check().problems] == ["chain"]


def test_a_chain_that_was_computed_anew_fails_at_the_signature(write: Write, check: Check) -> None:
    """Without the key nobody can sign: the records since the last good head are not proved."""
    [path] = write(30)
    edit(path, lambda lines: lines.__setitem__(9, b'{"n":1000}\n'))
    rechain(path, heads=True)
    assert found(check())[0] == ("signature", None, 12)
    rechain(path, heads=False, close=False)
    assert "signed heads are missing after record 0" in str(check().problems[0])


def test_a_header_is_signed_too(write: Write, check: Check) -> None:
    """Nobody can lift `sign_every` to do without signatures, nor forget the previous file."""
    [path] = write(6)
    edit(path.with_suffix(".chain"), lambda lines: lines.__setitem__(0, lines[0].replace(b":4,", b":9,")))
    rechain(path, heads=False, close=False)
    problems = [problem.text for problem in check().problems]
    assert problems[0] == "the chain was rewritten: its header is not what was signed"


def test_a_cut_of_both_files_shows_where_a_later_file_names_the_end(write: Write, check: Check) -> None:
    """The writer's next file links to the last record of the one before."""
    first, *_ = write(30, rotate_bytes=100)
    edit(first, lambda lines: lines.__delitem__(slice(-4, None)))
    rechain(first, heads=True, close=False)
    assert ("cut", None) in {(problem.what, problem.line) for problem in check().problems}


def test_a_cut_shows_where_another_writer_saw_the_end(write: Write, check: Check) -> None:
    """A process that starts later vouches for the files that it found."""
    [first] = write(5)
    [second] = write(1)
    edit(first, lambda lines: lines.__delitem__(slice(-2, None)))
    rechain(first, heads=True, close=False)
    [problem] = check().problems
    assert (problem.what, problem.file, problem.record) == ("cut", first.name, 5)
    assert second.name in problem.text


def test_a_rewritten_tail_shows_where_another_writer_saw_it(write: Write, check: Check) -> None:
    """Unsigned records are proved by the hash that a later header names."""
    [first] = write(6)
    write(1)
    edit(first, lambda lines: lines.__setitem__(-1, b"{}\n"))
    rechain(first, heads=True, close=False)
    assert ("link", None, 6) in found(check())


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_removed_file_is_missed(write: Write, check: Check, at: int) -> None:
    """D22: of a writer's files the first, a middle one; of several writers one before the newest."""
    files = [*write(20, rotate_bytes=70), *write(1)]
    assert len(files) >= 4
    files[at].unlink()
    files[at].with_suffix(".chain").unlink()
    missing = [problem.file for problem in check().problems if problem.what == "missing"]
    assert missing == [files[at].name], "each once, however many name it"


@pytest.mark.parametrize(("suffix", "what"), [(".chain", "foreign"), (".jsonl", "missing")])
def test_half_of_a_pair_is_a_problem(write: Write, check: Check, suffix: str, what: str) -> None:
    """A chain without its export, an export without its chain."""
    [path] = write(3)
    path.with_suffix(suffix).unlink()
    assert [(problem.what, problem.file) for problem in check().problems] == [(what, path.name)]


def test_a_foreign_file_is_named_and_the_rest_is_checked(write: Write, folder: Path, check: Check) -> None:
    """Bad input: some other JSON lines in the folder; other kinds of files are nobody's business."""
    write(3)
    (folder / "other.jsonl").write_text("{}\n")
    (folder / "README.txt").write_text("hello")
    report = check()
    assert [(problem.what, problem.file) for problem in report.problems] == [("foreign", "other.jsonl")]
    assert report.records == 3


def test_of_a_lost_file_the_newest_record_is_named(
    write: Write, folder: Path, signer: Signer, check: Check
) -> None:
    """Others saw it at several records while it grew: the last of them is what is known to be lost."""
    ledger = Ledger(folder, signer=signer)
    for _ in range(3):
        ledger.commit_sync(b"{}")
        write(1)
    ledger.close()
    [path] = folder.glob(f"*{ledger.writer}.jsonl")
    path.unlink()
    path.with_suffix(".chain").unlink()
    assert [(p.what, p.file, p.record) for p in check().problems] == [("missing", path.name, 3)]


def test_another_version_is_no_damage(write: Write, check: Check) -> None:
    """Mixed versions: the file is said to be of another one, and not to be missing, although others name it."""
    first, *others = write(20, rotate_bytes=70)
    chain = first.with_suffix(".chain")
    chain.write_bytes(chain.read_bytes().replace(b'{"guard-chain":2,', b'{"guard-chain":3,', 1))
    [problem] = check().problems
    assert (problem.what, problem.file, "of a version that is not known" in problem.text) == (
        "chain",
        first.name,
        True,
    )
    assert len(others) > 1


def test_a_copy_and_a_renamed_file_are_noticed(write: Write, check: Check) -> None:
    """A file counts once, under the name it was written as."""
    [path] = write(3)
    for suffix in (".jsonl", ".chain"):
        shutil.copy(path.with_suffix(suffix), path.with_name(f"traces-copy{suffix}"))
    assert [(problem.what, problem.file) for problem in check().problems] == [("link", "traces-copy.jsonl")]


def test_another_installations_key_does_not_fit(
    write: Write, folder: Path, tmp_path: Path, signer: Signer
) -> None:
    """The problem names the key that is needed; with both keys given, both installations verify."""
    other = load_signer(tmp_path / "other")
    write(3)
    report = verify(folder, other.public_pem)
    assert [problem.what for problem in report.problems] == ["key"]
    assert signer.key_id in report.problems[0].text
    assert report.signed == 0
    Ledger(folder, signer=other).commit_sync(b"{}")
    assert verify(folder, other.public_pem + signer.public_pem).ok


def test_what_a_killed_process_leaves_is_no_problem_but_a_note(
    write: Write, folder: Path, check: Check
) -> None:
    """C37: a torn line, whole lines without an entry, a torn entry, no signed end."""
    [path] = write(6, close=False)
    with path.open("ab") as file:
        file.write(b'{"n":7}\n{"n":')
    with path.with_suffix(".chain").open("ab") as file:
        file.write(b"record 7 abc")
    report = check()
    assert report.ok
    assert (report.records, report.signed) == (6, 4)
    notes = " ".join(report.notes)
    assert "not ended" in notes
    assert "the last 2 records come after the last signature" in notes
    assert "1 whole lines and 5 bytes of a torn one" in notes


def test_a_process_killed_before_its_first_record_leaves_nothing_to_say(
    write: Write, folder: Path, check: Check
) -> None:
    """A chain with a header and no export beside it is no missing evidence."""
    [path] = write(1, close=False)
    entries = path.with_suffix(".chain").read_bytes().splitlines(keepends=True)
    path.with_suffix(".chain").write_bytes(b"".join(entries[:2]))
    path.unlink()
    assert check().ok


def test_one_file_alone_can_be_checked(write: Write, signer: Signer) -> None:
    """An auditor may hold a single export; links are not checked, and that is said."""
    files = write(30, rotate_bytes=100)
    report = verify(files[1], signer.public_pem)
    assert report.ok
    assert any("links to other files were not checked" in note for note in report.notes)
    edit(files[1], lambda lines: lines.pop(0))
    assert not verify(files[1], signer.public_pem).ok


def test_a_line_larger_than_the_reader_takes_at_once(folder: Path, signer: Signer, check: Check) -> None:
    """Bad input: gigabyte lines are hashed in pieces (here: five megabytes)."""
    ledger = Ledger(folder, signer=signer)
    ledger.commit_sync(b'"' + b"x" * 5_000_000 + b'"')
    ledger.commit_sync(b"{}")
    ledger.close()
    assert check().ok
    [path] = folder.glob("*.jsonl")
    content = bytearray(path.read_bytes())
    content[4_000_000] ^= 1
    path.write_bytes(content)
    assert found(check()) == [("changed", 1, 1)]


@pytest.mark.parametrize("seed", range(15))
def test_hostile_files_make_problems_not_crashes(write: Write, check: Check, seed: int) -> None:
    """Whatever a chain or an export is replaced by, verify returns a report with a problem."""
    [path] = write(20)
    chance = random.Random(seed)
    target = path.with_suffix(chance.choice([".chain", ".jsonl"]))
    lines = target.read_bytes().splitlines(keepends=True)
    chance.shuffle(lines)
    hostile = [
        b"record 9223372036854775807 " + b"a" * 64 + b"\n",
        b"record 5 " + b"0" * 64 + b"\n",
        b"\xff" * 99 + b"\n",
        b"\n",
    ]
    for extra in hostile[: chance.randrange(5)]:
        lines.insert(chance.randrange(1, len(lines)), extra)
    header = [path.with_suffix(".chain").read_bytes().splitlines(keepends=True)[0]]
    target.write_bytes(b"".join([*(header if target.suffix == ".chain" else []), *lines]))
    assert not check().ok


def test_a_void_hash_hides_no_change(write: Write, check: Check) -> None:
    """An entry of zeros must not make its record unverifiable in silence."""
    [path] = write(20)
    edit(path, lambda lines: lines.__setitem__(9, b"{}\n"))
    sidecar = path.with_suffix(".chain")
    at = next(n for n, line in enumerate(sidecar.read_bytes().splitlines()) if line.startswith(b"record 10 "))
    edit(sidecar, lambda lines: lines.__setitem__(at, b"record 10 " + b"0" * 64 + b"\n"))
    assert not check().ok


def test_progress_tells_the_bytes_read(write: Write, folder: Path, signer: Signer) -> None:
    """For the bar of the command line."""
    [path] = write(100)
    told: list[int] = []
    verify(folder, signer.public_pem, told.append)
    assert sum(told) == path.stat().st_size


def test_a_file_that_fits_is_read_once_and_parsed_never(
    write: Write, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash comes first: only what does not fit, or was not ended, is read with care."""
    from guard.audit import verify as module

    careful: list[str] = []
    real = module._careful
    monkeypatch.setattr(
        module, "_careful", lambda path, told: (careful.append(path.name), real(path, told))[1]
    )
    good = [*write(300), *write(20, rotate_bytes=30)]
    assert check().ok
    assert careful == []
    [open_] = write(3, close=False)
    edit(good[0], lambda lines: lines.__setitem__(9, b"x\n"))
    assert found(check()) == [("changed", 10, 10)]
    assert careful == [good[0].name, open_.name]


def test_progress_is_right_after_a_second_reading(write: Write, folder: Path, signer: Signer) -> None:
    """What is read twice is told once."""
    [path] = write(300)
    edit(path, lambda lines: lines.__setitem__(200, b'{"n":999}\n'))
    told: list[int] = []
    verify(folder, signer.public_pem, told.append)
    assert sum(told) <= path.stat().st_size


@pytest.mark.parametrize("size", [100, 127 * 1024, 128 * 1024, 200 * 1024, 1024 * 1024, 20 * 1024 * 1024])
def test_lines_of_any_length(folder: Path, signer: Signer, size: int) -> None:
    """Bad input: lines longer than any buffer are read in pieces, and proved like others."""
    ledger = Ledger(folder, signer=signer, rotate_bytes=10**9)
    for line in (b"{}", b"x" * size, b"{}", b"y" * (size // 3)):
        ledger.commit_sync(line)
    ledger.close()
    report = verify(folder, signer.public_pem)
    assert (report.ok, report.signed) == (True, 4)
    [path] = folder.glob("*.jsonl")
    data = bytearray(path.read_bytes())
    data[size // 2 + 3] ^= 1
    path.write_bytes(data)
    assert found(verify(folder, signer.public_pem)) == [("changed", 2, 2)]
