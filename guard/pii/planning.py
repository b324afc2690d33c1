"""How national telephone numbers are written, by region: the rules behind `plan_shapes.py`, made by this module.

`python -m guard.pii.planning > guard/pii/plan_shapes.py` writes the table anew (libphonenumber as installed).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

_LEAST = 6
_SIGN = re.compile(r"[0-9]")


def _widths(pattern: str) -> Iterator[tuple[int, ...]]:
    """Every choice of group sizes that a format's pattern takes."""
    import re._parser as parser  # type: ignore[import-not-found,unused-ignore]

    groups = [item[1][3] for item in parser.parse(pattern) if str(item[0]) == "SUBPATTERN" and item[1][0]]
    return product(
        *(range(low, min(high, low + 4) + 1) for low, high in (group.getwidth() for group in groups))
    )


def _written(form: str, sizes: tuple[int, ...]) -> str:
    """A format with a # for each digit."""
    return re.sub(r"\\([0-9])", lambda match: "#" * sizes[int(match[1]) - 1], form)


def _forms(form: Any) -> Iterator[str]:
    """The format of one range of numbers, without and with the national prefix."""
    yield form.format
    if form.national_prefix_formatting_rule:
        yield form.format.replace("\\1", form.national_prefix_formatting_rule, 1)


def _region_shapes(metadata: Any) -> set[str]:
    """The shapes of a region's numbers, but for those that other numbers have too."""
    shapes = set()
    for form in metadata.number_format:
        for sizes in _widths(form.pattern):
            for text in _forms(form):
                if len(sizes) == form.format.count("\\"):
                    shapes.add(_SIGN.sub("#", _written(text, sizes)))
    return {shape for shape in shapes if _counts(shape)}


def _counts(shape: str) -> bool:
    sizes = [len(group) for group in re.findall("#+", shape)]
    if len(sizes) < 2 or not _LEAST <= sum(sizes) <= 12 or not set(shape) <= set("# -./()"):
        return False
    return len(sizes) > 2 or (sum(sizes) > _LEAST and sizes[0] < 5 and sizes[1] > 3)


def table() -> dict[str, str]:
    """Each shape with the regions that write so."""
    from phonenumbers import SUPPORTED_REGIONS, PhoneMetadata

    found: dict[str, set[str]] = {}
    for region in SUPPORTED_REGIONS:
        for shape in _region_shapes(PhoneMetadata.metadata_for_region(region)):
            found.setdefault(shape, set()).add(region)
    return {shape: " ".join(sorted(regions)) for shape, regions in sorted(found.items())}


def source() -> str:
    """The text of `plan_shapes.py`."""
    from phonenumbers import __version__

    lines = [
        "# ruff: noqa: E501",
        f'"""The shapes of national telephone numbers, made by guard.pii.planning (libphonenumber {__version__})."""',
        "",
        "SHAPES: dict[str, str] = {",
        *(f'    "{shape}": "{regions}",' for shape, regions in table().items()),
        "}",
        '"""# for a digit: the regions whose numbers are written so."""',
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(source(), end="")
