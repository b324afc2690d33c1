"""Floor 6, hot reload: a policy loaded anew takes the place of the one in force in one step, or not at all.

The new version is compiled beside the running one, with workers of its own where it looks for something else.
Its record is durable before it holds. Requests that run keep the version that they began with; when the last of
them is done, what only that version used is stopped.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guard import destinations
from guard.build import attach, beside, open_alerting
from guard.errors import GuardError, PolicyError, SetupError
from guard.guard import Guard, Lease, release
from guard.policy.load import load, load_policy
from guard.policy.model import Policy
from guard.policy.resolve import Loaded
from guard.routing import check_keys
from guard.trace import records, spans

if TYPE_CHECKING:
    from guard.dispatch import Dispatch
    from guard.services.detector import Detector

log = logging.getLogger("guard")

_AGAIN = 10
"""A policy that did not load is tried again at every tenth look."""

_Seen = dict[Path, tuple[int, int, int] | None]


def reload(root: Guard, source: str | Path | Policy | None = None) -> Guard:
    """Put the policy of a file, a pack or a Policy in force; raises GuardError, and then the old one stays."""
    with root.reloading:
        try:
            made = _renewed(root, source)
        except GuardError as failure:
            _refuse(root, failure)
            raise
        old = root.current
        root.become(made)
        _watch_anew(old, made)
        root.refused_reload = ""
        if source is not None and not isinstance(source, Policy):
            root.source = source
        _retire(old, made)
        told = made.policy
        log.warning("guard: policy %s %s (%s) holds now", told.policy, told.version, told.sha256[:12])
        return made


def _renewed(root: Guard, source: str | Path | Policy | None) -> Guard:
    """The guard of the policy, compiled and on record, but not yet in force."""
    source = root.source if source is None else source
    if source is None:
        raise SetupError("this guard was made of a Policy, not of a file: say reload(policy)")
    before = root.current
    made = beside(before, load_policy(source))
    made.lease = Lease(made)
    same = made.policy.traffic.alerts == before.policy.traffic.alerts
    made.alerting = before.alerting if same else open_alerting(made)
    destinations.check(made, "proxy", "alerts", "provider")
    check_keys(made)
    attach(made)
    for detector in _detectors(made) - _detectors(before):
        detector.wait()
    attributes = {**made.policy_attributes, spans.POLICY_BEFORE: before.policy.sha256}
    root.ledger.commit_sync(records.lifecycle(root.recorder, spans.POLICY_LOADED, attributes))
    return made


def _watch_anew(old: Guard, made: Guard) -> None:
    """Look at the lines of the version in force."""
    if made.alerting is not old.alerting:
        if old.alerting is not None:
            old.alerting.close()
        if made.alerting is not None:
            made.alerting.start()


def _refuse(root: Guard, failure: GuardError) -> None:
    """Say that a policy was not taken: in the log, in the trace, and to whoever asks how guard is."""
    problems = failure.problems if isinstance(failure, PolicyError) else [str(failure)]
    if problems[0] == root.refused_reload:
        return  # said and on record
    root.refused_reload = str(problems[0])
    for problem in problems:
        log.error("guard: the policy was not loaded anew, the old one stays: %s", problem)
    attributes = {
        **root.current.policy_attributes,
        spans.ERROR_TYPE: type(failure).__name__,
        spans.POLICY_PROBLEMS: len(problems),
    }
    root.ledger.append(records.lifecycle(root.recorder, spans.POLICY_REFUSED, attributes))


def _detectors(guard: Guard) -> set[Detector]:
    return {member.detector for member in guard.members}


def _dispatches(guard: Guard) -> set[Dispatch | None]:
    return {member.dispatch for member in guard.members}


def _retire(old: Guard, made: Guard) -> None:
    """Let go of a version: what it alone used is stopped once no exchange holds its lease."""
    lease = old.lease
    for member in old.members:
        member.lease = None
    things = (_detectors(old) - _detectors(made), _dispatches(old) - _dispatches(made), old.members)
    weakref.finalize(lease, _stop, *things).atexit = False


def _stop(*things: Any) -> None:
    """Stop in a thread of its own: the last exchange may end on an event loop, and workers take a while."""
    threading.Thread(target=release, args=things, name="guard-retire", daemon=True).start()


def files_of(loaded: Loaded) -> list[Path]:
    """The files that a policy is made of: its own, those that it extends and attaches, lists of terms."""
    attached = [file for row in loaded.policy.attach for file in row.under.files]
    terms = [Path(terms.file.path) for terms in loaded.policy.recognizers.lists if terms.file.path]
    return list(dict.fromkeys([*loaded.files, *attached, *terms]))


class Watch:
    """Loads a guard's policy anew when one of its files has changed, or when told; in a thread of its own.

    With `every_s` of 0 it does not look by itself.
    """

    def __init__(self, guard: Guard, every_s: float) -> None:
        self._guard, self._every_s = guard, every_s
        self._told, self._ended = threading.Event(), False
        self._files: list[Path] = []
        self._meaning = ""
        self._held = self._seen = self._looks(())
        self._thread = threading.Thread(target=self._run, name="guard-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._held = self._seen = self._taken({})
        if self._meaning not in ("", self._guard.current.policy.sha256):
            self.now()  # it has changed since it was loaded
        self._thread.start()

    def now(self) -> None:
        """Load the policy anew, changed or not (SIGHUP)."""
        self._told.set()

    def stop(self) -> None:
        """End the thread; a load that runs is finished."""
        self._ended = True
        self._told.set()
        self._thread.join()

    def _run(self) -> None:
        for turn in itertools.count():
            told = self._told.wait(self._every_s or None)
            self._told.clear()
            if self._ended:
                return
            before, self._seen = self._seen, self._looks(self._files)
            # Twice the same: whoever writes the file is done. What failed may be mended in a file not yet known.
            settled = self._seen == before and self._seen != self._held
            if told or settled or (self._guard.refused_reload and turn % _AGAIN == 0):
                self._load()

    def _load(self) -> None:
        began = self._seen
        with contextlib.suppress(GuardError):  # said and on record
            reload(self._guard)
        self._held = self._seen = self._taken(began)

    def _taken(self, before: _Seen) -> _Seen:
        """Find out which files the policy has now; of those known before, what was seen before it was loaded."""
        with contextlib.suppress(GuardError):
            loaded = load(self._guard.source or "default")
            self._files, self._meaning = files_of(loaded), loaded.policy.sha256
        return {
            **self._looks(self._files),
            **{path: seen for path, seen in before.items() if path in self._files},
        }

    @staticmethod
    def _looks(files: Iterable[Path]) -> _Seen:
        return {path: _look(path) for path in files}


def _look(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
