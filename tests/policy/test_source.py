"""How a policy file is read: plain data with lines, bounded, without YAML's guesses and machinery."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import PolicyError
from guard.policy.load import load_policy
from guard.policy.source import MAX_BYTES, Source, _Reader, dotted, read_source

Problems = Callable[[str], list[str]]
Write = Callable[[str, str], Path]

SCALARS = [
    ("NO", "NO"),
    ("no", "no"),
    ("off", "off"),
    ("yes", "yes"),
    ("on", "on"),
    ("y", "y"),
    ("true", True),
    ("False", False),
    ("5", 5),
    ("-5", -5),
    ("0.5", 0.5),
    ("1e-3", 0.001),
    (".5", 0.5),
    ("010", 10),
    ("0x10", "0x10"),
    ("1:30", "1:30"),
    ("1_000", "1_000"),
    ("2026-12-31", "2026-12-31"),
    ("'5'", "5"),
    ('"true"', "true"),
    ("'~'", "~"),
    ("=", "="),
    ("<<", "<<"),
]


@pytest.mark.parametrize(("text", "expected"), SCALARS)
def test_scalars_are_read_without_guessing(write: Write, text: str, expected: Any) -> None:
    """D12: words such as NO and off are text, only true and false are booleans, dates stay text."""
    value = read_source(write("p.yaml", f"a: {text}\n")).data["a"]
    assert value == expected
    assert type(value) is type(expected)


def test_norway_is_a_country(write: Write) -> None:
    """D12: NO is Norway, not false."""
    path = write("p.yaml", "egress: {jurisdictions: [NO, SE]}\n")
    assert load_policy(path).egress.jurisdictions == ("NO", "SE")


def test_every_key_knows_its_line(write: Write) -> None:
    """Keys and items of any style know where they stand; below an item the nearest line counts."""
    source = read_source(write("p.yaml", "a:\n  b: 1\n  c:\n  - x\n  - y: 2\nd: {e: 3,\n  f: 4}\n"))
    lines = {dotted(path): line for path, line in source.lines.items()}
    assert lines == {
        "a": 1,
        "a.b": 2,
        "a.c": 3,
        "a.c[0]": 4,
        "a.c[1]": 5,
        "a.c[1].y": 5,
        "d": 6,
        "d.e": 6,
        "d.f": 7,
    }
    assert source.line(("a", "c", 1, "y", "z")) == 5
    assert source.origin(("d", "f")) == "p.yaml:7"


MAGIC = [
    ("policy: !!python/object/apply:os.system ['touch /tmp/x']", "python/object/apply:os.system is not read"),
    ("policy: !!python/name:os.system", "is not read: write a plain value"),
    ("policy: !!binary aGk=", "is not read: write a plain value"),
    ("policy: !include other.yaml", "the tag !include is not read"),
    ("policy: !!str 5", "is not read: write a plain value"),
    ("!!python/object:x.Y {}", "is not read: write a plain value"),
    ("? !!python/name:os.system\n: 1", "is not read: write a plain value"),
    ("policy: &a x", "the anchor &a is not read: take it out"),
    ("policy: *a", "the alias *a is not read: write the value out"),
]


@pytest.mark.parametrize(("text", "expected"), MAGIC)
def test_tags_anchors_and_aliases_are_refused(problems: Problems, text: str, expected: str) -> None:
    """D09: no tag is followed, no object is made; anchors and aliases are not read either."""
    [problem] = problems(text)
    assert expected in problem


def bomb() -> str:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    return "\n".join(rows)


DEEP = {
    "lists": "a: " + "[" * 100_000,
    "mappings": "{a: " * 100_000,
    "closed": "a: " + "[" * 500 + "]" * 500,
    "indented": "\n".join(" " * depth + "a:" for depth in range(1200)),
    "dashes": "- " * 100_000,
    "questions": "? " * 100_000,
}


@pytest.mark.parametrize("text", [bomb(), *DEEP.values()], ids=["bomb", *DEEP])
def test_bombs_are_refused_before_they_grow(write: Write, text: str) -> None:
    """D10: an anchor bomb is refused at its first anchor, deep nesting at a fixed depth, each in a line."""
    path = tmp = write("p.yaml", text)
    with pytest.raises(PolicyError) as caught:
        read_source(tmp)
    [problem] = caught.value.problems
    assert problem.startswith(f"{path}:")
    assert len(problem) < len(str(path)) + 300


def test_nothing_is_parsed_beyond_the_first_anchor(write: Write) -> None:
    """D10: what follows a refused anchor is never looked at, so nothing can expand."""
    events = iter(_Reader(Source(Path("p")), bomb())._events)
    seen = [type(next(events)).__name__ for _ in range(5)]
    assert "AliasEvent" not in seen
    with pytest.raises(PolicyError, match=r"p\.yaml:1:a0: the anchor &a0 is not read"):
        read_source(write("p.yaml", bomb()))


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """D10: of a 100 MB file one megabyte is read, and it is refused for its size."""
    path = tmp_path / "p.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    with pytest.raises(PolicyError, match=r"the file is over 1 MiB"):
        read_source(path)


def test_a_file_just_inside_the_limit_is_read(write: Write) -> None:
    """The limit is on the file, comments included."""
    path = write("p.yaml", "policy: p\n#" + "x" * (MAX_BYTES - 12) + "\n")
    assert path.stat().st_size == MAX_BYTES
    assert read_source(path).data == {"policy": "p"}


@pytest.mark.parametrize(
    "text",
    [
        "a: [" + "x," * 400_000 + "]",
        "\n".join(f"k{number}: 1" for number in range(60_000)),
        "input:\n  rules:\n" + "\n".join(f"    pii.k{number}: block" for number in range(4_900)),
        "input:\n  rules:\n" + "\n".join(f"    pii.email: {{k{number}: 1}}" for number in range(2_000)),
    ],
    ids=["items", "keys", "kinds", "twice"],
)
def test_a_wide_file_is_refused_in_bounded_work(write: Write, text: str) -> None:
    """D10: a file of many values or many mistakes ends after 5,000 values and 50 mistakes."""
    path = write("p.yaml", text)
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    found = caught.value.problems
    assert 1 <= len(found) <= 50
    assert len(found) > 1 or "is the value after 5000" in found[0]


def test_a_device_is_no_file() -> None:
    """D10: an endless device is not opened."""
    with pytest.raises(PolicyError, match="there is no such file"):
        read_source(Path("/dev/zero"))


BROKEN = [
    ("", "1:(file): the file is empty"),
    ("# only a comment\n", "1:(file): the file is empty"),
    ("- a\n", "1:(file): the file is not a mapping"),
    ("hello\n", "1:(file): the file is not a mapping"),
    ("policy: a\n---\npolicy: b\n", "1:(file): the file holds several documents"),
    ("policy: a\n\tmode: b\n", "2:(file): is not YAML (found a tab character"),
    ("policy: [a\nmode: b\n", "2:(file): is not YAML"),
    ("policy: 'a\n", "2:(file): is not YAML"),
    ("policy: a: b\n", "1:(file): is not YAML"),
    ("policy: a\x00b\n", "1:(file): is not YAML"),
    ("? [a, b]\n: c\n", "1:(file): a list or mapping stands where a key belongs"),
]


@pytest.mark.parametrize(("text", "expected"), BROKEN)
def test_what_is_no_policy_file_says_so(problems: Problems, text: str, expected: str) -> None:
    """A file that is no YAML mapping is one clear line."""
    [problem] = problems(text)
    assert problem.startswith(expected)


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are refused with their line; a byte order mark is not in the way."""
    path = tmp_path / "p.yaml"
    path.write_bytes(b"policy: p\nowner: \xff\n")
    with pytest.raises(PolicyError, match=r"p\.yaml:2:\(file\): this line is not UTF-8"):
        read_source(path)
    path.write_bytes(b"\xef\xbb\xbfpolicy: p\n")
    assert read_source(path).data == {"policy": "p"}


def test_a_file_that_may_not_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without permission is one line, too."""
    path = tmp_path / "p.yaml"
    path.write_text("policy: p")

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PolicyError, match=r"the file cannot be read \(Permission denied\)"):
        read_source(path)


def test_keys_are_quoted_short_and_on_one_line(problems: Problems) -> None:
    """A key of any length or with control characters stays one short line in its message."""
    [problem] = problems('"' + "a" * 500 + '\\n\\x1b[31m": 1\n')
    assert len(problem) < 400
    assert "\n" not in problem
    assert "\x1b" not in problem


def _problems(path: Path) -> list[str]:
    with contextlib.suppress(PolicyError):
        load_policy(path)
        return []
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert caught.value.problems
    return caught.value.problems


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["policy", "input", "mode", "extends", "routes", "egress"]), json_values)
)
def test_any_mapping_loads_or_is_refused_with_lines(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    """Whatever stands in a file, the answer is a policy or a PolicyError, never another exception."""
    path = tmp_path_factory.getbasetemp() / "drawn.yaml"
    path.write_text(json.dumps(value), encoding="utf-8")
    assert all(problem.startswith(f"{path}:") for problem in _problems(path))


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_loads_or_is_refused_with_lines(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever bytes stand in a file, the answer is a policy or a PolicyError, never another exception."""
    path = tmp_path_factory.getbasetemp() / "text.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    assert all(problem.startswith(f"{path}:") for problem in _problems(path))
