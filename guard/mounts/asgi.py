"""Mount (a): pure ASGI middleware on an existing application. What it does not guard passes byte for byte."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from guard.errors import GuardError, Refused
from guard.guard import Guard
from guard.mounts import routes
from guard.mounts.messages import ASGIApp, Message, Receive, Scope, Send, close_websocket, send_reply
from guard.mounts.responder import Responder
from guard.policy.model import Policy
from guard.refusals import refuse
from guard.types import Identity

Identify = Callable[[Scope], Identity]
_Version = tuple[Guard, tuple[routes.Route, ...]]

log = logging.getLogger("guard")


class GuardMiddleware:
    """Guard the known model-API paths of an application, and the routes that its policy names.

    `identify` says who calls, from the ASGI scope. `inner=True` says that every model call of the application
    goes through a guarded client (as `guard.install` sees to): the input is then screened for blocks here, and
    redacted and restored there. A policy that does not load fails the start-up of the server (A16): frameworks
    build their middleware inside the lifespan, where an exception would read as "no lifespan here".
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        policy: str | Path | Policy = "default",
        identify: Identify | None = None,
        guard: Guard | None = None,
        inner: bool = False,
    ) -> None:
        self.app = app
        self.inner = inner
        self._identify = identify
        self._checked = False
        self._failure: GuardError | None = None
        try:
            self.guard = guard or Guard.from_policy(policy)
            self._version = self._compiled(self.guard)
        except GuardError as failure:
            self._failure = failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            return await self._lifespan(scope, receive, send)
        if self._failure is not None:
            raise self._failure
        guard, compiled = self._current()
        target = routes.target(compiled, scope)
        if target is None:
            return await self.app(scope, receive, send)
        if scope["type"] == "websocket":
            return await close_websocket(receive, send)
        try:
            await self._check(scope)
        except GuardError as failure:
            log.error("guard cannot serve: %s", failure)
            return await send_reply(send, refuse(_no_judge()))
        who = self._identify(scope) if self._identify else Identity()
        await Responder(self.app, guard, scope, receive, send, target, who, inner=self.inner).respond()

    @staticmethod
    def _compiled(guard: Guard) -> _Version:
        return guard, routes.compile_routes(guard.policy)

    def _current(self) -> _Version:
        """The policy version in force, and its routes: one request sees one version."""
        version, guard = self._version, self.guard.current
        if version[0] is not guard:
            version = self._version = self._compiled(guard)
        return version

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        failure: GuardError | None = None

        async def watch() -> Message:
            nonlocal failure
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._check(scope)
                except GuardError as raised:
                    failure = raised
                    raise
            return message

        try:
            await self.app(scope, watch, send)
        except GuardError as raised:
            if raised is not failure:
                raise
            await send({"type": "lifespan.startup.failed", "message": str(failure)})

    async def _check(self, scope: Scope) -> None:
        """Once: say which routes are unguarded, and ask whether the judge is there."""
        if self._failure is not None:
            raise self._failure
        if self._checked:
            return
        self._checked = True
        unguarded = routes.unguarded(scope.get("app"), self._version[1])
        inner = (
            "" if self.inner else "; the app's own model calls are guarded only if they use guarded_client()"
        )
        log.warning(
            "guard: policy %s; unguarded routes: %s%s", self.guard.current.policy.policy, unguarded, inner
        )
        if self.inner and not self.guard.current.default_moderation()[1]:
            return  # the inner client's own host and key judge; they are known at its first call
        try:
            await self.guard.current.check_moderation()
        except GuardError:
            self._checked = False
            raise


def _no_judge() -> Refused:
    return Refused(
        "guard.unavailable.moderation",
        "the judge of answers is not there, so nothing was let through",
        status=503,
    )
