"""The official client behind guard, blocking or asynchronous, driven alike."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai

from guard import Guard, guarded_client


class Sdk:
    """One official client, blocking or asynchronous, driven alike."""

    def __init__(self, sync: bool, guard: Guard, url: str, **options: Any) -> None:
        self.sync = sync
        self.runner = asyncio.Runner()
        http: Any = guarded_client(guard=guard, sync=sync, base_url=url)  # type: ignore[call-overload]
        make: Any = openai.OpenAI if sync else openai.AsyncOpenAI
        self.client = make(api_key="sk-app-canary", base_url=url, http_client=http, **options)

    def __call__(self, call: Callable[[Any], Any]) -> Any:
        """The result of a call, awaited where it must be."""
        result = call(self.client)
        return self._run(_value(result)) if inspect.isawaitable(result) else result

    def stream(self, call: Callable[[Any], Any]) -> list[Any]:
        """All events of a streamed call."""
        return list(call(self.client)) if self.sync else self._run(_events(call(self.client)))

    def chat(self, text: str, **more: Any) -> Any:
        """The answer to one user message."""
        messages = [{"role": "user", "content": text}]
        return self(lambda c: c.chat.completions.create(model="m", messages=messages, **more))

    def chat_stream(self, text: str, **more: Any) -> list[Any]:
        """The chunks of a streamed answer to one user message."""
        messages = [{"role": "user", "content": text}]
        return self.stream(
            lambda c: c.chat.completions.create(model="m", messages=messages, stream=True, **more)
        )

    def _run(self, work: Any) -> Any:
        return self.runner.run(work, context=contextvars.copy_context())

    def close(self) -> None:
        if not self.sync:
            self.runner.run(self.client.close())
        else:
            self.client.close()
        self.runner.close()


async def _value(awaitable: Any) -> Any:
    return await awaitable


async def _events(awaitable: Any) -> list[Any]:
    return [event async for event in await awaitable]


@contextmanager
def connecting(sync: bool, guard: Guard, url: str) -> Iterator[Callable[..., Sdk]]:
    """Make clients, of this guard for this provider unless told otherwise; all are closed at the end."""
    made: list[Sdk] = []

    def make(other: Guard | None = None, base: str = "", **options: Any) -> Sdk:
        made.append(Sdk(sync, other or guard, base or url, **options))
        return made[-1]

    try:
        yield make
    finally:
        for sdk in made:
            sdk.close()
