"""guard inside Presidio: its kinds as an `EntityRecognizer`, its placeholders as anonymizer operators.

Presidio is imported with this module (seconds), which nothing else in guard imports. No model is needed, nothing
is looked up or downloaded: give Presidio's `AnalyzerEngine` a `NoOpNlpEngine`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult
from presidio_anonymizer import AnonymizerEngine, DeanonymizeEngine
from presidio_anonymizer.entities import EngineResult, OperatorConfig
from presidio_anonymizer.entities import RecognizerResult as AnonymizerResult
from presidio_anonymizer.operators import Operator, OperatorType

from guard.detecting import scanner_args
from guard.keyring import load_keys
from guard.kinds import KINDS, PRESIDIO, presidio_kind
from guard.pii.mapping import Mapping
from guard.pii.placeholders import FORMS, REVERSIBLE
from guard.pii.resolve import resolve
from guard.policy.decide import wanted
from guard.policy.load import load_policy
from guard.policy.model import Policy
from guard.services.detection import Detection, Own, Wanted
from guard.settings import Settings
from guard.types import Finding, Redaction, Stage

OPERATOR, RESTORE = "guard", "guard_restore"
"""The names of the operators, for `OperatorConfig`."""


def entity_of(kind: str) -> str:
    """Name a kind as Presidio does: `pii.us.ssn` is US_SSN, `pii.cn.plate` CN_PLATE, `secret.jwt` SECRET_JWT."""
    known = next((entity for entity, named in PRESIDIO.items() if named == kind), "")
    return known or kind.removeprefix("pii.").replace(".", "_").upper()


_NAME = "guard"
_KINDS = {entity_of(kind): kind for kind in KINDS if kind.startswith(("pii.", "secret."))}


def kind_of(entity: str) -> str:
    """The kind of an entity, Presidio's or one that `entity_of` named."""
    return _KINDS.get(entity) or presidio_kind(entity)


class GuardRecognizer(EntityRecognizer):
    """Everything that a policy's stage finds, but for the Presidio recognizers that it names, in one pass.

    Register one for each language of the engine: patterns and cue words of all languages are in each. Scores
    are guard's own, cue words included; Presidio's context words do not change them. A custom kind of the policy
    gets its entity by `entity_of` too.
    """

    def __init__(
        self,
        policy: str | Path | Policy = "default",
        *,
        stage: str = "input",
        entities: Collection[str] | None = None,
        supported_language: str = "en",
    ) -> None:
        rules = load_policy(policy)
        kinds = wanted(rules, Stage(stage))
        if entities is not None:
            kinds = frozenset(kind_of(entity) for entity in entities)
        self._own = [Own(row.name, row.pattern, row.kind, row.score) for row in rules.recognizers.custom]
        self._detection = Detection(scanner_args(rules, kinds), self._own)
        self._kinds = kinds
        super().__init__(
            supported_entities=sorted(map(entity_of, kinds)),
            name=_NAME,
            supported_language=supported_language,
        )

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """Find the entities that are asked for; no two results overlap."""
        everything = Wanted(text, True, tuple(range(len(self._own))))
        [found] = self._detection([everything])
        asked = {kind_of(entity) for entity in entities} & self._kinds if entities else self._kinds
        return [self._result(finding) for finding in resolve(found) if finding.kind in asked]

    def _result(self, finding: Finding) -> RecognizerResult:
        explanation = AnalysisExplanation(
            recognizer=_NAME, original_score=finding.score, pattern_name=finding.source
        )
        entity = entity_of(finding.kind)
        return RecognizerResult(entity, finding.start, finding.end, finding.score, explanation)


class GuardOperator(Operator):
    """Write guard's placeholder: `mapping` (of the exchange), `as` (token, faker, …) and `restore`."""

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        """Replace one value."""
        given = params or {}
        redaction = Redaction(given.get("as", "token"), bool(given.get("restore", False)))
        mapping: Mapping = given["mapping"]
        return mapping.placeholder(kind_of(given["entity_type"]), text, redaction)

    def validate(self, params: dict[str, Any] | None = None) -> None:
        """Refuse what a policy would refuse; raises TypeError or ValueError."""
        given = params or {}
        form = given.get("as", "token")
        if not isinstance(given.get("mapping"), Mapping):
            raise TypeError("the operator guard needs a mapping: make one with new_mapping()")
        if form not in FORMS:
            raise ValueError(f"there is no such form: write one of {', '.join(FORMS)}")
        if given.get("restore") and form not in REVERSIBLE:
            raise ValueError(f"{form} cannot be restored: write token or encrypt, or take restore out")

    def operator_name(self) -> str:
        """The name in `OperatorConfig`."""
        return OPERATOR

    def operator_type(self) -> Any:
        """It anonymizes."""
        return OperatorType.Anonymize


class GuardRestore(Operator):
    """Put the originals of an exchange back: `mapping`."""

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        """Restore one stretch."""
        mapping: Mapping = (params or {})["mapping"]
        return mapping.restore(text)

    def validate(self, params: dict[str, Any] | None = None) -> None:
        """Need the exchange's mapping; raises TypeError."""
        if not isinstance((params or {}).get("mapping"), Mapping):
            raise TypeError("the operator guard_restore needs the mapping of the exchange")

    def operator_name(self) -> str:
        """The name in `OperatorConfig`."""
        return RESTORE

    def operator_type(self) -> Any:
        """It deanonymizes."""
        return OperatorType.Deanonymize


def anonymizer() -> AnonymizerEngine:
    """Make Presidio's engine with guard's operator beside its own."""
    engine = AnonymizerEngine()  # type: ignore[no-untyped-call]
    engine.add_anonymizer(GuardOperator)
    return engine


def deanonymizer() -> DeanonymizeEngine:
    """Make Presidio's other engine with guard's way back beside its own."""
    engine = DeanonymizeEngine()  # type: ignore[no-untyped-call]
    engine.add_deanonymizer(GuardRestore)
    return engine


def new_mapping(settings: Settings | None = None, locale: Sequence[str] = ("en_US", "zh_CN")) -> Mapping:
    """Make the placeholders of one exchange, under this installation's keys; raises SetupError."""
    return Mapping(load_keys(settings or Settings()), locale=locale)


def operators(
    mapping: Mapping, text: str, results: Sequence[Any], *, form: str = "token", restore: bool = False
) -> dict[str, OperatorConfig]:
    """Configure every entity of a text for guard's operator, in an engine of the caller's own.

    Presidio's engine replaces from the right; the values are numbered here first, from left to right, and
    numbers that the text holds already are left out. Pass the engine `merge_entities_with_spaces=False`: it would
    take neighbours of one kind for one value.
    """
    params = {"mapping": mapping, "as": form, "restore": restore}
    GuardOperator().validate(params)
    mapping.reserve(text)
    for result in sorted(results, key=lambda found: (found.start, -found.end)):
        value = text[result.start : result.end]
        mapping.placeholder(kind_of(result.entity_type), value, Redaction(form, restore))
    return {"DEFAULT": OperatorConfig(OPERATOR, params)}


def anonymize(
    text: str, results: Sequence[Any], mapping: Mapping, *, form: str = "token", restore: bool = False
) -> EngineResult:
    """Replace what any analyzer found by guard's placeholders: one a stretch, neighbours apart, overlaps settled.

    The original comes back by `mapping.restore`, or by Presidio's `deanonymizer()`.
    """
    found = (Finding(kind_of(r.entity_type), r.start, r.end, r.score, "presidio") for r in results)
    settled = [AnonymizerResult(entity_of(f.kind), f.start, f.end, f.score) for f in resolve(found)]
    configured = operators(mapping, text, settled, form=form, restore=restore)
    engine = anonymizer()
    return engine.anonymize(text, settled, configured, merge_entities_with_spaces=False)
