"""A value as text for eyes and spreadsheets: nothing in it steers a terminal or runs as a formula."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any


def cell(value: Any) -> str:
    """A value as text that cannot steer a terminal: what does not print is written as its code."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ", "milliseconds")
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def csv_cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection): full-width signs are signs, too."""
    if value is None or isinstance(value, int | float):
        return value
    return _BEGINS.sub("'", cell(value))


# Where the list separator is a semicolon, a cell may begin behind each one, quoted by a comma's rules or not.
_BEGINS = re.compile(r"^(?= *[=+\-@＝＋－＠])|(?<=;)(?=[ \"']*[=+\-@＝＋－＠])")


def plain(text: str) -> str:
    """A JSON text that cannot steer a terminal: what does not print is escaped, as JSON may have it anyway."""
    return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)
