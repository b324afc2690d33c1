"""How a choice or the whole answer ends early: the policy's message, and nothing of what was blocked."""

from __future__ import annotations

from typing import Any

from guard.sentences import message_for
from guard.streaming.ops import Emit, End, Op
from guard.streaming.parts import Ending, Item, choice_of
from guard.streaming.state import State
from guard.types import Stage
from guard.wire import jsonbody, refusal, sse


class Endings:
    """Find what ends at an event, and write its end."""

    def __init__(self, state: State) -> None:
        self._state = state

    def at(self, item: Item) -> list[Ending]:
        """The choices that end at this event, each for its first reason."""
        found: dict[str, Ending] = {}
        lanes = [lane for _, lane, _, end in item.ranges if lane.done < end]
        for lane in (*lanes, *self._state.through(item)):
            if lane.blocking is not None and not lane.dead:
                choice = choice_of(lane.name)
                ending = Ending(choice, lane.blocking, lane.name, lane.told, lane.item_id)
                found.setdefault(choice, ending)
        if item.blocking is not None:
            data = item.data(self._state.limits)
            choice = _choice_at(data, item.blocking.finding.path)
            index = data.get("output_index")
            lane_name = choice or f"output[{index if type(index) is int else len(self._state.lanes)}]"
            if choice not in self._state.dead:
                found[choice] = Ending(choice, item.blocking, lane_name, whole=True)
        return list(found.values())

    def left(self, data: dict[str, Any], ending: set[str], speaking: set[str]) -> dict[str, Any] | None:
        """What is left of an event: without the choices that are over, and None where that is nothing."""
        choices = data.get("choices")
        if "" in ending:
            return data if "" in speaking else None
        if not isinstance(choices, list) or not (ending or self._state.dead):
            return data
        over = self._state.dead | (ending - speaking)
        named = [(_choice_name(choice, place), choice) for place, choice in enumerate(choices)]
        kept = [{**c, "finish_reason": None} if n in ending else c for n, c in named if n not in over]
        if not kept and choices:
            return None
        return {**data, "choices": kept} if ending or len(kept) < len(choices) else data

    def refuse(self, ending: Ending) -> list[Op]:
        """End a choice: the policy's message, `content_filter`, and nothing of what was blocked."""
        kind, languages = ending.blocking.finding.kind, self._state.exchange.languages
        message = message_for(self._state.policy, ending.blocking, Stage.OUTPUT, languages)
        if kind.startswith("guard.") and kind != "guard.tool":  # what the model itself did is no outage
            return self.fail(kind, message)
        self._state.code = kind
        if self._state.exchange.stacked:
            self._state.exchange.note_streamed(ending.lane, message)
        self._state.dead.add(ending.choice)
        for lane in self._state.lanes.values():
            lane.dead = lane.dead or choice_of(lane.name) == ending.choice
        events = refusal.blocked_events(
            self._state.endpoint,
            {**(self._state.template or {}), "sequence_number": self._state.sequence},
            ending.lane,
            message,
            released=ending.released,
            item_id=ending.item_id,
        )
        ops: list[Op] = [Emit(sse.encode(jsonbody.dump(e).decode(), event=e.get("type"))) for e in events]
        if ending.choice and len(self._state.dead) < self._state.choices:
            return ops
        self._state.ended = self._state.complete = True
        return [
            *ops,
            *([Emit(sse.encode("[DONE]"))] if self._state.endpoint.ends_with_done else []),
            End(kind),
        ]

    def fail(self, code: str, message: str) -> list[Op]:
        """End the stream with an error event."""
        self._state.ended = self._state.complete = True
        self._state.code = code
        return [Emit(refusal.error_event(code, message)), End(code)]


def _choice_name(choice: Any, place: int) -> str:
    index = choice.get("index") if isinstance(choice, dict) else None
    return f"choices[{index if type(index) is int else place}]"


def _choice_at(data: dict[str, Any], path: str) -> str:
    """The choice that a path of an event is about: by the index it gives itself, as lanes are named."""
    if not path.startswith("choices["):
        return ""
    place = int(path[len("choices[") : path.index("]")])
    return _choice_name(data["choices"][place], place)
