"""guard's own tracer provider: what it records is no choice of the environment or of a caller."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Protocol


class Listeners(Protocol):
    """Who hears the spans of a provider; `heard` says that there is anybody."""

    heard: bool

    def add_span_processor(self, span_processor: Any) -> None: ...


class Ids:
    """Random ids from the operating system: an app that seeds `random` must not make two traces alike.

    They are drawn by the page, since a system call for each costs more than the rest of a span's start.
    """

    def __init__(self) -> None:
        self._page = BytesIO()

    def draw(self, size: int) -> bytes:
        """Draw `size` bytes that no one else gets: not another thread, and not a forked child (`forget`)."""
        drawn = self._page.read(size)
        while len(drawn) < size or not any(drawn):
            self._page = page = BytesIO(os.urandom(_PAGE))
            drawn = page.read(size)
        return drawn

    def forget(self) -> None:
        """Drop what is left of the page."""
        self._page = BytesIO()


IDS = Ids()
_PAGE = 4096
os.register_at_fork(after_in_child=IDS.forget)


def always_on(resource: Mapping[str, str], version: str) -> tuple[Any, Listeners]:
    """Make a tracer that samples everything, with its own limits, apart from the global provider, and its listeners.

    It hears neither OTEL_SDK_DISABLED, OTEL_TRACES_SAMPLER, the OTEL_*_LIMIT variables and
    OTEL_RESOURCE_ATTRIBUTES, nor the sampled flag of a caller's `traceparent`.
    The provider itself is kept by nobody: after a fork the SDK has those that live ask for their resource in threads,
    for which the child would wait without end.
    """
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, SynchronousMultiSpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

    class Everything(Sampler):
        """Every span, with nothing taken over from the one above: the record has no `tracestate` (D05)."""

        _yes = SamplingResult(Decision.RECORD_AND_SAMPLE)

        def should_sample(self, *_: object, **__: object) -> SamplingResult:
            return self._yes

        def get_description(self) -> str:
            return "AlwaysOn"

    class Drawn(IdGenerator):
        """The SDK's ids, drawn as all others."""

        def generate_trace_id(self) -> int:
            return int.from_bytes(IDS.draw(16))

        def generate_span_id(self) -> int:
            return int.from_bytes(IDS.draw(8))

    class AlwaysOn(TracerProvider):
        """The SDK's provider, deaf to OTEL_SDK_DISABLED, which it would read at construction."""

        _disabled = property(lambda self: False, lambda self, value: None)

    class Heard(SynchronousMultiSpanProcessor):
        """The SDK's list of processors, which says whether it is empty."""

        heard = False

        def add_span_processor(self, span_processor: Any) -> None:
            self.heard = True
            super().add_span_processor(span_processor)

    unset = SpanLimits.UNSET
    limits = SpanLimits(10_000, 10_000, 10_000, 10_000, 10_000, 10_000, unset, unset)
    # Resource(...) and not Resource.create(...): the latter adds OTEL_RESOURCE_ATTRIBUTES.
    listeners = Heard()  # type: ignore[no-untyped-call]
    provider = AlwaysOn(
        Everything(), Resource(resource), False, listeners, id_generator=Drawn(), span_limits=limits
    )
    return provider.get_tracer("guard", version), listeners
