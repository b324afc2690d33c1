"""What old code says, and what to write instead: data, and the dates of models beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from guard import residency
from guard.wire.models import Shutdown, base


class Hit(NamedTuple):
    """One place: its line (from 1), the rule, what stands there, what to write instead."""

    line: int
    rule: str
    what: str
    instead: str


RESOURCES = {
    "ChatCompletion": "client.chat.completions.create(…)",
    "Completion": "client.completions.create(…)",
    "Embedding": "client.embeddings.create(…)",
    "Moderation": "client.moderations.create(…)",
    "Edit": "client.chat.completions.create(…): edits are gone",
    "Image": "client.images.generate(…), .edit(…), .create_variation(…)",
    "Audio": "client.audio.transcriptions.create(…), .translations.create(…)",
    "File": "client.files.create(…), .list(…)",
    "FineTune": "client.fine_tuning.jobs.create(…)",
    "FineTuningJob": "client.fine_tuning.jobs.create(…)",
    "Model": "client.models.list(), .retrieve(…)",
    "Engine": "client.models.list()",
    "Deployment": "client.models.list(): deployments are managed in Azure",
    "error": "openai.APIError, openai.RateLimitError, …",
    "openai_object": "openai.BaseModel",
    "api_base": "base_url, or OPENAI_BASE_URL in the environment",
    "proxy": "http_client=openai.DefaultHttpxClient(proxy=…)",
    "aiosession": "http_client=openai.DefaultAioHttpClient()",
    "requestssession": "http_client=openai.DefaultHttpxClient()",
    "verify_ssl_certs": "http_client=openai.DefaultHttpxClient(verify=…)",
    "ca_bundle_path": "http_client=openai.DefaultHttpxClient(verify=…)",
}
"""Names in `openai` before 1.0 that are gone (the SDK's migration guide, openai-python discussion 742)."""

KEYWORDS = {
    "engine": ("engine", "`model`"),
    "deployment_id": ("engine", "`model` (Azure: the deployment's name)"),
    "functions": ("functions", "`tools`: [{type: function, function: …}]"),
    "function_call": ("functions", "`tool_choice`"),
    "api_base": ("sdk-0", "`base_url` of the client"),
    "request_timeout": ("sdk-0", "`timeout`"),
}
"""Parameters of a call that are gone or deprecated: the rule and the word of today."""

CALLED = ("functions", "`message.tool_calls`, each with `function.name` and `function.arguments`")
FIRST_ONLY = (
    "parallel-tool-calls",
    "a loop over all of `tool_calls`, a `role: tool` message for each; or `parallel_tool_calls: false`",
)
LIMIT = ("max-tokens", "`max_completion_tokens`: this model refuses `max_tokens`")
PAST_GUARD = (
    "base-url",
    "no URL in the code, OPENAI_BASE_URL naming the gateway; or `http_client=guarded_client(…)`",
)
MODEL_NAMES = frozenset(("model", "model_name", "model_id", "engine", "deployment", "deployment_id"))
"""Words beside which even a short string (`ada`, `o3`) is a model's name."""

_SHORT = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Calendar:
    """The shutdowns of models as seen on a day; one that is at most `within` days ahead is near."""

    today: date
    shutdowns: Mapping[str, Shutdown]
    within: int = 90

    def hit(self, line: int, name: str, *, sure: bool) -> Hit | None:
        """The hit of a string that names a model past or near its end; `sure` where it stands as a model's name."""
        if len(name) > 100 or (not sure and _SHORT.fullmatch(base(name))):
            return None
        known = self.shutdowns.get(name) or self.shutdowns.get(base(name))
        if known is None or known.date > self.today + timedelta(days=self.within):
            return None
        instead = known.instead or "another model, as the provider's page of deprecations says"
        if known.date <= self.today:
            return Hit(line, "model-gone", f"{name}: shut down on {known.date}", instead)
        days = (known.date - self.today).days
        return Hit(line, "model-ends", f"{name}: shuts down on {known.date}, in {days} days", instead)


def past_guard(line: int, url: str) -> Hit | None:
    """The hit of a URL in code that leads to a provider's own host, whatever the environment says."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return None
    if residency.lookup(host) is None:
        return None
    return Hit(line, PAST_GUARD[0], f"https://{host}", PAST_GUARD[1])
