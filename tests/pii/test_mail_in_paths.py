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


@pytest.mark.parametrize("ending", ["txt", "pdf", "tar.gz", "docx", "csv"])
def test_a_file_named_after_a_person_is_found_without_its_ending(ending: str) -> None:
    """B21: a file's name: the address in front of the ending is found, and the ending is no part of it."""
    text = f"{MAIL}.{ending}"
    assert [(f.kind, text[f.start : f.end]) for f in Scanner().scan(text)] == [("pii.email", MAIL)]


@pytest.mark.parametrize(
    "name", ["icon@2x.png", "vue@2.6.14.min.js", "icon@2x.de.png", "x@4.17.21.tar.gz", "a@b.txt"]
)
def test_a_version_or_a_scale_before_an_ending_is_no_address(name: str) -> None:
    """Packages and pictures are named with an @ too."""
    assert Scanner().scan(name) == []
