"""The placeholders of one exchange: distinct, stable, numbered, restorable by it alone."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.keys import Keys
from guard.pii.mapping import Mapping
from guard.types import Redaction

KEYS = Keys(b"test master key")
TOKEN = Redaction("token", restore=True)
FORMS = ("token", "faker", "mask", "hash", "encrypt")
KINDS = (
    "pii.email",
    "pii.phone",
    "pii.card",
    "pii.person",
    "pii.us.ssn",
    "pii.ip",
    "secret.openai_key",
    "pii.age",
)


@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.sampled_from(FORMS), st.text(min_size=1, max_size=8)),
        max_size=12,
    )
)
def test_b30_two_values_never_share_a_placeholder(asked: list[tuple[str, str, str]]) -> None:
    """B30: over all forms, one placeholder stands for one value, and asking again gives the same."""
    mapping = Mapping(KEYS)
    stands_for: dict[str, str] = {}
    for kind, form, value in asked:
        made = mapping.placeholder(kind, value, Redaction(form))
        assert stands_for.setdefault(made, value) == value
        assert mapping.placeholder(kind, value, Redaction(form)) == made
        assert made != value


def test_b30_one_value_has_one_token_whatever_its_kinds() -> None:
    """B30: mentions of one value that were found as different kinds are one token, so that the model sees one thing."""
    mapping = Mapping(KEYS)
    assert mapping.placeholder("pii.phone", "12345678", TOKEN) == "<PHONE_1>"
    assert mapping.placeholder("pii.cn.qq", "12345678", TOKEN) == "<PHONE_1>"
    assert mapping.placeholder("pii.cn.qq", "87654321", TOKEN) == "<CN_QQ_1>"


def test_b30_two_hundred_exchanges_at_once() -> None:
    """B30: restoring uses this exchange's own map, with 200 exchanges in threads that all number from 1."""

    def exchange(n: int) -> bool:
        mapping = Mapping(KEYS)
        made = [mapping.placeholder("pii.email", f"u{n}.{i}@corp.de", TOKEN) for i in range(5)]
        assert made == [f"<EMAIL_{i + 1}>" for i in range(5)]
        return mapping.restore(" ".join(made)) == " ".join(f"u{n}.{i}@corp.de" for i in range(5))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(exchange, range(200)))


def test_another_exchanges_placeholder_is_left_alone() -> None:
    """A token that this exchange did not make is text."""
    mapping = Mapping(KEYS)
    mapping.placeholder("pii.email", "a@x.com", TOKEN)
    assert (
        mapping.restore("<EMAIL_1> <EMAIL_2> <PHONE_1> <EMAIL_10>")
        == "a@x.com <EMAIL_2> <PHONE_1> <EMAIL_10>"
    )


def test_ten_and_one_are_told_apart() -> None:
    """`<EMAIL_1>` and `<EMAIL_10>` restore to their own values."""
    mapping = Mapping(KEYS)
    values = [f"u{n}@corp.de" for n in range(12)]
    text = "".join(mapping.placeholder("pii.email", value, TOKEN) for value in values)
    assert mapping.restore(text) == "".join(values)


def test_restoring_is_one_pass() -> None:
    """A restored value that itself reads like a placeholder is not restored again."""
    mapping = Mapping(KEYS)
    mapping.placeholder("pii.person", "<EMAIL_1>", TOKEN)
    mapping.placeholder("pii.email", "a@x.com", TOKEN)
    assert mapping.restore("<PERSON_1> <EMAIL_1>") == "<EMAIL_1> a@x.com"


@pytest.mark.parametrize("form", FORMS)
def test_only_what_a_rule_lets_come_back_is_restored(form: str) -> None:
    """Without restore, and for forms that cannot come back, the placeholder stays in the answer."""
    mapping = Mapping(KEYS)
    made = mapping.placeholder("pii.email", "jane@corp.de", Redaction(form))
    assert mapping.restore(f"to {made}.") == f"to {made}."
    assert dict(mapping.restorable) == {}
    made = mapping.placeholder("pii.email", "jane@corp.de", Redaction(form, restore=True))
    assert (made in mapping.restorable) is (form in ("token", "encrypt"))


def test_reserved_numbers_are_skipped() -> None:
    """Literals that the caller typed keep their meaning: numbering goes around them, in every spelling."""
    mapping = Mapping(KEYS)
    mapping.reserve("see <EMAIL_1>, &lt;email_2&gt;, <EMAIL 4> and <PHONE_1>")
    made = [mapping.placeholder("pii.email", f"u{n}@corp.de", TOKEN) for n in range(3)]
    assert made == ["<EMAIL_3>", "<EMAIL_5>", "<EMAIL_6>"]
    assert mapping.restore("<EMAIL_1> <email_2>") == "<EMAIL_1> <email_2>"


def test_originals_go_back_to_placeholders() -> None:
    """`redact_originals` is the way back: the longest original wins, the first placeholder of each is used."""
    mapping = Mapping(KEYS)
    mapping.placeholder("pii.person", "Ann", TOKEN)
    mapping.placeholder("pii.person", "Anna Lee", TOKEN)
    mapping.placeholder("pii.email", "a@x.com", Redaction("mask"))
    assert mapping.redact_originals("Anna Lee, Ann: a@x.com") == "<PERSON_2>, <PERSON_1>: *@*.***"


@given(st.lists(st.text(min_size=1, max_size=5), max_size=8), st.text(max_size=60))
def test_no_original_survives_the_way_back(values: list[str], text: str) -> None:
    """Whatever originals are in play, none is left between the placeholders of a text."""
    mapping = Mapping(KEYS)
    made = [mapping.placeholder("pii.person", value, TOKEN) for value in values]
    shown = mapping.redact_originals(text + "".join(values))
    for placeholder in made:
        shown = shown.replace(placeholder, "\0")
    assert not any(value in shown for value in values if "\0" not in value)


@pytest.mark.parametrize("text", ["<e 1>", "＜e 1＞", "&lt;e 1&gt;", "e_1", "E%5F1"])
def test_a_glance_overlooks_no_spelling(text: str) -> None:
    """Where `absent` says so, an answer is searched neither for placeholders nor for mangled ones."""
    mapping = Mapping(KEYS)
    mapping.placeholder("pii.e", "x", TOKEN)
    assert mapping.spans(text) or mapping.mangled(text, [])
    assert not mapping.absent(text)
    assert mapping.absent("what else is said")


@pytest.mark.parametrize("form", ["token", "encrypt"])
@given(text=st.text(max_size=20))
def test_a_placeholder_that_is_cut_off_is_held(form: str, text: str) -> None:
    """Wherever a text ends inside a restorable placeholder, `partials` points at or before its beginning."""
    mapping = Mapping(KEYS)
    made = mapping.placeholder("pii.us.ssn", "536-22-8421", Redaction(form, restore=True))
    for cut in range(1, len(made)):
        assert mapping.partials().at(text + made[:cut]) <= len(text)
    assert mapping.partials().at(f"{text}.{made}") == len(text) + 1 + len(made)
    assert len(made) <= mapping.longest


def test_plain_text_is_not_held() -> None:
    """Comparisons, HTML and tokens of other names wait for nothing, and with nothing in play nothing does."""
    mapping = Mapping(KEYS)
    assert mapping.partials().at("if a <") == len("if a <")
    mapping.placeholder("pii.email", "a@x.com", TOKEN)
    for text in ("a < b", "<div", "<PHONE_", "&amp", "<EMAIL_1>", "x", "", "<E" + "x" * 80):
        assert mapping.partials().at(text) == len(text), text
    assert mapping.partials().at("a <em") == 2


def test_every_tolerated_spelling_fits_the_longest() -> None:
    """`longest` covers the spelling that takes the most characters."""
    mapping = Mapping(KEYS)
    mapping.placeholder("pii.cn.resident_id", "x", TOKEN)
    for spelling in (
        r"\<CN\_RESIDENT\_ID\_1\>",
        "&lt; CN_RESIDENT_ID_1 &gt;",
        r"&lt; CN\_RESIDENT\_ID\_1 &gt;",
    ):
        assert mapping.restore(spelling) == "x"
        assert len(spelling) <= mapping.longest


def test_many_originals_cost_one_look_up_a_character() -> None:
    """Ten thousand originals in play leave searching a text linear: each place is looked up once."""
    mapping = Mapping(KEYS)
    for n in range(10_000):
        mapping.placeholder("pii.email", f"user{n}@corp.de", TOKEN)
    shown = mapping.redact_originals("user77@corp.de wrote to user7777@corp.de " * 500)
    assert shown == "<EMAIL_78> wrote to <EMAIL_7778> " * 500


def test_values_never_show_in_a_repr() -> None:
    """Neither the mapping nor its keys tell what they hold, and keys are not pickled along."""
    mapping = Mapping(KEYS)
    mapping.placeholder("pii.email", "jane@corp.de", TOKEN)
    assert repr(mapping) == "Mapping(placeholders=1, restorable=1)"
    with pytest.raises(TypeError):
        pickle.dumps(mapping)


def test_restoring_inside_a_json_string_is_left_to_the_caller() -> None:
    """The text that is restored is plain: a quote in the original needs the writer of the JSON."""
    mapping = Mapping(KEYS)
    made = mapping.placeholder("pii.person", 'Jane "J" Doe', TOKEN)
    arguments = json.loads(json.dumps({"to": made}))
    assert mapping.restore(arguments["to"]) == 'Jane "J" Doe'


def test_same_fakes_in_every_exchange() -> None:
    """A fake depends on key and value, not on the exchange; the number of a token does."""
    one, two = Mapping(KEYS), Mapping(KEYS)
    one.placeholder("pii.email", "first@corp.de", Redaction("faker"))
    made = one.placeholder("pii.email", "jane@corp.de", Redaction("faker"))
    assert two.placeholder("pii.email", "jane@corp.de", Redaction("faker")) == made


def test_collisions_are_drawn_again_and_then_suffixed() -> None:
    """Where a range is too small for the values of one exchange, the fakes still differ."""
    mapping = Mapping(KEYS)
    made = {
        mapping.placeholder("pii.mac", f"00:11:22:33:{n // 256:02x}:{n % 256:02x}", Redaction("faker"))
        for n in range(400)
    }
    assert len(made) == 400
    ages = [mapping.placeholder("pii.age", str(n), Redaction("faker")) for n in (41, 42, 43)]
    assert ages == ["00", "00#2", "00#3"]
    masks = [mapping.placeholder("secret.env", value, Redaction("mask")) for value in ("abcd", "efgh")]
    assert masks == ["****", "****#2"]
