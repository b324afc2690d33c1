"""Text that nobody sees and a model reads: tag characters, and runs of invisible characters that can only be a code.

Single invisible characters stand in honest text (joined emoji, Persian, soft breaks) and fall away before detection
(`evasion`); what they spell in a row is an instruction from somebody else (OWASP LLM01; Hackett et al., LLMSec 2025).
"""

from __future__ import annotations

import re

from guard.types import Finding

_LEAST = 16
# The flags of England, Scotland and Wales are spelled with tag characters (Unicode TS 51, annex C): no message.
_HIDDEN = re.compile(
    "(?P<flag>\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{2,6}\U000e007f)"
    "|[\U000e0000-\U000e007f]+"
    f"|[\u200b-\u200d\u2060-\u2064\ufeff\u180e\ufe00-\ufe0f\U000e0100-\U000e01ef]{{{_LEAST},}}"
)


def hidden(text: str, path: str) -> list[Finding]:
    """Find hidden text; each finding is `guard.hidden` over the characters that nobody sees."""
    if text.isascii():
        return []
    found = (match for match in _HIDDEN.finditer(text) if match["flag"] is None)
    return [Finding("guard.hidden", match.start(), match.end(), 1.0, "guard", path) for match in found]
