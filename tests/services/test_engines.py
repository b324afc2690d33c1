"""Presidio's NER engines: a model that the user installed, in the worker, fused with the rules, never fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
from presidio_analyzer.nlp_engine import NlpEngineProvider, SpacyNlpEngine

from guard import Guard
from guard.errors import SetupError
from guard.kinds import PRESIDIO
from guard.services import engines, presidio
from guard.services.detector import Detector
from guard.services.engines import IGNORED, LABELS, Engine, configuration, readable_copy
from guard.services.presidio import Analysis, build
from guard.settings import Settings

ENGLISH = {
    "PERSON": ["Mara Lindt", "José Álvarez"],
    "GPE": ["Bern"],
    "ORG": ["Kontor Nord, SSN 536-22-8421"],
    "CARDINAL": ["seven"],
    "EVENT_NAME": ["发布会"],
    "MEMBERCODE": ["ZX-Falcon"],
    "NORP": ["Swiss"],
}


def pipeline(folder: Path, language: str, labels: dict[str, list[str]]) -> str:
    """A spaCy pipeline that knows a few phrases, on disk as an installed model is."""
    nlp = spacy.blank(language)
    rows: list[Any] = [{"label": label, "pattern": p} for label, phrases in labels.items() for p in phrases]
    nlp.add_pipe("entity_ruler").add_patterns(rows)  # type: ignore[attr-defined]
    nlp.to_disk(folder / language)
    return str(folder / language)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[str, str], ...]:
    """An English model and a Chinese one."""
    folder = tmp_path_factory.mktemp("models")
    return ("en", pipeline(folder, "en", ENGLISH)), ("zh", pipeline(folder, "zh", {"PERSON": ["周敏华"]}))


@pytest.fixture(scope="module")
def analysis(models: tuple[tuple[str, str], ...]) -> Analysis:
    """What the worker process builds."""
    return Analysis(["UsSsnRecognizer"], Engine("spacy", models))


def found(analysis: Analysis, text: str) -> list[tuple[str, str, float]]:
    """What the engine finds in a text."""
    return [
        (entity, text[s:e], score) for index, entity, s, e, score in analysis([(text, None)])[0] if index == 1
    ]


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("Ask Mara Lindt in Bern.", [("PERSON", "Mara Lindt", 0.85), ("LOCATION", "Bern", 0.85)]),
        ("局长周敏华在发布会上", [("PERSON", "周敏华", 0.85)]),
        ("周敏华 met Mara Lindt", [("PERSON", "Mara Lindt", 0.85), ("PERSON", "周敏华", 0.85)]),
        ("Ｍａｒａ Li\u200bndt", [("PERSON", "Ｍａｒａ Li\u200bndt", 0.85)]),
        ("met José Álvarez", [("PERSON", "José Álvarez", 0.85)]),
        ("𝐌𝐚𝐫𝐚 Lindt", [("PERSON", "𝐌𝐚𝐫𝐚 Lindt", 0.85)]),
        ("all seven", []),
        ("开 发布会 吧", []),
        ("a Swiss bank", [("NRP", "Swiss", pytest.approx(0.34))]),
        ("for ZX-Falcon", [("ID", "ZX-Falcon", pytest.approx(0.34))]),
        ("", []),
        ("\ud800 Mara Lindt \ud800", [("PERSON", "Mara Lindt", 0.85)]),
    ],
)
def test_a_model_finds_in_texts_of_its_script(analysis: Analysis, text: str, entities: list[Any]) -> None:
    """Each model is asked about texts that it can read; disguises are gone, offsets are of the original.

    What models find that is nobody's is left out, a label that nobody listed is an identifier.
    """
    assert found(analysis, text) == entities


@pytest.mark.parametrize("at", [*range(16_370, 16_390), 30_000, 50_000])
def test_a_name_is_found_wherever_a_long_text_is_sliced(analysis: Analysis, at: int) -> None:
    """B37: once, wherever it stands."""
    for filler in ("so it is ", "就是这样的"):
        text = (filler * 10_000)[:at] + " Mara Lindt 周敏华 " + filler * 3_000
        assert sorted(value for _, value, _ in found(analysis, text)) == ["Mara Lindt", "周敏华"]


def test_only_who_is_chosen_runs(analysis: Analysis) -> None:
    """The parent's gate says which recognizers a text needs; the engine stands behind them."""
    text = "Mara Lindt, ssn 536-22-8421"
    assert [{row[0] for row in analysis([(text, chosen)])[0]} for chosen in ((0,), (1,), None)] == [
        {0},
        {1},
        {0, 1},
    ]
    assert analysis.hello[1] is None


def test_the_copy_that_models_read_keeps_its_way_back() -> None:
    """Widths and styles are plain, invisible characters gone; accents and punctuation stay as models know them."""
    assert readable_copy("plain") == ("plain", None)
    assert readable_copy("Ｊｏ， é。") == ("Jo， é。", None)
    assert readable_copy("a\u200bb\u00adc") == ("abc", [0, 2, 4])


def test_every_label_has_a_kind_or_is_nobodys() -> None:
    """What a label becomes is an entity that guard has a kind for."""
    assert {*LABELS.values(), "ID"} <= PRESIDIO.keys()
    assert not IGNORED & LABELS.keys()


class _Recorded(SpacyNlpEngine):
    """Takes what Presidio's provider hands to an engine."""

    engine_name = "recorded"
    is_available = True

    def load(self) -> None:
        """Nothing to load."""
        self.nlp = {}


@pytest.mark.parametrize(
    ("name", "models", "rows"),
    [
        ("spacy", [("en", "a"), ("zh", "b")], [("en", "a"), ("zh", "b")]),
        ("stanza", [("zh", "zh-hans")], [("zh", "zh-hans")]),
        ("transformers", [("en", "dslim/bert")], [("en", {"spacy": "/t/en", "transformers": "dslim/bert"})]),
    ],
)
def test_presidio_is_given_a_configuration_that_it_knows(
    name: str, models: list[tuple[str, str]], rows: list[tuple[str, Any]]
) -> None:
    """NlpEngineProvider validates it, and hands models and labels to the engine."""
    recorded: Any = type("Engine", (_Recorded,), {"engine_name": name})
    engine: Any = NlpEngineProvider(
        nlp_engines=(recorded,), nlp_configuration=configuration(name, models, "/t")
    ).create_engine()
    assert [(row["lang_code"], row["model_name"]) for row in engine.models] == rows
    assert engine.ner_model_configuration.model_to_presidio_entity_mapping["GPE"] == "LOCATION"
    assert set(engine.ner_model_configuration.labels_to_ignore) == IGNORED


@pytest.mark.parametrize("library", ["stanza", "transformers", "gliner"])
def test_a_missing_library_is_refused_in_one_sentence(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is said; nothing is imported or fetched."""
    present = engines.find_spec
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == library else present(name))
    with pytest.raises(SetupError) as refused:
        build([], (None,), library, [("en", "any")])
    assert str(refused.value) == (
        f"recognizers.presidio.engine: {library} is not installed: pip install 'presidio-analyzer[{library}]'"
    )


def test_a_missing_model_is_refused_and_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 5: Presidio would call pip at run time."""
    monkeypatch.setattr(spacy.cli, "download", lambda *_: pytest.fail("downloaded"))
    with pytest.raises(
        SetupError, match=r"en_core_web_xx is not installed: python -m spacy download en_core_web_xx"
    ):
        build([], (None,), "spacy", [("en", "en_core_web_xx")])


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """A model that is there but cannot be loaded says which and how it failed."""
    with pytest.raises(SetupError, match=rf"{tmp_path} is not installed or cannot be loaded \(OSError\)"):
        build([], (None,), "spacy", [("en", str(tmp_path))])


def test_the_worker_says_after_each_slice_that_it_goes_on(
    analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline is for a slice: a text of any length has the time that it needs, work that hangs has not."""
    signs: list[None] = []
    monkeypatch.setattr(presidio, "alive", lambda: signs.append(None))
    analysis([("so it is " * 20_000, (1,))])
    assert len(signs) >= 2 * 180_000 // 16_384


def test_a_name_that_a_model_may_find_is_not_cut_in_a_stream(models: tuple[tuple[str, str], ...]) -> None:
    """What may be a name is held together for the model, as it is for guard's own names."""
    text = "they said that Mara Lindt came to the house, and 局长周敏华在发布会上。"
    whole = [(text.index(name), text.index(name) + len(name)) for name in ("Mara Lindt", "周敏华")]

    def torn(**more: Any) -> list[int]:
        cuts = Detector(scanner_args={"kinds": None}, **more).cuts()(text, 0, True)
        return [cut for cut in cuts for low, high in whole if low < cut < high]

    assert torn(engine="spacy", models=models) == []
    assert torn()


POLICY = """
policy: engine
version: "1"
extends: [default]
recognizers:
  names: off
  presidio: {{recognizers: [], engine: spacy, model: {model}, deadline_ms: 20000}}
{rules}
"""


@pytest.fixture
def opened(tmp_path: Path, models: tuple[tuple[str, str], ...]) -> Iterator[Callable[..., Guard]]:
    """A guard with the engine, of a policy with more rules."""
    guards: list[Guard] = []

    def open_(rules: str = "", model: str = "") -> Guard:
        path = tmp_path / "engine.yaml"
        both = "{" + ", ".join(f"{language}: {name}" for language, name in models) + "}"
        path.write_text(POLICY.format(model=model or both, rules=rules))
        settings = Settings(home=tmp_path / "home", exports=tmp_path / "exports", _env_file=None)
        guards.append(Guard.from_policy(path, settings))
        return guards[-1]

    yield open_
    for guard in guards:
        guard.close()


def test_the_engine_is_fused_with_the_rules(opened: Callable[..., Guard]) -> None:
    """One policy line: people are redacted beside addresses; a kind on which no rule acts hides nothing inside it."""
    guard = opened()
    text = "Mara Lindt wrote from mara.lindt@harbor-labs.com in Bern, cc 周敏华."
    assert guard.redact(text) == "<PERSON_1> wrote from <EMAIL_1> in Bern, cc <PERSON_2>."
    assert [f.source for f in guard.detect("Mara Lindt")] == ["presidio:spacy"]
    assert guard.redact("at Kontor Nord, SSN 536-22-8421") == "at Kontor Nord, SSN <US_SSN_1>"
    named = opened("input: {rules: {pii.place: {action: redact, as: token}}}")
    assert named.redact("in Bern") == "in <PLACE_1>"


def test_an_engine_that_fails_is_a_finding(
    opened: Callable[..., Guard], models: tuple[tuple[str, str], ...]
) -> None:
    """Law 1: a worker that does not answer in time is guard.unavailable.presidio, never a shorter list."""
    guard = opened()
    pool: Any = guard.detector._presidio
    text = "Mara Lindt " * 200_000
    pool._deadline_s = 0.001
    assert "guard.unavailable.presidio" in {f.kind for f in guard.detect(text)}


def test_a_guard_without_the_model_does_not_start(opened: Callable[..., Guard]) -> None:
    """The refusal comes at start, not with the first text."""
    with pytest.raises(SetupError, match=r"model: en_core_web_xx is not installed: python -m spacy download"):
        opened(model="en_core_web_xx")
