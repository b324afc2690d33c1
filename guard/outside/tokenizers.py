"""OpenAI's tokenizers, where their files are on this machine: exact counts of prompts. Nothing is downloaded.

The files are those that OpenAI publishes for tiktoken (a token in base64 and its rank a line); GUARD_TOKENIZERS names
their folder. Patterns and digests are those of tiktoken 0.14 (`tiktoken_ext.openai_public`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from guard.errors import SetupError

if TYPE_CHECKING:
    from tiktoken import Encoding

MOST_BYTES = 32 * 1024
"""Longest text that is counted: 1 KB takes some 0.1 ms, a long run of one letter more; beyond, the estimate holds."""

SHA256 = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
"""The file of each tokenizer, `NAME.tiktoken`."""

_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PATTERNS = {
    "cl100k_base": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    "o200k_base": (
        rf"[^\r\n\p{{L}}\p{{N}}]?[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}]*[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}]+{_ENDINGS}"
        rf"|[^\r\n\p{{L}}\p{{N}}]?[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}]+[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}]*{_ENDINGS}"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
"""How each tokenizer cuts a text before it merges."""


class Tokenizers:
    """The tokenizers that are installed, by name."""

    def __init__(self, encodings: Mapping[str, Encoding]) -> None:
        self._encodings = encodings

    @property
    def names(self) -> tuple[str, ...]:
        """Which there are."""
        return tuple(self._encodings)

    def count(self, models: Sequence[str], data: bytes) -> int | None:
        """How many tokens a text is to the model among these that needs most of them.

        None where a model's tokenizer is not known or not installed, or the text is longer than MOST_BYTES.
        """
        names = {_name(model) for model in models}
        if not names or not names <= self._encodings.keys() or len(data) > MOST_BYTES:
            return None
        text = data.decode("utf-8", "replace")
        return max(len(self._encodings[name].encode_ordinary(text)) for name in names if name)


@lru_cache(maxsize=1024)
def _name(model: str) -> str | None:
    from tiktoken.model import encoding_name_for_model

    try:
        name = encoding_name_for_model(model)
    except KeyError:
        return None
    return "o200k_base" if name == "o200k_harmony" else name  # the same words, other marks around them


def load(folder: Path) -> Tokenizers:
    """Load what is in a folder; raises SetupError where it holds no tokenizer, or one that OpenAI did not publish."""
    files = {name: folder / f"{name}.tiktoken" for name in SHA256}
    files = {name: path for name, path in files.items() if path.exists()}
    if not files:
        wanted = " nor ".join(f"{name}.tiktoken" for name in SHA256)
        raise SetupError(
            f"GUARD_TOKENIZERS: {folder} holds neither {wanted}: put them there, or leave it out"
        )
    try:
        import tiktoken
    except ImportError:
        raise SetupError(
            "GUARD_TOKENIZERS needs tiktoken: pip install 'guard-middleware[tokens]', or leave it out"
        ) from None
    return Tokenizers({name: _read(tiktoken.Encoding, name, path) for name, path in files.items()})


def _read(make: type[Encoding], name: str, path: Path) -> Encoding:
    try:
        data = path.read_bytes()
    except OSError as failure:
        raise SetupError(f"GUARD_TOKENIZERS: {path}: {failure.strerror}") from None
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        raise SetupError(
            f"GUARD_TOKENIZERS: {path}: not the file that OpenAI publishes (its SHA-256 differs): fetch it anew"
        )
    rows = (line.split() for line in data.splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in rows}
    return make(name, pat_str=PATTERNS[name], mergeable_ranks=ranks, special_tokens={})
