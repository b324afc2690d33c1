"""A value as text for eyes and spreadsheets: nothing in it steers a terminal or runs as a formula."""

from __future__ import annotations

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
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    if value is None or isinstance(value, int | float):
        return value
    text = cell(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
