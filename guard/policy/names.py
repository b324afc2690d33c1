"""Names that a policy may use, as data: countries, groups of countries, recognizers, endpoints, patterns."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Any

from guard.kinds import exactness, matches, presidio_kind

_COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(_COUNTRIES.split())
"""ISO 3166-1 alpha-2."""

_HOSTS: dict[str, Any] = json.loads(files("guard").joinpath("data/hosts.json").read_text("utf-8"))
_GROUPS: dict[str, list[str]] = _HOSTS["groups"]

JURISDICTIONS = COUNTRIES | frozenset(_GROUPS)
"""What `egress` takes as a place: a country, or a group of the hosts table (EU, EEA, EFTA, UK, ADEQUATE)."""

AZURE_REGIONS: dict[str, str] = _HOSTS["regions"]["azure"]
"""Azure's regions, and the country of each."""

AZURE_TYPES: dict[str, str] = _HOSTS["azure"]["types"]
"""Azure's types of deployment, and where each processes: `region`, `zone` or `anywhere`."""

AZURE_ZONES: list[str] = _HOSTS["azure"]["zones"]
BEDROCK_PROFILES = {name: tuple(places) for name, places in _HOSTS["bedrock"]["profiles"].items()}
BEDROCK_VENDORS = frozenset(_HOSTS["bedrock"]["vendors"])
ANTHROPIC_GEOS = {geo: tuple(places) for geo, places in _HOSTS["anthropic"]["geos"].items()}

RECOGNIZER_COUNTRIES = COUNTRIES | {"EU"}

_ENDPOINTS = """
agents assistants audio batches chatkit containers content_provenance_checks conversations decisions evals
files fine_tuning images live models moderations organization projects realtime safety skills threads uploads
vaults vector_stores videos webhook_endpoints webhook_event_types
"""
ENDPOINTS = frozenset(_ENDPOINTS.split())
"""First path segments of the endpoints of the OpenAI API that guard does not screen (openai.resources)."""

LOCALES = frozenset(["en_US", "zh_CN"])

FAMILIES = ("pii", "secret", "moderation", "guard", "egress")
STAGE_FAMILIES = {
    "input": ("pii", "secret", "guard"),
    "output": ("pii", "secret", "moderation", "guard"),
    "logs": ("pii", "secret", "guard"),
    "egress": ("egress", "guard"),
}
"""Which families of kinds can be found at a stage."""

# Class name in presidio_analyzer.predefined_recognizers to the entities that it reports, for those that run
# offline without an NLP engine (presidio-analyzer 2.2.366).
_RECOGNIZERS = """
AbaRoutingRecognizer ABA_ROUTING_NUMBER
AuAbnRecognizer AU_ABN
AuAcnRecognizer AU_ACN
AuMedicareRecognizer AU_MEDICARE
AuTfnRecognizer AU_TFN
CaPostalCodeRecognizer CA_POSTAL_CODE
CaSinRecognizer CA_SIN
CreditCardRecognizer CREDIT_CARD
CryptoRecognizer CRYPTO
DateRecognizer DATE_TIME
DeBsnrRecognizer DE_BSNR
DeFuehrerscheinRecognizer DE_FUEHRERSCHEIN
DeHandelsregisterRecognizer DE_HANDELSREGISTER
DeHealthInsuranceRecognizer DE_HEALTH_INSURANCE
DeIdCardRecognizer DE_ID_CARD
DeKfzRecognizer DE_KFZ
DeLanrRecognizer DE_LANR
DePassportRecognizer DE_PASSPORT
DePlzRecognizer DE_PLZ
DeSocialSecurityRecognizer DE_SOCIAL_SECURITY
DeTaxIdRecognizer DE_TAX_ID
DeTaxNumberRecognizer DE_TAX_NUMBER
DeVatIdRecognizer DE_VAT_ID
EmailRecognizer EMAIL_ADDRESS
EsNieRecognizer ES_NIE
EsNifRecognizer ES_NIF
EsPassportRecognizer ES_PASSPORT
FiPersonalIdentityCodeRecognizer FI_PERSONAL_IDENTITY_CODE
IbanRecognizer IBAN_CODE
InAadhaarRecognizer IN_AADHAAR
InGstinRecognizer IN_GSTIN
InPanRecognizer IN_PAN
InPassportRecognizer IN_PASSPORT
InVehicleRegistrationRecognizer IN_VEHICLE_REGISTRATION
InVoterRecognizer IN_VOTER
IpRecognizer IP_ADDRESS
ItDriverLicenseRecognizer IT_DRIVER_LICENSE
ItFiscalCodeRecognizer IT_FISCAL_CODE
ItIdentityCardRecognizer IT_IDENTITY_CARD
ItPassportRecognizer IT_PASSPORT
ItVatCodeRecognizer IT_VAT_CODE
KrBrnRecognizer KR_BRN
KrDriverLicenseRecognizer KR_DRIVER_LICENSE
KrFrnRecognizer KR_FRN
KrPassportRecognizer KR_PASSPORT
KrRrnRecognizer KR_RRN
MacAddressRecognizer MAC_ADDRESS
MedicalLicenseRecognizer MEDICAL_LICENSE
NgNinRecognizer NG_NIN
NgVehicleRegistrationRecognizer NG_VEHICLE_REGISTRATION
NhsRecognizer UK_NHS
PhPassportRecognizer PH_PASSPORT
PhTinRecognizer PH_TIN
PhUmidRecognizer PH_UMID
PhoneRecognizer PHONE_NUMBER
PlPeselRecognizer PL_PESEL
SeOrganisationsnummerRecognizer SE_ORGANISATIONSNUMMER
SePersonnummerRecognizer SE_PERSONNUMMER
SgFinRecognizer SG_NRIC_FIN
SgUenRecognizer SG_UEN
ThTninRecognizer TH_TNIN
TrLicensePlateRecognizer TR_LICENSE_PLATE
TrNationalIdRecognizer TR_NATIONAL_ID
UkDrivingLicenceRecognizer UK_DRIVING_LICENCE
UkNinoRecognizer UK_NINO
UkPassportRecognizer UK_PASSPORT
UkPostcodeRecognizer UK_POSTCODE
UkVehicleRegistrationRecognizer UK_VEHICLE_REGISTRATION
UrlRecognizer URL
UsBankRecognizer US_BANK_NUMBER
UsClaimNumberRecognizer US_CLAIM_NUMBER
UsHealthInsuranceMemberIdRecognizer US_HEALTH_INSURANCE_MEMBER_ID
UsItinRecognizer US_ITIN
UsLicenseRecognizer US_DRIVER_LICENSE
UsMbiRecognizer US_MBI
UsNpiRecognizer US_NPI
UsPassportRecognizer US_PASSPORT
UsPrescriptionNumberRecognizer US_PRESCRIPTION_NUMBER
UsPriorAuthorizationNumberRecognizer US_PRIOR_AUTHORIZATION_NUMBER
UsProviderTaxIdRecognizer US_PROVIDER_TAX_ID
UsReferralNumberRecognizer US_REFERRAL_NUMBER
UsSsnRecognizer US_SSN
UuidRecognizer UUID
ZaCompanyRegistrationRecognizer ZA_COMPANY_REGISTRATION
ZaDriverLicenseRecognizer ZA_DRIVER_LICENSE
ZaIdNumberRecognizer ZA_ID_NUMBER
ZaIncomeTaxNumberRecognizer ZA_INCOME_TAX_NUMBER
ZaLicensePlateRecognizer ZA_LICENSE_PLATE
ZaMobileNumberRecognizer ZA_MOBILE_NUMBER
ZaPassportRecognizer ZA_PASSPORT
ZaTelephoneNumberRecognizer ZA_TELEPHONE_NUMBER
ZaTrafficRegisterNumberRecognizer ZA_TRAFFIC_REGISTER_NUMBER
ZaVatNumberRecognizer ZA_VAT_NUMBER
"""
_PAIRS = [line.split() for line in _RECOGNIZERS.strip().splitlines()]

PRESIDIO_RECOGNIZERS = {name: presidio_kind(entity) for name, entity in _PAIRS}
"""Presidio's pattern recognizers by class name, and the kind that each finds."""

_ENGINES = """
AzureAILanguageRecognizer AzureHealthDeidRecognizer AzureOpenAILangExtractRecognizer
BasicLangExtractRecognizer GLiNERRecognizer HuggingFaceNerRecognizer LangExtractRecognizer
MedicalNERRecognizer SpacyRecognizer StanzaRecognizer TransformersRecognizer
"""
PRESIDIO_ENGINES = frozenset(_ENGINES.split())
"""Presidio's recognizers that need a model or a service; a policy that names one is refused."""


ENGINES = {
    "spacy": "en_core_web_lg",
    "stanza": "en",
    "transformers": "obi/deid_roberta_i2b2",
    "gliner": "urchade/gliner_multi_pii-v1",
}
"""Presidio's NER engines and the model that each has by default there (presidio-analyzer 2.2.366)."""

ENGINE_KINDS = frozenset({"pii.person", "pii.place", "pii.org", "pii.nrp", "pii.date", "pii.address"})
"""What the engines find, mostly."""

_NAMED_LANGUAGE = re.compile(r"([a-z]{2})(?:[_-][\w-]*)?")


def language_of(engine: str, model: str) -> str:
    """The language of a model that is written without one: that of its name (`zh_core_web_lg`), else English.

    GLiNER's models read all languages.
    """
    if engine == "gliner":
        return "xx"
    named = _NAMED_LANGUAGE.fullmatch(model) if engine in ("spacy", "stanza") else None
    return named.group(1) if named else "en"


@lru_cache(maxsize=256)
def countries(name: str) -> frozenset[str]:
    """Expand a jurisdiction to its countries: EEA is the EU's 27 and IS, LI, NO; a country is itself."""
    if name not in _GROUPS:
        return frozenset({name})
    return frozenset().union(*map(countries, _GROUPS[name]))


def intersect(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """Intersect two lists of jurisdictions, in their own names where these lie inside the other list."""
    one, two = tuple(first), tuple(second)
    both = _all(one) & _all(two)
    whole = [name for name in (*one, *two) if countries(name) <= both]
    rest = sorted(both - _all(whole))
    return tuple(
        n for n in dict.fromkeys((*whole, *rest)) if not any(countries(n) < countries(m) for m in whole)
    )


def _all(names: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*map(countries, names))


def covers(wide: str, narrow: str) -> bool:
    """Whether a pattern covers everything that another pattern covers."""
    if not narrow.endswith("*"):
        return matches(wide, narrow)
    return wide.endswith("*") and narrow.startswith(wide[:-1])


def most_exact(patterns: Iterable[str], pattern: str) -> str | None:
    """Choose the most specific of the patterns that cover a kind or a pattern."""
    return max((p for p in patterns if covers(p, pattern)), key=exactness, default=None)


def default_at(pattern: str) -> float:
    """The least score of a rule that does not say one: 0.5 for spans, 0.8 for moderation, else any score."""
    if pattern.startswith(("pii.", "secret.")):
        return 0.5
    return 0.8 if pattern.startswith("moderation.") else 0.0


_SAID_OTHERWISE = {"UK": "GB", "EL": "GR"}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest what to write instead of an unknown word: the nearest known one, or the list if it is short."""
    names, word = sorted(known), word[:60]
    word = _SAID_OTHERWISE.get(word, word)
    if word in names:
        return f"did you mean {word}?"
    near = difflib.get_close_matches(word, names, 1, 0.65) or [n for n in names if n.lower() == word.lower()]
    if near:
        return f"did you mean {near[0]}?"
    return f"write one of {', '.join(names)}" if len(names) <= 16 else "see docs/policy.md for the list"
