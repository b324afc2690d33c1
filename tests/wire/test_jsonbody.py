"""Places in a body: found, read, rewritten and emptied by paths that never hold the body's own text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.types import Limits
from guard.wire import jsonbody
from guard.wire.jsonbody import at, drop, places, replace, steps, strings

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def values_only(value: Any) -> list[str]:
    """The paths of all strings that are values."""
    return [s.path for s in strings(value) if not s.path.endswith("}") and isinstance(at(value, s.path), str)]


@given(VALUES.filter(lambda value: isinstance(value, dict | list)))
def test_a_path_leads_to_its_text(value: Any) -> None:
    """Every segment's path leads back to its text, or to the number whose digits it is."""
    for segment in strings(value):
        assert str(at(value, segment.path)) == segment.text


@given(VALUES.filter(lambda value: isinstance(value, dict | list)), st.data())
def test_replacing_changes_exactly_what_was_named(value: Any, data: st.DataObject) -> None:
    """New texts stand at their paths, every other string stays, and the original value is not touched."""
    before = json.dumps(value)
    paths = values_only(value)
    chosen = data.draw(st.sets(st.sampled_from(paths))) if paths else set()
    changed = replace(value, {path: f"new {path}" for path in chosen})
    assert json.dumps(value) == before
    assert {path: at(changed, path) for path in chosen} == {path: f"new {path}" for path in chosen}
    assert {p: at(changed, p) for p in paths if p not in chosen} == {
        p: at(value, p) for p in paths if p not in chosen
    }
    assert [type(s) for s in strings(changed)] == [type(s) for s in strings(value)]


@given(VALUES)
def test_replacing_nothing_is_the_value_itself(value: Any) -> None:
    """Fidelity: with nothing to change, nothing is copied."""
    assert replace(value, {}) is value
    assert drop(value, []) is value


def test_untouched_branches_are_shared() -> None:
    """Only the branch that leads to a change is copied."""
    value = {"a": {"b": ["x", "y"]}, "c": {"d": "z"}}
    changed = replace(value, {"a.b[1]": "new"})
    assert changed == {"a": {"b": ["x", "new"]}, "c": {"d": "z"}}
    assert changed["c"] is value["c"]


@given(st.dictionaries(TEXT, VALUES, min_size=1))
def test_a_path_never_holds_a_key(value: dict[str, Any]) -> None:
    """Paths get into traces: keys are written by position, so only brackets and digits stand in them."""
    for segment in strings(value):
        assert set(segment.path) <= set("[]<>{}0123456789")


def test_a_long_number_is_text_and_becomes_a_string() -> None:
    """A card written as a number is found like one written as a string; short numbers are no text."""
    value = {
        "card": 4111111111111111,
        "n": 3,
        "ok": True,
        "pi": 3.14159,
        "big": 10**30,
        "minus": -13812345678,
    }
    texts = {s.text for s in strings(value) if s.path.endswith(">")}
    assert texts == {"4111111111111111", str(10**30), "-13812345678"}
    assert replace(value, {"<0>": "<CARD_1>"})["card"] == "<CARD_1>"


def test_a_key_is_renamed_in_place() -> None:
    """A key has a path of its own; its value stays where it was."""
    value = {"meta": {"first": 1, "alice@leak.example": {"x": "y"}, "last": 3}}
    changed = replace(value, {"meta{1}": "<EMAIL_1>", "meta<1><0>": "z"})
    assert list(changed["meta"].items()) == [("first", 1), ("<EMAIL_1>", {"x": "z"}), ("last", 3)]


@pytest.mark.parametrize(
    ("value", "new", "expected"),
    [
        ({"a": 1, "b": 2}, {"{0}": "m", "{1}": "m"}, {"m": 1, "m_2": 2}),
        ({"a": 1, "m": 2}, {"{0}": "m"}, {"m_2": 1, "m": 2}),
        ({"a": 1, "m": 2, "m_2": 3}, {"{0}": "m"}, {"m_3": 1, "m": 2, "m_2": 3}),
        ({"a": 1, "b": 2}, {"{0}": "b", "{1}": "a"}, {"b": 1, "a": 2}),
    ],
)
def test_renamed_keys_never_swallow_each_other(
    value: dict[str, int], new: dict[str, str], expected: dict[str, int]
) -> None:
    """Two keys that would become one are told apart, so no value is lost."""
    assert replace(value, new) == expected


def test_a_document_inside_a_string_is_rewritten_as_json() -> None:
    """B10: the change is made inside the document, at several levels, and each level is valid JSON again."""
    inner = json.dumps({"mail": "a@b.example", "n": 1})
    outer = json.dumps({"deep": inner, "keep": "é"}, ensure_ascii=False)
    value = {"arguments": outer, "id": "x"}
    assert at(value, "arguments#<0>#<0>") == "a@b.example"
    changed = replace(value, {"arguments#<0>#<0>": 'quote " and \\ and \n'})
    document = json.loads(changed["arguments"])
    assert document["keep"] == "é"
    assert json.loads(document["deep"]) == {"mail": 'quote " and \\ and \n', "n": 1}


def test_a_document_keeps_its_exact_numbers_when_it_is_rewritten() -> None:
    """A33: digits inside an embedded document survive a change beside them."""
    value = {"arguments": '{"amount": 12345678901234567890.12345678901234567890, "who": "a@b.example"}'}
    changed = replace(value, {"arguments#<1>": "x"})
    assert changed["arguments"] == '{"amount":12345678901234567890.12345678901234567890,"who":"x"}'


def test_dropping_empties_lists_and_nulls_the_rest() -> None:
    """A derived copy goes, but its field stays of a type that receivers read."""
    value = {"choices": [{"logprobs": {"content": [1]}, "text": "x"}], "output": {"logprobs": [1, 2]}}
    changed = drop(value, ["choices[0].logprobs", "output.logprobs"])
    assert changed == {"choices": [{"logprobs": None, "text": "x"}], "output": {"logprobs": []}}


@pytest.mark.parametrize("path", ["a b", "[x]", "<>", "{-1}", "a..b", "[0", "."])
def test_what_is_no_path_is_refused(path: str) -> None:
    """A path that nothing wrote is an error, not a silent no-op."""
    with pytest.raises(ValueError, match="path"):
        steps(path)


@pytest.mark.parametrize("path", ["x.y", "a[7]", "a[0].b", "a<3>", "missing"])
def test_a_place_that_is_not_there_is_an_error(path: str) -> None:
    """A change that would land nowhere is an error: fail closed."""
    with pytest.raises((LookupError, TypeError)):
        replace({"a": ["s"]}, {path: "new"})


BODY = {
    "question": "q",
    "items": [{"text": "a", "tags": ["t1", "t2"]}, {"text": "b", "more": {"text": "c"}}],
    "user": {"name": "n", "age": 40, "phone": 13812345678},
}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["$.question"], ["q"]),
        (["$.items[*].text"], ["a", "b"]),
        (["$..text"], ["a", "b", "c"]),
        (["$.items[1]"], ["text", "b", "more", "text", "c"]),
        (["$.items[0].tags[*]"], ["t1", "t2"]),
        (["$.user.*"], ["n", "13812345678"]),
        (["$.user.age"], []),
        (["$.nothing", "$.question.deeper", "$.items[9].text", "$.question[0]"], []),
        (["$['question']", "$['items'][0]['tags'][0]"], ["q", "t1"]),
    ],
)
def test_a_route_selects_the_text_under_its_paths(paths: list[str], expected: list[str]) -> None:
    """The JSONPaths of a route name places; all text below them is selected."""
    found = [s for place, value in places(BODY, paths) for s in strings(value, place)]
    assert sorted(s.text for s in found) == sorted(expected)
    assert all(str(at(BODY, s.path)) == s.text for s in found)


def test_the_root_selects_everything() -> None:
    """A route named without paths screens all strings."""
    assert places(BODY, ["$"]) == [("", BODY)]


@pytest.mark.parametrize(
    "path", ["question", "$.items[?(@.x)]", "$.items[0:2]", "$[question]", "$['a\\'b']", "$.", "$...x"]
)
def test_a_path_that_guard_does_not_read_is_refused(path: str) -> None:
    """A path outside of the subset is an error when it is used, not a place left unscreened."""
    with pytest.raises(ValueError, match="path"):
        places(BODY, [path])


def test_the_readers_and_writers_of_bodies_stand_beside_the_paths() -> None:
    """`parse` and `dump` are offered with `replace`, so that callers need one module."""
    assert jsonbody.dump(jsonbody.parse(b'{"a": 1}', Limits())) == b'{"a":1}'
