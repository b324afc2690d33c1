"""Old habits in Python code, found in its syntax tree; the code is parsed, never imported or run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from guard.migration import habits
from guard.migration.habits import Calendar, Hit
from guard.wire.models import wants_max_completion_tokens

_VERBS = ("create", "acreate", "parse", "stream")
_APIS = frozenset(("completions", "embeddings", "responses", *habits.RESOURCES))
_CLIENTS = ("OpenAI", "AsyncOpenAI", "AzureOpenAI", "AsyncAzureOpenAI")
_PROMPTS = ("messages", "prompt", "input")


class _Place(NamedTuple):
    """A node and the function it stands in (the module: None)."""

    node: ast.AST
    scope: ast.AST | None


def read(source: str, calendar: Calendar) -> list[Hit]:
    """Find old habits in a module. Raises ValueError for what is no Python of today."""
    places = list(_places(_parsed(source)))
    names = _names(places)
    module = _Module(names, calendar, "guarded_client" in source or "guard.install" in source)
    hits = [hit for place in places for hit in module.hits(place.node)]
    return sorted({*hits, *_first_calls(places)})


def _parsed(source: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, RecursionError, MemoryError) as failure:
        raise ValueError("not Python of today") from failure


def _places(module: ast.Module) -> Iterator[_Place]:
    """Every node with its function: without recursion, since code may be nested deeper than Python's stack."""
    stack = [_Place(module, None)]
    while stack:
        place = stack.pop()
        yield place
        inside = isinstance(place.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        scope = place.node if inside else place.scope
        stack.extend(_Place(child, scope) for child in ast.iter_child_nodes(place.node))


def _names(places: list[_Place]) -> dict[str, str]:
    """What imported names stand for: `ai` for `openai`, `Chat` for `openai.ChatCompletion`."""
    names: dict[str, str] = {}
    for node, _ in places:
        if isinstance(node, ast.Import):
            names |= {a.asname: a.name for a in node.names if a.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


class _Module:
    """What one module's names mean, asked node by node."""

    def __init__(self, names: dict[str, str], calendar: Calendar, guarded: bool) -> None:
        self._names = names
        self._calendar = calendar
        self._guarded = guarded

    def hits(self, node: ast.AST) -> Iterator[Hit]:
        """The hits of one node."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from self._imports(node)
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node)
        elif isinstance(node, ast.Subscript) and _constant(node.slice) == "function_call":
            yield Hit(node.lineno, habits.CALLED[0], '["function_call"]', habits.CALLED[1])
        elif isinstance(node, ast.Call):
            yield from self._call(node)
        elif isinstance(node, ast.Dict):
            yield from self._dict(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from self._assigned(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _some(self._calendar.hit(node.lineno, node.value, sure=False))

    def _imports(self, node: ast.Import | ast.ImportFrom) -> Iterator[Hit]:
        if isinstance(node, ast.ImportFrom):
            dotted = [f"{node.module}.{a.name}" for a in node.names] if not node.level else []
        else:
            dotted = [a.name for a in node.names]
        for name in dotted:
            yield from _gone(node.lineno, name)

    def _attribute(self, node: ast.Attribute) -> Iterator[Hit]:
        if isinstance(node.value, ast.Name):
            yield from _gone(node.lineno, f"{self._names.get(node.value.id, node.value.id)}.{node.attr}")
        if node.attr == "function_call":
            yield Hit(node.lineno, habits.CALLED[0], ".function_call", habits.CALLED[1])

    def _call(self, node: ast.Call) -> Iterator[Hit]:
        words = _dotted(node.func, self._names).split(".")
        keywords = {k.arg: k.value for k in node.keywords if k.arg}
        if words[-1] in _VERBS and _APIS & set(words):
            yield from _parameters({name: (v.lineno, _constant(v)) for name, v in keywords.items()})
        for name, value in keywords.items():
            if name in habits.MODEL_NAMES:
                yield from self._model(value)
        if words[-1] in _CLIENTS and "http_client" not in keywords:
            for name in ("base_url", "azure_endpoint"):
                yield from self._url(keywords.get(name))

    def _dict(self, node: ast.Dict) -> Iterator[Hit]:
        items = {_constant(k): v for k, v in zip(node.keys, node.values, strict=True) if k is not None}
        if any(name in items for name in _PROMPTS) and ("model" in items or "engine" in items):
            yield from _parameters({str(name): (v.lineno, _constant(v)) for name, v in items.items()})
        for name, value in items.items():
            if name in habits.MODEL_NAMES:
                yield from self._model(value)

    def _assigned(self, node: ast.Assign | ast.AnnAssign) -> Iterator[Hit]:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            name = _dotted(target, self._names)
            if "model" in name.lower():
                yield from self._model(node.value)
            elif name in ("openai.base_url", "openai.api_base", "openai.azure_endpoint"):
                yield from self._url(node.value)

    def _model(self, value: ast.expr | None) -> Iterator[Hit]:
        if value is not None and isinstance(name := _constant(value), str):
            yield from _some(self._calendar.hit(value.lineno, name, sure=True))

    def _url(self, value: ast.expr | None) -> Iterator[Hit]:
        if value is not None and not self._guarded and isinstance(url := _constant(value), str):
            yield from _some(habits.past_guard(value.lineno, url))


def _some(hit: Hit | None) -> Iterator[Hit]:
    if hit is not None:
        yield hit


def _gone(line: int, dotted: str) -> Iterator[Hit]:
    module, _, rest = dotted.partition(".")
    name = rest.partition(".")[0]
    if module == "openai" and name in habits.RESOURCES:
        yield Hit(line, "sdk-0", f"openai.{name}", habits.RESOURCES[name])


def _parameters(given: dict[str, tuple[int, object]]) -> Iterator[Hit]:
    """The old parameters of a request; each with its line and, where it is a constant, its value."""
    for name, (rule, instead) in habits.KEYWORDS.items():
        if name in given:
            yield Hit(given[name][0], rule, f"{name}=", instead)
    model = given.get("model", (0, None))[1]
    known = model if "max_tokens" in given and "messages" in given and isinstance(model, str) else ""
    if wants_max_completion_tokens(known):
        yield Hit(given["max_tokens"][0], habits.LIMIT[0], "max_tokens=", habits.LIMIT[1])


def _first_calls(places: list[_Place]) -> Iterator[Hit]:
    """Places that read only the first tool call, in a function that never goes over all of them."""
    if any(isinstance(n, ast.keyword) and n.arg == "parallel_tool_calls" for n, _ in places):
        return
    over = {scope for node, scope in places if _goes_over(node)}
    for node, scope in places:
        if isinstance(node, ast.Subscript) and scope not in over and _reads_first(node):
            yield Hit(node.lineno, habits.FIRST_ONLY[0], "tool_calls[0]", habits.FIRST_ONLY[1])


def _reads_first(node: ast.Subscript) -> bool:
    return _constant(node.slice) == 0 and _is_calls(node.value)


def _goes_over(node: ast.AST) -> bool:
    if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        return any(_is_calls(inner) for inner in ast.walk(node.iter))
    return False


def _is_calls(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "tool_calls"
    return isinstance(node, ast.Subscript) and _constant(node.slice) == "tool_calls"


def _constant(node: ast.AST | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    """The dotted name of an expression, imported names written out; what is no name is left out."""
    words: list[str] = []
    while isinstance(node, ast.Attribute):
        words.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        words.append(names.get(node.id, node.id))
    return ".".join(reversed(words))
