"""guard's own tracer provider: what it records is no choice of the environment or of a caller."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


def always_on(resource: Mapping[str, str]) -> TracerProvider:
    """Make a provider that samples everything, with its own limits, apart from the global one.

    It hears neither OTEL_SDK_DISABLED, OTEL_TRACES_SAMPLER, the OTEL_*_LIMIT variables and
    OTEL_RESOURCE_ATTRIBUTES, nor the sampled flag of a caller's `traceparent`.
    """
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    class Ids(IdGenerator):
        """Ids from the operating system: an app that seeds `random` must not make two traces alike."""

        def generate_trace_id(self) -> int:
            return secrets.randbits(128) or 1

        def generate_span_id(self) -> int:
            return secrets.randbits(64) or 1

    class AlwaysOn(TracerProvider):
        """The SDK's provider, deaf to OTEL_SDK_DISABLED, which it would read at construction."""

        _disabled = property(lambda self: False, lambda self, value: None)

    unset = SpanLimits.UNSET
    limits = SpanLimits(10_000, 10_000, 10_000, 10_000, 10_000, 10_000, unset, unset)
    # Resource(...) and not Resource.create(...): the latter adds OTEL_RESOURCE_ATTRIBUTES.
    return AlwaysOn(ALWAYS_ON, Resource(resource), False, id_generator=Ids(), span_limits=limits)
