"""What a refused person or engineer reads when the policy has no words of its own. Nothing is quoted."""

from __future__ import annotations

from guard.policy.model import Policy
from guard.types import Decision, Stage

_OPAQUE = {
    "encoding": "guard cannot read this encoding; a rule `guard.opaque.encoding: allow` lets it pass unscreened",
}

HISTORY = ("previous_response_id", "conversation")
"""The fields of a request that say what it goes on from."""


def sentence(kind: str, path: str = "", stage: Stage = Stage.INPUT) -> str:
    """Say why something was refused, and for what cannot be read, which rule would allow it."""
    if kind.startswith("guard.opaque."):
        what = kind.rpartition(".")[2]
        if what == "endpoint":
            return _endpoint(path, stage)
        if what in _OPAQUE:
            return _OPAQUE[what]
        place = f" at {path}" if path else ""
        return f"guard cannot read the {what}{place}; a rule `{kind}: allow` under {stage}.rules lets it pass"
    if kind == "guard.unavailable.store" and path in HISTORY:
        return (
            f"what {path} goes on from is not known here (any more), so its placeholders cannot come back; send the"
            " history in the request, or let the policy redact `as: encrypt`"
        )
    if kind.startswith("guard.unavailable."):
        return (
            f"a check could not run ({kind.rpartition('.')[2]}), so nothing was let through; try again later"
        )
    if kind == "guard.hidden":
        return f"text at {path} is hidden from people; a rule `guard.hidden: flag` under {stage}.rules lets it pass"
    if kind == "guard.tool":
        return "the model called a tool that the policy does not name under `output.tools`"
    subject = "the answer" if stage is Stage.OUTPUT else "the request"
    return f"{subject} was refused by the policy ({kind})"


def _endpoint(name: str, stage: Stage) -> str:
    if name:
        return f"guard does not screen this endpoint; `endpoints: {{allow: [{name}]}}` in the policy lets it pass"
    rule = f"a rule `guard.opaque.endpoint: allow` under {stage}.rules"
    return f"guard does not screen this endpoint; {rule} lets all such endpoints pass"


def message_for(policy: Policy, blocking: Decision, stage: Stage) -> str:
    """The words for a refusal: the policy's own for its stage (and for self-harm), else a plain sentence."""
    messages, finding = policy.messages, blocking.finding
    if finding.kind.startswith("guard."):
        return sentence(finding.kind, finding.path, stage)
    if finding.kind.startswith("moderation.self-harm") and messages.self_harm:
        return messages.self_harm
    own = messages.output if stage is Stage.OUTPUT else messages.input
    return own or sentence(finding.kind, finding.path, stage)
