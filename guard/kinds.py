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

LABELLED = (
    "code-abuse",
    "copyright",
    "defamation",
    "elections",
    "jailbreak",
    "politics",
    "privacy",
    "specialized-advice",
)
"""What only guard models have labels for (guard/policy/labels.py)."""

UNAVAILABLE = ("moderation", "presidio", "record", "store", "detect")
OPAQUE = ("image", "audio", "file", "field", "endpoint", "encoding")

# Kinds that answer only to a rule that names them, never to a wildcard (design, section 2).
ON_REQUEST = frozenset(
    ["pii.url", "pii.uuid", "pii.date", "pii.place", "pii.org", *(f"moderation.{name}" for name in LABELLED)]
)

NAMES = frozenset({"pii.person", "pii.place", "pii.org", "pii.address"})
"""The kinds that only `recognizers.names` finds: no pattern describes them."""

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
email phone card iban bic ip mac imei vin crypto gps person address place org url uuid date
birth_date age username password bank_account cvv card_expiry pin passport
iccid imsi license_plate
cn.resident_id cn.passport cn.plate cn.uscc cn.tax cn.social_security cn.officer_id cn.hm_permit cn.tw_permit
cn.license cn.wechat cn.qq cn.bank_account cn.postcode hk.id mo.id tw.id
""".split()

# National numbers that Presidio has no entity for, after python-stdnum's modules (uk, as Presidio says, for gb).
_NATIONAL = """
ad.nrt al.nipt ar.cbu ar.cuit ar.dni at.businessid at.tin at.uid at.vnr az.voen be.bis be.eid be.nn be.vat
bg.egn bg.pnf bg.vat br.cnpj br.cpf by.unp ca.bc_phn ca.bn ch.ssn ch.uid cl.rut co.nit cr.cpf cr.cpj cr.cr
cu.ni cy.vat cz.bankaccount cz.dic cz.rc de.leitweg dk.cpr dk.cvr do.cedula do.ncf do.rnc dz.nif ec.ci ec.ruc
ee.ik ee.kmkr ee.registrikood eg.tn es.cae es.ccc es.cif es.cups es.referenciacatastral eu.banknote fi.alv
fi.veronumero fi.ytunnus fo.vn fr.nif fr.nir fr.siren fr.siret fr.tva gh.tin gn.nifp gr.amka gr.vat gt.nit
hr.oib hu.anum id.nik id.npwp ie.pps ie.vat il.hp il.idnr in.vid is.kennitala is.vsk it.aic jp.cn jp.in ke.pin
li.peid lt.asmens lt.pvm lu.tva lv.pvn ma.ice mc.tva md.idno me.pib mk.edb mt.vat mu.nid mx.curp mx.rfc
my.nric mz.nuit nl.bsn nl.btw nl.identiteitskaartnummer nl.onderwijsnummer no.fodselsnummer no.kontonr no.mva
no.orgnr nz.bankaccount nz.ird pe.cui pe.ruc pk.cnic pl.nip pl.regon pt.cc pt.nif py.ruc ro.cnp ro.cui ro.onrc
rs.pib ru.inn ru.ogrn se.vat si.ddv si.emso si.maticna sk.dph sk.rc sm.coe sn.ninea sv.nit th.moa th.tin tn.mf
tr.vkn tw.ubn ua.edrpou ua.rntrc uk.upn uk.utr uk.vat us.atin us.ein us.ptin uy.rut ve.rif vn.mst
""".split()

_SECRET = """
azure_key aws_secret_key jwt pem connection_string url_credentials authorization cloud_metadata env password
high_entropy adafruit_key adobe_secret adyen_key age_key airtable_token aiven_password algolia_key alibaba_key
alibaba_secret_key anthropic_key anyscale_key apify_token artifactory_key asana_token atlassian_token aws_appsync_key
aws_key aws_mws_key aws_session_token azure_ad_secret azure_cosmos_key azure_devops_token azure_function_key
azure_openai_key azure_sas azure_search_key azure_storage_key baidu_key beamer_key bedrock_key bitbucket_token
brevo_key buildkite_token cerebras_key circleci_token clickhouse_key clickup_token clojars_token cloudflare_token
cloudinary_url cohere_key confluent_key contentful_token coze_token crates_token dashscope_key databricks_token
datadog_key deepgram_key deepl_key deepseek_key dify_key digitalocean_token dingtalk_secret dingtalk_webhook
discord_secret discord_token discord_webhook docker_token doppler_token dropbox_token duffel_token dynatrace_token
easypost_key elastic_key elevenlabs_key expo_token facebook_token fastly_key feishu_secret feishu_token feishu_webhook
figma_token firebase_key firecrawl_key fireworks_key flutterwave_key flyio_token frameio_token friendli_key
github_token gitlab_token gocardless_token google_hmac_key google_key google_oauth grafana_key grafana_token groq_key
helicone_key heroku_key honeycomb_key huawei_key hubspot_token huggingface_token ibm_cloud_key infisical_token
infracost_key intercom_token ionic_token jdcloud_key jina_key langfuse_key langsmith_key launchdarkly_key linear_key
llamacloud_key lob_key mailchimp_key mailgun_key mandrill_key mapbox_token maxmind_key mem0_key meraki_key mistral_key
mongodb_atlas_key moonshot_key neon_key netlify_token newrelic_key notion_token npm_token nuget_key nvidia_key
octopus_key okta_token onepassword_key onepassword_token openai_key openrouter_key openshift_token packagist_token
pangea_token paypal_token perplexity_key persona_key pinecone_key plaid_token planetscale_token posthog_key
postman_key prefect_key pulumi_token pypi_token qianfan_key rancher_token razorpay_key readme_key render_key
replicate_key resend_key rootly_key rubygems_key runpod_key salesforce_token samsara_token scaleway_key scalingo_token
sendgrid_key sentry_token shippo_token shopify_token slack_token slack_webhook snyk_token sonar_token
sourcegraph_token square_token statsig_key stripe_key sumologic_key supabase_key tailscale_key tavily_key
teams_webhook telegram_token telnyx_key tencent_key tencent_secret_key terraform_token together_key trello_token
twilio_key twitter_key typeform_token ubidots_token vault_token vercel_token volcengine_ark_key volcengine_key
voyage_key wakatime_key wandb_key wechat_secret wecom_webhook woocommerce_key x_bearer xai_key yandex_key
zendesk_token zhipu_key zoho_token
""".split()

_GUARD = (
    *(f"guard.unavailable.{what}" for what in UNAVAILABLE),
    *(f"guard.opaque.{what}" for what in OPAQUE),
    "guard.hidden",
    "guard.tool",
)
# What HIPAA's Safe Harbor names and Presidio has no entity for.
_HEALTH = ("pii.us.zip", "pii.medical_record")
_EGRESS = ("egress.jurisdiction", "egress.host", "egress.redirect")

KINDS: frozenset[str] = frozenset(
    [f"pii.{name}" for name in (*_PII, *_NATIONAL)]
    + [f"secret.{name}" for name in _SECRET]
    + [f"moderation.{name}" for name in (*MODERATION, *LABELLED)]
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
