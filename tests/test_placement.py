"""Where one request goes beyond its host: Bedrock's prefixes, Azure's deployments, `inference_geo`, what was found."""

from __future__ import annotations

import pytest

from guard import proxies, residency
from guard.placement import Request, depends, forgetful, settle
from guard.policy.fields import PlaceForm
from guard.policy.model import Egress
from guard.types import Admission, Finding, Place

EU = ("EEA", "CH")
BEDROCK = "bedrock-runtime.eu-central-1.amazonaws.com"
AZURE = "acme.openai.azure.com"
RESOURCE = {
    "region": "swedencentral",
    "deployments": {"gpt-4o": "Standard", "Zone": "DataZoneStandard", "world": "GlobalStandard"},
}


def egress(places: tuple[str, ...] | None = None, **more: object) -> Egress:
    return Egress.model_validate({"jurisdictions": places or "any", **more})


def settled(host: str, rules: Egress, found: tuple[str, ...] = (), **asked: str) -> Admission:
    admission = residency.admit(
        host, port=None, scheme="https", jurisdictions=rules.jurisdictions, declared=rules.hosts, named=()
    )
    request = Request(**{"endpoint": "chat", **asked})
    return settle(admission, request, rules, [Finding(kind, 0, 1, 1.0, "pattern") for kind in found])


@pytest.mark.parametrize(
    ("model", "processing", "storage", "inside"),
    [
        ("anthropic.claude-sonnet-4-20250514-v1:0", ("DE",), ("DE",), True),
        ("eu.anthropic.claude-sonnet-4-20250514-v1:0", ("DE", "EU"), ("DE", "EU"), True),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", ("DE", "US"), ("DE", "US"), False),
        ("global.anthropic.claude-sonnet-4-20250514-v1:0", ("DE", "GLOBAL"), ("DE", "GLOBAL"), False),
        ("apac.amazon.nova-lite-v1:0", ("DE", "UNKNOWN"), ("DE", "UNKNOWN"), False),
        ("xx.anthropic.claude-99", ("DE", "UNKNOWN"), ("DE", "UNKNOWN"), False),
        ("zai.glm-4.7", ("DE",), ("DE",), True),
        ("arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.meta.llama-v1:0", None, None, True),
        ("arn:aws:bedrock:eu-central-1:123456789012:inference-profile/global.meta.llama", None, None, False),
        ("arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/ab12", None, None, False),
        ("our-own-name", ("UNKNOWN",), ("DE",), False),
        ("", ("UNKNOWN",), ("DE",), False),
    ],
)
def test_the_prefix_of_a_bedrock_model_decides(
    model: str, processing: tuple[str, ...] | None, storage: tuple[str, ...] | None, inside: bool
) -> None:
    """Both axes: abuse-detection copies of a geographic profile are kept in the region that answered."""
    found = settled(BEDROCK, egress(EU), model=model)
    assert found.allowed is inside
    assert found.place is not None
    if processing is not None:
        assert (found.place.processing, found.place.storage) == (processing, storage)
    assert found.code == ("" if inside else "egress.jurisdiction")


@pytest.mark.parametrize(
    ("model", "inside"),
    [("anthropic.claude", True), ("our-alias", True), ("eu.meta.llama", True), ("global.meta.llama", False)],
)
def test_a_declared_bedrock_host_is_still_where_its_model_ids_lead(model: str, inside: bool) -> None:
    """The operator's word stands for the models that stay; a profile in the id says otherwise."""
    declared = {BEDROCK: {"processing": ("DE",), "storage": ("DE",)}}
    assert settled(BEDROCK, egress(EU, hosts=declared), model=model).allowed is inside


@pytest.mark.parametrize(
    ("deployment", "places", "inside"),
    [
        ("gpt-4o", ("SE",), True),
        ("GPT-4O", ("SE",), True),
        ("zone", ("EU",), True),
        ("zone", ("SE",), False),
        ("world", ("EU",), False),
        ("unheard-of", ("EU",), False),
        ("", ("EU",), False),
    ],
)
def test_an_azure_deployment_processes_as_its_type_says(
    deployment: str, places: tuple[str, ...], inside: bool
) -> None:
    """Standard: in the region; DataZone: in the zone; Global: anywhere; what is not declared is nowhere."""
    found = settled(AZURE, egress(places, hosts={AZURE: RESOURCE}), model=deployment)
    assert found.allowed is inside
    assert found.place is not None
    assert found.place.storage == ("SE",)


@pytest.mark.parametrize(
    ("region", "kind", "processing"),
    [
        ("eastus", "DataZoneStandard", "US"),
        ("uksouth", "DataZoneStandard", "UNKNOWN"),
        ("germanywestcentral", "ProvisionedManaged", "DE"),
        ("germanywestcentral", "GlobalProvisionedManaged", "GLOBAL"),
        ("westeurope", "DeveloperTier", "GLOBAL"),
    ],
)
def test_each_type_of_deployment_has_its_reach(region: str, kind: str, processing: str) -> None:
    """Data zones are the United States and the EU's members; no zone is known elsewhere."""
    hosts = {AZURE: {"region": region, "deployments": {"d": kind}}}
    place = settled(AZURE, egress(None, hosts=hosts), model="d").place
    assert place is not None
    assert place.processing == (processing,)


def test_a_deployment_in_the_path_stands_above_the_model_of_the_body() -> None:
    """Azure ignores the body's model where the path names a deployment."""
    path = "/openai/deployments/world/chat/completions"
    assert Request.of("chat", path, {"model": "gpt-4o"}).model == "world"
    assert Request.of("chat", "/v1/chat/completions", {"model": "gpt-4o"}).model == "gpt-4o"
    assert Request.of("", "/v1/files/f1/content", None).endpoint == "files"


def test_inference_geo_decides_where_anthropic_processes() -> None:
    """Where it stores the workspace says: without a declaration that stays unknown."""
    host, us = "api.anthropic.com", egress(("US",))
    assert not settled(host, us, geo="us").allowed
    declared = egress(("US",), hosts={host: {"processing": ("US",), "storage": ("US",)}})
    assert settled(host, declared, geo="us").allowed
    assert settled(host, declared).allowed
    assert not settled(host, declared, geo="global").allowed
    assert not settled(host, declared, geo="mars").allowed
    place = settled(host, egress(None), geo="us").place
    assert place == Place(("US",), ("GLOBAL",))


@pytest.mark.parametrize(
    ("host", "endpoint", "inside"),
    [
        ("eu.api.openai.com", "chat", True),
        ("eu.api.openai.com", "moderations", True),
        ("eu.api.openai.com", "batches", True),
        ("eu.api.openai.com", "files", False),
        ("eu.api.openai.com", "vector_stores", False),
        ("eu.api.openai.com", "uploads", False),
        ("eu.api.openai.com", "conversations", False),
        ("mtls-eu.api.openai.com", "containers", False),
        ("api.eu.mistral.ai", "files", True),
    ],
)
def test_an_endpoint_that_is_only_stored_there_is_refused(host: str, endpoint: str, inside: bool) -> None:
    """OpenAI's data residency guide: files, vector stores and uploads are stored, not processed, in the region."""
    found = settled(host, egress(EU), endpoint=endpoint)
    assert found.allowed is inside
    assert inside or found.reason.startswith(f"{host} is UNKNOWN+EEA+CH (this endpoint is not documented")
    declared = egress(EU, hosts={host: {"processing": EU, "storage": EU}})
    assert settled(host, declared, endpoint=endpoint).allowed


@pytest.mark.parametrize(
    "host",
    ["dashscope-intl.aliyuncs.com", "dashscope-us.aliyuncs.com", "ws.eu-central-1.maas.aliyuncs.com"],
)
def test_alibaba_is_refused_until_its_scope_is_declared(host: str) -> None:
    """The deployment scope decides, and Global of Virginia and Frankfurt includes mainland China."""
    places = ("US", "SG", "DE")
    assert not settled(host, egress(places), model="qwen-max").allowed
    declared = {host: {"processing": ("DE",), "storage": ("DE",)}}
    assert settled(host, egress(places, hosts=declared), model="qwen-max").allowed


def test_what_was_found_decides_where() -> None:
    """The most specific pattern of each kind; the places of several kinds are intersected."""
    rules = egress(
        None, rules={"pii.*": {"jurisdictions": ("EU", "CN")}, "pii.cn.*": {"jurisdictions": ("CN",)}}
    )
    china, europe, us = "api.deepseek.com", "aiplatform.eu.rep.googleapis.com", "us.api.openai.com"
    assert settled(us, rules).allowed
    assert settled(us, rules, ("secret.openai_key",)).allowed
    assert not settled(us, rules, ("pii.email",)).allowed
    assert settled(europe, rules, ("pii.email",)).allowed
    refused = settled(europe, rules, ("pii.email", "pii.cn.resident_id"))
    assert (refused.allowed, refused.code, refused.rules) == (
        False,
        "egress.jurisdiction",
        ("pii.*", "pii.cn.*"),
    )
    assert refused.within == ("CN",)
    assert refused.reason.endswith("is EU, and egress.rules keeps pii.*, pii.cn.* in CN")
    passed = settled(china, rules, ("pii.cn.resident_id",))
    assert (passed.allowed, passed.rules, passed.within) == (True, ("pii.cn.*",), ("CN",))


def test_kinds_whose_places_do_not_meet_may_go_nowhere() -> None:
    """An empty intersection is no permission."""
    rules = egress(
        None, rules={"pii.us.*": {"jurisdictions": ("US",)}, "pii.cn.*": {"jurisdictions": ("CN",)}}
    )
    found = settled("api.deepseek.com", rules, ("pii.us.ssn", "pii.cn.resident_id"))
    assert not found.allowed
    assert found.reason.endswith("in no place at all")


def test_a_weak_finding_does_not_decide() -> None:
    """From the score on from which rules act: 0.5 for personal data and secrets."""
    rules = egress(None, rules={"pii.cn.*": {"jurisdictions": ("CN",)}})
    admission = settled("us.api.openai.com", egress(None))
    for score, allowed in ((0.49, True), (0.5, False), (float("nan"), False)):
        found = [Finding("pii.cn.resident_id", 0, 1, score, "pattern")]
        assert settle(admission, Request("chat"), rules, found).allowed is allowed


def test_an_unnamed_host_stays_refused_and_observing_lets_pass() -> None:
    """`egress.mode: observe` records what it would have refused."""
    rules = {"pii.cn.*": {"jurisdictions": ("CN",)}}
    assert settled("evil.example", egress(None, rules=rules)).code == "egress.host"
    seen = settled("us.api.openai.com", egress(None, rules=rules, mode="observe"), ("pii.cn.passport",))
    assert (seen.allowed, seen.code) == (True, "egress.jurisdiction")
    assert seen.reason.startswith("observed only: us.api.openai.com is US")


def test_a_refusal_names_the_host_that_would_do() -> None:
    """Also where only what was found asked for it."""
    rules = egress(None, rules={"pii.*": {"jurisdictions": EU}})
    found = settled("api.openai.com", rules, ("pii.email",))
    assert found.resident_host == "eu.api.openai.com"
    assert found.reason.endswith(": use eu.api.openai.com")


def test_nothing_changes_where_nothing_asks() -> None:
    """The same object: a call without rules pays nothing."""
    admission = settled("eu.api.openai.com", egress(EU))
    assert settle(admission, Request("chat", "m"), egress(EU), []) is admission


def test_store_is_said_only_where_residency_is_asked_for() -> None:
    """`store: false` for what OpenAI's regional hosts would keep by default; elsewhere a request stays as it is."""
    host = "eu.api.openai.com"
    for name, rules, endpoint, expected in (
        (host, egress(EU), "responses", True),
        (host, egress(EU), "chat", True),
        (host, egress(EU), "embeddings", False),
        (host, egress(None), "responses", False),
        ("api.eu.mistral.ai", egress(EU), "chat", False),
    ):
        admission = settled(name, rules, endpoint=endpoint)
        assert forgetful(admission, Request(endpoint), rules) is expected


def test_a_host_may_depend_on_the_request() -> None:
    """Such a host is no reason to refuse to start; another that is outside is."""
    assert depends(settled(BEDROCK, egress(EU), model="global.meta.llama"))
    assert depends(settled(AZURE, egress(EU, hosts={AZURE: RESOURCE})))
    assert not depends(settled("api.openai.com", egress(EU)))
    assert not depends(settled("evil.example", egress(EU)))
    assert PlaceForm.model_validate(RESOURCE).place().deployments[1] == ("Zone", "DataZoneStandard")


@pytest.mark.parametrize(
    ("place", "allowed"), [((), False), (("DE",), False), (("CN",), True), (("HK",), False)]
)
def test_a_proxy_is_where_the_rules_keep_what_was_found(place: tuple[str, ...], allowed: bool) -> None:
    """CN identifiers stay in CN on their way, too; without one the proxy may be elsewhere."""
    hosts = {"proxy.example.org:3128": {"processing": place, "storage": place}} if place else {}
    proxy = {"url": "http://proxy.example.org:3128"}
    rules = egress(rules={"pii.cn.*": {"jurisdictions": ("CN",)}}, hosts=hosts, proxy=proxy)
    known = residency.admit(
        "api.deepseek.com", port=None, scheme="https", jurisdictions=None, declared={}, named=()
    )
    admission = proxies.through(known, "https", None, rules)
    found = settle(admission, Request("chat"), rules, [Finding("pii.cn.resident_id", 0, 1, 1.0, "pattern")])
    assert (found.allowed, found.code) == (allowed, "" if allowed else "egress.jurisdiction")
    assert settle(admission, Request("chat"), rules, []).allowed
    assert found.proxy == admission.proxy is not None
    watched = egress(rules={"pii.cn.*": {"jurisdictions": ("CN",)}}, hosts=hosts, proxy=proxy, mode="observe")
    assert settle(
        admission, Request("chat"), watched, [Finding("pii.cn.resident_id", 0, 1, 1.0, "p")]
    ).allowed
