"""Guard on plain text, for queues and jobs that call a model in their own way.

python examples/plain_text.py < letters.txt
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from guard import Guard, Refused


def answer(guard: Guard, letter: str, model: Callable[[str], str]) -> str:
    """Send a letter to a model without what is personal in it, and put that back into what comes out."""
    with guard.exchange(tenant="acme", user="job-17") as exchange:
        try:
            return exchange.restore(model(exchange.redact(letter)))
        except Refused as refused:
            return f"not sent: {refused.code}"


if __name__ == "__main__":
    guard = Guard.from_policy("default")
    for line in sys.stdin:
        print(answer(guard, line.rstrip("\n"), lambda text: f"[what the model saw] {text}"))
