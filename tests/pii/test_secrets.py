# ruff: noqa: E501
"""Secrets: how many shapes are known and tested, and what is never one."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from guard.pii.catalog_secrets import SECRETS
from guard.pii.catalog_secrets_clouds import CLOUDS
from guard.pii.catalog_secrets_code import CODE
from guard.pii.catalog_secrets_models import MODELS
from guard.pii.catalog_secrets_work import WORK
from guard.pii.resolve import resolve
from guard.pii.scan import Scanner
from guard.types import Finding

SHAPES = (*MODELS, *CLOUDS, *CODE, *WORK)
SCANNER = Scanner(skip=())


def secrets(text: str) -> list[tuple[str, str]]:
    """Kind and text of every secret found."""
    return [
        (f.kind, text[f.start : f.end])
        for f in SCANNER.scan(text)
        if f.kind.startswith("secret.") or f.kind == "pii.password"
    ]


def test_at_least_120_shapes_have_two_values_and_two_near_misses_each() -> None:
    """The table has a pair of each for every row, and every value is matched by a row of its kind."""
    table = Path(__file__).with_name("secrets_cases.tsv").read_text(encoding="utf-8").splitlines()[1:]
    found = Counter(line.partition("\t")[0] for line in table if "⟦" in line)
    missed = Counter(line.partition("\t")[0] for line in table if "⟦" not in line)
    shapes = Counter(row.kind for row in SHAPES)
    assert len(SHAPES) >= 120
    assert all(found[kind] >= 2 * rows and missed[kind] >= 2 * rows for kind, rows in shapes.items())


@pytest.mark.parametrize("row", SHAPES, ids=lambda row: row.kind)
def test_every_shape_is_the_shape_of_a_value(row: object) -> None:
    """A row that no value of the table needs is not tested by it."""
    from guard.pii.rows import Row

    assert isinstance(row, Row)
    table = Path(__file__).with_name("secrets_cases.tsv").read_text(encoding="utf-8")
    lines = [
        line.replace("⟦", "").replace("⟧", "")
        for line in table.splitlines()
        if line.startswith(f"{row.kind}\t") and "⟦" in line
    ]
    assert any(re.search(row.core, line) for line in lines)


PROSE = (
    "The secret of good bread is patience, and the key to patience is time.",
    "Keep your password secret; a password is only as strong as its owner. Passwords: never share them.",
    "My token of appreciation: a small, hand-made bracelet. The token economy is thriving.",
    "The bearer of this letter is authorized to collect the parcel. Authorization: granted by the committee.",
    "She asked whether the API key is required, and I said the access token expires after 3600 seconds.",
    "Press any key; the primary key is user_id and the foreign key: order_id_2024.",
    "Basic authentication is older than token authentication; use credentials wisely.",
    "tokens: 12345678, total_tokens=2048, max_tokens: 4096, tokenizer=cl100k_base, token_count = 1_000_000",
    "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b fixes the login of 550e8400-e29b-41d4-a716-446655440000",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  release.tar.gz",
    "etag: W/\"33a64df551425fcc55e4d42a148795d9f25f89d4\", md5 = 5c94767cedb5d6987c902ac850ded2c6",
    "密码学的历史很长，密钥管理很重要，令牌经济学也很有趣。密码必须包含8到16个字符。",
    "sk-learn and sk-estimators; hf_transformers; the risk-averse task-oriented xai-explainability pa-rameters",
    "import secrets\nsecret = secrets.token_hex(16)\napi_key = os.environ[\"API_KEY\"]\npassword = getpass.getpass()",
    "const token = useToken(); const { apiKey } = props; headers.set('Authorization', `Bearer ${token}`)",
    "AIzawa is a name, AKIA a prefix, ghp_ another, and xoxb- the third. EAA is the European Accessibility Act.",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----",
    "see https://user.github.io/repo@v1.2.3/path and git@github.com:org/repo.git or ssh://git@host.org/x",
    "APPROXIMATELY APACHE2LICENSE APARTMENTS AKCELERATOR live_streaming_session_for_everyone_who_wants_to_see",
)  # fmt: skip

STAND_INS = (
    "your-api-key", "YOUR_API_KEY_HERE", "${API_KEY}", "$API_KEY", "<token>", "{{ api_key }}", "%API_KEY%", "xxxxxxxxxxxxxxxx",
    "****************", "[REDACTED]", "AKIAIOSFODNN7EXAMPLE", "changeme-please", "insert_key_here", "sk-...", "abc...", "process.env.API_KEY",
    "os.getenv('API_KEY')", "null", "undefined", "example-key-123456", "my-secret-token", "00000000-0000-0000-0000-000000000000",
)  # fmt: skip


@pytest.mark.parametrize("text", PROSE)
def test_prose_and_code_are_no_secrets(text: str) -> None:
    """B41: talk of keys, hashes without a cue, UUIDs, public keys and code that fetches a secret."""
    assert secrets(text) == []


@pytest.mark.parametrize("value", STAND_INS)
@pytest.mark.parametrize(
    "line",
    [
        "API_KEY={}",
        'api_key: "{}"',
        '"secret": "{}"',
        "my api key is {} ok",
        "Authorization: Bearer {}",
        "token = {}",
    ],
)
def test_what_stands_for_a_secret_is_none(line: str, value: str) -> None:
    """Placeholders, variables, stars and documented examples."""
    assert secrets(line.format(value)) == []


def test_a_secret_in_a_url_is_not_hidden_by_the_url() -> None:
    """B27: where a policy names `pii.url`, the URL is replaced whole, as the secret that lies in it."""
    text = "see https://harbor.dev/?token=sk-AAAABBBBCCCCDDDD now"
    scanner = Scanner(kinds=frozenset({"pii.url", *(row.kind for row in SECRETS)}))
    assert [(f.kind, text[f.start : f.end]) for f in scanner.scan(text)] == [
        ("secret.openai_key", text[4:-4])
    ]


def test_two_secrets_that_overlap_keep_the_longer_ones_kind() -> None:
    """Only what is no secret gives up its name."""
    outer, inner = (
        Finding("secret.connection_string", 0, 20, 0.9, "x"),
        Finding("secret.jwt", 5, 9, 0.95, "x"),
    )
    assert [f.kind for f in resolve([outer, inner])] == ["secret.connection_string"]
    guess = Finding("secret.jwt", 5, 9, 0.4, "x")
    assert [f.kind for f in resolve([Finding("pii.url", 0, 20, 0.6, "x"), guess])] == ["pii.url"]
