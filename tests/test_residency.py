"""Residency: which destinations are named, where they are, and what a list of jurisdictions admits."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard import residency
from guard.residency import admit, canonical, countries, inside, is_host, is_public, lookup, resident_host
from guard.types import Admission, Place

EU_PACK = ("EEA", "CH")
GERMANY = Place(("DE",), ("DE",))


def ask(
    host: str,
    jurisdictions: tuple[str, ...] | None = None,
    *,
    port: int | None = None,
    scheme: str = "https",
    declared: dict[str, Place] | None = None,
    named: tuple[str, ...] = (),
) -> Admission:
    return admit(
        host, port=port, scheme=scheme, jurisdictions=jurisdictions, declared=declared or {}, named=named
    )


@pytest.mark.parametrize(
    ("host", "jurisdiction"),
    [
        ("api.openai.com", "GLOBAL"),
        ("us.api.openai.com", "US"),
        ("eu.api.openai.com", "EEA+CH"),
        ("mtls-eu.api.openai.com", "EEA+CH"),
        ("jp.api.openai.com", "GLOBAL+JP"),
        ("gb.api.openai.com", "GLOBAL+GB"),
        ("ae.api.openai.com", "AE"),
        ("my-resource.openai.azure.com", "UNKNOWN"),
        ("my-resource.services.ai.azure.com", "UNKNOWN"),
        ("my-resource.openai.azure.cn", "CN"),
        ("bedrock-runtime.eu-central-1.amazonaws.com", "UNKNOWN+DE"),
        ("bedrock-mantle.us-east-1.api.aws", "UNKNOWN+US"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "CN"),
        ("bedrock-runtime.eusc-de-east-1.amazonaws.eu", "EU"),
        ("europe-west3-aiplatform.googleapis.com", "DE"),
        ("me-central1-aiplatform.googleapis.com", "UNKNOWN+QA"),
        ("aiplatform.googleapis.com", "GLOBAL"),
        ("aiplatform.eu.rep.googleapis.com", "EU"),
        ("api.mistral.ai", "GLOBAL"),
        ("api.eu.mistral.ai", "EU+EFTA"),
        ("api.us.mistral.ai", "US"),
        ("api.anthropic.com", "GLOBAL"),
        ("dashscope.aliyuncs.com", "CN"),
        ("dashscope-intl.aliyuncs.com", "GLOBAL+SG"),
        ("ws-1.eu-central-1.maas.aliyuncs.com", "UNKNOWN+DE"),
        ("ark.cn-beijing.volces.com", "CN"),
        ("api.deepseek.com", "CN"),
        ("openrouter.ai", "UNKNOWN"),
    ],
)
def test_each_known_host_is_admitted_without_a_list_and_labelled_with_all_its_places(
    host: str, jurisdiction: str
) -> None:
    found = ask(host)
    assert (found.allowed, found.jurisdiction, found.source) == (True, jurisdiction, "table")


@pytest.mark.parametrize(
    ("host", "jurisdictions", "allowed"),
    [
        ("eu.api.openai.com", EU_PACK, True),
        ("api.eu.mistral.ai", EU_PACK, True),
        ("europe-west6-aiplatform.googleapis.com", EU_PACK, True),
        ("europe-west6-aiplatform.googleapis.com", ("EU",), False),
        ("aiplatform.eu.rep.googleapis.com", EU_PACK, True),
        ("eu.api.openai.com", ("EEA",), False),
        ("eu.api.openai.com", ("EU", "IS", "LI", "NO", "CH"), True),
        ("api.openai.com", EU_PACK, False),
        ("api.mistral.ai", EU_PACK, False),
        ("api.us.mistral.ai", EU_PACK, False),
        ("api.deepseek.com", EU_PACK, False),
        ("api.deepseek.com", ("CN",), True),
        ("cn-hongkong.dashscope.aliyuncs.com", ("CN",), False),
        ("europe-west2-aiplatform.googleapis.com", ("UK",), True),
        ("jp.api.openai.com", ("JP",), False),
        ("gb.api.openai.com", ("GB",), False),
        ("api.openai.com", ("GLOBAL",), False),
        ("my-resource.openai.azure.com", ("UNKNOWN",), False),
        ("bedrock-runtime.eu-central-1.amazonaws.com", ("EU",), False),
        ("us.api.openai.com", (), False),
        ("us.api.openai.com", ("us",), True),
    ],
)
def test_a_list_admits_a_destination_only_with_all_its_places_inside(
    host: str, jurisdictions: tuple[str, ...], allowed: bool
) -> None:
    found = ask(host, jurisdictions)
    assert found.allowed is allowed
    assert found.code == ("" if allowed else "egress.jurisdiction")


@pytest.mark.parametrize(
    ("host", "jurisdictions", "resident"),
    [
        ("api.openai.com", EU_PACK, "eu.api.openai.com"),
        ("us.api.openai.com", EU_PACK, "eu.api.openai.com"),
        ("mtls.api.openai.com", EU_PACK, "mtls-eu.api.openai.com"),
        ("api.mistral.ai", EU_PACK, "api.eu.mistral.ai"),
        ("api.mistral.ai", ("US",), "api.us.mistral.ai"),
        ("aiplatform.googleapis.com", ("EU",), "aiplatform.eu.rep.googleapis.com"),
        ("eu.api.openai.com", EU_PACK, "eu.api.openai.com"),
        ("api.openai.com", None, "api.openai.com"),
        ("api.openai.com", ("EU",), ""),
        ("api.deepseek.com", EU_PACK, ""),
        ("unknown.example", EU_PACK, ""),
    ],
)
def test_the_providers_resident_host_is_named(
    host: str, jurisdictions: tuple[str, ...] | None, resident: str
) -> None:
    assert resident_host(host, jurisdictions) == resident


def test_a_refusal_says_where_the_host_is_and_which_host_would_do() -> None:
    found = ask("api.openai.com", EU_PACK)
    assert found.resident_host == "eu.api.openai.com"
    assert found.reason == (
        "api.openai.com is GLOBAL, and the policy asks for EEA, CH: use eu.api.openai.com"
    )


def test_a_refusal_does_not_name_a_host_that_the_table_does_not_have() -> None:
    """D21: a refusal reveals no internal host."""
    outside = ask("llm.corp.example", EU_PACK, declared={"llm.corp.example": Place(("US",), ("US",))})
    unnamed = ask("llm.corp.example", EU_PACK)
    unplaced = ask("llm.corp.example", EU_PACK, named=("llm.corp.example",))
    assert [found.allowed for found in (outside, unnamed, unplaced)] == [False] * 3
    assert all("corp" not in found.reason for found in (outside, unnamed, unplaced))


@pytest.mark.parametrize(
    ("host", "port", "scheme"),
    [
        ("eu.api.openai.com.evil.tld", None, "https"),
        ("evil-eu.api.openai.com", None, "https"),
        ("evil-api.openai.com", None, "https"),
        ("x.eu.api.openai.com", None, "https"),
        ("eu.api.openai.com@evil.tld", None, "https"),
        ("evil.tld#eu.api.openai.com", None, "https"),
        ("evil.tld/.eu.api.openai.com", None, "https"),
        ("evil.tld\\.eu.api.openai.com", None, "https"),
        ("eu.api.openai.com\n", None, "https"),
        ("eu.api.openai.com ", None, "https"),
        ("eu.api.openai.com..", None, "https"),
        ("eu.api.openai.com:443", None, "https"),
        ("eu.api.openai。com", None, "https"),
        ("ｅu.api.openai.com", None, "https"),
        ("еu.api.openai.com", None, "https"),
        ("ar\u212a.cn-beijing.volces.com", None, "https"),
        ("eu.api.0penai.com", None, "https"),
        ("europe-west３-aiplatform.googleapis.com", None, "https"),
        ("xeurope-west3-aiplatform.googleapis.com", None, "https"),
        ("a.b-openai.azure.com", None, "https"),
        ("eu.api.openai.com", 444, "https"),
        ("eu.api.openai.com", 80, "http"),
        ("eu.api.openai.com", 443, "http"),
        ("eu.api.openai.com", None, "wss"),
        ("eu.api.openai.com", None, "ws"),
        ("eu.api.openai.com", None, "ftp"),
        ("127.0.0.1", None, "https"),
        ("127.0.0.1", 8000, "http"),
        ("localhost", 8000, "http"),
        ("10.0.0.7", None, "https"),
        ("169.254.169.254", 80, "http"),
        ("8.8.8.8", None, "https"),
        ("[::1]", None, "https"),
        ("unknown.example", None, "https"),
        ("", None, "https"),
        (".", None, "https"),
        ("*", None, "https"),
        ("*.openai.azure.com", None, "https"),
    ],
)
def test_what_only_looks_like_a_known_host_is_refused(host: str, port: int | None, scheme: str) -> None:
    """Residency pitfall 12: userinfo, suffixes, look-alike digits, ports, schemes and addresses."""
    for jurisdictions in (None, EU_PACK):
        found = ask(host, jurisdictions, port=port, scheme=scheme)
        assert (found.allowed, found.code) == (False, "egress.host")


@pytest.mark.parametrize(
    "host", ["EU.API.OPENAI.COM", "eu.api.openai.com.", "Eu.Api.OpenAI.com.", "eu.api.openai.com"]
)
def test_case_and_one_trailing_dot_do_not_matter(host: str) -> None:
    found = ask(host, EU_PACK, port=443)
    assert (found.allowed, found.host) == (True, "eu.api.openai.com")


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("[::1]", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("gpu_box.internal", "gpu_box.internal"),
        ("127.1", None),
        ("0x7f000001", None),
        ("2130706433", None),
        ("0177.0.0.1", None),
        ("127.0.0.1.", "127.0.0.1"),
        ("fe80::1%eth0", None),
        ("１２７.0.0.1", None),
        ("-x.example", None),
        ("a" * 64 + ".example", None),
        ("a..example", None),
    ],
)
def test_a_host_has_one_spelling_or_is_none(spelling: str, name: str | None) -> None:
    assert canonical(spelling) == name


@given(st.text(max_size=40))
def test_any_text_is_a_host_in_canonical_form_or_refused(text: str) -> None:
    name = canonical(text)
    assert name is None or (name.isascii() and name == name.lower() and canonical(name) == name)


@given(st.text(alphabet="eu.apionc@:/#?%\\ е０-_", max_size=30))
def test_no_spelling_reaches_the_table_but_the_hosts_own(text: str) -> None:
    found = ask(text, EU_PACK)
    assert not found.allowed or found.host == text.lower().removesuffix(".")


@pytest.mark.parametrize(
    ("named", "host", "port", "scheme", "allowed"),
    [
        ("http://127.0.0.1:8000/v1", "127.0.0.1", 8000, "http", True),
        ("http://127.0.0.1:8000/v1", "127.0.0.1", 8001, "http", False),
        ("http://127.0.0.1:8000/v1", "localhost", 8000, "http", False),
        ("127.0.0.1", "127.0.0.1", 8000, "http", True),
        ("http://[::1]:8000", "::1", 8000, "http", True),
        ("::1", "::1", 8000, "http", True),
        ("[::1]:8000", "[::1]", 8000, "http", True),
        ("gpu-box", "gpu-box", 8000, "http", True),
        ("llm.corp.example", "llm.corp.example", None, "https", True),
        ("llm.corp.example", "llm.corp.example", 8443, "https", True),
        ("llm.corp.example", "llm.corp.example", 8000, "http", False),
        ("llm.corp.example:8000", "llm.corp.example", 8000, "http", True),
        ("http://llm.corp.example", "llm.corp.example", 80, "http", True),
        ("http://llm.corp.example", "llm.corp.example", None, "http", True),
        ("http://llm.corp.example", "llm.corp.example", None, "https", False),
        ("https://llm.corp.example", "llm.corp.example", 8443, "https", False),
        ("https://user@llm.corp.example", "llm.corp.example", None, "https", False),
        ("https://llm.corp.example:x", "llm.corp.example", None, "https", False),
        ("*.corp.example", "llm.corp.example", None, "https", True),
        ("*.corp.example", "corp.example", None, "https", False),
        ("*.corp.example", "evilcorp.example", None, "https", False),
        ("*.1", "127.0.0.1", None, "https", False),
        ("*", "anything.example", None, "https", False),
        ("https://bücher.example", "xn--bcher-kva.example", None, "https", True),
    ],
)
def test_naming_a_host_admits_it_where_any_place_will_do(
    named: str, host: str, port: int | None, scheme: str, allowed: bool
) -> None:
    assert ask(host, port=port, scheme=scheme, named=(named,)).allowed is allowed


def test_naming_a_host_does_not_say_where_it_is() -> None:
    found = ask("127.0.0.1", EU_PACK, port=8000, scheme="http", named=("http://127.0.0.1:8000",))
    assert (found.allowed, found.code, found.jurisdiction) == (False, "egress.jurisdiction", "LOCAL")


@pytest.mark.parametrize(
    ("place", "jurisdictions", "allowed"),
    [
        (GERMANY, EU_PACK, True),
        (GERMANY, ("CH",), False),
        (Place(("DE",), ("US",)), EU_PACK, False),
        (Place(("US",), ("DE",)), EU_PACK, False),
        (Place(("EU",), ("EU",)), ("EEA",), True),
        (Place(("EEA",), ("EEA",)), ("EU",), False),
        (Place((), ()), EU_PACK, False),
        (Place(("DE",), ()), EU_PACK, False),
        (Place(("LOCAL",), ("LOCAL",)), EU_PACK, False),
        (Place(("LOCAL",), ("LOCAL",)), ("LOCAL", "EEA"), True),
    ],
)
def test_a_declaration_says_where_a_private_host_is(
    place: Place, jurisdictions: tuple[str, ...], allowed: bool
) -> None:
    declared = {"10.0.0.7": place, "127.0.0.1": place}
    for host in declared:
        found = ask(host, jurisdictions, port=8000, scheme="http", declared=declared)
        assert found.allowed is allowed
        assert inside(place, jurisdictions) is allowed


def test_the_most_exact_declaration_wins_and_beats_the_table() -> None:
    declared = {
        "*.azure.com": Place(("US",), ("US",)),
        "*.openai.azure.com": Place(("FR",), ("FR",)),
        "mine.openai.azure.com": GERMANY,
    }
    places = [ask(h, declared=declared).place for h in ("mine.openai.azure.com", "other.openai.azure.com")]
    assert places == [GERMANY, Place(("FR",), ("FR",))]
    assert ask("mine.openai.azure.com", ("DE",), declared=declared).allowed


def test_a_declaration_of_one_port_leaves_the_tables_row_for_the_usual_one() -> None:
    declared = {"eu.api.openai.com:444": GERMANY}
    assert ask("eu.api.openai.com", declared=declared, port=444).place == GERMANY
    assert ask("eu.api.openai.com", declared=declared).jurisdiction == "EEA+CH"


def test_the_groups_are_the_treaties() -> None:
    assert len(countries("EU")) == 27
    assert countries("EEA") == countries("EU") | {"IS", "LI", "NO"}
    assert countries("EFTA") == {"IS", "LI", "NO", "CH"}
    assert countries("CN") == {"CN"}


def test_every_row_of_the_table_is_reached_by_its_own_spelling() -> None:
    data = json.loads(files("guard").joinpath("data/hosts.json").read_text("utf-8"))
    assert data["version"] == residency.TABLE_VERSION
    for row in data["hosts"]:
        region = next((n for n in data["regions"] if "{" + n + "}" in row["host"]), "")
        sample = (
            row["host"]
            .replace("*", "x")
            .replace("{" + region + "}", next(iter(data["regions"].get(region, "x"))))
        )
        found = lookup(sample)
        assert found is not None
        assert (found.host, found.provider) == (row["host"], row["provider"])
        assert all(code.isupper() for code in (*found.place.processing, *found.place.storage))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("64:ff9b::808:808", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::127.0.0.1", False),
        ("::10.1.2.3", False),
        ("::8.8.8.8", True),
        ("fec0::1", False),
        ("fe80::1%eth0", False),
        ("not an address", False),
    ],
)
def test_an_address_inside_another_is_judged_itself(address: str, public: bool) -> None:
    """C24: loopback, private and link-local addresses, however they are written."""
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("10.1.2.3", True),
        ("127.0.0.1", True),
        ("fd00::1", True),
        ("8.8.8.8", True),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("::169.254.169.254", False),
        ("fd00:ec2::254", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),
        ("::", False),
        ("224.0.0.1", False),
        ("ff02::1", False),
        ("nothing", False),
    ],
)
def test_no_server_is_at_some_addresses(address: str, host: bool) -> None:
    """C24: a cloud's metadata and the like, however they are written; private addresses can be a server's."""
    assert is_host(address) is host
