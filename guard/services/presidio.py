"""Presidio's pattern recognizers, by name and offline; built and run in a worker process that can be killed.

Nothing here downloads or looks anything up: no language model, no public suffix list. The recognizers see the
projection of a text, so its disguises are gone and its offsets go back to the original.
"""

from __future__ import annotations

import logging
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from presidio_analyzer import Pattern, PatternRecognizer, RecognizerResult, predefined_recognizers
from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

from guard.errors import SetupError
from guard.outside.worker_main import alive
from guard.pii.evasion import project
from guard.services.engines import Engine, readable_copy
from guard.services.gate import Gate

_LANGUAGE = "en"
_SLICE = 16_384
_LEFT = 512
_RIGHT = 1024
_TOKEN = re.compile(r"[A-Za-z0-9_']+|[^\sA-Za-z0-9_']")

Found = tuple[int, str, int, int, float]
"""The recognizer's place in the list of names, the entity, start and end in the original, the score."""


class _Tokens(NlpEngine):
    """Words without a model: enough for context words, whose absence would leave weak patterns weak."""

    engine_name = "guard"
    is_available = True

    def load(self) -> None:
        """Nothing to load."""

    def is_loaded(self) -> bool:
        """There is nothing that could be missing."""
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """Split into words and signs; the lemma of a word is its lower-case form."""
        tokens = [(match.group(), match.start()) for match in _TOKEN.finditer(text)]
        words: Any = [word for word, _ in tokens]
        lemmas = [word.lower() for word in words]
        artifacts = NlpArtifacts([], words, [start for _, start in tokens], lemmas, self, language)
        keywords: Any = frozenset(artifacts.keywords)
        artifacts.keywords = keywords  # Presidio asks for membership, token by token
        return artifacts

    def process_batch(
        self, texts: Iterable[str], language: str, batch_size: int = 1, n_process: int = 1, **kwargs: Any
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        """Split each text."""
        return ((text, self.process_text(text, language)) for text in texts)

    def is_stopword(self, word: str, language: str) -> bool:
        """No word is left out: "no" and "id" are context words."""
        return False

    def is_punct(self, word: str, language: str) -> bool:
        """Whether a token is a sign."""
        return not (word[0].isalnum() or word[0] in "_'")

    def get_supported_entities(self) -> list[str]:
        """It finds nothing itself."""
        return []

    def get_supported_languages(self) -> list[str]:
        """One is enough: patterns and context words come with the recognizers."""
        return [_LANGUAGE]


class _Enhancer(LemmaContextAwareEnhancer):
    """Presidio's own context rule, with a search that does not walk all tokens for every result."""

    @staticmethod
    def _find_index_of_match_token(
        word: str, start: int, tokens: Sequence[str], tokens_indices: Sequence[int]
    ) -> int:
        at = max(bisect_right(tokens_indices, start) - 1, 0)
        return at if start < tokens_indices[at] + len(tokens[at]) else min(at + 1, len(tokens) - 1)


class EmailRecognizer(predefined_recognizers.EmailRecognizer):
    """Presidio's e-mail pattern without its look-up: an address at a private name is an address too."""

    def validate_result(self, pattern_text: str) -> bool:
        """Accept a domain whose last label is a name, listed or not."""
        last = pattern_text.rpartition(".")[2].lower()
        return last.startswith("xn--") or (len(last) > 1 and last.isalpha())


class InPanRecognizer(predefined_recognizers.InPanRecognizer):
    """Presidio's PAN patterns, the weak one looking ahead in its own ten characters.

    Presidio's looks ahead to the end of the text from every word, which is quadratic (its pull request 2068).
    """

    WEAK = r"\b((?=[\w@#$%^?~-]{0,9}[a-zA-Z])(?=[\w@#$%^?~-]{0,6}[0-9]{4})[\w@#$%^?~-]{10})\b"

    def __init__(self) -> None:
        patterns = predefined_recognizers.InPanRecognizer.PATTERNS
        super().__init__(patterns=[self._local(pattern) for pattern in patterns])

    def _local(self, pattern: Pattern) -> Pattern:
        return Pattern(pattern.name, self.WEAK, pattern.score) if ".*?" in pattern.regex else pattern


_OWN = {"EmailRecognizer": EmailRecognizer, "InPanRecognizer": InPanRecognizer}


_UNEDGED = frozenset({"MedicalLicenseRecognizer"})
"""Whose pattern finds parts of longer numbers, too: half of a parcel's passes its check."""


class _Refuse(logging.Handler):
    """Turn Presidio's warnings into failures: it skips a pattern that timed out, and only says so here."""

    def emit(self, record: logging.LogRecord) -> None:
        """Raise for any warning; its message is not repeated."""
        raise RuntimeError("presidio warned")


def _fail_on_skips() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("presidio_analyzer") and hasattr(module, "REGEX_TIMEOUT_SECONDS"):
            module.REGEX_TIMEOUT_SECONDS = None  # type: ignore[attr-defined]  # the deadline is guard's, and kills
    logging.getLogger("presidio-analyzer").addHandler(_Refuse(logging.WARNING))


def recognizer(name: str) -> Any:
    """Make a predefined recognizer by its class name."""
    return (_OWN.get(name) or getattr(predefined_recognizers, name))()


def gate_patterns(name: str) -> tuple[str, ...] | None:
    """The RE2 patterns without which a recognizer finds nothing; None where that cannot be said."""
    made = recognizer(name)
    if not isinstance(made, PatternRecognizer) or type(made).analyze is not PatternRecognizer.analyze:
        return None
    patterns: list[Pattern] = vars(made)["patterns"]
    return Gate.translated([pattern.regex for pattern in patterns], made.global_regex_flags or 0)


class Analysis:
    """The chosen recognizers, ready; called with texts and, for each, which recognizers to run (None: see)."""

    def __init__(self, names: Sequence[str], engine: Engine | None = None) -> None:
        patterns = tuple(gate_patterns(name) for name in names)
        self.hello = patterns if engine is None else (*patterns, None)
        self._model = engine
        self._recognizers = [recognizer(name) for name in names]
        self._engine = _Tokens()
        self._enhancer = _Enhancer()
        self._gate = Gate(patterns)

    def warm(self) -> None:
        """Run each recognizer once: Presidio compiles its patterns at their first use."""
        for made in self._recognizers:
            self._results(made, "warm-up 123456789 a@b.example")
        if self._model is not None:
            self._model.warm()

    def __call__(self, request: Sequence[tuple[str, Sequence[int] | None]]) -> list[list[Found]]:
        """Find in each text; raises whatever goes wrong, so that no failure is taken for a clean text."""
        return [self._text(text, chosen) + self._modelled(text, chosen) for text, chosen in request]

    def _text(self, text: str, chosen: Sequence[int] | None) -> list[Found]:
        projection = project(text)
        whole = projection.text.decode("ascii")
        wanted = range(len(self._recognizers)) if chosen is None else chosen
        found: list[Found] = []
        for left, start, end, right in slices(whole):
            part = whole[left:right]
            for index in sorted({*self._gate.open(part)} & {*wanted}):
                for entity, low, high, score in self._recognize(self._recognizers[index], part):
                    if start <= left + low < end:
                        found.append((index, entity, *projection.to_original(left + low, left + high), score))
            alive()
        return found

    def _modelled(self, text: str, chosen: Sequence[int] | None) -> list[Found]:
        """What the engine finds, which stands behind the recognizers."""
        last = len(self._recognizers)
        if self._model is None or (chosen is not None and last not in chosen):
            return []
        copy, places = readable_copy(text)
        found: list[Found] = []
        for left, start, end, right in slices(copy):
            for entity, low, high, score in self._model(copy[left:right]):
                if start <= left + low < end and low < high:
                    found.append((last, entity, *_original(places, left + low, left + high), score))
            alive()
        return found

    def _recognize(self, made: Any, text: str) -> Iterator[tuple[str, int, int, float]]:
        for result in self._results(made, text):
            whole = type(made).__name__ not in _UNEDGED or _stands_alone(text, result.start, result.end)
            if result.score > 0 and result.end > result.start and whole:
                yield result.entity_type, result.start, result.end, float(result.score)

    def _results(self, made: Any, text: str) -> list[RecognizerResult]:
        results = made.analyze(text=text, entities=made.supported_entities, nlp_artifacts=None)
        if not results:
            return []
        artifacts = self._engine.process_text(text, _LANGUAGE)
        for result in results:
            result.recognition_metadata = {
                **(result.recognition_metadata or {}),
                RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: made.id,
            }
        enhanced: list[RecognizerResult] = self._enhancer.enhance_using_context(
            text, results, artifacts, [made]
        )
        return enhanced


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether no ASCII letter or digit touches a stretch."""
    around = text[max(0, start - 1) : start] + text[end : end + 1]
    return not any(char.isascii() and char.isalnum() for char in around)


def _original(places: Sequence[int] | None, start: int, end: int) -> tuple[int, int]:
    return (start, end) if places is None else (places[start], places[end - 1] + 1)


def slices(text: str) -> Iterator[tuple[int, int, int, int]]:
    """Cut a text near blanks: (left, start, end, right), where matches that begin in start:end are taken.

    What stands before start is for context, what stands after end for matches that run over it.
    """
    start = 0
    while start < len(text):
        end = _near_blank(text, start + _SLICE)
        yield _near_blank(text, start - _LEFT), start, end, min(len(text), end + _RIGHT)
        start = end


def _near_blank(text: str, position: int) -> int:
    if position <= 0 or position >= len(text):
        return max(0, min(position, len(text)))
    blank = text.rfind(" ", position - _LEFT // 2, position)
    return blank + 1 if blank >= 0 else position


def build(
    names: Sequence[str],
    shipped: Sequence[Sequence[str] | None] | None,
    engine: str = "none",
    models: Sequence[tuple[str, str]] = (),
) -> Analysis:
    """Build the recognizers and load the engine in a worker process.

    Raises SetupError if the parent's gate is not theirs, or a library or a model of the engine is not installed.
    """
    analysis = Analysis(names, None if engine == "none" else Engine(engine, models))
    if shipped is not None and tuple(shipped) != analysis.hello:
        raise SetupError("the installed presidio-analyzer has other patterns than its version number says")
    analysis.warm()
    _fail_on_skips()
    return analysis
