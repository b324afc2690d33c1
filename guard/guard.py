"""Floor 6, class Guard: one policy with everything that is needed to hold an application to it."""

from __future__ import annotations

import contextlib
import copy
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from guard import proxies, residency
from guard.doors import LocalDoors
from guard.engine import Exchange, screen_input
from guard.errors import Refused, Unavailable
from guard.judging import Moderation, SyncModeration
from guard.keys import Keys, period_of
from guard.metering import Metering
from guard.pii.mapping import Mapping as Placeholders
from guard.policy.attach import Asked
from guard.policy.decide import judges
from guard.policy.model import Policy
from guard.refusals import refused
from guard.services.drivers import drive, drive_sync
from guard.services.histories import Histories
from guard.settings import Settings
from guard.trace import records, spans
from guard.trace.columns import encode
from guard.trace.metrics import Metrics
from guard.types import Admission, Finding, Flow, Identity, Limits, Segment, Verdict

if TYPE_CHECKING:
    from guard.alerting import Alerting
    from guard.attached import Attached
    from guard.dispatch import Dispatch
    from guard.glass import Glass, GlassWatch
    from guard.outside.egress import Egress, SyncAdmittingTransport
    from guard.outside.stores.subjectkeys import SubjectKey, SubjectKeys
    from guard.services.detector import Detector
    from guard.trace.content import Auditor
    from guard.trace.heads import Receiver
    from guard.trace.ledger import Ledger
    from guard.trace.otlp import OtlpCopy
    from guard.traffic.providers import Providers

log = logging.getLogger("guard")

current_identity: ContextVar[Identity | None] = ContextVar("guard_identity", default=None)
current_exchange: ContextVar[Exchange | None] = ContextVar("guard_exchange", default=None)

OPENAI = "https://api.openai.com/v1"
_MODERATORS = 64
_ADMISSIONS = 1024


@contextlib.contextmanager
def identity(tenant: str = "default", user: str = "", key: str = "") -> Iterator[Identity]:
    """Say who calls, for guarded clients, jobs and queues inside the block; `key` names their key, if any."""
    who = Identity(tenant, user, key)
    token = current_identity.set(who)
    try:
        yield who
    finally:
        current_identity.reset(token)


class Lease:
    """Held by every exchange of one policy version: when nobody holds it any more, the version's workers may stop."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard


class Guard:
    """One policy, compiled: detects, redacts, judges, admits and records. Thread-safe; made once, at start."""

    def __init__(
        self,
        policy: Policy,
        settings: Settings,
        keys: Keys,
        detector: Detector,
        open_ledger: Callable[[Settings, OtlpCopy | None, Receiver | None], Ledger],
        subject_keys: SubjectKeys,
    ) -> None:
        self.policy = policy
        self.settings = settings
        self.keys = keys
        self.detector = detector
        self._open_ledger = open_ledger
        self.subject_keys = subject_keys
        self.named: frozenset[str] = frozenset()
        self.limits = settings.limits()
        self.answer_limits = Limits(64 * 1024 * 1024, 256, 1 << 20, 1 << 20, 1 << 20)
        self.cuts = detector.cuts()
        self.dispatch: Dispatch | None = None
        self.providers: Providers | None = None
        self.attached: Attached | None = None
        self.source: str | Path | None = None
        self.lease: Lease | None = Lease(self)
        self.reloading = threading.Lock()
        self.refused_reload = ""
        self.glass: tuple[Glass, ...] = ()
        self.glass_watch: GlassWatch | None = None
        self._root: Guard | None = None
        self.collector: OtlpCopy | None = None
        self.heads: Receiver | None = None
        self.metrics = Metrics()
        self.metering = Metering(self)
        self._current: Guard | None = None
        self._others: tuple[Guard, ...] = ()
        self._door: Guard | None = None
        self._egresses: list[Egress] = []
        self._transports: list[SyncAdmittingTransport] = []
        self.alerting: Alerting | None = None
        self._lock = threading.RLock()
        self._closed = False
        self._ledger: Ledger | None = None
        self._egress: Egress | None = None
        self._admissions: dict[tuple[str, bytes, int | None], Admission] = {}
        self._admitted_under = self.named
        self._last_admission: tuple[httpx2.URL | str, object, Admission | None] = ("", None, None)
        self._blocking: SyncAdmittingTransport | None = None
        self.histories = Histories()
        self._moderations: OrderedDict[tuple[str, str, bool], Any] = OrderedDict()

    @classmethod
    def from_policy(cls, policy: str | Path | Policy = "default", settings: Settings | None = None) -> Guard:
        """Make a guard of a pack's name, a policy file or a Policy; raises PolicyError or SetupError."""
        from guard.build import build

        return build(policy, settings)

    def __repr__(self) -> str:
        return f"Guard(policy={self.policy.policy!r}, sha256={self.policy.sha256[:12]!r})"

    def close(self) -> None:
        """Stop the worker processes, close the blocking connections and make the ledger durable; once."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        guards = {*self.current.members, *self.members}
        release({g.detector for g in guards}, {g.dispatch for g in guards}, guards)
        for transport in self._transports:
            transport.close()
        if (alerting := self.current.alerting) is not None:
            alerting.close()
        if self._ledger is not None:
            told = self.current.policy_attributes
            self._ledger.append(records.lifecycle(self.recorder, spans.STOP, told))
            self._ledger.close()
        if self.collector is not None:
            self.collector.close()
        if self.heads is not None:
            self.heads.close()
        self.metering.close()
        if self.glass_watch is not None:
            self.glass_watch.close()

    async def disconnect(self) -> None:
        """Close the running loop's connections, those of the attached policies too."""
        for egress in list(self._egresses):
            await egress.aclose()

    @property
    def root(self) -> Guard:
        """The guard that keeps the ledger and the named hosts: this one, or the one that it was made beside."""
        return self._root or self

    @property
    def current(self) -> Guard:
        """The guard of the policy version in force: this one, until its policy is loaded anew (`reload`)."""
        root = self._root or self
        return root._current or root

    @property
    def family(self) -> tuple[Guard, ...]:
        """The guards of the version in force."""
        return self.current.members

    @property
    def members(self) -> tuple[Guard, ...]:
        """This guard and those of what its policy attaches: one version."""
        return (self, *self._others)

    def reload(self, policy: str | Path | Policy | None = None) -> Policy:
        """Load the policy anew (or another) and hold each request from now on to it; those that run keep theirs.

        Raises PolicyError or SetupError, and then nothing has changed. The change is on record before it holds.
        """
        from guard.reload import reload

        return reload(self.root, policy).policy

    def become(self, made: Guard) -> None:
        """Put another guard of this family in force, in one step."""
        self.root._current = made

    @property
    def dispatches(self) -> tuple[Dispatch, ...]:
        """What surrounds the calls of each of them; several may share one."""
        return tuple(dict.fromkeys(guard.dispatch for guard in self.family if guard.dispatch is not None))

    def sibling(self, policy: Policy, detector: Detector, dispatch: Dispatch | None) -> Guard:
        """Make the guard of another policy beside this one: same keys, names and ledger, its own decisions."""
        assert self.recorder is not None  # shared: made before it is copied
        made = copy.copy(self)
        for derived in ("policy_attributes", "policy_group", "auditor"):
            made.__dict__.pop(derived, None)
        made.policy, made.dispatch, made.attached = policy, dispatch, None
        made.detector, made.cuts = detector, detector.cuts()
        made._egress, made._blocking, made._moderations = None, None, OrderedDict()
        made._admissions, made._last_admission = {}, ("", None, None)
        made._root, made._others = self.root, ()
        made._door = (self._door or self) if policy.egress == self.policy.egress else None
        return made

    def join(self, made: Guard) -> None:
        """Count the guard of an attached policy to this one's version."""
        with self._lock:
            self._others += (made,)

    @property
    def ledger(self) -> Ledger:
        """The durable record, opened at the first exchange that is recorded."""
        if self._root is not None:
            return self._root.ledger
        with self._lock:
            if self._ledger is None:
                self._ledger = self._open_ledger(self.settings, self.collector, self.heads)
                self._begin()
                for name in (spans.START, spans.POLICY_LOADED):
                    self._ledger.append(records.lifecycle(self.recorder, name, self.policy_attributes))
            return self._ledger

    def _begin(self) -> None:
        self.metering.start()
        if self.glass_watch is not None:
            self.glass_watch.start()
        if (alerting := self.current.alerting) is not None:
            alerting.start()

    @property
    def recording(self) -> Ledger | None:
        """The durable record where it is open."""
        return self.root._ledger

    @cached_property
    def recorder(self) -> spans.Recorder:
        """guard's own tracer."""
        return spans.Recorder()

    @cached_property
    def policy_attributes(self) -> Mapping[str, Any]:
        """The span attributes that name the policy version."""
        return records.policy_attributes(self.policy)

    @cached_property
    def auditor(self) -> Auditor | None:
        """Whose key opens the texts that the policy keeps, where it keeps any."""
        if self.policy.trace.content == "none":
            return None
        from guard.trace.content import Auditor

        return Auditor(self.policy.trace.auditor_key)

    @cached_property
    def policy_group(self) -> Any:
        """The same, encoded once for the spans of every call."""
        return encode(self.policy_attributes)

    # text

    def detect(self, text: str) -> list[Finding]:
        """Find what the policy's input rules name in a text; offsets are code points of the text."""
        return self.current.detector.detect_sync([text])[0]

    def redact(self, text: str) -> str:
        """Apply the input rules to a text; raises Refused where they block."""
        with self.exchange() as exchange:
            return exchange.redact(text)

    def judge(self, text: str) -> Verdict:
        """Judge a text as a model's answer: output rules over what is found and over its moderation scores."""
        guard = self._of("")
        return drive_sync(guard._judge(guard.unrecorded(Identity()), text), guard.local_doors())

    async def ajudge(self, text: str) -> Verdict:
        """Judge a text as `judge` does, without blocking the event loop."""
        guard = self._of("")
        doors = guard.local_doors().asynchronous
        return await drive(guard._judge(guard.unrecorded(Identity()), text), doors)

    def _judge(self, exchange: Exchange, text: str) -> Flow[Verdict]:
        from guard.engine import screen_output

        screened = yield from screen_output(self.policy, exchange, [Segment("", text)], ())
        return screened.verdict

    @contextlib.contextmanager
    def exchange(self, tenant: str = "default", user: str = "") -> Iterator[TextExchange]:
        """Open one exchange for text: placeholders of its `redact` are put back by its `restore`."""
        guard = self._of(tenant)
        yield TextExchange(guard, guard.unrecorded(Identity(tenant, user)))

    def _of(self, tenant: str) -> Guard:
        """The guard of the policy that holds for a tenant's texts."""
        current = self.current
        return current if current.attached is None else current.attached.choose(Asked(tenant))

    # what the mounts use

    def open_exchange(self, who: Identity) -> Exchange:
        """Make the state of one request and its answer."""
        exchange = self.unrecorded(who)
        self.key(exchange)
        return exchange

    def unrecorded(self, who: Identity) -> Exchange:
        """Make the state of texts of which nothing is recorded: what is found has no subjects."""
        placeholders = Placeholders(self.keys, locale=self.policy.logs.locale, year=_now().tm_year)
        return Exchange(who, placeholders, self.keys.memo, lease=self.lease)

    def key(self, exchange: Exchange) -> None:
        """Give an exchange the key of its tenant and the running period; without one it is `keyless`."""
        now = _now()
        period = period_of(self.policy.trace.subjects.period, now.tm_year, now.tm_mon)
        try:
            found = self.subject_keys.of(exchange.identity.tenant, period, self._key_made)
        except Unavailable as failure:
            log.error("%s", failure)
            exchange.subject_key, exchange.subject_key_id, exchange.keyless = b"", "", True
            return
        exchange.subject_key, exchange.subject_key_id = found.value, found.id
        exchange.keyless = False

    def _key_made(self, made: SubjectKey) -> None:
        told = {spans.TENANT: made.tenant, spans.SUBJECT_KEY: made.id}
        self.ledger.append(records.lifecycle(self.recorder, spans.SUBJECT_KEY_CREATED, told))

    @property
    def egress(self) -> Egress:
        """The one door through which every connection of this guard goes."""
        if self._door is not None:
            return self._door.egress
        return self._egress or self._opened()

    def _opened(self) -> Egress:
        from guard.outside.egress import Egress

        with self._lock:
            if self._egress is None:
                self._egress = Egress(self.admit, proxy_auth=self.settings.proxy_auth)
                self._egresses.append(self._egress)
            return self._egress

    @property
    def blocking(self) -> SyncAdmittingTransport:
        """The same door for blocking callers."""
        from guard.outside.egress import SyncAdmittingTransport

        if self._door is not None:
            return self._door.blocking
        with self._lock:
            if self._blocking is None:
                self._blocking = SyncAdmittingTransport(self.admit, proxy_auth=self.settings.proxy_auth)
                self._transports.append(self._blocking)
            return self._blocking

    def admit(self, url: httpx2.URL | str) -> Admission:
        """Decide whether a URL may be reached under the policy's residency rules."""
        named = (self._root or self).named  # replaced as a whole when a host is named
        asked, under, decided = self._last_admission
        if asked is url and under is named and decided is not None:
            return decided
        if self._admitted_under is not named:
            self._admissions, self._admitted_under = {}, named
        admissions = self._admissions
        target = httpx2.URL(url)
        where = (target.scheme, target.raw_host, target.port)
        known = admissions.get(where)
        if known is None:
            known = self._decided(target, named)
            if len(admissions) < _ADMISSIONS:
                admissions[where] = known
        self._last_admission = (url, named, known)
        return known

    def _decided(self, target: httpx2.URL, named: frozenset[str]) -> Admission:
        admission = residency.admit(
            target.raw_host.decode("ascii"),
            port=target.port,
            scheme=target.scheme,
            jurisdictions=self.policy.egress.jurisdictions,
            declared=self.policy.egress.hosts,
            named=named,
        )
        if not admission.allowed and self.policy.egress.mode == "observe":
            admission = residency.observed(admission)
        return proxies.through(admission, target.scheme, target.port, self.policy.egress)

    def name(self, url: str) -> None:
        """Name a host that may be reached (an upstream, a base URL); where it is, the table or the policy says."""
        root = self.root
        target = httpx2.URL(url)
        port = f":{target.port}" if target.port else ""
        origin = f"{target.scheme}://{target.host}{port}"
        with self._lock:
            if origin not in root.named:
                root.named |= {origin}

    def moderation(self, base_url: str, authorization: str, *, sync: bool) -> Any:
        """The moderation client for a destination: the configured one, else the model call's own host and key."""
        settings = self.settings
        base, auth = base_url, authorization
        if self.policy.moderation.url or settings.moderation_url:
            base = self.policy.moderation.url or settings.moderation_url
            self.name(base)
            if settings.moderation_key is not None:
                auth = f"Bearer {settings.moderation_key.get_secret_value()}"
            elif self.policy.moderation.by == "guard-model":
                auth = ""  # a guard model elsewhere is nobody to show the provider's key to
        key = (base, auth, sync)
        with self._lock:
            found = self._moderations.get(key)
            if found is None:
                found = self._moderations[key] = (SyncModeration if sync else Moderation)(self, base, auth)
            self._moderations.move_to_end(key)
            if len(self._moderations) > _MODERATORS:
                self._moderations.popitem(last=False)
            return found

    def default_moderation(self) -> tuple[str, str]:
        """Base URL and authorization of the moderation service where no model call names them."""
        key = self.settings.moderation_key or self.settings.upstream_key or self.settings.openai_api_key
        resident = residency.resident_host("api.openai.com", self.policy.egress.jurisdictions)
        base = self.settings.moderation_url or (f"https://{resident}/v1" if resident else OPENAI)
        return base, f"Bearer {key.get_secret_value()}" if key else ""

    def local_doors(self, tenant: str = "default") -> LocalDoors:
        """The doors of calls that stand outside a mount (`judge`)."""
        return LocalDoors(self, tenant)

    async def check_moderation(self, base_url: str = "", authorization: str = "") -> None:
        """Ask the moderation service once, at start; raises SetupError in one sentence if there is none."""
        if not judges(self.policy) or self.policy.moderation.by == "inline":
            return  # inline, whether the provider offers it shows in its answers
        base, auth = (base_url, authorization) if base_url else self.default_moderation()
        await self.moderation(base, auth, sync=False).probe()

    def refusal_of(self, verdict: Verdict) -> Refused | None:
        """The refusal a verdict means, if it blocks."""
        return refused(self.policy, verdict.blocking, verdict) if verdict.blocking else None


def release(
    detectors: Iterable[Detector], dispatches: Iterable[Dispatch | None], guards: Iterable[Guard]
) -> None:
    """Stop what guards used: workers, the stores of limits and budgets, threads that ask the judge."""
    for detector in detectors:
        detector.close()
    for dispatch in dispatches:
        if dispatch is not None:
            dispatch.close()
    for guard in guards:
        for moderation in guard._moderations.values():
            moderation.close()


def _now() -> time.struct_time:
    """The quarter of an hour that it is, in UTC: what each exchange needs is the year and the month."""
    return _quarter(int(time.time()) // _QUARTER_S)


@lru_cache(maxsize=1)
def _quarter(number: int) -> time.struct_time:
    return time.gmtime(number * _QUARTER_S)


_QUARTER_S = 900


class TextExchange:
    """One exchange on plain text: `redact` toward a model, `restore` its answer."""

    def __init__(self, guard: Guard, exchange: Exchange) -> None:
        self._guard = guard
        self._exchange = exchange

    def redact(self, text: str) -> str:
        """Apply the input rules; raises Refused where they block."""
        guard = self._guard
        flow = screen_input(guard.policy, self._exchange, [Segment("", text)], ())
        screened = drive_sync(flow, guard.local_doors(self._exchange.identity.tenant))
        refusal = guard.refusal_of(screened.verdict)
        if refusal is not None:
            raise refusal
        return screened.changes.get("", text)

    def restore(self, text: str) -> str:
        """Put this exchange's originals back into an answer."""
        return self._exchange.placeholders.restore(text)
