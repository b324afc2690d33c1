"""`guard` and `python -m guard`."""

from __future__ import annotations

import sys

import guard
from guard.cli import clash


def main() -> int:
    """Run the command line; say so first where another distribution owns the name `guard` too."""
    clashes = clash.warn()
    if not clash.is_ours(guard):
        if not clashes:
            print(f"guard: what Python imports as 'guard' is not {clash.OURS}; reinstall it", file=sys.stderr)
        return 2
    from guard.cli.main import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
