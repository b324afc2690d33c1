"""Floor 6, every endpoint that is configured, and whether it may be reached: asked at start, and by `guard doctor`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guard.elsewhere import heads_url
from guard.errors import SetupError
from guard.placement import depends
from guard.policy.decide import judges
from guard.proxies import proxy_of
from guard.types import Admission

if TYPE_CHECKING:
    from guard.guard import Guard

ENVIRONMENT = ("OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "AWS_BEDROCK_BASE_URL")
"""Variables by which SDKs are pointed elsewhere (case C26)."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One endpoint: what it is for, who named it, and what the gate says of it."""

    purpose: str
    by: str
    url: str
    admission: Admission

    @property
    def reachable(self) -> bool:
        """Whether it may be reached, by some requests at least."""
        return self.admission.allowed or depends(self.admission)

    @property
    def verdict(self) -> str:
        """`admitted`, `by request` (its model or deployment decides), or why it is refused."""
        if self.admission.allowed:
            return self.admission.reason or "admitted"
        return "by request" if self.reachable else self.admission.reason

    def row(self) -> Mapping[str, Any]:
        """The same for a table or a machine."""
        place = self.admission.place
        return {
            "purpose": self.purpose,
            "by": self.by,
            "url": self.url,
            "host": self.admission.host,
            "processing": "+".join(place.processing) if place else "unknown",
            "storage": "+".join(place.storage) if place else "unknown",
            "source": self.admission.source,
            "admitted": self.reachable,
            "verdict": self.verdict,
        }


def destinations(guard: Guard, upstream: str = "") -> list[Destination]:
    """List what is configured: the model, judges, providers, the trace's copy, heads, alerts, what SDKs are told."""
    rows = [("model", "--upstream", upstream, guard)] if upstream else []
    found = [Destination(what, by, url, _admission(g, url)) for what, by, url, g in [*rows, *_named(guard)]]
    return list(dict.fromkeys([*_proxies(guard), *found]))


def _proxies(guard: Guard) -> Iterator[Destination]:
    for member in guard.family:
        proxy = proxy_of(member.policy.egress)
        if proxy is not None:
            yield Destination("proxy", "egress.proxy", member.policy.egress.proxy.url, proxy)


def _named(guard: Guard) -> Iterator[tuple[str, str, str, Guard]]:
    settings = guard.settings
    for member in guard.family:
        judge = member.policy.moderation.url or settings.moderation_url
        if judge and judges(member.policy):
            yield (
                "judge",
                "moderation.url" if member.policy.moderation.url else "GUARD_MODERATION_URL",
                judge,
                member,
            )
    for name, provider in guard.providers.by_name.items() if guard.providers else ():
        yield "provider", f"providers.{name}", provider.base, guard
    if settings.otlp_endpoint:
        yield "trace copy", "GUARD_OTLP_ENDPOINT", settings.otlp_endpoint, guard
    alerts = guard.policy.traffic.alerts
    if settings.alert_webhook is not None:
        yield "alerts", "GUARD_ALERT_WEBHOOK", _origin(settings.alert_webhook.get_secret_value()), guard
    elif alerts.webhook:
        yield "alerts", "traffic.alerts.webhook", alerts.webhook, guard
    if isinstance(settings.heads, str):
        yield "heads", "GUARD_HEADS", heads_url(settings), guard
    for name in ENVIRONMENT:
        if url := os.environ.get(name):
            yield "environment", name, url, guard


def _origin(url: str) -> str:
    """Where a URL leads, without what of it is a secret."""
    return "/".join(url.split("/")[:3])


def _admission(guard: Guard, url: str) -> Admission:
    try:
        return guard.admit(url)
    except Exception as failure:
        raise SetupError(f"{url} is no URL ({type(failure).__name__})") from None


def check(guard: Guard, *purposes: str) -> None:
    """Raise SetupError, at start, for an endpoint that is configured and may not be reached."""
    for found in destinations(guard):
        if found.purpose in purposes and not found.reachable:
            why = found.admission.reason
            if found.by.isupper():
                raise SetupError(f"{found.by} is set, but its host may not be reached: {why}")
            raise SetupError(f"{found.by} ({found.purpose}) may not be reached: {why}")
