"""Settings of one process: `GUARD_*` in the environment or in `.env`; secrets are masked in every repr."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from guard.errors import SetupError
from guard.types import Limits


def _place(place: Path | str | None) -> Path | str | None:
    """A URL as it is, anything else as a path."""
    url = isinstance(place, str) and place.startswith(("https://", "http://", "s3+https://", "s3+http://"))
    return place if url or place is None else Path(place)


def dotenv() -> dict[str, str | None]:
    """What stands in `.env`, where there is one."""
    from dotenv import dotenv_values

    return dotenv_values(Settings.model_config["env_file"])  # type: ignore[arg-type]


def _variable(path: tuple[int | str, ...]) -> str:
    """The variable of a field; one that is read from a variable of another name is called so."""
    name = str(path[0])
    return name if name.isupper() else f"GUARD_{name.upper()}"


class Settings(BaseSettings):
    """Keys, URLs, folders and limits. Every field is read from `GUARD_<NAME>` unless it says otherwise.

    Raises SetupError for values that cannot be; it never quotes one, which may be a secret.
    """

    model_config = SettingsConfigDict(env_prefix="GUARD_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Field(default=Path("~/.guard"), description="where the master and signing keys live (0700)")
    exports: Path = Field(default=Path("guard-exports"), description="where trace exports are written")
    heads: Annotated[Path | str | None, AfterValidator(_place)] = Field(
        default=None,
        description="a second place, of another owner, for signed heads: a folder, an https URL, or a bucket "
        "as s3+https://HOST/BUCKET",
    )
    heads_key_id: SecretStr | None = Field(
        default=None, description="who puts heads into the bucket of GUARD_HEADS: the access key's id"
    )
    heads_secret: SecretStr | None = Field(default=None, description="the secret of that access key")
    heads_token: SecretStr | None = Field(
        default=None, description="the session token of that access key, where it is a temporary one (STS)"
    )
    heads_region: str = Field(
        default="", description="the bucket's region, where its host does not say it; else us-east-1"
    )
    heads_lock: Literal["compliance", "governance"] = Field(
        default="compliance", description="the mode in which heads are locked in the bucket"
    )
    heads_keep: str = Field(
        default="",
        pattern=r"^([0-9]{1,5}[dw])?$",
        description="how long heads are locked, at least, as 400d; and no less than trace.keep of the policy",
    )
    key: SecretStr | None = Field(default=None, description="the master key; else a file made in GUARD_HOME")
    seal_keys: SecretStr | None = Field(
        default=None, description="keys of `as: encrypt`, separated by commas: the first seals, all open"
    )
    subject_keys: Path | None = Field(
        default=None,
        description="folder of the keys of subject hashes, which replicas may share; else subject-keys in GUARD_HOME",
    )
    policy: str = Field(default="default", description="the policy of mounts that name none")

    upstream_key: SecretStr | None = Field(default=None, description="the gateway's key at the provider")
    openai_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("OPENAI_API_KEY"),
        description="used where GUARD_UPSTREAM_KEY is not set",
    )
    client_keys: SecretStr | None = Field(default=None, description="tenant:key,… of the gateway's clients")
    virtual_keys: Path | None = Field(
        default=None, description="the file of virtual keys; client-keys.json in GUARD_HOME if not set"
    )
    moderation_url: str = Field(
        default="", description="base URL of the moderation API, if not the upstream's"
    )
    moderation_key: SecretStr | None = Field(default=None, description="its key, if not the upstream's")
    otlp_endpoint: str = Field(
        default="", description="base URL of an OTLP/HTTP collector for a copy of the traces"
    )

    proxy_auth: SecretStr | None = Field(
        default=None, description="user:password at the proxy of egress.proxy, where it asks for them"
    )

    tokenizers: Path | None = Field(
        default=None,
        description="a folder with o200k_base.tiktoken, cl100k_base.tiktoken: prompts are counted, not estimated",
    )
    metrics_folder: Path | None = Field(
        default=None, description="where processes that share one /metrics leave their numbers"
    )
    metrics_key: SecretStr | None = Field(
        default=None, description="the bearer that /metrics asks for, and that /readyz tells its reasons"
    )

    alert_webhook: SecretStr | None = Field(
        default=None,
        description="where alerts are posted, if its URL is a secret; else traffic.alerts.webhook",
    )
    access_log: str = Field(
        default="", description="file of the gateway's access log, - for standard output; empty: none"
    )
    drain_s: float = Field(
        default=20.0, ge=0, le=3600, description="how long a gateway that ends waits for what runs"
    )

    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1024, description="limit on a decoded body")
    max_depth: int = Field(default=64, ge=4, le=500, description="limit on JSON nesting")
    max_messages: int = Field(default=2048, ge=1, description="limit on messages or input items")
    max_tools: int = Field(default=512, ge=1, description="limit on tools")
    max_parts: int = Field(default=4096, ge=1, description="limit on content parts in one body")
    body_timeout_s: float = Field(
        default=60.0, gt=0, description="how long a client may take to send its body"
    )
    commit_timeout_s: float = Field(
        default=5.0, gt=0, description="how long a record may take to become durable"
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="processes that share the limits; `guard serve --workers` sets it",
    )
    store_timeout_s: float = Field(
        default=2.0, gt=0, description="how long a budget's store may be locked by another"
    )
    reload_s: float = Field(
        default=1.0, ge=0, description="how often `guard serve` looks for a changed policy; 0: only at SIGHUP"
    )
    detect_timeout_s: float = Field(
        default=2.0, gt=0, description="how long a worker may scan each 16,384 characters"
    )
    detect_workers: int = Field(default=1, ge=1, le=64, description="worker processes for detection")
    read_timeout_s: float = Field(default=600.0, gt=0, description="how long the upstream may stay silent")
    heartbeat_s: float = Field(
        default=15.0,
        gt=0,
        description="how long a stream may say nothing before a comment shows that it lives",
    )
    rotate_bytes: int = Field(
        default=64 * 1024 * 1024, ge=4096, description="size at which an export file is rotated"
    )
    sign_every: int = Field(default=256, ge=1, description="records between two signed heads")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as failure:
            rows = failure.errors(include_url=False, include_input=False, include_context=False)
            raise SetupError("; ".join(f"{_variable(row['loc'])}: {row['msg']}" for row in rows)) from None

    def secret(self, name: str) -> SecretStr | None:
        """A secret of someone else's name, which a policy writes: from the environment, else from `.env`."""
        value = os.environ.get(name) or dotenv().get(name)
        return SecretStr(value) if value else None

    def limits(self) -> Limits:
        """The body limits as the wire readers take them."""
        return Limits(self.max_body_bytes, self.max_depth, self.max_messages, self.max_tools, self.max_parts)
