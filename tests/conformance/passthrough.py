"""A pytest plugin for the suites of other projects: each of their applications runs behind GuardMiddleware.

Loaded with `-p passthrough`. `GUARD_CONFORMANCE_MODE=guarded` wraps, anything else only counts;
`GUARD_CONFORMANCE_REPORT` names the file for the outcome, `GUARD_CONFORMANCE_EXTRA` a folder of packages that
the suites need beside the installed ones.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(os.environ["GUARD_CONFORMANCE_EXTRA"])

POLICY = """
policy: passthrough
version: "1"
extends: [default]
recognizers: {presidio: {recognizers: []}}
output: {rules: {"moderation.*": allow, "moderation.sexual/minors": allow, "moderation.self-harm*": allow}}
"""


class Passthrough:
    """Wraps applications, and notes what became of each test."""

    def __init__(self, folder: Path) -> None:
        self.failed: set[str] = set()
        self.passed = self.wrapped = 0
        self.guard: Any = None
        if os.environ["GUARD_CONFORMANCE_MODE"] == "guarded":
            self.guard = _guard(folder)
            self.wrap()

    def wrap(self) -> None:
        from starlette import testclient
        from starlette.applications import Starlette

        stack, transport = Starlette.build_middleware_stack, testclient._TestClientTransport.__init__

        @functools.wraps(stack)
        def build_middleware_stack(app: Starlette) -> Any:
            return self.guarded(stack(app))

        @functools.wraps(transport)
        def init(own: Any, app: Any, *args: Any, **kwargs: Any) -> None:
            transport(own, self.guarded(app), *args, **kwargs)

        Starlette.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign]
        testclient._TestClientTransport.__init__ = init  # type: ignore[method-assign]

    def guarded(self, app: Any) -> Any:
        from guard import GuardMiddleware

        self.wrapped += 1
        return GuardMiddleware(app, guard=self.guard)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            self.passed += 1

    def pytest_unconfigure(self) -> None:
        if self.guard is not None:
            self.guard.close()
        outcome = {"failed": sorted(self.failed), "passed": self.passed, "wrapped": self.wrapped}
        Path(os.environ["GUARD_CONFORMANCE_REPORT"]).write_text(json.dumps(outcome))


def _guard(folder: Path) -> Any:
    from guard import Guard
    from guard.settings import Settings

    (folder / "passthrough.yaml").write_text(POLICY)
    return Guard.from_policy(
        folder / "passthrough.yaml", Settings(home=folder / "home", exports=folder / "exports")
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Passthrough(Path(os.environ["GUARD_CONFORMANCE_REPORT"]).parent))
