"""Checks on passwords, tokens and addresses of accounts: what is a credential and what only talks of one."""

from __future__ import annotations

import base64
import json
import math
import re
from collections import Counter
from itertools import takewhile

_TRAILING = b".,;:)]}>\"'`"

_PLACEHOLDERS = frozenset(
    b"""required optional true false none null nil undefined string str text bool boolean int integer number varchar
    incorrect invalid wrong missing empty expired protected reset changed change forgotten forgot forget correct weak
    strong hidden secret password passwd your-password yourpassword your_password mypassword example placeholder
    redacted removed masked hashed encrypted hash field input value here this that the must should cannot can't was
    will needs need not and or too very case being used using set unset unknown same different only also enter entered
    please type types typed length policy manager generator recovery rules authentication authorization
    sent shared stored saved provided given
    leave secretstr passwd bytes bytearray object any auth proxy_auth creds credential credentials token tokens
    choose pick make create click select step steps keep write remember follow what when where which with your from them
    raise return yield continue break assert
    erforderlich vergessen falsch requis oublie obligatoire requerida obligatoria obrigatoria wymagane povinne verplicht
    vereist kravs obrzatejbho
    they then repeat again contains minimum maximum least between verify compare encrypt encrypted decrypt
    """.split()
)

_CODE = re.compile(
    rb"[(\[{]|^[$%<@&*]|^[A-Za-z_]+(?:\.[A-Za-z_]+)+$|^[xX.*#_-]+$|^process\.env|^!(?:vault|secret|env|Ref|Sub|GetAtt|ImportValue)\b"
    rb"|^(?:os|base64|hashlib|hmac|uuid|self|this|args|req|request|config|settings|params|options|opts|state|props)\."
    rb"|^[A-Za-z_]*(?i:password|passwd|passphrase)[A-Za-z_]*$|^[A-Za-z_]+_(?i:pass|pwd)$"
)
"""A call, a variable, a member of an object, the name of another password."""
_HOLLOW = re.compile(
    rb"(?i:your|insert|replace|changeme|example|sample|dummy|fake|placeholder|redact|todo|^(?:my|the|some|an?)[-_.])"
    rb"|[xX]{4}|\.\.\."
)
_WORDS = re.compile(rb"[A-Za-z]*(?:[-_./][A-Za-z]*)*")
_STARS = re.compile(rb"[xX*#.][xX*#.]{5}")  # so written, `re` skips to the first
_TELLING = (b"your", b"here", b"insert", b"placeholder", b"redacted")
_PART = re.compile(rb"[A-Za-z]*[0-9]{0,4}|[A-Za-z0-9]{0,3}")
_BETWEEN = re.compile(rb"[-_./~:]")
_DIGIT, _LETTER, _NO_LETTER = map(re.compile, (rb"[0-9]", rb"[A-Za-z]", rb"[^A-Za-z]"))
_PLACE = re.compile(
    rb"[a-z]+://|\.(?:json|ya?ml|pem|p12|key|crt|cer|txt|env|py|js|ts|go|html?|png|jpg)$|^[.~]?/"
)
_PATH = re.compile(rb"[.~]{0,2}(?:/\.?[a-z][a-z0-9._-]+)+/?$")
_HUMPS = re.compile(rb"(?:[A-Z]?[a-z]{3,}+|[A-Z]{2,6}+|[0-9]{1,4}+)++")
_FAKED = re.compile(rb"(?i:a-|an-|this-|the-)?(?i:fake|dummy|insert|replace|your)[-_ ]")
_UUID = re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_NEXT_VALUE = re.compile(rb"[&;][A-Za-z][A-Za-z_]{0,30}=|</(?:[A-Za-z]|\Z)")
_ALPHABETS = (b"abcdefghijklmnopqrstuvwxyz", b"0123456789", b"zyxwvutsrqponmlkjihgfedcba")


def _trimmed(view: bytes) -> bytes:
    return view.rstrip(_TRAILING)


def entropy(view: bytes) -> float:
    """Shannon entropy of the bytes, in bits per character."""
    size = len(view)
    return -sum(count / size * math.log2(count / size) for count in Counter(view).values()) if size else 0.0


def _stands_in(value: bytes) -> bool:
    """Whether stars, zeros or words in a value say that it stands for another."""
    if value.find(b"00000000") >= 0 or value.find(b"EXAMPLE") >= 0 or _STARS.search(value):
        return True
    return max(map(value.lower().find, _TELLING)) >= 0  # `in` takes nearly twice as long for bytes


def _placeholder(value: bytes) -> bool:
    """Whether a value only stands where a secret will: a variable, a call, a word for it, stars."""
    return bool(_CODE.search(value) or _HOLLOW.match(value) or value.lower() in _PLACEHOLDERS)


def _hollow(view: bytes, value: bytes) -> bool:
    """Whether a value is broken off, says that it stands for another, or is the number of a thing (a UUID)."""
    said = _stands_in(value) or _HOLLOW.search(value) or _UUID.fullmatch(value)
    return bool(said) or view.endswith(b"...")


def _name(value: bytes) -> bool:
    """Whether a value is put together of words and short numbers, as the names of things are (`gpt-4o-mini-2024`)."""
    parts = _BETWEEN.split(value)
    words = [part for part in parts if part.isalpha() and len(part) > 2]
    return len(parts) > 1 and bool(words) and all(map(_PART.fullmatch, parts))


def _varied(value: bytes, least: float) -> bool:
    """Whether a value has both letters and digits, enough kinds of them, and is no name, place or alphabet."""
    if not _DIGIT.search(value) or not _LETTER.search(value) or entropy(value) < least:
        return False
    folded = value.lower()
    return not (_name(value) or _PLACE.search(value) or any(row in folded for row in _ALPHABETS))


def key(view: bytes) -> int:
    """Accept a key of a provider's shape, unless it spells out that it is none (`xxxxxx`, `YOUR`, `EXAMPLE`)."""
    return 0 if _stands_in(view) else len(view)


def shaped_key(view: bytes) -> int:
    """Accept a key whose shape leaves no doubt, whatever words it spells, but stars and crosses."""
    return 0 if _STARS.search(view) else len(view)


def random_key(view: bytes) -> int:
    """Accept a key of a shape that names have too, where its characters vary as those of drawn keys do."""
    return len(view) if not _stands_in(view) and _varied(view, 3.0) else 0


def numbered_key(view: bytes) -> int:
    """Accept a key of a shape that names have too, where it holds digits and is no name in small letters."""
    named = view.islower() and _name(view)
    return 0 if _stands_in(view) or named or not _DIGIT.search(view) else len(view)


def openai_key(view: bytes) -> int:
    """Accept `sk-` with capitals or digits, which the names of languages and styles lack."""
    body = view[3:]
    # Forty small letters and more are no word either.
    word = body.isalpha() and body[1:].islower() and len(body) < 40
    return 0 if _stands_in(view) or word else len(view)


def artifactory(view: bytes) -> int:
    """Accept an API key or an encrypted password of Artifactory, which capitals alone (a title) are not."""
    return 0 if view == view.upper() else len(view)


def password(view: bytes) -> int:
    """Accept what is assigned to a password and is no placeholder, word about passwords or piece of code."""
    # In a query, a data source's string or XML it ends where the next one begins (`&ssl=true`, `;Encrypt=True`, `</`).
    value = _trimmed(_NEXT_VALUE.split(view, maxsplit=1)[0])
    refused = (
        len(value) < 4
        or value.lower().rstrip(b"?!") in _PLACEHOLDERS
        or _CODE.search(value)
        or _stands_in(value)
    )
    return 0 if refused or _FAKED.match(value) else len(value)


def password_said(view: bytes) -> int:
    """Accept what a sentence calls a password: it holds a digit or a sign, as words do not."""
    value = _trimmed(view).rstrip(b"!?")
    if value.find(b"://") > 0 or _PATH.match(value):
        return 0
    return (
        password(view) if len(value) >= 4 and not value.replace(b"-", b"").replace(b"'", b"").isalpha() else 0
    )


_PROSE = frozenset(
    b"""the and for your you our are not from has was were please should have been into this that these its can
    will when if must use used uses""".split()
)


def passphrase(view: bytes) -> int:
    """Accept four words or more up to one that sentences cannot do without (Diceware, BIP 39)."""
    words = list(takewhile(lambda word: word not in _PROSE, view.split(b" ")))
    return len(b" ".join(words)) if len(words) >= 4 else 0


def wallet_words(view: bytes) -> int:
    """Accept twelve words or more, hardly one of them twice, none that sentences cannot do without (BIP 39)."""
    words = view.split(b" ")
    if not _PROSE.isdisjoint(words):
        words = list(takewhile(lambda word: word not in _PROSE, words))
    return len(b" ".join(words)) if len(words) >= 12 and 4 * len(set(words)) >= 3 * len(words) else 0


def token(view: bytes) -> int:
    """Accept a value assigned to a key or token: letters and digits mixed, no placeholder, not broken off."""
    value = _trimmed(view)
    if len(value) < 8 or _hollow(view, value) or _CODE.search(value) or _WORDS.fullmatch(value):
        return 0
    return len(value) if _varied(value, 2.5 if len(value) >= 12 else 0) else 0


def high_entropy(view: bytes) -> int:
    """Accept a value that a sentence calls a secret: 3 bits a character, letters and digits through each other."""
    value = _trimmed(view)
    if len(value) < 16 or _hollow(view, value) or _CODE.search(value) or not _varied(value, 3.0):
        return 0
    return len(value) if len(re.findall(rb"[0-9]+|[A-Z]+|[a-z]+", value)) >= 5 else 0


def drawn_key(view: bytes) -> int:
    """Accept a key behind words that say it is one, where what follows the last of them looks drawn."""
    drawn = view.rpartition(b"_")[2]
    return len(view) if high_entropy(drawn) and not _HUMPS.fullmatch(drawn) else 0


def credential(view: bytes) -> int:
    """Accept the credentials of an Authorization header (RFC 9110, section 11), unless they stand for some."""
    value = _trimmed(view)
    told = _CODE.search(value) or _HOLLOW.match(value) or _stands_in(value)
    if told or len(value) < 8 or (_WORDS.fullmatch(value) and not _pair(value)):
        return 0
    return len(value)


def _pair(value: bytes) -> bool:
    """Whether letters alone are a user and a password in base64 (RFC 7617)."""
    try:
        user, colon, secret = base64.b64decode(value, validate=True).partition(b":")
    except ValueError:
        return False
    return (
        bool(user and colon and secret)
        and (user + secret).isascii()
        and (user + secret).decode().isprintable()
    )


def _object(part: bytes) -> bool:
    """Whether a base64url part holds a JSON object."""
    try:
        return isinstance(json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))), dict)
    except ValueError:
        return False


def jwt(view: bytes) -> int:
    """Accept a JWS or JWE (RFC 7515, 7516): a JOSE header, then a JSON object or an encrypted key.

    Of a JWS the signature may be missing.
    """
    parts = view.split(b".")
    if not _object(parts[0]):
        return 0
    names = base64.urlsafe_b64decode(parts[0] + b"=" * (-len(parts[0]) % 4))
    if b'"alg"' not in names and b'"typ"' not in names:
        return 0
    return len(view) if len(parts) == 5 or (len(parts) <= 3 and _object(parts[1])) else 0


_USER_PASSWORD = re.compile(rb"://([^:]*):([^\s]*)@")


def connection_string(view: bytes) -> int:
    """Accept a data source name that carries a password (RFC 3986, section 3.2.1), not a template of one."""
    value = _trimmed(view)
    found = _USER_PASSWORD.search(value)
    if not found or found.group(1) == found.group(2):
        return 0
    return 0 if _placeholder(found.group(2)) else len(value)


def url_credentials(view: bytes) -> int:
    """Accept an address that carries a password (RFC 3986, section 3.2.1), not a template of one."""
    return connection_string(view)


def user_password(view: bytes) -> int:
    """Accept the `user:password` of a command: a password with a digit or sign, or a key in the user's place."""
    user, _, secret = view.partition(b":")
    told = secret or user
    if len(told) < (6 if secret else 12) or user == secret or told.isdigit() or user.isdigit():
        return 0
    drawn = _NO_LETTER.search(told) and (not _name(told) or _mixed(secret))
    return len(view) if drawn and not _placeholder(user) and not _placeholder(secret) else 0


def _mixed(value: bytes) -> bool:
    """Whether a value has a capital, a small letter and a digit, as passwords must and the names of groups do not."""
    return all(re.search(kind, value) for kind in (rb"[A-Z]", rb"[a-z]", rb"[0-9]"))


_FILES = frozenset(
    b"""png jpg jpeg gif svg webp bmp ico css js ts jsx tsx py rb go rs java cpp html htm xml json yaml yml md txt pdf
    log sh zip gz tar doc docx xls xlsx ppt pptx csv tsv eml msg vcf bak wav""".split()
)


# A host inside the name of a file: `alice@corp.com.txt`, not `vue@2.6.min.js` or `icon@2x.de.png`.
_HOST = re.compile(
    rb"(?i)@(?:[^.]+\.)*[^.]*[a-z]{2}[^.]*"
    rb"\.(?:com|net|org|edu|gov|mil|int|info|biz|app|dev|cloud|online|internal|local|lan|test|[a-z]{2})$"
)


def email(view: bytes) -> int:
    """Accept an address whose last label is no file ending (`icon@2x.png`); RFC 5321, 5322 and 6531 in shape.

    Where it is one, the address before it (`alice@corp.com.txt`, a file named after a person) is accepted.
    """
    value = view
    while value.rpartition(b".")[2].lower() in _FILES:
        value = value.rpartition(b".")[0]
    return len(value) if value == view or _HOST.search(value) else 0


_KEY = re.compile(rb"([A-Za-z0-9_.\[\]%-]{1,64})=(?=[A-Za-z0-9_+])")
_PARTS_LOCALS = frozenset(b"+=*$!^~'`")
_VERP = re.compile(
    rb"[0-9A-Za-z]+[-.](?!(?:.*[-_.])?(?i:to|from|b?cc|e?mail|address|user|login)=).*=[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,6}$"
)


def past_key(text: bytes, start: int, end: int) -> int:
    """Where an address begins behind the key it is assigned to in a query, a form or a line of code (RFC 3986, 3.4).

    An equals sign stays that no key stands before (`SRS0=h=t=x.org=jo@y.org`), and so does the one of a return path
    which names another mailbox (`bounce-7-jo=x.org@y.org`, VERP).
    """
    if text.find(b"=", start, end) < 0:
        return start
    local = text[start : text.rfind(b"@", start, end)]
    if local.startswith(b'"'):
        return start
    keys = list(_KEY.finditer(local))
    if not keys or (keys[-1].start() and local[keys[-1].start() - 1] in _PARTS_LOCALS) or _VERP.match(local):
        return start
    return start + keys[-1].end()


_URL_TRAILING = b".,;:!?)]}>'\""


def url(view: bytes) -> int:
    """Accept a URL up to the punctuation of the sentence around it (RFC 3986)."""
    return len(view.rstrip(_URL_TRAILING))


def plate(view: bytes) -> int:
    """Accept a plate with a digit soon after the authority's letter (GA 36-2018)."""
    return len(view) if _DIGIT.search(view, 2, 7) else 0
