"""Heads in an object-lock bucket: signed as the store asks, locked, never given up, and read with every version."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from guard import Guard
from guard.audit.desk import note
from guard.build import build
from guard.cli.doctor import _bucket as bucket_row
from guard.cli.heads import _places as file_places
from guard.cli.main import _verbs, app
from guard.errors import SetupError
from guard.outside.buckets import Version, address
from guard.outside.sigv4 import Credentials, signed
from guard.settings import Settings
from guard.trace import deposit
from guard.trace.deposit import Deposit
from guard.trace.ledger import Ledger
from guard.trace.signing import Signer
from tests.audit.store import KEY_ID, REGION, SECRET, Store, running

_HEAD = b"head 4 " + b"0" * 64 + b" c2ln"


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "signature"),
    [
        (
            "GET",
            "/test.txt",
            {"Range": "bytes=0-9"},
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test$file.text",
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET", "/?lifecycle", {}, b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "GET",
            "/?max-keys=2&prefix=J",
            {},
            b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_signatures_are_those_that_the_store_publishes(
    method: str, target: str, headers: dict[str, str], body: bytes, signature: str
) -> None:
    """The four examples of Amazon's page on Signature Version 4 in the Authorization header."""
    who = Credentials(
        "AKIAIOSFODNN7EXAMPLE", SecretStr("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), "us-east-1"
    )
    made = signed(
        method,
        "examplebucket.s3.amazonaws.com",
        target,
        headers,
        body,
        who,
        datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert made["authorization"].endswith(f"Signature={signature}")
    assert "wJalr" not in repr(who)


@pytest.mark.parametrize(
    ("text", "url", "folder", "region"),
    [
        ("s3+https://s3.eu-central-1.amazonaws.com/b/guard/x", "/b", "guard/x/", "eu-central-1"),
        ("s3+https://b.s3.eu-west-1.amazonaws.com", "", "", "eu-west-1"),
        ("s3+https://b.s3.us-west-004.backblazeb2.com/", "", "", "us-west-004"),
        ("s3+https://s3.amazonaws.com/b", "/b", "", "us-east-1"),
        ("s3+https://minio.internal:9000/b/", "/b", "", "us-east-1"),
    ],
)
def test_where_a_bucket_is(text: str, url: str, folder: str, region: str) -> None:
    """The first part of the path is the bucket; without a path the host is the bucket's."""
    found = address(text)
    assert (found.url.partition("//")[2].partition("/")[2], found.folder, found.region) == (
        url[1:],
        folder,
        region,
    )


@pytest.fixture
def store() -> Iterator[Store]:
    with running() as store:
        yield store


@pytest.fixture
def settings(store: Store, tmp_path: Path) -> Callable[..., Settings]:
    def make(**more: Any) -> Settings:
        given = {
            "heads": f"{store.url}/guard",
            "heads_key_id": KEY_ID,
            "heads_secret": SECRET,
            "sign_every": 2,
        }
        return Settings(home=tmp_path / "home", exports=tmp_path / "exports", **{**given, **more})

    return make


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text("extends: [default]\noutput: {rules: {moderation.*: allow}}\ntrace: {keep: 400d}\n")
    return path


@pytest.fixture
def verified(settings: Callable[..., Settings], policy: Path, store: Store) -> Callable[..., tuple[int, str]]:
    """Run `guard audit verify` with heads, as the auditor does: by the public key, from another home."""
    _verbs()

    def run(heads: str = "", secret: str = SECRET) -> tuple[int, str]:
        made = settings()
        env = {
            "GUARD_HOME": str(made.home),
            "GUARD_POLICY": str(policy),
            "GUARD_HEADS_KEY_ID": KEY_ID,
            "GUARD_HEADS_SECRET": secret,
            "COLUMNS": "300",
        }
        command = ["audit", "verify", str(made.exports), "--heads", heads or f"{store.url}/guard"]
        done = CliRunner().invoke(app, command, env=env)
        return (
            (2, str(done.exception))
            if isinstance(done.exception, SetupError)
            else (done.exit_code, done.output)
        )

    return run


def written(settings: Settings, policy: Path, records: int = 5) -> list[Path]:
    guard = build(policy, settings, detecting=False)
    for _ in range(records):
        guard.ledger.commit_sync(b"{}")
    guard.close()
    return sorted(settings.exports.glob("*.jsonl"))


def test_what_the_folder_cannot_tell_the_bucket_does(
    settings: Callable[..., Settings],
    policy: Path,
    store: Store,
    verified: Callable[..., tuple[int, str]],
    tmp_path: Path,
) -> None:
    """A cut tail and a newest file that is gone show, from the bucket and from a folder that it was copied to."""
    [path] = written(settings(), policy)
    assert not list((tmp_path / "home" / "heads-waiting").iterdir())
    chain = path.with_suffix(".chain").read_bytes().splitlines(keepends=True)
    heads = [line for line in chain[1:] if not line.startswith(b"record ")]
    assert len(heads) > 3
    assert [row.body for row in store.stored] == [chain[0] + head for head in heads]
    assert store.names()[0] == f"guard/{path.stem}-000000000000-head.heads"
    assert {row.mode for row in store.stored} == {"COMPLIANCE"}
    left = min(row.until for row in store.stored if row.until) - datetime.now(UTC)
    assert timedelta(days=399) < left <= timedelta(days=400)
    code, said = verified()
    assert (code, "heads kept elsewhere were compared" in said) == (0, True)

    copied = tmp_path / "copied"
    copied.mkdir()
    for row in store.stored:
        (copied / row.key.rpartition("/")[2]).write_bytes(row.body or b"")
    assert verified(str(copied))[0] == 0
    path.unlink()
    path.with_suffix(".chain").unlink()
    for heads in ("", str(copied)):
        code, said = verified(heads)
        assert code == 1
        assert f"{path.name}: the file is missing" in said


def test_a_head_that_was_put_over_or_hidden_is_still_there(
    settings: Callable[..., Settings], policy: Path, store: Store, verified: Callable[..., tuple[int, str]]
) -> None:
    """A lock keeps the version, and no more: whoever may put can cover it, so every version is read."""
    [path] = written(settings(), policy)
    first, *_, last = store.stored
    assert store.delete(last.key, last.version) == 403
    for row in store.stored[1:]:
        store.stored.append(type(row)(row.key, f"v{len(store.stored)}", first.body))
        assert store.delete(row.key) == 204
    path.unlink()
    path.with_suffix(".chain").unlink()
    code, said = verified()
    newest = int(last.key.rsplit("-", 2)[1])
    assert (code, f"has its head of record {newest}" in said) == (1, True)


def test_each_version_gets_a_file_of_its_own(tmp_path: Path) -> None:
    """Of one name and of names that no file may have; what is no head is left out."""
    keys = ["g/a.heads", "g/a.heads", "a.heads", "g/\x1b[2J.heads", "g/" + "x" * 300 + ".heads", "g/a.txt"]
    places = file_places([Version(key, str(n)) for n, key in enumerate(keys)], tmp_path)
    assert {path.name: found.version for path, found in places.items()} == {
        "a.heads": "0",
        "a~1.heads": "1",
        "a~2.heads": "2",
        "object.heads": "3",
        "object~4.heads": "4",
    }


def test_the_desk_puts_its_heads_there_too(
    settings: Callable[..., Settings], policy: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is recorded by a verb is locked as what is recorded by a guard."""
    written(made := settings(), policy, records=1)
    before = len(store.stored)
    for name, value in {"home": made.home, "heads": made.heads, "policy": policy}.items():
        monkeypatch.setenv(f"GUARD_{name.upper()}", str(value))
    monkeypatch.setenv("GUARD_HEADS_KEY_ID", KEY_ID)
    monkeypatch.setenv("GUARD_HEADS_SECRET", SECRET)
    assert note(made.home, made.exports, "guard.audit.read", {})
    assert ["-desk-" in name for name in store.names()[before:]] == [True, True]


def test_another_key_reads_nothing(
    settings: Callable[..., Settings], policy: Path, store: Store, verified: Callable[..., tuple[int, str]]
) -> None:
    """Fail closed: heads that were asked for and cannot be read are no notes, and the secret is not shown."""
    written(settings(), policy)
    code, said = verified(secret="another-secret")
    assert (code, "403 SignatureDoesNotMatch" in said, "another-secret" in said) == (2, True, False)
    assert verified(store.url.rpartition(":")[0] + ":1/audit")[0] == 2


def test_a_temporary_key_brings_its_session_token(
    settings: Callable[..., Settings],
    policy: Path,
    store: Store,
    verified: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Keys of STS: each request has the token among what is signed; without it, or with another, all waits."""
    store.token = "FwoGZXIvYXdzEBYaDH//EXAMPLE+TOKEN=="
    written(settings(heads_token="another"), policy)
    assert store.stored == []
    made = settings(heads_token=store.token)
    assert "EXAMPLE" not in repr(made)
    [waiting, *_] = (made.home / "heads-waiting").glob("*.heads")
    for path in waiting.parent.iterdir():
        os.utime(path, (1, 1))
    [*_, last] = written(made, policy)
    assert last.with_suffix("").name in " ".join(store.names())
    code, said = verified()
    assert (code, "403 InvalidToken" in said) == (2, True)
    monkeypatch.setenv("GUARD_HEADS_TOKEN", store.token)
    assert verified()[0] == 0


def test_no_head_is_given_up(
    signer: Signer, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that takes nothing: said once, the record does not wait; all is sent after a restart, each once."""
    asked, kept = 0, dict[str, bytes]()

    def deaf(name: str, body: bytes) -> None:
        nonlocal asked
        asked += 1
        raise ConnectionError("user text")

    def takes(name: str, body: bytes) -> None:
        assert name not in kept
        kept[name] = body

    waiting = tmp_path / "waiting"
    first = Deposit(deaf, waiting, lambda failure: type(failure).__name__, backoff_s=0)
    with caplog.at_level(logging.WARNING, "guard.trace"):
        ledger = Ledger(folder, signer=signer, sign_every=1, heads=first)
        for _ in range(3):
            ledger.commit_sync(b"{}")
        ledger.close()
        first.close()
    assert [record.getMessage() for record in caplog.records] == [
        "a signed head could not be sent to GUARD_HEADS, and waits (ConnectionError)"
    ]
    assert (first.sent, first.dropped, first.waiting) == (0, 0, 5)
    assert asked > 0
    assert {path.stat().st_mode & 0o777 for path in waiting.iterdir()} == {0o600}
    second = Deposit(takes, waiting, str, adopted_s=0)
    second.take("traces-a.jsonl", b"{}", _HEAD)
    second.close()
    assert (second.sent, second.waiting, len(kept)) == (6, 0, 6)
    assert kept["traces-a-000000000004-head.heads"] == b"{}\n" + _HEAD + b"\n"


def test_a_store_that_comes_back_gets_all(
    settings: Callable[..., Settings], policy: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refusals of any kind are tried again."""
    monkeypatch.setattr(deposit, "_LONGEST_S", 0.001)
    store.fails = [503, 403, 400, 500]
    guard = build(policy, settings(), detecting=False)
    guard.ledger.commit_sync(b"{}")
    until = time.monotonic() + 60
    while store.fails and time.monotonic() < until:
        time.sleep(0.01)
    guard.close()
    assert (len(set(store.names())), store.asked) == (len(store.stored), len(store.stored) + 4)
    assert store.names()[-1].endswith("-close.heads")


def test_where_a_head_cannot_even_wait_it_is_counted(tmp_path: Path) -> None:
    """The folder is a file: nothing is raised."""
    (tmp_path / "waiting").write_text("")
    here = Deposit(lambda name, body: None, tmp_path / "waiting", str)
    here.take("traces-a.jsonl", b"{}", _HEAD)
    here.close()
    assert (here.sent, here.dropped, here.waiting) == (0, 1, 0)


def test_it_goes_through_the_gate(settings: Callable[..., Settings], policy: Path, store: Store) -> None:
    """Law 4: a bucket that is not admitted stops the start, and gets nothing; its heads wait."""
    policy.write_text(policy.read_text() + "egress: {jurisdictions: [EEA]}\n")
    with pytest.raises(SetupError, match="GUARD_HEADS is set, but its host may not be reached"):
        Guard.from_policy(str(policy), settings())
    written(settings(), policy, records=1)
    assert store.asked == 0
    assert len(list((settings().home / "heads-waiting").iterdir())) >= 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"heads_key_id": None}, "GUARD_HEADS_KEY_ID and GUARD_HEADS_SECRET"),
        ({"heads_secret": None}, "GUARD_HEADS_KEY_ID and GUARD_HEADS_SECRET"),
        ({"heads": "s3+http://s3.example.org/b"}, "GUARD_HEADS: write s3+https://HOST/BUCKET"),
        ({"heads": "s3+https://u:p@s3.example.org/b"}, "GUARD_HEADS: write s3+https://HOST/BUCKET"),
        ({"heads": "s3+https:///b"}, "GUARD_HEADS: write s3+https://HOST/BUCKET"),
    ],
)
def test_half_a_bucket_stops_the_start(
    settings: Callable[..., Settings], policy: Path, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(SetupError, match=re.escape(said)):
        build(policy, settings(**given), detecting=False)


def test_a_lock_needs_an_end(settings: Callable[..., Settings], policy: Path, store: Store) -> None:
    """As long as the policy keeps the record, or longer where the setting says so; never none."""
    made = settings(heads_keep="500d", heads_lock="governance")
    written(made, policy, records=1)
    assert {row.mode for row in store.stored} == {"GOVERNANCE"}
    left = min(row.until for row in store.stored if row.until) - datetime.now(UTC)
    assert timedelta(days=499) < left <= timedelta(days=500)
    assert SECRET not in repr(made)
    policy.write_text("extends: [default]\noutput: {rules: {moderation.*: allow}}\n")
    with pytest.raises(SetupError, match="GUARD_HEADS_KEEP=400d"):
        build(policy, settings(), detecting=False)


@pytest.mark.parametrize(
    ("locking", "telling", "state", "said"),
    [
        (True, True, "ok", "mode compliance"),
        (True, False, "look", "cannot be asked (status 403 AccessDenied)"),
        (False, True, "failed", "it has no object lock"),
    ],
)
def test_doctor_asks_whether_it_locks(
    settings: Callable[..., Settings],
    policy: Path,
    store: Store,
    locking: bool,
    telling: bool,
    state: str,
    said: str,
) -> None:
    """And says how many heads wait."""
    store.locking, store.telling = locking, telling
    guard = build(policy, settings(heads_region=REGION), detecting=False)
    store.fails = [500]
    [row] = bucket_row(guard)
    assert (row.state, "cannot be asked (status 500" in row.what) == ("failed", True)
    [row] = bucket_row(guard)
    assert row.state == state
    assert said in row.what
    waiting = guard.settings.home / "heads-waiting"
    waiting.mkdir(parents=True)
    (waiting / "a.heads").write_text("")
    [row] = bucket_row(guard)
    assert "1 heads wait to be sent" in row.what
    assert row.state == (state if state == "failed" else "look")
    guard.close()
    assert not [*bucket_row(build(policy, settings(heads=None), detecting=False))]
