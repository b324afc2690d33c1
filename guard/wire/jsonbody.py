"""Places inside a JSON body as short strings that never hold the body's own text.

`messages[0].content` names fields of the API's fixed vocabulary; a key of the caller's own is written by
its position: `metadata<0>` is the first value, `metadata{0}` the first key. After `#` the path goes on inside
the JSON document that a string holds: `messages[1].tool_calls[0].function.arguments#<0>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from guard.types import Segment
from guard.wire.strictjson import dump as dump
from guard.wire.strictjson import embedded
from guard.wire.strictjson import parse as parse

_TOKEN = re.compile(r"\.?([A-Za-z_]\w*)|\[(\d+)\]|<(\d+)>|\{(\d+)\}|(#)")
_SELECT = re.compile(r"\.\.(\w+)|\.(\w+)|\['([^']+)'\]|\[(\d+)\]|(\[\*\]|\.\*)")
_LONG_NUMBER = 10**6

Step = tuple[str, str | int]
_Trie = dict[Step, Any]
"""What is to be done at each step: another trie below it, or what takes the place of what is there, never an object."""


@lru_cache(maxsize=4096)
def steps(path: str) -> tuple[Step, ...]:
    """Take a path apart into (kind, name or number): name, item, value, key, and inside for `#`."""
    found: list[Step] = []
    end = 0
    while end < len(path):
        match = _TOKEN.match(path, end)
        if match is None:
            raise ValueError("not a path of a body")
        found.append(_step(match))
        end = match.end()
    return tuple(found)


def _step(match: re.Match[str]) -> Step:
    name, item, value, key, _ = match.groups()
    if name is not None:
        return ("name", name)
    if item is not None:
        return ("item", int(item))
    if value is not None:
        return ("value", int(value))
    return ("key", int(key)) if key is not None else ("inside", "")


def at(value: Any, path: str) -> Any:
    """Look up what stands at a path (for a key: the key itself); raises LookupError where nothing does."""
    for kind, name in steps(path):
        if kind == "inside":
            value = embedded(value)
        elif kind == "key":
            return list(value)[int(name)]
        else:
            value = value[_index(value, kind, name)]
    return value


def _index(value: Any, kind: str, name: str | int) -> Any:
    return list(value)[int(name)] if kind == "value" else name


def replace(value: Any, new: Mapping[str, str]) -> Any:
    """Return the value with new texts at the paths given; untouched branches are shared, not copied."""
    if "" in new:
        return new[""]
    return _edit(value, _trie(new.items())) if new else value


def drop(value: Any, paths: Iterable[str]) -> Any:
    """Return the value without what stands at the paths: a list becomes empty, everything else null."""
    found = [(path, at(value, path)) for path in paths]
    emptied: list[tuple[str, Any]] = [(path, [] if isinstance(old, list) else None) for path, old in found]
    return _edit(value, _trie(emptied)) if emptied else value


def _trie(pairs: Iterable[tuple[str, Any]]) -> _Trie:
    root: _Trie = {}
    for path, new in pairs:
        found = steps(path)
        node = root
        for step in found[:-1]:
            node = node.setdefault(step, {})
        node[found[-1]] = new
    return root


def _edit(value: Any, edits: _Trie) -> Any:
    inside = edits.get(("inside", ""))
    if inside is not None:
        return dump(_edit(embedded(value), inside)).decode()
    if isinstance(value, dict):
        return _edit_object(value, edits)
    if not isinstance(value, list):
        raise LookupError("no such place in the body")
    copy = list(value)
    for (_, index), edit in edits.items():
        copy[int(index)] = _apply(copy[int(index)], edit)
    return copy


def _apply(value: Any, edit: Any) -> Any:
    return _edit(value, edit) if isinstance(edit, dict) else edit


def _edit_object(value: dict[str, Any], edits: _Trie) -> dict[str, Any]:
    keys = list(value)
    copy = dict(value)
    renamed: dict[str, str] = {}
    for (kind, name), edit in edits.items():
        key = str(name) if kind == "name" else keys[int(name)]
        if kind == "key":
            renamed[key] = edit
        else:
            copy[key] = _apply(copy[key], edit)
    return _rename(copy, renamed) if renamed else copy


def _rename(value: dict[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """Give keys their new names in place; two keys that would become one are told apart by a number."""
    result: dict[str, Any] = {}
    kept = set(value) - set(renamed)
    numbers: dict[str, int] = {}
    for key, item in value.items():
        name = base = renamed.get(key, key)
        while key in renamed and (name in kept or name in result):
            numbers[base] = numbers.get(base, 1) + 1
            name = f"{base}_{numbers[base]}"
        result[name] = item
    return result


def strings(value: Any, path: str = "") -> list[Segment]:
    """List every string of a value as a segment, keys by position, and numbers of seven digits or more."""
    return list(_strings(value, path))


def _strings(value: Any, path: str) -> Iterator[Segment]:
    stack: list[tuple[str, Any]] = [(path, value)]
    while stack:
        here, top = stack.pop()
        if isinstance(top, dict):
            for position, (key, item) in reversed(list(enumerate(top.items()))):
                stack.append((f"{here}<{position}>", item))
                stack.append((f"{here}{{{position}}}", key))
        elif isinstance(top, list):
            stack.extend((f"{here}[{i}]", item) for i, item in reversed(list(enumerate(top))))
        elif (text := text_of(top)) is not None:
            yield Segment(here, text)


def text_of(value: object) -> str | None:
    """The text that a scalar carries: a string's own, the digits of a number of seven digits or more."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if -_LONG_NUMBER < value < _LONG_NUMBER and isinstance(value, int):
        return None
    literal = getattr(value, "literal", None) or repr(value)
    return literal if sum(map(str.isdigit, literal)) > 6 else None


def places(value: Any, paths: Iterable[str]) -> list[tuple[str, Any]]:
    """List where the JSONPaths of a route lead, and what stands there: `$.question`, `$['a-b']`, `$.items[*].text`.

    Raises ValueError for a path outside of this subset of RFC 9535.
    """
    return [found for path in paths for found in _matches(value, path)]


def _matches(value: Any, path: str) -> list[tuple[str, Any]]:
    if not path.startswith("$"):
        raise ValueError(f"a path starts with $: {path}")
    places, end = [("", value)], 1
    while end < len(path):
        match = _SELECT.match(path, end)
        if match is None:
            raise ValueError(f"not a path that guard reads: {path}")
        places = [found for place, item in places for found in _select(place, item, match)]
        end = match.end()
    return places


def _select(place: str, item: Any, match: re.Match[str]) -> Iterator[tuple[str, Any]]:
    anywhere, plain, quoted, index, _ = match.groups()
    name = plain or quoted
    if anywhere is not None:
        yield from _anywhere(place, item, anywhere)
    elif name is not None:
        yield from _members(place, item, name)
    elif index is not None:
        if isinstance(item, list) and int(index) < len(item):
            yield f"{place}[{index}]", item[int(index)]
    else:
        yield from _children(place, item)


def _members(place: str, item: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(item, dict) and name in item:
        yield f"{place}<{list(item).index(name)}>", item[name]


def _children(place: str, item: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(item, dict):
        yield from ((f"{place}<{i}>", child) for i, child in enumerate(item.values()))
    elif isinstance(item, list):
        yield from ((f"{place}[{i}]", child) for i, child in enumerate(item))


def _anywhere(place: str, item: Any, name: str) -> Iterator[tuple[str, Any]]:
    stack = [(place, item)]
    while stack:
        here, top = stack.pop()
        yield from _members(here, top, name)
        stack.extend(_children(here, top))
