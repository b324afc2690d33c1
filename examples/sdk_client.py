"""A script that asks a model: the official client with guard in its HTTP client, and nothing else changed.

OPENAI_API_KEY=… python examples/sdk_client.py "Write a note to ann@corp.org"
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import openai

from guard import guarded_client

POLICY = Path(__file__).with_name("policy.yaml")


def main(question: str) -> int:
    base_url = os.environ.get("OPENAI_BASE_URL")
    http_client = guarded_client(policy=POLICY, sync=True, base_url=base_url)
    with openai.OpenAI(base_url=base_url, http_client=http_client) as client:
        try:
            stream = client.chat.completions.create(
                model="gpt-5.6-terra", messages=[{"role": "user", "content": question}], stream=True
            )
        except openai.PermissionDeniedError as refused:
            print(f"refused ({refused.code}): {refused.body['message']}", file=sys.stderr)
            return 1
        for chunk in stream:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
