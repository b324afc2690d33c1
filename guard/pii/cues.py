# ruff: noqa: E501
"""Cue words: what, shortly before a value, says what the value is. Latin words in lower case without accents."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Cue:
    """Words of one meaning: `latin` a pattern over the lower-case projection, `others` words outside ASCII."""

    latin: re.Pattern[bytes]
    others: re.Pattern[str] | None

    def last(self, window: bytes, original: str) -> int:
        """How far from the end of the window the nearest cue word begins, 0 where there is none."""
        found = [len(window) - match.start() for match in self.latin.finditer(window)]
        if self.others is not None and not original.isascii():
            found += [len(original) - match.start() for match in self.others.finditer(original)]
        return min(found, default=0)


def _cue(latin: str, others: str = "") -> Cue:
    words = "|".join(word.strip() for word in latin.strip().split("\n"))
    return Cue(
        re.compile(rf"(?<![a-z])(?:{words})(?![a-z])".encode("ascii")),
        re.compile("|".join(others.split())) if others else None,
    )


CUES = {
    "phone": _cue(
        r"""
        (?:tele)?phones?(?: (?:numbers?|nos?|nr))?|phone#|tel|tels|tele|ph|mobiles?|cell(?:phone|ular|s)?|handy|hotline
        fax(?:es)?|whats ?app|telegram|viber|signal|sms|landline|voicemail|switchboard|toll[- ]free|pager
        call(?:ed|ing|s)?(?: me| us| him| her| them)?(?: (?:at|on|to|back))?|dial(?:ed|ing)?|ring|text(?:ed|ing)? (?:me|us|him|her)?
        reach(?:ed)?(?: me| us| him| her)?(?: (?:at|on))|contact(?:ed)?(?: me| us)?(?: (?:at|on|number|no))?|ext(?:ension)?
        telefon[oae]?s?|telefone|telephone|telefonnummer|telefoonnummer|telefonicos?|movil(?:es)?|celular(?:es)?|celulare|cellulare
        tlf|tlfn|tfno|tff|tf|fono|portable|mobil(?:e|nummer|telefon)?|rufnummer|gsm|numeros?|llam[aeo]r?|llamada|appelez|anrufen
        my numbers? (?:is|are)|numbers? (?:is|are)|his number|her number
        """,
        "电话 手机 座机 固话 联系方式 联系我 致电 拨打 拨通 来电 热线 传真 短信 号码 携帯 電話 手機 전화 телефон τηλ फोन",
    ),
    "not_phone": _cue(
        r"""
        orders?|invoice|tracking|ref(?:erence)?|ticket|case|serial|sku|isbn|issn|doi|version|build|commit|id|uuid|guid|hash|sha\d*
        account|acct|card|iban|routing|policy|claim|member|batch|lot|part|model|item|product|license|licence|vin|imei|ssn|amount
        total|price|usd|eur|port|pid|timestamp|ts|epoch|unix|bytes|size|zip|postcode
        """,
        "订单 单号 编号 序号 流水 运单 快递 身份证 卡号 账号 帐号 金额 邮编 版本 型号 证件 護照 护照",
    ),
    "card": _cue(
        r"""
        (?:credit|debit|bank|payment|gift|charge)? ?cards?(?: ?(?:numbers?|nos?|nr|#))?|cc(?: ?(?:num(?:ber)?|no|#))?|pan
        visa|master ?card|mc|amex|american express|maestro|discover|diners|jcb|union ?pay|kreditkarte|carte|tarjeta|cartao
        """,
        "银行卡 信用卡 储蓄卡 借记卡 卡号 账号 帐号 账户 刷卡 信用卡 銀行卡 カード",
    ),
    "iban": _cue(r"iban|account|konto|bank|transfer", "账户 账号 银行"),
    "cn_id": _cue(
        r"(?:national |resident |chinese |identity |citizen )+(?:id|card|identity)(?: (?:card|number|no))*|id ?(?:card|number|no)|id|sfz",
        "身份证 身份號 身份号 证件号 证件 公民身份 居民身份 身分證 二代证",
    ),
    "passport": _cue(r"passports?(?: ?(?:numbers?|nos?|#))?|pasaporte|passeport|reisepass|pass ?no", "护照 護照 旅行证 パスポート 여권"),
    "hm_permit": _cue(r"home return permit|mainland travel permit", "回乡证 通行证 港澳 通行證 回鄉證"),
    "tw_permit": _cue(r"taiwan compatriot permit|mtp", "台胞证 台湾居民 通行证 台胞證"),
    "uscc": _cue(r"uscc|social credit code|credit code|tax(?:payer)? (?:id|number|no)", "信用代码 税号 纳税人 统一社会 機構代碼"),
    "hk_id": _cue(r"hkid(?: card)?|hk id|hong kong id(?:entity)?(?: card)?|id", "身份證 身份证 香港"),
    "tw_id": _cue(r"taiwan(?:ese)? id|national id|id", "身分證 身份证 身份證 台湾 臺灣 台灣"),
    "ssn": _cue(r"ssns?|ss ?#|soc(?:ial)? sec(?:urity)?(?: (?:numbers?|nos?|nums?|#))*|social|ss no", "社保 社会安全"),
    "itin": _cue(r"itins?|(?:individual )?tax(?:payer)? ?(?:id(?:entification)?)?(?: (?:numbers?|nos?))*|tin|irs", "税号"),
    "nhs": _cue(r"nhs(?: ?(?:numbers?|nos?|#))?|national health(?: service)?|health ?care|patient(?: (?:id|number|no))?", ""),
    "nino": _cue(r"nino?s?|ni (?:numbers?|no)|national insurance(?: (?:numbers?|nos?|#))?|insurance", ""),
    "imei": _cue(r"imei(?: ?(?:numbers?|nos?|#|sv))?|device|handset", "串号 设备号 手机串号"),
    "vin": _cue(r"vins?|vehicle(?: identification)?(?: number)?|chassis(?: ?(?:number|no))?|car", "车架号 车辆识别 底盘号"),
    "crypto": _cue(r"bitcoin|btc|ethereum|eth|wallet|address|crypto|litecoin|ltc|doge|tron|usdt", "钱包 地址 比特币 以太坊"),
    "version": _cue(r"(?:v|ver|version|release[ds]?|build|firmware|upgraded? to|rev|chapter|section|sec|clause|kernel|version is)[.:=]? ?\Z", r"版本号?[:：]?\Z"),
}
