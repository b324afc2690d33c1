"""Where a text is the target of a link or an image: an original put there would leave with the request for it.

A reader's program fetches images by itself, and links when it shows a preview or somebody clicks. So nothing is
restored into: the target of Markdown's `](…)` and `[x]: <…>`, an HTML attribute that holds a URL, CSS `url(…)`, a
quoted URL, and a bare one up to the next white space (GFM 6.9), with a scheme or without, plain or escaped in JSON.
"""

from __future__ import annotations

import re

OPAQUE = "_"
"""What a placeholder that stays is for those who follow a text: ink, no bracket."""

_LONGEST_INK = 2048
"""A longer run without white space is taken for a target: nobody writes prose so."""

_FLUSH = 4096
_LOOK_BACK = 64

_ATTRIBUTE = (
    r"(?<![A-Za-z0-9])(?:src|href|srcset|imagesrcset|action|formaction|poster|background|cite|longdesc|ping|style"
    r"|lowsrc|dynsrc|manifest|codebase|usemap)"
)
_SCHEME = r"(?<![A-Za-z0-9])(?:https?|ftp|wss?|mailto|javascript|vbscript|blob):"
_BEGINS = rf"(?:\\?/){{2}}|{_SCHEME}|(?<![A-Za-z0-9])[a-z][a-z0-9+.-]+:\\\\|(?<![A-Za-z0-9])www\."
_HOST = r"(?<![a-z0-9.@-])(?:[a-z0-9-]{1,63}\.)+[a-z]{2,24}(?::[0-9]{1,5})?[/?#]"
_URL = re.compile(rf"(?i){_BEGINS}|{_HOST}|(?P<attribute>{_ATTRIBUTE}=(?![\"'\\]))")
_HOST_FOLLOWS = re.compile(r"(?i)(?:\.[a-z0-9-]{1,63}){1,8}\.[a-z]{2,24}(?![a-z0-9-])")

_MARK = re.compile(
    rf"""(?is)(?P<url>{_BEGINS})|(?P<quote>\\?["'`])|\\.|(?P<link>\]\()|(?P<sign>[()<>])|(?P<end>\n\n)"""
)
_OPENS_VALUE = re.compile(r"(?:=|[uU][rR][lL]\() ?\Z|=\n\n?\Z")
_OPENS_TARGET = re.compile(rf"(?i)(?:{_ATTRIBUTE}\s{{0,2}}=|url\()\s{{0,2}}\Z")
_OPENS_ANGLE = re.compile(r"\](?:\(|:)\s{0,2}\Z")
_BLANKS = re.compile(r"[\t\r\n\f\v][ \t\r\n\f\v]*| [ \t\r\n\f\v]+")
"""Runs of white space that are not the one blank as which they are read."""

_LAST_INK = re.compile(r"[^ \t\r\n\f\v]*\Z")
_UNFINISHED = re.compile(r"(?:[A-Za-z0-9+.-]{0,16}[:\\/]{0,3}|\]|\\)\Z")
_CLOSING = {"<": ">", '"': '"', "'": "'", "`": "`"}


def host_follows(text: str, position: int) -> bool:
    """Whether what stands at a position makes a host name of what stands before it: `.example.org`."""
    return _HOST_FOLLOWS.match(text, position) is not None


class Targets:
    """Follow a text from its beginning; `inside` says whether what comes next would stand in a target.

    The answer depends on the text so far alone, not on how it was fed; a bounded tail of the text is kept.
    """

    __slots__ = ("_angle", "_at", "_css", "_depth", "_ink", "_new", "_quoted", "_sure", "_text", "_value")

    def __init__(self) -> None:
        self._new = ""  # not looked at yet
        self._text = ""  # the last characters that were, runs of white space as one
        self._at = 0  # where the unfinished mark at its end begins
        self._ink = ""  # what stands since the last white space
        self._depth = 0  # of parentheses in a link's target
        self._angle = self._css = False  # whether in the `<…>` of a target, in `url(…)`
        self._value = ""  # the quote around an attribute's value
        self._sure = False  # whether that value is a target
        self._quoted = ""  # the quote around a URL

    def feed(self, text: str) -> None:
        """Take the next piece of the text."""
        self._new += text
        if len(self._new) > _FLUSH:
            self.settle()

    def settle(self) -> None:
        """Look at what was fed, and forget it but for a tail."""
        self._look(final=False)

    @property
    def inside(self) -> bool:
        """Whether the next character, which is no white space, would stand in a target."""
        self._look(final=True)
        if self._depth or self._angle or self._css or self._quoted or (self._value and self._sure):
            return True
        return len(self._ink) > _LONGEST_INK or _open_url(self._ink)

    def _look(self, *, final: bool) -> None:
        ink = _LAST_INK.search(self._new)
        assert ink is not None
        self._ink = (ink.group() if ink.start() else self._ink + ink.group())[: _LONGEST_INK + 1]
        text = _BLANKS.sub(_one_blank, self._text + self._new)
        end = len(text.rstrip())
        if not final:
            unfinished = _UNFINISHED.search(text, 0, end)
            assert unfinished is not None
            end = unfinished.start()
        at = end
        for mark in _MARK.finditer(text, self._at):
            if mark.start() >= end and not final:
                break
            self._take(mark, text)
            at = max(end, mark.end())  # of four slashes the second pair is no mark of its own
        keep = max(0, end - _LOOK_BACK)
        self._text, self._at, self._new = text[keep:], at - keep, ""

    def _take(self, mark: re.Match[str], text: str) -> None:
        before = text[max(0, mark.start() - _LOOK_BACK) : mark.start()]
        if mark["url"]:
            self._begin_url(before.rstrip())
        elif mark["quote"]:
            self._turn_quote(mark["quote"], before)
        elif mark["link"]:
            self._depth += 1
        elif mark["sign"]:
            self._turn_sign(mark["sign"], before)
        elif mark["end"]:
            self._depth, self._angle, self._css = 0, False, False

    def _begin_url(self, before: str) -> None:
        self._sure = self._sure or bool(self._value)
        if before[-1:] in ('"', "'", "`") and before and not self._quoted:
            self._quoted = before[-2:] if before[-2:-1] == "\\" else before[-1]

    def _turn_quote(self, quote: str, before: str) -> None:
        if self._quoted and quote in (self._quoted, self._quoted[-1]):
            self._quoted = ""
        if self._value:
            if quote in (self._value, self._value[-1]):
                self._value = ""
        elif _OPENS_VALUE.search(before):
            self._value, self._sure = quote, _OPENS_TARGET.search(before) is not None

    def _turn_sign(self, sign: str, before: str) -> None:
        if sign == "<":
            self._angle = self._angle or _OPENS_ANGLE.search(before) is not None
        elif sign == ">":
            self._angle = False
        elif self._angle:
            return
        elif sign == "(":
            self._depth += bool(self._depth)
            self._css = self._css or before[-3:].lower() == "url"
        else:
            self._depth -= bool(self._depth)
            self._css = False


def _one_blank(run: re.Match[str]) -> str:
    return ("\n\n", "\n", " ")[max(0, 2 - run.group().count("\n"))]


def _open_url(ink: str) -> bool:
    """Whether a URL that begins in a run without white space goes on at its end."""
    at = 0
    while match := _URL.search(ink, at):
        opening = "<" if match["attribute"] else ink[match.start() - 1 : match.start()]
        closing = _CLOSING.get(opening)
        end = ink.find(closing, match.end()) if closing else -1
        if end < 0:
            return True
        at = end + 1
    return False
