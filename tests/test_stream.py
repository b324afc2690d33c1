"""One streamed answer, step by step: what leaves when, in which order, and what is held for whom."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guard import stream
from guard.errors import Unavailable
from guard.streaming import state
from guard.streaming.ops import Ask, Emit, End, Find
from guard.types import Action, Receipt

_spec = importlib.util.spec_from_file_location("stream_kit", Path(__file__).with_name("stream_kit.py"))
assert _spec is not None
assert _spec.loader is not None
kit = sys.modules.setdefault("stream_kit", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(kit)

CALM = "It rains in Spain again, they say. The sun comes out at noon. We all go for a walk. "
NONE = kit.JUDGED.replace("context: 8", "context: 8, hold: none")
FULL = kit.JUDGED.replace("context: 8", "context: 8, hold: full")


def chunk(text: str | None = None, index: int = 0, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    content = {} if text is None else {"content": text}
    choice = {"index": index, "delta": {**content, **delta}, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [choice]}


def call(arguments: str, index: int = 0) -> dict[str, Any]:
    return chunk(tool_calls=[{"index": index, "type": "function", "function": {"arguments": arguments}}])


def machine(text: str = kit.JUDGED, endpoint: str = "chat", who: Any = None, **more: Any) -> Any:
    """A gate whose judge is not asked until the test says so."""
    judge = more.pop("judge", kit.simulated_scores)
    return kit.Run(kit.gate(text, endpoint, who, **more), kit.scanner(text).scan, judge, lazy=True)


def rows(*events: Any) -> bytes:
    return bytes(kit.wire(events, done=False))


def unavailable(text: str) -> Any:
    raise Unavailable("moderation", "HTTP 500")


# when things leave


def test_nothing_leaves_before_the_check_that_covers_it() -> None:
    """Law 6: a window's text waits for its judge, and for the windows before it."""
    run = machine()
    run.feed([rows(chunk(CALM * 3))])
    assert run.out == b""
    assert len(run.open) == 2
    run.answer(1)
    assert run.out == b""
    run.answer(0)
    assert not run.open or run.asked[0] in CALM
    assert run.gate.full or run.open
    run.finish()
    assert kit.told(run.events) == {"0": CALM * 3}


def test_the_first_text_leaves_within_its_window() -> None:
    """A28: the first words leave when their window was judged, long before the end of the stream."""
    run = machine()
    events = kit.provider("chat", [CALM * 20])
    for count, event in enumerate(events):  # noqa: B007
        run.feed([kit.event_bytes(event)])
        while run.open:
            run.answer(0)
        if kit.told(run.events):
            break
    assert count < 20
    assert len(events) > 400


def test_comments_leave_at_once() -> None:
    """A23: a keep-alive comment overtakes the text that is held back."""
    run = machine()
    run.feed([rows(chunk("It rains")), b": ping\n\n"])
    assert run.out == b": ping\n\n"
    run.finish()
    assert kit.told(run.events) == {"0": "It rains"}


def test_events_without_text_keep_their_place() -> None:
    """C15: role-only, null and empty deltas, empty choices, a usage chunk: unharmed, in order, byte for byte."""
    data = kit.wire(
        [
            chunk(role="assistant", refusal=None),
            chunk("", finish=None),
            chunk(CALM),
            {
                "id": "chatcmpl-1",
                "choices": [],
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
            },
            {**chunk(), "choices": [{"index": 0, "delta": {"content": None}, "finish_reason": None}]},
            chunk(finish="content_filter"),
            {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}},
        ]
    )
    run = machine().feed([data]).finish()
    assert run.out == data
    assert run.gate.seen.usage == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert run.gate.seen.finish_reasons == ["content_filter"]


def test_a_held_call_holds_what_follows_it() -> None:
    """B24: tool arguments leave whole, at their end, and nothing overtakes them."""
    run = machine(kit.REDACTING)
    run.feed([rows(call('{"to": "ali'), call('ce@corp.com"}'), chunk("Done it. "))])
    assert run.out == b""
    run.feed([rows(chunk(finish="tool_calls"))])
    assert kit.told(run.events) == {"0.0": '{"to":"<EMAIL_1>"}', "0": "Done it. "}


def test_padding_is_not_judged() -> None:
    """A chunk's `obfuscation` is noise by the provider: the judge is asked about the text alone."""
    run = kit.run(kit.JUDGED, "chat", [kit.wire(kit.provider("chat", [CALM]))])
    assert all(any(word in text for word in CALM.split()) for text in run.asked)


# how much is in flight


def test_two_windows_in_flight_stop_the_reading() -> None:
    """A27 C17: while the judge is silent the gate takes two windows, asks no more, and says that it is full."""
    run = machine()
    run.feed([rows(chunk(CALM))])
    assert run.gate.full
    assert run.gate.held
    run.take(run.gate.feed(rows(chunk(CALM * 50))))
    assert len(run.open) == 2
    run.answer(0)
    assert len(run.open) == 2
    run.finish()
    assert kit.told(run.events) == {"0": CALM * 51}


def test_nothing_is_read_behind_the_end() -> None:
    """A25: once `[DONE]` came, or a refusal, nothing more is wanted of the upstream."""
    run = machine(kit.REDACTING)
    run.feed([rows(chunk("hello")) + kit.DONE])
    assert run.gate.full
    assert run.gate.ended


def test_a_text_without_an_end_is_not_held_for_ever() -> None:
    """A27: arguments longer than any answer end the stream as a check that could not run, not the memory."""
    run = machine(kit.REDACTING)
    run.feed(rows(call("a" * 60_000)) for _ in range(10))
    assert run.ends == ["guard.unavailable.detect"]
    assert not run.done
    assert run.gate.verdict().enforced is Action.BLOCK
    assert b"aaa" not in run.out


def test_a_queue_that_cannot_leave_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A27: one choice that says a word and falls silent must not let the other fill the memory."""
    monkeypatch.setattr(stream, "QUEUE_BYTES", 100_000)
    run = machine(kit.REDACTING, choices=2)
    run.feed([rows(chunk("wait"))])
    run.feed(rows(chunk(CALM, index=1)) for _ in range(1000))
    assert run.ends == ["guard.unavailable.detect"]
    assert b"Spain" not in run.out


def test_the_number_of_lanes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A27: an upstream that opens choice after choice ends the stream as one that cannot be read."""
    monkeypatch.setattr(stream, "LANES", 100)
    run = (
        machine(kit.REDACTING, choices=1000).feed(rows(chunk("word ", index=i)) for i in range(1000)).finish()
    )
    assert run.ends == ["guard.opaque.field"]
    assert len(kit.told(run.events)) == 100
    assert not run.done


@pytest.mark.parametrize("policy", [kit.REDACTING, kit.JUDGED, NONE, FULL])
def test_a_silent_lane_stops_nobody(policy: str) -> None:
    """No deadlock: a choice that says one word and no more, or a call that never ends, and the rest goes on."""
    events = [chunk("wait"), call('{"a": "b'), *(chunk(CALM, index=1) for _ in range(20))]
    run = machine(policy, choices=2)
    run.feed([rows(event) for event in [*events, chunk(finish="stop", index=1)]]).finish()
    assert kit.told(run.events) == {"0": "wait", "0.0": '{"a": "b', "1": CALM * 20}


def test_questions_are_bounded_where_nothing_waits_for_them() -> None:
    """`hold: none`: text does not wait, but a judge that never answers is not asked for ever."""
    run = machine(NONE)
    run.take(run.gate.feed(rows(chunk(CALM * 100))))
    fed = 0
    while not run.gate.full and fed < 10_000:
        run.take(run.gate.feed(rows(chunk(CALM))))
        fed += 1
    assert fed < 100
    assert not run.gate.held


def long_stream(total: int) -> Iterator[bytes]:
    """A stream of so many characters in which there is something to redact now and then."""
    for number in range(total // 400):
        tail = "Write to alice@corp.com or not. " if number % 16 == 0 else ""
        text = CALM * (400 // len(CALM))
        yield rows(chunk(text + tail + CALM[: max(0, 400 - len(text + tail))]))
    yield kit.DONE


@pytest.mark.slow
@pytest.mark.parametrize("policy", [kit.QUIET, kit.JUDGED])
def test_memory_does_not_grow_with_the_stream(policy: str) -> None:
    """A27: four times the text takes no more than a few bytes a character more."""
    peaks = []
    for total in (20_000, 80_000):
        run = machine(policy)
        tracemalloc.start()
        for piece in long_stream(total):
            run.take(run.gate.feed(piece))
            while run.open:
                run.answer(0)
            run.out, run.asked, run.found = b"", [], []
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert run.ends == [""]
    assert peaks[1] - peaks[0] < 60_000 * 8


# answers that come late, twice, or in another order


def test_scores_in_any_order_release_in_order() -> None:
    """Law 6: the second window's answer first: nothing leaves until the first one came."""
    words = [chunk(word + " ") for word in CALM.split()]
    first, second = (machine().feed([rows(*words)]) for _ in range(2))
    first.answer(0)
    second.answer(1)
    assert first.out != b""
    assert second.out == b""
    assert kit.told(first.finish().events) == kit.told(second.finish().events)


def test_answers_behind_the_end_change_nothing() -> None:
    """An ended gate takes late findings and late scores, and says no more: not a second `[DONE]`."""
    gate = kit.gate(kit.JUDGED, "chat")
    ops = gate.feed(rows(chunk("You. I will hurt you, I will hurt you. " * 4)))
    finds = [op for op in ops if isinstance(op, Find)]
    assert len(finds) == 2
    asks = [op for find in finds for op in gate.found(find.key, [[]])]
    assert all(isinstance(op, Ask) for op in asks)
    bad = {**kit.simulated_scores("calm"), "violence": 0.95}
    ended = gate.scored(asks[0].key, [bad])
    assert isinstance(ended[-1], End)
    assert gate.ended
    assert gate.scored(asks[1].key, [bad]) == []
    assert gate.feed(rows(chunk("more")) + kit.DONE) == []
    assert gate.finish() == []


def test_findings_behind_the_end_change_nothing() -> None:
    """Two windows found in one batch, both blocked: one refusal leaves."""
    policy = kit.HEAD + "output: {rules: {'pii.*': block, 'moderation.*': allow}}\n"
    gate = kit.gate(policy, "chat")
    finds = gate.feed(rows(chunk("alice@corp.com wrote bob@corp.com wrote carol@corp.com wrote ")))
    finds = [op for op in finds if isinstance(op, Find)]
    assert len(finds) > 1
    scan = kit.scanner(policy).scan
    ops = [op for find in finds for op in gate.found(find.key, [scan(text) for text in find.texts])]
    assert sum(isinstance(op, End) for op in ops) == 1
    sent = b"".join(op.data for op in ops if isinstance(op, Emit))
    assert sent.count(b"content_filter") == 1
    assert sent.count(b"[DONE]") == 1
    assert b"corp.com" not in sent


# the endings of a stream


def test_bytes_behind_done_are_dropped() -> None:
    """A25: `[DONE]` is sent once and last, whatever follows it."""
    data = rows(chunk("hello "), chunk(finish="stop")) + kit.DONE
    late = rows(chunk("and more")) + b": late\n\n" + kit.DONE
    run = machine(kit.REDACTING).feed([data + late, late]).finish()
    assert run.out == data
    assert run.ends == [""]
    assert run.gate.complete


@pytest.mark.parametrize("policy", [kit.REDACTING, kit.JUDGED, FULL, NONE])
def test_a_cut_stream_is_not_completed(policy: str) -> None:
    """A26: what was held leaves, the half event does not, no `[DONE]` is made up, and it counts as truncated."""
    run = machine(policy).feed([rows(chunk("Write to alice@corp.com")), rows(chunk("secret"))[:-1]]).finish()
    assert kit.told(run.events) == {"0": "Write to <EMAIL_1>"}
    assert not run.done
    assert run.ends == [""]
    assert not run.gate.complete


def test_an_error_in_the_stream_is_the_last_event() -> None:
    """C13 C14: held text leaves first, then the error, redacted and with nothing restored; no `[DONE]`."""
    error = {"error": {"message": "no: bob@corp.com, <EMAIL_1>", "type": "server_error", "code": None}}
    who = kit.exchange(("pii.email", "carol@corp.org"))
    run = machine(kit.REDACTING, who=who)
    run.feed([rows(chunk("Hello <EMAIL_1>"), error, chunk("more")) + kit.DONE]).finish()
    assert kit.told(run.events) == {"0": "Hello carol@corp.org"}
    assert run.events[-1]["error"]["message"] == "no: <EMAIL_2>, <EMAIL_1>"
    assert not run.done
    assert run.ends == ["upstream_error"]


@pytest.mark.parametrize(
    "broken", [b"data: {not json}\n\n", b"data: [1]\n\n", b'data: "\xff"\n\n', b'data: {"a":1,"a":2}\n\n']
)
def test_an_event_that_cannot_be_read_ends_the_stream(broken: bytes) -> None:
    """C12: what came before leaves, then one error event: nothing unscreened passes, nothing looks complete."""
    run = machine(kit.REDACTING).feed([rows(chunk("Write to alice@corp.com")), broken, rows(chunk("x"))])
    assert kit.told(run.finish().events) == {"0": "Write to <EMAIL_1>"}
    assert list(run.events[-1]) == ["error"]
    assert not run.done
    assert run.ends[0]
    assert b"not json" not in run.out


# the judge


def test_a_judge_that_cannot_answer_ends_the_stream_as_an_outage() -> None:
    """C16: one `data: {"error": …}` and no `[DONE]`: an outage is not a violation."""
    run = machine(judge=unavailable).feed([rows(chunk(CALM))]).finish()
    assert run.events == [run.events[0]]
    assert run.events[0]["error"]["code"] == "guard.unavailable.moderation"
    assert b"content_filter" not in run.out
    assert not run.done
    assert run.ends == ["guard.unavailable.moderation"]
    assert run.gate._state.exchange.receipts.by_name["moderation"] is Receipt.FAILED_CLOSED


def test_a_judge_that_fails_later_ends_the_stream_there() -> None:
    """C16: what was judged before the outage has left, the rest has not."""
    run = machine().feed([rows(chunk(CALM))])
    run.answer(0)
    run.judge = unavailable
    run.finish()
    told = kit.told(run.events)["0"]
    assert told
    assert CALM.startswith(told)
    assert told != CALM
    assert run.events[-1]["error"]["code"] == "guard.unavailable.moderation"


def test_missing_categories_are_an_outage() -> None:
    """C16: an answer that lacks a category judged nothing."""
    run = machine(judge=lambda text: {"violence": 0.01}).feed([rows(chunk(CALM))]).finish()
    assert run.ends == ["guard.unavailable.moderation"]
    assert kit.told(run.events) == {}


def test_a_policy_that_lets_an_outage_pass_is_recorded() -> None:
    """E11: fail-open only by rule, and the receipt says so."""
    policy = kit.JUDGED.replace("'pii.*'", "guard.unavailable.moderation: flag, 'pii.*'")
    run = machine(policy, judge=unavailable).feed([rows(chunk(CALM)), kit.DONE]).finish()
    assert kit.told(run.events) == {"0": CALM}
    assert run.done
    assert run.gate._state.exchange.receipts.by_name["moderation"] is Receipt.FAILED_OPEN
    assert "guard.unavailable.moderation" in {f.kind for f in run.gate.verdict().findings}


def test_the_judge_sees_no_original() -> None:
    """B19: placeholders stay placeholders for the judge, the model's own findings are redacted, repeats too."""
    who = kit.exchange(("pii.email", "carol@corp.org"))
    text = "Write to <EMAIL_1> and carol@corp.org and alice@corp.com. " * 4
    run = kit.run(kit.JUDGED, "chat", [kit.wire(kit.provider("chat", [text]))], who)
    assert "carol@corp.org" in kit.told(run.events)["0"]
    assert "corp" not in "".join(run.asked)


def test_a_value_that_the_model_repeats_is_redacted_every_time() -> None:
    """B25 B30: once taken out, a value is nobody's own in the next window, even where the rule says `restore`."""
    policy = kit.REDACTING.replace("'pii.*': redact", "'pii.*': {action: redact, as: token, restore: true}")
    text = "Mail alice@corp.com. Then again, alice@corp.com, or just alice@corp.com now. "
    for rules in (kit.REDACTING, policy):
        run = kit.run(rules, "chat", [kit.wire(kit.provider("chat", [text]))])
        assert kit.told(run.events)["0"] == text.replace("alice@corp.com", "<EMAIL_1>")


def test_windows_are_judged_with_what_came_before_them() -> None:
    """A phrase that two windows share is seen: each question begins with the end of the text before."""
    run = kit.run(kit.JUDGED, "chat", [kit.wire(kit.provider("chat", [CALM]))])
    assert len(run.asked) > 2
    for before, after in zip(run.asked, run.asked[1:], strict=False):
        assert after.startswith(before[-8:]) or before[-8:] in after


# hold: full, none


def test_hold_full_lets_nothing_leave_before_the_end() -> None:
    """hold: full: one question about the whole, and then everything."""
    run = machine(FULL).feed([rows(chunk(CALM), chunk(CALM))])
    assert (run.out, run.open) == (b"", [])
    run.feed([rows(chunk(finish="stop")) + kit.DONE])
    assert [run.out, len(run.open)] == [b"", 1]
    run.answer(0)
    assert kit.told(run.events) == {"0": CALM * 2}
    assert run.done


def test_hold_none_lets_text_leave_before_the_judge_answers() -> None:
    """hold: none: text leaves redacted at once; the end waits for the judge, and his block still counts."""
    text = CALM + "Write to alice@corp.com. I will hurt you. " + CALM
    run = machine(NONE).feed([rows(chunk(text), chunk(finish="stop")) + kit.DONE])
    left = kit.told(run.events)["0"]
    assert left == text.replace("alice@corp.com", "<EMAIL_1>")
    assert not run.done
    run.finish()
    assert run.done
    assert kit.finishes(run.events) == {0: ["content_filter"]}
    assert run.gate.verdict().enforced is Action.BLOCK


def test_hold_none_stops_the_text_at_the_next_event() -> None:
    """hold: none: once the judge has said no, no further text of the choice leaves."""
    run = machine(NONE).feed([rows(chunk("I will hurt you. I will hurt you. "))])
    while run.open:
        run.answer(0)
    run.feed([rows(chunk("And more of it. ")), rows(chunk(CALM))])
    assert run.ends == ["moderation.harassment/threatening"]
    assert "more" not in kit.told(run.events)["0"]
    assert run.done


# what is nobody's news


def test_what_an_inner_mount_released_is_not_screened_again() -> None:
    """Stacked mounts share one exchange: the outer gate passes what the inner released, and asks nobody."""
    who = kit.exchange(stacked=True)
    text = CALM + "Write to alice@corp.com. "
    inner = kit.run(kit.JUDGED, "chat", [kit.wire(kit.provider("chat", [text]))], who)
    outer = kit.run(kit.JUDGED, "chat", [inner.out], who)
    assert outer.out == inner.out
    assert inner.asked
    assert outer.asked == []


def test_the_outer_mount_judges_what_the_application_adds() -> None:
    """Stacked: text that the inner mount never released is found and judged."""
    who = kit.exchange(stacked=True)
    inner = kit.run(kit.JUDGED, "chat", [kit.wire(kit.provider("chat", [CALM]))], who)
    added = rows(chunk("The app adds: bob@corp.com. "))
    outer = kit.run(kit.JUDGED, "chat", [added + inner.out], who)
    assert kit.told(outer.events)["0"].startswith("The app adds: <EMAIL_1>. ")
    assert any("The app adds" in text for text in outer.asked)


def test_a_stream_of_another_exchange_is_screened() -> None:
    """The memo is of one exchange, and only where mounts are stacked."""
    who = kit.exchange()
    data = kit.wire(kit.provider("chat", [CALM]))
    first, second = kit.run(kit.JUDGED, "chat", [data], who), kit.run(kit.JUDGED, "chat", [data], who)
    assert len(first.asked) == len(second.asked) > 0


def test_instructions_that_come_back_are_not_judged() -> None:
    """An echo of what was sent is restored, but it is no answer of the model."""
    who = kit.exchange(("pii.email", "carol@corp.org"))
    who.sent.add(who.digest("Serve <EMAIL_1> kindly."))
    events = kit.provider("responses", [CALM], instructions="Serve <EMAIL_1> kindly.")
    run = kit.run(kit.JUDGED, "responses", [kit.wire(events, done=False)], who)
    assert run.events[0]["response"]["instructions"] == "Serve carol@corp.org kindly."
    assert not any("Serve" in text for text in run.asked)
    fresh = kit.run(kit.JUDGED, "responses", [kit.wire(events, done=False)])
    assert any("Serve" in text for text in fresh.asked)


def responses(texts: Iterable[str] = (CALM,), **more: Any) -> list[dict[str, Any]]:
    return list(kit.provider("responses", list(texts), chunk=10_000, **more))


def test_a_repeat_that_says_something_else_is_screened() -> None:
    """B25: a `.done` that differs from its deltas is a text of its own: found and judged before it leaves."""
    events = responses()
    for event in events:
        if event["type"] == "response.output_text.done":
            event["text"] = "Not what I said: alice@corp.com"
    run = kit.run(kit.JUDGED, "responses", [kit.wire(events, done=False)])
    (done,) = [e for e in run.events if e["type"] == "response.output_text.done"]
    assert done["text"] == "Not what I said: <EMAIL_1>"
    assert "Not what I said: <EMAIL>" in run.asked


def test_a_repeat_of_arguments_that_differs_stays_json() -> None:
    """B24 B25: restored quotes in a repeat that differs from its deltas are escaped."""
    who = kit.exchange(("pii.person", 'Zoe "Z" Doe'))
    events = list(kit.provider("responses", ["x"], tools=['{"a": "b"}'], chunk=10_000))
    for event in events:
        if event["type"] == "response.function_call_arguments.done":
            event["arguments"] = '{"to": "<PERSON_1>"}'
    run = kit.run(kit.REDACTING, "responses", [kit.wire(events, done=False)], who)
    (done,) = [e for e in run.events if e["type"] == "response.function_call_arguments.done"]
    assert json.loads(done["arguments"]) == {"to": 'Zoe "Z" Doe'}


def test_a_whole_text_without_deltas_is_screened() -> None:
    """B26: a provider that sends a text once, at its end, sends no unscreened one."""
    events = [e for e in responses(["Ask alice@corp.com. I will hurt you."]) if "delta" not in e["type"]]
    run = kit.run(kit.JUDGED, "responses", [kit.wire(events, done=False)])
    assert b"alice" not in run.out
    assert b"hurt" not in run.out
    assert run.events[-1]["type"] == "response.incomplete"


def test_several_calls_in_one_chunk() -> None:
    """B24: a provider that sends whole calls, two in a chunk: each is valid JSON, each is masked."""
    calls = [
        {"index": i, "type": "function", "function": {"name": f"f{i}", "arguments": arguments}}
        for i, arguments in enumerate(['{"to": "alice@corp.com"}', '{"n": 1.50, "to": ["bob@corp.com"]}'])
    ]
    run = kit.run(kit.JUDGED, "chat", [rows(chunk(tool_calls=calls), chunk(finish="tool_calls")) + kit.DONE])
    told = kit.told(run.events)
    assert re.fullmatch(r'\{"to":"<EMAIL_\d>"\}', told["0.0"])
    assert re.fullmatch(r'\{"n":1\.5,"to":\["<EMAIL_\d>"\]\}', told["0.1"])
    assert "alice" not in "".join(run.asked)


def test_observe_changes_nothing_and_records() -> None:
    """mode: observe: the stream leaves byte for byte, and the verdict says what would have happened."""
    policy = kit.JUDGED.replace('version: "1"\n', 'version: "1"\nmode: observe\n')
    data = kit.wire(kit.provider("chat", ["Write to alice@corp.com. I will hurt you badly. "]))
    run = kit.run(policy, "chat", [data])
    assert run.out == data
    verdict = run.gate.verdict()
    assert (verdict.action, verdict.enforced) == (Action.BLOCK, Action.ALLOW)
    assert {"pii.email", "moderation.violence"} <= {f.kind for f in verdict.findings}


def test_many_decisions_alike_are_counted_but_not_kept() -> None:
    """The verdict of a long stream counts every window, and keeps as many findings as a record shows."""
    run = kit.run(kit.JUDGED, "chat", [kit.wire(kit.provider("chat", [CALM * 100], chunk=100))])
    windows = [d for d in run.gate.decisions if d.finding.kind == "moderation.violence"]
    assert len(windows) == len(run.asked) > state.KEPT
    assert len({id(d) for d in windows}) == state.KEPT


@pytest.mark.parametrize("policy", [kit.REDACTING, kit.JUDGED])
def test_the_record_says_where_in_the_whole_text_something_was_found(policy: str) -> None:
    """D30 B24: offsets count from the beginning of the lane, not of a window; arguments are named by their call."""
    text = "word " * 40 + "alice@corp.com wrote to bob@corp.com."
    arguments = '{"to": "my card is 4111 1111 1111 1111"}'
    spans = {(text.index(mail), text.index(mail) + len(mail)) for mail in ("alice@corp.com", "bob@corp.com")}
    expected = {
        *(("choices[0].content", *span) for span in spans),
        ("choices[0].tool_calls[0].arguments#<0>", 11, 30),
    }
    found = set()
    for tools in ((), (arguments,)):
        run = kit.run(policy, "chat", [kit.wire(kit.provider("chat", [text], tools=tools, chunk=5))])
        for finding in run.gate.verdict().findings:
            assert (run.gate._state.exchange.subject(finding) != "") == (finding.start < finding.end)
            found |= {(finding.path, finding.start, finding.end)} if finding.start < finding.end else set()
    assert found == expected


@pytest.mark.parametrize("odd", [5, 1.5, True, "x", {"a": 1}, [5], [None]])
def test_choices_of_another_shape_are_screened_as_any_text(odd: Any) -> None:
    """A22: a provider's chunk that is none of the API ends nothing by itself."""
    run = kit.run(kit.REDACTING, "chat", [kit.wire([{"id": "chatcmpl-1", "choices": odd}, chunk("fine.")])])
    assert kit.told(e for e in run.events if e["choices"] != odd) == {"0": "fine."}
    assert (run.ends, run.done) == ([""], True)
