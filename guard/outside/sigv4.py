"""Sign requests to S3-compatible stores: AWS Signature Version 4, with the signature in the Authorization header.

Source: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote

from pydantic import SecretStr

_ALGORITHM = "AWS4-HMAC-SHA256"
_KEPT = "-_.~"
"""What is not percent-encoded beside letters and digits (RFC 3986, 2.3)."""


class Credentials(NamedTuple):
    """Who signs, and for which region; secret and session token (of temporary keys) are masked in every repr."""

    key_id: str
    secret: SecretStr
    region: str
    service: str = "s3"
    token: SecretStr | None = None


def signed(
    method: str,
    host: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    credentials: Credentials,
    now: datetime,
) -> dict[str, str]:
    """Give the headers of a request with its date, its body's hash and the signature over all of them.

    `target` is path and query as they are sent; `host` as the Host header says it; `now` is UTC.
    """
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    body_hash = hashlib.sha256(body).hexdigest()
    every = {**headers, "host": host, "x-amz-content-sha256": body_hash, "x-amz-date": stamp}
    # Signed like the others: IAM User Guide, "Create a signed AWS API request".
    if credentials.token is not None:
        every["x-amz-security-token"] = credentials.token.get_secret_value()
    lines = {name.lower(): " ".join(every[name].split()) for name in sorted(every, key=str.lower)}
    names = ";".join(lines)
    path, _, query = target.partition("?")
    request = "\n".join(
        [
            method,
            quote(unquote(path), safe="/" + _KEPT),
            _query(query),
            *(f"{name}:{value}" for name, value in lines.items()),
            "",
            names,
            body_hash,
        ]
    )
    scope = f"{now:%Y%m%d}/{credentials.region}/{credentials.service}/aws4_request"
    text = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    signature = hmac.new(_key(credentials, scope), text.encode(), hashlib.sha256).hexdigest()
    proof = (
        f"{_ALGORITHM} Credential={credentials.key_id}/{scope},SignedHeaders={names},Signature={signature}"
    )
    return {**every, "authorization": proof}


def _query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(sorted(f"{quote(name, safe=_KEPT)}={quote(value, safe=_KEPT)}" for name, value in pairs))


def _key(credentials: Credentials, scope: str) -> bytes:
    """The signing key of one day, region and service: a chain of HMACs over the parts of the scope."""
    key = b"AWS4" + credentials.secret.get_secret_value().encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
