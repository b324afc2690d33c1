"""The tests' own fence: what it stops, and what it lets through."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest


def test_a_connection_that_would_leave_the_machine_is_refused_and_noted(outward: list[str]) -> None:
    """192.0.2.1 (RFC 5737) is nobody's; without the fence this would hang."""
    with socket.socket() as out, pytest.raises(OSError, match="may not connect"):
        out.connect(("192.0.2.1", 443))
    assert outward == ["192.0.2.1:443"]
    outward.clear()


def test_a_name_of_the_outside_is_not_looked_up(outward: list[str]) -> None:
    """A DNS question leaves the machine too, and can carry data."""
    with pytest.raises(socket.gaierror, match="may not look up"):
        socket.create_connection(("api.example.com", 443))
    assert outward == ["api.example.com"]
    outward.clear()


def test_loopback_is_open() -> None:
    """Servers of the tests live on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


def test_keys_and_exports_never_go_to_the_users_folders() -> None:
    """GUARD_HOME and GUARD_EXPORTS are set for the whole run."""
    for name in ("GUARD_HOME", "GUARD_EXPORTS"):
        assert Path.home() not in Path(os.environ[name]).parents
        assert Path.cwd() not in Path(os.environ[name]).parents
