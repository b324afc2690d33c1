"""What was found once is known when the text comes again: the same findings, no text kept, no failure kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.services.memo import Memo
from guard.types import Finding

MAIL = "write to alice@corp.com"
FOUND = [Finding("pii.email", 9, 23, 1.0, "pattern")]
FAILED = [Finding("guard.unavailable.presidio", 0, 0, 1.0, "guard")]


def test_what_is_kept_comes_back_as_a_list_of_its_own() -> None:
    """Whoever adds to what came back changes nothing of what is kept."""
    memo = Memo()
    memo.keep(memo.name(MAIL), FOUND)
    first = memo.recall(memo.name(MAIL))
    assert first == FOUND
    first.clear()
    assert memo.recall(memo.name(MAIL)) == FOUND
    assert memo.recall(memo.name("another")) is None


def test_an_empty_answer_is_an_answer() -> None:
    """That nothing was found is known too."""
    memo = Memo()
    memo.keep(memo.name("plain"), [])
    assert memo.recall(memo.name("plain")) == []


@pytest.mark.parametrize("found", [FAILED, [*FOUND, *FAILED], FOUND * 100])
def test_failures_and_floods_are_not_kept(found: list[Finding]) -> None:
    """A check that could not run is asked anew; what would fill the memory is searched anew, and drives out nothing."""
    memo = Memo(size=100)
    memo.keep(memo.name("plain"), [])
    for _ in range(3):
        memo.keep(memo.name(MAIL), found)
        assert memo.recall(memo.name(MAIL)) is None
    assert memo.recall(memo.name("plain")) == []


@given(st.lists(st.integers(0, 30), max_size=200))
def test_it_is_bounded_and_never_wrong(order: list[int]) -> None:
    """At most two generations; what is still known is what was kept, and the last ones always are."""
    memo = Memo(size=8)
    for number in order:
        name = memo.name(str(number))
        known = memo.recall(name)
        assert known in (None, [FOUND[0]._replace(start=number)])
        memo.keep(name, [FOUND[0]._replace(start=number)])
        assert sum(1 + len(found) for found in memo._young.values()) <= 8
        assert sum(1 + len(found) for found in memo._old.values()) <= 8
        assert memo.recall(name) is not None


def test_what_is_asked_for_again_stays() -> None:
    """The first turn of a long conversation is known as long as it comes again."""
    memo = Memo(size=6)
    memo.keep(memo.name(MAIL), FOUND)
    for number in range(50):
        memo.keep(memo.name(str(number)), [])
        assert memo.recall(memo.name(MAIL)) == FOUND


def test_what_held_something_is_noted_in_bounds() -> None:
    """One hash a text, of a tenant's own; what was noted may be forgotten, what was not is no matter."""
    memo = Memo(size=8)
    assert not memo.noted([MAIL])
    for number in range(50):
        memo.note(f"{MAIL} {number}", "acme")
        assert memo.noted(["plain", f"{MAIL} {number}"], "acme")
        assert not memo.noted(["plain", f"{MAIL} {number}"], "beta")
        assert all(type(told) is int for told in memo._told)
        assert len(memo._told) <= 8


def test_tenants_share_nothing() -> None:
    """How long a text takes tells nobody that another tenant sent it."""
    memo = Memo()
    memo.keep(memo.name(MAIL, "acme"), FOUND)
    assert memo.recall(memo.name(MAIL, "acme")) == FOUND
    assert memo.recall(memo.name(MAIL, "beta")) is None
    assert memo.name("b", "a") != memo.name("ab", "")


def test_no_text_is_held_and_names_differ_between_processes() -> None:
    """Names are keyed digests: what is in memory tells no text, and is worth nothing elsewhere."""
    one, other = Memo(), Memo()
    assert one.name(MAIL) == one.name(MAIL) != other.name(MAIL)
    one.keep(one.name("lone \ud800"), [])
    one.keep(one.name(MAIL), FOUND)
    assert "alice" not in repr((one._young, one._old))
