"""Floor 6, heads elsewhere: where GUARD_HEADS sends signed heads, and how what was posted leaves through the gate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from guard.errors import SetupError
from guard.policy.fields import days
from guard.policy.load import load_policy
from guard.proxies import through
from guard.settings import Settings

if TYPE_CHECKING:
    from guard.guard import Guard
    from guard.outside.admission import Admit
    from guard.outside.buckets import Bucket, Lock
    from guard.policy.model import Policy
    from guard.trace.heads import Receiver
    from guard.trace.otlp import Post

_POST_S = 10.0
"""Seconds that a post to a Collector or a webhook may take in each of its steps."""


def heads_url(settings: Settings) -> str:
    """The URL behind GUARD_HEADS, where it is one; raises SetupError for one elsewhere without TLS."""
    if not isinstance(settings.heads, str):
        return ""
    if is_bucket(settings.heads):
        from guard.outside.buckets import address

        return address(settings.heads).url
    return _webhook(settings.heads)


def is_bucket(text: str) -> bool:
    """Whether a place of heads is a bucket, and no webhook."""
    return text.startswith("s3+")


def _webhook(text: str) -> str:
    import httpx2

    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        raise SetupError("GUARD_HEADS is no URL: write one such as https://heads.example.org/guard") from None
    if not url.host or (url.scheme != "https" and url.host not in ("127.0.0.1", "::1", "localhost")):
        raise SetupError("GUARD_HEADS: write an https URL, or a folder")
    return text


def open_heads(guard: Guard) -> Receiver | None:
    """Who takes the heads of one guard, where GUARD_HEADS is a URL; raises SetupError for half a bucket."""
    return _receiver(guard.settings, lambda url: guard.current.admit(url), lambda: guard.current.policy)


def desk_heads(settings: Settings) -> Path | Receiver | None:
    """Where the heads go of what is recorded at the auditor's desk: as those of this installation's guards."""
    if not isinstance(settings.heads, str):
        return settings.heads and settings.heads.expanduser().resolve()
    policy = load_policy(settings.policy)
    return _receiver(settings, admit_under(policy, heads_url(settings)), lambda: policy)


def _receiver(settings: Settings, admit: Admit, policy: Callable[[], Policy]) -> Receiver | None:
    if not isinstance(settings.heads, str):
        return None
    waiting = settings.home.expanduser() / "heads-waiting"
    if not is_bucket(settings.heads):
        from guard.trace.heads import HeadsPost

        return HeadsPost(heads_url(settings), poster(settings, admit), waiting)
    from guard.outside.buckets import why
    from guard.trace.deposit import Deposit

    bucket = open_bucket(settings.heads, settings, admit)
    lock_of(settings, policy())
    return Deposit(lambda name, body: bucket.put(name, body, lock_of(settings, policy())), waiting, why)


def lock_of(settings: Settings, policy: Policy) -> Lock:
    """How heads that are put now are locked: as long as the record is kept; raises SetupError where nothing says it."""
    from guard.outside.buckets import Lock

    trace = policy.trace
    kept = max(map(days, (settings.heads_keep, trace.keep, trace.at_least)))
    if not kept:
        raise SetupError(
            "GUARD_HEADS is a bucket, and nothing says how long its heads are locked: "
            "write trace.keep into the policy, or set GUARD_HEADS_KEEP=400d"
        )
    return Lock(settings.heads_lock, datetime.now(UTC) + timedelta(days=kept))


def open_bucket(place: str, settings: Settings, admit: Admit) -> Bucket:
    """The bucket at `s3+https://…`, with the access key of the settings; raises SetupError without one."""
    from guard.outside.buckets import Bucket, address
    from guard.outside.sigv4 import Credentials

    found = address(place)
    if settings.heads_key_id is None or settings.heads_secret is None:
        raise SetupError(
            "a bucket of heads needs an access key: set GUARD_HEADS_KEY_ID and GUARD_HEADS_SECRET"
        )
    region = settings.heads_region or found.region
    key_id = settings.heads_key_id.get_secret_value()
    who = Credentials(key_id, settings.heads_secret, region, token=settings.heads_token)
    return Bucket(found, who, admit, settings.proxy_auth)


def admit_under(policy: Policy, url: str) -> Admit:
    """Admit one URL as a guard of this policy would that it was named to, without making the guard."""
    from guard.outside.admission import admitter

    egress = policy.egress
    admit = admitter(
        jurisdictions=egress.jurisdictions, declared=egress.hosts, named=["/".join(url.split("/")[:3])]
    )
    return lambda to: through(admit(to), to.scheme, to.port, egress)


def poster(settings: Settings, admit: Admit) -> Post:
    """What posts JSON through the gate and gives the status."""
    import httpx2

    from guard.outside.egress import SyncAdmittingTransport

    transport = SyncAdmittingTransport(admit, proxy_auth=settings.proxy_auth)
    waits = dict.fromkeys(("connect", "read", "write", "pool"), _POST_S)

    def post(url: str, body: bytes) -> int:
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        request = httpx2.Request("POST", url, headers=headers, content=body, extensions={"timeout": waits})
        answer = transport.handle_request(request)
        try:
            answer.read()
            return answer.status_code
        finally:
            answer.close()

    return post
