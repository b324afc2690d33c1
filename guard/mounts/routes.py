"""Which paths of an application are guarded: the known API's, and the routes that a policy names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guard.policy.model import Policy
from guard.wire.openai import Endpoint, endpoint
from guard.wire.urlpath import spellings


@dataclass(frozen=True, slots=True)
class Route:
    """One named route: its method (`*`: any), its path's segments (None: any one), and where its texts are.

    A route that is named without paths has them everywhere (None); a direction without paths is not touched.
    """

    method: str
    segments: tuple[str | None, ...] | None
    input: tuple[str, ...] | None
    output: tuple[str, ...] | None

    def covers(self, path: str) -> bool:
        """Whether a path, in any spelling that a server may understand, is this route's."""
        return self.segments is None or any(_fits(self.segments, spelling) for spelling in spellings(path))


def _fits(segments: tuple[str | None, ...], spelling: tuple[str, ...]) -> bool:
    return len(segments) == len(spelling) and all(
        want is None or want == have for want, have in zip(segments, spelling, strict=True)
    )


def compile_routes(policy: Policy) -> tuple[Route, ...]:
    """Compile `"POST /ask/{id}": {input, output}`; `*` alone means every path."""
    return tuple(_compile(name, route) for name, route in policy.routes.items())


def _compile(name: str, route: Any) -> Route:
    method, _, path = name.rpartition(" ")
    segments = None if path == "*" else tuple(_segment(part) for part in path.split("/") if part)
    paths: tuple[Any, Any] = (tuple(route.input), tuple(route.output))
    if paths == ((), ()):
        paths = (None, None)
    return Route(method.upper() or "*", segments, *paths)


def _segment(part: str) -> str | None:
    return None if part.startswith("{") and part.endswith("}") else part.casefold()


def match(compiled: Sequence[Route], method: str, path: str) -> Route | None:
    """The route that a request falls under."""
    return next((r for r in compiled if r.method in ("*", method.upper()) and r.covers(path)), None)


def model_endpoint(method: str, path: str) -> Endpoint | None:
    """The model API's endpoint at a path of an application; a bare `/models` or `/responses` is the app's own."""
    found = endpoint(method, path)
    if found is None or found.method != "POST":
        return None
    bare = found.name != "chat" and max(map(len, spellings(path))) < 2
    return None if bare else found


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
    return model_endpoint("POST", path) is not None or any(route.covers(path) for route in compiled)
