"""Faker placeholders: same shape, nobody's value, the same under a key, known again."""

from __future__ import annotations

import ipaddress
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import phonenumbers
import pytest
import stdnum.cn.ric
import stdnum.gb.nhs
import stdnum.iban
import stdnum.luhn
import stdnum.us.ssn
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import SetupError
from guard.kinds import KINDS
from guard.pii import draw, fakemarks
from guard.pii.draw import Draw, Ring
from guard.pii.fakes import canonical, fake, is_fake, is_fake_at, warm

KEY, OTHER = b"k" * 32, b"o" * 32
SPANS = sorted(kind for kind in KINDS if kind.startswith(("pii.", "secret.")))

VALUES = {
    "pii.email": ["jane.doe@corp.de", "JANE_DOE@CORP.DE", "j@x.internal", "张三@例子.cn", '"q t"@x.org'],
    "pii.phone": [
        "+1 (415) 555-2671",
        "415-626-1234",
        "1-415-626-1234",
        "626-1234",
        "13812345678",
        "138 1234 5678",
        "+86 138 1234 5678",
        "0086 13812345678",
        "010-62751234",
        "+86 10 6275 1234",
        "0755-88886666",
        "+44 20 7946 0958",
        "020 7946 0958",
        "+49 (0)30 901820",
        "9123 4567",
        "415-626-1234 ext. 77",
        "110",
    ],
    "pii.card": [
        "4111 1111 1111 1111",
        "378282246310005",
        "5555-5555-5555-4444",
        "4222222222222",
        "６222021234567890128",
    ],
    "pii.iban": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "no93 8601 1117 947"],
    "pii.ip": [
        "8.8.8.8",
        "10.0.0.1/24",
        "8.8.4.4:53",
        "2a00:1450:4001:81b::200e",
        "FE80::1%eth0",
        "::ffff:8.8.8.8",
    ],
    "pii.mac": ["ac:de:48:00:11:22", "AC-DE-48-00-11-22", "acde.4800.1122"],
    "pii.uuid": ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"],
    "pii.us.ssn": ["536-22-8421", "536228421", "001-01-0001"],
    "pii.us.itin": ["912-70-1234"],
    "pii.uk.nhs": ["943 476 5919", "9434765919"],
    "pii.uk.nino": ["AB 12 34 56 C", "ab123456c"],
    "pii.cn.resident_id": ["11010519491231002X", "110105491231002"],
    "pii.cn.plate": ["京A·12345", "沪AD12345"],
    "pii.cn.passport": ["E12345678", "EA1234567"],
    "pii.cn.uscc": ["91350100M000100Y43"],
    "pii.person": [
        "Ada Lovelace",
        "ADA LOVELACE",
        "ada",
        "Lovelace, Ada",
        "王小明",
        "张伟",
        "欧阳娜娜",
        "Jean-Luc P. Picard",
    ],
    "pii.address": ["221B Baker Street", "北京市朝阳区建国路88号"],
    "pii.place": ["Paris", "上海"],
    "pii.org": ["Acme Corp", "Acme", "北京某某科技有限公司"],
    "pii.url": ["https://corp.de/users/jane?x=1"],
    "secret.url_credentials": ["https://jane:pw@corp.de/x"],
    "secret.connection_string": ["postgres://u:pw@db.corp/x"],
    "secret.openai_key": ["sk-proj-abcDEF123456ghiJKL"],
    "secret.jwt": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"],
    "pii.age": ["42"],
    "pii.cn.postcode": ["100020"],
    "pii.birth_date": ["1990-03-07", "1990年3月7日"],
}
ROWS = [(kind, value) for kind, values in VALUES.items() for value in values]


@pytest.mark.parametrize(("kind", "value"), ROWS)
def test_b31_a_fake_is_stable_keyed_and_known(kind: str, value: str) -> None:
    """B31: same key and value, same fake; another key, another fake; never the value; recognised without the key."""
    made = fake(KEY, kind, value)
    assert fake(KEY, kind, value) == made
    assert made != value
    assert is_fake(kind, made)
    assert not is_fake(kind, value)
    if value not in ("42", "110"):  # too short to draw from
        assert len({fake(bytes([n]) * 32, kind, value) for n in range(20)}) > 1


def shape(text: str) -> str:
    return re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", re.sub(r"[0-9]", "0", text)))


KEPT = ["pii.phone", "pii.card", "pii.us.ssn", "pii.us.itin", "pii.uk.nhs", "pii.uk.nino", "pii.cn.passport"]


@pytest.mark.parametrize(("kind", "value"), [row for row in ROWS if row[0] in KEPT and row[1].isascii()])
def test_the_format_is_kept(kind: str, value: str) -> None:
    """Digits for digits, letters for letters of the same case, separators where they were."""
    assert shape(fake(KEY, kind, value)) == shape(value)


def test_letter_case_script_and_order_are_kept() -> None:
    """A Chinese name gives a Chinese one, capitals give capitals, and `Last, First` stays in that order."""
    assert re.fullmatch(r"[\u4e00-\u9fff]某[\u4e00-\u9fff]{1,2}", fake(KEY, "pii.person", "王小明"))
    assert fake(KEY, "pii.person", "ADA LOVELACE").isupper()
    assert fake(KEY, "pii.person", "ada lovelace").islower()
    assert re.fullmatch(r"\w+-Example, \w+", fake(KEY, "pii.person", "Lovelace, Ada"))
    assert fake(KEY, "pii.email", "JANE@CORP.DE").isupper()
    assert re.fullmatch(r"某市\w+区\w\w路\d{1,3}号", fake(KEY, "pii.address", "北京市朝阳区建国路88号"))


def test_the_locale_of_a_policy_chooses_the_lists() -> None:
    """Without a Chinese locale a Chinese value gets a Latin fake; names of other locales come from Faker's lists."""
    assert fake(KEY, "pii.person", "王小明", locale=("en_US",)).endswith("-Example")
    german = fake(KEY, "pii.person", "Ada Lovelace", locale=("de_DE", "zh_CN"))
    assert german.split()[0] in draw.first_names("de_DE").words
    warm(("de_DE", "zh_CN"))
    for unknown in ("xx_XX", "mr_IN"):
        with pytest.raises(SetupError, match=unknown):
            warm((unknown,))


def drawn(kind: str, values: list[str], count: int = 100) -> set[str]:
    return {fake(bytes([n % 256, n // 256]) * 16, kind, value) for n in range(count) for value in values}


def test_b31_cards_fail_luhn() -> None:
    """B31: no fake card is a card: python-stdnum's Luhn refuses every one."""
    for made in drawn(
        "pii.card", ["4111 1111 1111 1111", "378282246310005", "4222222222222", "6222021234567890128"]
    ):
        assert not stdnum.luhn.is_valid(re.sub(r"\D", "", made))


def test_b31_resident_ids_fail_their_check_and_have_no_region() -> None:
    """B31: MOD 11-2 fails, and no region begins with 99."""
    for made in drawn("pii.cn.resident_id", ["11010519491231002X"]):
        assert made.startswith("99")
        assert stdnum.cn.ric.calc_check_digit(made) != made[-1]


def test_b31_ibans_fail_mod_97() -> None:
    """B31: the check digits are 00, and python-stdnum refuses them."""
    for made in drawn("pii.iban", ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432"]):
        assert not stdnum.iban.is_valid(made)
        assert made[2:4] == "00"


def test_b31_social_numbers_are_never_issued() -> None:
    """B31: SSN area 000, ITIN group 00, NINO prefix QQ, NHS 000 with a failing check."""
    assert not any(stdnum.us.ssn.is_valid(made) for made in drawn("pii.us.ssn", ["536-22-8421"]))
    assert not any(stdnum.gb.nhs.is_valid(made) for made in drawn("pii.uk.nhs", ["943 476 5919"]))
    assert all(re.fullmatch(r"9\d\d-00-\d{4}", made) for made in drawn("pii.us.itin", ["912-70-1234"]))
    assert all(made.startswith("QQ") for made in drawn("pii.uk.nino", ["AB 12 34 56 C"]))


@pytest.mark.parametrize(
    ("value", "region"),
    [
        ("13812345678", "CN"),
        ("+86 138 1234 5678", "CN"),
        ("010-62751234", "CN"),
        ("0755-88886666", "CN"),
        ("+86 10 6275 1234", "CN"),
        ("+44 20 7946 0958", "GB"),
        ("020 7946 0958", "GB"),
        ("9123 4567", "HK"),
        ("13812345678", "US"),
        ("16991234567", "BR"),
    ],
)
def test_b31_phones_are_nobodys(value: str, region: str) -> None:
    """B31: outside North America no number is valid by libphonenumber, in the caller's region."""
    for made in drawn("pii.phone", [value]):
        assert not phonenumbers.is_valid_number(
            phonenumbers.parse(re.sub(r"[^\d+]", "", made), region) if made[0] != "+" else _loose(made)
        )


def _loose(number: str) -> phonenumbers.PhoneNumber:
    try:
        return phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return phonenumbers.PhoneNumber()


@pytest.mark.parametrize("value", ["+1 (415) 555-2671", "415-626-1234", "626-1234", "1-415-626-1234"])
def test_b31_american_phones_are_fiction(value: str) -> None:
    """B31: in North America the last seven digits are 555-0100 to 555-0199."""
    for made in drawn("pii.phone", [value]):
        assert re.search(r"55501\d\d$", re.sub(r"\D", "", made))


def test_b31_a_brazilian_mobile_is_no_fake() -> None:
    """Numbers that really exist and look alike are not taken for fakes: (16) 99123-4567, 0044…, an Indian 999…."""
    for real in (
        "(16) 99123-4567",
        "16991234567",
        "0044 20 7946 0958",
        "9991234567",
        "+91 9000001234",
    ):
        assert not is_fake("pii.phone", real)
        assert not is_fake_at("pii.phone", f"call {real} now", 5, 5 + len(real))


def test_b31_a_spare_country_code_needs_its_plus() -> None:
    """Digits that begin with 999 are a fake only where they are written as an international number."""
    made = fake(KEY, "pii.phone", "+44 20 7946 0958")
    assert is_fake("pii.phone", made)
    assert is_fake("pii.phone", f"00{made[1:]}")
    assert not is_fake("pii.phone", made[1:])


def test_b31_hosts_are_reserved() -> None:
    """B31: documentation addresses, example domains, the documentation MAC range."""
    for made in drawn("pii.ip", ["8.8.8.8", "2a00:1450:4001:81b::200e"], 60):
        address = ipaddress.ip_address(made)
        assert any(
            address in ipaddress.ip_network(net)
            for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
            if ipaddress.ip_network(net).version == address.version
        )
    for made in drawn("pii.email", ["jane@corp.de", "j@acme.com", "j@gmail.com", "j@x"], 60):
        assert re.fullmatch(r"(?:.*@)(?:example\.(?:com|org|net)|[a-z]+\.example)", made)
    for made in drawn("pii.mac", ["ac:de:48:00:11:22"], 60):
        assert made.startswith("00:00:5e:00:53:")


@pytest.mark.parametrize(
    ("domains", "kept"),
    [
        (("acme.com", "mail.acme.com"), "example.com"),
        (("acme.org",), "example.org"),
        (("acme.net",), "example.net"),
        (("gmail.com", "qq.com", "yahoo.co.uk", "web.de"), "mail.example"),
        (("mit.edu", "cs.ox.ac.uk", "tsinghua.edu.cn"), "edu.example"),
        (("irs.gov", "bj.gov.cn", "army.mil"), "gov.example"),
        (("corp.internal", "pc.local", "localhost"), "intern.example"),
        (("kontor.de",), "de.example"),
        (("acme.co.jp",), "jp.example"),
    ],
)
def test_the_class_of_a_domain_is_kept(domains: tuple[str, ...], kept: str) -> None:
    """Whether an address is of a firm, free mail, a school, an office or a country is still told, and no more."""
    for domain in domains:
        assert fake(KEY, "pii.email", f"jo@{domain}").endswith(f"@{kept}")


@pytest.mark.parametrize(
    ("number", "issuer"),
    [
        ("4111111111111111", "4"),
        ("5555555555554444", "55"),
        ("2223003122003222", "2223"),
        ("2720990000000007", "2720"),
        ("378282246310005", "37"),
        ("6222021234567890128", "62"),
        ("6011111111111117", "6011"),
        ("3530111333300000", "35"),
        ("30569309025904", "305"),
    ],
)
def test_the_issuer_of_a_card_is_kept(number: str, issuer: str) -> None:
    """The digits that say whose card it is stay, the account does not; the number fails, and is known again."""
    for made in drawn("pii.card", [number], 40):
        assert made.startswith(f"{issuer}00000")
        assert len(made) == len(number)
        assert not stdnum.luhn.is_valid(made)
        assert is_fake("pii.card", made)


@pytest.mark.parametrize(
    ("value", "women"),
    [
        ("John Smith", False),
        ("SMITH, JOHN", False),
        ("Mary Smith", True),
        ("Mr. Robin Lee", False),
        ("Mrs. John Smith", True),
        ("Frau Müller", True),
        ("王先生", False),
        ("李女士", True),
    ],
)
def test_gender_is_kept_where_it_is_known(value: str, women: bool) -> None:
    """A title, or a name that only one has, decides the list; Faker's own lists say which names those are."""
    han = not value.isascii() and "ü" not in value
    rings = draw.gendered_characters() if han else draw.gendered("en_US")
    allowed = {word.casefold() for word in rings[women].words}
    for made in drawn("pii.person", [value], 40):
        words = set(made[2:]) if han else set(re.findall(r"[^\W\d_]+", made.casefold()))
        assert words & allowed, made


def test_a_name_that_tells_no_gender_draws_from_all() -> None:
    """Where nothing tells, both are drawn: a guess would be an invention."""
    men, women = ({word.casefold() for word in ring.words} for ring in draw.gendered("en_US"))
    made = {word for name in drawn("pii.person", ["Xq Zw"], 200) for word in name.casefold().split()}
    assert made & men
    assert made & women


@pytest.mark.parametrize("value", ["1-800-FLOWERS", "AAAAAA", "0800-CALLNOW"])
def test_letters_of_a_number_do_not_stay(value: str) -> None:
    """B31: a number that is dialled by letters is faked as a code; no letter is left where it stood."""
    for made in drawn("pii.phone", [value]):
        assert is_fake("pii.phone", made)
        assert sum(a == b for a, b in zip(made, value, strict=True) if a.isalpha()) < 5
        assert not value.startswith(made[:6])


def test_b31_eight_threads_draw_what_one_draws() -> None:
    """B31: the draws hold no state, so threads neither disturb each other nor Faker's and `random`'s own sequence."""
    work = [(kind, f"{value}{n}") for n in range(6) for kind, value in ROWS]
    random.seed(7)
    state = random.getstate()
    serial = [fake(KEY, *item) for item in work]
    assert random.getstate() == state
    shuffled = list(enumerate(work))
    random.Random(1).shuffle(shuffled)
    with ThreadPoolExecutor(8) as pool:
        for n, made in pool.map(lambda item: (item[0], fake(KEY, *item[1])), shuffled):
            assert made == serial[n]


def test_b31_another_process_draws_the_same() -> None:
    """B31: nothing of a process, hash seed included, goes into a fake; these are pinned for list version 1."""
    script = (
        "from guard.pii.fakes import fake; k = b'k' * 32\n"
        "print([fake(k, 'pii.email', 'jane.doe@corp.de'), fake(k, 'pii.person', 'Ada Lovelace'),"
        " fake(k, 'pii.person', '王小明'), fake(k, 'pii.card', '4111 1111 1111 1111')])"
    )
    run = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", script], capture_output=True, text=True, check=True
    )
    here = [
        fake(KEY, "pii.email", "jane.doe@corp.de"),
        fake(KEY, "pii.person", "Ada Lovelace"),
        fake(KEY, "pii.person", "王小明"),
        fake(KEY, "pii.card", "4111 1111 1111 1111"),
    ]
    assert run.stdout.strip() == repr(here)


def test_a_new_list_version_moves_few_fakes() -> None:
    """A word that Faker adds or drops moves only the draws of its own arc."""
    words = [f"word{n}" for n in range(500)]
    draws = [Draw(KEY, "pii.person", str(n)).number() for n in range(2000)]
    rings = Ring(words), Ring(words[5:]), Ring([*words, *(f"new{n}" for n in range(5))])
    before, dropped, added = ([ring.at(number) for number in draws] for ring in rings)
    assert all(a == b for a, b in zip(before, dropped, strict=True) if a not in words[:5])
    assert sum(a != b for a, b in zip(before, added, strict=True)) < 100


def test_spellings_of_one_number_draw_the_same_digits() -> None:
    """Separators, case and width do not change who a value is drawn for."""
    plain = fake(KEY, "pii.card", "4111111111111111")
    assert fake(KEY, "pii.card", "4111 1111 1111 1111").replace(" ", "") == plain
    assert fake(KEY, "pii.card", "４111111111111111") == plain
    assert fake(KEY, "pii.email", "Jane@Corp.de") == fake(KEY, "pii.email", "jane@corp.de")
    assert canonical("secret.env", "aB") != canonical("secret.env", "ab")


@given(st.sampled_from(SPANS), st.text(min_size=1, max_size=24), st.binary(min_size=1, max_size=4))
def test_any_value_of_any_kind_has_a_fake(kind: str, value: str, key: bytes) -> None:
    """Whatever a recognizer hands over, there is a fake, and it is another text."""
    made = fake(key, kind, value)
    assert made
    assert made != value
    assert fake(key, kind, value) == made


codes = st.text(alphabet="0123456789ABCDEFGHKXabcx", min_size=6, max_size=24)


@given(st.sampled_from(SPANS), codes)
def test_fakes_of_codes_are_known(kind: str, value: str) -> None:
    """Letters and digits of any length under any kind become something that `is_fake` knows."""
    assert is_fake(kind, fake(KEY, kind, value))


def test_real_codes_are_hardly_ever_taken_for_fakes() -> None:
    """Of a hundred thousand random numbers and codes under a kind without a range of its own, at most three pass."""
    chance = random.Random(3)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    values = ("".join(chance.choices(letters, k=chance.randint(8, 20))) for _ in range(50_000))
    numbers = (str(chance.randrange(10**9, 10**12)) for _ in range(50_000))
    assert sum(is_fake("pii.us.bank_number", value) for value in (*values, *numbers)) <= 3


@pytest.mark.parametrize(
    ("kind", "text", "part"),
    [
        ("pii.phone", "card 4000 0062 4606 0903 ok", "0062 4606 0903"),
        ("pii.person", "by Nora Moore-Example today", "Nora Moore"),
        ("pii.person", "by Nora Moore-Example today", "Moore"),
        ("pii.person", "由王某伟签字", "王某"),
        ("pii.person", "at 417 Moore-Example Street", "Moore"),
        ("pii.place", "at Moore-Example Group", "Moore"),
        ("pii.username", "nora.moore27@example.org", "nora.moore27"),
    ],
)
def test_a_part_of_a_fake_is_known_in_its_place(kind: str, text: str, part: str) -> None:
    """A recognizer that sees only a part of a fake, or takes it for another kind, does not start again."""
    start = text.index(part)
    assert is_fake_at(kind, text, start, start + len(part))


def test_parts_of_drawn_fakes_are_known() -> None:
    """The same for drawn fakes of numbers: any run of their groups is inside a fake, whatever kind it is taken for."""
    for kind in (
        "pii.card",
        "pii.iban",
        "pii.us.ssn",
        "pii.uk.nhs",
        "pii.cn.resident_id",
        "pii.uuid",
        "pii.cn.plate",
    ):
        for value in VALUES[kind]:
            text = f"see {fake(KEY, kind, value)} there"
            for start, end in ((4, len(text) - 6), (5, len(text) - 6), (4, len(text) - 7)):
                assert fakemarks.covers(text, start, end), text
            assert not fakemarks.covers(text, 0, 3)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("pii.person", "张伟某天来过", "张伟"),  # 某 is also an ordinary word
        ("pii.person", "Ada Lovelace Nora Moore-Example", "Ada Lovelace"),
        ("pii.person", "Ada Lovelace, Nora Moore-Example", "Ada Lovelace"),
        ("pii.phone", "4000 0062 4606 0903 415-626-1234", "415-626-1234"),
        ("pii.phone", "+999 3034 6606 01 13812345678", "13812345678"),
        ("pii.email", "nora.moore27@example.org jane@corp.de", "jane@corp.de"),
    ],
)
def test_a_real_value_beside_a_fake_is_none(kind: str, text: str, value: str) -> None:
    """What only stands next to a fake is not left alone."""
    start = text.index(value)
    assert not is_fake_at(kind, text, start, start + len(value))
