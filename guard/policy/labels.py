"""What the labels of guard models mean, as data: dialect to label to categories of `moderation.*`.

The sources are the models' own cards: Qwen3Guard-Gen (Qwen, 2025), Llama Guard 3 and 4 (Meta; hazards of MLCommons),
ShieldGemma (Google, 2024). Which kind is nearest to a label is our reading; `moderation.labels` changes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

Dialect = Literal["qwen3guard", "llama-guard", "shieldgemma"]
Labels = Mapping[str, tuple[str, ...]]

QWEN3GUARD: Labels = {
    "Violent": ("violence", "illicit/violent"),
    "Non-violent Illegal Acts": ("illicit",),
    "Sexual Content or Sexual Acts": ("sexual",),
    "PII": ("privacy",),
    "Suicide & Self-Harm": ("self-harm",),
    "Unethical Acts": ("harassment", "hate"),
    "Politically Sensitive Topics": ("politics",),
    "Copyright Violation": ("copyright",),
    "Jailbreak": ("jailbreak",),
}

LLAMA_GUARD: Labels = {
    "S1": ("violence", "illicit/violent"),  # violent crimes
    "S2": ("illicit",),  # non-violent crimes
    "S3": ("sexual", "illicit"),  # sex-related crimes
    "S4": ("sexual/minors",),
    "S5": ("defamation",),
    "S6": ("specialized-advice",),
    "S7": ("privacy",),
    "S8": ("copyright",),  # intellectual property
    "S9": ("illicit/violent",),  # indiscriminate weapons
    "S10": ("hate",),
    "S11": ("self-harm",),
    "S12": ("sexual",),
    "S13": ("elections",),
    "S14": ("code-abuse",),
}

SHIELDGEMMA: Labels = {
    "No Dangerous Content": ("illicit", "illicit/violent", "self-harm"),
    "No Harassment": ("harassment",),
    "No Hate Speech": ("hate",),
    "No Sexually Explicit Information": ("sexual",),
}

DIALECTS: Mapping[Dialect, Labels] = {
    "qwen3guard": QWEN3GUARD,
    "llama-guard": LLAMA_GUARD,
    "shieldgemma": SHIELDGEMMA,
}


def table(dialect: Dialect, own: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Lay a policy's own labels over those of a dialect; own ones name kinds: `moderation.violence`."""
    mine = {label: tuple(k.removeprefix("moderation.") for k in kinds) for label, kinds in own.items()}
    return {**DIALECTS[dialect], **mine}


def dialect_of(model: str) -> Dialect | None:
    """Tell how a model answers by its name: `Qwen/Qwen3Guard-Gen-4B`, `llama-guard3:8b`; None for other names."""
    plain = re.sub(r"[^a-z0-9]", "", model.lower())
    return next((dialect for dialect in DIALECTS if dialect.replace("-", "") in plain), None)
