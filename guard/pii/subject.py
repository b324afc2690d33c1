"""The person a value is about, as a key to join records on."""

from __future__ import annotations

import unicodedata

from guard.keys import keyed_hash

# What separates the parts of a value; "@._%+" tell two values apart.
_SEPARATORS = {code: None for code in range(128) if not chr(code).isalnum() and chr(code) not in "@._%+"}


def subject(key: bytes, value: str) -> str:
    """Hash a found value under the subjects key, so that spellings of one value give one subject.

    Width, case and separators are folded first (`138 1234 5678` and `１３８12345678` are one subject);
    16 hex digits.
    """
    if value.isascii():
        folded = value.lower()
        kept = folded.translate(_SEPARATORS)
    else:
        folded = unicodedata.normalize("NFKC", value).casefold()
        kept = "".join(ch for ch in folded if ch.isalnum() or ch in "@._%+")
    return keyed_hash(key, kept or folded, 16)
