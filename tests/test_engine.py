"""The engine, stepped by hand: which effects it asks for, and what it makes of their answers. No mocks."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.call import Prepared
from guard.clearance import clear
from guard.engine import Exchange, Screened, joined, screen_input, screen_output, spread
from guard.errors import Unavailable
from guard.refusals import Reply
from guard.types import (
    Action,
    Change,
    Detect,
    Finding,
    Flow,
    Receipt,
    Receipts,
    Score,
    Segment,
    Stage,
    Verdict,
)
from guard.wire.legacy import Modern
from guard.wire.media import Document

_spec = importlib.util.spec_from_file_location("stream_kit", Path(__file__).with_name("stream_kit.py"))
assert _spec is not None
assert _spec.loader is not None
kit = sys.modules.setdefault("stream_kit", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(kit)

BOTH = kit.HEAD + (
    "input: {rules: {'pii.*': {action: redact, as: token, restore: true}, 'pii.card': block, 'pii.ip': flag}}\n"
    "output: {rules: {'pii.*': redact, 'pii.card': block, 'moderation.*': {action: block, at: 0.8}}}\n"
)
OBSERVING = BOTH.replace('version: "1"\n', 'version: "1"\nmode: observe\n')
MAIL, MAIL2 = "alice@corp.com", "bob@corp.com"
CARD = "4111 1111 1111 1111"
FINE = dict.fromkeys(kit.simulated_scores(""), 0.01)
BAD = {**FINE, "violence": 0.95}


class Steps:
    """The effects of one flow in their order, each answered by the catalogue and by the scores given."""

    def __init__(self, policy: str, scores: Callable[[str], Any] = lambda text: FINE) -> None:
        self.effects: list[Any] = []
        self._find = kit.scanner(policy).scan
        self._scores = scores

    def run(self, flow: Flow[Screened]) -> Screened:
        result: Any = None
        failure: Unavailable | None = None
        while True:
            try:
                effect = flow.throw(failure) if failure else flow.send(result)
            except StopIteration as stop:
                screened: Screened = stop.value
                return screened
            self.effects.append(effect)
            failure = None
            try:
                result = [self._one(effect)(text) for text in effect.texts]
            except Unavailable as raised:
                failure = raised

    def _one(self, effect: Any) -> Callable[[str], Any]:
        return self._find if isinstance(effect, Detect) else self._scores

    @property
    def judged(self) -> list[str]:
        return [text for effect in self.effects if isinstance(effect, Score) for text in effect.texts]


def segments(*texts: str, **more: Any) -> list[Segment]:
    return [Segment(f"messages[{i}].content", text, **more) for i, text in enumerate(texts)]


def sent(
    *texts: str, policy: str = BOTH, who: Exchange | None = None, opaque: Sequence[Finding] = (), **more: Any
) -> Screened:
    change = more.pop("change", True)
    flow = screen_input(
        kit.policy(policy), who or kit.exchange(), segments(*texts, **more), opaque, change=change
    )
    return Steps(policy).run(flow)


def answered(
    *texts: str | Segment,
    policy: str = BOTH,
    who: Exchange | None = None,
    scores: Callable[[str], Any] = lambda text: FINE,
    opaque: Sequence[Finding] = (),
    judging: bool = True,
) -> tuple[Screened, Steps]:
    steps = Steps(policy, scores)
    rows = [t if isinstance(t, Segment) else Segment(f"choices[{i}].text", t) for i, t in enumerate(texts)]
    flow = screen_output(kit.policy(policy), who or kit.exchange(), rows, opaque, judging=judging)
    return steps.run(flow), steps


# toward the model


def test_input_asks_once_for_all_texts() -> None:
    """One `Detect` carries every segment; nothing is judged on the way in."""
    steps = Steps(BOTH)
    steps.run(screen_input(kit.policy(BOTH), kit.exchange(), segments("one", "two"), ()))
    assert steps.effects == [Detect(("one", "two"))]


def test_input_redacts_and_remembers() -> None:
    """B30: one value has one placeholder in all segments; each comes back, as the rule says."""
    who = kit.exchange()
    screened = sent(f"Mail {MAIL} and {MAIL2}", f"again {MAIL}", who=who)
    assert screened.changes == {
        "messages[0].content": "Mail <EMAIL_1> and <EMAIL_2>",
        "messages[1].content": "again <EMAIL_1>",
    }
    assert dict(who.placeholders.restorable) == {"<EMAIL_1>": MAIL, "<EMAIL_2>": MAIL2}
    assert (screened.verdict.action, screened.verdict.enforced) == (Action.REDACT, Action.REDACT)
    assert screened.verdict.stage is Stage.INPUT
    assert who.receipts.by_name["detect"] is Receipt.RAN


def test_literals_of_the_caller_are_skipped() -> None:
    """B30: a number that the caller typed, in whichever segment, is no placeholder of guard."""
    assert sent(f"Mail {MAIL}", "see <EMAIL_1>").changes == {"messages[0].content": "Mail <EMAIL_2>"}


def test_a_block_changes_nothing() -> None:
    """A blocked request is not redacted: it goes nowhere, and the verdict names the rule."""
    screened = sent(f"Mail {MAIL}, card {CARD}")
    blocking = screened.verdict.blocking
    assert screened.changes == {}
    assert blocking is not None
    assert (blocking.finding.kind, blocking.rule) == ("pii.card", "pii.card")
    assert {f.kind for f in screened.verdict.findings} == {"pii.email", "pii.card"}


def test_a_flag_records_and_changes_nothing() -> None:
    """`flag` is on record and leaves the text alone."""
    screened = sent("the host 203.0.114.7 is down")
    assert screened.changes == {}
    assert screened.verdict.action is Action.FLAG
    assert screened.verdict.blocking is None


def test_what_must_not_be_rewritten_is_blocked_instead() -> None:
    """B15 B16: a redaction in a name, an id or a schema key would break it: it blocks."""
    screened = sent(MAIL, change=True, policy=BOTH)
    assert screened.verdict.blocking is None
    flow = screen_input(kit.policy(BOTH), kit.exchange(), [Segment("tools[0].name", MAIL, Change.FIXED)], ())
    fixed = Steps(BOTH).run(flow)
    assert fixed.verdict.blocking is not None
    assert fixed.verdict.blocking.finding.path == "tools[0].name"
    assert fixed.verdict.enforced is Action.BLOCK


def test_what_is_flagged_in_a_fixed_place_stays_flagged() -> None:
    """Only a redaction is hardened: `flag` needs no rewriting."""
    flow = screen_input(kit.policy(BOTH), kit.exchange(), [Segment("user", "203.0.114.7", Change.FIXED)], ())
    assert Steps(BOTH).run(flow).verdict.enforced is Action.FLAG


def test_opaque_findings_are_decided_by_the_same_rules() -> None:
    """Law 1: what cannot be read blocks, unless a rule allows it."""
    image = Finding("guard.opaque.image", 0, 0, 1.0, "guard", "messages[0].content[1]")
    blocked = sent("hi", opaque=[image])
    assert blocked.verdict.blocking is not None
    assert blocked.verdict.blocking.finding is image
    allowing = BOTH.replace("input: {rules: {", "input: {rules: {guard.opaque.image: allow, ")
    allowed = sent(MAIL, opaque=[image], policy=allowing)
    assert allowed.verdict.blocking is None
    assert allowed.changes == {"messages[0].content": "<EMAIL_1>"}
    assert image in allowed.verdict.findings


@pytest.mark.parametrize("cut", range(1, len(MAIL)))
def test_a_value_split_over_content_parts_is_found(cut: int) -> None:
    """B12: the parts of one message are read on; each part loses its share."""
    first, second = f"Mail {MAIL[:cut]}", f"{MAIL[cut:]} soon"
    screened = sent(first, second, group="messages[0]")
    told = "".join(screened.changes.get(f"messages[{i}].content", t) for i, t in enumerate((first, second)))
    assert "alice" not in told
    assert "corp" not in told
    assert told.startswith("Mail <")
    assert told.endswith("> soon")


def test_neighbours_of_other_groups_are_not_joined() -> None:
    """B12: texts of two groups, or of none, do not follow each other."""
    assert list(joined(segments("a", "b"))) == []
    rows = [Segment("x", "a", group="one"), Segment("y", "b", group="two"), Segment("z", "c", group="two")]
    assert [text for text, _ in joined(rows)] == ["bc"]


def test_a_value_within_one_part_is_replaced_once() -> None:
    """B12 B27: joining finds a value again that stands in one part; there is one replacement."""
    screened = sent(f"Mail {MAIL} now", " and then", group="messages[0]")
    assert screened.changes == {"messages[0].content": "Mail <EMAIL_1> now"}
    assert len(screened.verdict.findings) == 1


@given(parts=st.lists(st.text(max_size=5), min_size=1, max_size=5), data=st.data())
def test_a_spread_finding_covers_the_same_text(parts: list[str], data: st.DataObject) -> None:
    """B12: the pieces of a finding over parts, put together, are the finding."""
    rows = [Segment(str(i), text, group="g") for i, text in enumerate(parts)]
    offsets = [(sum(map(len, parts[:i])), row) for i, row in enumerate(rows)]
    whole = "".join(parts)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    pieces = spread(Finding("pii.email", start, end, 1.0, "pattern"), offsets)
    if pieces:
        assert "".join(parts[int(p.path)][p.start : p.end] for p in pieces) == whole[start:end]
        assert len(pieces) > 1
    else:
        assert sum(1 for at, row in offsets if max(start, at) < min(end, at + len(row.text))) < 2


def test_without_texts_nothing_is_asked() -> None:
    """A request that holds no text needs no check, and the receipt says so."""
    who = kit.exchange()
    steps = Steps(BOTH)
    steps.run(screen_input(kit.policy(BOTH), who, [], ()))
    assert steps.effects == []
    assert who.receipts.by_name == {"detect": Receipt.NOT_APPLICABLE}


def test_an_outer_mount_leaves_the_redaction_to_the_inner() -> None:
    """Stacked: `change=False` decides blocks and changes nothing."""
    who = kit.exchange()
    assert sent(MAIL, who=who, change=False).changes == {}
    assert not who.placeholders.restorable
    assert sent(CARD, change=False).verdict.blocking is not None
    assert sent(MAIL, who=who).changes == {"messages[0].content": "<EMAIL_1>"}


@pytest.mark.parametrize("stage", ["input", "output"])
def test_a_detector_that_is_down_is_a_finding(stage: str) -> None:
    """Law 1: `Unavailable` thrown in for `Detect` is decided by the rules like any finding, and blocks."""
    who, policy = kit.exchange(), kit.policy(BOTH)
    flow = (
        screen_input(policy, who, segments(MAIL), ())
        if stage == "input"
        else screen_output(policy, who, segments(MAIL), ())
    )
    next(flow)
    try:
        flow.throw(Unavailable("detect", "timeout"))
        flow.send([FINE])
    except StopIteration as stop:
        screened = stop.value
    assert screened.verdict.blocking.finding.kind == "guard.unavailable.detect"
    assert screened.changes == {}
    assert who.receipts.by_name["detect"] is Receipt.FAILED_CLOSED


@pytest.mark.parametrize("lists", [[], [[]], [[], [], []]])
@pytest.mark.parametrize("screen", [screen_input, screen_output])
def test_a_detector_that_loses_a_text_is_refused(screen: Any, lists: list[list[Finding]]) -> None:
    """A20: a text without an answer was not looked at: the call breaks, and is never taken for a clean one."""
    flow = screen(kit.policy(BOTH), kit.exchange(), segments("one", "two"), ())
    next(flow)
    with pytest.raises(ValueError, match="once a text"):
        flow.send(lists)


def test_a_failed_detector_may_be_let_pass_by_rule() -> None:
    """E11: fail-open is a rule of the policy, and its receipt is not `ran`."""
    policy = BOTH.replace("input: {rules: {", "input: {rules: {guard.unavailable.*: flag, ")
    who = kit.exchange()
    flow = screen_input(kit.policy(policy), who, segments("hi"), ())
    next(flow)
    with pytest.raises(StopIteration) as stop:
        flow.send([[Finding("guard.unavailable.presidio", 0, 0, 1.0, "guard")]])
    assert stop.value.value.verdict.enforced is Action.FLAG
    assert who.receipts.by_name["detect"] is Receipt.FAILED_OPEN


# toward the caller


def test_output_detects_then_judges_the_redacted_text() -> None:
    """B19: the judge is asked after the redaction, about the text without what was found or restored."""
    who = kit.exchange(("pii.email", MAIL))
    screened, steps = answered(f"<EMAIL_1>, {MAIL} and {MAIL2}", who=who)
    assert [type(effect) for effect in steps.effects] == [Detect, Score]
    assert steps.judged == ["<EMAIL_1>, <EMAIL_1> and <EMAIL_2>"]
    assert screened.changes == {"choices[0].text": f"{MAIL}, {MAIL} and <EMAIL_2>"}
    assert screened.scores == {"choices[0].text": FINE}
    assert who.receipts.by_name == {"detect": Receipt.RAN, "moderation": Receipt.RAN}


def test_restored_originals_are_no_findings() -> None:
    """Law 7: the caller's own value may stand in an answer; the same value in a fresh exchange may not."""
    own, _ = answered(f"Hello {MAIL}", who=kit.exchange(("pii.email", MAIL)))
    other, _ = answered(f"Hello {MAIL}")
    assert own.changes == {}
    assert not any(f.kind.startswith("pii.") for f in own.verdict.findings)
    assert other.changes == {"choices[0].text": "Hello <EMAIL_1>"}


def test_a_value_that_was_redacted_for_good_is_a_finding_again() -> None:
    """B30: what the model brought in an earlier answer of the exchange is nobody's own in the next."""
    who = kit.exchange()
    for _ in range(2):
        screened, _ = answered(f"Hello {MAIL}", who=who)
        assert screened.changes == {"choices[0].text": "Hello <EMAIL_1>"}


def test_a_judged_block_names_the_choice() -> None:
    """One finding a category and text, allowed ones too; the block says where it stands."""
    screened, _ = answered("calm", "harm", scores=lambda text: BAD if text == "harm" else FINE)
    blocking = screened.verdict.blocking
    assert blocking is not None
    assert (blocking.finding.kind, blocking.finding.path) == ("moderation.violence", "choices[1].text")
    assert len(screened.verdict.findings) == 2 * len(FINE)
    assert screened.verdict.findings[0].source == "moderation:omni-moderation-latest"


def test_an_outage_of_the_judge_is_a_finding() -> None:
    """C16: `Unavailable` thrown in for `Score` is `guard.unavailable.moderation`, and blocks by the same rules."""

    def down(text: str) -> Any:
        raise Unavailable("moderation", "HTTP 500")

    who = kit.exchange()
    screened, _ = answered("hi", scores=down, who=who)
    assert screened.verdict.blocking is not None
    assert screened.verdict.blocking.finding.kind == "guard.unavailable.moderation"
    assert who.receipts.by_name["moderation"] is Receipt.FAILED_CLOSED
    policy = BOTH.replace("output: {rules: {", "output: {rules: {guard.unavailable.moderation: flag, ")
    who = kit.exchange()
    screened, _ = answered("hi", scores=down, who=who, policy=policy)
    assert screened.verdict.enforced is Action.FLAG
    assert who.receipts.by_name["moderation"] is Receipt.FAILED_OPEN


def test_a_missing_category_is_an_outage() -> None:
    """C16: scores that lack a category are no judgement, however low the others are."""
    screened, _ = answered("hi", scores=lambda text: {"violence": 0.01})
    assert screened.verdict.blocking is not None
    assert screened.verdict.blocking.finding.kind == "guard.unavailable.moderation"


def test_without_a_moderation_rule_nobody_is_asked() -> None:
    """No moderation rule, no call: the receipt says `not_applicable`."""
    who = kit.exchange()
    _, steps = answered("hello", policy=kit.REDACTING, who=who)
    assert steps.judged == []
    assert who.receipts.by_name["moderation"] is Receipt.NOT_APPLICABLE


@pytest.mark.parametrize("text", ["", "   \n"])
def test_blank_texts_are_not_judged(text: str) -> None:
    """A text that says nothing is not asked about."""
    _, steps = answered(text)
    assert steps.judged == []


def test_ids_are_not_judged() -> None:
    """Names, ids and schema keys are no prose: found in, not judged."""
    _, steps = answered(Segment("id", "call-me", Change.FIXED), "prose")
    assert steps.judged == ["prose"]


def test_a_provider_error_is_redacted_not_restored_nor_judged() -> None:
    """C14: an error that repeats the prompt ends in logs: placeholders stay placeholders."""
    who = kit.exchange(("pii.email", MAIL))
    screened, steps = answered(f"bad prompt: <EMAIL_1> {MAIL2}", who=who, judging=False)
    assert screened.changes == {"choices[0].text": "bad prompt: <EMAIL_1> <EMAIL_2>"}
    assert steps.judged == []


def test_what_an_inner_mount_released_is_not_screened_again() -> None:
    """Stacked: text that (b) released passes (a) as it is, without a question; other text does not."""
    who = kit.exchange(("pii.email", MAIL), stacked=True)
    inner, _ = answered("Hello <EMAIL_1>", who=who)
    released = inner.changes["choices[0].text"]
    outer, steps = answered(released, "added by the app", who=who)
    assert outer.changes == {}
    assert steps.judged == ["added by the app"]


def test_what_was_blocked_is_not_released() -> None:
    """Stacked: a text that the inner mount blocked is judged again if the application sends it all the same."""
    who = kit.exchange(stacked=True)
    answered("harm", "calm", who=who, scores=lambda text: BAD if text == "harm" else FINE)
    _, steps = answered("harm", "calm", who=who)
    assert steps.judged == ["harm"]


def test_the_memo_holds_no_text() -> None:
    """Law 3: sets of the exchange name texts by keyed hash, and nothing of it is in a repr."""
    who = kit.exchange(stacked=True)
    sent("a secret text", who=who)
    answered("another secret", who=who)
    assert who.sent
    assert who.released
    assert "secret" not in repr(who.sent) + repr(who.released) + repr(who)


def test_what_holds_texts_shows_none() -> None:
    """Law 3: tuples that pass through a call print themselves as objects do: in a traceback, a log, a debugger."""
    text = "a secret text"
    held = (
        Screened(Verdict(Stage.INPUT, Action.ALLOW, Action.ALLOW), {"": text}, Receipts()),
        Prepared(clear(_noted(), text.encode()), False, text),
        Modern({"messages": text}),
        Document(text, str.encode),
        Reply(200, text.encode()),
    )
    assert [row for row in held if "secret" in f"{row!r} {row}"] == []


def _noted() -> Screened:
    receipts = Receipts()
    for check in ("detect", "record"):
        receipts.note(check, Receipt.RAN)
    return Screened(Verdict(Stage.INPUT, Action.ALLOW, Action.ALLOW), {}, receipts)


def test_streams_of_an_inner_mount_are_remembered() -> None:
    """Stacked: an answer that (b) streamed and the application sends whole, or in other pieces, passes."""
    who = kit.exchange(stacked=True)
    who.note_streamed("choices[0].content", "Hello ")
    who.note_streamed("choices[0].content", "world, how are you?")
    _, steps = answered("Hello world, how are you?", "world, how", "another world", who=who)
    assert steps.judged == ["another world"]
    alone = kit.exchange()
    alone.note_streamed("choices[0].content", "Hello")
    assert not alone.passed("Hello")


def test_opaque_answers_are_decided() -> None:
    """Law 1: what cannot be read in an answer blocks."""
    audio = Finding("guard.opaque.audio", 0, 0, 1.0, "guard", "choices[0].message.audio")
    screened, _ = answered("hi", opaque=[audio])
    assert screened.verdict.blocking is not None
    assert screened.verdict.blocking.finding is audio


# observe


def test_observe_changes_nothing_in_either_direction() -> None:
    """mode: observe: the verdict says block, nothing is enforced, no text changes, nothing is restored."""
    screened = sent(f"{MAIL} {CARD}", policy=OBSERVING)
    assert (screened.verdict.action, screened.verdict.enforced) == (Action.BLOCK, Action.ALLOW)
    assert screened.changes == {}
    screened, steps = answered(f"{MAIL} {CARD}", policy=OBSERVING, scores=lambda text: BAD)
    assert (screened.verdict.action, screened.verdict.enforced) == (Action.BLOCK, Action.ALLOW)
    assert screened.changes == {}
    assert {"pii.card", "pii.email", "moderation.violence"} <= {f.kind for f in screened.verdict.findings}
    assert len(steps.judged) == 1


def test_observed_opaque_and_outages_pass() -> None:
    """mode: observe: even what could not be checked only records; the receipt says `failed_open`."""
    who = kit.exchange()
    image = Finding("guard.opaque.image", 0, 0, 1.0, "guard", "x")
    assert sent("hi", opaque=[image], policy=OBSERVING).verdict.blocking is None
    screened, _ = answered("hi", policy=OBSERVING, who=who, scores=lambda text: {})
    assert screened.verdict.blocking is None
    assert who.receipts.by_name["moderation"] is Receipt.FAILED_OPEN


def test_one_rule_may_observe_alone() -> None:
    """`mode: observe` on a rule: that rule records, the others are enforced."""
    policy = BOTH.replace(
        "'pii.card': block, 'pii.ip'", "'pii.card': {action: block, mode: observe}, 'pii.ip'"
    )
    screened = sent(f"{MAIL} {CARD}", policy=policy)
    assert screened.changes == {"messages[0].content": f"<EMAIL_1> {CARD}"}
    assert (screened.verdict.action, screened.verdict.enforced) == (Action.BLOCK, Action.REDACT)


def test_a_fixed_place_is_only_observed_under_observe() -> None:
    """A redaction hardened to a block is not enforced where nothing is."""
    flow = screen_input(kit.policy(OBSERVING), kit.exchange(), [Segment("user", MAIL, Change.FIXED)], ())
    verdict = Steps(OBSERVING).run(flow).verdict
    assert (verdict.action, verdict.enforced) == (Action.BLOCK, Action.ALLOW)


# the record


def test_subjects_are_keyed_hashes_of_the_values() -> None:
    """Law 3: the same person has the same subject in every exchange of an installation; no value is kept."""
    first, second = kit.exchange(), kit.exchange()
    one = sent(f"to {MAIL}", who=first).verdict.findings[0]
    two = sent(f"hello dear {MAIL}", who=second).verdict.findings[0]
    assert first.subject(one) == second.subject(two) != ""
    assert "alice" not in first.subject(one)
    assert first.subject(Finding("guard.opaque.image", 0, 0, 1.0, "guard")) == ""


def test_screened_bytes_are_counted() -> None:
    """Bytes of UTF-8, not characters."""
    assert sent("aé好").screened_bytes == 6


def test_verdicts_carry_the_policy_that_decided() -> None:
    """C47: the digest of the policy stands on the verdict."""
    assert sent("hi").verdict.policy == kit.policy(BOTH).sha256 != ""
