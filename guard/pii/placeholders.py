"""What a placeholder looks like: its name, and the forms token, mask and hash (for faker see fakes.py)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from guard.keys import hmac_hash

FORMS = ("mask", "hash", "token", "faker", "generalise", "encrypt")
REVERSIBLE = frozenset({"token", "encrypt"})

# What models make of `<EMAIL_1>`: other case, spaces, Markdown's `\_` and `\<`, HTML's `&lt;`, full-width
# brackets. Opening and closing must agree, so that a placeholder beside a caller's own `\` is never misread.
_BODY = r"[A-Za-z](?:\\?_|[A-Za-z0-9 -]){0,70}?(?:\\?_|[ -])[1-9][0-9]{0,5}"
TOKEN = re.compile(rf"< ?({_BODY}) ?>|＜ ?({_BODY}) ?＞|\\<({_BODY})\\>|&lt; ?({_BODY}) ?&gt;")
_CLOSED = re.compile(r"[0-9] ?(?:[>＞]|\\>|&gt;)")
SLACK = len("&lt;  &gt;")
"""How many characters the tolerated brackets may take; each `_` may take one more."""

_OPEN_END = re.compile(
    r"(?:[<＜] ?|\\<|&lt; ?)(?:([A-Za-z](?:\\?_|[A-Za-z0-9 -])*)(?:\\|&(?:g(?:t)?)?)?)?\Z"
    r"|(?:\\|&(?:l(?:t)?)?)\Z"
)
_NAME = re.compile(
    r"(?:%3C|(?<![A-Za-z0-9_]))([A-Za-z][A-Za-z0-9]*(?:\\?_[A-Za-z0-9]+)*?)(?:\\?_|%5F)([1-9][0-9]{0,5})(?![A-Za-z0-9_])"
)
_HASH_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_HASH_LENGTH = 10
_CARDS = frozenset({"pii.card", "pii.cn.bank_account"})
_MASKED_LENGTH = 64
_TAIL = 200


@lru_cache(maxsize=1024)
def name_of(kind: str) -> str:
    """The name in a placeholder: `pii.cn.resident_id` is CN_RESIDENT_ID, `secret.openai_key` OPENAI_KEY."""
    name = re.sub(r"[^A-Z0-9]+", "_", kind.partition(".")[2].upper()).strip("_")
    return name if name[:1].isalpha() else f"X_{name}".rstrip("_")


def token(key: str) -> str:
    """`<EMAIL_1>` for `EMAIL_1`."""
    return f"<{key}>"


def may_hold_tokens(text: str) -> bool:
    """Whether a text holds what every token ends with; one without needs no closer look."""
    return (">" in text or "＞" in text or "&gt;" in text) and _CLOSED.search(text) is not None


def token_key(match: re.Match[str]) -> str:
    """What a tolerated spelling stands for: `EMAIL_1` for `<email 1>`."""
    return _key(next(group for group in match.groups() if group is not None))


def _key(body: str) -> str:
    return body.replace("\\", "").replace(" ", "_").replace("-", "_").upper()


def names_in(text: str) -> Iterator[tuple[int, str, str]]:
    """Where a text holds what reads like a token's name, in brackets or not: (position, name, name with number)."""
    if "_" in text or "%5F" in text:
        for match in _NAME.finditer(text):
            name = _key(match[1])
            yield match.start(1), name, f"{name}_{match[2]}"


def open_end(text: str) -> tuple[int, str]:
    """Where a placeholder that a text's end cuts off starts, and its name so far; (len(text), "") if none."""
    match = _OPEN_END.search(text, max(0, len(text) - _TAIL))
    if match is None:
        return len(text), ""
    return match.start(), _key((match.group(1) or "").strip(" "))


def hashed(key: bytes, name: str, value: str) -> str:
    """`<EMAIL:kfmaopdcbg>`: 40 bits of HMAC-SHA256 as letters, since digits could look like data again."""
    digest = hmac_hash(key, f"{name}\0{value}", _HASH_LENGTH)
    return f"<{name}:{digest.translate(_HASH_LETTERS)}>"


def masked(kind: str, value: str) -> str:
    """Stars for letters and digits, separators kept.

    Of a card the first 6 and last 4 digits are shown at most (PCI DSS 3.4.1), fewer of a short one: at least
    6 stay hidden. What is longer than 64 characters is cut.
    """
    visible = [c for c in value if unicodedata.category(c) != "Cf"][:_MASKED_LENGTH]
    stars = ["*" if c.isalnum() or not c.isascii() else c for c in visible]
    if "*" not in stars:
        return "*" * max(1, len(stars))
    return "".join(_ends_shown(visible, stars) if kind in _CARDS else stars)


def _ends_shown(visible: list[str], stars: list[str]) -> list[str]:
    places = [i for i, star in enumerate(stars) if star == "*"]
    last = min(4, max(0, len(places) - 6))
    first = min(6, max(0, len(places) - 6 - last))
    for place in places[:first] + places[len(places) - last :]:
        stars[place] = visible[place]
    return stars
