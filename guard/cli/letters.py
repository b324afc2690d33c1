"""`guard letters`: dead letters listed, shown, sent again and dropped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.cli.answers import Answers
from guard.cli.desk import exports_of, on_record
from guard.cli.language import told
from guard.cli.tables import AsCsv, AsJson, cell, console, form_of, present, write_json
from guard.errors import SetupError

if TYPE_CHECKING:
    from guard.mounts.replay import Replay, Replayed
    from guard.outside.stores.letters import Row
    from guard.traffic.letters import Letters

app = typer.Typer(
    help="Calls that failed for good, under traffic.dead_letters: look at them, send them again.",
    no_args_is_help=True,
)

Tenant = Annotated[str, typer.Option(help="Only this tenant's.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Letters by their id, or by how it begins.")]
State = Annotated[
    str, typer.Option(help="Only those that are waiting, sending, uncertain, answered or poisoned.")
]
Older = Annotated[str, typer.Option(help="Only those older than this: 30d, 24h, or a date.")]

_COLUMNS = ("letter", "created", "state", "reason", "tenant", "model", "tries", "replays", "outcome", "bears")
_STATES = ("waiting", "sending", "uncertain", "answered", "poisoned")
_STYLES = {"answered": "green", "waiting": "yellow", "poisoned": "bold red", "uncertain": "bold red"}


@app.command("list", epilog="Example: guard letters list --state waiting --json")
def list_(
    state: State = "",
    tenant: Tenant = "",
    older: Older = "",
    json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List letters, the oldest first. Exit code 1 where there is none."""
    from guard.audit.query import Table

    form = form_of(json, as_csv)
    with _opened() as letters:
        rows = _chosen(letters, None, state, tenant, older)
    on_record(exports_of(None), "letters list", form=form)
    now = time.time()
    say = told if form == "table" else str
    present(Table(_COLUMNS, [_summary(row, now, say) for row in rows]), form)
    raise typer.Exit(0 if rows else 1)


@app.command(epilog="Example: guard letters show 3f2a --body")
def show(
    id: Annotated[str, typer.Argument(help="A letter by its id, or by how it begins.")],
    body: Annotated[bool, typer.Option("--body", help="Show the screened request, too.")] = False,
    json: AsJson = False,
) -> None:
    """Show one letter: what failed, whose it was, under which policy, and what became of its replays."""
    with _opened() as letters:
        [row] = _chosen(letters, [id], "", "", "")
        said = _facts(row)
        if body:
            import orjson

            said["body"] = orjson.loads(letters.open(row).body or b"null")
    on_record(exports_of(None), "letters show", form="json" if json else "table")
    (write_json if json else _print)(said)


@app.command(epilog="Example: guard letters replay --all --out answers.jsonl")
def replay(
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="All that may be sent.")] = False,
    tenant: Tenant = "",
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also what bears tools, was partly streamed, is uncertain, poisoned or rests."
        ),
    ] = False,
    policy: Annotated[
        str, typer.Option(help="A pack's name or a policy file; GUARD_POLICY if left out.")
    ] = "",
    upstream: Annotated[
        str, typer.Option(help="Base URL of the provider, as `guard serve` is given it.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Where answers go: a folder, or JSON lines such as answers.jsonl; else here."
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Send letters again under today's policy, residency and budget, with the idempotency key of their first try.

    A letter whose answer was recorded is never sent again. Answers are screened; they hold placeholders where the
    letter does. With --json JSON lines: answers, and what became of each letter. Exit code 1
    where one was not answered.
    """
    if bool(ids) is every:
        raise typer.BadParameter("name letters, or --all")
    answers = Answers(out, json)
    with _opened() as letters:
        rows = _chosen(letters, ids, "", tenant, "")
        rows = [row for row in rows if ids or row.state != "answered"]
        done = _replay(letters, rows, policy, upstream, answers, force=force)
    if not json:
        answered = sum(one.state == "answered" for one in done)
        print(told(f"{answered} of {len(rows)} answered"), file=sys.stderr)
    raise typer.Exit(0 if all(one.state == "answered" for one in done) else 1)


@app.command(epilog="Example: guard letters drop --state answered --older 30d")
def drop(
    ids: Ids = None,
    state: State = "",
    tenant: Tenant = "",
    older: Older = "",
    json: AsJson = False,
) -> None:
    """Delete letters for good; what is being sent stays. It is on record before they go. Exit code 1 for none."""
    if not (ids or state or tenant or older):
        raise typer.BadParameter("name letters, or say which: --state, --tenant, --older")
    with _opened() as letters:
        rows = _chosen(letters, ids, state, tenant, older)
        chosen = [row.id for row in rows]
        if chosen:
            _dropping(chosen)
        gone = letters.store.drop(chosen, time.time()).result(60)
    if json:
        write_json({"dropped": gone})
    else:
        print(told(f"{gone} dropped"))
    raise typer.Exit(0 if gone else 1)


@contextmanager
def _opened() -> Iterator[Letters]:
    """This installation's letters; raises SetupError where there are none yet."""
    from guard.build import letters_path, open_letters
    from guard.keyring import load_keys
    from guard.settings import Settings

    settings = Settings()
    if not letters_path(settings).exists():
        raise SetupError(
            f"there are no dead letters at {letters_path(settings)}: a policy asks for them by"
            " traffic.dead_letters, and GUARD_HOME says where"
        )
    with closing(open_letters(settings, load_keys(settings))) as letters:
        yield letters


def _chosen(letters: Letters, ids: list[str] | None, state: str, tenant: str, older: str) -> list[Row]:
    """The letters that were named, with their bodies, or those that fit; raises BadParameter for an unknown one."""
    if state and state not in _STATES:
        raise typer.BadParameter(f"--state: write one of {', '.join(_STATES)}")
    now, until = time.time(), _before(older)
    rows = [_named(letters, id) for id in ids] if ids else letters.store.rows((), tenant).result(60)
    fitting = (row for row in rows if not tenant or row.tenant == tenant)
    return [row for row in fitting if row.created < until and (not state or row.state_at(now) == state)]


def _before(older: str) -> float:
    from guard.audit.questions import moment

    return moment(older).replace(tzinfo=UTC).timestamp() if older else float("inf")


def _named(letters: Letters, id: str) -> Row:
    found = letters.store.find(id).result(60) if id else []
    if len(found) != 1:
        raise typer.BadParameter("an id begins several letters" if found else "there is no such letter")
    return found[0]


def _summary(row: Row, now: float, say: Callable[[str], str]) -> tuple[Any, ...]:
    bears = ", ".join(say(word) for word, has in (("tools", row.tools), ("part sent", row.streamed)) if has)
    created = datetime.fromtimestamp(row.created, UTC).replace(tzinfo=None)
    said = (row.reason, row.tenant, row.model, row.attempts, row.replays, row.outcome, bears)
    return (row.id, created, row.state_at(now), *said)


def _facts(row: Row) -> dict[str, Any]:
    from dataclasses import asdict

    times = {
        name: datetime.fromtimestamp(at, UTC).replace(tzinfo=None) if (at := getattr(row, name)) else None
        for name in ("created", "changed", "due")
    }
    hidden = ("sealed", "holder", "until")
    facts = {name: value for name, value in asdict(row).items() if name not in hidden}
    return {**facts, **times, "state": row.state_at(time.time()), "bytes": len(row.sealed)}


def _print(said: dict[str, Any]) -> None:
    import orjson

    out, width = console(), max(map(len, said))
    for name, value in said.items():
        text = orjson.dumps(value).decode() if isinstance(value, dict) else value
        out.print(f"{name:{width}}  {cell(text)}", markup=False, soft_wrap=True)


def _dropping(ids: list[str]) -> None:
    """Put the dropping on record; raises Unavailable, and then nothing is dropped."""
    from guard.audit.desk import note
    from guard.cli.who import login
    from guard.settings import Settings
    from guard.trace import spans

    settings = Settings()
    said = {
        spans.AUDIT_BY: login(),
        spans.LETTERS_COUNT: len(ids),
        spans.LETTERS_IDS: ids[: spans.ARRAY_LIMIT],
    }
    note(settings.home.expanduser(), settings.exports.expanduser(), spans.LETTERS_DROPPED, said)


def _replay(
    letters: Letters, rows: list[Row], policy: str, upstream: str, answers: Answers, *, force: bool
) -> list[Replayed]:
    import asyncio

    from guard.build import build
    from guard.mounts.gateway import default_upstream
    from guard.mounts.replay import Replay
    from guard.settings import Settings

    settings = Settings()
    guard = build(policy or settings.policy, settings)
    try:
        made = Replay(guard, letters, upstream or default_upstream(guard), answers.deliver, force=force)
        return asyncio.run(_all(made, guard.disconnect, letters, rows, answers))
    except OSError as failure:
        raise SetupError(
            f"an answer could not be kept ({failure.strerror}): its letter is uncertain"
        ) from None
    finally:
        guard.close()


async def _all(
    made: Replay, disconnect: Callable[[], Any], letters: Letters, rows: list[Row], answers: Answers
) -> list[Replayed]:
    """Send one letter after the other; one that fails does not stop the next."""
    done = []
    try:
        with _progress(len(rows)) as advance:
            for row in rows:
                [whole] = letters.store.find(row.id).result(60) or [row]
                done.append(await made.send(whole))
                answers.tell(done[-1])
                advance()
    finally:
        await disconnect()
    return done


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on the terminal's standard error."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("replay", total=total)
        yield lambda: shown.advance(task)
