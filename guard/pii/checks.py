"""Every check by the name that rows use."""

from __future__ import annotations

from guard.pii import credentials, phones, validators
from guard.pii.validators import Check

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        validators.card,
        validators.card_said,
        validators.iban,
        validators.cn_resident_id,
        validators.cn_resident_id_shape,
        validators.cn_resident_id_15,
        validators.cn_uscc,
        validators.tw_id,
        validators.hk_id,
        validators.us_ssn,
        validators.us_ssn_said,
        validators.us_itin,
        validators.uk_nhs,
        validators.uk_nino,
        validators.ipv4,
        validators.ipv6,
        validators.mac,
        validators.base58check,
        validators.bech32,
        validators.imei,
        validators.vin,
        phones.phone_international,
        phones.phone_possible,
        phones.phone_us_bare,
        phones.phone_cn_mobile,
        phones.phone_said,
        phones.phone_trunk,
        credentials.key,
        credentials.shaped_key,
        credentials.random_key,
        credentials.numbered_key,
        credentials.openai_key,
        credentials.artifactory,
        credentials.high_entropy,
        credentials.url_credentials,
        credentials.user_password,
        credentials.password,
        credentials.password_said,
        credentials.token,
        credentials.credential,
        credentials.jwt,
        credentials.connection_string,
        credentials.email,
        credentials.url,
        credentials.plate,
    )
}
