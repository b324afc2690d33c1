# ruff: noqa: E501
"""National numbers: our checks agree with python-stdnum's, digits alone are a guess, a policy can narrow to countries."""

from __future__ import annotations

import importlib
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.pii.catalog import ROWS
from guard.pii.checks import CHECKS
from guard.pii.resolve import STRONG
from guard.pii.rows import Road, Row
from guard.pii.scan import Scanner

EVERYTHING = Scanner(skip=())

OURS = {
    # our check, stdnum's module, the form of a value
    "au_abn": ("au.abn", "[0-9]{11}"),
    "au_acn": ("au.acn", "[0-9]{9}"),
    "au_tfn": ("au.tfn", "[1-9][0-9]{8}"),
    "be_nn": ("be.nn", "[5-9][0-9]0[1-9](?:0[1-9]|1[0-9])[0-9]{5}"),
    "br_cpf": ("br.cpf", "[0-9]{11}"),
    "ca_sin": ("ca.sin", "[1-79][0-9]{8}"),
    "ch_ahv": ("ch.ssn", "756[0-9]{10}"),
    "cl_rut": ("cl.rut", "[0-9]{8}[0-9K]"),
    "cn_resident_id": ("cn.ric", "110105(?:19[5-9][0-9])0[1-9]1[0-9][0-9]{3}[0-9X]"),
    "cn_uscc": ("cn.uscc", "91110000[0-9]{10}"),
    "de_vat_id": ("de.vat", "[1-9][0-9]{8}"),
    "es_nie": ("es.nie", "[XYZ][0-9]{7}[A-Z]"),
    "es_nif": ("es.dni", "[0-9]{8}[A-Z]"),
    "fi_personal_identity_code": ("fi.hetu", "[0-2][1-9]0[1-9][4-9][0-9]-[1-8][0-9]{2}[0-9A-Y]"),
    "fr_nir": ("fr.nir", "[12][0-9]{2}0[1-9](?:[0-8][0-9]|2[AB])[0-9]{8}"),
    "il_idnr": ("il.idnr", "[0-9]{9}"),
    "imei": ("imei", "[0-9]{15}"),
    "in_aadhaar": ("in_.aadhaar", "[2-9][0-9]{11}"),
    "it_fiscal_code": (
        "it.codicefiscale",
        "[B-DF-HJ-NP-TV-Z]{6}[0-9]{2}[ABCDEHLMPRST][01][1-9][A-M][1-9][0-9]{2}[A-Z]",
    ),
    "jp_in": ("jp.in_", "[0-9]{12}"),
    "nl_bsn": ("nl.bsn", "[1-9][0-9]{8}"),
    "pl_pesel": ("pl.pesel", "[0-9]{2}0[1-9][01][1-9][0-9]{5}"),
    "pt_nif": ("pt.nif", "[1-35-9][0-9]{8}"),
    "ro_cnp": ("ro.cnp", "1[0-9]{2}0[1-9][01][1-9](?:0[1-9]|[1-3][0-9])[0-9]{4}"),
    "se_organisationsnummer": ("se.orgnr", "[0-9]{2}[2-9][0-9]{7}"),
    "se_personnummer": ("se.personnummer", "(?:19)?[5-9][0-9]0[1-9][0-2][1-9]-[0-9]{4}"),
    "th_tnin": ("th.pin", "[1-8]1[0-9]{11}"),
    "tr_national_id": ("tr.tckimlik", "[1-9][0-9]{10}"),
    "uk_nhs": ("gb.nhs", "[0-9]{10}"),
    "us_aba_routing": ("us.rtn", "(?:0[1-9]|1[0-2]|2[1-9]|6[1-9]|7[0-2]|80)[0-9]{7}"),
    "us_itin": ("us.itin", "9[0-9]{2}[78][0-8][0-9]{3}[1-9]"),
    "za_id_number": ("za.idnr", "[0-9]{2}0[1-9][0-2][1-9][0-9]{4}[01][89][0-9]"),
}
SOME = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


def agree(name: str, value: str) -> None:
    """Ours and theirs say the same of a value."""
    theirs = importlib.import_module(f"stdnum.{OURS[name][0]}")
    assert bool(CHECKS[name](value.encode())) == theirs.is_valid(value), (name, value)


@pytest.mark.parametrize("name", sorted(OURS))
@SOME
@given(data=st.data())
def test_a_check_agrees_with_stdnum_on_random_values(name: str, data: st.DataObject) -> None:
    """Values of the right form, most of which fail their check digit; numbers of one digit only are nobody's."""
    value = data.draw(st.from_regex(re.compile(OURS[name][1], re.ASCII), fullmatch=True))
    if len(set(re.sub("[^0-9]", "", value))) > 2:
        agree(name, value)


@pytest.mark.parametrize("name", sorted(OURS))
@SOME
@given(data=st.data())
def test_a_check_agrees_with_stdnum_on_mended_values(name: str, data: st.DataObject) -> None:
    """Each last character in turn: the one or few that fit are the same for both."""
    value = data.draw(st.from_regex(re.compile(OURS[name][1], re.ASCII), fullmatch=True))
    ends = "0123456789" if value[-1].isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for end in ends:
        if len(set(re.sub("[^0-9]", "", value[:-1]))) > 2:
            agree(name, value[:-1] + end)


ALONE = [
    "12345678903", "121042882", "44051401458", "2345678901", "3998 7654 3211", "51 824 753 556",
    "435 418 165", "10000000146", "1234567893", "800101 5009 087", "A12803456", "AB1234567", "078051121", "104-82-13138",
]  # fmt: skip


@pytest.mark.parametrize("value", ALONE)
def test_digits_alone_are_at_most_a_guess(value: str) -> None:
    """B41: without a cue word nothing reaches what a policy acts on by default, whatever check digit fits."""
    assert all(finding.score < STRONG for finding in EVERYTHING.scan(f"the value {value} came up"))


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.road is Road.NATION and row.country and row.score],
    ids=lambda row: row.kind,
)
def test_a_row_of_digits_only_never_suffices(row: Row) -> None:
    """A form without letters scores less than what is acted on; so does any form without a check."""
    lettered = re.search(r"\[[A-Z][^\]]*\]|\[[A-Z]{2}|[A-Z]{2}", row.core) is not None
    assert row.score < STRONG or (lettered and row.check) or row.kind in SURE_FORMS
    assert row.cued >= STRONG


SURE_FORMS = {"pii.us.mbi", "pii.uk.driving_licence", "pii.ch.ssn", "pii.ro.onrc"}
"""Forms that nothing else has, or with 3 fixed digits and a check digit."""


PLANS = {
    "US": ["(415) 555-2671", "415-555-2671", "4155552671 ext 12"],
    "CN": ["13812345678", "138-1234-5678", "010-62345678", "(0755) 2345 6789"],
    "DE": ["(030) 901820", "0431 35 06 90"],
    "FR": ["06 12 34 56 78"],
    "AU": ["(02) 9374 4000"],
}


@pytest.mark.parametrize("country", PLANS)
def test_a_number_without_a_plus_is_guessed_by_the_plans_of_the_named_countries(country: str) -> None:
    """A policy's countries narrow phone guesses: no other country's plan counts; with + or a cue word all do."""
    own = {
        value: {f.kind for f in Scanner(countries=[country]).scan(f"at {value} now")}
        for value in PLANS[country]
    }
    assert all("pii.phone" in kinds for kinds in own.values())
    others = Scanner(countries=["DK"])
    for value in PLANS[country]:
        assert others.scan(f"at {value} now") == []
        assert [f.kind for f in others.scan(f"phone: {value}")] == ["pii.phone"]
    assert [f.kind for f in others.scan("at +44 20 7946 0958 now")] == ["pii.phone"]


@pytest.mark.parametrize("word", ["order", "invoice", "sku", "订单号", "timestamp", "tracking number"])
def test_what_is_called_something_else_is_not_guessed(word: str) -> None:
    """B41: an order number that happens to fit a check digit."""
    for value in ("121042882", "12345678903", "3998 7654 3211", "10000000146"):
        assert EVERYTHING.scan(f"{word} {value}") == []


def test_what_is_surely_something_else_is_not_guessed() -> None:
    """B27: a telephone number, a card, a time stamp keep their kind; a cue word of a national number beats a guess."""
    for text, kind in (
        ("call 415-555-2671", "pii.phone"),
        ("4104332181960018", "pii.card"),
        ("BSN 111222333", "pii.nl.bsn"),
    ):
        assert [finding.kind for finding in EVERYTHING.scan(text)] == [kind]


def test_a_policy_can_narrow_to_countries() -> None:
    """Only the kinds of the countries named are looked for; EU stands for its members, UK for GB."""
    text = "TFN 876 543 210, BSN 111222333, CPF 111.444.777-35, UTR 1955839661"
    for countries, kinds in (
        (["AU"], {"pii.au.tfn"}),
        (["EU"], {"pii.nl.bsn"}),
        (["BR", "UK"], {"pii.br.cpf", "pii.uk.utr"}),
    ):
        assert {
            f.kind for f in Scanner(countries=countries, skip=()).scan(text) if f.score >= STRONG
        } == kinds


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("주민등록번호 ９００１０１-１２３４５６８ 입니다", "９００１０１-１２３４５６８", "pii.kr.rrn"),
        ("ИНН 7707083893", "7707083893", "pii.ru.inn"),
        ("マイナンバー：1234 5678 9018", "1234 5678 9018", "pii.jp.in"),
        ("เลขบัตรประชาชน ๑๒๓๔๕๖๗๘๙๐๑๒๑", "๑๒๓๔๕๖๗๘๙๐๑๒๑", "pii.th.tnin"),
        ("ΑΦΜ 094259216", "094259216", "pii.gr.vat"),
        ("aadhaar 3998\u200b7654\u200b3211", "3998\u200b7654\u200b3211", "pii.in.aadhaar"),
        (
            "Sozialversicherungsnummer 15\u00a0070649\u00a0C\u00a0103",
            "15\u00a0070649\u00a0C\u00a0103",
            "pii.de.social_security",
        ),
    ],
)
def test_in_their_own_script_and_disguised(text: str, value: str, kind: str) -> None:
    """B01, B02, B03: cue words outside ASCII, other digits, invisible characters between groups."""
    assert [(f.kind, text[f.start : f.end]) for f in EVERYTHING.scan(text)] == [(kind, value)]


def test_presidio_and_stdnum_are_covered() -> None:
    """Every national number that Presidio or python-stdnum knows has a row, or is no number of a person or firm."""
    from guard.kinds import PRESIDIO

    national = {kind for kind in PRESIDIO.values() if re.match(r"pii\.[a-z]{2}\.", kind)}
    assert national - {row.kind for row in ROWS} == {
        "pii.us.bank_number", "pii.za.mobile_number", "pii.za.telephone_number",
    }  # fmt: skip
    modules = {name for name in stdnum_modules() if name not in BORROWED | OURS_BY_MODULE}
    assert modules == LEFT_OUT


def stdnum_modules() -> set[str]:
    """Every module of a country that validates."""
    import pkgutil

    import stdnum

    found = (
        m.name.removeprefix("stdnum.")
        for m in pkgutil.walk_packages(stdnum.__path__, "stdnum.")
        if not m.ispkg
    )
    return {name for name in found if "." in name and not name.startswith("iso7064.")}


BORROWED = {name for name in CHECKS if "." in name}
OURS_BY_MODULE = {module for module, _ in OURS.values()} | {"kr.brn", "kr.rrn", "au.medicare"} | {
    # under Presidio's names
    "ar.cuit", "de.idnr", "de.stnr", "de.handelsregisternummer", "es.nif", "in_.epic", "in_.gstin", "in_.pan", "it.iva",
    "ca.bn", "us.ein", "us.ptin", "us.ssn", "us.tin", "be.ssn", "nl.identiteitskaartnummer", "hu.anum",
}  # fmt: skip
LEFT_OUT = set(
    """at.postleitzahl be.iban be.ogm_vcs ch.esr ch.vat de.wkn es.iban es.postal_code eu.at_02 eu.ecnumber eu.eic
    eu.excise eu.nace eu.oss eu.vat fi.associationid fr.accise fr.rcs gb.sedol me.iban nl.brin nl.postcode no.iban
    ro.cf se.postnummer""".split()
)
"""Post codes, IBANs by country, what other kinds cover; numbers of goods, energy, securities, invoices, schools."""
