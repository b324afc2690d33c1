"""Every kind that guard can name, as data: what a rule may match and what a finding may carry."""

from __future__ import annotations

MODERATION = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
"""The 13 categories of omni-moderation-latest (openai.types.moderation)."""

UNAVAILABLE = ("moderation", "presidio", "record", "store", "detect")
OPAQUE = ("image", "audio", "file", "field", "endpoint", "encoding")

# Kinds that answer only to a rule that names them, never to a wildcard (design, section 2).
ON_REQUEST = frozenset({"pii.url", "pii.uuid", "pii.date", "pii.place", "pii.org"})

# Presidio's entities whose kind is not built mechanically from the name.
_PRESIDIO_SPECIAL = {
    "EMAIL_ADDRESS": "pii.email",
    "PHONE_NUMBER": "pii.phone",
    "CREDIT_CARD": "pii.card",
    "IBAN_CODE": "pii.iban",
    "IP_ADDRESS": "pii.ip",
    "MAC_ADDRESS": "pii.mac",
    "CRYPTO": "pii.crypto",
    "URL": "pii.url",
    "UUID": "pii.uuid",
    "DATE_TIME": "pii.date",
    "PERSON": "pii.person",
    "LOCATION": "pii.place",
    "ORGANIZATION": "pii.org",
    "NRP": "pii.nrp",
    "AGE": "pii.age",
    "ID": "pii.id",
    "EMAIL": "pii.email",
    "MEDICAL_LICENSE": "pii.medical_license",
    "ABA_ROUTING_NUMBER": "pii.us.aba_routing",
}

_PRESIDIO_COUNTRY = """
AU_ABN AU_ACN AU_MEDICARE AU_TFN CA_POSTAL_CODE CA_SIN DE_BSNR DE_FUEHRERSCHEIN DE_HANDELSREGISTER
DE_HEALTH_INSURANCE DE_ID_CARD DE_KFZ DE_LANR DE_PASSPORT DE_PLZ DE_SOCIAL_SECURITY DE_TAX_ID DE_TAX_NUMBER
DE_VAT_ID ES_NIE ES_NIF ES_PASSPORT FI_PERSONAL_IDENTITY_CODE IN_AADHAAR IN_GSTIN IN_PAN IN_PASSPORT
IN_VEHICLE_REGISTRATION IN_VOTER IT_DRIVER_LICENSE IT_FISCAL_CODE IT_IDENTITY_CARD IT_PASSPORT IT_VAT_CODE
KR_BRN KR_DRIVER_LICENSE KR_FRN KR_PASSPORT KR_RRN NG_NIN NG_VEHICLE_REGISTRATION PH_PASSPORT PH_TIN PH_UMID
PL_PESEL SE_ORGANISATIONSNUMMER SE_PERSONNUMMER SG_NRIC_FIN SG_UEN TH_TNIN TR_LICENSE_PLATE TR_NATIONAL_ID
UK_DRIVING_LICENCE UK_NHS UK_NINO UK_PASSPORT UK_POSTCODE UK_VEHICLE_REGISTRATION US_BANK_NUMBER US_CLAIM_NUMBER
US_DRIVER_LICENSE US_HEALTH_INSURANCE_MEMBER_ID US_ITIN US_MBI US_NPI US_PASSPORT US_PRESCRIPTION_NUMBER
US_PRIOR_AUTHORIZATION_NUMBER US_PROVIDER_TAX_ID US_REFERRAL_NUMBER US_SSN ZA_COMPANY_REGISTRATION
ZA_DRIVER_LICENSE ZA_ID_NUMBER ZA_INCOME_TAX_NUMBER ZA_LICENSE_PLATE ZA_MOBILE_NUMBER ZA_PASSPORT
ZA_TELEPHONE_NUMBER ZA_TRAFFIC_REGISTER_NUMBER ZA_VAT_NUMBER
""".split()


def presidio_kind(entity: str) -> str:
    """The kind of a Presidio entity: `US_SSN` is `pii.us.ssn`, `EMAIL_ADDRESS` is `pii.email`."""
    if entity in _PRESIDIO_SPECIAL:
        return _PRESIDIO_SPECIAL[entity]
    country, _, rest = entity.lower().partition("_")
    return f"pii.{country}.{rest}" if len(country) == 2 and rest else f"pii.{entity.lower()}"


PRESIDIO = {entity: presidio_kind(entity) for entity in (*_PRESIDIO_SPECIAL, *_PRESIDIO_COUNTRY)}
"""Presidio entity to kind."""

_PII = """
email phone card iban bic ip mac imei vin crypto gps person address place org url url_credentials uuid date
birth_date age username password bank_account
cn.resident_id cn.passport cn.plate cn.uscc cn.tax cn.social_security cn.officer_id cn.hm_permit cn.tw_permit
cn.wechat cn.qq cn.bank_account cn.postcode hk.id mo.id tw.id
""".split()

_SECRET = """
openai_key anthropic_key aws_key aws_secret_key github_token gitlab_token slack_token slack_webhook google_key
google_oauth stripe_key twilio_key sendgrid_key npm_token pypi_token huggingface_token azure_key jwt pem
connection_string authorization env password high_entropy
""".split()

_GUARD = (
    *(f"guard.unavailable.{what}" for what in UNAVAILABLE),
    *(f"guard.opaque.{what}" for what in OPAQUE),
)
# What HIPAA's Safe Harbor names and Presidio has no entity for.
_HEALTH = ("pii.us.zip", "pii.medical_record")
_EGRESS = ("egress.jurisdiction", "egress.host", "egress.redirect")

KINDS: frozenset[str] = frozenset(
    [f"pii.{name}" for name in _PII]
    + [f"secret.{name}" for name in _SECRET]
    + [f"moderation.{name}" for name in MODERATION]
    + list(_GUARD)
    + list(_EGRESS)
    + list(PRESIDIO.values())
    + list(_HEALTH)
)
"""Every known kind, but for a policy's own (`recognizers.custom`)."""


def matches(pattern: str, kind: str) -> bool:
    """Whether a rule's pattern covers a kind: exact, or a prefix before a final `*` that crosses `.` and `/`.

    A kind on request answers only to its own full name.
    """
    if not pattern.endswith("*"):
        return pattern == kind
    return kind not in ON_REQUEST and kind.startswith(pattern[:-1])


def exactness(pattern: str) -> tuple[int, int]:
    """Order patterns by how specific they are: a full name above every prefix, then the longer prefix."""
    return (0, len(pattern) - 1) if pattern.endswith("*") else (1, len(pattern))
