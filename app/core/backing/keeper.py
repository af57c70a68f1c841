"""The process that owns the embedded services: runs them while anybody holds a lease, then stops them."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import IO, Protocol

from app.core.backing.credentials import Credentials
from app.core.backing.postgres import Postgres
from app.core.backing.processes import POLL_SECONDS, BackingFailed, ServerProcess, wait_for, write_private
from app.core.backing.s3 import ObjectStore
from app.core.backing.valkey import Valkey

TICK_SECONDS = 0.2
LONGEST_PAUSE = 30.0


class Service(Protocol):
    name: str
    process: ServerProcess
    ports: list[int]

    def start(self) -> None: ...
    def stop(self) -> None: ...


SERVICES: dict[str, Callable[..., Service]] = {"postgres": Postgres, "valkey": Valkey, "s3": ObjectStore}


class Keeper:
    def __init__(self, home: Path, *, for_tests: bool, grace: float) -> None:
        self.home = home
        self.for_tests = for_tests
        self.grace = grace
        self.credentials = Credentials.kept_in(home)
        self.running: dict[str, Service] = {}
        self.failures: dict[str, int] = {}
        self.retry_at: dict[str, float] = {}
        self.told_to_stop = False
        self.pool = ThreadPoolExecutor(max_workers=len(SERVICES))
        self.starting: dict[str, Future[None]] = {}
        signal.signal(signal.SIGTERM, self._be_told)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _be_told(self, _number: int, _frame: FrameType | None) -> None:
        self.told_to_stop = True

    def keep(self, users: IO[str]) -> None:
        """Run until nobody has held a lease for the grace period; the lock on `users` is then ours."""
        left_at: float | None = None
        while not self.told_to_stop:
            self._start_wanted(users)
            self._restart_crashed()
            if try_lock(users):
                left_at = left_at or time.monotonic()
                if time.monotonic() - left_at >= self.grace:
                    return
                fcntl.flock(users, fcntl.LOCK_UN)
            else:
                left_at = None
            time.sleep(TICK_SECONDS)

    def _start_wanted(self, users: IO[str]) -> None:
        wanted = json.loads((self.home / "wanted.json").read_text())
        missing = [name for name in wanted if name not in self.running]
        if not missing:
            return
        made = {
            name: SERVICES[name](self.home, self.credentials, for_tests=self.for_tests) for name in missing
        }
        self.running |= made
        with ThreadPoolExecutor() as pool:
            starts = [pool.submit(service.start) for service in made.values()]
            while not all(start.done() for start in starts):
                if self.told_to_stop or try_lock(users):
                    for service in made.values():
                        service.process.give_up()
                    break
                time.sleep(POLL_SECONDS)
        for start in starts:
            start.result()
        self._tell()

    def _restart_crashed(self) -> None:
        """All that have stopped at once: one that is slow to start, or does not, keeps no other waiting."""
        now = time.monotonic()
        for name, service in self.running.items():
            if name in self.starting and not self.starting[name].done():
                continue
            if (started := self.starting.pop(name, None)) is not None:
                if (error := started.exception()) is not None:
                    say(str(error))
                self._tell()
            if service.process.is_up():
                if now > self.retry_at.get(name, 0) + LONGEST_PAUSE:
                    self.failures.pop(name, None)
                continue
            if now < self.retry_at.get(name, 0):
                continue
            times = self.failures[name] = self.failures.get(name, 0) + 1
            self.retry_at[name] = now + min(0.5 * 2 ** (times - 1), LONGEST_PAUSE)
            say(f"{name} has stopped; starting it again (time {times}).")
            self.starting[name] = self.pool.submit(service.start)

    def _tell(self, *, stopping: bool = False) -> None:
        ports = {name: service.ports[0] for name, service in self.running.items() if service.ports}
        write_private(self.home / "state.json", json.dumps({"ports": ports, "stopping": stopping}))

    def stop(self) -> None:
        self._tell(stopping=True)
        for name in self.starting:
            self.running[name].process.give_up()
        self.pool.shutdown()
        with ThreadPoolExecutor() as pool:
            for service in self.running.values():
                pool.submit(service.stop)
        (self.home / "state.json").unlink(missing_ok=True)


def try_lock(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--for-tests", action="store_true")
    parser.add_argument("--grace", type=float, default=0.0)
    options = parser.parse_args()
    home: Path = options.home
    os.chdir("/")
    with (home / "keeper.lock").open("a") as mine, (home / "users.lock").open("a") as users:
        if not wait_for(lambda: try_lock(mine), 3):
            return 0
        keeper = Keeper(home, for_tests=options.for_tests, grace=options.grace)
        status = 0
        try:
            keeper.keep(users)
        except BackingFailed as error:
            say(str(error))
            write_private(home / "failure.txt", str(error))
            status = 1
        finally:
            keeper.stop()
            # A new user waits for the second lock: by then the first must be free.
            fcntl.flock(mine, fcntl.LOCK_UN)
            fcntl.flock(users, fcntl.LOCK_UN)
    return status


if __name__ == "__main__":
    sys.exit(main())
