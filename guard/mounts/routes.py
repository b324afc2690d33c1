"""Which paths of an application are guarded: the known API's, and the routes that a policy names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guard.policy import model as policies
from guard.policy.model import Policy
from guard.sentences import SOCKETS
from guard.wire.documents import Places
from guard.wire.openai import Endpoint, endpoint
from guard.wire.urlpath import spellings

_PARAMETER = re.compile(r"(\{[^{}]*\})")
# Some applications let a header name the method; what it names may run, so it counts (case A14).
_OVERRIDES = (b"x-http-method-override", b"x-http-method", b"x-method-override")
# Methods that call no model unless a body comes along.
BODILESS = ("HEAD", "OPTIONS", "TRACE")


@dataclass(frozen=True, slots=True)
class Route:
    """One named route: its method (`*`: any), the paths it covers (None: all), and where its texts are.

    A direction without places is not touched.
    """

    method: str
    pattern: re.Pattern[str] | None
    input: Places
    output: Places

    def covers(self, path: str) -> bool:
        """Whether a path, in any spelling that a server may understand, is this route's."""
        pattern = self.pattern
        return pattern is None or any(pattern.fullmatch("/" + "/".join(s)) for s in _readings(path))


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is screened as: a model endpoint at a path, or a named route."""

    path: str
    route: Route | None = None


def _readings(path: str) -> Iterator[tuple[str, ...]]:
    """Every spelling, and the segments as they stand: to a parameter, `..` or `;x` is a value."""
    yield from spellings(path)
    yield tuple(part for part in _folded(path).split("/") if part)


def compile_routes(policy: Policy) -> tuple[Route, ...]:
    """Compile `"POST /ask/{id}": {input, output, except}`; `*` alone means every path."""
    return tuple(_compile(name, route) for name, route in policy.routes.items())


def _compile(name: str, route: policies.Route) -> Route:
    method, _, path = name.rpartition(" ")
    pattern = None if path == "*" else re.compile("".join(map(_segment, _parts(path))), re.DOTALL)
    return Route(method.upper() or "*", pattern, Places(*route.inward), Places(*route.outward))


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part] or [""]


def _segment(part: str) -> str:
    """One segment as a pattern: `{id}` is anything but a slash, `{rest:path}` anything at all."""
    if part.startswith("{") and part.endswith(":path}"):
        return "(?:/.*)?"
    pieces = _PARAMETER.split(part)
    return "/" + "".join(_piece(p) for p in pieces)


def _piece(piece: str) -> str:
    if not _PARAMETER.fullmatch(piece):
        return re.escape(_folded(piece))
    return ".*" if piece.endswith(":path}") else "[^/]+"


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def target(compiled: Sequence[Route], scope: Mapping[str, Any]) -> Target | None:
    """What a connection is screened as, or None where it passes."""
    kind = scope["type"]
    if kind not in ("http", "websocket"):
        return None
    for path in paths(scope):
        route = _route(compiled, scope, path) if compiled else None
        if route is not None or model_endpoint(path) is not None:
            return Target(path, route)
        if kind == "websocket" and _is_socket(path):
            return Target(path)
    return None


def _route(compiled: Sequence[Route], scope: Mapping[str, Any], path: str) -> Route | None:
    """The named route of a connection, if any; a websocket has no method."""
    methods = _methods(scope) if scope["type"] == "http" else None
    return next((r for r in compiled if (methods is None or r.method in methods) and r.covers(path)), None)


def _methods(scope: Mapping[str, Any]) -> frozenset[str]:
    """The methods that a request may mean."""
    named = [v.decode("latin-1") for k, v in scope.get("headers", ()) if k.lower() in _OVERRIDES]
    methods = {m.strip().upper() for m in (scope.get("method", "GET"), *named)}
    return frozenset(methods | {"*"} | ({"GET"} if "HEAD" in methods else set()))


def model_endpoint(path: str) -> Endpoint | None:
    """The model API's endpoint at a path of an application; a bare `/models` or `/responses` is the app's own."""
    found = endpoint("POST", path)
    if found is None or found.method != "POST":
        return None
    bare = found.name != "chat" and max(map(len, spellings(path))) < 2
    return None if bare else found


def _is_socket(path: str) -> bool:
    return any(len(s) > 1 and s[-1] in SOCKETS for s in spellings(path))


def paths(scope: Mapping[str, Any]) -> Iterator[str]:
    """The spellings under which a connection may be known: the ASGI path, and without the mount's root (A40, A41)."""
    path = str(scope.get("path", ""))
    yield path
    root = str(scope.get("root_path", ""))
    if root and path.startswith(root):
        yield path[len(root) :] or "/"


def unguarded(app: Any, compiled: Sequence[Route]) -> str:
    """Name the application's routes that guard does not touch, for the start line."""
    names = sorted({name for name in _walk(app, "") if not _covered(name, compiled)})
    return ", ".join(names) if names else "none known"


def _walk(app: Any, prefix: str) -> Iterator[str]:
    for route in getattr(app, "routes", None) or ():
        path = prefix + str(getattr(route, "path", ""))
        if getattr(route, "routes", None):
            yield from _walk(route, path)
        elif path:
            yield path


def _covered(path: str, compiled: Sequence[Route]) -> bool:
    return model_endpoint(path) is not None or any(route.covers(path) for route in compiled)
