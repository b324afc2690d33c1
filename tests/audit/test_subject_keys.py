"""Keys of a tenant and period at the desk: found over all that are given, and unlinked for good by destroying one."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from guard.audit.compact import compact
from guard.audit.contents import erased
from guard.audit.query import QueryError, run
from guard.audit.subjects import _derived, find
from guard.cli.audit import app
from guard.errors import SetupError, Unavailable
from guard.keys import Keys
from guard.outside.stores.subjectkeys import SubjectKey, SubjectKeys
from guard.pii.subject import subject
from guard.trace import spans
from guard.trace.ledger import Ledger
from guard.trace.signing import load_signer
from guard.trace.spans import Recorder
from guard.types import Action, Decision, Finding, Stage, Verdict

PERSON, OTHER = "zhang.san@example.com", "li.si@example.com"
MASTER = b"0123456789abcdef0123456789abcdef"
SEPTEMBER, OCTOBER = "2019-09", "2019-10"


class House:
    """An installation: its exports, its keys, and its desk."""

    def __init__(self, base: Path) -> None:
        self.home, self.exports = base / "home", base / "exports"
        self.home.mkdir(mode=0o700)
        (self.home / "master.key").write_bytes(MASTER)
        self.keys = Keys(MASTER)
        self.store = SubjectKeys(self.home / "subject-keys", self.keys)
        self.recorder = Recorder()

    def key(self, tenant: str, period: str) -> SubjectKey:
        return self.store.of(tenant, period, lambda _: None)

    def write(self, *records: tuple[str, str, SubjectKey | None]) -> None:
        """Findings of values of tenants, hashed under a key, or as they were before there were such keys."""
        ledger = Ledger(self.exports, signer=load_signer(self.home))
        for tenant, value, key in records:
            span = self.recorder.start(spans.SCREEN, attributes={spans.TENANT: tenant, spans.STAGE: "input"})
            year = span._clock[0] // 31_556_952_000_000_000 + 1970
            hashed = subject(key.value if key else self.keys.subjects_of(tenant, year), value)
            found = Finding("pii.email", 0, len(value), 1.0, "pattern", "messages[0].content")
            decision = Decision(found, Action.REDACT, Action.REDACT, "pii.*", "x:1")
            verdict = Verdict(Stage.INPUT, Action.REDACT, Action.REDACT, (decision,))
            for name, attributes in spans.finding_events(verdict, lambda _, hashed=hashed: hashed):
                span.event(name, attributes)
            span.set(spans.SUBJECT_KEY, key.id if key else None)
            if value == OTHER:
                span.set_all(
                    {spans.CONTENT: "sealed", spans.CONTENT_KEY: "k1", spans.CONTENT_FORM: "redacted"}
                )
            ledger.append(span.end())
        ledger.close()

    def audit(self, *arguments: object, **more: object) -> Result:
        environment = {
            "GUARD_HOME": str(self.home),
            "GUARD_EXPORTS": str(self.exports),
            "COLUMNS": "200",
        }
        return CliRunner().invoke(app, list(map(str, arguments)), env=environment, **more)  # type: ignore[arg-type]

    def found(self, value: str = PERSON, *arguments: object) -> list[str]:
        """The tenants of what `find` finds."""
        rows = json.loads(self.audit("find", "--subject", value, "--json", *arguments).stdout)
        return [row["tenant"] for row in rows]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Two tenants, two periods, and a record from before; OTHER stands in acme's October only."""
    made = House(tmp_path)
    september, october = made.key("acme", SEPTEMBER), made.key("acme", OCTOBER)
    made.write(
        ("acme", PERSON, september),
        ("acme", PERSON, october),
        ("acme", OTHER, october),
        ("other", PERSON, made.key("other", OCTOBER)),
        ("older", PERSON.upper(), None),
    )
    return made


@pytest.mark.parametrize("compacted", [False, True])
def test_find_searches_every_period_of_every_tenant(house: House, compacted: bool) -> None:
    """Over all keys that are given, and over records from before there were such keys."""
    if compacted:
        compact(house.exports)
    assert house.found() == ["acme", "acme", "other", "older"]
    assert house.found(" ZHANG.SAN@Example.com", "--tenant", "acme") == ["acme", "acme"]
    hashes = run(house.exports, "SELECT DISTINCT subjects[1] FROM findings").rows
    assert len(hashes) == 5


def test_find_says_what_it_has_no_key_for(house: House, tmp_path: Path) -> None:
    """Elsewhere, with fewer keys: less is found, and each key that is missing is named with its records."""
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "k").write_bytes(MASTER)
    few = tmp_path / "desk" / "subject-keys"
    shutil.copytree(house.home / "subject-keys" / OCTOBER, few / OCTOBER)
    told = house.audit("find", "--subject", PERSON, "--key", tmp_path / "desk" / "k", "--json")
    assert [row["tenant"] for row in json.loads(told.stdout)] == ["acme", "other", "older"]
    [line] = told.stderr.splitlines()
    assert "acme, 2019-09: 1 records cannot be searched" in line
    assert house.key("acme", SEPTEMBER).id in line
    assert "searched" not in house.audit("find", "--subject", PERSON, "--tenant", "other").stderr
    both = ("--subject-keys", few, "--subject-keys", house.home / "subject-keys")
    assert len(house.found(PERSON, "--key", tmp_path / "desk" / "k", *both)) == 4
    wrong = find(house.exports, Keys(b"another master key, long"), PERSON, {})
    assert (wrong.table.rows, len(wrong.unsearched)) == ([], 3)


@pytest.mark.parametrize("compacted", [False, True])
def test_a_destroyed_period_is_found_no_more(house: House, compacted: bool) -> None:
    """Everyone of that tenant's period and nobody else; the chain stays valid, and who and why is on record."""
    if compacted:
        compact(house.exports)
    copy = {path: path.read_bytes() for path in (house.home / "subject-keys").rglob("*.key")}
    key = house.key("acme", OCTOBER)
    done = house.audit(
        "erase", "--tenant", "acme", "--period", OCTOBER, "--ticket", "DSR-9", "--by", "jo", "--yes"
    )
    assert (done.exit_code, done.stdout) == (0, "1 keys were destroyed\n")
    assert "key of acme for 2019-10: nobody is found in its 2 records any more" in done.stderr
    assert "Of 1 exchanges among them texts are kept, sealed to the auditor's key" in done.stderr
    assert house.found() == ["acme", "other", "older"]
    told = house.audit("find", "--subject", OTHER)
    assert told.exit_code == 1
    assert "acme, 2019-10: 2 records cannot be searched: its key was destroyed on" in told.stderr
    assert "ticket DSR-9" in told.stderr
    assert len(copy) - 1 == len(list((house.home / "subject-keys").rglob("*.key")))
    assert house.audit("verify").exit_code == 0
    asked = (
        "SELECT attrs['guard.subject_key.ids'], attrs['guard.tenant'], attrs['guard.audit.ticket'],"
        " attrs['guard.audit.by'] FROM spans WHERE name = 'guard.subject_key.destroyed'"
    )
    assert run(house.exports, asked).rows == [(f'["{key.id}"]', "acme", "DSR-9", "jo")]
    assert run(house.exports, "SELECT count(*) FROM findings WHERE tenant = 'acme'").rows == [(3,)]
    asked = "SELECT tenant, left(subject_key, 7), any_value(trace_id) FROM findings GROUP BY 1, 2"
    gone = {row[:2] for row in run(house.exports, asked).rows if erased(house.exports, row[2])}
    assert gone == {("acme", OCTOBER)}
    again = house.audit("erase", "--tenant", "acme", "--period", OCTOBER, "--ticket", "DSR-9", "--yes")
    assert (again.exit_code, again.stdout) == (1, "0 keys were destroyed\n")


def test_it_is_on_record_before_the_key_goes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the record cannot be written the key stays."""

    def full(*_: object) -> None:
        raise Unavailable("record", "disk full")

    monkeypatch.setattr(Ledger, "commit_sync", full)
    done = house.audit("erase", "--tenant", "acme", "--period", OCTOBER, "--ticket", "DSR-9", "--yes")
    assert isinstance(done.exception, Unavailable)
    assert house.key("acme", OCTOBER).id in {key.id for key in house.store.stored()}


def test_it_asks_first(house: House) -> None:
    """Without --yes, and without an answer, nothing is destroyed."""
    asked = ("erase", "--tenant", "acme", "--period", OCTOBER, "--ticket", "DSR-9")
    for answer in ("n\n", ""):
        done = house.audit(*asked, input=answer)
        assert (done.exit_code, len(house.found())) == (1, 4)
    assert house.audit(*asked, input="y\n").exit_code == 0
    assert len(house.found()) == 3


def test_what_may_not_be_destroyed(house: House, tmp_path: Path) -> None:
    """A period that runs, one on hold, one that is none, one that is not there; in a copy nothing."""
    year = str(time.gmtime().tm_year)
    house.write(("acme", PERSON, house.key("acme", year)))
    erase = ("erase", "--tenant", "acme", "--ticket", "DSR-9", "--yes", "--period")
    running = house.audit(*erase, OCTOBER, "--period", year)
    assert isinstance(running.exception, QueryError)
    assert f"{year} still runs" in str(running.exception)
    assert "its periods here: 2019-09, 2019-10" in str(house.audit(*erase, "2018").exception)
    assert house.audit(*erase, "October").exit_code == 2
    assert house.audit("erase", "--tenant", "acme", "--ticket", "DSR-9").exit_code == 2
    assert house.audit(*erase, OCTOBER, "--subject", PERSON).exit_code == 2
    assert house.audit("hold", "--ticket", "LIT-7").exit_code == 0
    assert "on hold (LIT-7)" in str(house.audit(*erase, OCTOBER).exception)
    assert house.audit("hold", "--ticket", "LIT-7", "--release").exit_code == 0
    for name in ("signing-key.pem", "signing-key.pub.pem"):
        (house.home / name).rename(tmp_path / name)
    assert isinstance(house.audit(*erase, OCTOBER).exception, SetupError)
    assert len(house.found()) == 5


def test_what_stays_linked_is_said(house: House, tmp_path: Path) -> None:
    """A replica's key lies in its own home, and older records know keys that are derived."""
    year = str(time.gmtime().tm_year)
    replica = SubjectKeys(tmp_path / "replica", house.keys).of("acme", OCTOBER, lambda _: None)
    house.write(
        ("acme", PERSON, replica), ("acme", PERSON, None), ("older", PERSON, house.key("older", "2019"))
    )
    told = house.audit("erase", "--tenant", "acme", "--period", OCTOBER, "--ticket", "DSR-9", "--yes").stderr
    assert f"1 records of 2019-10 have the key {replica.id}, which lies elsewhere" in told
    assert "older than such keys" not in told
    assert _derived(house.exports, "acme", [year]) == 1
    assert _derived(house.exports, "acme", ["2019"]) == 0


def test_a_tombstone_covers_every_period(house: House) -> None:
    """One person, erased under all keys that are given."""
    done = house.audit("erase", "--subject", PERSON, "--ticket", "DSR-1")
    assert (done.exit_code, "4 findings" in done.stdout) == (0, True)
    assert (house.found(), house.found(OTHER)) == ([], ["acme"])


def test_no_original_is_anywhere(house: House) -> None:
    """The canary: searches and erasures leave no value in exports or keys."""
    house.audit("find", "--subject", PERSON)
    house.audit("erase", "--tenant", "acme", "--period", OCTOBER, "--ticket", "DSR-9", "--yes")
    house.audit("erase", "--subject", PERSON, "--ticket", "DSR-1")
    held = [path for folder in (house.exports, house.home) for path in folder.rglob("*") if path.is_file()]
    assert b"zhang" not in b"".join(path.read_bytes().lower() for path in held)
