# ruff: noqa: E501
"""Cue words: what, shortly before a value, says what the value is. Latin words in lower case, accents left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from guard.pii.cues_nations import WORDS
from guard.pii.rows import CUE_REACH

NAME_PARTS = "full|first|last|middle|given|family|birth|maiden|legal"
NAME_HOLDERS = (
    "customer|patient|client|applicant|employee|contact|guest|passenger|holder|sender|recipient|student"
)
"""What stands before `name` in the labels of people's names, in forms and in programs (`customer_name`)."""
NAME_LABELS = "姓名|收件人|联系人|收货人|寄件人|负责人|经办人|申请人|持卡人|户名|法人|受益人|投保人|监护人"
"""Labels of people's names in Hanzi that head columns, too."""

NEVER = 1 << 30
"""The distance of a word that is not there."""

# Not after one small letter: an iPhone is no phone; a RegExp is no registration.
_HUMP = re.compile(rb"(?<=[A-Za-z][a-z])(?=[A-Z])(?!Exp)(?:Number)?")
_HUMPED = re.compile(rb"(?<![A-Za-z])[A-Z]*+[a-z]++[A-Z][A-Za-z]*+")
"""A word in which a capital follows a small letter: before the first such there are capitals, then small letters."""
_CASES = bytes(97 if 97 <= code <= 122 else 65 if 65 <= code <= 90 else 32 for code in range(256))
_LETTERS = bytes(code | 32 if chr(code).isalpha() and code < 128 else 32 for code in range(256))


def letters_of(projection: bytes) -> bytes:
    """The Latin letters of a projection in lower case, blanks for everything else."""
    return projection.translate(_LETTERS)


def cases_of(projection: bytes) -> bytes:
    """An `a` for every small letter of a projection, an `A` for every capital, blanks for everything else."""
    return projection.translate(_CASES)


HUMP = b"aA"
"""What the cases of a word of code hold: a capital follows a small letter."""


def words_of(projection: bytes) -> bytes:
    """The same, and each word of code (`homePhone`) also as the words that it is put together of.

    Of `projectNumber` the number is left out: it is not what people call a number.
    """
    if projection.translate(_CASES).find(HUMP) >= 0:
        projection = _HUMPED.sub(_parts, projection)
    return projection.translate(_LETTERS)


def _parts(word: re.Match[bytes]) -> bytes:
    """A word of code and its parts behind it, which keep their distance to what follows; any other word as it is."""
    whole = word.group()
    parts = _HUMP.sub(b" ", whole)
    return whole if parts == whole else whole + b" " + parts


class Window:
    """What stands before a value as far as cue words reach: its letters and words, and the original unless ASCII."""

    __slots__ = ("letters", "original", "words")

    def __init__(self, letters: bytes, original: str) -> None:
        self.letters = letters
        self.original = original
        self.words = letters.split()


@dataclass(frozen=True)
class Cue:
    """Words of one meaning: `latin` words, `weak` ones that any ruling-out word overrides, `others` outside ASCII.

    Each of `every` Latin word holds one of the `short` ones.
    """

    latin: frozenset[bytes]
    weak: frozenset[bytes] = frozenset()
    others: re.Pattern[str] | None = None
    reach: int = CUE_REACH
    every: frozenset[bytes] = field(init=False)
    short: tuple[bytes, ...] = field(init=False)
    far: bool = field(init=False)

    def __post_init__(self) -> None:
        every = self.latin | self.weak
        object.__setattr__(self, "every", every)
        object.__setattr__(self, "short", _short(every))
        object.__setattr__(self, "far", self.reach >= CUE_REACH)

    def without(self, other: Cue | None) -> Cue:
        """The same without the words of another: what says that a value is of a kind never rules it out."""
        if other is None or self.every.isdisjoint(other.latin):
            return self
        return Cue(self.latin - other.latin, self.weak - other.latin, self.others, self.reach)

    def stands_in(self, window: Window) -> bool:
        """Whether a cue word stands anywhere in a stretch."""
        if not self.every.isdisjoint(window.words):
            return True
        return bool(window.original and self.others is not None and self.others.search(window.original))

    def last_in(self, window: Window, others: frozenset[bytes]) -> bool:
        """Whether the last word of a window that is one of these or of some others is one of these."""
        every = self.every
        for word in reversed(window.words):
            if word in every:
                return True
            if word in others:
                return False
        return False

    def distance(self, window: Window, weak: bool = True) -> int:
        """How far before the value the nearest cue word ends, `NEVER` where there is none."""
        wanted = self.every if weak else self.latin
        near = NEVER
        if not wanted.isdisjoint(window.words):
            near = min(_gap(window.letters, word) for word in wanted.intersection(window.words))
        if window.original and self.others is not None:
            for match in self.others.finditer(window.original):
                near = min(near, len(window.original) - match.end())
        # A window holds no more than the longest reach, but words of code stand in it twice.
        return near if self.far or near <= self.reach else NEVER


def _short(words: frozenset[bytes]) -> tuple[bytes, ...]:
    """The words of some that hold no other of them."""
    short: list[bytes] = []
    for word in sorted(words, key=lambda word: (len(word), word)):
        if not any(part in word for part in short):
            short.append(word)
    return tuple(short)


def merged(cues: list[Cue]) -> Cue:
    """One cue that stands wherever one of several does."""
    words = frozenset().union(*(cue.every for cue in cues))
    others = sorted({cue.others.pattern for cue in cues if cue.others is not None})
    return Cue(words, others=re.compile("|".join(others)) if others else None)


def _gap(letters: bytes, word: bytes) -> int:
    """The characters from the end of the last such word to the end of the window."""
    padded = b" " + letters + b" "
    return len(letters) - padded.rindex(b" " + word + b" ") - len(word)


def _cue(latin: str, others: str = "", weak: str = "", reach: int = CUE_REACH) -> Cue:
    pattern = re.compile("|".join(sorted(others.split(), key=len, reverse=True))) if others else None
    return Cue(
        frozenset(latin.encode("ascii").split()), frozenset(weak.encode("ascii").split()), pattern, reach
    )


_CARDS = """card cards cc ccnum ccnumber cardno cardnum bankcard bankcardno pan mastercard mc amex maestro unionpay credit debit cardnumber
    creditcard kreditkarte karte carte tarjeta cartao kort"""
_CARDS_CN = "银行卡 信用卡 储蓄卡 借记卡 卡号 刷卡 銀行卡 カード"

_COMMON = {
    "phone": _cue(
        """phone phones telephone telephones phoneno phonenum phonenumber mobileno mobilenumber mobilephone telno shouji tel tels tele ph mob mobile mobiles cell cellphone cellular cells handy hotline
        fax faxes whatsapp whats telegram viber signal sms landline voicemail switchboard tollfree pager msisdn callback
        fone telefon telefono telefonos telefone telefones telephonique telefonnummer telefoonnummer telefoon movil moviles celular celulares
        cellulare handphone sdt tlf tlfn tfno tff tf fono portable mobil mobilnummer mobiltelefon rufnummer gsm telefonzahl handynummer
        telemovel telefonul telefonu telefonum telefonom telefonem telefonas telefonai talrunis telefonnr telefonszam telefonszama puhelin puhelinnumero
        matkapuhelin kannykka puh mobilnr mobiil mobiel telepon telefonne simi farsimi cep telefonska cel telp thoai fonnummer telefoni telefona""",
        "电话 手机 座机 固话 联系方式 联系我 致电 拨打 拨通 来电 热线 传真 短信 携帯 電話 手機 전화 휴대폰 핸드폰 연락처 тел\\. Тел\\. тел: Тел: ĐT đt телефон Телефон ТЕЛЕФОН мобильн Мобильн мобільн Мобільн τηλ Τηλ ΤΗΛ κινητ Κινητ טלפון נייד هاتف جوال تليفون موبايل تلفن موبایل โทร มือถือ เบอร์ फोन फ़ोन मोबाइल फैक्स ফোন মোবাইল հեռախոս ტელეფონ ☎ ☏ ✆ 📞 📱",
        "call calls called calling dial dialed ring txt texting reach contact answering answer number numbers numero numeros nummer llame llamar llama llamo anrufen appelez appeler contacto contactar contacter ligue chame",
    ),
    "not_phone": _cue(
        """order orders invoice tracking awb waybill ref reference ticket case serial sku isbn issn doi version build commit id ids uuid guid hash
        account acct accounts card cards iban routing policy claim member batch lot part model item product license licence vin imei ssn amount
        total price usd eur gbp port pid timestamp ts epoch unix bytes size zip postcode nhs npi mrn passport tax tin itin credit debit bank visa
        transaction receipt confirmation booking revision pin code codes score rank row rows line page pages
        created updated expires expiry iat exp nonce seed index offset length tokens usage
        conta cuenta compte konto pedido bestellung commande project job task room seat flight train sensor issue episode bug ndc volume volumes""",
        "〒 订单 单号 编号 序号 流水 运单 快递 会议号 会议ID 身份证 卡号 账号 帐号 金额 邮编 版本 型号 证件 護照 护照 验证码",
    ),
    "not_nation": _cue(
        """order orders invoice tracking ref reference ticket case serial sku isbn issn doi version build commit uuid guid hash lot part model item
        product products amount total price usd eur gbp port pid timestamp ts epoch unix bytes size transaction receipt booking revision score rank
        row rows line lines page pages created updated expires iat exp nonce seed index offset length tokens usage population""",
        "学号 工号 发票 合同 订单 单号 编号 序号 流水 运单 快递 金额 版本 型号 验证码",
    ),
    "card": _cue(f"{_CARDS} visa discover diners jcb", _CARDS_CN),
    # No visa, which is a paper of travellers, too.
    "payment": _cue(f"{_CARDS} cvv cvc cvn", _CARDS_CN),
    "not_card": _cue(
        "gift library phone tel id order sim invoice ticket tracking student member membership business report sd graphics",
        "订单 单号 身份证 手机 电话 会员",
    ),
    "cn_id": _cue(
        "id ids identity sfz sfzh shenfenzheng resident citizen idcard idcardno idno idnum",
        "身份证 身份號 身份号 证件号 证件 公民身份 居民身份 身分證 二代证",
    ),
    "passport": _cue(
        "passport passports pasaporte passeport reisepass passportno passportnumber huzhao",
        "护照 護照 旅行证 パスポート 여권",
    ),
    "hm_permit": _cue("permit return", "回乡证 通行证 港澳 通行證 回鄉證"),
    "tw_permit": _cue("permit compatriot mtp", "台胞证 台湾居民 通行证 台胞證"),
    "uscc": _cue("uscc credit tax taxpayer", "信用代码 税号 纳税人 统一社会 機構代碼"),
    "mo_id": _cue("macau macao bir", "澳门 澳門"),
    "cn_tax": _cue("taxpayer", "税号 纳税人 纳税识别 税务登记 稅號 納稅人"),
    "cn_social_security": _cue(
        "", "社保 社会保障 社会保险 社保编号 医保编号 医保 医疗保险 电脑号 社會保障 公积金"
    ),
    "cn_bank_account": _cue(
        "",
        "账户[:：] 帳戶[:：] 银行账号 银行帐号 银行账户 开户账号 收款账号 收款账户 对公账户 银行卡号 银行卡 账号 帐号 銀行帳號 帳號",
    ),
    "cn_officer": _cue("", "军官 军人 士兵 警官 軍官 现役 部队 文职 兵证"),
    "approval": _cue("", "准字 批准文号 批号 注册证 备案"),
    "bic": _cue("bic swift biccode swiftcode", "国际汇款 银行代码"),
    "banking": _cue(
        "bank banks banking routing aba swift bic iban wire deposit transfer beneficiary payee payout payroll checking savings sort bsb ifsc",
        "银行 开户 转账 汇款 銀行",
    ),
    "not_age": _cue(
        """building buildings house tree bridge church castle company firm car wine temple hotel school university tradition fossil
        painting film movie song album book city town institution newspaper magazine club stadium theatre theater museum monument tower
        cache max session cookie file""",
        reach=14,
    ),
    "gps": _cue(
        "gps coordinates coordinate coords coord latitude longitude lat lon lng long maps amap location geolocation geo position koordinaten coordonnees coordenadas",
        "坐标 经纬度 经度 纬度 定位 位置 座標",
    ),
    "hk_id": _cue("hkid id identity", "身份證 身份证 香港"),
    "tw_id": _cue(
        "taiwan taiwanese id identity", "身分證 身份证 身份證 台湾 臺灣 台灣 居留證 居留证 統一證號"
    ),
    "ssn": _cue("ssn ssns ss soc social security", "社保 社会安全"),
    "itin": _cue("itin itins tin tax taxpayer irs", "税号"),
    "nhs": _cue("nhs nhsnumber nhsno health healthcare patient"),
    "nino": _cue("nino ninos ni insurance"),
    "imei": _cue("imei imeis imeisv device handset", "串号 设备号"),
    "sim": _cue("iccid sim esim", "卡号 集成电路卡"),
    "imsi": _cue("imsi supi", "国际移动用户"),
    "birth": _cue(
        """dob birth born birthday bday bdate geb birthdate dateofbirth geboren geburtsdatum nacimiento naissance nascimento nascita
        nacido nacida nascido nascida geboortedatum fodselsdato fodelsedatum urodzenia urodzony urodzona lahir
        fodd fodt nata nasc dogum urodz narozen narozena narozeni syntynyt syntymaaika szuletett""",
        "出生 生日 生于 生於 誕生 生年月日 출생 생년월일 рождения родился родилась né.le née.le Né.le Née.le né\\(e\\).le",
    ),
    "medical_record": _cue(
        "mrn mrns",
        "病历 病歷 住院号 病案号 门诊号 就诊卡 就诊号 诊疗卡 住院號 病案號 門診號 就診卡 就診號 診察券",
    ),
    "vin": _cue(
        "vin vins vehicle chassis car fin fahrgestellnummer fahrgestell fahrzeugidentifikationsnummer bastidor telaio chasis",
        "车架号 车辆识别 底盘号",
    ),
    "crypto": _cue(
        "bitcoin btc ethereum eth wallet address crypto litecoin ltc doge tron usdt solana sol usdc phantom",
        "钱包 地址 比特币 以太坊",
    ),
    "passing_token": _cue(
        """csrf xsrf csrftoken xsrftoken csrfmiddlewaretoken page next nexttoken pagetoken nextpagetoken continuation continuationtoken
        cancellation sync synctoken anonymous public publickey""",
        reach=14,
    ),
    "version": _cue(
        """v ver version versions release released releases build firmware rev revision chapter section sec clause kernel
        since oid oids extension extensions openssl ssl py os openssh chrome chromium firefox python java jdk jre openjdk php windows ios android
        macos ubuntu debian numpy pandas gcc git sdk driver drivers package library plugin abschnitt kapitel ziffer absatz seccion capitulo""",
        "版本号 版本 版 第 §",
        reach=5,
    ),
}

CUES = _COMMON | {name: _cue(*words.partition("|")[::2]) for name, words in WORDS.items()}
"""By the name that rows use."""
