"""The world's numbering plans, read from libphonenumber's metadata only when a candidate needs them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

_TYPES = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost",
    "personal_number", "voip", "pager", "uan", "voicemail",
)  # fmt: skip


def _patterns(region: str, code: int) -> list[str]:
    """The patterns of valid national numbers of every type of line in one region."""
    from phonenumbers import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    found = [getattr(metadata, name) for name in _TYPES] if metadata else []
    return [
        desc.national_number_pattern for desc in found if desc is not None and desc.national_number_pattern
    ]


def _fits(*plans: tuple[str, int]) -> Callable[[bytes], object]:
    """What tells the national numbers of some regions, each with its calling code.

    Types of line and regions share many patterns: each is compiled once.
    """
    patterns = dict.fromkeys(pattern for plan in plans for pattern in _patterns(*plan))
    return re.compile("|".join(patterns).encode("ascii") or rb"(?!)").fullmatch


@cache
def _lengths(region: str, code: int) -> frozenset[int]:
    from phonenumbers import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    general = metadata.general_desc if metadata else None
    return frozenset(general.possible_length if general else ())


@cache
def _regions() -> dict[int, tuple[str, ...]]:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return dict(COUNTRY_CODE_TO_REGION_CODE)


@cache
def code_of(region: str) -> int:
    """The calling code of a region."""
    return next(code for code, regions in _regions().items() if region in regions)


@cache
def _codes() -> dict[bytes, int]:
    return {b"%d" % code: code for code in _regions()}


def country_code(number: bytes) -> int:
    """How many digits of an international number are its calling code (ITU-T E.164), 0 where it has none."""
    known = _codes()
    for size in (1, 2, 3):
        if number[:size] in known:
            return size
    return 0


@cache
def _plan(start: bytes) -> tuple[int, Callable[[bytes], object], bytes] | None:
    """The size of the calling code that three digits begin with, what tells its numbers, what may stand before them.

    A number is one that some operator has, in whichever of the regions of the code.
    """
    size = country_code(start)
    if not size:
        return None
    code = _codes()[start[:size]]
    # Mexico's mobiles had a 1 before them until 2019, and address books have it still.
    return size, _in_use(code), b"1" if code == 52 else b"0"


@cache
def _in_use(code: int) -> Callable[[bytes], object]:
    return _fits(*((region, code) for region in _regions()[code]))


def valid(number: bytes) -> bool:
    """Whether an international number (digits only) is in a range that some operator has."""
    plan = _plan(number[:3])
    if plan is None:
        return False
    size, fits, spare = plan
    rest = number[size:]
    return bool(fits(rest) or (rest.startswith(spare) and fits(rest[1:])))


def possible(number: bytes) -> bool:
    """Whether an international number has a calling code and a length that its country uses."""
    size = country_code(number)
    if not size:
        return False
    return len(number) - size in _used_lengths(_codes()[number[:size]])


@cache
def _used_lengths(code: int) -> frozenset[int]:
    """The lengths of national numbers in the first region of a calling code."""
    return frozenset(length for region in _regions()[code][:1] for length in _lengths(region, code))


def sizes(number: bytes) -> frozenset[int]:
    """How many digits the international numbers with the calling code of a number may have."""
    return _sizes(number[:3])


@cache
def _sizes(start: bytes) -> frozenset[int]:
    code = start[: country_code(start)]
    known = _codes().get(code)
    if known is None:
        return frozenset()
    lengths = {length + len(code) for region in _regions()[known] for length in _lengths(region, known)}
    return frozenset(lengths | {length + 1 for length in lengths})  # a trunk digit may be left in


def _without_trunk(number: bytes) -> bytes:
    """The number without the trunk 0 that people leave in after a calling code: +44 (0)20."""
    return number[1:] if number[:1] == b"0" else b""


@cache
def _trunk(region: str) -> bytes:
    """What is dialled before a national number inside a region: 0 in most, 8, 06 or 1 in some."""
    from phonenumbers import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region)
    return (metadata.national_prefix or "").encode("ascii") if metadata else b""


@cache
def _writings(regions: frozenset[str]) -> list[tuple[Callable[[bytes], object], bytes]]:
    """What tells the national numbers of each of some regions, and its trunk prefix."""
    return [(_national_in((region,)), _trunk(region)) for region in regions]


def written_in(number: bytes, regions: frozenset[str]) -> bool:
    """Whether the digits of a number, with the trunk prefix of one of some regions or without, are valid there."""
    for fits, trunk in _writings(regions):
        if fits(number) or (trunk and number.startswith(trunk) and fits(number[len(trunk) :])):
            return True
    return False


@cache
def _national_in(regions: tuple[str, ...]) -> Callable[[bytes], object]:
    """What tells the national numbers of some regions."""
    return _fits(*((region, code_of(region)) for region in regions))


def valid_in(number: bytes, *regions: str) -> bool:
    """Whether a national number, written with its trunk prefix or without, is valid in one of some regions."""
    fits = _national_in(regions)
    return bool(fits(number) or fits(_without_trunk(number)))
