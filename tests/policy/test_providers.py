"""Providers in a policy: what loads, what is refused and with which words, and who a model is asked of."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.errors import PolicyError
from guard.policy.load import load, load_policy
from guard.policy.providers import owner_of
from guard.policy.show import to_yaml
from guard.settings import Settings

TWO = """
policy: two
providers:
  azure-eu:
    api: azure
    url: https://acme.openai.azure.com/openai/v1/
    key: AZURE_EU_KEY
    models: [gpt-4o, "gpt-*"]
  local: {api: ollama, models: ["llama*"]}
"""


def write(folder: Path, text: str, name: str = "p.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_what_is_not_written_is_the_usual(tmp_path: Path) -> None:
    """Where it is and how it takes its key follow from the API."""
    providers = load_policy(write(tmp_path, TWO)).providers
    assert (providers["azure-eu"].base, providers["azure-eu"].wants) == (
        "https://acme.openai.azure.com/openai/v1",
        "api-key",
    )
    assert (providers["local"].base, providers["local"].wants) == ("http://127.0.0.1:11434/v1", "bearer")


@pytest.mark.parametrize(
    ("model", "owner"),
    [
        ("gpt-4o", ("azure-eu", "gpt-4o")),
        ("gpt-5", ("azure-eu", "gpt-5")),
        ("local/gpt-5", ("local", "gpt-5")),
        ("local/Qwen/Qwen3", ("local", "Qwen/Qwen3")),
        ("llama3.2", ("local", "llama3.2")),
        ("Qwen/Qwen3", None),
        ("local/", None),
        ("mistral-small", None),
        ("", None),
    ],
)
def test_who_a_model_is_asked_of(tmp_path: Path, model: str, owner: tuple[str, str] | None) -> None:
    """The name before the slash, else who lists it; a slash after anything else belongs to the model."""
    assert owner_of(load_policy(write(tmp_path, TWO)).providers, model) == owner


def test_the_most_exact_pattern_wins(tmp_path: Path) -> None:
    """As with rules."""
    text = "providers:\n  a: {api: openai, models: ['gpt-*', '*']}\n  b: {api: ollama, models: [gpt-oss, 'gpt-oss*']}\n"
    providers = load_policy(write(tmp_path, text)).providers
    found = {m: owner_of(providers, m) for m in ("gpt-oss", "gpt-oss-20b", "gpt-5", "x")}
    assert {m: o and o[0] for m, o in found.items()} == {
        "gpt-oss": "b",
        "gpt-oss-20b": "b",
        "gpt-5": "a",
        "x": "a",
    }


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "a: {api: azure}",
            "p.yaml:2:providers.a: has no url, and azure has no usual one: write url: https://RES",
        ),
        (
            "a: {models: [x]}",
            "p.yaml:2:providers.a: has no url, and openai-compatible has no usual one: write url:",
        ),
        (
            "a: {api: azure, url: 'https://x.openai.azure.com'}",
            "p.yaml:2:providers.a: url is not that of Azure's v1 API: write url: https://RESOURCE",
        ),
        ("a: {api: opnai}", "p.yaml:2:providers.a.api: 'opnai' is not known here: did you mean openai?"),
        (
            "a: {api: ollama, modls: [x]}",
            "p.yaml:2:providers.a.modls: is an unknown key: did you mean models?",
        ),
        ("A B: {api: ollama}", "p.yaml:2:providers.A B: is no name for a provider: write lower-case letters"),
        (
            "a: {api: ollama, key: sk-canary-1234}",
            "p.yaml:2:providers.a.key: is no name of a variable: write one such",
        ),
        (
            "a: {api: ollama, key: GUARD_KEY}",
            "p.yaml:2:providers.a.key: is a secret of guard's own, which no provider",
        ),
        (
            "a: {api: ollama, header: cookie}",
            "p.yaml:2:providers.a.header: 'cookie' is not known here: write one of",
        ),
        (
            "a: {api: ollama, url: 'https://me:pw@x/v1'}",
            "p.yaml:2:providers.a.url: cannot be read: write a base URL",
        ),
        (
            "a: {api: ollama, models: [x]}\n  b: {api: vllm, models: [y, x]}",
            "p.yaml:3:providers.b.models[1]: x is listed by a, too: take it out of one, which is then asked as",
        ),
        (
            "qwen: {api: ollama}\n  b: {api: vllm, models: [qwen/q3]}",
            "p.yaml:3:providers.b.models[0]: qwen/q3 means the model q3 of the provider qwen: rename that provider",
        ),
    ],
)
def test_what_is_wrong_is_said_by_line_and_key(tmp_path: Path, line: str, problem: str) -> None:
    """And what to write instead; a key that was written into the file is not repeated."""
    with pytest.raises(PolicyError) as caught:
        load(write(tmp_path, f"providers:\n  {line}\n"))
    [found] = caught.value.problems
    assert found.removeprefix(f"{tmp_path}/").startswith(problem)
    assert "canary" not in str(caught.value)


def test_an_extending_file_replaces_and_packs_do_not(tmp_path: Path) -> None:
    """By name, whole; of two packs the first keeps its own, and what goes together badly is told."""
    write(tmp_path, TWO, "two.yaml")
    write(tmp_path, "providers:\n  local: {api: vllm, models: [q]}\n  more: {api: mistral}\n", "three.yaml")
    both = load_policy(write(tmp_path, "extends: [two.yaml, three.yaml]\n")).providers
    assert {name: row.api for name, row in both.items()} == {
        "azure-eu": "azure",
        "local": "ollama",
        "more": "mistral",
    }
    own = load_policy(write(tmp_path, "extends: [two.yaml]\nproviders: {local: {api: vllm}}\n")).providers
    assert (own["local"].api, own["local"].models) == ("vllm", ())
    with pytest.raises(PolicyError, match="gpt-4o is listed by azure-eu, too"):
        load(write(tmp_path, "extends: [two.yaml]\nproviders: {more: {api: mistral, models: [gpt-4o]}}\n"))


def test_it_is_shown_and_digested(tmp_path: Path) -> None:
    """What is shown loads again as the same; a policy without providers has the digest that it had before them."""
    loaded = load(write(tmp_path, TWO))
    again = load(write(tmp_path, to_yaml(loaded, why=True), "again.yaml"))
    assert again.policy.sha256 == loaded.policy.sha256
    assert load_policy(write(tmp_path, TWO.replace("AZURE_EU_KEY", "OTHER"))).sha256 != loaded.policy.sha256


def test_a_secret_is_read_from_the_environment_before_dotenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As guard's own settings are, and masked as they are."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("FIRST_KEY=from-file\nSECOND_KEY=from-file\n")
    monkeypatch.setenv("FIRST_KEY", "from-environment")
    settings = Settings()
    found = [settings.secret(name) for name in ("FIRST_KEY", "SECOND_KEY", "THIRD_KEY")]
    assert [secret and secret.get_secret_value() for secret in found] == [
        "from-environment",
        "from-file",
        None,
    ]
    assert "from" not in repr(found)
