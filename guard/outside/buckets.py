"""Buckets of S3-compatible stores: objects are put under a lock, and read with every version, through the gate."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import httpx2
from pydantic import SecretStr

from guard.errors import GuardError, Refused, SetupError
from guard.outside.admission import Admit
from guard.outside.blocking import SyncAdmittingTransport
from guard.outside.sigv4 import Credentials, signed

SCHEMES = ("s3+https://", "s3+http://")
MODES = ("compliance", "governance")

_WAIT_S = 10.0
"""Seconds that each step of a request may take."""

_LOCAL = ("127.0.0.1", "::1", "localhost")
_WRITE = "GUARD_HEADS: write s3+https://HOST/BUCKET, with a folder in it if wanted"

# The region as the host of a service says it: s3.eu-central-1.amazonaws.com, bucket.s3.us-west-004.backblazeb2.com.
_REGION = re.compile(r"(?:^|\.)s3[.-](?:fips\.|dualstack\.)?([a-z0-9-]+)\.(?:[a-z0-9-]+\.)+[a-z]+$")
_NAMED = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")


class BucketError(GuardError):
    """The store refused: its status, and the code that it gives for it."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"status {status} {code}".rstrip())
        self.status, self.code = status, code


class Address(NamedTuple):
    """Where a bucket is: its URL, and the folder in it ("" or one that ends with a slash)."""

    url: str
    folder: str

    @property
    def region(self) -> str:
        """The region as the host says it; else that of stores that have none."""
        found = _REGION.search(httpx2.URL(self.url).host)
        return found[1] if found else "us-east-1"


class Version(NamedTuple):
    """One version of an object; those below newer ones and below delete markers count as well."""

    key: str
    version: str


class Lock(NamedTuple):
    """How an object is locked: in which mode, and until when."""

    mode: str
    until: datetime


def address(text: str) -> Address:
    """Read `s3+https://HOST/BUCKET[/FOLDER]`, or `s3+https://BUCKET.HOST`: without a path the host is the bucket's.

    Raises SetupError; without TLS only for this machine.
    """
    try:
        url = httpx2.URL(text.removeprefix("s3+"))
    except httpx2.InvalidURL:
        raise SetupError(_WRITE) from None
    if not url.host or url.userinfo or url.query or (url.scheme != "https" and url.host not in _LOCAL):
        raise SetupError(_WRITE)
    bucket, _, folder = url.path.strip("/").partition("/")
    root = str(url.copy_with(path="/" + bucket)).rstrip("/")
    return Address(root, f"{folder}/" if folder else "")


class Bucket:
    """One bucket: `put`, `versions`, `get`, `locks`. Raises BucketError, Refused, and httpx2's own errors."""

    def __init__(
        self, place: Address, credentials: Credentials, admit: Admit, proxy_auth: SecretStr | None = None
    ) -> None:
        self.place = place
        self._credentials = credentials
        self._transport = SyncAdmittingTransport(admit, proxy_auth=proxy_auth)

    def put(self, name: str, body: bytes, lock: Lock) -> None:
        """Put an object that nobody can remove or replace before the lock ends; a bucket without locks refuses it.

        Content-MD5 is what stores ask for with a lock (S3 API, PutObject); it guards no secret.
        """
        checksum = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        headers = {
            "content-md5": checksum,
            "content-type": "text/plain",
            "x-amz-object-lock-mode": lock.mode.upper(),
            "x-amz-object-lock-retain-until-date": f"{lock.until:%Y-%m-%dT%H:%M:%SZ}",
        }
        self._send("PUT", f"/{quote(self.place.folder + name)}", headers, body)

    def versions(self) -> Iterator[Version]:
        """List every version of every object in the folder, page by page."""
        more: Mapping[str, str] = {}
        while True:
            query = urlencode({"versions": "", "prefix": self.place.folder, **more})
            page = ElementTree.fromstring(self._send("GET", f"/?{query}"))
            for found in page.iterfind("{*}Version"):
                yield Version(_text(found, "Key"), _text(found, "VersionId"))
            if _text(page, "IsTruncated") != "true":
                return
            more = {
                "key-marker": _text(page, "NextKeyMarker"),
                "version-id-marker": _text(page, "NextVersionIdMarker"),
            }

    def get(self, found: Version) -> bytes:
        """Read one version of an object."""
        return self._send("GET", f"/{quote(found.key)}?{urlencode({'versionId': found.version})}")

    def locks(self) -> bool:
        """Whether objects of the bucket can be locked."""
        try:
            return b"<ObjectLockEnabled>Enabled<" in self._send("GET", "/?object-lock=")
        except BucketError as refusal:
            if refusal.code == "ObjectLockConfigurationNotFoundError":
                return False
            raise

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def _send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> bytes:
        url = httpx2.URL(self.place.url + target)
        sent = url.raw_path.decode("ascii")
        proved = signed(
            method, _host(url), sent, headers or {}, body, self._credentials, datetime.now(UTC)
        ) | {"content-length": str(len(body))}
        waits = dict.fromkeys(("connect", "read", "write", "pool"), _WAIT_S)
        request = httpx2.Request(method, url, headers=proved, content=body, extensions={"timeout": waits})
        answer = self._transport.handle_request(request)
        try:
            said = answer.read()
        finally:
            answer.close()
        if not 200 <= answer.status_code < 300:
            code = _NAMED.search(said[:4096].decode("ascii", "replace"))
            raise BucketError(answer.status_code, code[1] if code else "")
        return said


def _host(url: httpx2.URL) -> str:
    host = url.raw_host.decode("ascii")
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{url.port}" if url.port else host


def _text(node: ElementTree.Element, name: str) -> str:
    return node.findtext(f"{{*}}{name}") or ""


def why(failure: Exception) -> str:
    """What kept a request from its bucket, in words that hold nothing of it."""
    return str(failure) if isinstance(failure, BucketError | Refused) else type(failure).__name__
