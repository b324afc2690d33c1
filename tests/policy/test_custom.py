"""Own recognizers of a policy: RE2 patterns that must find their own test strings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from guard.policy.custom import compiled
from guard.policy.model import Policy

Problems = Callable[[str], list[str]]
Load = Callable[[str], Policy]


def text(**keys: str) -> str:
    fields = {"name": "badge", "pattern": "'ACME-[0-9]{4}'", "kind": "pii.acme.badge", **keys}
    return (
        "recognizers:\n  custom:\n  - {"
        + ", ".join(f"{key}: {value}" for key, value in fields.items())
        + "}\n"
    )


def test_an_own_recognizer_is_read_whole(load_text: Load) -> None:
    """Name, pattern, kind, score and tests reach the policy."""
    [custom] = load_text(text(score="0.7", tests="['badge ACME-1234']")).recognizers.custom
    assert (custom.name, custom.pattern, custom.kind, custom.score) == (
        "badge",
        "ACME-[0-9]{4}",
        "pii.acme.badge",
        0.7,
    )
    assert custom.tests == ("badge ACME-1234",)


NOT_LINEAR = [
    (r"'(?=a)b'", "invalid perl operator: (?="),
    (r"'(?<!a)b'", "invalid"),
    (r"'(a)\1'", r"invalid escape sequence: \1"),
    (r"'a++'", "bad repetition operator: ++"),
    (r"'(?>a+)b'", "invalid"),
    (r"'(a'", "missing ): (a"),
    (r"'a{1,5000}'", "invalid repetition size"),
]


@pytest.mark.parametrize(("pattern", "reason"), NOT_LINEAR)
def test_what_re2_cannot_match_is_refused_with_its_reason(
    problems: Problems, pattern: str, reason: str
) -> None:
    """B36: look-around, back-references and atomic groups are refused at load, with RE2's own words."""
    [problem] = problems(text(pattern=pattern))
    assert problem.startswith("3:recognizers.custom[0].pattern: is no RE2 pattern (")
    assert reason in problem


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(a*)*b", "(x+x+)+y"])
def test_patterns_that_explode_elsewhere_are_linear_here(load_text: Load, pattern: str) -> None:
    """B36: a pattern of catastrophic fame loads and answers at once on its worst text, by RE2's construction."""
    load_text(text(pattern=f"'{pattern} |b'"))
    assert compiled(pattern).search("a" * 50_000 + "!") is None
    assert compiled(pattern).search("x" * 50_000 + "!") is None


@pytest.mark.parametrize("pattern", ["a*", "(a|)", "^", "$", "\\b"])
def test_a_pattern_needs_something_to_find(problems: Problems, pattern: str) -> None:
    """A pattern that matches the empty text would be found everywhere."""
    [problem] = problems(text(pattern=f"'{pattern}'"))
    assert problem.endswith("matches the empty text: let it need at least one character")


def test_a_pattern_must_find_its_own_tests(problems: Problems) -> None:
    """A test string in which the pattern finds nothing is named by its number, never quoted."""
    [problem] = problems(text(tests="['ACME-1234', 'ACME-12']"))
    assert problem.endswith("does not find its own tests[1]: mend the pattern or the test")


@pytest.mark.parametrize(
    "kind", ["badge", "moderation.own", "guard.own", "pii", "pii.", "pii.Badge", "pii.acme.*", "egress.x"]
)
def test_an_own_kind_is_personal_or_secret(problems: Problems, kind: str) -> None:
    """Own recognizers find spans, so that their kinds are pii.* or secret.*."""
    [problem] = problems(text(kind=f"'{kind}'"))
    assert problem.startswith(
        "3:recognizers.custom[0].kind: is no kind of its own: write pii.NAME or secret.NAME"
    )


def test_an_own_recognizer_may_add_to_a_known_kind(load_text: Load) -> None:
    """A kind of the catalogue may be found by an own pattern too."""
    assert load_text(text(kind="pii.phone")).recognizers.custom[0].kind == "pii.phone"


def test_two_recognizers_of_one_name_are_refused(problems: Problems) -> None:
    """Findings name their recognizer, so that a name is used once."""
    [problem] = problems(text() + "  - {name: badge, pattern: x, kind: pii.x}\n")
    assert problem == "1:recognizers: custom has two recognizers of the name badge: rename one"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"score": "2"}, "custom[0].score: is out of range"),
        ({"name": "''"}, "custom[0].name: is empty"),
        ({"name": "a b"}, "custom[0].name: cannot be read"),
        ({"pattern": "''"}, "custom[0].pattern: is empty"),
        ({"pattern": "x" * 1001}, "custom[0].pattern: is too long"),
        ({"tests": "ACME-1234"}, "custom[0].tests: is not a list"),
        ({"flags": "i"}, "custom[0].flags: is an unknown key"),
    ],
)
def test_its_other_mistakes_have_lines_too(problems: Problems, keys: dict[str, str], expected: str) -> None:
    """D12: keys of an own recognizer are checked as all others are."""
    assert problems(text(**keys))[0].startswith(f"3:recognizers.{expected}")
