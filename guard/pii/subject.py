"""The person a value is about, as a key to join records on."""

from __future__ import annotations

import unicodedata

from guard.keys import keyed_hash

# Without what separates the parts of a value; "@._%+" tell two values apart. What a table lacks is looked up slowly.
_KEPT = {code: code if chr(code).isalnum() or chr(code) in "@._%+" else None for code in range(128)}


def subject(key: bytes, value: str) -> str:
    """Hash a found value under the subjects key, so that spellings of one value give one subject.

    Width, case and separators are folded first (`138 1234 5678` and `１３８12345678` are one subject);
    16 hex digits.
    """
    if value.isascii():
        folded = value.lower()
        kept = folded.translate(_KEPT)
    else:
        folded = unicodedata.normalize("NFKC", value).casefold()
        kept = "".join(ch for ch in folded if ch.isalnum() or ch in "@._%+")
    return keyed_hash(key, kept or folded, 16)
