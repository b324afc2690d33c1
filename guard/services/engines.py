"""Presidio's NER engines: models that the user installed, loaded once in the worker process, never fetched.

What an engine finds is one more source beside the patterns: spans with Presidio's entities and the model's scores.
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from guard.errors import SetupError
from guard.pii.evasion import project, readable

Models = Sequence[tuple[str, str]]
"""Language and model, in the policy's order."""

Entity = tuple[str, int, int, float]
"""Presidio's entity, start and end in the text, score."""

Reader = Callable[[str], Iterator[Entity]]
"""A loaded model: a text in, what it finds out."""

_NEEDS = {
    "spacy": ("spacy", "spacy"),
    "stanza": ("stanza", "presidio-analyzer[stanza]"),
    "transformers": ("transformers", "presidio-analyzer[transformers]"),
    "gliner": ("gliner", "presidio-analyzer[gliner]"),
}
"""By engine: the module it is made of, and what to install where that is missing."""

_FETCH = {
    "spacy": "python -m spacy download {}",
    "stanza": "python -c \"import stanza; stanza.download('{}')\"",
    "transformers": "hf download {}",
    "gliner": "hf download {}",
}
"""By engine: how its user fetches a model."""

_PEOPLE = "PER PERSON PATIENT STAFF HCW PRS persName NAME FIRSTNAME LASTNAME MIDDLENAME GIVENNAME SURNAME"
_PLACES = "LOC LOCATION GPE FAC FACILITY GPE_LOC placeName geogName CITY STATE COUNTRY COUNTY"
_FIRMS = "ORG ORGANIZATION HOSP HOSPITAL PATORG VENDOR GPE_ORG orgName COMPANY COMPANYNAME"
_TIMES = "DATE TIME DATETIME PERIOD TME date time"
LABELS: Mapping[str, str] = {
    **dict.fromkeys(_PEOPLE.split(), "PERSON"),
    **dict.fromkeys(_PLACES.split(), "LOCATION"),
    **dict.fromkeys(_FIRMS.split(), "ORGANIZATION"),
    **dict.fromkeys(_TIMES.split(), "DATE_TIME"),
    **dict.fromkeys("NORP NRP NAT_REL_POL".split(), "NRP"),
    **{entity: entity for entity in ("AGE", "ID", "EMAIL", "PHONE_NUMBER")},
    **dict.fromkeys("PHONE TELEPHONENUM PHONENUMBER".split(), "PHONE_NUMBER"),
}
"""Labels of well-known models (OntoNotes, CoNLL, i2b2, Universal NER, ai4privacy) to Presidio's entities."""

IGNORED = frozenset(
    """O MISC CARDINAL ORDINAL QUANTITY PERCENT MONEY PRODUCT EVENT WORK_OF_ART LAW LANGUAGE NUM NUMERIC_VALUE
    EVT EVN PROD PRO DRV WRK OBJ MSR TTL TITLE SEX GENDER""".split()
)
"""Labels of what is nobody's. A label in neither list is kept, as ID: who trained a model to find it had a reason."""

_UNSURE = ("NRP", "ID")
"""Entities that models find in what is no personal data: their score is lowered, as in Presidio's own settings."""

_GLINER = {
    "person": "PERSON",
    "location": "LOCATION",
    "organization": "ORGANIZATION",
    "address": "ADDRESS",
    "date": "DATE_TIME",
}
"""What GLiNER is asked for, and Presidio's entity of it."""

_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_SCRIPTS = {
    "zh": re.compile("[\u3400-\u9fff]"),
    "ja": re.compile("[\u3040-\u30ff\u3400-\u9fff]"),
    "ko": re.compile("[\uac00-\ud7af]"),
    **dict.fromkeys(("ru", "uk", "bg", "mk"), re.compile("[\u0400-\u04ff]")),
    "el": re.compile("[\u0370-\u03ff]"),
    **dict.fromkeys(("ar", "fa", "ur"), re.compile("[\u0600-\u06ff]")),
    "he": re.compile("[\u0590-\u05ff]"),
    **dict.fromkeys(("hi", "mr", "ne"), re.compile("[\u0900-\u097f]")),
    "th": re.compile("[\u0e00-\u0e7f]"),
    "xx": re.compile(r"\w"),
}
"""What a text contains that a language's model is asked about; other languages are written in Latin letters."""


class _Labels(dict[str, str]):
    """Every label has an entity: those that nobody listed are ID."""

    def __contains__(self, label: object) -> bool:
        return True

    def __missing__(self, label: str) -> str:
        return "ID"


def configuration(name: str, models: Models, blank: str = "") -> dict[str, Any]:
    """What Presidio's NlpEngineProvider is given; `blank` is a folder of tokenizers by language, for transformers."""
    rows = [
        {"lang_code": language, "model_name": _model(name, language, model, blank)}
        for language, model in models
    ]
    return {
        "nlp_engine_name": name,
        "models": rows,
        "ner_model_configuration": {
            "labels_to_ignore": sorted(IGNORED),
            "model_to_presidio_entity_mapping": dict(LABELS),
            "low_score_entity_names": list(_UNSURE),
        },
    }


def _model(name: str, language: str, model: str, blank: str) -> str | dict[str, str]:
    if name != "transformers":
        return model
    return {"spacy": str(Path(blank) / language), "transformers": model}


class Engine:
    """A loaded engine; called with a text, it yields what the models of the text's scripts find."""

    def __init__(self, name: str, models: Models) -> None:
        _present(name, models)
        self._readers = [
            (_SCRIPTS.get(language, _LATIN), _reader(name, language, model)) for language, model in models
        ]

    def warm(self) -> None:
        """Run every model once."""
        for _, reader in self._readers:
            list(reader("Warm-up."))

    def __call__(self, text: str) -> Iterator[Entity]:
        """Find in a text; offsets are of the text."""
        for script, reader in self._readers:
            if script.search(text):
                yield from reader(text)


def _present(name: str, models: Models) -> None:
    """Refuse an engine whose library is not there, and spaCy models that spaCy would download."""
    module, package = _NEEDS[name]
    if find_spec(module) is None:
        raise SetupError(f"recognizers.presidio.engine: {name} is not installed: pip install '{package}'")
    if name == "spacy":
        import spacy

        for _, model in models:
            if not (spacy.util.is_package(model) or Path(model).exists()):
                raise _missing(name, model)


def _missing(name: str, model: str, why: str = "") -> SetupError:
    fetch = _FETCH[name].format(model)
    return SetupError(
        f"recognizers.presidio.model: {model} is not installed{why}: {fetch} (guard fetches no model)"
    )


def _reader(name: str, language: str, model: str) -> Reader:
    try:
        return _gliner(model) if name == "gliner" else _of_provider(name, language, model)
    except Exception as failure:
        raise _missing(name, model, f" or cannot be loaded ({type(failure).__name__})") from None


def _of_provider(name: str, language: str, model: str) -> Reader:
    from presidio_analyzer.nlp_engine import (
        NlpEngineProvider,
        SpacyNlpEngine,
        StanzaNlpEngine,
        TransformersNlpEngine,
    )

    class Stanza(StanzaNlpEngine):
        """Presidio's engine without its download of what is there already."""

        def __init__(self, models: Any = None, ner_model_configuration: Any = None) -> None:
            super().__init__(models, ner_model_configuration, download_if_missing=False)

    with tempfile.TemporaryDirectory() as folder:
        if name == "transformers":
            import spacy

            spacy.blank(language).to_disk(Path(folder) / language)
        settings = configuration(name, [(language, model)], folder)
        kinds = (SpacyNlpEngine, Stanza, TransformersNlpEngine)
        engine: Any = NlpEngineProvider(nlp_engines=kinds, nlp_configuration=settings).create_engine()
    labels = engine.ner_model_configuration
    labels.model_to_presidio_entity_mapping = _Labels(labels.model_to_presidio_entity_mapping)

    def read(text: str) -> Iterator[Entity]:
        found = engine.process_text(text, language)
        for entity, score in zip(found.entities, found.scores, strict=True):
            yield entity.label_, entity.start_char, entity.end_char, float(score)

    return read


def _gliner(model: str) -> Reader:
    from presidio_analyzer.predefined_recognizers import GLiNERRecognizer

    recognizer: Any = GLiNERRecognizer(entity_mapping=_GLINER, model_name=model, map_location="cpu")

    def read(text: str) -> Iterator[Entity]:
        for found in recognizer.analyze(text, recognizer.supported_entities):
            yield found.entity_type, found.start, found.end, float(found.score)

    return read


def readable_copy(text: str) -> tuple[str, Sequence[int] | None]:
    """A text as a model reads it, and where its characters come from (None: where they are).

    What is invisible is left out, and letters and digits of other widths and styles are plain; accents and
    punctuation stay, which models know.
    """
    if text.isascii():
        return text, None
    kept = project(text).kept
    text = readable(text)
    places = None if kept is None else kept.tolist()
    copy = text if places is None else "".join(map(text.__getitem__, places))
    plain = {char: unicodedata.normalize("NFKC", char) for char in set(copy) if not char.isascii()}
    return copy.translate(
        {ord(char): read for char, read in plain.items() if len(read) == 1 and read.isalnum()}
    ), places
