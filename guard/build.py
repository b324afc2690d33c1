"""Floor 6, the composition root: Policy + Settings → Guard. Nothing else makes a service."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from guard import destinations
from guard.attached import Attached
from guard.detecting import detector_args, open_detector
from guard.elsewhere import heads_url, open_heads, poster
from guard.errors import SetupError
from guard.glass import FILE, GlassWatch
from guard.keyring import home_of, load_keys, subject_keys
from guard.keys import Keys
from guard.policy.decide import rule_for, wanted
from guard.policy.load import load_policy
from guard.policy.model import Policy
from guard.policy.providers import called, owner_of
from guard.routing import open_providers
from guard.settings import Settings
from guard.types import Stage

if TYPE_CHECKING:
    from guard.alerting import Alerting
    from guard.dispatch import Count, Dispatch
    from guard.guard import Guard
    from guard.metering import Metering
    from guard.outside.admission import Admit
    from guard.policy.traffic import Budget as BudgetRules
    from guard.policy.traffic import Limits as LimitRules
    from guard.trace.heads import Receiver
    from guard.trace.ledger import Ledger
    from guard.trace.otlp import OtlpCopy
    from guard.traffic.budget import Budget
    from guard.traffic.idempotency import Idempotency
    from guard.traffic.letters import Letters
    from guard.traffic.limits import Limits
    from guard.traffic.prices import Prices


def build(
    source: str | Path | Policy,
    settings: Settings | None = None,
    *,
    detecting: bool = True,
    keys: Keys | None = None,
) -> Guard:
    """Make a guard; raises PolicyError for a bad policy and SetupError for what cannot be set up.

    With `detecting=False` no worker starts and nothing is warmed: for verbs that only record. `keys` stand in for
    the installation's: for verbs that keep nothing.
    """
    from guard.guard import Guard
    from guard.outside.stores.subjectkeys import SubjectKeys

    settings = settings or Settings()
    policy = load_policy(source)
    kept, keys = keys is None, keys or load_keys(settings)
    detector = open_detector(policy, settings, start=detecting)
    heads = heads_url(settings)
    named = [
        url for url in (settings.moderation_url, policy.moderation.url, settings.otlp_endpoint, heads) if url
    ]
    subjects = subject_keys(settings, keys) if kept else SubjectKeys(None, keys)
    guard = Guard(policy, settings, keys, detector, open_ledger, subjects)
    guard.source = None if isinstance(source, Policy) else source
    for url in named:
        guard.name(url)
    provide(guard)
    guard.dispatch = open_dispatch(policy, settings, guard)
    guard.collector = (
        _otlp_copy(settings, lambda url: guard.current.admit(url)) if settings.otlp_endpoint else None
    )
    guard.heads = open_heads(guard) if heads else None
    guard.metering = _open_metering(guard)
    guard.alerting = open_alerting(guard)
    if detecting:
        destinations.check(guard, "proxy", "trace copy", "alerts", "heads")
        _warm(policy)
    attach(guard, start=detecting)
    if detecting:
        guard.glass_watch = GlassWatch(guard, settings.home.expanduser() / FILE, attach)
    return guard


def attach(guard: Guard, *, start: bool = True) -> None:
    """Make the guards of what the policy attaches."""

    def make(combined: Policy) -> Guard:
        made = beside(guard, combined, start=start)
        guard.join(made)
        return made

    if guard.policy.attach or guard.policy.exceptions or guard.root.glass:
        guard.attached = Attached(guard, make)


def provide(guard: Guard) -> None:
    """Give a guard the providers of its policy, and name their hosts."""
    guard.providers = open_providers(guard.policy, guard.settings)
    for provider in guard.providers.by_name.values() if guard.providers else ():
        guard.name(provider.base)


def _near(guard: Guard) -> tuple[Guard, ...]:
    """The guards of its version, and of the one in force."""
    return (*guard.members, *guard.current.members)


def beside(guard: Guard, policy: Policy, *, start: bool = True) -> Guard:
    """Make the guard of another policy beside one; workers are shared where they would look for the same."""
    settings = guard.settings
    args = detector_args(policy, settings)
    shared = next((g.detector for g in _near(guard) if detector_args(g.policy, settings) == args), None)
    detector = shared or open_detector(policy, settings, start=start)
    same = next((g for g in _near(guard) if _alike(g.policy, policy)), None)
    dispatch = same.dispatch if same else open_dispatch(policy, settings, guard)
    made = guard.sibling(policy, detector, dispatch)
    provide(made)
    if policy.moderation.url:
        guard.name(policy.moderation.url)
    if start:
        _warm(policy)
    return made


def _alike(one: Policy, other: Policy) -> bool:
    """Whether what surrounds the calls of two policies is the same."""
    return one.traffic == other.traffic and one.providers == other.providers


def _warm(policy: Policy) -> None:
    """Load what the policy's redactions need before the first request would wait for it (Presidio: seconds)."""
    from guard.pii import fakes, sealing

    stages = (Stage.INPUT, Stage.OUTPUT)
    forms = {
        rule_for(policy, stage, kind).redaction.form for stage in stages for kind in wanted(policy, stage)
    }
    if "faker" in forms:
        fakes.warm(policy.logs.locale)
    if "encrypt" in forms:
        threading.Thread(target=sealing.engine, name="guard-warm-sealing", daemon=True).start()


def open_ledger(settings: Settings, copy: OtlpCopy | None, heads: Receiver | None) -> Ledger:
    """Open the ledger of one guard in the exports folder, with its copy for a Collector, and who is posted heads."""
    from guard.trace.ledger import Ledger
    from guard.trace.signing import load_signer

    return Ledger(
        settings.exports.expanduser().resolve(),
        signer=load_signer(home_of(settings)),
        rotate_bytes=settings.rotate_bytes,
        sign_every=settings.sign_every,
        timeout_s=settings.commit_timeout_s,
        copy=copy.offer if copy is not None else None,
        heads=settings.heads.expanduser().resolve() if isinstance(settings.heads, Path) else heads,
    )


def _otlp_copy(settings: Settings, admit: Admit) -> OtlpCopy:
    """The copy leaves through the same gate as everything else: a Collector outside the residency is refused."""
    from guard.trace.otlp import OtlpCopy

    return OtlpCopy(settings.otlp_endpoint, poster(settings, admit))


def _open_metering(guard: Guard) -> Metering:
    from guard.metering import Metering
    from guard.trace.snapshots import Shared

    settings = guard.settings
    post = poster(settings, lambda url: guard.current.admit(url)) if settings.otlp_endpoint else None
    folder = settings.metrics_folder
    return Metering(guard, post=post, shared=Shared(folder) if folder is not None else None)


def open_alerting(guard: Guard) -> Alerting | None:
    """What watches the lines of a guard's policy, and who is told of broken glass."""
    rules, settings = guard.policy.traffic.alerts, guard.settings
    secret = settings.alert_webhook.get_secret_value() if settings.alert_webhook is not None else ""
    url = secret or rules.webhook
    if not (url or rules.watched or rules.budget):
        return None
    from guard.alerting import Alerting, Lookout
    from guard.traffic.webhook import Webhook

    if url:
        guard.name(url)
    webhook = Webhook(url, poster(settings, lambda url: guard.current.admit(url))) if url else None
    return Alerting(guard, rules, webhook, lookout=Lookout(settings.metrics_folder))


def open_dispatch(policy: Policy, settings: Settings, guard: Guard) -> Dispatch | None:
    """What surrounds each model call, where the policy asks for anything."""
    from guard.policy.traffic import Traffic

    traffic = policy.traffic
    if traffic == Traffic(budget=traffic.budget, alerts=traffic.alerts) and not traffic.budget.limited:
        return None
    from guard.dispatch import Dispatch
    from guard.traffic.prices import Prices
    from guard.traffic.targets import problems

    prices = Prices(traffic.budget.prices)
    for problem in problems(traffic, datetime.now(UTC).date(), policy.providers):
        raise SetupError(problem)
    limits = _open_limits(traffic.limits, settings, guard) if traffic.limits.limited else None
    _check_cheaper(policy, prices)
    budget = _open_budget(traffic.budget, settings, guard, prices) if traffic.budget.limited else None
    return Dispatch(
        traffic,
        prices,
        providers=policy.providers,
        limits=limits,
        budget=budget,
        letters=_letters_of(guard) if traffic.dead_letters else None,
        idempotency=_open_idempotency(guard) if traffic.idempotency else None,
        count=_counting(settings.tokenizers) if settings.tokenizers and (limits or budget) else None,
        wait_s=settings.store_timeout_s,
    )


@lru_cache(maxsize=8)
def _counting(folder: Path) -> Count:
    """Read the tokenizers once a process: they take some 80 MB."""
    from guard.outside import tokenizers

    return tokenizers.load(folder.expanduser()).count


def _check_cheaper(policy: Policy, prices: Prices) -> None:
    """Refuse to start where calls would go on at a price that nobody knows."""
    rules = policy.traffic.budget
    use = rules.then.use
    if not (rules.limited and use) or rules.unknown_usd is not None:
        return
    name, model = owner_of(policy.providers, use) or ("", use)
    host = policy.providers[name].base.split("/")[2] if name else ""
    if prices.of(model, host, called(policy.providers, use)) is None:
        raise SetupError(
            f"traffic.budget.then.use: no price is known for {use}: write one under traffic.budget.prices"
        )


def letters_path(settings: Settings) -> Path:
    """Where dead letters are stored."""
    return settings.home.expanduser() / "letters.sqlite3"


def open_letters(settings: Settings, keys: Keys) -> Letters:
    """The dead letters of this installation; raises SetupError where their file cannot be used."""
    from guard.outside.stores.letters import LetterStore
    from guard.traffic.letters import Letters

    home_of(settings)
    return Letters(LetterStore(letters_path(settings), wait_s=settings.store_timeout_s), keys)


def _letters_of(guard: Guard) -> Letters:
    """One writer for the policies of one guard."""
    found = next((g.dispatch.letters for g in _near(guard) if g.dispatch and g.dispatch.letters), None)
    return found or open_letters(guard.settings, guard.keys)


def _open_idempotency(guard: Guard) -> Idempotency:
    from guard.outside.stores.answers import AnswerStore
    from guard.traffic.idempotency import Idempotency

    path = home_of(guard.settings) / "answers.sqlite3"
    return Idempotency(AnswerStore(path, wait_s=guard.settings.store_timeout_s), guard.keys)


def _open_limits(rules: LimitRules, settings: Settings, guard: Guard) -> Limits:
    """In memory for one process; in a file where several share the limits. The policies of one guard count together."""
    from guard.outside.stores.windows import MemoryWindows, SqliteWindows
    from guard.traffic.limits import Limits

    found = next((g.dispatch.limits for g in _near(guard) if g.dispatch and g.dispatch.limits), None)
    if found is not None:
        return Limits(rules, found.windows)
    if settings.workers == 1:
        return Limits(rules, MemoryWindows())
    path = home_of(settings) / "limits.sqlite3"
    return Limits(rules, SqliteWindows(path, wait_s=settings.store_timeout_s))


def _open_budget(rules: BudgetRules, settings: Settings, guard: Guard, prices: Prices) -> Budget:
    from guard.outside.stores.spend import Crossed, SpendStore
    from guard.trace import records
    from guard.traffic.budget import MICRO, Budget

    def tell(crossed: Crossed) -> None:
        account = crossed.account
        line = records.spend_line(
            guard.recorder,
            scope=account.scope,
            period=account.period,
            percent=crossed.percent,
            spent=crossed.spent / MICRO,
            limit=(account.limit or 0) / MICRO,
        )
        guard.ledger.append(line)
        if (alerting := guard.current.alerting) is not None:
            spent, limit = crossed.spent / MICRO, (account.limit or 0) / MICRO
            alerting.budget(account.scope, account.period, crossed.percent, spent, limit)

    prices.warm()
    store = SpendStore(home_of(settings) / "spend.sqlite3", wait_s=settings.store_timeout_s)
    return Budget(rules, rules.then.use, store, prices, tell=tell, wait_s=2 * settings.store_timeout_s)
