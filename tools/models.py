"""Write the context windows of `guard/data/models.json` anew from genai-prices (MIT), which collects them by provider.

Needs `pip install genai-prices` and is run by hand: `python tools/models.py`. Dates of shutdown are kept as they
are: they are copied by hand from the providers' own pages, and `guard migrate check --refresh` asks the API.
"""

from __future__ import annotations

import argparse
import json
from importlib import metadata
from pathlib import Path

TABLE = Path(__file__).parents[1] / "guard" / "data" / "models.json"
PROVIDERS = (
    "openai",
    "azure",
    "anthropic",
    "google",
    "mistral",
    "deepseek",
    "x-ai",
    "cohere",
    "groq",
    "zhipuai",
)


def windows() -> dict[str, int]:
    """The largest window that any of the providers gives a model: a table that errs must not refuse."""
    from genai_prices.data import providers

    found: dict[str, int] = {}
    for provider in providers:
        for model in provider.models if provider.id in PROVIDERS else ():
            if model.context_window and model.id.isascii() and not model.id.endswith("-"):
                found[model.id] = max(model.context_window, found.get(model.id, 0))
    return dict(sorted(found.items()))


def main() -> None:
    """Rewrite the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    table = json.loads(TABLE.read_text("utf-8"))
    table["windows_from"] = f"genai-prices {metadata.version('genai-prices')}"
    table["windows"] = windows()
    TABLE.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
