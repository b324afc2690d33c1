# ruff: noqa: E501
"""Postal addresses: number, street, unit, city and code in the orders of the West, 省市区路号 in Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

Named = tuple[str, int, int, float]

KIND = "pii.address"
WHOLE, STREET_ONLY = 0.7, 0.5
"""The score of an address with a city or a code, and of a street and number alone."""

UNCERTAIN = 0.45
"""The score of province, city and district without a number, and of a street behind what may be a year."""

# Street suffixes in use, from Appendix C1 of USPS Publication 28, and what Britain and Ireland add.
_SUFFIX = """
Street St Avenue Ave Road Rd Lane Ln Drive Dr Boulevard Blvd Court Ct Place Pl Square Sq Terrace Ter Way Crescent Cres Close Row
Highway Hwy Parkway Pkwy Alley Circle Cir Trail Trl Gardens Quay Walk Mews Grove Loop Plaza Turnpike Pike Path Expressway Freeway
Bypass Causeway Crossing Esplanade Green Heights Hill Hollow Junction Landing Manor Meadow Meadows Mount Overpass Park Pass
Point Ridge Route Run Shore Shores Spur Station Stream Summit Trace Track Tunnel Underpass Valley Via Viaduct View Village Ville Vista
Bend Bluff Branch Bridge Brook Burg Camp Canyon Cape Center Cliff Club Common Corner Course Cove Creek Dale Dam Divide Estate Estates
Extension Fall Falls Ferry Field Fields Flat Flats Ford Forest Forge Fork Fort Glen Harbor Haven Inlet Island Isle Key Knoll Lake Lakes
Land Light Lodge Mall Mill Mills Mission Motorway Neck Oval Orchard Parade Parks Pine Pines Plain Plains Port Prairie Ramp Ranch
Rapid Rest River Skyway Spring Springs Stravenue Throughway Trafficway Union Wall Wells Wharf Yard
""".split()
_SURE = _SUFFIX[: _SUFFIX.index("Path")]
_W = r"[A-ZÀ-Þ][A-Za-zÀ-ÿ'’.-]{0,20}"
_NUMBER = r"[0-9]{1,6}(?:[-/][0-9]{1,5})?[A-Za-z]?"
_SIDE = r"(?:NE|NW|SE|SW|N|S|E|W|North|South|East|West)"
_SEP = r"(?:, ?|,?\n| - )"
_UNIT = r"(?:,? (?i:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|No)\.? ?#?[A-Za-z0-9-]{1,6}|,? ?#[ ]?[A-Za-z0-9-]{1,6})"
_CITY = rf"{_W}(?:[ -]{_W}){{0,3}}"
_CODE = (
    r"(?:[A-Z]{2,3},? [0-9]{5}(?:-[0-9]{4})?|[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}|[A-Z]{2,3},? [0-9]{4}"
    r"|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]|[0-9]{5,6}(?:-[0-9]{4})?)"
)
_TAIL = (
    rf"(?:{_SEP}{_CITY}(?:{_SEP}{_CITY})?(?:{_SEP}|[ ,]{{1,2}}){_CODE}(?:{_SEP}{_CITY})?"
    rf"|(?:{_SEP}| ){_CODE}|, {_CITY}(?:, (?:{_CITY}|[A-Z]{{2}}))?)"
)
_LEAD = r"(?:de |del |della |delle |dei |des |du |dos |das |da |do |di |la |le |les |los |las |d'|l'|d’|l’|San |Santa |Saint ){0,3}"
_KINDS = (
    r"(?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Bb]d|[Pp]lace|[Cc]hemin|[Ii]mpasse|[Aa]llée|[Rr]oute|[Qq]uai|Via|Viale|Piazza|Corso|Vicolo|Largo"
    r"|Calle|C/|Avenida|Av\.|Paseo|Plaza|Carrera|Rua|Travessa|Praça|Estrada|[Uu]l\.|Ulica|[Aa]leja|[Aa]l\.|[Oo]s\.)"
)
_JOINED = r"(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse|damm|ufer|ring|laan|straat|plein|kade|gracht|gatan|vägen|gade|vej|veien|katu|tie|utca|út)"
_TOWN = rf"(?:(?:, ?|,?\n| )(?:[A-Z]{{1,3}}-)?[0-9]{{2}}(?:-?[0-9]{{2,3}}| [0-9]{{3}})(?: ?[A-Z]{{2}})? {_CITY}(?:{_SEP}{_CITY})?|, {_CITY})"
_FORMS = (
    rf"(?:(?:Flat|Apt\.?|Apartment|Suite|Unit) [A-Za-z0-9]{{1,5}},? )?{_NUMBER},? (?:{_SIDE}\.? )?(?:(?:{_W}|[0-9]{{1,3}}(?:st|nd|rd|th)) ){{1,3}}"
    rf"(?:{'|'.join(_SURE)})\b\.?(?: {_SIDE}\b)?(?:{_UNIT})?(?:{_TAIL})?",
    rf"{_NUMBER} (?:{_W} ){{1,3}}(?:{'|'.join(_SUFFIX)})\b(?:{_UNIT})?{_TAIL}",
    rf"{_W}(?: {_W}){{0,2}}{_JOINED} [0-9]{{1,4}}[A-Za-z]?(?:{_TOWN})?",
    rf"{_W}(?: {_W}){{0,2}} (?:Stra(?:ß|ss)e|Weg|Platz|Allee|Gasse|Damm|Ufer|Ring) [0-9]{{1,4}}[A-Za-z]?(?:{_TOWN})?",
    rf"{_KINDS} {_LEAD}{_W}(?:[ -](?:{_LEAD})?{_W}){{0,4}},? (?:n[.º°]? ?)?[0-9]{{1,4}}[A-Za-z]?\b(?:{_TOWN})?",
    rf"{_NUMBER},? (?:bis |ter )?(?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Bb]d|[Pp]lace|[Cc]hemin|[Ii]mpasse|[Aa]llée|[Rr]oute|[Qq]uai) {_LEAD}{_W}"
    rf"(?:[ -](?:{_LEAD})?{_W}){{0,4}}(?:{_TOWN})?",
    rf"P\.? ?O\.? Box [0-9]{{1,7}}(?:{_TAIL})?",
)
_YEAR = re.compile("(?:19|20)[0-9]{2} ")
_CODED = re.compile("[0-9]{4}")
_DIGITS = b"0123456789"
_LONGEST = 160
# As long as can be: what a token and the sign behind it share, were it either, would be tried both ways each time.
_TOKEN = r"(?:[A-ZÀ-Þ#][\w'’.#-]*+|[0-9][\w/-]*+|rue|avenue|boulevard|place|chemin|route|quai|ul\.|de|del|la|le|du|des|di|da|do|bis|ter|of|the)"
_OPEN = re.compile(rf"(?<![\w]){_TOKEN}(?:[ ,\n-]{{1,3}}{_TOKEN}){{0,40}}[ ,\n-]{{0,3}}[\w'’.#-]*\Z")

_MARKED = re.compile(
    r"(?:路|街|大道|大街|巷|弄|胡同|里|道|村|小区|社区|苑|园|庄|大厦|广场|中心|城)(?:[东西南北中東]?[0-9一二三四五六七八九十]{0,2}段)?(?:东|西|南|北|中|東)?"
    r"[0-9０-９一二三四五六七八九十百]{1,6}(?:[-－之][0-9０-９]{1,4})?(?:号|號|弄|巷|栋|棟|幢|座|楼|樓|期|组|区)"
)
_MORE = re.compile(
    r"(?:院|楼|[0-9０-９A-Za-z一二三四五六七八九十-]{1,5}(?:号楼|号院|号|號|弄|栋|棟|幢|座|单元|單元|层|層|楼|樓|室|户|戶|房|门|区|组)?"
    r"|[一-鿿]{2,10}(?:大厦|大廈|小区|花园|花園|公寓|广场|廣場|中心|大楼|大樓|写字楼|办公楼|国际|苑|园)){1,6}"
)
_ADMIN = re.compile(
    r"(?:内蒙古|黑龙江|[一-鿿]{2})(?:省|自治区|特别行政区)|(?:北京|上海|天津|重庆|香港|澳门)市?|[一-鿿]{2,6}?(?:市|自治州|地区|州|盟|区|區|县|縣|旗|镇|鎮|乡|鄉|街道)"
)
_LEADING = re.compile(
    r"^.*?(?:住在|家住|位于|地址是|地址为|地址|居住在|搬到|搬至|寄到|寄往|送到|送至|来到|前往|地点|住址|现居|定居|就在|于|在|到|往|是|为|址|从)(?=[一-鿿]{2})"
)
_SIGN = re.compile(r"[^一-鿿0-9０-９A-Za-z#-]")
_PROVINCIAL = ("省", "自治区", "北京", "上海", "天津", "重庆")
_LEVELS = re.compile(
    r"(?:(?:内蒙古|黑龙江|[一-鿿]{2})(?:省|自治区)|(?:北京|上海|天津|重庆)市)[一-鿿]{2,6}?(?:市|区|县|州)(?:[一-鿿]{1,6}?(?:区|县|市|镇|乡|街道|村|路|街))+"
)


@cache
def _western() -> Any:
    """All forms as one pattern, linear and without look-arounds."""
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = 64 << 20
    return re2.compile(
        rf"(?:^|[^A-Za-z0-9À-ÿ.-])({'|'.join(_FORMS)})".replace("’", "").encode("latin-1"), options
    )


def find_addresses(text: str) -> list[Named]:
    """The addresses in a text: kind, start, end, score."""
    found = list(_in_latin(text))
    return found if text.isascii() else [*found, *_in_hanzi(text)]


def _in_latin(text: str) -> Iterator[Named]:
    data = text.encode("latin-1", "replace")
    if not any(map(data.__contains__, _DIGITS)):
        return
    for match in _western().finditer(data):
        start, end = match.span(1)
        value = text[start:end].rstrip(" ,.-\n")
        yield KIND, start, start + len(value), _score(value)


def _score(value: str) -> float:
    """A street alone says less than one with a city or a code, and one that begins with a year may be none."""
    if "," in value or "\n" in value or _CODED.search(value, 4):
        return WHOLE
    return UNCERTAIN if _YEAR.match(value) else STREET_ONLY


def _in_hanzi(text: str) -> Iterator[Named]:
    reached = 0
    for match in _MARKED.finditer(text):
        if match.start() < reached:
            continue
        start = _begin(text, max(reached, match.start() - 40), match.start())
        more = _MORE.match(text, match.end())
        reached = more.end() if more else match.end()
        yield KIND, start, reached, WHOLE if _ADMIN.match(text, start, reached) else STREET_ONLY
    if any(word in text for word in _PROVINCIAL):
        for match in _LEVELS.finditer(text):
            yield KIND, match.start(), match.end(), UNCERTAIN


def _begin(text: str, low: int, mark: int) -> int:
    """Where the Chinese address begins that has a street at a place: its first district, else the street's name."""
    signs = [match.end() for match in _SIGN.finditer(text, low, mark)]
    low = signs[-1] if signs else low
    before = text[low:mark]
    lead = _LEADING.match(before)
    offset = lead.end() if lead else 0
    first = _ADMIN.search(before, offset)
    if first:
        return low + first.start()
    return low + (offset if lead else max(0, len(before) - 4))


def hold_addresses(text: str, final: bool) -> tuple[list[tuple[int, int]], int]:
    """Where a text may not be cut: inside an address; and from where on that is not known yet (without `final`)."""
    stretches = [(start, end) for _, start, end, _ in find_addresses(text)]
    tail = None if final else _OPEN.search(text, max(0, len(text) - _LONGEST))
    return stretches, tail.start() if tail else len(text)
