"""The gate for `requests`, which the OTLP exporter uses (extra `otlp`)."""

from __future__ import annotations

from typing import Any

import httpx2
import requests
from requests.adapters import HTTPAdapter

from guard.errors import Refused
from guard.outside.admission import Admit, admitted
from guard.outside.upstream import refuse_redirect


class AdmittingAdapter(HTTPAdapter):
    """An adapter that admits each URL before it connects, uses no proxy and follows no redirect."""

    def __init__(self, admit: Admit) -> None:
        super().__init__()
        self._admit = admit

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a prepared request; raises Refused (451)."""
        admitted(self._admit, httpx2.URL(request.url or ""))
        options.pop("proxies", None)
        response = super().send(request, *args[:4], **options)
        try:
            refuse_redirect(response.status_code, _raw(response))
        except Refused:
            response.close()
            raise
        return response


def _raw(response: requests.Response) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]


def admitting_session(admit: Admit) -> requests.Session:
    """Make a session for which the environment's proxies, credentials and CA bundles do not exist."""
    session = requests.Session()
    session.trust_env = False
    for prefix in ("https://", "http://"):
        session.mount(prefix, AdmittingAdapter(admit))
    return session
