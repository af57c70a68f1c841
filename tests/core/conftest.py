"""A neighbour who says nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from app.core.backing.processes import LOOPBACK


@pytest.fixture
def silence() -> Iterator[tuple[str, list[socket.socket]]]:
    """The address of somebody who takes calls and never answers, and the calls."""
    calls: list[socket.socket] = []
    door = socket.create_server((LOOPBACK, 0), backlog=64)

    def take() -> None:
        while True:
            try:
                calls.append(door.accept()[0])
            except OSError:
                return

    taking = threading.Thread(target=take)
    taking.start()
    yield f"{LOOPBACK}:{door.getsockname()[1]}", calls
    door.shutdown(socket.SHUT_RDWR)
    door.close()
    taking.join()
    for call in calls:
        call.close()
