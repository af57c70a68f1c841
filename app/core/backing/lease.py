"""The right to use the embedded services: they run while somebody holds one, and it ends with its process."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app.core.backing.credentials import Credentials
from app.core.backing.processes import BackingFailed, clean_environment, wait_for, write_private

WAIT_SECONDS = 120.0
STOP_SECONDS = 30.0
# A keeper may outlive its lease; kept here, so that Python does not complain about a child still running.
_keepers: list[subprocess.Popen[bytes]] = []


class Lease:
    """Held by one process on one data directory; the ports are those of the services it asked for."""

    def __init__(
        self, var: Path, wanted: Collection[str], *, for_tests: bool = False, grace: float = 0.0
    ) -> None:
        self.home = (var / "services").resolve()
        self.wanted = sorted(wanted)
        self.for_tests = for_tests
        self.grace = grace
        self.ports: dict[str, int] = {}
        self._users: IO[str] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    def take(self) -> None:
        """Start what is wanted and not running, and wait until it answers."""
        # Others may pass through, so that an unprivileged PostgreSQL reaches its data.
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711)
        try:
            with locked(self.home / "start.lock"):
                self._users = (self.home / "users.lock").open("a")
                fcntl.flock(self._users, fcntl.LOCK_SH)
                if keeper_runs(self.home):
                    self._want_also()
                else:
                    self._start_keeper()
            self._wait()
        except BaseException:
            self.release(wait=True)
            raise

    def ensure(self) -> None:
        """Start a new keeper if the one that we rely on was killed."""
        if self._keeper is not None:
            self._keeper.poll()
        if not keeper_runs(self.home):
            with locked(self.home / "start.lock"):
                if not keeper_runs(self.home):
                    self._start_keeper()
            self._wait()

    def credentials(self) -> Credentials:
        return Credentials.kept_in(self.home)

    def release(self, *, wait: bool = False) -> None:
        """Give the lease back; with `wait`, return when the services have stopped, unless others use them."""
        if self._users is None:
            return
        self._users.close()
        self._users = None
        started = time.monotonic()
        while wait and keeper_runs(self.home) and time.monotonic() < started + STOP_SECONDS:
            if time.monotonic() > started + 2 and self._others_use_it():
                return
            time.sleep(0.05)
        if wait and self._keeper is not None:
            self._keeper.wait(STOP_SECONDS)

    def _others_use_it(self) -> bool:
        with (self.home / "users.lock").open("a") as users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return not self._state().get("stopping")
        return False

    def _want_also(self) -> None:
        path = self.home / "wanted.json"
        known = set(json.loads(path.read_text())) if path.exists() else set()
        if not known.issuperset(self.wanted):
            write_private(path, json.dumps(sorted(known | set(self.wanted))))

    def _start_keeper(self) -> None:
        for name in ("state.json", "failure.txt"):
            (self.home / name).unlink(missing_ok=True)
        write_private(self.home / "wanted.json", json.dumps(self.wanted))
        argv = [sys.executable, "-m", "app.core.backing.keeper", str(self.home), "--grace", str(self.grace)]
        argv += ["--for-tests"] if self.for_tests else []
        with (self.home / "keeper.log").open("ab") as log:
            self._keeper = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                cwd=Path(__file__).parents[3], env=clean_environment(),
            )
        keeper = self._keeper
        _keepers[:] = [other for other in _keepers if other.poll() is None] + [keeper]
        wait_for(lambda: keeper_runs(self.home) or keeper.poll() is not None, 15)

    def _wait(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            ports = self._state().get("ports", {})
            if all(name in ports for name in self.wanted):
                self.ports = {name: ports[name] for name in self.wanted}
                return
            failure = self.home / "failure.txt"
            if failure.exists():
                raise BackingFailed(failure.read_text())
            if not keeper_runs(self.home):
                raise BackingFailed(f"The embedded services did not start; see {self.home / 'keeper.log'}.")
            time.sleep(0.05)
        raise BackingFailed(f"The embedded services did not answer; see {self.home / 'keeper.log'}.")

    def _state(self) -> dict[str, dict[str, int]]:
        try:
            state: dict[str, dict[str, int]] = json.loads((self.home / "state.json").read_text())
        except (OSError, ValueError):
            return {}
        return state


def keeper_runs(home: Path) -> bool:
    try:
        with (home / "keeper.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock, waiting for it; it is given back when the process ends in whatever way."""
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
