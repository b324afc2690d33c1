"""An address in the path of a URL is an address; what stands before the host is a user name."""

from __future__ import annotations

import pytest

from guard.pii.scan import Scanner

MAIL = "kanari.vogel@zwitscher-post.org"


@pytest.mark.parametrize(
    "text",
    [
        f"POST http://127.0.0.1:37477/v1/{MAIL}/files",
        f"https://shop.example-x.org/users/{MAIL}/edit",
        f"GET /v1/{MAIL}/files HTTP/1.1",
        f"a/b/{MAIL}",
    ],
)
def test_an_address_in_a_path_is_found(text: str) -> None:
    """D06: request lines of logs carry addresses in their paths; exactly the address is marked."""
    found = Scanner().scan(text)
    assert [(f.kind, text[f.start : f.end]) for f in found] == [("pii.email", MAIL)]


@pytest.mark.parametrize("text", ["ssh://git@zwitscher-post.org/x", "https://user@zwitscher-post.org/a"])
def test_a_user_name_before_a_host_is_no_address(text: str) -> None:
    """The user part of a URL (RFC 3986, 3.2.1) names an account at that host, not a mailbox."""
    assert Scanner().scan(text) == []
