# ruff: noqa: E501
"""The catalogue: what papers and cards say of their holder behind a word for it: passports, plates, what opens a card."""

from __future__ import annotations

from guard.pii.layouts import TABLED
from guard.pii.rows import Edge, Road, Row

_BEGUN = r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
"""Where a word begins, be it within a word of code (`cardCvv`)."""
_SAYS = rf"""(?:(?i: is| was| ist| est| es)?[ \t:=#-]{{1,3}}["'`(]?|\x1a{{1,2}}[ :]{{0,2}}|{TABLED})"""
_END = r"(?![0-9A-Za-z]|[.,/:-][0-9])"
_DIGITS = "(?!0{3,4}(?![0-9]))(?P<value>[0-9]{3,4})"
"""A code; of nothing but noughts it stands for one."""

_CODE = (
    "(?i:(?:cvv|cvc|cvn|cav)2?(?: ?(?:code|number|no\\.?))?"
    "|card[ _-]?(?:security|verification|validation)[ _-]?(?:code|number|value)|security[ _-]?code"
    "|cryptogramme(?: visuel)?|code de securite|kartenprufnummer|prufziffer|sicherheitscode"
    "|codigo de (?:seguridad|seguranca)|codice di sicurezza)"
)
"""The three or four digits on the card: the schemes' own names (CVV2, CVC2, CVN2, CAV2) and what forms call them."""

_EXPIRES = (
    "(?i:exp(?:iry|ires?|iration)?\\.?(?:[ _-]?date)?|valid (?:thru|through|until|till|to)|good thru|expire le|date d'expiration"
    "|caduca(?: el)?|vence(?: el)?|vencimiento|fecha de vencimiento|validade|valido ate|gultig bis|ablaufdatum|scadenza|geldig tot)"
)
_MONTH = r"(?:0?[1-9]|1[0-2]) ?[/-] ?(?:20)?[2-4][0-9]"
"""A month and a year, as cards have them."""
_GLUED = rf"(?:{_MONTH}|(?:0[1-9]|1[0-2])[2-4][0-9])"
"""The same, and as forms of shops send them (`exp=0927`)."""
_NO_DAY = r"(?![0-9A-Za-z/-])"

_OWN_PIN = "(?i:(?:card|atm|debit|bank|banking|secret|security|four-digit|4-digit|my|your|his|her) pin(?:[ -]?(?:code|number))?|pin number)"
"""What is no PIN code of the Indian post, and so may have six digits."""
_ANY_PIN = rf"(?i:pin)(?i:[ -]?(?:code|number))?{_SAYS}[0-9]{{4}}"

_PASSPORT = (
    "(?i:(?:passport|passeport|reisepass|passnummer|pasaporte|passaporte|passaporto|paspoort|paszport|pasaport)(?:nummer|s|u)?|[np]ac[np]opt(?:a|y|om)?(?: cepnr)?)"
    rf"(?i: of [a-z]{{3,12}})?(?:(?i: ?#| (?:no|nr|num|number|n|numero|numer|id)| homep)[.*o]{{0,2}}| \x1a)?(?:(?i: is| was| ist| est| es) ?|{TABLED}|[ #]{{1,3}})"
)
"""What says that a passport's number follows; the last word is what the Russian one looks like in ASCII."""
_BOOKLET = "[A-Z]{1,3}[0-9]{5,8}[A-Z]?|[0-9]{2}[A-Z]{2}[0-9]{5}|[0-9]{2} ?[0-9]{2} [0-9]{6,7}|[0-9]{7,9}"
"""Numbers of passports: letters and digits, as in France, in Russia, or digits alone."""

_PLATE = (
    "(?i:(?:licen[cs]e|licensing|registration|vehicle|car|truck|number)[ _-]?plate|plate[ _-]?(?:number|no\\.?|#))(?i:[ _-]?(?:number|no\\.?|#))?"
    rf"(?:(?i: is| was| reads)? ?[:=#]? ?[\"']?|{TABLED})"
)
"""What says that a licence plate follows."""
_PLATED = (
    r"(?=[A-Z]{0,4}[ -]?[A-Z]{0,4}[0-9])(?=[0-9]{0,4}[ -]?[0-9]{0,4}[A-Z])[A-Z0-9]{1,4}[ -]?[A-Z0-9]{2,4}"
)
"""In capitals, with a digit and a letter."""

PAPERS = (
    # A passport of whichever country: most countries' have no row of their own.
    Row(
        "pii.passport", rf"""(?<![A-Za-z]){_PASSPORT}(?P<value>{_BOOKLET})(?![A-Za-z0-9]|[.,/-][0-9])""", Road.WHOLE, 0.6, 0.6, gate=rf"{_PASSPORT}[A-Z]{{0,3}}[0-9]{{2}}", edge=Edge.FREE,
        alphabet="groups", longest=13, ahead=2, laws=("hipaa:11", "gdpr"),
    ),
    Row(
        "pii.passport", rf"""(?:\x1a{{1,2}})?[ :=#*]{{0,3}}(?:No\.? ?)?(?P<value>{_BOOKLET})(?![A-Za-z0-9]|[.,/-][0-9])""", Road.AFTER, 0.6, 0.6, gate=r"(?:\x1a{1,2})?[ :=#*]{0,3}(?:No\.? ?)?[A-Z]{0,3}[0-9]{2}", edge=Edge.FREE,
        heads=("护照", "護照", "护照号", "护照号码", "護照號碼", "旅券", "旅券番号", "パスポート番号", "여권", "여권번호", "דרכון", "جواز السفر", "جواز سفر"), tail="是为為は", alphabet="groups", longest=13, ahead=2, laws=("gdpr", "pipl"),
    ),
    # A plate of whichever country: two to eight letters and digits, both.
    Row(
        "pii.license_plate", rf"(?<![A-Za-z]){_PLATE}(?P<value>{_PLATED})(?![A-Za-z0-9]|-[A-Za-z0-9])", Road.WHOLE, 0.6, 0.6, gate=rf"{_PLATE}[A-Z]{{0,4}}[ -]?[A-Z]{{0,3}}[0-9]", edge=Edge.FREE,
        alphabet="groups", longest=9, ahead=2, laws=("hipaa:12", "gdpr"),
    ),
    Row(
        "pii.cvv", rf"{_BEGUN}{_CODE}{_SAYS}{_DIGITS}{_END}", Road.WHOLE, 0.85, 0.85, gate=rf"{_CODE}{_SAYS}[0-9]{{3}}",
        edge=Edge.FREE, longest=4, ahead=2, laws=("pci",),
    ),
    Row(
        "pii.cvv", rf"\x1a?[ :=]{{0,3}}{_DIGITS}{_END}", Road.AFTER, 0.85, 0.85, gate=r"\x1a?[ :=]{0,3}[0-9]{3}", edge=Edge.FREE,
        heads=("安全码", "安全碼", "卡片验证码", "卡验证码", "背面三位数", "背面三位", "背面后三位", "背面末三位", "セキュリティコード"), tail="是为為は", longest=4, ahead=2, laws=("pci", "pipl"),
    ),
    Row(
        "pii.card_expiry", rf"{_BEGUN}{_EXPIRES}{_SAYS}(?P<value>{_GLUED}){_NO_DAY}", Road.WHOLE, 0.0, 0.75, cue="payment", gate=rf"{_EXPIRES}{_SAYS}{_GLUED}",
        edge=Edge.FREE, alphabet="groups", longest=9, ahead=2, laws=("pci",),
    ),
    # Behind the number itself no word need say that it is a card's.
    Row(
        "pii.card_expiry", rf"[0-9]{{3}}[ ,;|]{{1,3}}{_EXPIRES}{_SAYS}(?P<value>{_MONTH}){_NO_DAY}", Road.WHOLE, 0.75, 0.75,
        gate=rf"[0-9]{{3}}[ ,;|]{{1,3}}{_EXPIRES}{_SAYS}{_MONTH}", edge=Edge.FREE, alphabet="groups", longest=9, ahead=2, laws=("pci",),
    ),
    # A number, its month and its code in a row, as people paste them.
    Row(
        "pii.card_expiry", rf"[0-9][0-9 -]{{10,20}}[0-9][ |,;]{{1,2}}(?P<value>(?:0[1-9]|1[0-2])[/|-](?:20)?[2-4][0-9][ |,;/]{{1,2}}[0-9]{{3,4}}){_NO_DAY}", Road.WHOLE, 0.75, 0.75,
        gate=r"[0-9][ |,;]{1,2}(?:0[1-9]|1[0-2])[/|-](?:20)?[2-4][0-9][ |,;/]{1,2}[0-9]{3}", edge=Edge.FREE, alphabet="groups", longest=13, ahead=2, laws=("pci",),
    ),
    Row(
        "pii.card_expiry", rf"\x1a?[ :=]{{0,3}}(?P<value>{_MONTH}){_NO_DAY}", Road.AFTER, 0.0, 0.75, cue="payment", gate=rf"\x1a?[ :=]{{0,3}}{_MONTH}",
        heads=("有效期", "有效期至", "有效期到", "有效日期", "到期日", "到期时间", "有效期限"), tail="是为為", edge=Edge.FREE, alphabet="groups", longest=9, ahead=2, laws=("pci", "pipl"),
    ),
    Row(
        "pii.pin", rf"(?<![A-Za-z]){_OWN_PIN}{_SAYS}(?P<value>[0-9]{{4,6}}){_END}", Road.WHOLE, 0.75, 0.75, gate=_ANY_PIN, edge=Edge.FREE, longest=6, ahead=2, laws=("pci",),
    ),
    Row(
        "pii.pin", rf"""{_BEGUN}(?i:pin)(?:(?i: is| was| ist) ["'`(]?|\t|\x1a{{1,2}}[ :]{{0,2}}|{TABLED})(?P<value>[0-9]{{4}}){_END}""", Road.WHOLE, 0.75, 0.75,
        gate=_ANY_PIN, edge=Edge.FREE, longest=4, ahead=2, laws=("pci",),
    ),
)  # fmt: skip
