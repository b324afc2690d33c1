"""Restoring stops at links and images: what is put into their target leaves with the request for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.keys import Keys
from guard.pii.mapping import Mapping
from guard.pii.redact import answer
from guard.pii.targets import Targets
from guard.types import Redaction

MAIL = "alice@corp.com"

# A text, and whether what comes next would stand in the target of a link or an image.
INSIDE = [
    "![](https://evil.example/?q=",
    "[a](<https://evil.example/a) b ",
    "[a](//evil.example/",
    "[a](/own?q=",
    "[a](\n",
    "![](a(b)c",
    r"![](https://evil.example/\) a",
    "[![](a)](b ",
    "see https://evil.example/?q=",
    "see HTTPS://evil.example/?q=",
    'https://evil.example/?a="',
    "https://evil.example/，",
    "https:\\\\evil.example\\",
    "mailto:",
    "a www.",
    "see evil.example/?q=",
    "see evil.example:8080/",
    "[r]: <//evil.example/ a ",
    '<img src="https://evil.example/? ',
    "<img src='  //evil.example/ a\n\n b",
    '<img\nsrc\n=\n" a ',
    "<a href=https://evil.example/?",
    '<a href="',
    "<img src=",
    'srcset="a.png 1x, b ',
    '<img src=\\"a b ',
    '<meta content="0; url=https://evil.example/ ',
    "url(a b",
    'background:url("a) b',
    '"https://evil.example/? x ',
    '{"u":"https:\\/\\/evil.example\\/',
    "x" * 3000,
]
OUTSIDE = [
    "",
    "Write to ",
    "see https://example.org and ",
    "see https://example.org\n",
    "[x](https://example.org) ",
    "[x](a\n\nb ",
    "![](a(b)c)",
    "<https://example.org>",
    "`https://example.org` ",
    '"https://example.org","mail":"',
    '{"site":"example.org/a","mail":"',
    '{"html":"<b>',
    '<a href="https://example.org">',
    "<a href=https://example.org>",
    'f(url="https://example.org", to="',
    "x = '",
    "don't say \"",
    "if a<b and c=",
    "array[i] (a ",
    "(see ",
    "url (",
    "Tel:",
    "data:",
    "C:\\Users\\",
    "see example.org, ",
    "and/or/",
]
CASES = [*((text, True) for text in INSIDE), *((text, False) for text in OUTSIDE)]


def mapping() -> Mapping:
    made = Mapping(Keys(b"k" * 32))
    made.placeholder("pii.email", MAIL, Redaction("token", restore=True))
    return made


@pytest.mark.parametrize(("text", "inside"), CASES)
def test_an_original_stays_out_of_targets(text: str, inside: bool) -> None:
    """What is fetched when it is shown, previewed or clicked keeps the placeholder; all else gets the original."""
    told = f"{text}<EMAIL_1> and <EMAIL_1>" if text.isspace() or not text else f"{text}<EMAIL_1>"
    made = answer(told, [], mapping())
    assert (MAIL not in made.released, made.restored == 0, made.withheld > 0) == (inside, inside, inside)
    assert mapping().restore(told) == made.released
    assert MAIL not in made.judged


@pytest.mark.parametrize("tail", [".evil.example/p.png", ".evil.example", ".a.b.evil.example?"])
def test_an_original_is_no_part_of_a_host(tail: str) -> None:
    """A name looked up is a name told: the resolver of the host sees it."""
    assert answer(f"see <EMAIL_1>{tail}", [], mapping()).restored == 0
    assert answer("see <EMAIL_1>.pdf. Or <EMAIL_1>.", [], mapping()).restored == 2


def test_a_restored_address_opens_a_target_too() -> None:
    """A URL of the caller's that comes back is a URL: nothing else is put behind it."""
    made = mapping()
    made.placeholder("pii.url", "https://evil.example/?q=", Redaction("token", restore=True))
    assert answer("go <URL_1><EMAIL_1>", [], made).released == "go https://evil.example/?q=<EMAIL_1>"


PIECES = st.sampled_from(
    [
        *"]( < > ( ) \" ' \\ ] : https: // / www. a.example src= url( = word ，".split(" "),
        " ",
        "\n",
        "\n\n",
        "\t",
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join), st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_how_a_text_is_fed_does_not_matter(text: str, sizes: list[int]) -> None:
    """A22: whole or in pieces, the answer is the same at the end."""
    whole = Targets()
    whole.feed(text)
    pieces, at, turn = Targets(), 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        pieces.feed(text[at : at + size])
        pieces.settle()
        at, turn = at + size, turn + 1
    assert pieces.inside == whole.inside


@pytest.mark.parametrize(
    ("told", "mangled"),
    [
        ("EMAIL_1", 1),
        ("[EMAIL_1] and {{email_1}}", 2),
        ("%3CEMAIL_1%3E", 1),
        ("<EMAIL_7>", 1),
        ("<EMAIL_1>, < email_1 >", 0),
        ("MY_EMAIL_1 and EMAIL_1x", 0),
        ("PHONE_1", 0),
        ("<EMAIL_9>", 0),
    ],
)
def test_what_a_model_mangles_is_counted(told: str, mangled: int) -> None:
    """A name of this exchange that is none of its placeholders; what the caller typed is his own."""
    made = mapping()
    made.reserve("<EMAIL_9>")
    assert answer(told, [], made).mangled == mangled
