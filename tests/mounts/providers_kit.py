"""Policies that name two providers of this machine, canaries for every key, and requests of a client to a gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette

from guard import Guard
from guard.settings import Settings

CANARIES = {
    "A": "sk-canary-of-a",
    "B": "sk-canary-of-b",
    "UP": "sk-canary-of-upstream",
    "CALLER": "sk-canary-caller",
}
ACME = "providers: {{b: {{url: '{}/v1'}}, c: {{url: '{}/v1'}}}}\n"
PERSONAL = [
    (b"content-type", b"application/json"),
    (b"authorization", f"Bearer {CANARIES['CALLER']}".encode()),
    (b"openai-organization", b"org-canary"),
    (b"openai-project", b"proj-canary"),
    (b"openai-beta", b"assistants=v2"),
    (b"x-stainless-lang", b"python"),
    (b"idempotency-key", b"once-1"),
]
Make = Callable[..., Guard]


@contextmanager
def making(new_folder: Callable[[], Path], base: str, a: str, b: str) -> Iterator[Make]:
    """Make guards, each once, whose policy names the provider at one host as `a` and that at another as `b`."""
    made: dict[tuple[str, ...], Guard] = {}

    def make(more: str = "", *, owner: str = "", **settings: str) -> Guard:
        key = (more, owner, *settings.values())
        if key not in made:
            folder = new_folder()
            (folder / "strict.yaml").write_text("input: {rules: {pii.email: block}}\n")
            (folder / "acme.yaml").write_text(ACME.format(a, b))
            (folder / "eea.yaml").write_text("egress: {jurisdictions: [EEA]}\n")
            (folder / "policy.yaml").write_text(
                f"{base}\nowner: '{owner}'\nproviders:\n"
                f"  a: {{url: '{a}/v1', key: KEY_A, header: api-key, models: [large]}}\n"
                f"  b: {{url: '{b}/v1', key: KEY_B, models: [small]}}\n{more}"
            )
            own = Settings(home=folder / "home", exports=folder / "exports", **settings)
            made[key] = Guard.from_policy(folder / "policy.yaml", own)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEY_A", CANARIES["A"])
        patch.setenv("KEY_B", CANARIES["B"])
        yield make
    for guard in made.values():
        guard.close()


def rewrite(guard: Guard, old: str, new: str) -> None:
    """Change the file of a guard's policy."""
    file = Path(str(guard.source))
    file.write_text(file.read_text().replace(old, new))


async def ask(gateway: Any, kit: Any, model: str, text: str = "hi", **more: Any) -> Any:
    """Ask a gateway as a client with headers of its own."""
    headers = more.pop("headers", PERSONAL)
    return await kit.request(gateway, body=kit.chat(text, **{"model": model, **more}), headers=headers)


def sent(app: Starlette) -> list[tuple[str, Any]]:
    """The path and the model of each request that a provider got."""
    return [(row.path, orjson.loads(row.body)["model"]) for row in app.state.received]


def places(**urls: str) -> str:
    """Where hosts are, as `egress.hosts` says it: country to URL."""
    rows = ((url.split("/")[2], country) for country, url in urls.items())
    return ", ".join(f"'{host}': {{processing: [{c}], storage: [{c}]}}" for host, c in rows)
