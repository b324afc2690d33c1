"""A small S3-like store on this machine: it checks each signature itself, keeps versions, and honours locks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY_ID, SECRET, REGION = "AKIAEXAMPLE", "wJalr/EXAMPLE+KEY", "us-east-1"

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass
class Stored:
    """One version of an object, or a delete marker (no body)."""

    key: str
    version: str
    body: bytes | None
    mode: str = ""
    until: datetime | None = None


@dataclass
class Store:
    """The bucket `audit`: `fails` answers come first; `locking` and `telling` say what it can do and tell.

    With a `token` the key is a temporary one: each request must bring and sign it.
    """

    url: str = ""
    stored: list[Stored] = field(default_factory=list)
    fails: list[int] = field(default_factory=list)
    locking: bool = True
    telling: bool = True
    page: int = 3
    asked: int = 0
    token: str = ""

    def names(self) -> list[str]:
        return [row.key for row in self.stored]

    def delete(self, key: str, version: str = "") -> int:
        """As DELETE does it: a marker hides an object, and a version under a lock stays."""
        if not version:
            self.stored.append(Stored(key, f"v{len(self.stored)}", None))
            return 204
        row = next(row for row in self.stored if (row.key, row.version) == (key, version))
        if row.until and row.until > datetime.now(UTC):
            return 403
        self.stored.remove(row)
        return 204


def _signature(command: str, target: str, headers: Any, body: bytes) -> str:
    """The signature that a request must have, from what arrived."""
    scope, signed, _ = (
        part.partition("=")[2] for part in headers["authorization"].split(" ", 1)[1].split(",")
    )
    path, _, query = target.partition("?")
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in signed.split(";"))
    parts = [
        command,
        path,
        "&".join(sorted(query.split("&"))),
        lines,
        signed,
        hashlib.sha256(body).hexdigest(),
    ]
    request = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    day, region, service, end = scope.split("/")[1:]
    key = ("AWS4" + SECRET).encode()
    for step in (day, region, service, end):
        key = hmac.digest(key, step.encode(), "sha256")
    text = "\n".join(
        ["AWS4-HMAC-SHA256", headers["x-amz-date"], "/".join((day, region, service, end)), request]
    )
    return hmac.digest(key, text.encode(), "sha256").hex()


class _Handler(http.server.BaseHTTPRequestHandler):
    store: Store

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self._admitted(body):
            return
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        if self.headers["content-md5"] != md5:
            return self._say(400, "BadDigest")
        if not self.store.locking:
            return self._say(400, "InvalidRequest")
        key = unquote(urlsplit(self.path).path).removeprefix("/audit/")
        until = datetime.fromisoformat(self.headers["x-amz-object-lock-retain-until-date"])
        mode = self.headers["x-amz-object-lock-mode"]
        self.store.stored.append(Stored(key, f"v{len(self.store.stored)}", body, mode, until))
        self._say(200)

    def do_GET(self) -> None:
        if not self._admitted(b""):
            return
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        if "object-lock" in query:
            self._lock()
        elif "versions" in query:
            self._versions(query)
        else:
            key = unquote(url.path).removeprefix("/audit/")
            found = [r for r in self.store.stored if (r.key, r.version) == (key, query["versionId"])]
            self._say(200, body=found[0].body) if found else self._say(404, "NoSuchVersion")

    def _admitted(self, body: bytes) -> bool:
        self.store.asked += 1
        if self.store.fails:
            self._say(self.store.fails.pop(0), "SlowDown")
        elif not self.headers["authorization"].endswith(
            _signature(self.command, self.path, self.headers, body)
        ):
            self._say(403, "SignatureDoesNotMatch")
        elif KEY_ID not in self.headers["authorization"]:
            self._say(403, "InvalidAccessKeyId")
        elif self.store.token and not self._brings_token():
            self._say(403, "InvalidToken")
        else:
            return True
        return False

    def _brings_token(self) -> bool:
        names = self.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        token = "x-amz-security-token"
        return self.headers[token] == self.store.token and token in names

    def _lock(self) -> None:
        if not self.store.telling:
            return self._say(403, "AccessDenied")
        if not self.store.locking:
            return self._say(404, "ObjectLockConfigurationNotFoundError")
        self._say(
            200, body=f'<C xmlns="{_NAMESPACE}"><ObjectLockEnabled>Enabled</ObjectLockEnabled></C>'.encode()
        )

    def _versions(self, query: dict[str, str]) -> None:
        rows = [row for row in self.store.stored if row.key.startswith(query["prefix"])]
        rows.sort(key=lambda row: (row.key, row.version))
        after = (query.get("key-marker", ""), query.get("version-id-marker", ""))
        rows = [row for row in rows if (row.key, row.version) > after]
        shown, more = rows[: self.store.page], len(rows) > self.store.page
        body = "".join(
            f"<{(name := 'Version' if row.body is not None else 'DeleteMarker')}><Key>{row.key}</Key>"
            f"<VersionId>{row.version}</VersionId></{name}>"
            for row in shown
        )
        if more:
            body += f"<NextKeyMarker>{shown[-1].key}</NextKeyMarker>"
            body += f"<NextVersionIdMarker>{shown[-1].version}</NextVersionIdMarker>"
        body += f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        self._say(200, body=f'<ListVersionsResult xmlns="{_NAMESPACE}">{body}</ListVersionsResult>'.encode())

    def _say(self, status: int, code: str = "", body: bytes | None = None) -> None:
        body = body if body is not None else f"<Error><Code>{code}</Code></Error>".encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running() -> Iterator[Store]:
    """Serve a fresh store on a free port."""
    store = Store()
    handler = type("Handler", (_Handler,), {"store": store})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    store.url = f"s3+http://127.0.0.1:{server.server_port}/audit"
    thread = threading.Thread(target=lambda: server.serve_forever(0.01))
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
