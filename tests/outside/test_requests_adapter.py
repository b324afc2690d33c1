"""The gate for `requests`: the OTLP exporter's connections are admitted like all others."""

from __future__ import annotations

from typing import Any

import pytest

from guard.errors import Refused
from guard.outside.admission import admitter

pytest.importorskip("requests")

from guard.outside.requests_adapter import admitting_session


def naming(*hosts: str) -> Any:
    return admitter(jurisdictions=None, declared={}, named=hosts)


def test_a_named_collector_is_reached(upstream: Any) -> None:
    with admitting_session(naming(upstream.url)) as session:
        assert session.post(upstream.url + "/v1/traces", data=b"x", timeout=5).content == b"ok"


def test_a_collector_that_is_not_named_is_refused_before_connecting(upstream: Any) -> None:
    """Residency pitfall 7: an exporter's endpoint needs the same list."""
    with admitting_session(naming()) as session, pytest.raises(Refused) as refused:
        session.post(upstream.url, data=b"x", timeout=5)
    assert (refused.value.code, upstream.connections) == ("egress.host", 0)


def test_a_collectors_redirect_is_refused(upstream: Any, other: Any) -> None:
    """C23: for exports too."""
    upstream.script = upstream.reply(b"", b"Location: " + other.url.encode(), status=b"307 Moved")
    with admitting_session(naming(upstream.url, other.url)) as session, pytest.raises(Refused) as refused:
        session.post(upstream.url, data=b"x", timeout=5)
    assert (refused.value.code, other.connections) == ("egress.redirect", 0)


def test_proxy_variables_are_not_used_for_exports(
    upstream: Any, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C25: neither the session's environment nor proxies given by hand."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other.url)
    with admitting_session(naming(upstream.url)) as session:
        session.proxies = {"http": other.url}
        assert session.post(upstream.url, data=b"x", timeout=5).content == b"ok"
    assert other.connections == 0
