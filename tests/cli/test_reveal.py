"""`guard reveal`, as those with the key call it: originals come back, and the trace says that they did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from guard.errors import SetupError
from guard.keyring import load_keys
from guard.keys import Keys
from guard.pii.sealing import seal
from guard.settings import Settings

MASTER, NEW, OLD = "master-key-of-tests", "new-seal-key-of-tests", "old-seal-key-of-tests"
MAIL = "jo.weber@kontor-nord.org"


def reveal(
    *arguments: str, text: str = "", exports: Path, **settings: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `guard reveal` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "GUARD_EXPORTS": str(exports)}
    environment |= {"GUARD_KEY": MASTER, "GUARD_SEAL_KEYS": f"{NEW},{OLD}", **settings}
    return subprocess.run(
        [sys.executable, "-m", "guard", "reveal", *arguments],
        input=text.encode(),
        capture_output=True,
        env=environment,
        check=False,
        timeout=60,
    )


def recorded(exports: Path) -> list[dict[str, Any]]:
    """The attributes of each `guard.reveal` span."""
    found = []
    for file in sorted(exports.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            [span] = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
            if span["name"] == "guard.reveal":
                found.append({a["key"]: next(iter(a["value"].values())) for a in span["attributes"]})
    return found


def sealed(key: str, value: str = MAIL) -> str:
    return seal(Keys(b"", [key.encode()]), "EMAIL", value)


def key_id(key: str) -> str:
    return Keys(key.encode()).key_id


def test_originals_come_back_and_the_use_is_on_record(tmp_path: Path) -> None:
    """Standard input in, originals out; who, why, how many and which key ids are recorded, and no value."""
    text = f"mail {sealed(NEW)} or {sealed(OLD, '+1 415 555 2671')}\n"
    done = reveal("-", "--by", "jo", "--ticket", "CASE-7", text=text, exports=tmp_path)
    assert (done.returncode, done.stdout.decode()) == (0, f"mail {MAIL} or +1 415 555 2671\n")
    assert MAIL not in done.stderr.decode()
    [span] = recorded(tmp_path)
    assert span["guard.reveal.by"] == "jo"
    assert span["guard.reveal.ticket"] == "CASE-7"
    assert (span["guard.reveal.opened"], span["guard.reveal.closed"]) == ("2", "0")
    ids = [value["stringValue"] for value in span["guard.reveal.key_ids"]["values"]]
    assert ids == sorted([key_id(NEW), key_id(OLD)])
    exported = "".join(file.read_text() for file in tmp_path.glob("*.jsonl"))
    assert MAIL not in exported
    assert "415" not in exported.replace(ids[0], "").replace(ids[1], "") or "2671" not in exported


def test_a_foreign_placeholder_stays_closed_and_the_attempt_is_on_record(tmp_path: Path) -> None:
    """Without the key: exit code 1, the text as it was, and a record of the attempt."""
    file = tmp_path / "notes.txt"
    file.write_text(f"mail {sealed('somebody-elses-key')}")
    done = reveal(str(file), exports=tmp_path / "exports")
    assert (done.returncode, done.stdout.decode()) == (1, file.read_text())
    assert "1 stayed closed" in done.stderr.decode()
    [span] = recorded(tmp_path / "exports")
    assert (span["guard.reveal.opened"], span["guard.reveal.closed"]) == ("0", "1")
    assert span["guard.reveal.by"]


def test_nothing_is_shown_that_is_not_on_record(tmp_path: Path) -> None:
    """Law 1: a record that cannot be written is no reason to go on without it."""
    exports = tmp_path / "exports"
    exports.write_text("a file where the folder should be")
    done = reveal(sealed(NEW), "-o", str(tmp_path / "out.txt"), exports=exports)
    assert done.returncode == 2
    assert MAIL not in (done.stdout + done.stderr).decode()
    assert "Traceback" not in done.stderr.decode()
    assert not (tmp_path / "out.txt").exists()


def test_a_file_of_originals_is_private(tmp_path: Path) -> None:
    """What is written is readable by its owner alone; the text may be given as the argument."""
    done = reveal(f"to {sealed(OLD)}", "-o", str(tmp_path / "out.txt"), exports=tmp_path / "exports")
    assert done.returncode == 0
    assert (tmp_path / "out.txt").read_text() == f"to {MAIL}"
    assert (tmp_path / "out.txt").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("no-such-file",), "No such file"),
        (("-", "--by", "Jo Weber"), "write a login name"),
        (("-", "--ticket", "because I want to"), "write the number of a case"),
    ],
)
def test_a_mistake_is_one_clear_line(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    """Exit code 2 and what to write instead; free text is not recorded."""
    done = reveal(*arguments, text="x", exports=tmp_path)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.decode().replace("│", " ").split())
    assert "Traceback" not in done.stderr.decode()
    assert recorded(tmp_path) == []


def test_sealing_keys_come_from_the_settings_and_are_never_shown() -> None:
    """GUARD_SEAL_KEYS: the first seals, all open; secrets are masked, and a bad list stops the start."""
    made = Settings(key="k" * 16, seal_keys=f" {NEW}, {OLD},")  # type: ignore[arg-type]
    assert NEW not in repr(made)
    assert [sealer.key_id for sealer in load_keys(made).sealers] == [
        key_id(NEW),
        key_id(OLD),
        key_id("k" * 16),
    ]
    for bad, says in (("hunter2", "shorter than 16"), (f"{NEW},{NEW}", "stands twice")):
        with pytest.raises(SetupError, match=says) as caught:
            load_keys(Settings(key="k" * 16, seal_keys=bad))  # type: ignore[arg-type]
        assert bad not in str(caught.value)
