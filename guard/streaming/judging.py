"""What the judge says of a streamed answer's texts, as a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from guard import moderation
from guard.engine import note_moderation, unavailable
from guard.errors import Unavailable
from guard.policy.decide import decide
from guard.streaming.parts import Job
from guard.streaming.state import State
from guard.types import Finding, Stage, Verdict


def judged(state: State, job: Job, answers: Sequence[Mapping[str, float]] | Unavailable) -> Verdict:
    """Decide over the scores of a question's texts, or over the reason why there are none."""
    if isinstance(answers, Unavailable):
        path = job.lane.name if job.lane else next((s.path for s in job.segments), "")
        found = [unavailable(state.policy, state.exchange, answers, path)]
    else:
        paths = [job.lane.name] * len(answers) if job.lane else [s.path for s in job.segments]
        found = _moderated(state, paths, answers)
    verdict = decide(state.policy, Stage.OUTPUT, found)
    state.record(verdict.decisions)
    return verdict


def _moderated(state: State, paths: Sequence[str], answers: Sequence[Mapping[str, float]]) -> list[Finding]:
    found: list[Finding] = []
    for path, scores in zip(paths, answers, strict=True):
        found += moderation.findings(
            scores, path, state.policy.moderation.model, state.policy.moderation.categories
        )
    note_moderation(state.policy, state.exchange, found)
    return found
