"""`guard doctor`: what is configured, reachable, resident, writable, and what is not."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from guard.cli.language import told
from guard.errors import GuardError, Unavailable
from guard.quota import Quota, answers_a_minute, streamed_load

if TYPE_CHECKING:
    from guard.destinations import Destination
    from guard.guard import Guard
    from guard.outside.buckets import Bucket
    from guard.policy.resolve import Loaded
    from guard.settings import Settings

State = Literal["ok", "look", "failed"]

_SECRET = ("*.key", "signing-key.pem", "client-keys.json")

ANSWER = 500
"""Estimated tokens of the answer for which a moderation quota is counted: some 375 English words."""


@dataclass(frozen=True)
class Check:
    """One row: what was looked at, how it is, and in words; `facts` are for machines."""

    name: str
    state: State
    what: str
    facts: dict[str, Any] = field(default_factory=dict)


def doctor(
    policy: Annotated[
        str, typer.Option(help="A pack's name or a policy file; GUARD_POLICY if left out.")
    ] = "",
    upstream: Annotated[
        str, typer.Option(help="Base URL of the provider, as `guard serve` is given it.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="write one JSON object, for machines")] = False,
) -> None:
    """Look at policy, keys, record, destinations and judge, and change nothing. The judge is asked one word.

    Exit code 0: all is well (a row to look at does not change that); 1: something failed; 2: the policy does not load.

    Example:  guard doctor --policy eu
    """
    from guard.policy.load import load
    from guard.settings import Settings

    settings = Settings()
    loaded = load(policy or settings.policy)
    checks = [*_checks(loaded, settings, upstream)]
    (_write_json if as_json else _print)(checks)
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(1)


def _checks(loaded: Loaded, settings: Settings, upstream: str) -> Iterator[Check]:
    from guard.cli.surroundings import client_rows, settings_rows

    yield _clash()
    yield _policy(loaded, settings)
    yield from (Check(*row) for row in settings_rows())
    yield _home(settings)
    yield from (Check(*row) for row in client_rows(settings))
    yield _exports(settings)
    yield from _world(loaded, settings, upstream)


def _clash() -> Check:
    from guard.cli import clash

    names = clash.others()
    if not names:
        return Check("import name", "ok", "the import package guard is this one")
    return Check("import name", "failed", clash.sentence(names).removeprefix("guard: "), {"others": names})


def _policy(loaded: Loaded, settings: Settings) -> Check:
    import datetime

    from guard.detecting import idle_rules
    from guard.policy.check import warnings

    policy = loaded.policy
    today = datetime.datetime.now(datetime.UTC).date()
    noted = [*warnings(loaded, today), *idle_rules(policy), *_no_such_keys(loaded, settings)]
    what = f"{policy.policy} {policy.version}, sha256 {policy.sha256[:12]}"
    if noted:
        what += f"; {len(noted)} worth a look: guard policy check"
    facts = {"name": policy.policy, "version": policy.version, "sha256": policy.sha256, "warnings": noted}
    return Check("policy", "look" if noted else "ok", what, facts)


def _no_such_keys(loaded: Loaded, settings: Settings) -> Iterator[str]:
    """The names in `attach.keys` that no active virtual key has: what is attached to them alone never holds."""
    from guard.keyring import client_keys
    from guard.policy.attach import covers

    wanted = [(name, row.origin) for row in loaded.policy.attach for name in row.keys]
    rows = client_keys(settings).values() if wanted else ()
    called = [word.casefold() for row in rows if row.state(time.time()) == "active" for word in row.called]
    for name, origin in wanted:
        if not any(covers(name.casefold(), word) for word in called):
            yield f"attach.keys ({origin}): no active virtual key is called {name}: guard keys list"


def _home(settings: Settings) -> Check:
    """The keys: nobody else may read them. What is not there yet is made at the first start."""
    from guard.keyring import KEY_LENGTH, has_key

    home = settings.home.expanduser()
    files = [path for name in _SECRET for path in sorted(home.glob(name))] if home.is_dir() else []
    files += [settings.virtual_keys.expanduser()] if settings.virtual_keys else []
    loose = [str(path) for path in (home, *files) if path.exists() and _mode(path) & 0o077]
    if loose:
        return Check(
            "keys", "failed", f"others may read {', '.join(loose)}: chmod go-rwx", {"readable": loose}
        )
    if settings.key is not None and len(settings.key.get_secret_value().encode()) < KEY_LENGTH:
        return Check("keys", "failed", f"GUARD_KEY is shorter than {KEY_LENGTH} characters")
    if not has_key(settings):
        state, what = _room(home, "GUARD_HOME")
        return Check("keys", state, f"no master key yet; it is made at the first start in {home}{what}")
    source = "GUARD_KEY" if settings.key is not None else str(home / "master.key")
    return Check("keys", "ok", f"master key from {source}", {"source": source})


def _exports(settings: Settings) -> Check:
    from guard.trace.exportfile import FULL, fullness

    folder = settings.exports.expanduser().resolve()
    state, what = _room(folder, "GUARD_EXPORTS")
    percent = fullness(_there(folder))
    if state == "ok" and percent >= FULL:
        state, what = "look", f"; its disk is {percent} % full: guard audit retain"
    facts = {"folder": str(folder), "disk_percent": percent}
    return Check("record", state, f"exports in {folder}{what}", facts)


def _room(folder: Path, setting: str) -> tuple[State, str]:
    """Whether a folder can be written to, or made where it is not there."""
    there = _there(folder)
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return "ok", ""
    return "failed", f": {there} cannot be written to: chmod u+w, or another {setting}"


def _there(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _world(loaded: Loaded, settings: Settings, upstream: str) -> Iterator[Check]:
    """The destinations and the judge, through the same gate that calls go through."""
    from guard.destinations import destinations

    guard = _guard(loaded, settings)
    try:
        base = upstream or _default_upstream(guard)
        guard.name(base)
        for found in destinations(guard, base):
            if found.purpose != "judge":  # that one is asked, below
                yield _destination(found)
        yield from _provider_keys(guard)
        yield from _letters(guard)
        yield from _budget(guard)
        yield from _bucket(guard)
        yield from _models(guard)
        yield from _judge(guard, base)
    finally:
        guard.close()


def _provider_keys(guard: Guard) -> Iterator[Check]:
    """Whether each provider's key is where the policy says; it is never shown."""
    if guard.providers is None:
        return
    unset = [f"{p.unset} ({name})" for name, p in guard.providers.by_name.items() if p.unset]
    what = "each is set, or none is asked for"
    if unset:
        what = f"not set, neither in the environment nor in .env: {', '.join(unset)}"
    yield Check("provider keys", "failed" if unset else "ok", what, {"unset": unset})


def _models(guard: Guard) -> Iterator[Check]:
    """Models that stop answering within 90 days, where the policy names any to be asked in another's place."""
    import datetime

    from guard.traffic.targets import ending, named

    traffic = guard.policy.traffic
    if not named(traffic):
        return
    ends = [*ending(traffic, datetime.datetime.now(datetime.UTC).date(), guard.policy.providers)]
    what = "; ".join(ends) or "none of those named stops answering within 90 days"
    yield Check("models", "look" if ends else "ok", what, {"ending": ends})


def _budget(guard: Guard) -> Iterator[Check]:
    """What was spent, where the policy has a budget."""
    from guard.cli.spent import budget_rows

    budget = guard.dispatch.budget if guard.dispatch else None
    if budget is not None:
        for row in budget_rows(budget, guard.policy.traffic.budget):
            yield Check(*row)


def _letters(guard: Guard) -> Iterator[Check]:
    """What became of calls that failed for good, where the policy keeps them."""
    letters = guard.dispatch.letters if guard.dispatch else None
    if letters is None:
        return
    now, counts = time.time(), dict[str, int]()
    for row in letters.store.rows().result(60):
        state = row.state_at(now)
        counts[state] = counts.get(state, 0) + 1
    open_ = {state: count for state, count in counts.items() if state != "answered"}
    what = ", ".join(f"{count} {state}" for state, count in sorted(open_.items()))
    yield Check(
        "dead letters", "look" if open_ else "ok", f"{what}: guard letters list" if what else "none", counts
    )


def _bucket(guard: Guard) -> Iterator[Check]:
    """Whether the bucket of GUARD_HEADS can lock what is put into it, and whether heads wait for it."""
    from guard.elsewhere import is_bucket, lock_of, open_bucket

    place = guard.settings.heads
    if not isinstance(place, str) or not is_bucket(place) or guard.heads is None:
        return
    bucket, lock = open_bucket(place, guard.settings, guard.admit), lock_of(guard.settings, guard.policy)
    state, what = _locked(bucket, f"heads are locked until {lock.until:%Y-%m-%d}, mode {lock.mode}")
    if waiting := guard.heads.waiting:
        state, what = "failed" if state == "failed" else "look", f"{what}; {waiting} heads wait to be sent"
    yield Check("bucket of heads", state, what, {"waiting": waiting, "mode": lock.mode})


def _locked(bucket: Bucket, what: str) -> tuple[State, str]:
    import httpx2

    from guard.outside.buckets import BucketError, why

    try:
        locks = bucket.locks()
    except (GuardError, httpx2.HTTPError) as failure:
        # Whoever may only put, as guard should, is often not told how the bucket is set up.
        state: State = "look" if isinstance(failure, BucketError) and failure.status == 403 else "failed"
        return state, f"whether it locks objects cannot be asked ({why(failure)}); {what}"
    finally:
        bucket.close()
    return ("ok", what) if locks else ("failed", "it has no object lock: make the bucket with one")


def _guard(loaded: Loaded, settings: Settings) -> Guard:
    """A guard that detects nothing and leaves no key behind."""
    from pydantic import SecretStr

    from guard.build import build
    from guard.keyring import has_key

    if not has_key(settings):
        settings = settings.model_copy(update={"key": SecretStr("only to look around, never kept")})
    return build(loaded.policy, settings, detecting=False)


def _default_upstream(guard: Guard) -> str:
    from guard.mounts.gateway import default_upstream

    return default_upstream(guard)


def _destination(found: Destination) -> Check:
    state: State = "ok" if found.admission.allowed else "look" if found.reachable else "failed"
    name = found.by if found.purpose in ("environment", "provider") else found.purpose
    return Check(name, state, _resident(found), dict(found.row()))


def _resident(found: Destination) -> str:
    admission = found.admission
    if not found.reachable:
        return admission.reason
    known = {
        "table": "by the shipped table",
        "declared": "by the policy",
        "named": "named; where it is, nobody says",
    }
    where = "+".join(admission.place.processing) if admission.place else ""
    why = " ".join(filter(None, (where, known.get(admission.source, ""))))
    if admission.allowed:
        return f"{found.url} is admitted: {why}"
    return f"{found.url} is admitted by request (its model or deployment decides): {why}"


def _places(checks: list[Check]) -> list[Check]:
    """The rows that are destinations."""
    return [check for check in checks if "processing" in check.facts]


def _judge(guard: Guard, base: str) -> Iterator[Check]:
    from guard.destinations import Destination
    from guard.policy.decide import judges

    if not judges(guard.policy):
        yield Check("judge", "ok", "no rule acts on moderation: nobody is asked")
        return
    key = guard.settings.upstream_key or guard.settings.openai_api_key
    service = guard.moderation(base, f"Bearer {key.get_secret_value()}" if key else "", sync=False)
    place = _destination(Destination("judge", "moderation", service.url, guard.admit(service.url)))
    yield place
    if place.state == "ok":
        yield asyncio.run(_asked(guard, service))


async def _asked(guard: Guard, service: Any) -> Check:
    begun = time.perf_counter()
    try:
        quota = await service.examine()
    except Unavailable as failure:
        what = f"{service.url}: {failure.reason}"
        return Check("judge answers", "failed", _advised(what, failure.reason))
    except GuardError as failure:
        return Check("judge answers", "failed", str(failure))
    finally:
        await guard.egress.aclose()
    ms = round((time.perf_counter() - begun) * 1000)
    words, facts = _allowance(guard, quota, service.seats)
    return Check("judge answers", "ok", f"in {ms} ms; {words}", {"ms": ms, **facts})


def _advised(what: str, reason: str) -> str:
    """Why a judge does not answer, and what to do."""
    if "key was refused" in reason:
        return (
            f"{what}; set GUARD_MODERATION_KEY, or the provider's key: GUARD_UPSTREAM_KEY or OPENAI_API_KEY"
        )
    if reason.startswith("no connection"):
        return f"{what}; is it up, and this its address: --upstream, GUARD_MODERATION_URL or moderation.url?"
    return (
        f"{what}; answers are refused until it judges: try again, or name another one (GUARD_MODERATION_URL)"
    )


def _allowance(guard: Guard, quota: Quota, seats: float) -> tuple[str, dict[str, Any]]:
    """How many answers a minute the judge's quota allows: each alone, and where they share requests."""
    stream = guard.policy.output.stream
    sizes = {"first": stream.first, "step": stream.step, "context": stream.context}
    if stream.hold == "full":
        sizes = {"first": ANSWER, "step": ANSWER, "context": 0}
    alone = answers_a_minute(quota, streamed_load(ANSWER, **sizes, seats=seats if seats <= 1 else 0))
    shared = answers_a_minute(quota, streamed_load(ANSWER, **sizes, seats=seats))
    if alone is None or shared is None:
        return "it says nothing of a quota", {"answers_a_minute": None}
    limits = [f"{reading.limit:g} {what} a minute" for reading, what in _readings(quota)]
    words = f"{' and '.join(limits)} are enough for {alone} streamed answers of {ANSWER} tokens a minute"
    if shared > alone:
        words += f", up to {shared} where they share requests"
    facts = {what: reading.limit for reading, what in _readings(quota)}
    return words, {
        "answers_a_minute": alone,
        "answers_a_minute_shared": shared,
        "answer_tokens": ANSWER,
        **facts,
    }


def _readings(quota: Quota) -> list[tuple[Any, str]]:
    return [(r, what) for r, what in ((quota.requests, "requests"), (quota.tokens, "tokens")) if r]


def _write_json(checks: list[Check]) -> None:
    from guard.cli.tables import write_json

    failed = any(check.state == "failed" for check in checks)
    rows = [check.facts for check in _places(checks)]
    write_json({"ok": not failed, "checks": [asdict(check) for check in checks], "destinations": rows})


_STYLES = {"ok": "green", "look": "yellow", "failed": "bold red"}


def _print(checks: list[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    from guard.cli.tables import cell, console

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        state = Text(told(check.state), style=_STYLES[check.state])
        table.add_row(state, Text(told(check.name)), Text(told(cell(check.what))))
    console().print(table)
    _print_places(checks)


def _print_places(checks: list[Check]) -> None:
    """Where guard would connect to: one row an endpoint, both axes, and the verdict."""
    from rich.text import Text

    from guard.cli.tables import cell, console, show_rows

    rows = []
    for check in _places(checks):
        facts = check.facts
        row = (told(check.name), facts["host"], told(facts["processing"]), told(facts["storage"]))
        verdict = Text(told(cell(facts["verdict"])), style=_STYLES[check.state])
        rows.append([*(Text(cell(str(value))) for value in row), verdict])
    console().print()
    console().print(told("Destinations"), style="bold")
    show_rows([*map(told, ("for", "host", "processing", "storage", "verdict"))], rows)
