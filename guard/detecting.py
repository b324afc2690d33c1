"""Floor 6, what a policy's detector is made of, and which rules it can never serve."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from guard.errors import SetupError
from guard.kinds import KINDS, NAMES, matches
from guard.policy.decide import least_score, wanted
from guard.policy.model import Policy
from guard.policy.names import ENGINE_KINDS, PRESIDIO_RECOGNIZERS
from guard.settings import Settings
from guard.types import Stage

if TYPE_CHECKING:
    from guard.policy.lists import TermList
    from guard.services.detector import Detector


def open_detector(policy: Policy, settings: Settings, *, start: bool = True) -> Detector:
    """The detector for everything that any stage of the policy acts on."""
    from guard.services.detector import Detector

    detector = Detector(**detector_args(policy, settings))
    if start:
        detector.start()
        _await_engine(policy, detector)
    return detector


def detector_args(policy: Policy, settings: Settings) -> dict[str, Any]:
    """What a policy's detector is made of: of two that are equal one is enough."""
    stages = (Stage.INPUT, Stage.OUTPUT, Stage.LOGS)
    kinds = frozenset(k for s in stages for k in wanted(policy, s) if k.startswith(("pii.", "secret.")))
    recognizers = policy.recognizers
    return {
        "scanner_args": scanner_args(policy, kinds),
        "presidio": tuple(recognizers.presidio.recognizers),
        "presidio_deadline_s": recognizers.presidio.deadline_ms / 1000,
        "engine": recognizers.presidio.engine,
        "models": recognizers.presidio.models,
        "custom": tuple(recognizers.custom),
        "lists": acting_lists(policy, kinds),
        "workers": settings.detect_workers,
        "deadline_s": settings.detect_timeout_s,
    }


def _await_engine(policy: Policy, detector: Detector) -> None:
    """Wait until the models of an engine are loaded; raises SetupError where one is not installed."""
    if policy.recognizers.presidio.engine != "none":
        try:
            detector.wait()
        except SetupError:
            detector.close()
            raise


def acting_lists(policy: Policy, kinds: frozenset[str]) -> list[TermList]:
    """The allow lists, and the deny lists whose kind some rule acts on."""
    return [terms for terms in policy.recognizers.lists if terms.allow or terms.deny in kinds]


def scanner_args(policy: Policy, kinds: frozenset[str]) -> dict[str, Any]:
    """What the catalogue's scanner is made of, here and in the worker processes."""
    recognizers = policy.recognizers
    return {
        "kinds": kinds,
        "countries": recognizers.countries,
        "skip": tuple(recognizers.except_),
        "names": least_score(policy, NAMES) if recognizers.names == "gazetteer" else None,
    }


def findable(policy: Policy) -> Callable[[Stage], frozenset[str]]:
    """Tell the kinds that something looks for, by stage: a rule on any other kind never fires.

    Presidio does not look at log lines, which are redacted where they are written.
    """
    from guard.pii.scan import Scanner

    recognizers = policy.recognizers
    found = {row.kind for row in Scanner(**scanner_args(policy, KINDS)).rows} | policy.own_kinds
    found |= {kind for kind in KINDS if not kind.startswith(("pii.", "secret."))}
    found |= NAMES if recognizers.names == "gazetteer" else frozenset()
    presidio = {PRESIDIO_RECOGNIZERS[name] for name in recognizers.presidio.recognizers}
    presidio |= ENGINE_KINDS if recognizers.presidio.engine != "none" else frozenset()
    return lambda stage: frozenset(found if stage is Stage.LOGS else found | presidio)


def idle_rules(policy: Policy) -> list[str]:
    """Say which rules can never fire, because nothing looks for what they name."""
    found, kinds_of = [], findable(policy)
    for stage in (Stage.INPUT, Stage.OUTPUT, Stage.LOGS):
        kinds = kinds_of(stage)
        for pattern, rule in getattr(policy, stage).rules.items():
            if rule.steps and not any(matches(pattern, kind) for kind in kinds):
                where = "in log lines" if stage is Stage.LOGS else "under these recognizers"
                found.append(
                    f"{stage}.rules.{pattern} ({rule.steps[0].origin}): nothing looks for it {where}"
                )
    kinds = kinds_of(Stage.INPUT)
    idle = [pattern for pattern in policy.egress.rules if not any(matches(pattern, kind) for kind in kinds)]
    return [
        *found,
        *(f"egress.rules.{pattern}: nothing looks for it under these recognizers" for pattern in idle),
    ]
