"""Keys of subject hashes: one a tenant and period in all processes, sealed at rest, gone when they are destroyed."""

from __future__ import annotations

import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from guard.errors import Unavailable
from guard.keys import Keys, period_of
from guard.outside.stores import subjectkeys
from guard.outside.stores.subjectkeys import SubjectKey, SubjectKeys

KEYS = Keys(b"a master key for tests of subjects")


def nobody(_: SubjectKey) -> None:
    """Nobody is told."""


def fine(folder: Path, tenant: str) -> bool:
    """Whether a tenant's key can be had."""
    try:
        return SubjectKeys(folder, KEYS).of(tenant, "2026", nobody).tenant == tenant
    except Unavailable:
        return False


@pytest.mark.parametrize(
    ("length", "month", "name"),
    [("year", 11, "2026"), ("month", 3, "2026-03"), ("quarter", 3, "2026-Q1"), ("quarter", 10, "2026-Q4")],
)
def test_a_period_has_a_name(length: str, month: int, name: str) -> None:
    """Month, quarter, year; quarters begin in January, April, July, October."""
    assert period_of(length, 2026, month) == name


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    """C02: each of eight stores over one folder gets the same key, and one alone is told that it was made."""
    told: list[SubjectKey] = []
    together = threading.Barrier(8)

    def start(_: int) -> SubjectKey:
        store = SubjectKeys(tmp_path / "keys", KEYS)
        together.wait()
        return store.of("acme", "2026", told.append)

    with ThreadPoolExecutor(8) as pool:
        found = {key.value for key in pool.map(start, range(8))}
    assert (len(found), [key.value for key in told]) == (1, list(found))
    assert [path.name[-4:] for path in tmp_path.rglob("*") if path.is_file()] == [".key"]


def test_no_two_tenants_or_periods_share_a_key(tmp_path: Path) -> None:
    """Drawn by chance: each is another one, in another installation with the same master key, too."""
    store, other = SubjectKeys(tmp_path / "a", KEYS), SubjectKeys(tmp_path / "b", KEYS)
    made = [s.of(t, p, nobody) for s in (store, other) for t in ("a", "b", "") for p in ("2026", "2026-11")]
    assert len({key.value for key in made}) == len({key.id for key in made}) == 12
    assert {len(key.value) for key in made} == {32}
    assert [key.id.rpartition("-")[0] for key in made[:2]] == ["2026", "2026-11"]
    assert sorted(key.id for key in store.stored()) == sorted(key.id for key in made[:6])


def test_at_rest_a_key_is_sealed_and_no_name_tells_its_tenant(tmp_path: Path) -> None:
    """Neither the key nor the tenant is in the files or their names; another master key opens none."""
    store = SubjectKeys(tmp_path / "keys", KEYS)
    key = store.of("acme-tenant", "2026", nobody)
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    data = path.read_bytes()
    assert not any(part in data for part in (key.value, key.value.hex().encode(), b"acme"))
    assert "acme" not in str(path.relative_to(tmp_path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(SubjectKeys(tmp_path / "keys", Keys(b"another master key")).stored()) == []
    assert key.value.hex() not in repr(key)


def test_a_destroyed_key_is_gone(tmp_path: Path) -> None:
    """Its bytes are overwritten before the file goes, and what is drawn afterwards is another key."""
    store = SubjectKeys(tmp_path / "keys", KEYS)
    key, kept = store.of("acme", "2019-05", nobody), store.of("acme", "2019-06", nobody)
    assert key.path is None or key.path.exists()
    [stored] = [one for one in store.stored() if one.id == key.id]
    assert stored.path is not None
    before = stored.path.read_bytes()
    second = stored.path.with_name("second name")
    second.hardlink_to(stored.path)
    store.destroy(stored)
    assert [one.id for one in store.stored()] == [kept.id]
    assert second.read_bytes() != before
    second.unlink()
    assert SubjectKeys(tmp_path / "keys", KEYS).of("acme", "2019-05", nobody).value != key.value


def test_a_key_that_cannot_be_had_is_unavailable(tmp_path: Path) -> None:
    """A changed file, a torn one, another tenant's, a folder that cannot be made: never a key of another kind."""
    folder = tmp_path / "keys"
    SubjectKeys(folder, KEYS).of("acme", "2026", nobody)
    SubjectKeys(folder, KEYS).of("other", "2026", nobody)
    one, two = sorted(folder.rglob("*.key"))
    whole = {path: path.read_bytes() for path in (one, two)}
    for data in (whole[two], whole[one][:-1] + bytes([whole[one][-1] ^ 1]), b"", whole[one][:9]):
        one.write_bytes(data)
        tenant = "acme" if fine(folder, "other") else "other"
        with pytest.raises(Unavailable, match="subject key"):
            SubjectKeys(folder, KEYS).of(tenant, "2026", nobody)
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="Not a directory"):
        SubjectKeys(tmp_path / "file" / "keys", KEYS).of("acme", "2026", nobody)


def test_a_key_is_read_once_a_period(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hot path asks a dictionary; when the period ends, the old keys are forgotten, and many tenants fit."""
    store = SubjectKeys(tmp_path / "keys", KEYS)
    first = store.of("acme", "2026-10", nobody)
    monkeypatch.setattr(store, "_found", None)
    assert store.of("acme", "2026-10", nobody) is first
    monkeypatch.undo()
    clock = time.struct_time((2031, 1, 1, 0, 0, 0, 0, 1, 0))
    monkeypatch.setattr(subjectkeys.time, "gmtime", lambda *_: clock)
    store.of("acme", "2031", nobody)
    assert set(store._held) == {("acme", "2031")}
    monkeypatch.setattr(subjectkeys, "_HELD", 4)
    for number in range(6):
        store.of(str(number), "2031", nobody)
    assert len(store._held) <= 4


def test_a_period_that_runs_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At the turn of a month the last one runs on for an hour: other clocks are late."""
    moment = 1_764_547_200.0  # 2025-12-01T00:00:00Z
    monkeypatch.setattr(subjectkeys.time, "time", lambda: moment + 60)
    store = SubjectKeys(tmp_path / "keys", KEYS)
    runs = {
        p: store.runs(store.of("a", p, nobody)) for p in ("2025-12", "2025-11", "2025-10", "2025", "2024")
    }
    assert runs == {"2025-12": True, "2025-11": True, "2025-10": False, "2025": True, "2024": False}
    monkeypatch.setattr(subjectkeys.time, "time", lambda: moment + 3600)
    assert not store.runs(store.of("a", "2025-11", nobody))


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verbs that keep nothing have keys all the same, for as long as they run."""
    monkeypatch.chdir(tmp_path)
    store = SubjectKeys(None, KEYS)
    assert store.of("a", "2026", nobody) is store.of("a", "2026", nobody)
    assert (list(store.stored()), list(tmp_path.iterdir())) == ([], [])
