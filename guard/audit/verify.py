"""Verify exports: nothing changed, removed, inserted, reordered or cut, by the folder and the public key alone.

What cannot be known from them is said in `notes`: records after the last signed head, whether the end of a
file that was not ended well (its process was killed, or still writes) is its real end, and whether files newer
than the newest were removed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from guard.audit.chainfile import ChainFile, Problem, hash_line, read_chain
from guard.audit.damage import Damage, records_named
from guard.audit.deletions import Deleted, deletions
from guard.audit.outside import Kept, compare, read_heads
from guard.audit.quick import quick
from guard.audit.streamed import streamed, unmarked
from guard.trace import chain
from guard.trace.chain import Entry, Link
from guard.trace.signing import Verifier, load_verifiers

_BLOCK = 1024 * 1024

_NEWEST = "no outside copy of a head was given: whether newer files were removed cannot be known"
_KEPT = "heads kept elsewhere were compared: what was written after the newest of them may still be missing"
_VERSION = (
    "its .chain file is of a version that is not known here: take the guard that wrote it, or a newer one"
)
_ALONE = "one file alone: its links to other files were not checked"

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked and what was found: `signed` of the `records` are there as a signature proves them.

    Notes are no problems: they say what cannot be known.
    """

    files: int
    records: int
    signed: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every record is as it was written, as far as the folder and the key can tell."""
        return not self.problems


@dataclass(slots=True)
class _Checked:
    """One export after its own check, kept for the links between files."""

    chain: ChainFile
    problems: list[Problem]
    records: int = 0
    signed: int = 0
    torn: int = 0
    lost: list[tuple[int, int]] = field(default_factory=list)
    beyond: dict[int, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether every record is proved."""
        return not self.problems and self.signed == self.records

    def agrees(self, point: Link | Entry) -> bool | None:
        """Whether a record is what somebody else says of it, also after the last one chained; None without one."""
        if (digest := self.beyond.get(point.seq)) is not None:
            return digest == point.digest
        return self.chain.agrees(point)


def verify(
    exports: Path, public_key: bytes, progress: Progress | None = None, heads: Path | None = None
) -> Report:
    """Check a folder of exports, or one export file, against the chain and the public key (PEM; one or more).

    `heads` is the second place of signed heads (GUARD_HEADS): with it a cut tail and a lost newest file show.

    Memory grows by about 32 bytes a record of one file, never with a line. `progress` is told the bytes read.
    Raises SetupError for a key that is none, OSError where a folder cannot be read.
    """
    verifiers = {verifier.key_id: verifier for verifier in load_verifiers(public_key)}
    alone = exports.is_file()
    paths = [exports] if alone else sorted(path for path in exports.iterdir() if path.suffix == ".jsonl")
    checked, problems = _check_all(paths, verifiers, progress or (lambda size: None))
    if not alone:
        problems += [*_orphans(exports), *_links(checked, {path.name for path in paths})]
    outside = [*read_heads(heads)] if heads is not None and not alone else []
    if heads is not None and not alone:
        problems += compare(outside, {name: one.agrees for name, one in checked.items()}, verifiers)
    found = list(checked.values())
    whole = [path for path in paths if (one := checked.get(path.name)) and one.whole]
    gone = deletions(whole)
    excused = [problem for problem in problems if _excused(problem, gone)]
    return Report(
        files=len(paths),
        records=sum(one.records for one in found),
        signed=sum(one.signed for one in found),
        problems=tuple(
            sorted(
                [p for p in (*problems, *(p for one in found for p in one.problems)) if p not in excused],
                key=_place,
            )
        ),
        notes=(
            *(note for one in found for note in one.notes),
            *_deleted(excused),
            *(_without_head(outside, checked) if heads is not None and not alone else ()),
            _ALONE if alone else _KEPT if heads else _NEWEST,
        ),
    )


def _excused(problem: Problem, gone: dict[str, Deleted]) -> bool:
    """Whether a file is missing because it was deleted when its time was up, as the signed record says."""
    told = gone.get(problem.file)
    return problem.what == "missing" and told is not None and (problem.record or 0) <= told.last


def _deleted(excused: list[Problem]) -> list[str]:
    names = {problem.file for problem in excused}
    return [f"{len(names)} files are not here because they were deleted, as the record says"] if names else []


def _without_head(outside: list[Kept | Problem], checked: dict[str, _Checked]) -> list[str]:
    there = {kept.header.file for kept in outside if isinstance(kept, Kept)}
    bare = [name for name in checked if name not in there]
    return [f"{len(bare)} files have no heads there: {bare[0]} …"] if bare else []


def _place(problem: Problem) -> tuple[str, int]:
    return problem.file, problem.line or 0


def _check_all(
    paths: list[Path], verifiers: dict[str, Verifier], progress: Progress
) -> tuple[dict[str, _Checked], list[Problem]]:
    checked: dict[str, _Checked] = {}
    problems, bare = [], unmarked(paths)
    for path in paths:
        try:
            checked[path.name] = _check(path, verifiers, progress, marks=path.name not in bare)
        except FileNotFoundError:
            text = "it has no .chain file: guard did not write it, or its chain was removed"
            problems.append(Problem("foreign", path.name, text))
        except chain.UnknownVersion:
            problems.append(Problem("chain", path.name, _VERSION))
        except ValueError:
            problems.append(Problem("chain", path.name, "the header of its .chain file cannot be read"))
    return checked, problems


def _check(path: Path, verifiers: dict[str, Verifier], progress: Progress, *, marks: bool) -> _Checked:
    held = (streamed(path, verifiers, progress) if marks else None) or quick(path, progress)
    found = _Checked(held, held.problems) if held else _careful(path, progress)
    found.records = found.chain.last - found.chain.header.first + 1
    if found.chain.header.file != path.name:
        text = f"it was written as {found.chain.header.file}: renamed, or a copy"
        found.problems.append(Problem("link", path.name, text))
    # After the lines: an entry that was changed, and not its record, is put right by then.
    _check_heads(found, verifiers.get(found.chain.header.key_id))
    if not found.chain.closed:
        found.notes += _notes(path.name, found)
    proved = found.chain.header.first - 1 + found.signed
    found.signed -= sum(max(0, min(last, proved) - first + 1) for first, last in found.lost)
    return found


def _careful(path: Path, progress: Progress) -> _Checked:
    held = read_chain(path.with_suffix(".chain"))
    found = _Checked(held, held.problems)
    found.torn = _check_lines(path, found, progress)
    return found


def _check_heads(found: _Checked, verifier: Verifier | None) -> None:
    """Check the signatures: each binds the header and all records before it."""
    held = found.chain
    start = at = held.header.first - 1
    if verifier is None:
        return held.says("key", f"it is signed with the key {held.header.key_id}, which was not given")
    if not held.heads or held.heads[0].seq != start:
        held.says("signature", "the signature of its header is missing")
    for head in held.heads:
        if head.seq - at > held.header.sign_every:
            held.says("signature", f"a signed head is missing between records {at} and {head.seq}", head.seq)
        if _check_head(held, head, at, verifier):
            found.signed = head.seq - start
        at = max(at, head.seq)
    if held.last - at > held.header.sign_every:
        held.says("signature", f"signed heads are missing after record {at}", at)


def _check_head(held: ChainFile, head: chain.Entry, at: int, verifier: Verifier) -> bool:
    proved = records_named(at + 1, head.seq) if head.seq > at else "its header is"
    if not (held.streamed or chain.holds(head, verifier, held.header.version)):
        held.says("signature", f"the signature at record {head.seq} is wrong: {proved} not proved", head.seq)
    elif held.digest(head.seq) != head.digest:
        held.says("signature", f"the chain was rewritten: {proved} not what was signed", head.seq)
    else:
        return True
    return False


def _check_lines(path: Path, found: _Checked, progress: Progress) -> int:
    """Hash every line; at the first one that does not fit, find out what happened. Gives the torn bytes."""
    held = found.chain
    seq, before, read = held.header.first, held.before, 0
    with path.open("rb", buffering=_BLOCK) as file:
        while seq <= held.last:
            digest, size, whole = hash_line(file, before, seq)
            if not whole or digest != held.digest(seq):
                damage = Damage(file, path.name, held)
                found.problems += damage.explain(seq - held.header.first, seq)
                found.lost = damage.lost
                return 0
            before, seq, read = digest, seq + 1, read + size
            if read >= _BLOCK:
                progress(read)
                read = 0
        progress(read)
        return _check_tail(path.name, file, found, before)


def _check_tail(name: str, file: BinaryIO, found: _Checked, before: bytes) -> int:
    """Look at what follows the last chained record: in a killed process's file, what nobody was told of."""
    held = found.chain
    seq, torn = held.last + 1, 0
    while (read := hash_line(file, before, seq))[1]:
        if not read[2]:
            torn = read[1]
            break
        before = found.beyond[seq] = read[0]
        seq += 1
    if held.closed and (found.beyond or torn):
        line = held.last - held.header.first + 2
        found.problems.append(Problem("inserted", name, "the file goes on after its signed end", line))
    return torn


def _notes(name: str, found: _Checked) -> list[str]:
    last, unsigned, torn = found.chain.last, found.records - found.signed, found.torn
    state = "not ended: its process was killed or still writes"
    notes = [f"{name}: {state}; a cut after record {last} would not show"]
    if unsigned:
        notes.append(f"{name}: the last {unsigned} records come after the last signature and are not proved")
    if found.beyond or torn:
        tail = f"{len(found.beyond)} whole lines and {torn} bytes of a torn one"
        notes.append(f"{name}: {tail} follow the last chained record, as a process leaves them that dies")
    return notes


def _orphans(folder: Path) -> list[Problem]:
    """Chains whose export is gone; one that never had a record is what a crash at the start leaves."""
    problems = []
    for path in sorted(folder.glob("*.chain")):
        export = path.with_suffix(".jsonl")
        if not export.exists() and (lost := _last_record(path)):
            text = f"the export is missing, its chain goes up to record {lost}"
            problems.append(Problem("missing", export.name, text))
    return problems


def _last_record(path: Path) -> int:
    try:
        held = read_chain(path)
    except ValueError:
        return 0
    return held.last if held.last >= held.header.first else 0


def _links(checked: dict[str, _Checked], here: set[str]) -> list[Problem]:
    """Check what each header says about other files: its writer's previous one, and neighbours it saw.

    A file that is here and could not be read at all has its problem already.
    """
    problems: list[Problem] = []
    named: dict[chain.Link, list[tuple[str, chain.Link]]] = {}
    for name, found in checked.items():
        header = found.chain.header
        for link in filter(None, (header.previous, *header.seen)):
            named.setdefault(link._replace(mark=None), []).append((name, link))
        problems += _order(name, header, checked)
    last = {link.file: link for link in sorted(named, key=lambda link: link.seq)}
    for link, told in named.items():
        names = _all([name for name, _ in told])
        if target := checked.get(link.file):
            problems += _link(names, [one for _, one in told], target)
        elif link.file not in here and link == last[link.file]:
            text = f"the file is missing: {names} names it, with record {link.seq}"
            problems.append(Problem("missing", link.file, text, record=link.seq))
    return problems


def _all(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"


def _link(names: str, links: list[chain.Link], target: _Checked) -> list[Problem]:
    found, link = [target.agrees(link) for link in links], links[0]
    if None in found:
        what, text = "cut", f"record {link.seq} is missing, which {names} names"
    elif False in found:
        what, text = "link", f"it was rewritten: {names} names another hash of record {link.seq}"
    else:
        return []
    return [Problem(what, link.file, text, record=link.seq)]


def _order(name: str, header: chain.Header, checked: dict[str, _Checked]) -> list[Problem]:
    """A writer's file goes on where its previous one ended, without a gap and without an overlap."""
    previous = header.previous
    if previous is None:
        text = f"it begins with record {header.first} and names no previous file"
        return [] if header.first == 1 else [Problem("link", name, text)]
    target = checked.get(previous.file)
    if header.first == previous.seq + 1 and (target is None or target.chain.last == previous.seq):
        return []
    return [Problem("link", name, f"it does not go on where {previous.file} ends")]
