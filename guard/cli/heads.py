"""Heads that were kept elsewhere, for `guard audit verify`: a folder as it is, a bucket read into one."""

from __future__ import annotations

import posixpath
import re
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from guard.cli.desk import heads_of
from guard.errors import GuardError, SetupError
from guard.trace.heads import SUFFIX

if TYPE_CHECKING:
    from guard.outside.buckets import Bucket, Version

_AT_ONCE = 16
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,150}")


@contextmanager
def heads_folder(named: str | None) -> Iterator[Path | None]:
    """Give the place of heads that was named, else that of this installation where it is a folder.

    A bucket is read whole, with every version of its objects: what was put over a head, or hidden under a delete
    marker, stands beside it. Raises SetupError where it cannot be read.
    """
    from guard.elsewhere import is_bucket

    if named is None or not is_bucket(named):
        yield Path(named) if named else heads_of()
        return
    with tempfile.TemporaryDirectory(prefix="guard-heads-") as folder:
        _read(named, Path(folder))
        yield Path(folder)


def _read(named: str, into: Path) -> None:
    import httpx2

    from guard.outside.buckets import why

    bucket = _open(named)

    def keep(path: Path, found: Version) -> None:
        path.write_bytes(bucket.get(found))

    try:
        with ThreadPoolExecutor(_AT_ONCE) as readers:
            places = _places(bucket.versions(), into)
            list(readers.map(keep, places, places.values()))
    except (GuardError, httpx2.HTTPError, ElementTree.ParseError) as failure:
        raise SetupError(f"--heads: the bucket cannot be read ({why(failure)})") from None
    finally:
        bucket.close()


def _places(versions: Iterable[Version], into: Path) -> dict[Path, Version]:
    """A file for each version of a head; only a name that cannot be one of ours is replaced."""
    places: dict[Path, Version] = {}
    for found in versions:
        name, suffix = posixpath.splitext(posixpath.basename(found.key))
        if suffix == SUFFIX:
            path = into / f"{name if _PLAIN.fullmatch(name) else 'object'}{SUFFIX}"
            places[path.with_stem(f"{path.stem}~{len(places)}") if path in places else path] = found
    return places


def _open(named: str) -> Bucket:
    """The bucket through the gate of this installation's policy, with the reader's own access key."""
    from guard.elsewhere import admit_under, open_bucket
    from guard.outside.buckets import address
    from guard.policy.load import load_policy
    from guard.settings import Settings

    settings = Settings()
    admit = admit_under(load_policy(settings.policy), address(named).url)
    return open_bucket(named, settings, admit)
