"""`as: encrypt`: sealed by AES-GCM through presidio-anonymizer, opened only by the key, and only unchanged."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.keys import Keys
from guard.pii import sealing
from guard.pii.mapping import Mapping
from guard.pii.sealing import SEALED, encrypt, engine, seal, unseal
from guard.types import Redaction

KEYS = Keys(b"test master key")


@given(st.text(max_size=80))
def test_what_is_sealed_opens(value: str) -> None:
    """Every text comes back, lone surrogates included; the placeholder is plain ASCII that ends itself."""
    placeholder = seal(KEYS, "EMAIL", value)
    assert re.fullmatch(r"<EMAIL~[A-Za-z0-9_-]+>", placeholder)
    assert unseal(KEYS, placeholder) == value
    assert SEALED.search(f"x{placeholder}y").group() == placeholder  # type: ignore[union-attr]


def test_one_value_has_one_sealed_placeholder() -> None:
    """Turn after turn the same value is the same text, another value or another name is not."""
    assert seal(KEYS, "EMAIL", "a@x.com") == seal(KEYS, "EMAIL", "a@x.com")
    assert seal(KEYS, "EMAIL", "a@x.com") != seal(KEYS, "EMAIL", "b@x.com")
    assert seal(KEYS, "EMAIL", "a@x.com")[7:] != seal(KEYS, "PHONE", "a@x.com")[7:]
    assert seal(Keys(b"other"), "EMAIL", "a@x.com") != seal(KEYS, "EMAIL", "a@x.com")


@given(st.integers(min_value=7, max_value=70), st.integers(min_value=1, max_value=63))
def test_a_changed_placeholder_does_not_open(place: int, step: int) -> None:
    """One altered character, another name or another key is refused, in words without the value."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    placeholder = seal(KEYS, "EMAIL", "jane.doe@corp.de")
    place = min(place, len(placeholder) - 3)  # the very last sign carries unused bits
    sign = letters[(letters.index(placeholder[place]) + step) % 64]
    with pytest.raises(ValueError, match="placeholder"):
        unseal(KEYS, placeholder[:place] + sign + placeholder[place + 1 :])


@pytest.mark.parametrize(
    "text", ["", "<EMAIL_1>", "<EMAIL~>", "<EMAIL~AAAA>", f"<EMAIL~{'A' * 60}>", "jane@corp.de"]
)
def test_what_is_not_sealed_does_not_open(text: str) -> None:
    """Anything else is refused without quoting it."""
    with pytest.raises(ValueError, match="placeholder") as error:
        unseal(KEYS, text)
    assert "jane" not in str(error.value)
    with pytest.raises(ValueError, match="placeholder"):
        unseal(KEYS, seal(KEYS, "EMAIL", "a@x.com").replace("EMAIL", "PHONE"))
    with pytest.raises(ValueError, match="placeholder"):
        unseal(Keys(b"other"), seal(KEYS, "EMAIL", "a@x.com"))


def test_encrypt_goes_through_presidio(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mapping's `encrypt` calls presidio-anonymizer's engine, with guard's operator, once a value."""
    from presidio_anonymizer import AnonymizerEngine

    calls: list[Any] = []
    real = AnonymizerEngine.anonymize

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(args[2])
        return real(self, *args, **kwargs)

    monkeypatch.setattr(AnonymizerEngine, "anonymize", counted)
    mapping = Mapping(KEYS)
    made = [mapping.placeholder("pii.email", "a@x.com", Redaction("encrypt", restore=True)) for _ in range(2)]
    assert made[0] == made[1] == seal(KEYS, "EMAIL", "a@x.com")
    assert [operators["EMAIL"].operator_name for operators in calls] == [sealing.OPERATOR]


def test_presidios_own_operators_stay_usable() -> None:
    """guard's operator is added to the engine; replace, redact, mask, hash and encrypt are still there."""
    from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

    assert {"replace", "redact", "mask", "hash", "encrypt", sealing.OPERATOR} <= set(
        engine().get_anonymizers()
    )
    whole = [RecognizerResult("EMAIL", 0, 7, 1.0)]
    shown = engine().anonymize("a@x.com", whole, {"EMAIL": OperatorConfig("replace", {"new_value": "gone"})})
    assert shown.text == "gone"


def test_the_operator_refuses_to_work_without_keys() -> None:
    """Presidio validates parameters before it calls an operator; ours takes guard's keys and nothing else."""
    operator = engine().operators_factory.get_anonymizers()[sealing.OPERATOR]()
    with pytest.raises(TypeError, match="keys"):
        operator.validate({"keys": b"raw bytes"})


def test_values_with_blanks_at_the_edge_are_sealed_whole() -> None:
    """Presidio's merging of neighbours does not touch a value that is handed over alone."""
    assert unseal(KEYS, encrypt(KEYS, "PERSON", " Jane  Doe ")) == " Jane  Doe "


def test_presidio_and_faker_are_imported_at_first_use() -> None:
    """Importing the placeholders, or using tokens, costs neither the seconds of Presidio nor Faker's lists."""
    script = (
        "import sys\nfrom guard.keys import Keys\nfrom guard.pii.mapping import Mapping\n"
        "from guard.types import Redaction\n"
        "Mapping(Keys(b'k')).placeholder('pii.email', 'a@x.com', Redaction('token'))\n"
        "print([m for m in ('presidio_anonymizer', 'faker') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


OLD, NEW, OTHER = b"old sealing key", b"new sealing key", b"other master key"


def test_the_first_key_seals_and_all_open() -> None:
    """Rotation: a new key in front seals; what older keys and the master key sealed still opens."""
    before, between = Keys(b"master"), Keys(b"master", [OLD])
    now = Keys(b"master", [NEW, OLD])
    sealed = [seal(keys, "EMAIL", "a@x.com") for keys in (before, between, now)]
    assert len(set(sealed)) == 3
    assert [unseal(now, placeholder) for placeholder in sealed] == ["a@x.com"] * 3
    assert unseal(between, sealed[0]) == "a@x.com"
    for keys in (before, between, Keys(b"master", [OTHER]), Keys(OTHER)):
        with pytest.raises(ValueError, match="not a sealed placeholder of these keys"):
            unseal(keys, sealed[2])


def test_a_mapping_seals_with_the_first_key() -> None:
    """`as: encrypt` follows the rotation; hashes and fakes stay those of the master key."""
    now, before = Keys(b"master", [NEW]), Keys(b"master")
    made = Mapping(now).placeholder("pii.email", "a@x.com", Redaction("encrypt"))
    assert unseal(Keys(b"any", [NEW]), made) == "a@x.com"
    for form in ("hash", "faker"):
        asked = ("pii.email", "a@x.com", Redaction(form))
        assert Mapping(now).placeholder(*asked) == Mapping(before).placeholder(*asked)


def test_revealing_opens_what_it_can_and_counts() -> None:
    """Originals come back where they stood; a foreign or changed placeholder stays as it is."""
    keys = Keys(b"master", [NEW, OLD])
    one, two = seal(keys, "EMAIL", "a@x.com"), seal(Keys(b"x", [OLD]), "PHONE", "110")
    foreign, changed = seal(Keys(OTHER), "EMAIL", "b@x.com"), one.replace("EMAIL", "PHONE")
    found = sealing.reveal(keys, f"{one}, {two}; {foreign} {changed} <EMAIL_1> {one}")
    assert found.text == f"a@x.com, 110; {foreign} {changed} <EMAIL_1> a@x.com"
    assert (found.opened, found.closed) == (3, 2)
    assert found.key_ids == tuple(sorted({keys.sealers[0].key_id, keys.sealers[1].key_id}))
    assert "a@x.com" not in repr(found)
    assert "master" not in repr(keys)


def test_a_value_can_be_sealed_while_the_engine_is_being_warmed() -> None:
    """The first request may come while the warm-up thread imports Presidio, which takes seconds."""
    done = subprocess.run(
        [sys.executable, "-c", _WARMING], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("<EMAIL~")


_WARMING = """
import threading
from guard.keys import Keys
from guard.pii import sealing

threading.Thread(target=sealing.engine).start()
print(sealing.encrypt(Keys(b"a key for this test"), "EMAIL", "jo.weber@kontor-nord.org"))
"""
