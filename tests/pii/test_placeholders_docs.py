"""docs/placeholders.md tells every family of fakes and every tolerated spelling."""

from __future__ import annotations

import re
from pathlib import Path

from guard.keys import Keys
from guard.pii.fakes import FAMILIES
from guard.pii.mapping import Mapping
from guard.pii.placeholders import FORMS
from guard.types import Redaction

PAGE = (Path(__file__).parents[2] / "docs" / "placeholders.md").read_text(encoding="utf-8")


def test_every_form_and_family_is_on_the_page() -> None:
    """A form or a kind with a range of its own that is missing there fails here."""
    for name in (*FORMS, *FAMILIES, "pii.person", "pii.address", "pii.place", "pii.org"):
        assert f"`{name}`" in PAGE, name


def test_the_spellings_on_the_page_are_restored() -> None:
    """Each spelling that the page lists for `<EMAIL_1>` comes back as the original."""
    mapping = Mapping(Keys(b"test"))
    mapping.placeholder("pii.email", "jane@corp.de", Redaction("token", restore=True))
    listed = re.search(r"These stand for `<EMAIL_1>`: (.*?)\. Without", PAGE, re.DOTALL)
    assert listed
    spellings = re.findall(r"`([^`]+)`", listed.group(1))
    assert len(spellings) >= 8
    assert [mapping.restore(spelling) for spelling in spellings] == ["jane@corp.de"] * len(spellings)
