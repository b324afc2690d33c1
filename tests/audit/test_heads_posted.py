"""Heads posted to a webhook: through the gate, never waited for, never given up, and enough for verify."""

from __future__ import annotations

import http.server
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from guard import Guard
from guard.audit.verify import verify
from guard.build import build
from guard.cli.audit import app
from guard.elsewhere import heads_url
from guard.errors import SetupError
from guard.settings import Settings
from guard.trace.heads import HeadsPost
from guard.trace.ledger import Ledger
from guard.trace.signing import Signer, load_signer

URL = "https://heads.example.org/guard"


class Receiver:
    """Someone else who keeps a body a line, or who fails as told."""

    def __init__(self, kept: Path, *statuses: int) -> None:
        self.kept, self.statuses = kept, list(statuses)
        self.open = threading.Event()
        self.open.set()

    def post(self, url: str, body: bytes) -> int:
        self.open.wait()
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            raise ConnectionError("nobody is there")
        if status < 300:
            with self.kept.open("ab") as file:
                file.write(body + b"\n")
        return status


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "got.jsonl"


@pytest.fixture
def posting(tmp_path: Path) -> Callable[..., HeadsPost]:
    """Post by a function, as each start of one installation does."""
    return lambda post, **pace: HeadsPost(URL, post, tmp_path / "waiting", **{"backoff_s": 0.001, **pace})


def write(folder: Path, signer: Signer, post: HeadsPost) -> list[Path]:
    """Forty records in several files."""
    ledger = Ledger(folder, signer=signer, rotate_bytes=100, sign_every=4, heads=post)
    for number in range(40):
        ledger.commit_sync(b'{"n":%d}' % number)
    ledger.close()
    post.close()
    return sorted(folder.glob("*.jsonl"))


def test_what_the_webhook_got_proves_as_a_folder_does(
    folder: Path, signer: Signer, kept: Path, posting: Callable[..., HeadsPost]
) -> None:
    """A newest file that is gone, a tail that was cut, another key's history: as with a folder of heads."""
    post = posting(Receiver(kept).post)
    paths = write(folder, signer, post)
    assert (post.dropped, post.waiting, post.sent > len(paths)) == (0, 0, True)
    report = verify(folder, signer.public_pem, heads=kept)
    assert report.ok
    assert not any("have no heads" in note for note in report.notes)
    assert verify(folder, signer.public_pem, heads=kept.parent).ok
    for path in (paths[-1], paths[-1].with_suffix(".chain")):
        path.unlink()
    assert verify(folder, signer.public_pem).ok
    problems = verify(folder, signer.public_pem, heads=kept).problems
    assert {(problem.what, problem.file) for problem in problems} == {("missing", paths[-1].name)}


def test_of_a_cut_the_first_missing_head_is_named(
    folder: Path, signer: Signer, kept: Path, posting: Callable[..., HeadsPost]
) -> None:
    """In whatever order the posts arrived."""
    post = posting(Receiver(kept).post)
    ledger = Ledger(folder, signer=signer, sign_every=4, heads=post)
    for number in range(40):
        ledger.commit_sync(b'{"n":%d}' % number)
    ledger.close()
    post.close()
    kept.write_bytes(b"".join(reversed(kept.read_bytes().splitlines(keepends=True))))
    [path] = folder.glob("*.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:6]))
    chain = path.with_suffix(".chain")
    lines = chain.read_bytes().splitlines(keepends=True)
    chain.write_bytes(b"".join(lines[: lines.index(next(x for x in lines if x.startswith(b"record 7 ")))]))
    assert [p.record for p in verify(folder, signer.public_pem, heads=kept).problems] == [8]


def test_each_head_proves_alone(
    folder: Path, signer: Signer, kept: Path, posting: Callable[..., HeadsPost]
) -> None:
    """Of posts that the receiver lost or got twice, the rest still holds; order does not matter."""
    paths = write(folder, signer, posting(Receiver(kept, 400, 200, 500).post))
    bodies = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join([*reversed(bodies[1:]), bodies[2], b'{"torn']))
    assert verify(folder, signer.public_pem, heads=kept).ok
    paths[-1].unlink()
    paths[-1].with_suffix(".chain").unlink()
    assert not verify(folder, signer.public_pem, heads=kept).ok


@pytest.mark.parametrize(
    "bad", [b"{}\n", b"[]\n", b'{"heads":[{"export":1,"header":"{}","head":2}]}\n', b"x\n"]
)
def test_what_is_no_body_is_a_problem(
    folder: Path, signer: Signer, kept: Path, posting: Callable[..., HeadsPost], bad: bytes
) -> None:
    """Bad input: a line that is none, fields of another type; a forged head is a wrong signature."""
    write(folder, signer, posting(Receiver(kept).post))
    good = kept.read_bytes()
    kept.write_bytes(good + bad)
    assert {p.what for p in verify(folder, signer.public_pem, heads=kept).problems} == {"chain"}
    kept.write_bytes(good.replace(b"head 4 ", b"head 5 ", 1))
    assert not verify(folder, signer.public_pem, heads=kept).ok


def test_a_deaf_place_delays_and_refuses_nothing(
    folder: Path,
    signer: Signer,
    kept: Path,
    posting: Callable[..., HeadsPost],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """C30: while nothing answers the record goes on; every head waits over a restart, and arrives once; logged once."""
    receiver = Receiver(kept)
    receiver.open.clear()
    post = posting(receiver.post)
    ledger = Ledger(folder, signer=signer, sign_every=1, heads=post)
    for number in range(60):
        ledger.commit_sync(b'{"n":%d}' % number)
    assert ledger.ready
    receiver.statuses = [0, 404] * 400
    receiver.open.set()
    with caplog.at_level(logging.WARNING):
        ledger.close()
        post.close()
    assert (post.sent, post.dropped, post.waiting > 60) == (0, 0, True)
    assert [record.message for record in caplog.records] == [
        "a signed head could not be sent to GUARD_HEADS, and waits (ConnectionError)"
    ]
    waited = post.waiting
    again = posting(Receiver(kept).post, adopted_s=0)
    write(folder, signer, again)
    assert (again.waiting, again.dropped) == (0, 0)
    bodies = [json.loads(line)["heads"] for line in kept.read_bytes().splitlines()]
    assert len(bodies) == len({str(heads) for heads in bodies}) == again.sent > waited
    assert verify(folder, signer.public_pem, heads=kept).ok


@pytest.fixture
def webhook(kept: Path) -> Iterator[str]:
    """A real one on this machine."""

    class Keep(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with kept.open("ab") as file:
                file.write(self.rfile.read(int(self.headers["content-length"])) + b"\n")
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keep)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/heads"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("places", "arrives"), [("any", True), ("[EEA]", False)])
def test_it_goes_through_the_gate(
    webhook: str, kept: Path, tmp_path: Path, places: str, arrives: bool
) -> None:
    """Law 4: a webhook that is not admitted stops the start, and gets nothing; the record is written all the same."""
    (tmp_path / "p.yaml").write_text(
        f"extends: [default]\negress: {{jurisdictions: {places}}}\noutput: {{rules: {{moderation.*: allow}}}}\n"
    )
    settings = Settings(home=tmp_path / "home", exports=tmp_path / "exports", heads=webhook)
    if not arrives:
        with pytest.raises(SetupError, match="GUARD_HEADS"):
            Guard.from_policy(str(tmp_path / "p.yaml"), settings)
    guard = build(tmp_path / "p.yaml", settings, detecting=False)
    guard.ledger.commit_sync(b"{}")
    guard.close()
    public = load_signer(tmp_path / "home").public_pem
    assert verify(tmp_path / "exports", public).ok
    assert kept.exists() == arrives
    assert guard.heads is not None
    assert (guard.heads.sent > 0, guard.heads.waiting > 0) == (arrives, not arrives)
    assert guard.heads.dropped == 0
    if arrives:
        body = json.loads(kept.read_bytes().splitlines()[0])
        assert set(body["heads"][0]) == {"export", "header", "head"}
        done = CliRunner().invoke(
            app,
            ["verify", "--heads", str(kept)],
            env={
                "GUARD_HOME": str(settings.home),
                "GUARD_EXPORTS": str(settings.exports),
                "GUARD_HEADS": webhook,
            },
        )
        assert done.exit_code == 0


def test_where_heads_go(tmp_path: Path) -> None:
    """GUARD_HEADS is a folder or a URL; one without TLS only on this machine."""
    made: Callable[[Any], Settings] = lambda heads: Settings(heads=heads)  # noqa: E731
    assert made(str(tmp_path)).heads == tmp_path
    assert made(tmp_path).heads == tmp_path
    assert heads_url(made(tmp_path)) == heads_url(made(None)) == ""
    assert heads_url(made(URL)) == URL
    for wrong in ("http://heads.example.org/", "https://"):
        with pytest.raises(SetupError, match="GUARD_HEADS"):
            heads_url(made(wrong))
