"""What a conversation can go on from: one's own answers, for a while, so many."""

from __future__ import annotations

from guard.keys import Keys
from guard.pii.mapping import Mapping
from guard.services.histories import Histories
from guard.types import Identity, Redaction

ME = Identity("acme", "u1")
TOKEN = Redaction("token", restore=True)


def placeholders(*values: str) -> Mapping:
    made = Mapping(Keys(b"k" * 32))
    for value in values:
        made.placeholder("pii.email", value, TOKEN)
    return made


def test_an_answer_is_known_to_who_got_it_for_a_while() -> None:
    """B30: by tenant, user and id, until its time is over."""
    now = [0.0]
    kept = Histories(seconds=60, now=lambda: now[0])
    kept.remember(ME, "resp_1", placeholders("a@corp.com"))
    assert kept.recall(ME, "resp_1") is not None
    assert kept.recall(Identity("acme", "u2"), "resp_1") is None
    assert kept.recall(Identity("other", "u1"), "resp_1") is None
    now[0] = 60.0
    assert kept.recall(ME, "resp_1") is None


def test_two_who_go_on_from_one_answer_do_not_meet() -> None:
    """B30: each has a copy: the same number may mean another value in each, and neither comes back in the other."""
    kept = Histories()
    kept.remember(ME, "resp_1", placeholders("a@corp.com"))
    one, two = kept.recall(ME, "resp_1"), kept.recall(ME, "resp_1")
    assert one is not None
    assert two is not None
    for fork, value in ((one, "b@corp.com"), (two, "c@corp.com")):
        assert fork.placeholder("pii.email", value, TOKEN) == "<EMAIL_2>"
        assert fork.restore("<EMAIL_1> <EMAIL_2>") == f"a@corp.com {value}"


def test_the_oldest_are_forgotten() -> None:
    """Memory is bounded by a number of answers and by their time."""
    now = [0.0]
    kept = Histories(seconds=60, most=2, now=lambda: now[0])
    for number in range(3):
        kept.remember(ME, f"resp_{number}", placeholders())
    assert [kept.recall(ME, f"resp_{number}") is None for number in range(3)] == [True, False, False]
    now[0] = 61.0
    kept.remember(ME, "resp_3", placeholders())
    assert len(kept._kept) == 1
