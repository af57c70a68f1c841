"""Starting, watching and stopping one server process of our own."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0
POLL_SECONDS = 0.05
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15


class BackingFailed(Exception):
    """A backing service cannot run here; the message says why and how to mend it."""


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int, *, avoid: frozenset[int] = frozenset()) -> list[int]:
    """Ports below the range that the system hands to outgoing connections."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20000, 32000)
        if port not in avoid and port not in found and is_free(port):
            found.append(port)
    return found


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    fresh.replace(path)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return "\nState:\tZ" not in _proc(pid, "status")


def is_ours(pid: int, marker: str) -> bool:
    """Whether the process with this number is the one we started: its command line names our data."""
    if pid <= 0 or not is_running(pid):
        return False
    if Path("/proc/self/cmdline").exists():
        return marker in _proc(pid, "cmdline")
    listing = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)
    return marker in listing.stdout


def _proc(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def end(
    pid: int, *, ask: signal.Signals, patience: float, has_ended: Callable[[], bool] | None = None
) -> None:
    """Ask a process to end; after `patience` seconds make it."""
    gone = has_ended or (lambda: not is_running(pid))
    for number, seconds in ((ask, patience), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if wait_for(gone, seconds):
            return


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """For Popen's preexec_fn: the kernel sends the child this signal when its parent ends (on Linux)."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:
            os._exit(1)

    return tie


def name_process(name: str) -> None:
    """What this process is called in lists of processes: at most 15 characters (on Linux)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def clean_environment() -> dict[str, str]:
    """The environment without what would make a server read somebody else's settings."""
    dropped = ("PG", "AWS_", "WEED_", "S3_", "DATABASE_", "REDIS_", "VALKEY_", "SECRET")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)}


@dataclass
class ServerProcess:
    """One child process with its log, its number on disk, and the words by which we know it again."""

    name: str
    home: Path
    marker: str
    stop_signal: signal.Signals = signal.SIGTERM
    patience: float = 15.0
    child: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    given_up: bool = False

    @property
    def log(self) -> Path:
        return self.home / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        return self.home / f"{self.name}.pid"

    def spawn(self, argv: Sequence[str], *, cwd: Path, user: int | None = None,
              env: Mapping[str, str] | None = None) -> None:
        if self.given_up:
            raise BackingFailed(f"{self.name} is not wanted any more.")
        if self.log.exists() and self.log.stat().st_size > 5_000_000:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                user=user, group=user, extra_groups=None if user is None else [],
                env={**clean_environment(), **(env or {})},
            )
        write_private(self.pid_file, str(self.child.pid))

    def is_up(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = START_SECONDS) -> bool:
        """Wait for the server to answer; False when it ended first, BackingFailed when it takes too long."""
        deadline = time.monotonic() + seconds
        while self.is_up():
            if ready():
                return True
            if time.monotonic() > deadline:
                self.stop()
                raise BackingFailed(f"{self.name} did not answer within {seconds:.0f} s.\n{self.tail()}")
            time.sleep(POLL_SECONDS)
        return False

    def stop(self) -> None:
        if self.child is not None:
            child = self.child
            end(child.pid, ask=self.stop_signal, patience=self.patience,
                has_ended=lambda: child.poll() is not None)
            child.wait()
            self.child = None
        self.pid_file.unlink(missing_ok=True)

    def give_up(self) -> None:
        """End a start that is under way in another thread."""
        self.given_up = True
        child = self.child
        if child is not None:
            end(child.pid, ask=self.stop_signal, patience=self.patience,
                has_ended=lambda: child.poll() is not None)

    def end_leftover(self) -> None:
        """End the server that an earlier run, itself killed, left behind."""
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return
        if is_ours(pid, self.marker):
            end(pid, ask=self.stop_signal, patience=self.patience)
        self.pid_file.unlink(missing_ok=True)

    def tail(self, lines: int = 12) -> str:
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return ""
        return f"The last lines of {self.log}:\n  " + "\n  ".join(text.splitlines()[-lines:])
