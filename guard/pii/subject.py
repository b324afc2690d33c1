"""The person a value is about, as a key to join records on."""

from __future__ import annotations

import unicodedata

from guard.keys import keyed_digest

# What separates the parts of a value; "@._%+" tell two values apart.
_DROPPED = bytes(code for code in range(128) if not (chr(code).isalnum() or chr(code) in "@._%+"))


def subject(key: bytes, value: str) -> str:
    """Hash a found value under the subjects key, so that spellings of one value give one subject.

    Width, case and separators are folded first (`138 1234 5678` and `１３８12345678` are one subject);
    16 hex digits.
    """
    if value.isascii():
        folded = value.lower().encode()
        kept = folded.translate(None, _DROPPED)
    else:
        text = unicodedata.normalize("NFKC", value).casefold()
        folded = text.encode("utf-8", "surrogatepass")
        kept = "".join(ch for ch in text if ch.isalnum() or ch in "@._%+").encode("utf-8", "surrogatepass")
    return keyed_digest(key, kept or folded, 16)
