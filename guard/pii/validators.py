"""Checks on candidates of no country: how much of a match is a real number, by the standard that each names.

A check takes the matched bytes of the projection and returns how many of them, from the start, are the value
(0: not one). Every check is linear in its input, which no row lets grow beyond its longest match.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable, Collection, Iterator
from functools import cache
from itertools import pairwise
from operator import mul

from guard.pii.sums import compact, digits_of, luhn, weighted

_GROUP = re.compile(rb"[0-9A-Za-z]+")
_BETWEEN = re.compile(rb"(?<=[0-9A-Za-z])[^0-9A-Za-z]+(?=[0-9A-Za-z])")


# --------------------------------------------------------------------------- bank cards and accounts


def card_length_fits(number: bytes) -> bool:
    """Whether issuer and length go together (ISO/IEC 7812; issuers' published ranges, 2026)."""
    return len(number) in _lengths(number[:4])


@cache
def _lengths(four: bytes) -> frozenset[int]:
    """The lengths that go with the first four digits."""
    first = weighted(four, (1000, 100, 10, 1))
    return frozenset(size for low, high, sizes in _ISSUERS if low <= first <= high for size in sizes)


_LONG = range(16, 20)
_ISSUERS = (
    (4000, 4999, (13, 16, 18, 19)),  # Visa
    (5100, 5599, (16,)),  # Mastercard
    (2221, 2720, (16,)),  # Mastercard 2-series
    (6200, 6299, _LONG),  # UnionPay
    (8100, 8199, _LONG),  # UnionPay abroad
    (3400, 3499, (15,)),  # American Express
    (3700, 3799, (15,)),
    (6011, 6011, _LONG),  # Discover
    (6440, 6599, _LONG),
    (3528, 3589, _LONG),  # JCB
    (2131, 2131, (15,)),
    (1800, 1800, (15,)),
    (3000, 3059, range(14, 20)),  # Diners Club
    (3095, 3095, range(14, 20)),
    (3600, 3699, range(14, 20)),
    (3800, 3999, range(14, 20)),
    (2200, 2205, _LONG),  # Mir
    (5000, 5099, range(13, 20)),  # Maestro, Elo, RuPay
    (5600, 5899, range(13, 20)),
    (6000, 6199, range(13, 20)),
    (6300, 6399, range(13, 20)),
    (6600, 6999, range(13, 20)),
    (9000, 9009, _LONG),  # old UnionPay ranges
    (9400, 9409, _LONG),
)
"""First four digits from and to, and the lengths that go with them."""


@cache
def issued(size: int) -> bytes:
    """By the first four digits, whether some issuer has numbers of a length."""
    flags = bytearray(10_000)
    for low, high, sizes in _ISSUERS:
        if size in sizes:
            flags[low : high + 1] = b"\1" * (high + 1 - low)
    return bytes(flags)


def card(view: bytes) -> int:
    """Accept a card number of 13 to 19 digits: issuer, length, Luhn (ISO/IEC 7812-1), written in a usual layout."""
    if _is_card(view):
        return len(view)
    if view.isdigit() or not _issued(digits_of(view)):
        return 0
    shorter = (end for end in _ends(view, range(13, 20)) if end < len(view))
    return next((end for end in shorter if _is_card(view[:end])), 0)


def _is_card(view: bytes) -> bool:
    digits = digits_of(view)
    fits = card_length_fits(digits) and luhn(digits)
    return fits and not (len(view) == 13 and _article(digits))


def _article(digits: bytes) -> bool:
    """Whether 13 digits are the number of an article by its check digit (EAN-13, GS1 General Specifications)."""
    return (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0


def _issued(digits: bytes) -> bool:
    """Whether there are enough digits, and some length goes with the first of them."""
    return len(digits) > 12 and bool(_lengths(digits[:4]))


def card_said(view: bytes) -> int:
    """Accept 12 to 19 digits that their text calls a card: by Luhn, or by issuer and length where mistyped."""
    for end in _ends(view, range(12, 20)):
        digits = digits_of(view[:end])
        fits = len(digits) > 12 and card_length_fits(digits)
        if (luhn(digits) or fits) and len(set(digits)) > 2:
            return end
    return 0


def _ends(view: bytes, counts: Collection[int]) -> Iterator[int]:
    """Where a group ends after one of the numbers of characters, the longest first."""
    found = []
    count = 0
    for group in _GROUP.finditer(view):
        count += group.end() - group.start()
        if count in counts:
            found.append(group.end())
    return reversed(found)


IBAN_LENGTHS = {
    pair[:2].encode("ascii"): int(pair[3:])
    for pair in """
AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BI:27 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DJ:27 DK:18
DO:28 EE:20 EG:29 ES:24 FI:18 FK:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HN:28 HR:21 HU:28 IE:22 IL:23
IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 LY:25 MC:27 MD:24 ME:22 MK:19 MN:20 MR:27
MT:31 MU:30 NI:28 NL:18 NO:15 OM:23 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 RU:33 SA:24 SC:31 SD:18 SE:24 SI:19
SK:24 SM:27 SO:23 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20 YE:30
""".split()
}
"""Length by country (SWIFT IBAN registry, release 99)."""

_IBAN_COUNTRY = {land: b"%d%d" % (land[0] - 55, land[1] - 55) for land in IBAN_LENGTHS}
_IBAN_NUMBER = {ord(char): b"%d" % value for value, char in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}


def iban(view: bytes) -> int:
    """Accept an IBAN of its country's length whose remainder is 1 (ISO 13616, ISO 7064 MOD 97-10)."""
    plain = view.upper()
    size = end = IBAN_LENGTHS.get(plain[:2], 0)
    if len(view) != size or not view.isalnum():  # most are written in one
        end = _end_after(view, size)
        if not end:
            return 0
        plain = compact(view[:end])
    number = plain[4:] + _IBAN_COUNTRY[plain[:2]] + plain[2:4]
    if not number.isdigit():
        number = b"".join(map(_IBAN_NUMBER.__getitem__, number))
    return end if int(number) % 97 == 1 and (end == size or _iban_layout(view[:end])) else 0


def _iban_layout(view: bytes) -> bool:
    """Whether groups of letters alone are short, set off like the others, and not beside each other in lower case."""
    groups = _GROUP.findall(view)
    if {*map(len, groups[:-1])} == {2}:  # bytes of a dump in hex
        return False
    lettered = [group for group in groups if group.isalpha()]
    if not lettered:
        return True
    beside = any(one.isalpha() and other.isalpha() for one, other in pairwise(groups))
    short = max(map(len, lettered)) <= 4 and len(set(_BETWEEN.findall(view))) == 1
    return short and (not beside or all(group.isupper() for group in lettered))


def _end_after(view: bytes, count: int) -> int:
    """The offset just after the given number of letters and digits, 0 where there are fewer."""
    if len(view) >= count > 0 and view[:count].isalnum():
        return count
    match = _counted(count)(view) if count else None
    return match.end() if match else 0


@cache
def _counted(count: int) -> Callable[[bytes], re.Match[bytes] | None]:
    """What matches so many letters and digits, whatever stands between them."""
    return re.compile(rb"(?:[^0-9A-Za-z]*+[0-9A-Za-z]){%d}" % count).match


# --------------------------------------------------------------------------- machines, money, things


def ipv4(view: bytes) -> int:
    """Accept four octets, a port or a prefix length in range (RFC 791, RFC 4632)."""
    address, _, tail = view.replace(b"/", b":").partition(b":")
    if max(map(int, address.split(b"."))) > 255:
        return 0
    return len(view) if not tail or int(tail) <= (32 if b"/" in view else 65535) else len(address)


def ipv6(view: bytes) -> int:
    """Accept what RFC 4291 reads as an address, with a zone or a prefix length."""
    address, _, prefix = view.partition(b"/")
    address = address.partition(b"%")[0]
    # First, since it takes a tenth: much code is written so (`a::b`).
    if not _FIGURE.search(address) or _SLICE.fullmatch(address):
        return 0
    try:
        ipaddress.IPv6Address(_plain_octets(address).decode("ascii"))
    except ValueError:
        return 0
    return len(view) if not prefix or int(prefix) <= 128 else view.index(b"/")


def _plain_octets(address: bytes) -> bytes:
    """The address with leading zeros taken from a dotted tail, which ipaddress refuses."""
    return _LEADING_ZEROS.sub(b"", address) if b"." in address else address


_FIGURE = re.compile(rb"[0-9]")
_SLICE = re.compile(rb"::(?:[02-9]|[1-9][0-9])?")
"""The step of a slice (`[:, ::2]`), which is hardly ever an address in short."""

_LEADING_ZEROS = re.compile(rb"(?<![0-9A-Fa-f:])0+(?=[0-9])|(?<=:)0+(?=[0-9]{1,3}\.)")


def mac(view: bytes) -> int:
    """Accept a MAC address with one separator throughout (IEEE 802)."""
    one = len(set(_BETWEEN.findall(view))) == 1
    return len(view) if one and not _TIMES.fullmatch(view) and not _NO_MAC.fullmatch(view) else 0


_NO_MAC = re.compile(rb"[0:.-]+")
"""No address at all."""

_TIMES = re.compile(
    rb"[0-9]{2}[:-](?:0[1-9]|1[0-2])[:-](?:0[1-9]|[12][0-9]|3[01])[:-](?:[01][0-9]|2[0-3])(?:[:-][0-5][0-9]){2}"
)
"""A day and a time in six pairs."""

_BASE58 = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_VALUE = {char: value for value, char in enumerate(_BASE58)}


_RIPPLE = bytes.maketrans(b"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz", _BASE58)
_SIZES = {51: 37, 52: 38, 111: 82}
"""Bytes by characters: a private key alone, one of a packed public key, an extended key; an address has 25."""
_MONERO = 95


def _base58(view: bytes, size: int) -> bytes:
    """So many bytes from base 58, none where they are more or a character is another's."""
    number = 0
    for char in view:
        value = _BASE58_VALUE.get(char)
        if value is None:
            return b""
        number = number * 58 + value
    return number.to_bytes(size, "big") if number.bit_length() <= 8 * size else b""


def base58check(view: bytes) -> int:
    """Accept bytes with a double SHA-256 checksum (Bitcoin's Base58Check; also Litecoin, Dogecoin, Tron, Dash, Ripple).

    Monero's 95 characters have a checksum of their own, which is not asked.
    """
    if len(view) == _MONERO:
        return 0 if view.isalpha() or view.isdigit() else len(view)
    raw = _base58(view.translate(_RIPPLE) if view[:1] == b"r" else view, _SIZES.get(len(view), 25))
    digest = hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()
    return len(view) if raw and digest[:4] == raw[-4:] else 0


def base58_key(view: bytes) -> int:
    """Accept 32 bytes in base 58, as Solana writes a public key: capitals, small letters and digits."""
    mixed = not (view.isalpha() or view.islower() or view.isupper())
    return len(view) if mixed and _base58(view, 32) and not _base58(view, 31) else 0


_BECH32 = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def bech32(view: bytes) -> int:
    """Accept a segregated witness address by its checksum (BIP 173 and BIP 350), or Cardano's (CIP 19).

    Bitcoin Cash says its name before the address: its checksum is not asked.
    """
    if view not in (view.lower(), view.upper()):
        return 0
    if b":" in view:
        return len(view)
    prefix, _, data = view.lower().rpartition(b"1")
    values = [char >> 5 for char in prefix] + [0] + [char & 31 for char in prefix]
    program = [_BECH32.find(char) for char in data]
    size = (len(program) - 7) * 5 // 8
    cardano = prefix in (b"addr", b"stake")
    longest, sizes = (56, (28, 56)) if cardano else (40, (20, 32))
    if min(program) < 0 or not 2 <= size <= longest or ((cardano or program[0] == 0) and size not in sizes):
        return 0
    constant = 1 if cardano or program[0] == 0 else 0x2BC830A3
    return len(view) if _polymod(values + program) == constant else 0


def _polymod(values: list[int]) -> int:
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            state ^= generator if top >> bit & 1 else 0
    return state


def imei(view: bytes) -> int:
    """Accept 15 digits by Luhn (3GPP TS 23.003)."""
    return len(view) if luhn(digits_of(view)) else 0


def iccid(view: bytes) -> int:
    """Accept the number of a SIM by Luhn (ITU-T E.118); of 20 digits the last may be no part of it."""
    digits = digits_of(view)
    return len(view) if luhn(digits) or (len(digits) == 20 and luhn(digits[:-1])) else 0


_BIC_LANDS = frozenset(
    b"""AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BW BY BZ CA CD
    CF CG CH CI CK CL CM CN CO CR CU CV CW CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FK FM FO FR GA GB GD
    GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE IL IM IN IQ IR IS IT JE JM JO JP KE KG KH
    KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT
    MU MV MW MX MY MZ NA NC NE NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PR PS PT PW PY QA RE RO RS RU
    RW SA SB SC SD SE SG SH SI SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TG TH TJ TL TM TN TO TR TT TV TW TZ UA
    UG US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW""".split()
)


def bic(view: bytes) -> int:
    """Accept 8 or 11 characters with a country in the fifth and sixth place (ISO 9362, ISO 3166-1)."""
    return len(view) if view[4:6].upper() in _BIC_LANDS else 0


_PAIR = re.compile(rb"-?[0-9]{1,3}\.[0-9]+")


def gps(view: bytes) -> int:
    """Accept a latitude and a longitude in decimal degrees (ISO 6709, annex H), not both smaller than 1."""
    # Or the other way round, as GeoJSON (RFC 7946) and maps of China write them.
    one, other = (abs(float(number)) for number in _PAIR.findall(view)[:2])
    return len(view) if min(one, other) <= 90 and 1 <= max(one, other) <= 180 else 0


_SIDE = re.compile(rb"[NSEWO]")
_SIGN = re.compile(rb"[*'o]")
_FINE = re.compile(rb"\.[0-9]{3}")


def gps_degrees(view: bytes) -> int:
    """Accept a latitude and a longitude with their hemispheres, finer than a degree (ISO 6709, annex D)."""
    sides = _SIDE.findall(view)
    if (sides[0] in b"NS") == (sides[1] in b"NS") or not (
        _SIGN.search(view) or len(_FINE.findall(view)) == 2
    ):
        return 0
    place = 1 if view[:1] in b"NSEWO" else 0
    parts = _SIDE.split(view)[place : place + 2]
    good = all(_is_angle(part, 90 if side in b"NS" else 180) for part, side in zip(parts, sides, strict=True))
    return len(view) if good else 0


def gps_angle(view: bytes) -> int:
    """Accept one coordinate in degrees, finer than a degree (ISO 6709, annex D)."""
    return len(view) if _is_angle(view, 180) else 0


def _is_angle(text: bytes, most: int) -> bool:
    """Whether degrees, minutes and seconds are in range and not degrees alone."""
    numbers = [float(number) for number in _NUMBER.findall(text)]
    fine = len(numbers) > 1 or b"." in text
    return fine and numbers[0] <= most and all(number < 60 for number in numbers[1:])


_NUMBER = re.compile(rb"[0-9]+(?:\.[0-9]+)?")


def handle(view: bytes) -> int:
    """Accept a name of an account that is no word: it has a digit or an underscore."""
    return len(view) if re.search(rb"[0-9_]", view) else 0


_NO_NAME = frozenset(
    b"""and or the your you name names password passwd email e-mail required optional string str text null none true
    false value field input username user users login admin root test example placeholder undefined unknown
    same see ask via above below available taken empty blank missing none tbd
    anonymous guest int varchar char not is must should invalid unique this that here
    async await function self new default failed failure success successful succeeded expired denied
    erforderlich unbekannt falsch vergessen requis obligatoire obligatorio requerido richiesto obbligatorio verplicht
    root postgres postgresql mysql mariadb mongodb redis nginx apache httpd www-data nobody daemon ubuntu debian centos
    ec2-user git jenkins system local localhost""".split()
)


def username(view: bytes) -> int:
    """Accept what is assigned to a user name and is no placeholder, word about user names or piece of code."""
    name = view.rstrip(b".-")
    last = name.lower().rpartition(b".")[2].lstrip(b"_")  # args.username, self._username
    return len(name) if len(name) > 2 and last not in _NO_NAME and not _DAY.fullmatch(name) else 0


_DAY = re.compile(rb"[0-9]{1,4}[-.][0-9]{1,2}[-.][0-9]{1,4}")


_VIN_GROUPS = ("0", "1AJ", "2BKS", "3CLT", "4DMU", "5ENV", "6FW", "7GPX", "8HY", "9RZ")
_VIN = {ord(char): value for value, chars in enumerate(_VIN_GROUPS) for char in chars}
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def vin(view: bytes) -> int:
    """Accept 17 characters with letters and digits by the check digit (49 CFR 565.15)."""
    upper = view.upper()
    if upper.isdigit() or upper.isalpha():
        return 0
    rest = sum(map(mul, _VIN_WEIGHTS, map(_VIN.__getitem__, upper))) % 11
    return len(view) if upper[8] == b"0123456789X"[rest] else 0


def vin_said(view: bytes) -> int:
    """Accept 17 characters, digits among the first eleven, without a check digit (ISO 3779 asks for none)."""
    return len(view) if len(view) == 17 and re.search(rb"[0-9]", view[:11]) else 0
