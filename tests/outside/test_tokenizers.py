"""Tokenizers from files: counted where they are known and whole, estimated or refused otherwise."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guard.errors import SetupError
from guard.outside import tokenizers
from guard.traffic.usage import bound


@pytest.mark.parametrize("name", sorted(tokenizers.SHA256))
def test_files_and_patterns_are_tiktokens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of a tokenizer here is what the library that is installed says of it."""
    from tiktoken_ext import openai_public

    seen: dict[str, str] = {}

    def loaded(url: str, expected_hash: str) -> dict[bytes, int]:
        seen["url"], seen["hash"] = url, expected_hash
        return {}

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", loaded)
    told = openai_public.ENCODING_CONSTRUCTORS[name]()
    assert (seen["hash"], told["pat_str"]) == (tokenizers.SHA256[name], tokenizers.PATTERNS[name])
    assert seen["url"].endswith(f"/{name}.tiktoken")


def test_a_prompt_is_counted_by_its_models_tokenizer(tokenizer_files: Callable[..., Path]) -> None:
    """128 letters are one token; the text of a special token is text; of several models the dearest counts."""
    found = tokenizers.load(tokenizer_files("o200k_base"))
    assert found.names == ("o200k_base",)
    assert found.count(["gpt-5.6-sol"], b"a" * 256) == 2
    assert found.count(["gpt-5.6-sol", "gpt-4o"], "甲".encode()) == 3
    assert found.count(["gpt-5"], b"<|endoftext|>") == 13
    tokenizer_files("cl100k_base", most=1)
    both = tokenizers.load(tokenizer_files("o200k_base"))
    counts = [both.count(models, b"a" * 256) for models in (["gpt-4o"], ["gpt-4"], ["gpt-4o", "gpt-4"])]
    assert counts == [2, 256, 256]
    assert both.names == ("cl100k_base", "o200k_base")


@pytest.mark.parametrize(
    ("models", "data"),
    [
        (["mistral-large"], b"hi"),
        (["gpt-4o", "mistral-large"], b"hi"),
        (["gpt-4"], b"hi"),  # cl100k_base, which is not there
        (["gpt-4o"], b"a" * (tokenizers.MOST_BYTES + 1)),
        ([], b"hi"),
    ],
)
def test_what_cannot_be_counted_is_estimated(
    tokenizer_files: Callable[..., Path], models: list[str], data: bytes
) -> None:
    """No count for a model whose tokenizer is unknown or missing, for any of several, or for a long text."""
    assert tokenizers.load(tokenizer_files("o200k_base")).count(models, data) is None


def test_a_count_takes_the_place_of_twice_the_estimate() -> None:
    body: dict[str, Any] = {"max_tokens": 10, "n": 2}
    assert bound(body, b"word " * 100, 5, counted=101).input == 101
    assert bound(body, b"word " * 100, 5).input > 202


@pytest.mark.parametrize("spoiled", [b"", b"YQ== 0\n", b"not a tokenizer"])
def test_a_file_that_openai_did_not_publish_stops_the_start(
    tokenizer_files: Callable[..., Path], spoiled: bytes
) -> None:
    folder = tokenizer_files("o200k_base")
    (folder / "o200k_base.tiktoken").write_bytes(spoiled)
    with pytest.raises(SetupError, match=r"o200k_base\.tiktoken: not the file that OpenAI publishes"):
        tokenizers.load(folder)


def test_a_folder_without_a_tokenizer_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"holds neither cl100k_base\.tiktoken nor o200k_base\.tiktoken"):
        tokenizers.load(tmp_path)


def test_without_the_package_the_start_says_what_to_tokenizer_files(
    tokenizer_files: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(SetupError, match=r"pip install 'guard-middleware\[tokens\]'"):
        tokenizers.load(tokenizer_files("o200k_base"))
