"""The worker processes of `guard serve`: SIGHUP is handed to each, which loads its policy anew and stays."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess


class Workers(Multiprocess):
    """uvicorn's supervisor, which would start every worker anew at SIGHUP, and stop all where a policy is bad."""

    def handle_hup(self) -> None:
        """Hand the signal to each worker."""
        for process in self.processes:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)


def run_workers(workers: int, options: Mapping[str, Any]) -> None:
    """Serve in that many processes until told to end."""
    config = uvicorn.Config("guard.mounts.gateway:from_environment", factory=True, workers=workers, **options)
    Workers(config, sockets=[config.bind_socket()]).run()
