"""Checks on passwords, tokens and addresses of accounts: what is a credential and what only talks of one."""

from __future__ import annotations

import base64
import math
import re
from collections import Counter

_TRAILING = b".,;:)]}>\"'`"

_PLACEHOLDERS = frozenset(
    b"""required optional true false none null nil undefined string str text bool boolean int integer number varchar
    incorrect invalid wrong missing empty expired protected reset changed change forgotten forgot forget correct weak
    strong hidden secret password passwd your-password yourpassword your_password mypassword example placeholder
    redacted removed masked hashed encrypted hash field input value here this that the must should cannot can't was
    will needs need not and or too very case being used using set unset unknown same different only also enter entered
    please type types typed length policy manager generator recovery rules authentication authorization
    """.split()
)

_CODE = re.compile(rb"[(\[{]|^[$%<@&*]|^[A-Za-z_]+(?:\.[A-Za-z_]+)+$|^[xX.*#-]+$|^process\.env|^os\.")
_HOLLOW = re.compile(rb"(?i:your|my|the|insert|replace|change|example|sample|dummy|placeholder|redact|todo|xxx|\.\.\.)")
_WORDS = re.compile(rb"[A-Za-z]*(?:[-_./][A-Za-z]*)*")


def _trimmed(view: bytes) -> bytes:
    return view.rstrip(_TRAILING)


def entropy(view: bytes) -> float:
    """Shannon entropy of the bytes, in bits per character."""
    size = len(view)
    return -sum(count / size * math.log2(count / size) for count in Counter(view).values()) if size else 0.0


def password(view: bytes) -> int:
    """Accept what is assigned to a password and is no placeholder, word about passwords or piece of code."""
    value = _trimmed(view)
    refused = len(value) < 4 or value.lower() in _PLACEHOLDERS or _CODE.search(value)
    return 0 if refused else len(value)


def password_said(view: bytes) -> int:
    """Accept what a sentence calls a password: it holds a digit or a sign, as words do not."""
    value = _trimmed(view).rstrip(b"!?")
    return password(view) if len(value) >= 4 and not value.replace(b"-", b"").replace(b"'", b"").isalpha() else 0


def token(view: bytes) -> int:
    """Accept a value assigned to a key or token: letters and digits mixed or of high entropy, no placeholder."""
    value = _trimmed(view)
    if len(value) < 8 or _CODE.search(value) or _HOLLOW.search(value) or _WORDS.fullmatch(value):
        return 0
    mixed = re.search(rb"[0-9]", value) and re.search(rb"[A-Za-z]", value)
    return len(value) if mixed and (entropy(value) >= 2.5 or len(value) < 12) else 0


def credential(view: bytes) -> int:
    """Accept the credentials of an Authorization header (RFC 9110, section 11), unless they stand for some."""
    value = _trimmed(view)
    if len(value) < 8 or _CODE.search(value) or _HOLLOW.match(value) or _WORDS.fullmatch(value):
        return 0
    return len(value)


def jwt(view: bytes) -> int:
    """Accept three base64url parts whose first is a JOSE header (RFC 7515, section 4); the third may be empty."""
    header = view.partition(b".")[0]
    try:
        names = base64.urlsafe_b64decode(header + b"=" * (-len(header) % 4))
    except ValueError:
        return 0
    return len(view) if b'"alg"' in names or b'"typ"' in names else 0


_USER_PASSWORD = re.compile(rb"://([^:]*):([^\s]*)@")


def connection_string(view: bytes) -> int:
    """Accept a data source name that carries a password (RFC 3986, section 3.2.1), not a template of one."""
    value = _trimmed(view)
    found = _USER_PASSWORD.search(value)
    if not found or found.group(1) == found.group(2):
        return 0
    secret = found.group(2)
    return 0 if _CODE.search(secret) or _HOLLOW.match(secret) or secret.lower() in _PLACEHOLDERS else len(value)


_FILES = frozenset(
    b"""png jpg jpeg gif svg webp bmp ico css js ts jsx tsx py rb go rs java cpp html htm xml json yaml yml md txt pdf
    log sh zip gz""".split()
)


def email(view: bytes) -> int:
    """Accept an address whose last label is no file ending (`icon@2x.png`); RFC 5321, 5322 and 6531 in shape."""
    last = view.rpartition(b".")[2].lower()
    return 0 if last in _FILES else len(view)


_URL_TRAILING = b".,;:!?)]}>'\""


def url(view: bytes) -> int:
    """Accept a URL up to the punctuation of the sentence around it (RFC 3986)."""
    return len(view.rstrip(_URL_TRAILING))


def plate(view: bytes) -> int:
    """Accept a plate with a digit soon after the authority's letter (GA 36-2018)."""
    return len(view) if re.search(rb"[0-9]", view[2:7]) else 0
