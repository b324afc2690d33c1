"""Floor 6, which provider a call goes to: the upstream, or the one by name that its model is asked of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guard.errors import SetupError
from guard.policy.providers import Provider as Row
from guard.residency import resident_host
from guard.traffic.providers import Headers, Providers, Target
from guard.wire import dialects

if TYPE_CHECKING:
    import httpx2

    from guard.call import Call, Prepared
    from guard.guard import Guard
    from guard.policy.model import Policy
    from guard.settings import Settings


def open_providers(policy: Policy, settings: Settings) -> Providers | None:
    """The providers of a policy with their keys; None where it names none."""
    if not policy.providers:
        return None

    def secret(name: str) -> str:
        found = settings.secret(name)
        return found.get_secret_value() if found is not None else ""

    def base(row: Row) -> str:
        """The usual host of an API is the one inside the jurisdictions, as for the upstream."""
        host = row.base.split("/")[2]
        near = "" if row.url else resident_host(host, policy.egress.jurisdictions)
        return row.base.replace(host, near or host)

    return Providers(policy.providers, secret, base)


def check_keys(guard: Guard) -> None:
    """Raise SetupError, at start, for a provider whose key is not there."""
    for member in guard.members:
        for name, provider in member.providers.by_name.items() if member.providers else ():
            if provider.unset:
                raise SetupError(
                    f"providers.{name}.key: {provider.unset} is not set: set it in the environment or in .env"
                )


def route(call: Call) -> None:
    """Send a call to the provider that its model is asked of: another URL, the model as it is called there."""
    providers = call.guard.providers
    model = call.body.get("model")
    target = providers.find(model) if providers is not None and isinstance(model, str) else None
    url = target.provider.urls.get(call.endpoint.name) if target is not None and call.endpoint else None
    if target is None or url is None:
        return
    call.home, call.named, call.target = call.url, model, target
    call.body = {**call.body, "model": target.model}
    call.url, call.admission = url, call.guard.admit(url)


def spoken(target: Target, prepared: Prepared) -> Prepared:
    """A request in the words of its provider's API."""
    api = target.provider.row.api
    if not dialects.differs(api):
        return prepared
    return prepared._replace(body=prepared.body.of(prepared.model, api))


def toward(call: Call, url: httpx2.URL, headers: Headers) -> tuple[httpx2.URL, Headers]:
    """The URL and the headers of a call that would go to `url` with `headers`, were it not for its provider."""
    target: Target | None = call.target
    if target is None or call.url is None:
        return url, headers
    call.homeward = headers
    return call.url, target.provider.headers(headers)
