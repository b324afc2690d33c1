"""`guard.Guard`, row by row of the interface: detect, redact, judge, exchange, identity, and what they never do."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

import guard
from guard import Action, Guard, Identity, PolicyError, Refused, SetupError, Stage
from guard.guard import current_identity
from guard.settings import Settings

MAIL, MAIL2, CARD = "alice@corp.com", "bob@corp.com", "4111 1111 1111 1111"
QUIET = """
policy: quiet
version: "1"
extends: [default]
recognizers: {presidio: {recognizers: []}}
moderation: {by: "off"}
input: {rules: {pii.card: block}}
"""
JUDGING = """
policy: judging
version: "1"
extends: [default]
recognizers: {presidio: {recognizers: []}}
moderation: {cache_s: 0}
"""

Make = Callable[..., Guard]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Guards of a policy text, each closed at the end."""
    made: list[Guard] = []

    def build(text: str = QUIET, **settings: Any) -> Guard:
        folder = tmp_path_factory.mktemp("guard")
        (folder / "policy.yaml").write_text(text)
        home = settings.pop("home", folder / "home")
        made.append(
            Guard.from_policy(folder / "policy.yaml", Settings(home=home, exports=folder / "x", **settings))
        )
        return made[-1]

    yield build
    for found in made:
        found.close()


@pytest.fixture(scope="module")
def quiet(make: Make) -> Guard:
    return make()


@pytest.fixture(scope="module")
def judging(make: Make, _provider: tuple[Starlette, str]) -> Guard:
    return make(JUDGING, moderation_url=f"{_provider[1]}/v1", moderation_key="sk-judge")


# detect


def test_detect_gives_findings_with_code_point_offsets(quiet: Guard) -> None:
    """`.kind .start .end .score .source`: offsets are of the str, behind characters of any width."""
    text = f"🙂🏽 好: {MAIL}"
    (found,) = quiet.detect(text)
    assert (found.kind, found.source, found.path) == ("pii.email", "pattern", "")
    assert text[found.start : found.end] == MAIL
    assert 0.5 <= found.score <= 1.0
    assert "alice" not in repr(found)


def test_detect_finds_nothing_in_plain_text(quiet: Guard) -> None:
    """The weather in Paris is nobody's data."""
    assert quiet.detect("How is the weather in Paris today?") == []
    assert quiet.detect("") == []


# redact


def test_redact_applies_the_input_rules(quiet: Guard) -> None:
    """Tokens are numbered in the order of the text; the same value has the same one."""
    assert quiet.redact(f"{MAIL}, {MAIL2}, {MAIL}") == "<EMAIL_1>, <EMAIL_2>, <EMAIL_1>"
    assert quiet.redact("nothing here") == "nothing here"


def test_redact_raises_where_the_rules_block(quiet: Guard) -> None:
    """`guard.Refused` carries kind, place, status and verdict, and never the text."""
    with pytest.raises(Refused) as caught:
        quiet.redact(f"my card is {CARD}")
    refused = caught.value
    assert (refused.code, refused.status) == ("pii.card", 403)
    assert refused.verdict is not None
    assert (refused.verdict.stage, refused.verdict.action) == (Stage.INPUT, Action.BLOCK)
    assert "4111" not in str(refused) + repr(refused) + repr(refused.verdict)


def test_each_redact_is_an_exchange_of_its_own(quiet: Guard) -> None:
    """Numbering begins anew: two calls share nothing."""
    assert quiet.redact(MAIL) == quiet.redact(MAIL2) == "<EMAIL_1>"


def test_redact_under_observe_changes_nothing(make: Make) -> None:
    """mode: observe."""
    assert make(QUIET + "mode: observe\n").redact(f"{MAIL} {CARD}") == f"{MAIL} {CARD}"


# judge


def test_judge_gives_the_verdict_of_an_answer(judging: Guard, provider: Starlette) -> None:
    """Output rules over what is found and over the scores; the judge is asked about the redacted text."""
    verdict = judging.judge(f"I will hurt you, {CARD}.")
    assert (verdict.stage, verdict.action, verdict.enforced) == (Stage.OUTPUT, Action.BLOCK, Action.BLOCK)
    assert verdict.blocking is not None
    assert verdict.blocking.finding.kind == "moderation.harassment/threatening"
    assert "pii.card" in {finding.kind for finding in verdict.findings}
    (row,) = provider.state.received
    assert json.loads(row.body)["input"] == ["I will hurt you, <CARD_1>."]
    assert dict(row.headers)[b"authorization"] == b"Bearer sk-judge"
    assert judging.judge("A fine day.").action is Action.ALLOW


def test_ajudge_is_judge_for_event_loops(judging: Guard, provider: Starlette) -> None:
    """The same law, awaited; many at once."""

    async def run() -> list[Action]:
        texts = ["A fine day.", "I will hurt you.", "build a bomb"]
        return [v.action for v in await asyncio.gather(*map(judging.ajudge, texts))]

    assert asyncio.run(run()) == [Action.ALLOW, Action.BLOCK, Action.BLOCK]


def test_judge_without_a_judge_is_a_finding(judging: Guard, provider: Starlette) -> None:
    """C16: an outage is in the verdict, and blocks; it does not raise."""
    provider.state.script.fail("moderations", "500", forever=True)
    for verdict in (judging.judge("hi"), asyncio.run(judging.ajudge("hi"))):
        assert verdict.blocking is not None
        assert verdict.blocking.finding.kind == "guard.unavailable.moderation"


def test_judge_without_moderation_rules_asks_nobody(quiet: Guard) -> None:
    """Only what is found counts, and no connection is made."""
    verdict = quiet.judge(f"Her card: {CARD}")
    assert verdict.action is Action.REDACT
    assert [f.kind for f in verdict.findings] == ["pii.card"]


# exchange


def test_an_exchange_redacts_and_restores(quiet: Guard) -> None:
    """Placeholders of its `redact` calls come back in `restore`, whatever the model did to their spelling."""
    with quiet.exchange(tenant="acme", user="u1") as x:
        assert x.redact(f"Ask {MAIL}") == "Ask <EMAIL_1>"
        assert x.redact(f"and {MAIL2} and {MAIL}") == "and <EMAIL_2> and <EMAIL_1>"
        assert x.restore("To <EMAIL_2>, < email_1 > and <EMAIL_3>") == f"To {MAIL2}, {MAIL} and <EMAIL_3>"


def test_an_exchange_restores_only_its_own(quiet: Guard) -> None:
    """B30: `<EMAIL_1>` of another exchange is a stranger's."""
    with quiet.exchange() as first, quiet.exchange() as second:
        first.redact(MAIL)
        second.redact(MAIL2)
        assert (first.restore("<EMAIL_1>"), second.restore("<EMAIL_1>")) == (MAIL, MAIL2)


def test_an_exchange_leaves_the_callers_literals_alone(quiet: Guard) -> None:
    """B30: a caller who types `<EMAIL_1>` gets the next number, and his literal stays a literal."""
    with quiet.exchange() as x:
        assert x.redact(f"<EMAIL_1> is {MAIL}") == "<EMAIL_1> is <EMAIL_2>"
        assert x.restore("<EMAIL_1>, <EMAIL_2>") == f"<EMAIL_1>, {MAIL}"


def test_secrets_do_not_come_back(quiet: Guard) -> None:
    """A pasted key is replaced and never restored."""
    key = "sk-proj-" + "Ab3dE5gH" * 6
    with quiet.exchange() as x:
        redacted = x.redact(f"use {key}")
        assert key not in redacted
        assert x.restore(redacted) == redacted


def test_an_exchange_refuses(quiet: Guard) -> None:
    """`redact` raises where the rules block; the exchange goes on."""
    with quiet.exchange() as x:
        with pytest.raises(Refused):
            x.redact(CARD)
        assert x.redact(MAIL) == "<EMAIL_1>"


def test_exchanges_of_many_threads_do_not_mix(quiet: Guard) -> None:
    """B30: 200 exchanges in 16 threads: each restores its own value."""

    def one(i: int) -> bool:
        mail = f"person{i}@corp{i}.com"
        with quiet.exchange() as x:
            return x.redact(f"I am {mail}") == "I am <EMAIL_1>" and x.restore("<EMAIL_1>") == mail

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(200)))


# identity


def test_identity_is_of_its_block() -> None:
    """Nested blocks name their own caller; behind the block it is as before, also after an error."""
    with guard.identity(tenant="acme", user="u1") as who:
        assert who == current_identity.get() == Identity("acme", "u1")
        with pytest.raises(KeyError), guard.identity(tenant="other") as other:
            raise KeyError(other.tenant)
        assert other == Identity("other", "")
        assert current_identity.get() == Identity("acme", "u1")
    assert current_identity.get() is None


def test_identity_is_of_its_thread() -> None:
    """A thread that was started elsewhere does not inherit it."""
    seen = []
    with guard.identity(tenant="acme"):
        thread = threading.Thread(target=lambda: seen.append(current_identity.get()))
        thread.start()
        thread.join()
    assert seen == [None]


# the making of a guard


def test_from_policy_takes_a_policy_a_path_or_a_name(quiet: Guard, tmp_path: Path) -> None:
    """A Policy passes; an unknown name is a PolicyError that offers what there is."""
    settings = Settings(home=tmp_path / "home", exports=tmp_path / "x")
    again = Guard.from_policy(quiet.policy, settings)
    assert again.policy is quiet.policy
    again.close()
    with pytest.raises(PolicyError, match="default"):
        Guard.from_policy("defualt", settings)


def test_a_key_that_is_too_short_is_a_setup_error(tmp_path: Path) -> None:
    """GUARD_KEY must be worth the name; the message does not show it."""
    with pytest.raises(SetupError, match="GUARD_KEY is shorter") as caught:
        Guard.from_policy("default", Settings(key="short-canary", home=tmp_path))
    assert "canary" not in str(caught.value)


def test_the_master_key_is_made_once_and_private(make: Make, tmp_path: Path) -> None:
    """Two guards of one home share the key; its file is the owner's alone."""
    home = tmp_path / "home"
    first, second = make(home=home), make(home=home)
    assert first.keys.key_id == second.keys.key_id
    assert (home / "master.key").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_repr_shows_no_secret(make: Make) -> None:
    """D08: the repr of a guard names its policy; keys and settings are masked everywhere."""
    found = make(QUIET, key="k" * 32 + "canary", upstream_key="sk-canary", openai_api_key="sk-canary")
    shown = repr(found) + repr(found.settings) + repr(found.keys) + str(found.settings.model_dump())
    assert "canary" not in shown
    assert "quiet" in repr(found)


def test_close_ends_the_record_and_may_be_called_again(make: Make) -> None:
    """Start, policy and stop are on record; a guard that recorded nothing opens no file."""
    silent, found = make(), make()
    silent.close()
    assert not silent.settings.exports.exists()
    found.ledger.commit_sync(found.recorder.start("guard.screen", attributes={}).end())
    found.close()
    found.close()
    lines = [line for f in found.settings.exports.glob("*.jsonl") for line in f.read_bytes().splitlines()]
    names = [json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for line in lines]
    assert names[0] == "guard.start"
    assert names.count("guard.stop") == 1
    assert "guard.policy.loaded" in names


def test_threads_open_one_ledger_and_one_door(make: Make) -> None:
    """Whoever comes first makes it; 16 at once get the same."""
    found = make()
    start = threading.Barrier(16)

    def get(_: int) -> tuple[Any, ...]:
        start.wait()
        return (found.ledger, found.egress, found.blocking)

    with ThreadPoolExecutor(16) as pool:
        assert len({tuple(map(id, got)) for got in pool.map(get, range(16))}) == 1
    found.ledger.commit_sync(found.recorder.start("guard.screen", attributes={}).end())
    assert len(list(found.settings.exports.glob("*.jsonl"))) == 1


def test_a_judge_is_kept_for_its_host_and_key(make: Make) -> None:
    """One moderation client a base URL and key; two keys share nothing (D17); old ones are let go."""
    found = make(JUDGING)
    first = found.moderation("https://api.openai.com/v1", "Bearer a", sync=False)
    assert found.moderation("https://api.openai.com/v1", "Bearer a", sync=False) is first
    assert found.moderation("https://api.openai.com/v1", "Bearer b", sync=False) is not first
    for number in range(100):
        found.moderation("https://api.openai.com/v1", f"Bearer {number}", sync=False)
        assert found.moderation("https://api.openai.com/v1", "Bearer a", sync=False) is first
    assert len(found._moderations) <= 64


def test_a_configured_judge_is_asked_whatever_the_call(make: Make) -> None:
    """GUARD_MODERATION_URL and its key stand above the model call's own."""
    found = make(JUDGING, moderation_url="https://judge.example/v1", moderation_key="sk-judge")
    assert found.moderation("https://api.openai.com/v1", "Bearer app", sync=False).url == (
        "https://judge.example/v1/moderations"
    )
    assert found.admit("https://judge.example/v1/moderations").allowed


# admission


def test_only_named_hosts_are_admitted(make: Make) -> None:
    """Law 4: the table, or a host that the operator named, at its scheme and port."""
    found = make()
    assert found.admit("https://api.openai.com/v1").allowed
    assert not found.admit("https://llm.example/v1").allowed
    found.name("https://llm.example:8443/v1")
    assert found.admit("https://llm.example:8443/other").allowed
    assert not found.admit("https://llm.example/v1").allowed
    assert not found.admit("http://llm.example:8443/v1").allowed


def test_an_admission_is_kept_for_its_own_url_and_until_a_host_is_named(make: Make) -> None:
    """Law 4: what is remembered of the last URL answers for no other, and not for what was decided before."""
    found, base = make(), "https://llm.example/v1"
    unnamed, listed = httpx2.URL(base), httpx2.URL("https://api.openai.com/v1")
    for _ in range(2):
        assert [found.admit(url).allowed for url in (unnamed, listed, unnamed)] == [False, True, False]
    found.name(base)
    assert found.admit(unnamed).allowed


def test_egress_stays_enforced_under_observe(make: Make) -> None:
    """mode: observe is about texts; where calls go is observed only where egress says so itself."""
    assert not make(QUIET + "mode: observe\n").admit("https://llm.example/v1").allowed
    admission = make(QUIET + "egress: {mode: observe}\n").admit("https://llm.example/v1")
    assert admission.allowed
    assert admission.reason.startswith("observed only: ")


def test_a_guard_may_end_before_it_has_begun(make: Make) -> None:
    """A guard that is closed at once leaves no thread that fails, and no process."""
    for _ in range(3):
        make().close()
