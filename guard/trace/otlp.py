"""The copy of the trace for a Collector: best effort, bounded, drops counted; the ledger is the record.

It posts the ledger's own lines as OTLP/HTTP JSON, which every Collector takes. The SDK's OTLPSpanExporter is
not used: it takes SDK spans, so every span would be filled a second time (about 45 µs), it reads endpoint,
headers, certificates and a credential plug-in from the environment, past the egress gate, and its copy would
not be byte for byte what the ledger holds.
"""

from __future__ import annotations

from typing import Any

from guard.trace import otlpjson
from guard.trace.courier import Courier, Post

__all__ = ["OtlpCopy", "Post"]


class OtlpCopy(Courier):
    """Send lines to `<endpoint>/v1/traces`; `sent` and `dropped` count them."""

    def __init__(self, endpoint: str, post: Post, **bounds: Any) -> None:
        super().__init__(
            endpoint.rstrip("/") + "/v1/traces", post, otlpjson.request, name="guard-otlp", **bounds
        )
